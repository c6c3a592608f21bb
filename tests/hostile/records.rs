//! What others recorded: sessions and calls, tapes, logs for off-policy evaluation, calibrations, personas.

use super::case::{Case, Content, SMALL};

const RECORDED: &str = "`kind = \"recorded\"`";
const TAPE: &str = "`windtunnel tape`";
const LOG: &str = "`windtunnel off-policy`";
const CALIBRATE: &str = "`windtunnel calibrate`";
const VALIDATE: &str = "`windtunnel validate`";

const HEADER: &str = "timestamp,item_id,position,click,propensity_score\n";

fn recorded(what: &'static str, record: impl Into<Vec<u8>>, says: &'static str) -> Case {
    let scenario = format!("{SMALL}[arms.recorded]\ntranscripts = \"r.jsonl\"\n");
    Case::run(RECORDED, what, scenario, says).file("r.jsonl", record)
}

fn log(what: &'static str, rows: impl AsRef<[u8]>, says: &'static str) -> Case {
    Case::new(LOG, what, &["off-policy", "log.csv", "log.csv"], says)
        .file("log.csv", [HEADER.as_bytes(), rows.as_ref()].concat())
}

fn import(what: &'static str, lines: impl Into<Vec<u8>>, says: &'static str) -> Case {
    Case::new(TAPE, what, &["tape", "import", "t.sqlite", "calls.jsonl"], says).file("calls.jsonl", lines)
}

pub fn cases() -> Vec<Case> {
    let session = |pages: &str| {
        format!("{{\"agent\": 1, \"pages\": [{pages}], \"exit_page\": 1, \"satisfaction\": 6}}\n")
    };
    let page = |shown: &str, slots: &str| {
        let rating = if slots.is_empty() { "" } else { "4" };
        format!(
            "{{\"page\": 1, \"shown\": [{shown}], \"aligned\": [], \"watched\": [{slots}], \"rating\": [{rating}], \"next\": null}}"
        )
    };
    vec![
        recorded("a record that is no JSON", "session one\n", "r.jsonl: row 1: expected value at line 1 column 1"),
        recorded("a session of somebody unknown", session(&page("1", "")).replace("\"agent\": 1", "\"agent\": \"nobody\""), "r.jsonl: row 1: agent is \"nobody\", expected a user of the dataset"),
        recorded("a slot that is not on the page", session(&page("1", "7")), "r.jsonl: row 1: page 1: slot 7 is not on a page of 1"),
        recorded("an item that is shown twice", session(&page("1, 1", "")), "r.jsonl: row 1: page 1: item 1 is shown twice"),
        recorded("a record 100,000 lists deep", "[".repeat(100_000), "r.jsonl: row 1: recursion limit exceeded at line 1 column 128"),
        recorded("a page number that goes back", session(&page("1", "").replace("\"page\": 1", "\"page\": 0")), "r.jsonl: row 1: exit_page is 1, expected the number of the last page"),
        import("a call whose key is not that of what it asks", call(), "calls.jsonl, line 1: key is 0000000000000000000000000000000000000000000000000000000000000000, expected "),
        import("a call that is cut", &call().as_bytes()[..80], "calls.jsonl, line 1: EOF while parsing a string, column 80"),
        import("a call with a key that nobody reads", "{\"color\": \"red\"}\n", "calls.jsonl, line 1: unknown field `color`, expected one of `key`, `model`"),
        Case::new(TAPE, "a tape that is a text", &["tape", "info", "t.sqlite"], "t.sqlite: not a tape (shorter than 512 bytes)").file("t.sqlite", "hello"),
        Case::new(TAPE, "another program's database", &["tape", "export", "t.sqlite"], "t.sqlite: not a tape (file is not a database)")
            .file("t.sqlite", [b"SQLite format 3\0".as_slice(), &[0u8; 500]].concat()),
        Case::new(TAPE, "a folder for a tape", &["tape", "info", "t.sqlite"], "t.sqlite/tape.sqlite: there is no tape").content("t.sqlite", Content::Folder),
        log("a log without rows", "", "log.csv: no row, expected one an impression"),
        log("a probability of nothing", "1,1,1,0,0\n", "log.csv, line 2, column \"propensity_score\": \"0\", expected a probability, above 0 and at most 1"),
        log("a probability that is none", "1,1,1,0,nan\n", "log.csv, line 2, column \"propensity_score\": \"nan\", expected a probability, above 0 and at most 1"),
        log("an item numbered 4,294,967,295", "1,4294967295,1,0,0.5\n", "log.csv, line 2, column \"item_id\": \"4294967295\", expected a whole number, 0..=1000000"),
        log("a click that is half of one", "1,1,1,0.5,0.5\n", "log.csv, line 2, column \"click\": \"0.5\", expected 0 or 1"),
        log("a row that is too long", "1,1,1,0,0.5,extra\n", "log.csv: line 2: 6 cells, expected 5 as in the header"),
        Case::new(LOG, "a log without the columns of one", &["off-policy", "log.csv", "log.csv"], "log.csv: no column \"timestamp\", expected a log of the Open Bandit Dataset").file("log.csv", "a,b\n1,2\n"),
        Case::new(CALIBRATE, "a calibration without sources", &["calibrate", "c.toml", "--out", "done.toml"], "c.toml: sources is missing: at least one table [sources.NAME]").file("c.toml", "name = \"x\"\n"),
        Case::new(CALIBRATE, "a calibration whose name leads out of the folder", &["calibrate", "c.toml", "--out", "done.toml"], "c.toml: name is \"../x\", must be letters, digits, `_` and `-` (it names a file)")
            .file("c.toml", "name = \"../x\"\n[sources.a]\nkind = \"run\"\npath = \"done\"\narm = \"popular\"\n"),
        Case::new(CALIBRATE, "a calibration on a run that is none", &["calibrate", "c.toml", "--out", "done.toml"], "cannot read scenario DIR/./scenario.toml: No such file or directory")
            .file("c.toml", "name = \"x\"\n[sources.a]\nkind = \"run\"\npath = \".\"\narm = \"popular\"\n"),
        Case::new(VALIDATE, "a reference that is no record", &["validate", "s.toml", "--against", "r.jsonl", "--out", "done", "--force", "--quiet"], "event file r.jsonl, row 1: expected a session with `pages` or a call with `response`")
            .file("s.toml", SMALL).file("r.jsonl", "{\"a\": 1}\n"),
        Case::run("`kind = \"llm\"`, `personas`", "personas that are numbers", "[dataset]\nsource = \"synthetic\"\nn_users = 12\nn_items = 30\n[behavior]\nkind = \"llm\"\nmodel = \"m\"\npersonas = \"p.toml\"\n[llm.models.m]\nbackend = \"openai\"\nmodel = \"x\"\nbase_url = \"http://127.0.0.1:9\"\n[arms.popular]\n", "DIR/p.toml: 2:9: invalid type: integer `7`, expected a sequence")
            .file("p.toml", "[users.1]\ntaste = 7\n"),
        Case::run("`parameters` of `kind = \"choice\"`", "parameters that are infinite", format!("{SMALL}[behavior]\nkind = \"choice\"\nparameters = \"p.toml\"\n"), "s.toml: p.toml.align.intercept is inf, must be -1000..=1000")
            .file("p.toml", include_str!("../../agents/choice/reasoned.toml").replacen("intercept = -0.4", "intercept = inf", 1)),
    ]
}

/// A call with a made-up key.
fn call() -> String {
    format!(
        "{{\"key\": \"{}\", \"model\": \"m\", \"stream\": \"s\", \"sampling\": {{\"temperature\": 0.5, \"top_p\": 1.0, \"max_tokens\": 9, \
         \"seed\": 1}}, \"messages\": [], \"shape\": null, \"failure\": {{\"kind\": \"refused\", \"detail\": \"no\"}}, \"created_at\": 1}}\n",
        "0".repeat(64)
    )
}

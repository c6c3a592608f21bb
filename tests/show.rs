//! Sessions to read: `windtunnel show`, and what the report lets agents say. On a small run, and on a run
//! whose log and tape are written by hand, with texts that would do harm if anybody obeyed them.

use assert_cmd::Command;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use windtunnel::event::write::{EventWriter, RawIds};
use windtunnel::event::{Event, ExitReason, What};
use windtunnel::id::{AgentId, ItemId};
use windtunnel::llm::tape::{Failure, Key, Outcome, Tape, TapeMode};
use windtunnel::llm::{ChatReply, ChatRequest, Finish, Message, Role, Sampling, Usage};
use windtunnel::metric::subjects::read_population;
use windtunnel::report::manifest::Manifest;

const SCENARIO: &str = "rounds = 2\n[dataset]\nsource = \"synthetic\"\nn_users = 60\nn_items = 50\n\
    [population]\nn_agents = 90\n[arms.popular]\n[arms.random]\n[statistics]\nn_bootstrap = 200\n";

/// Runs with these arguments in `dir`; gives exit code, stdout, stderr.
fn call(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("windtunnel").expect("the binary is built");
    let output = command.current_dir(dir).env_remove("COLUMNS").args(arguments).output();
    let output = output.expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn show(dir: &Path, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = call(dir, &[&["show", "run"], arguments].concat());
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    stdout
}

/// A folder with a finished run of the scenario in `run`.
fn finished_run() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), SCENARIO).expect("written");
    let (code, _, stderr) = call(dir.path(), &["run", "s.toml", "--out", "run", "--quiet"]);
    assert_eq!(code, 0, "{stderr}");
    dir
}

#[test]
fn a_session_is_told_as_the_tables_count_it() {
    let place = finished_run();
    let dir = place.path();
    let mut table = csv::Reader::from_path(dir.join("run/sessions.csv")).expect("sessions.csv");
    let rows: Vec<BTreeMap<String, String>> = table.deserialize().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 2 * 2 * 90);
    for row in rows.iter().step_by(37) {
        let text = show(dir, &["--user", &row["user"], "--arm", &row["arm"], "--round", &row["round"]]);
        let n = |what: &str| text.lines().filter(|line| line.contains(what)).count().to_string();
        let n_pages = text.lines().filter(|line| line.starts_with("page ")).count();
        let n_liked = text.lines().filter(|l| l.contains("rated 4 of") || l.contains("rated 5 of")).count();
        let told = [n("› fits, watched"), n_pages.to_string(), n("      › "), n_liked.to_string()];
        assert_eq!(
            told,
            [&*row["watches"], &row["pages"], &row["exposures"], &row["likes"]],
            "{row:?}\n{text}"
        );
        let score = format!("interview: {} of 10", row["satisfaction"]);
        assert!(text.contains(&score), "{score}\n{text}");
        assert!(
            text.starts_with(&format!("arm {}, round {}\nuser {}: ", row["arm"], row["round"], row["user"]))
        );
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
    let user = &rows[0]["user"];
    let default = show(dir, &["--user", user]);
    assert_eq!(default, show(dir, &["--user", user, "--arm", "popular", "--round", "0"]));
    assert_ne!(default, show(dir, &["--user", user, "--arm", "random"]));
    assert_ne!(default, show(dir, &["--user", user, "--round", "1"]));
    let page = std::fs::read_to_string(dir.join("run/report.html")).expect("a page");
    assert!(!page.contains("What they said"), "the choice model has no words of its own");
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let place = finished_run();
    let dir = place.path();
    let population = read_population(&dir.join("run")).expect("agents.csv");
    let user = population.people()[0].raw_id.as_str();
    let nearly = format!("{user}x");
    let copy = format!("did you mean {user:?}?");
    let cases: [(&[&str], &str); 8] = [
        (&["show", "run", "--user", &nearly], &copy),
        (&["show", "run", "--user", "somebody else"], "expected one of 90: "),
        (&["show", "run", "--user", "\u{1b}[2J"], r#"--user is "\u{1b}[2J", which is not in run/agents.csv"#),
        (
            &["show", "run", "--user", user, "--arm", "populer"],
            "did you mean `popular`?; expected one of: popular, random",
        ),
        (&["show", "run", "--user", user, "--round", "2"], "--round is 2, must be 0..=1"),
        (&["show", "run", "--user", user, "--calls"], "run/tape.sqlite: there is no tape"),
        (&["show", "nowhere", "--user", user], "nowhere is not a finished run"),
        (&["show", "run"], "--user"),
    ];
    for (arguments, expected) in cases {
        let (code, stdout, stderr) = call(dir, arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

/// The raw ids of a run folder.
struct Names {
    agents: Vec<String>,
    items: Vec<String>,
}

impl RawIds for Names {
    fn agent(&self, agent: AgentId) -> Cow<'_, str> {
        Cow::Borrowed(&self.agents[agent.idx()])
    }

    fn item(&self, item: ItemId) -> &str {
        &self.items[item.idx()]
    }
}

const HOSTILE: &str = "\u{1b}[31m<script>alert('words')</script>\r\n\u{202e}backwards";

/// Two pages of two items, of which the first of each is watched, and a last word that depends on the agent.
fn session(agent: u32, first_item: u32) -> Vec<Event> {
    let mut events = Vec::new();
    let mut log = |page, what| events.push(Event { round: 0, agent: AgentId(agent), page, what });
    for page in 1..=2 {
        for slot in 0..2 {
            let item = ItemId(first_item + (page - 1) * 2 + slot);
            log(
                page,
                What::Exposure {
                    slot,
                    item,
                    score: 1.0,
                    propensity: None,
                    advertised: None,
                    aligned: Some(slot == 0),
                    held_out: false,
                },
            );
        }
        let item = ItemId(first_item + (page - 1) * 2);
        log(page, What::Watch { slot: 0, item });
        log(page, What::Rating { slot: 0, item, rating: 5, feeling: HOSTILE.into() });
        let text = "long".repeat(100).into();
        log(page, What::Reflection { satisfaction: 0.8, fatigue: 0.3, text });
    }
    log(2, What::Exit { reason: ExitReason::Left, text: "time for bed".into() });
    let text = if agent == 0 { HOSTILE.into() } else { format!("agent {agent} was here").into() };
    log(2, What::Interview { satisfaction: 1 + (agent % 10) as u8, text });
    events
}

/// The run, made to look like one whose agents have words: other logs, hostile titles.
fn rewrite(run: &Path) -> Names {
    let population = read_population(run).expect("agents.csv");
    let mut items = csv::Reader::from_path(run.join("items.csv")).expect("items.csv");
    let header = items.headers().expect("a header").clone();
    let rows: Vec<csv::StringRecord> = items.records().map(|row| row.expect("a row")).collect();
    let mut table = csv::Writer::from_path(run.join("items.csv")).expect("items.csv");
    table.write_record(&header).expect("written");
    for (k, row) in rows.iter().enumerate() {
        let title = format!("Film {k} </details><script>alert('title')</script>\u{1b}[2J");
        table.write_record([&row[0], &title, &row[2], &row[3], &row[4]]).expect("written");
    }
    table.flush().expect("written");
    let names = Names {
        agents: population.iter().map(|agent| agent.raw_id().into_owned()).collect(),
        items: rows.iter().map(|row| row[0].to_owned()).collect(),
    };
    for (arm, first_item) in [("popular", 0), ("random", 8)] {
        let dir = run.join(format!("events/arm={arm}"));
        // One part a round.
        std::fs::remove_dir_all(&dir).expect("the events of both rounds");
        std::fs::create_dir(&dir).expect("a folder");
        let path = dir.join("part-00000.parquet");
        let mut writer = EventWriter::create(&path, &names).expect("a file");
        for agent in 0..names.agents.len() as u32 {
            writer.write(&session(agent, first_item)).expect("written");
        }
        writer.finish().expect("finished");
    }
    let text = std::fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    let manifest = Manifest::from_json(&text).expect("a manifest");
    let manifest = Manifest { behavior: "llm, by hand".into(), ..manifest };
    std::fs::write(run.join("manifest.json"), manifest.to_json()).expect("written");
    names
}

#[test]
fn words_are_shown_and_never_obeyed() {
    let place = finished_run();
    let dir = place.path();
    let names = rewrite(&dir.join("run"));
    let text = show(dir, &["--user", &names.agents[0]]);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(!text.contains('\u{202e}'), "{text:?}");
    assert!(text.contains(r"“\u{1b}[31m<script>alert('words')</script>\r\n\u{202e}backwards”"), "{text}");
    assert!(text.contains("Film 0 </details><script>alert('title')</script>\\u{1b}[2J"), "{text}");
    assert!(text.contains("leaves: “time for bed”"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");

    let (code, _, stderr) = call(dir, &["report", "run"]);
    assert_eq!(code, 0, "{stderr}");
    let page = std::fs::read_to_string(dir.join("run/report.html")).expect("a page");
    assert!(page.contains("What they said"));
    assert!(!page.contains("<script"), "a script got through");
    assert!(
        page.contains("&lt;script&gt;alert(&#x27;words") && page.contains("&lt;script&gt;alert(&#x27;title")
    );
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "a control character got through");
    // Nine agents give each score: ranks 0, 22, 45, 67 and 89 of 90, in both arms.
    for arm in 1..=2 {
        let scores: Vec<&str> = page
            .split(&format!("<a href=\"#said-{arm}-"))
            .skip(1)
            .map(|rest| rest.split_once("aria-label=\"").map_or("", |(_, label)| label))
            .map(|label| label.split(" of 10").next().unwrap_or_default())
            .collect();
        assert_eq!(scores, ["1", "3", "6", "8", "10"], "arm {arm}");
    }
    let first = page.clone();
    assert_eq!(call(dir, &["report", "run"]).0, 0);
    assert_eq!(std::fs::read_to_string(dir.join("run/report.html")).expect("a page"), first);
}

/// A call about the items that begin at `first_item`.
fn asked(user: &str, what: &str, task: &str, first_item: u32) -> ChatRequest {
    let titles: Vec<String> = (0..2)
        .map(|slot| {
            format!("{} | Film {} ‹/details›‹script›alert('title')‹/script›[2J", slot + 1, first_item + slot)
        })
        .collect();
    let messages = vec![
        Message { role: Role::System, content: "THE RULES of the game\nin two lines".into() },
        Message { role: Role::User, content: format!("I am {user}\n{task}: <<\n{}\n>>", titles.join("\n")) },
    ];
    ChatRequest {
        messages,
        sampling: Sampling { temperature: 0.5, top_p: 1.0, max_tokens: 50, seed: 1 },
        shape: None,
        stream: format!("agent {user}, round 0, {what}"),
        speaker: 0,
    }
}

#[test]
fn the_calls_behind_a_session_come_from_the_tape() {
    let place = finished_run();
    let dir = place.path();
    let names = rewrite(&dir.join("run"));
    let (user, other) = (names.agents[0].as_str(), names.agents[1].as_str());
    let said = |text: &str| {
        let usage = Usage { prompt_tokens: 312, cached_tokens: 0, completion_tokens: 40 };
        Outcome::Reply(ChatReply {
            text: text.into(),
            finish: Finish::Stop,
            usage,
            latency_ms: 210,
            n_retries: 0,
        })
    };
    let mut repair = asked(user, "page 1, page, repair 1", "page", 0);
    repair.messages.push(Message { role: Role::Assistant, content: "gibberish".into() });
    repair.messages.push(Message { role: Role::User, content: "That was no JSON.".into() });
    let failed = Outcome::Failed { cause: Failure::Refused("not \u{7}today".into()) };
    let calls = [
        (asked(user, "page 2, decide", "decide", 2), failed),
        (asked(user, "page 1, page", "page", 0), said("gibberish")),
        (repair, said("MENDED")),
        (asked(user, "page 2, page", "page", 2), said("{\"1\":\"\u{1b}[31mOURS\"}\nsecond line")),
        (asked(user, "page 2, page", "page", 10), said("THEIRS")),
        // The other arm's session has steps that this one has not.
        (asked(user, "page 3, page", "page", 12), said("THEIRS")),
        (asked(user, "page 1, interview", "interview", 8), said("THEIRS")),
        (asked(user, "page 1, page", "page", 8), said("THEIRS")),
        (asked(other, "page 1, page", "page", 0), said("SOMEBODY ELSE")),
        (ChatRequest { stream: format!("taste of {user}"), ..asked(user, "", "", 0) }, said("TASTE")),
    ];
    let tape = Arc::new(Tape::open(&dir.join("run/tape.sqlite"), TapeMode::Auto).expect("a tape"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (request, outcome) in calls {
        let key = Key::of("toy", &request);
        runtime.block_on(tape.keep(key, "toy", &request, outcome)).expect("kept");
    }
    drop(tape);

    let text = show(dir, &["--user", user, "--calls"]);
    let (before, after) = text
        .split_once("\ncalls: 4 on run/tape.sqlite; 4 more of this user left out")
        .unwrap_or_else(|| panic!("{text}"));
    assert_eq!(before, show(dir, &["--user", user]).trim_end_matches('\n').to_owned() + "\n");
    let at = |what: &str| after.find(what).unwrap_or_else(|| panic!("no {what:?} in {after}"));
    let order = [
        at("── page 1, page; toy: 312 tokens read, 40 written"),
        at("THE RULES"),
        at("gibberish"),
        at("── page 1, page, repair 1"),
        at("That was no JSON."),
        at("MENDED"),
        at("── page 2, page;"),
        at("\\u{1b}[31mOURS\"}\n  second line"),
        at("── page 2, decide; toy"),
        at("refused: not \\u{7}today"),
    ];
    assert!(order.is_sorted(), "{order:?}\n{after}");
    assert_eq!(after.matches("THE RULES").count(), 1, "{after}");
    for foreign in ["THEIRS", "SOMEBODY ELSE", "TASTE"] {
        assert!(!after.contains(foreign), "{foreign}\n{after}");
    }
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    let in_random = show(dir, &["--user", user, "--calls", "--arm", "random"]);
    assert!(in_random.contains("THEIRS") && !in_random.contains("OURS"), "{in_random}");

    // A tape that the scenario names is looked for where the command is given.
    std::fs::rename(dir.join("run/tape.sqlite"), dir.join("shared.sqlite")).expect("moved");
    let scenario = std::fs::read_to_string(dir.join("run/scenario.toml")).expect("a scenario");
    assert!(scenario.contains("[llm]"), "{scenario}");
    let named = scenario.replace("[llm]", "[llm]\ntape = \"shared.sqlite\"");
    std::fs::write(dir.join("run/scenario.toml"), named).expect("written");
    assert!(show(dir, &["--user", user, "--calls"]).contains("OURS"));
}

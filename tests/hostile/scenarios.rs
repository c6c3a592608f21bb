//! Scenarios: text that is no TOML, and TOML that is no scenario.

use super::case::{Case, Content, SMALL};

const ENTERS: &str = "a scenario";
const SET: &str = "`--set`";
const RUN: &[&str] = &["run", "s.toml", "--out", "done", "--force", "--quiet"];

/// A scenario of which this stands in front.
fn after(line: &str) -> Vec<u8> {
    format!("{line}\n{SMALL}").into_bytes()
}

fn with(override_: &[&str]) -> Vec<String> {
    override_.iter().map(|text| (*text).to_owned()).collect()
}

pub fn cases() -> Vec<Case> {
    let run = |what, scenario: Vec<u8>, says| Case::run(ENTERS, what, scenario, says);
    let set = |what, value: &str, says| {
        with(&[value]).into_iter().fold(Case::run(SET, what, SMALL, says), Case::set)
    };
    vec![
        run("an empty file", Vec::new(), "s.toml: arms is missing: at least one table [arms.NAME] with a kind"),
        run("text in UTF-16", SMALL.encode_utf16().flat_map(u16::to_le_bytes).collect(), "s.toml:1:18: unexpected key or value"),
        run("bytes that are no UTF-8", b"name = \"\xff\xfe\"\n".to_vec(), "cannot read scenario s.toml: byte 8 is not UTF-8"),
        run("a NUL byte inside a string", after("name = \"a\0b\""), "s.toml:1:10: invalid basic string"),
        run("arrays 200,000 deep", after(&format!("name = {}1", "[".repeat(200_000))), "s.toml:1:88: cannot recurse further; max recursion depth met"),
        run("a dotted key 100,000 deep", after(&format!("a{} = 1", ".a".repeat(100_000))), "s.toml:1:1: a key within more than 79 others, too deep to follow"),
        run("inline tables 5,000 deep", after(&format!("a = {}1", "{a=".repeat(5000))), "s.toml:1:245: cannot recurse further; max recursion depth met"),
        Case::new(ENTERS, "a million keys", RUN, "cannot read scenario s.toml: it is longer than 1048576 bytes, the most that such a file may have").content(
            "s.toml",
            Content::Made(|| (0..1_000_000).map(|k| format!("k{k} = 1\n")).collect::<String>().into_bytes()),
        ),
        run(
            "fifty thousand unknown keys",
            (0..50_000).map(|k| format!("k{k} = 1\n")).collect::<String>().into_bytes(),
            "s.toml: and 51 more",
        ),
        run(
            "ten thousand arms without a kind",
            after(&(0..10_000).map(|k| format!("[arms.a{k}]\n")).collect::<String>()),
            "s.toml: arms is 10002, must be 1..=64 arms",
        ),
        run("a key of 900,000 letters", after(&format!("{} = 1", "k".repeat(900_000))), "kkk…`; expected one of: arms, behavior, dataset"),
        run(
            "a key that clears the terminal and forges a line",
            after("\"a\\u001b[2J\\nerror: all is well\" = 1"),
            "s.toml: unknown key `a\\u{1b}[2J\\nerror: all is well`; expected one of: arms",
        ),
        run("a key that turns the direction of writing", after("\"a\\u202eb\" = 1"), "s.toml: unknown key `a\\u{202e}b`; expected one of: arms"),
        run("references in a circle", after("name = \"${description}\"\ndescription = \"${name}\""), "name leads through more than 8 references, or in a circle"),
        run(
            "references that stand for ten each, eight deep",
            after(
                &(0..9)
                    .map(|k| format!("k{k} = \"{}\"\n", format!("${{k{}}}", k + 1).repeat(10)))
                    .chain(["k9 = \"boom\"\n".to_owned()])
                    .collect::<String>(),
            ),
            "k8 leads through more than 8 references, or in a circle",
        ),
        run("a seed of 30 digits", after("seed = 999999999999999999999999999999"), "s.toml:1:8: invalid type: integer `999999999999999999999999999999` as i128"),
        run("a number that overflows", after("seed = 1e999"), "s.toml:1:8: floating-point number overflowed"),
        run(
            "an arm whose name leads out of the folder",
            after("[arms.\"../../etc\"]\nkind = \"popular\""),
            "s.toml: arms is \"../../etc\", must be 1 to 64 letters",
        ),
        run(
            "a study whose name leads out of the folder",
            after("[studies.\"../x\"]\nkind = \"verdict\""),
            "s.toml: studies is \"../x\", must be 1 to 64 letters",
        ),
        run("a version from the future", after("version = 99"), "s.toml: version is 99, must be 1"),
        Case::new(ENTERS, "a folder instead of a file", RUN, "cannot read scenario s.toml: Is a directory").content("s.toml", Content::Folder),
        Case::new(ENTERS, "a symbolic link to itself", RUN, "cannot read scenario s.toml: Too many levels of symbolic links").content("s.toml", Content::Link("s.toml")),
        Case::new(
            ENTERS,
            "a device without an end",
            &["run", "/dev/zero", "--out", "done", "--force", "--quiet"],
            "cannot read scenario /dev/zero: it is longer than 1048576 bytes",
        ),
        Case::new(ENTERS, "a file that nobody may read", RUN, "cannot read scenario s.toml: Permission denied").content("s.toml", Content::Locked),
        set("a key 30,000 deep", &format!("a{}=1", ".a".repeat(30_000)), "30001 keys within each other, expected at most 16"),
        set("no value", "session.max_pages", "--set session.max_pages: expected dotted.key=value"),
        set("an empty key", "a..b=1", "--set a..b=1: a key between dots is empty"),
        set("not a number for a share", "population.jitter=nan", "s.toml: population.jitter is NaN, must be 0..=2"),
        set("a value for a table", "dataset=1", "s.toml: dataset: expected a table [dataset], found integer"),
    ]
}

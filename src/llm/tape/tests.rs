//! One tape in one process: modes, who wins, files that are no tapes, lines, compaction.
//! Processes that are killed or share a tape are in `tests/tape.rs`.

use super::*;
use crate::llm::shape::Shape;
use crate::llm::{ChatReply, Finish, Message, Role, Sampling, Usage};
use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::sync::Arc;
use tempfile::TempDir;

const MODEL: &str = "toy-model";
const RULES: &str = "You watch films. Answer with the numbers of those that you would watch.";

fn request(agent: u64) -> ChatRequest {
    let message = |role, content: String| Message { role, content };
    ChatRequest {
        messages: vec![
            message(Role::System, RULES.to_owned()),
            message(Role::User, format!("You are person {agent}; \"quotes\"\n\0 and é.")),
        ],
        sampling: Sampling { temperature: 0.7, top_p: 0.95, max_tokens: 200, seed: u64::MAX - agent },
        shape: agent.is_multiple_of(2).then(|| Arc::new(Shape::Object(vec![("next", Shape::Boolean)]))),
        stream: format!("agent {agent}, round 0, page 1, decide"),
        speaker: agent,
    }
}

fn reply(text: &str) -> Outcome {
    Outcome::Reply(ChatReply {
        text: text.to_owned(),
        finish: Finish::Length,
        usage: Usage { prompt_tokens: 70, cached_tokens: 50, completion_tokens: 9 },
        latency_ms: 211,
        n_retries: 2,
    })
}

fn failures() -> [Outcome; 3] {
    [
        Failure::Exhausted { n_attempts: 5, last: "HTTP 500, \"busy\"".to_owned() },
        Failure::Refused("no\nnever".to_owned()),
        Failure::TooLong { prompt_tokens: 4000, max_tokens: 200, context_tokens: 4096 },
    ]
    .map(|cause| Outcome::Failed { cause })
}

fn failure() -> Outcome {
    let [first, ..] = failures();
    first
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn keep(tape: &Tape, agent: u64, outcome: Outcome) -> Outcome {
    let request = request(agent);
    wait(tape.keep(Key::of(MODEL, &request), MODEL, &request, outcome)).expect("kept")
}

fn find(tape: &Tape, agent: u64) -> Option<Outcome> {
    tape.find(&Key::of(MODEL, &request(agent))).expect("looked up")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(path: &Path, mode: TapeMode) -> Tape {
    Tape::open(path, mode).expect("opens")
}

/// A tape at rest with these outcomes, of agents 0, 1, 2, ….
fn tape_of(path: &Path, outcomes: &[Outcome]) {
    let tape = open(path, TapeMode::Auto);
    for (agent, outcome) in (0..).zip(outcomes) {
        assert_eq!(keep(&tape, agent, outcome.clone()), *outcome);
    }
}

fn exported(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(path, &mut bytes).expect("exported");
    bytes
}

#[test]
fn what_is_kept_is_found_again_as_it_was() {
    let folder = folder();
    let path = folder.path().join("run/deeper").join(FILE_NAME);
    let outcomes: Vec<Outcome> =
        [reply("one \"two\" \0\n"), reply("")].into_iter().chain(failures()).collect();
    tape_of(&path, &outcomes);
    for mode in [TapeMode::Replay, TapeMode::Auto] {
        let tape = open(&path, mode);
        for (agent, outcome) in (0..).zip(&outcomes) {
            let expected = (mode == TapeMode::Replay || outcome.is_reply()).then_some(outcome);
            assert_eq!(find(&tape, agent).as_ref(), expected, "agent {agent}, {}", mode.name());
        }
        assert_eq!(find(&tape, 99), None);
    }
}

#[test]
fn a_replay_stops_at_what_is_missing_and_writes_nothing() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[reply("yes")]);
    let tape = open(&path, TapeMode::Replay);
    let look_up = |agent| tape.look_up(&Key::of(MODEL, &request(agent)), &request(agent));
    assert_eq!(look_up(0), Ok(Some(reply("yes"))));
    let Err(LlmError::Stop(words)) = look_up(1) else { panic!("expected a stop") };
    assert!(words.contains("agent 1, round 0, page 1, decide"), "{words}");
    assert!(words.contains("tape.sqlite"), "{words}");
    let kept = wait(tape.keep(Key::of(MODEL, &request(1)), MODEL, &request(1), reply("no")));
    assert!(matches!(kept, Err(TapeError::ReadOnly { .. })), "{kept:?}");
    let auto = open(&path, TapeMode::Auto);
    assert_eq!(auto.look_up(&Key::of(MODEL, &request(1)), &request(1)), Ok(None));
}

#[test]
fn the_first_reply_stands_and_a_reply_beats_a_failure() {
    let folder = folder();
    let tape = open(&folder.path().join("tape.sqlite"), TapeMode::Auto);
    assert_eq!(keep(&tape, 1, reply("first")), reply("first"));
    assert_eq!(keep(&tape, 1, reply("second")), reply("first"));
    assert_eq!(keep(&tape, 1, failure()), reply("first"));
    let [exhausted, refused, _] = failures();
    assert_eq!(keep(&tape, 2, exhausted.clone()), exhausted);
    assert_eq!(keep(&tape, 2, refused), exhausted);
    assert_eq!(find(&tape, 2), Some(exhausted), "a failure of this run stands for this run");
    assert_eq!(keep(&tape, 2, reply("after all")), reply("after all"));
    assert_eq!(find(&tape, 2), Some(reply("after all")));
}

#[test]
fn auto_asks_again_where_a_run_before_has_failed() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let [exhausted, refused, _] = failures();
    tape_of(&path, &[reply("yes"), exhausted.clone(), exhausted]);
    let tape = open(&path, TapeMode::Auto);
    assert_eq!(find(&tape, 0), Some(reply("yes")));
    assert_eq!(find(&tape, 1), None);
    assert_eq!(keep(&tape, 1, refused.clone()), refused, "the newer failure is what this run met");
    assert_eq!(find(&tape, 1), Some(refused));
    assert_eq!(keep(&tape, 2, reply("now")), reply("now"));
}

#[test]
fn record_asks_again_and_writes_over_what_was_there_before() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[reply("old"), reply("old"), failure(), reply("old")]);
    let tape = open(&path, TapeMode::Record);
    let beside = open(&path, TapeMode::Record);
    assert!((0..5).all(|agent| find(&tape, agent).is_none()));
    assert_eq!(keep(&tape, 0, reply("new")), reply("new"));
    assert_eq!(keep(&tape, 0, reply("newer")), reply("new"), "the first of this run stands");
    assert_eq!(keep(&beside, 0, reply("newer")), reply("new"), "for who began before it was written too");
    assert_eq!(keep(&tape, 1, failure()), reply("old"), "a failure never replaces a reply");
    assert_eq!(find(&tape, 1), Some(reply("old")), "which is what this run goes on with");
    assert_eq!(keep(&tape, 2, reply("new")), reply("new"));
    assert_eq!(keep(&tape, 4, reply("new")), reply("new"));
    drop((tape, beside));
    let tape = open(&path, TapeMode::Replay);
    let texts: Vec<_> = (0..5).map(|agent| find(&tape, agent)).collect();
    assert_eq!(texts, ["new", "old", "new", "old", "new"].map(|text| Some(reply(text))));
}

#[test]
fn many_wait_at_once_and_each_gets_its_own() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let tape = Arc::new(open(&path, TapeMode::Auto));
    let n_calls = 3000;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime").block_on(
        async {
            let tasks: Vec<_> = (0..n_calls)
                .map(|agent| {
                    let tape = tape.clone();
                    tokio::spawn(async move {
                        let (request, said) = (request(agent), reply(&format!("reply {agent}")));
                        let kept = tape.keep(Key::of(MODEL, &request), MODEL, &request, said.clone()).await;
                        assert_eq!(kept.expect("kept"), said);
                        // Durable, and so visible to whoever asks.
                        assert_eq!(tape.find(&Key::of(MODEL, &request)).expect("looked up"), Some(said));
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        },
    );
    drop(tape);
    assert_eq!(summarise(&path).expect("a tape").n_replies, n_calls);
}

#[test]
fn what_nobody_waits_for_any_more_is_written_all_the_same() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let tape = open(&path, TapeMode::Auto);
    wait(async {
        for agent in 0..50 {
            let request = request(agent);
            let kept = tape.keep(Key::of(MODEL, &request), MODEL, &request, reply("left"));
            // One poll queues it; then the caller goes away.
            let mut kept = std::pin::pin!(kept);
            std::future::poll_fn(|context| {
                let _ = kept.as_mut().poll(context);
                std::task::Poll::Ready(())
            })
            .await;
        }
    });
    drop(tape);
    assert_eq!(summarise(&path).expect("a tape").n_replies, 50);
}

#[test]
fn a_tape_at_rest_is_one_ordinary_file() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[reply("yes")]);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    // Bytes 18 and 19 of an SQLite file: 1 for a rollback journal, 2 for WAL.
    assert_eq!(fs::read(&path).expect("readable")[18..20], [1, 1]);
    let (first, second) = (open(&path, TapeMode::Auto), open(&path, TapeMode::Auto));
    keep(&first, 1, reply("yes"));
    drop(first);
    keep(&second, 2, reply("yes"));
    drop(second);
    open(&path, TapeMode::Replay);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
}

#[cfg(unix)]
#[test]
fn a_replay_needs_no_right_to_write() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let place = folder.path().join("ro 100% a?b#c");
    let path = place.join("tape.sqlite");
    tape_of(&path, &[reply("yes")]);
    let mode = |path: &Path, bits| {
        fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("our own file");
    };
    let before = fs::read(&path).expect("readable");
    mode(&path, 0o444);
    mode(&place, 0o555);
    assert_eq!(find(&open(&path, TapeMode::Replay), 0), Some(reply("yes")));
    assert_eq!(summarise(&path).expect("a tape").n_calls, 1);
    mode(&place, 0o755);
    assert_eq!(fs::read(&path).expect("readable"), before);
}

#[test]
fn files_that_are_no_tapes_are_told_and_left_alone() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let text = at("text.sqlite");
    fs::write(&text, "agent,page\n1,2\n".repeat(100)).expect("written");
    let short = [1, 15, 100, 511, 512, 1000, 4095].map(|length| {
        let path = at(&format!("short-{length}.sqlite"));
        fs::write(&path, "x".repeat(length)).expect("written");
        path
    });
    let foreign = at("foreign.sqlite");
    Connection::open(&foreign).and_then(|c| c.execute_batch("CREATE TABLE t (x)")).expect("made");
    let other = at("other.sqlite");
    Connection::open(&other).and_then(|c| c.execute_batch("PRAGMA application_id = 7")).expect("made");
    for path in short.iter().chain([&text, &foreign, &other]) {
        let before = fs::read(path).expect("readable");
        for mode in TapeMode::ALL {
            let error = Tape::open(path, mode).expect_err("no tape");
            assert!(matches!(error, TapeError::NotATape { .. }), "{error:?}");
            assert!(error.to_string().contains("not a tape") && error.is_bad_input(), "{error}");
        }
        assert_eq!(fs::read(path).expect("readable"), before, "{}", path.display());
    }
    let newer = at("newer.sqlite");
    tape_of(&newer, &[]);
    Connection::open(&newer).and_then(|c| c.execute_batch("PRAGMA user_version = 2")).expect("changed");
    let error = Tape::open(&newer, TapeMode::Auto).expect_err("too new");
    assert!(error.to_string().contains("format 2, this version knows formats up to 1"), "{error}");
    let error = Tape::open(&at("missing/tape.sqlite"), TapeMode::Replay).expect_err("nothing there");
    assert!(matches!(error, TapeError::Missing { .. }) && !at("missing").exists());
    assert!(matches!(Tape::open(folder.path(), TapeMode::Auto), Err(TapeError::Sqlite { .. })));
    assert!(matches!(Tape::open(&text.join("tape.sqlite"), TapeMode::Auto), Err(_)));
}

/// Whatever is done to the bytes, opening, reading and copying end in a result.
#[test]
fn damaged_tapes_are_errors_and_no_panics() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let outcomes: Vec<Outcome> =
        (0..60).map(|n| reply(&format!("{n} ").repeat(50))).chain(failures()).collect();
    tape_of(&path, &outcomes);
    let whole = fs::read(&path).expect("readable");
    let copy = folder.path().join("copy.sqlite");
    let mut n_errors = 0;
    let mut n_reads = 0;
    let mut attempt = |bytes: &[u8]| {
        fs::write(&copy, bytes).expect("written");
        n_reads += 1;
        let read = Tape::open(&copy, TapeMode::Replay).and_then(|tape| {
            (0..63).try_for_each(|agent| tape.find(&Key::of(MODEL, &request(agent))).map(drop))?;
            tape.calls(&Filter::default()).map(drop)
        });
        let copied = export(&copy, &mut std::io::sink());
        let counted = summarise(&copy);
        if let Some(error) = read.err().or(copied.err()).or(counted.err()) {
            n_errors += 1;
            assert!(error.to_string().contains("copy.sqlite"), "{error}");
            assert!(error.is_bad_input(), "{error:?}");
        }
    };
    for length in (1..whole.len()).step_by(whole.len() / 40) {
        attempt(&whole[..length]);
    }
    let mut state = 1u64;
    for _ in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..20 {
            // A linear congruential generator: any bytes will do.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 20) as usize % bytes.len();
            bytes[at] = (state >> 56) as u8;
        }
        attempt(&bytes);
    }
    assert!(n_errors > n_reads / 2, "{n_errors} of {n_reads}");
    fs::write(&copy, &whole[..whole.len() / 2]).expect("written");
    assert!(matches!(export(&copy, &mut std::io::sink()), Err(TapeError::Damaged { .. })));
}

#[test]
fn lines_carry_everything_and_equal_tapes_give_equal_bytes() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let outcomes: Vec<Outcome> =
        [reply("one \"two\" \0\n"), reply("")].into_iter().chain(failures()).collect();
    tape_of(&at("a.sqlite"), &outcomes);
    let lines = exported(&at("a.sqlite"));
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 5);
    fs::write(at("lines"), &lines).expect("written");
    let imported = import(&at("b.sqlite"), &at("lines")).expect("imported");
    assert_eq!(imported, Imported { n_calls: 5, n_new: 5, n_replies_for_failures: 0 });
    assert_eq!(exported(&at("b.sqlite")), lines);
    // Another order of writing gives the same lines.
    let mut shuffled: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    shuffled.reverse();
    fs::write(at("reversed"), shuffled.concat()).expect("written");
    import(&at("c.sqlite"), &at("reversed")).expect("imported");
    assert_eq!(exported(&at("c.sqlite")), lines);
    // And once more changes nothing.
    let again = import(&at("c.sqlite"), &at("lines")).expect("imported");
    assert_eq!(again, Imported { n_calls: 5, n_new: 0, n_replies_for_failures: 0 });
    assert_eq!(exported(&at("c.sqlite")), lines);
    let tape = open(&at("c.sqlite"), TapeMode::Replay);
    for (agent, outcome) in (0..).zip(outcomes) {
        assert_eq!(find(&tape, agent), Some(outcome));
    }
}

#[test]
fn a_line_reads_as_documented() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[]);
    let mut call = Call::new(Key::of(MODEL, &request(2)), MODEL, &request(2), reply("yes")).expect("finite");
    call.created_at = 1_800_000_000;
    let connection = file::open_for_writing(&path).expect("opens");
    rows::put(&connection, &call, Standing::EVERYTHING).expect("written");
    let expected = format!(
        r#"{{"key":"{}","model":"toy-model","stream":"agent 2, round 0, page 1, decide","sampling":{{"temperature":0.7,"top_p":0.95,"max_tokens":200,"seed":18446744073709551613}},"messages":[{{"role":"system","content":"{RULES}"}},{{"role":"user","content":"You are person 2; \"quotes\"\n\u0000 and é."}}],"shape":{{"additionalProperties":false,"properties":{{"next":{{"type":"boolean"}}}},"required":["next"],"type":"object"}},"reply":{{"text":"yes","finish":"length","usage":{{"prompt_tokens":70,"cached_tokens":50,"completion_tokens":9}},"latency_ms":211,"n_retries":2}},"created_at":1800000000}}"#,
        call.key
    );
    assert_eq!(String::from_utf8(exported(&path)).expect("UTF-8"), expected + "\n");
}

#[test]
fn an_import_merges_by_the_rule_of_who_wins() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    tape_of(&at("a.sqlite"), &[reply("a"), failure(), reply("a"), failure()]);
    tape_of(&at("b.sqlite"), &[reply("b"), reply("b"), failure(), failure(), reply("b")]);
    fs::write(at("lines"), exported(&at("b.sqlite"))).expect("written");
    let imported = import(&at("a.sqlite"), &at("lines")).expect("imported");
    assert_eq!(imported, Imported { n_calls: 5, n_new: 1, n_replies_for_failures: 1 });
    let tape = open(&at("a.sqlite"), TapeMode::Replay);
    let held: Vec<_> = (0..5).filter_map(|agent| find(&tape, agent)).collect();
    assert_eq!(held, [reply("a"), reply("b"), reply("a"), failure(), reply("b")]);
}

#[test]
fn a_broken_line_is_told_and_nothing_is_imported() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    tape_of(&at("a.sqlite"), &[reply("a"), failure(), reply("c")]);
    let lines = String::from_utf8(exported(&at("a.sqlite"))).expect("UTF-8");
    let third = lines.lines().nth(2).expect("three lines");
    let key = third[8..72].to_owned();
    let with = |from: &str, to: &str| {
        assert!(third.contains(from), "{third}");
        third.replacen(from, to, 1).into_bytes()
    };
    let zeros = "0".repeat(64);
    let mismatch = format!("key is {zeros}, expected {key}");
    let mut not_utf8 = third.as_bytes().to_vec();
    not_utf8[100] = 0xff;
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"{".to_vec(), "EOF while parsing"),
        (b"{}".to_vec(), "missing field `key`"),
        (b"[]".to_vec(), "expected an object with the keys of a call"),
        (not_utf8, "expected UTF-8"),
        (third.as_bytes()[..third.len() - 5].to_vec(), "EOF while parsing"),
        (format!("{third} {third}").into_bytes(), "trailing characters"),
        (with("\"model\"", "\"modle\""), "unknown field `modle`, expected one of `key`, `model`"),
        (with(&key, "beef"), "key is \"beef\", expected 64 hexadecimal digits"),
        (with(&key, &zeros), &mismatch),
        (with("\"seed\":18", "\"seed\":17"), "expected"),
        (with("toy-model", "toy-model-2"), "from what the line asks"),
        (with("person", "parson"), "from what the line asks"),
        (with("\"max_tokens\":200", "\"max_tokens\":-1"), "invalid value: integer `-1`, expected u32"),
        (with("\"role\":\"user\"", "\"role\":\"bot\""), "unknown variant `bot`, expected one of `system`"),
        (with("\"created_at\":", "\"created_at\":9223372036854775808,\"x\":"), "unknown field `x`"),
        (with("\"created_at\":1", "\"created_at\":9999999999"), "created_at is 9999999999"),
    ];
    for (bad, words) in cases {
        let mut bytes = lines.lines().take(2).collect::<Vec<_>>().join("\n").into_bytes();
        bytes.extend([b"\n\n".to_vec(), bad].concat());
        fs::write(at("lines"), bytes).expect("written");
        for tape in ["new.sqlite", "old.sqlite"] {
            let existed = at(tape).exists();
            let error = import(&at(tape), &at("lines")).expect_err("is broken");
            assert!(error.is_bad_input(), "{error:?}");
            let said = error.to_string();
            assert!(said.contains("lines, line 4: ") && said.contains(words), "{said}\nexpected: {words}");
            assert_eq!(at(tape).exists(), existed);
        }
        if !at("old.sqlite").exists() {
            tape_of(&at("old.sqlite"), &[]);
        }
        assert_eq!(summarise(&at("old.sqlite")).expect("a tape").n_calls, 0);
    }
    let either = third.find("\"reply\"").map_or("\"failure\"", |_| "\"reply\"");
    let start = third.find(either).expect("one of them");
    let end = third.find(",\"created_at\"").expect("the last key");
    let without = format!("{}{}", &third[..start - 1], &third[end..]);
    fs::write(at("lines"), without).expect("written");
    let error = import(&at("new.sqlite"), &at("lines")).expect_err("is broken").to_string();
    assert!(error.contains("line 1: neither reply nor failure"), "{error}");
    let error = import(&at("new.sqlite"), &at("no-lines")).expect_err("is missing");
    assert!(matches!(error, TapeError::Io { .. }) && error.is_bad_input(), "{error:?}");
}

#[test]
fn compaction_drops_what_nobody_needs_and_no_more() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let long = |text: &str| reply(&text.repeat(2000));
    let outcomes: Vec<Outcome> =
        (0..200).map(|n| if n % 10 == 7 { failure() } else { long("word ") }).collect();
    tape_of(&path, &outcomes);
    let lines = exported(&path);
    let nothing = compact(&path, &Compaction::default()).expect("compacted");
    assert_eq!((nothing.n_calls, nothing.n_texts), (0, 0));
    assert_eq!(exported(&path), lines);
    let compacted = compact(&path, &Compaction { drop_failures: true, used: None }).expect("compacted");
    // Each failed call had a text of its own; all are odd, so none had a shape.
    assert_eq!((compacted.n_calls, compacted.n_texts), (20, 20));
    let used: BTreeSet<Key> = (0..10).map(|agent| Key::of(MODEL, &request(agent))).collect();
    let compacted =
        compact(&path, &Compaction { drop_failures: false, used: Some(&used) }).expect("compacted");
    assert_eq!((compacted.n_calls, compacted.n_texts), (171, 171));
    assert!(compacted.bytes_after < compacted.bytes_before / 5, "{compacted:?}");
    assert_eq!(fs::metadata(&path).expect("there").len(), compacted.bytes_after);
    let tape = open(&path, TapeMode::Auto);
    for agent in 0..20 {
        assert_eq!(find(&tape, agent), (agent < 10 && agent != 7).then(|| long("word ")));
    }
    let messages = &tape.calls(&Filter::default()).expect("read")[0].messages;
    assert_eq!(*messages, request(0).messages);
    let missing = compact(&folder.path().join("none.sqlite"), &Compaction::default());
    assert!(matches!(missing, Err(TapeError::Missing { .. })));
    assert!(!folder.path().join("none.sqlite").exists());
}

#[test]
fn calls_come_in_stream_order() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let tape = open(&path, TapeMode::Auto);
    for agent in [110, 11, 2, 1, 10] {
        keep(&tape, agent, reply(&format!("reply {agent}")));
    }
    let agents = |prefix: &str, model: Option<&str>| -> Vec<String> {
        let filter = Filter { stream_prefix: prefix.to_owned(), model: model.map(str::to_owned) };
        let calls = tape.calls(&filter).expect("read");
        calls.iter().map(|call| call.stream.split(',').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(agents("", None), ["agent 1", "agent 2", "agent 10", "agent 11", "agent 110"]);
    assert_eq!(agents("agent 1", None), ["agent 1"]);
    assert_eq!(agents("agent 11, round 0", Some(MODEL)), ["agent 11"]);
    assert!(agents("agent 11", Some("other")).is_empty() && agents("agent 3", None).is_empty());
    let call = &tape.calls(&Filter::default()).expect("read")[2];
    assert_eq!((&call.messages, &call.outcome), (&request(10).messages, &reply("reply 10")));
    assert_eq!((call.model.as_str(), call.sampling), (MODEL, request(10).sampling));
    assert_eq!(call.shape.as_deref().map(|shape| shape.contains("\"next\"")), Some(true));
}

#[test]
fn analysts_find_the_tables_that_are_documented() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[reply("yes"), failure()]);
    let connection = Connection::open(&path).expect("opens");
    let documented = "SELECT c.call, c.position, c.role, c.content, calls.reply
        FROM conversations AS c JOIN calls USING (call)
        WHERE c.stream LIKE 'agent 0, %' ORDER BY c.call, c.position";
    let rows: Vec<(i64, String, String, String)> = connection
        .prepare(documented)
        .and_then(|mut select| {
            select.query_map([], |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?.collect()
        })
        .expect("as documented");
    let [system, user] = request(0).messages.try_into().expect("two messages");
    assert_eq!(
        rows,
        [
            (0, "system".to_owned(), system.content, "yes".to_owned()),
            (1, "user".to_owned(), user.content, "yes".to_owned())
        ]
    );
    let failed: (String, u32) = connection
        .query_row(
            "SELECT failure, json_extract(failure_detail, '$.n_attempts') FROM calls WHERE reply IS NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("as documented");
    assert_eq!(failed, ("exhausted".to_owned(), 5));
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    assert_eq!(pragma("application_id"), Ok(0x5754_4150));
    assert_eq!(pragma("user_version"), Ok(1));
}

#[test]
fn what_is_written_is_synchronous() {
    let folder = folder();
    let connection = file::open_for_writing(&folder.path().join("tape.sqlite")).expect("opens");
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // 2 is FULL: every commit waits for the disk.
    assert_eq!(pragma("synchronous"), Ok(2));
    assert_eq!(connection.pragma_query_value(None, "journal_mode", |row| row.get(0)), Ok("wal".to_owned()));
}

#[test]
fn modes_are_read_by_name() {
    for mode in TapeMode::ALL {
        assert_eq!(mode.name().parse::<TapeMode>().ok(), Some(mode));
        assert_eq!(serde_json::json!(mode), mode.name());
    }
    let error = "reply".parse::<TapeMode>().expect_err("no mode").to_string();
    assert_eq!(error, "tape mode is \"reply\", expected one of: record, replay, auto");
    assert_eq!(TapeMode::default(), TapeMode::Auto);
}

#[test]
fn sampling_that_cannot_be_written_down_is_refused() {
    let folder = folder();
    let tape = open(&folder.path().join("tape.sqlite"), TapeMode::Auto);
    let mut odd = request(1);
    odd.sampling.temperature = f32::NAN;
    let kept = wait(tape.keep(Key::of(MODEL, &odd), MODEL, &odd, reply("yes")));
    assert_eq!(kept.expect_err("refused").to_string(), "temperature is NaN, must be finite");
}

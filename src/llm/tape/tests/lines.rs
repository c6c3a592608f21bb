//! Lines written and read, tapes merged and compacted, calls listed.

use super::*;
use std::collections::BTreeSet;

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

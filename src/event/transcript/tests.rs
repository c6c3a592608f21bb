//! Transcripts that are whole, spoilt and mutilated.

use super::*;
use crate::event::recorded;
use crate::id::ItemId;
use proptest::prelude::*;
use serde_json::json;

const TITLES: [&str; 5] =
    ["Babe (1995)", "Lion King, The (1994)", "Big (1988)", "Rock, The (1996)", "Heat (1995)"];

fn page(agent: u32, page: u32, shown: &[&str], response: &str) -> Value {
    let list: String = shown
        .iter()
        .map(|title| format!("<- {title} -> <- History ratings: 3.9 -> <- Summary: A. -> B. ->\n"))
        .collect();
    let prompt = format!("You play.\n#### Recommended List ####\nPAGE {page}\n{list}\nAnswer: <- none ->");
    json!({"agent": agent, "page": page, "kind": "page", "prompt": prompt, "response": response})
}

fn call(agent: u32, page: u32, kind: &str, response: &str) -> Value {
    json!({"agent": agent, "page": page, "kind": kind, "prompt": "", "response": response})
}

fn whole() -> Vec<Value> {
    vec![
        page(
            7,
            1,
            &TITLES[..2],
            "MOVIE: Babe; ALIGN: Yes; REASON: Sweet.\nMOVIE: The Lion King; ALIGN: No; REASON: Loud.\n\
             NUM: 1; WATCH: Babe\nMOVIE: Babe; RATING: 4; FEELING: Warm.",
        ),
        call(7, 1, "decide", "POSITIVE: good\nI am undecided."),
        call(7, 1, "reflection", "none of our business"),
        page(6, 1, &TITLES[4..], "MOVIE: Heat (1995); ALIGN: yes\nNUM: 1; WATCH: Heat"),
        page(7, 2, &TITLES[2..4], "Sorry."),
        call(7, 2, "decide", "NEGATIVE: bad\n[EXIT]; Reason: tired"),
        call(7, 2, "interview", "RATING: 6; REASON: so so"),
        call(6, 1, "decide", "[NEXT]; Reason: more"),
    ]
}

fn read_bytes(bytes: &[u8]) -> Result<Parsed, EventError> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("calls.jsonl");
    std::fs::write(&path, bytes).expect("written");
    read(&path, &Names::new(["6", "7"], [], TITLES))
}

fn lines(calls: &[Value]) -> String {
    calls.iter().map(|call| format!("{call}\n")).collect()
}

#[test]
fn calls_become_sessions() {
    let parsed = read_bytes(lines(&whole()).as_bytes()).expect("read");
    let [seven, six] = &parsed.sessions[..] else { panic!("two sessions, not {}", parsed.sessions.len()) };
    assert_eq!((seven.session.agent, six.session.agent), (AgentId(1), AgentId(0)));
    let slots: Vec<Slot> = seven.session.slots().copied().collect();
    let slot = |item, aligned, rating: Option<u8>| Slot {
        item: ItemId(item),
        aligned,
        held_out: false,
        propensity: None,
        watched: rating.is_some(),
        rating,
    };
    assert_eq!(
        slots,
        [slot(0, Some(true), Some(4)), slot(1, Some(false), None), slot(2, None, None), slot(3, None, None)]
    );
    assert_eq!(seven.goes_on, [Some(true), Some(false)]);
    assert_eq!(seven.feelings, [Some(true), Some(false)]);
    assert_eq!((seven.session.exit, seven.session.satisfaction), (Some(ExitReason::Left), Some(6)));
    let words = &seven.words;
    assert_eq!(words.pages[0].reasons, ["Sweet.", "Loud."]);
    assert_eq!(words.pages[0].feelings, ["Warm.", ""]);
    assert_eq!((words.pages[0].overall.as_str(), words.pages[0].decision.as_str()), ("good", ""));
    assert_eq!((words.pages[1].decision.as_str(), words.interview.as_str()), ("tired", "so so"));
    assert_eq!((&six.goes_on[..], &six.feelings[..]), (&[Some(true)][..], &[None][..]));
    assert_eq!((six.session.exit, six.session.satisfaction), (Some(ExitReason::MaxPages), None));
    assert!(!six.session.pages[0].slots[0].watched, "named to be watched, never rated");
    assert_eq!((parsed.n_chosen_unrated, parsed.n_rated_unchosen, parsed.n_other_calls), (1, 0, 1));
    assert_eq!((parsed.align.seen, parsed.align.landed), (3, 3));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let spoil = |row: usize, key: &str, value: Value| {
        let mut calls = whole();
        calls[row - 1][key] = value;
        calls
    };
    let twice = |row: usize| {
        let mut calls = whole();
        calls.insert(row, calls[row - 1].clone());
        calls
    };
    let unlisted = spoil(1, "prompt", json!("Recommended List: none"));
    let unknown = spoil(4, "prompt", json!("Recommended List\n<- Heat (1972) -> <- History ratings: 1 ->"));
    let doubled = {
        let list = "<- Heat (1995) -> <- History ratings: 1 ->\n".repeat(2);
        spoil(4, "prompt", json!(format!("Recommended List\n{list}")))
    };
    for (calls, told) in [
        (spoil(1, "agent", json!(9)), "row 1: agent \"9\": expected a user of the dataset"),
        (spoil(5, "page", json!(3)), "row 5: agent \"7\": page is 3, expected 2 here"),
        (spoil(5, "page", Value::Null), "row 5: agent \"7\": page is missing, expected 2 here"),
        (spoil(2, "page", json!(2)), "row 2: agent \"7\": decides after page 2, expected a page of the 1"),
        (
            spoil(7, "page", json!(1)),
            "row 7: agent \"7\": is interviewed on page 1, expected the last one, 2",
        ),
        (spoil(3, "response", json!(3)), "row 3: invalid type"),
        (twice(1), "row 2: agent \"7\": page is 1, expected 2 here"),
        (twice(2), "row 3: agent \"7\": decides twice after page 1"),
        (twice(7), "row 8: agent \"7\": is interviewed twice"),
        (unlisted, "row 1: agent \"7\": page 1: the prompt has no line `<- TITLE -> <- History ratings"),
        (unknown, "row 4: agent \"6\": page 1: \"Heat (1972)\" is not the title of an item"),
        (doubled, "row 4: agent \"6\": page 1: \"Heat (1995)\" is shown twice"),
        (whole()[1..2].to_vec(), "row 1: agent \"7\": decides after page 1, expected a page of the 0"),
        (whole()[2..3].to_vec(), "row 1: agent \"7\": has no call of kind \"page\""),
    ] {
        let error = read_bytes(lines(&calls).as_bytes()).expect_err(told).to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    let error =
        read_bytes(b"\n{\"agent\": 7, \"kind\": \"page\", \"response\": \"\xff\"}").expect_err("not UTF-8");
    assert!(error.to_string().contains("row 2: "), "{error}");
}

#[test]
fn records_are_told_apart_by_their_first_line() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let names = Names::new(["6", "7"], ["1", "2", "3", "4", "5"], TITLES);
    let either = |text: &str| {
        let path = dir.path().join("record.jsonl");
        std::fs::write(&path, text).expect("written");
        recorded::read_either(&path, &names)
    };
    assert_eq!(either(&format!("\n{}", lines(&whole()))).expect("calls").len(), 2);
    let session = r#"{"agent": 7, "pages": [{"page": 1, "shown": [2], "aligned": [], "watched": [], "rating": [], "next": null}], "exit_page": 1, "satisfaction": null}"#;
    let mut sessions = either(session).expect("sessions");
    recorded::mark_held_out(&mut sessions, |agent, item| (agent, item) == (AgentId(1), ItemId(1)));
    assert!(sessions[0].session.pages[0].slots[0].held_out);
    assert!(either("").expect("nothing").is_empty());
    let error = either("{\"agent\": 7}").expect_err("neither").to_string();
    assert!(error.contains("row 1: expected a session with `pages` or a call with `response`"), "{error}");
}

/// Replies as models mutilate them: labels, titles and odd pieces in any order.
fn mutilated() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("MOVIE:".to_owned()),
        Just("; ALIGN: ".to_owned()),
        Just("RATING".to_owned()),
        Just(": 4/5; FEELING: ".to_owned()),
        Just("NUM: 2; WATCH: Babe, Rock, The".to_owned()),
        Just("Lion King, The (1994)".to_owned()),
        Just("[EXIT]; reason:".to_owned()),
        Just("Misï¿½rables, Les (199".to_owned()),
        Just("\n".to_owned()),
        "\\PC{0,12}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_reply_breaks_the_reader(replies in prop::collection::vec(mutilated(), 8), title in mutilated()) {
        let mut calls = whole();
        for (call, reply) in calls.iter_mut().zip(&replies) {
            call["response"] = json!(reply);
        }
        let parsed = read_bytes(lines(&calls).as_bytes()).expect("whatever is replied");
        for lines in [&parsed.align, &parsed.watch, &parsed.rating] {
            prop_assert!(lines.landed <= lines.seen);
            prop_assert!(lines.left.len() as u64 <= lines.seen - lines.landed);
        }
        let rated = parsed.sessions.iter().flat_map(|r| r.session.slots()).filter_map(|slot| slot.rating);
        prop_assert!(rated.into_iter().all(|rating| (1..=5).contains(&rating)));
        let scores = parsed.sessions.iter().filter_map(|r| r.session.satisfaction);
        prop_assert!(scores.into_iter().all(|score| (1..=10).contains(&score)));
        calls[0]["prompt"] = json!(format!("Recommended List\n<-{title}-> <- History ratings:"));
        // A strange title is unknown, or on one line the title of an item; either way it is an answer.
        let _ = read_bytes(lines(&calls).as_bytes());
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..2000, byte: u8) {
        let _ = read_bytes(&bytes);
        let mut spoilt = lines(&whole()).into_bytes();
        let at = cut % spoilt.len();
        spoilt[at] = byte;
        let _ = read_bytes(&spoilt);
        spoilt.truncate(at);
        let _ = read_bytes(&spoilt);
    }
}

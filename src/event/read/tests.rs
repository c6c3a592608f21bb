//! Stories come back whole, and cost no more than the row groups they stand in.

use super::*;
use crate::event::story::{About, Words};
use crate::event::write::{EventWriter, RawIds};
use crate::event::{Event, What, assemble};
use std::borrow::Cow;

/// Agents `u0`, `u1`, … and one item.
struct Names(Vec<String>);

impl RawIds for Names {
    fn agent(&self, agent: AgentId) -> Cow<'_, str> {
        Cow::Borrowed(&self.0[agent.idx()])
    }

    fn item(&self, _: ItemId) -> &str {
        "i0"
    }
}

fn names(n: usize) -> (Names, DenseIds) {
    let names: Vec<String> = (0..n).map(|agent| format!("u{agent}")).collect();
    let ids = DenseIds::new(names.iter().map(String::as_str), ["i0"]);
    (Names(names), ids)
}

fn shown(slot: u32) -> What {
    What::Exposure {
        slot,
        item: ItemId(0),
        score: 0.5,
        propensity: Some(0.25),
        advertised: Some(true),
        aligned: Some(true),
        held_out: false,
    }
}

fn write(path: &Path, events: &[Event], raw: &Names) {
    let mut writer = EventWriter::create(path, raw).expect("a file");
    writer.write(events).expect("written");
    writer.finish().expect("finished");
}

#[test]
fn every_text_of_the_log_comes_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("e.parquet");
    let (raw, ids) = names(3);
    let hostile = "\u{1b}[31m<script>\0\u{202e}";
    let rating = What::Rating { slot: 1, item: ItemId(0), rating: 4, feeling: hostile.into() };
    let of_one = [
        (1, shown(0)),
        (1, shown(1)),
        (1, What::Watch { slot: 1, item: ItemId(0) }),
        (1, rating),
        (1, What::Reflection { satisfaction: 0.5, fatigue: 0.25, text: "well".into() }),
        (1, What::Forgetting { text: "2 memories".into() }),
        (2, shown(0)),
        (2, What::Exit { reason: ExitReason::Left, text: "".into() }),
        (2, What::Interview { satisfaction: 6, text: "so so".into() }),
        (2, What::Failure { step: "interview".into(), cause: "silence".into() }),
    ];
    let mut events = Vec::new();
    for round in 0..2 {
        for agent in 0..3 {
            let event = |(page, what): &(u32, What)| Event {
                round,
                agent: AgentId(agent),
                page: *page,
                what: what.clone(),
            };
            events.extend(of_one.iter().map(event));
        }
    }
    write(&path, &events, &raw);

    let mut read = Vec::new();
    for_some_events(&path, &ids, |some| {
        read.extend_from_slice(some);
        Ok(())
    })
    .expect("readable");
    assert_eq!(read, events);

    let mut stories = Vec::new();
    for_each_story(&path, &ids, 1, &["u0", "u2"], |story| stories.push(story.clone())).expect("readable");
    let sessions = assemble::sessions(&events);
    let found: Vec<&Session> = stories.iter().map(|story| &story.session).collect();
    assert_eq!(found, [&sessions[3], &sessions[5]], "the sessions are those of the session reader");
    let words = |page, about, text: &str| Words { page, about, text: text.to_owned() };
    let expected = [
        words(1, About::Rating { slot: 1 }, hostile),
        words(1, About::Reflection, "well"),
        words(1, About::Forgetting, "2 memories"),
        words(2, About::Exit, ""),
        words(2, About::Interview, "so so"),
        words(2, About::Failure { step: "interview".into() }, "silence"),
    ];
    assert!(stories.iter().all(|story| story.words == expected), "{stories:?}");
    assert_eq!(stories[0].words(1, &About::Rating { slot: 1 }), hostile);
    assert_eq!((stories[0].words(1, &About::Rating { slot: 0 }), stories[0].interview()), ("", "so so"));

    let mut read = Vec::new();
    for_each_session(&path, &ids, |session| read.push(session.clone())).expect("readable");
    assert_eq!(read, sessions);
    let nobody = |round, users: &[&str]| {
        let mut n = 0;
        for_each_story(&path, &ids, round, users, |_| n += 1).expect("readable");
        n
    };
    assert_eq!((nobody(2, &["u0"]), nobody(0, &["u9"]), nobody(0, &[])), (0, 0, 0));
}

#[test]
fn row_groups_without_the_wanted_are_not_even_read() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("e.parquet");
    let (raw, ids) = names(4);
    // A row group has 131,072 rows (write.rs): 200,000 an agent, so that sessions straddle groups.
    let mut events = Vec::new();
    for agent in 0..4 {
        events.extend((0..200_000).map(|k| Event {
            round: 0,
            agent: AgentId(agent),
            page: 1 + k / 1000,
            what: shown(k % 1000),
        }));
    }
    write(&path, &events, &raw);
    let file = std::fs::File::open(&path).expect("a file");
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).expect("Parquet");
    let groups = metadata.metadata().row_groups();
    assert_eq!(groups.len(), 7);
    let of_first = groups[0].columns().iter().map(|column| column.byte_range());
    let mut bytes = std::fs::read(&path).expect("a file");
    for (begin, length) in of_first {
        bytes[begin as usize..(begin + length) as usize].fill(0xAA);
    }
    std::fs::write(&path, bytes).expect("written");
    for_each_session(&path, &ids, |_| {}).expect_err("the first group is spoilt");
    for_each_story(&path, &ids, 0, &["u0"], |_| {}).expect_err("the first group is spoilt");
    let mut n_shown = Vec::new();
    for_each_story(&path, &ids, 0, &["u1", "u3"], |story| n_shown.push(story.session.n_shown()))
        .expect("sound groups");
    assert_eq!(n_shown, [200_000, 200_000]);
}

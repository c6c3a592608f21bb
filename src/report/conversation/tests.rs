//! A whole session in words, and the words of those that went wrong.

use super::*;
use crate::event::Session;
use crate::event::story::Words;
use crate::id::{AgentId, GenreId};
use crate::metric::CatalogueItem;
use crate::metric::PersonRecord;

fn catalogue() -> Catalogue {
    let item = |raw: &str, title: &str, genres: &[u16]| CatalogueItem {
        raw_id: raw.into(),
        title: title.into(),
        genres: genres.iter().map(|genre| GenreId(*genre)).collect(),
        n_train: 1,
        mean_rating: None,
    };
    Catalogue {
        genres: vec!["Drama".into(), "War".into()],
        items: vec![item("a", "The Harbour", &[0, 1]), item("b", "\u{1b}[2J<b>", &[]), item("c", "", &[1])],
        n_train_users: 1,
    }
}

fn population() -> Population {
    let person = PersonRecord {
        raw_id: "7".into(),
        n_train: 5,
        n_held_out: 2,
        genre_shares: vec![0.25, 0.75],
        mean_popularity: 1.0,
        popularity_shares: [0.5, 0.25, 0.25],
    };
    let mut population = Population::of_people(vec![person]);
    [[1, 3, 2]; 2].into_iter().for_each(|tiers| population.push(0, tiers));
    population
}

fn slot(item: u32, aligned: Option<bool>, rating: Option<u8>) -> Slot {
    let (item, watched) = (ItemId(item), rating.is_some());
    Slot { item, aligned, held_out: item.0 == 2, propensity: None, advertised: None, watched, rating }
}

fn words(page: u32, about: About, text: &str) -> Words {
    Words { page, about, text: text.into() }
}

fn story() -> Story {
    let session = Session {
        pages: vec![
            Page { number: 1, slots: vec![slot(0, Some(true), Some(4)), slot(1, Some(false), None)] },
            Page { number: 2, slots: vec![slot(2, Some(true), None)] },
        ],
        reflections: vec![(1, 0.75, 0.2)],
        exit: Some(ExitReason::Left),
        satisfaction: Some(6),
        ..Session::new(0, AgentId(1))
    };
    let said = vec![
        words(1, About::Rating { slot: 0 }, "moved"),
        words(1, About::Reflection, "it goes well"),
        words(2, About::Forgetting, "2 memories"),
        words(2, About::Exit, "late\nalready"),
        words(2, About::Interview, "so so"),
    ];
    Story { session, words: said }
}

#[test]
fn a_session_reads_as_a_conversation() {
    let told = Conversation::of(&story(), &catalogue(), &population());
    let expected = "\
user 7~1: stands for user 7; activity low, diversity high, conformity middle; history of 7, of it 2
held out; mostly War 75\u{202f}%, Drama 25\u{202f}%

page 1
   1  The Harbour (Drama, War)
      › fits, watched, rated 4 of 5: “moved”
   2  \\u{1b}[2J<b>
      › no
  · mood: satisfied 7.5 of 10, tired 2 of 10: “it goes well”
  · goes on

page 2
   1  item c (War) [held out]
      › fits
  · forgets, for want of room: “2 memories”
  · leaves: “late\\nalready”

interview: 6 of 10: “so so”
";
    assert_eq!(terminal::text(&told, 100), expected);
    assert_eq!(told.summary, "2 pages, 1 of 3 watched");
    for width in [1, 40, 60] {
        let text = terminal::text(&told, width);
        assert!(text.lines().all(|line| line.chars().count() <= width.max(24)), "{text}");
    }
}

#[test]
fn what_went_wrong_is_told_where_it_did() {
    let failure = |page, step: &str| words(page, About::Failure { step: step.into() }, "silence");
    let session = Session {
        pages: vec![Page { number: 1, slots: vec![slot(0, None, None)] }],
        exit: Some(ExitReason::Failure),
        n_failures: 1,
        ..Session::new(0, AgentId(0))
    };
    let told =
        Conversation::of(&Story { session, words: vec![failure(1, "page")] }, &catalogue(), &population());
    assert_eq!(told.pages[0].slots[0].answer, "no answer");
    let after: Vec<&str> = told.pages[0].after.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(after, ["step page failed", "a failure ended the session"]);
    assert!(told.aside.is_empty() && told.interview.is_none());

    let session = Session { exit: Some(ExitReason::Failure), ..Session::new(0, AgentId(9)) };
    let told = Conversation::of(
        &Story { session, words: vec![failure(1, "recommend")] },
        &catalogue(),
        &population(),
    );
    assert_eq!(told.aside, [Line { what: "step recommend failed".into(), words: "silence".into() }]);
    assert_eq!(told.user, "?");
}

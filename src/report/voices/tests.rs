//! Who is chosen, whatever order they come in, and that no session is too long for the page.

use super::*;
use crate::report::conversation::SlotTold;

fn session(agent: u32, round: u32, satisfaction: Option<u8>) -> Session {
    Session { satisfaction, ..Session::new(round, AgentId(agent)) }
}

fn scores(sessions: &[Session]) -> Vec<u8> {
    let mut chooser = Chooser::new(1);
    sessions.iter().for_each(|session| chooser.observe(0, session));
    let (_, chosen) = chooser.chosen(0).expect("an arm");
    let score = |agent: &AgentId| sessions.iter().rfind(|s| s.agent == *agent)?.satisfaction;
    chosen.iter().filter_map(score).collect()
}

#[test]
fn lowest_quartiles_and_highest_are_heard() {
    // 101 interviews: ranks 0, 25, 50, 75 and 100 in order of score.
    let mut sessions: Vec<Session> = (0..101)
        .map(|agent| {
            session(
                agent,
                0,
                Some(match agent {
                    0 => 1,
                    1..=24 => 3,
                    25..=49 => 4,
                    50..=74 => 6,
                    75..=99 => 7,
                    _ => 10,
                }),
            )
        })
        .collect();
    assert_eq!(scores(&sessions), [1, 4, 6, 7, 10]);
    let mut chooser = Chooser::new(1);
    sessions.iter().for_each(|session| chooser.observe(0, session));
    let forward = chooser.chosen(0);
    sessions.reverse();
    let mut chooser = Chooser::new(1);
    sessions.iter().for_each(|session| chooser.observe(0, session));
    assert_eq!(chooser.chosen(0), forward, "the order of the log decides nothing");
    assert!(chooser.arms[0].candidates.iter().all(|candidates| candidates.len() <= N_VOICES_MAX));
}

#[test]
fn few_are_all_heard_and_earlier_rounds_are_not() {
    assert_eq!(scores(&[]), [0_u8; 0]);
    assert_eq!(scores(&[session(4, 0, Some(7))]), [7]);
    let three = [session(1, 0, Some(9)), session(2, 0, Some(2)), session(3, 0, Some(9)), session(4, 0, None)];
    assert_eq!(scores(&three), [2, 9, 9]);
    let alike: Vec<Session> = (0..40).map(|agent| session(agent, 0, Some(5))).collect();
    let mut chooser = Chooser::new(1);
    alike.iter().for_each(|session| chooser.observe(0, session));
    let (_, chosen) = chooser.chosen(0).expect("an arm");
    assert_eq!(chosen.iter().collect::<std::collections::BTreeSet<_>>().len(), 5, "nobody is heard twice");
    let mut rounds = vec![session(1, 0, Some(2)), session(2, 0, Some(3))];
    rounds.push(session(2, 1, Some(8)));
    assert_eq!(scores(&rounds), [8]);
}

#[test]
fn only_those_who_have_words_are_asked() {
    for statement in ["llm, played by small: a person", "replay: what people did in the record x, again"] {
        assert!(have_words(statement), "{statement}");
    }
    for statement in ["choice, fitted: …", "random: coin flips", "", "llmish"] {
        assert!(!have_words(statement), "{statement}");
    }
}

#[test]
fn no_session_is_too_long_for_the_page() {
    let page = |number| PageTold {
        number,
        slots: (1..=100)
            .map(|slot| SlotTold { slot, words: "x".repeat(5000), ..Default::default() })
            .collect(),
        after: Vec::new(),
    };
    let told = bounded(Conversation { pages: (1..=50).map(page).collect(), ..Default::default() });
    let numbers: Vec<u32> = told.pages.iter().map(|page| page.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 50]);
    assert_eq!(told.pages[0].after[0].what, "80 more slots, which this page leaves out");
    assert_eq!(
        told.pages[8].after.last().map(|l| l.what.as_str()),
        Some("40 more pages, which this page leaves out")
    );
    assert!(
        told.pages
            .iter()
            .all(|p| p.slots.len() == 20 && p.slots.iter().all(|s| s.words.chars().count() == 600))
    );
}

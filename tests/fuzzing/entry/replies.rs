//! What language models and servers of vectors say. The first byte chooses the status and the task.

use super::words;
use std::time::Duration;
use windtunnel::agent::behavior::llm::reply;
use windtunnel::encoder::http;
use windtunnel::llm::openai::post::Answered;
use windtunnel::llm::openai::verdict::{Failure, judge};
use windtunnel::llm::shape::Shape;

/// Statuses of answers.
const STATUSES: [u16; 8] = [200, 200, 200, 301, 400, 401, 429, 500];

/// Reads an answer of a server as a chat completion, what it says (or the bytes themselves, where it says nothing) as a
/// reply to every task, and the bytes as vectors.
pub fn llm_reply(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let status = STATUSES[usize::from(first % 8)];
    let latency = Duration::ZERO;
    let answered = Answered { status, asked_wait: None, body: body.to_vec(), latency };
    let text = match judge(Ok(answered)) {
        Ok(said) => {
            assert!(!said.text.trim().is_empty(), "a reply has words");
            said.text
        }
        Err(Failure::Again { cause, .. } | Failure::Refused { cause, .. } | Failure::Stop { cause, .. }) => {
            assert!(!cause.is_empty() && cause.len() < 200, "causes are fixed words: {cause:?}");
            String::from_utf8_lossy(body).into_owned()
        }
    };
    understand(&text, usize::from(first >> 3) % 5 + 1);
    for width in [None, Some(3)] {
        if let Ok(rows) = http::read(body, 2, width) {
            assert!(rows.len() == 2 && rows[0].len() == rows[1].len());
            assert!(rows.iter().flatten().all(|x| x.is_finite()));
        }
    }
}

/// Reads a reply to each task.
fn understand(text: &str, n_slots: usize) {
    const CHARS: usize = 60;
    let fits = |said: &str| assert!(said.chars().count() <= CHARS && !said.contains('\n'), "{said:?}");
    for decides in [false, true] {
        if let Some(said) = shaped(&reply::page(n_slots, CHARS, decides), text) {
            let reaction = reply::reaction(&said, n_slots, CHARS);
            assert_eq!(reaction.slots.len(), n_slots);
            for (rating, feeling) in reaction.slots.iter().filter_map(|slot| slot.rating.as_ref()) {
                assert!((1..=5).contains(rating));
                fits(feeling);
            }
        }
    }
    if let Some(said) = shaped(&reply::decision(CHARS), text) {
        fits(&reply::decided(&said, CHARS).text);
    }
    if let Some(said) = shaped(&reply::reflection(CHARS), text) {
        let found = reply::reflected(&said, CHARS);
        assert!((0.0..=1.0).contains(&found.mood.satisfaction) && (0.0..=1.0).contains(&found.mood.fatigue));
    }
    if let Some(said) = shaped(&reply::interview(CHARS), text) {
        assert!((1..=10).contains(&reply::interviewed(&said, CHARS).satisfaction));
    }
    if let Some(said) = shaped(&reply::taste(CHARS), text) {
        reply::tasted(&said, CHARS).iter().for_each(|sentence| fits(sentence));
    }
    shaped(&Shape::Order { n: n_slots as u32 }, text);
}

/// The value, where the text has the shape; else what is wrong is said in words.
fn shaped(shape: &Shape, text: &str) -> Option<serde_json::Value> {
    shape.read(text).map_err(|problem| words(&std::io::Error::other(problem))).ok()
}

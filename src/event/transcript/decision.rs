//! The replies after a page: the overall feeling, whether to go on, and the interview at the end.
//! Must not know pages or items.

use super::fields::{Label, Number, fields, number, trimmed};

/// Scores go from 1 to this.
const SCORE_MAX: u8 = 10;

/// What was decided after a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Whether the overall feeling is positive, where that was said.
    pub is_positive: Option<bool>,
    /// Whether to go on, where that was said.
    pub goes_on: Option<bool>,
    /// The overall feeling, in words.
    pub feeling: String,
    /// Why to go on or to leave, in words.
    pub reason: String,
}

/// Reads the reply to a question of feeling and of going on.
pub fn decision(reply: &str) -> Decision {
    let said = goes_on(reply);
    Decision {
        is_positive: is_positive(reply),
        goes_on: said.map(|(goes_on, _)| goes_on),
        feeling: feeling(reply),
        reason: said.map(|(_, at)| reason(&reply[at..])).unwrap_or_default(),
    }
}

/// Which of the two words the reply was asked to begin with comes first.
pub fn is_positive(reply: &str) -> Option<bool> {
    let upper = reply.to_ascii_uppercase();
    match (upper.find("POSITIVE"), upper.find("NEGATIVE")) {
        (None, None) => None,
        (positive, negative) => Some(positive.unwrap_or(usize::MAX) < negative.unwrap_or(usize::MAX)),
    }
}

/// The paragraph behind that word.
fn feeling(reply: &str) -> String {
    let upper = reply.to_ascii_uppercase();
    let places = ["POSITIVE:", "NEGATIVE:"].iter().filter_map(|word| Some(upper.find(word)? + word.len()));
    let text = places.min().map_or("", |start| &reply[start..]);
    trimmed(text.trim_start().lines().next().unwrap_or_default()).to_owned()
}

/// Sentences that decide where the asked-for word is missing: (in lower case, go on).
const SENTENCES: [(&str, bool); 8] = [
    ("i will continue browsing", true),
    ("i will continue to browse", true),
    ("i'll continue browsing", true),
    ("i will exit the rec", false),
    ("i will leave the rec", false),
    ("i'll exit the rec", false),
    ("decided to exit the rec", false),
    ("decided to leave the rec", false),
];

/// Whether to go on, and where that is said: in brackets as asked for (the last counts), else as a word
/// that opens a line, else in a sentence. What says both ways says nothing.
fn goes_on(reply: &str) -> Option<(bool, usize)> {
    let lower = reply.to_ascii_lowercase();
    let bracketed = [("[next]", true), ("[exit]", false)];
    let last = bracketed.iter().filter_map(|(word, on)| Some((lower.rfind(word)?, *on))).max();
    if let Some((at, on)) = last {
        return Some((on, at));
    }
    let mut start = 0;
    let mut words = Vec::new();
    for line in lower.split_inclusive('\n') {
        let text = line.trim_start();
        let text = text.strip_prefix("decision:").unwrap_or(text).trim_start_matches([' ', '*']);
        let is_alone = |rest: &str| {
            rest.trim_start_matches(['*', ' ']).chars().next().is_none_or(|c| "\n;:.,".contains(c))
        };
        for (word, on) in [("next", true), ("exit", false)] {
            if text.strip_prefix(word).is_some_and(is_alone) {
                words.push((start, on));
            }
        }
        start += line.len();
    }
    if words.is_empty() {
        words = SENTENCES.iter().filter_map(|(words, on)| Some((lower.find(words)?, *on))).collect();
    }
    let &(at, on) = words.first()?;
    words.iter().all(|&(_, other)| other == on).then_some((on, at))
}

/// The reason given in a text that begins with a decision: behind `Reason:`, else its first line.
fn reason(text: &str) -> String {
    let start = text.to_ascii_lowercase().find("reason:").map_or(0, |found| found + "reason:".len());
    trimmed(text[start..].trim_start().lines().next().unwrap_or_default()).to_owned()
}

/// An interview.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interview {
    /// The score 1..=10, where one can be read.
    pub score: Option<u8>,
    /// Why, in words.
    pub reason: String,
}

/// Reads the reply to the interview: `RATING: 7; REASON: …` and its variants.
pub fn interview(reply: &str) -> Interview {
    let fields = fields(reply);
    let rated =
        fields.iter().find(|field| field.label == Label::Rating).map(|field| number(field.line(), SCORE_MAX));
    let score = match rated {
        Some(Number::Is(score)) => Some(score),
        Some(_) => None,
        None => score_in_words(reply),
    };
    let reason = fields.iter().find(|field| field.label == Label::Reason);
    Interview { score, reason: trimmed(reason.map_or(reply, |field| &reply[field.start..])).to_owned() }
}

/// `… 7/10 …`, `… 7 out of 10 …`, or a number that opens the reply.
fn score_in_words(reply: &str) -> Option<u8> {
    let before = ["/10", " out of 10"].iter().find_map(|scale| Some(&reply[..reply.find(scale)?]));
    let text = match before {
        Some(before) => before.rsplit(|c: char| !(c.is_ascii_digit() || c == '.')).next().unwrap_or_default(),
        None if reply.trim_start().starts_with(|c: char| c.is_ascii_digit()) => {
            reply.trim_start().lines().next()?
        }
        None => return None,
    };
    match number(text, SCORE_MAX) {
        Number::Is(score) => Some(score),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feelings_and_decisions_are_read() {
        let found = decision(
            "POSITIVE: I liked \"Babe\".\nFatigue: low\nDecision: [NEXT]; Reason: not tired; really.",
        );
        assert_eq!((found.is_positive, found.goes_on), (Some(true), Some(true)));
        assert_eq!(
            (found.feeling.as_str(), found.reason.as_str()),
            ("I liked \"Babe\".", "not tired; really.")
        );
        for (text, positive, on) in [
            ("NEGATIVE: no. POSITIVE: some.\n[EXIT]; Reason: tired", Some(false), Some(false)),
            ("positive: yes\nNext; Reason: more", Some(true), Some(true)),
            ("EXIT; Reason: enough", None, Some(false)),
            ("**Exit**", None, Some(false)),
            ("POSITIVE: fine.\n\nI will continue browsing because I can.", Some(true), Some(true)),
            ("I will exit the recommendation system now. Reason: tired", None, Some(false)),
            ("I was told to write [EXIT] or [NEXT]: [EXIT]", None, Some(false)),
            ("Next; I mean\nExit; no", None, None),
            ("the next page has an exit", None, None),
            ("", None, None),
        ] {
            let found = decision(text);
            assert_eq!((found.is_positive, found.goes_on), (positive, on), "{text}");
        }
        let found = decision("Fine.\nI will continue browsing because I can.\nBye.");
        assert_eq!(found.reason, "I will continue browsing because I can.");
    }

    #[test]
    fn scores_are_read_in_their_variants() {
        for text in [
            "RATING: 7\nREASON: fine",
            "RATING: 7/10; REASON: fine",
            "Rating: [7]; Reason: fine",
            "RATING: seven\nREASON: fine",
        ] {
            let found = interview(text);
            assert_eq!((found.score, found.reason.as_str()), (Some(7), "fine"), "{text}");
        }
        assert_eq!(interview("I would say 7 out of 10, all in all.").score, Some(7));
        assert_eq!(interview("I would say 7/10.").reason, "I would say 7/10.");
        assert_eq!(interview("7. It was fine").score, Some(7));
        for text in ["RATING: 11", "RATING: 7-8", "RATING: 7.5", "RATING: N/A", "I give it 8.5/10", "no", ""]
        {
            assert_eq!(interview(text).score, None, "{text}");
        }
        let long = interview("RATING: 3\nREASON: the REASON: itself\n\nand more");
        assert_eq!(long.reason, "the REASON: itself\n\nand more");
    }
}

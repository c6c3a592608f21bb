//! A conversation for a terminal. Must not know files.

use super::{Conversation, Line};
use crate::report::visible::filled;

/// The conversation in lines of at most `width` characters (but for very narrow ones).
pub fn text(conversation: &Conversation, width: usize) -> String {
    let mut text = filled(&format!("user {}: {}", conversation.user, conversation.who), width, "", "");
    for page in &conversation.pages {
        text.push_str(&format!("\npage {}\n", page.number));
        for slot in &page.slots {
            let genres = if slot.genres.is_empty() { String::new() } else { format!(" ({})", slot.genres) };
            let held_out = if slot.is_held_out { " [held out]" } else { "" };
            let shown = format!("{}{genres}{held_out}", slot.title);
            text.push_str(&filled(&shown, width, &format!("  {:>2}  ", slot.slot), "      "));
            text.push_str(&filled(&with_words(&slot.answer, &slot.words), width, "      › ", "        "));
        }
        text.push_str(&lines(&page.after, width));
    }
    if !conversation.aside.is_empty() {
        text.push_str("\nbeside the pages\n");
        text.push_str(&lines(&conversation.aside, width));
    }
    text.push('\n');
    text.push_str(&match &conversation.interview {
        Some(interview) => {
            let said = with_words(&format!("interview: {} of 10", interview.score), &interview.words);
            filled(&said, width, "", "")
        }
        None => "no interview\n".to_owned(),
    });
    text
}

fn lines(lines: &[Line], width: usize) -> String {
    lines.iter().map(|line| filled(&with_words(&line.what, &line.words), width, "  · ", "    ")).collect()
}

fn with_words(what: &str, words: &str) -> String {
    if words.is_empty() { what.to_owned() } else { format!("{what}: “{words}”") }
}

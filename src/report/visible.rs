//! Texts that nobody has checked, made fit to be seen: what a terminal or a browser would obey instead
//! of showing it is spelt out. Must not know where texts come from.

use std::borrow::Cow;

/// Whether a character moves the cursor, changes the direction of what follows, or hides.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200B}' | '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// The text in one line, with escapes (`\n`, `\u{1b}`) for characters that are not seen.
pub fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) { seen.extend(c.escape_default()) } else { seen.push(c) }
    }
    seen
}

/// The same for a text of several lines: line breaks and tabs stay.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    let is_layout = |c: char| matches!(c, '\n' | '\t');
    if !text.chars().any(|c| is_unseen(c) && !is_layout(c)) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) && !is_layout(c) { seen.extend(c.escape_default()) } else { seen.push(c) }
    }
    Cow::Owned(seen)
}

/// A text that is already visible, of at most `n_max` characters.
pub fn clipped(text: &str, n_max: usize) -> String {
    match text.char_indices().nth(n_max) {
        Some(_) => text.chars().take(n_max.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Fills a text into lines of `width` characters (of 16 for the text itself at least), the first after
/// `first`, the others after `rest`; a word that is too long is cut. Ends with a line break.
pub fn filled(text: &str, width: usize, first: &str, rest: &str) -> String {
    let room = width.saturating_sub(first.chars().count().max(rest.chars().count())).max(16);
    let mut lines: Vec<String> = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let letters: Vec<char> = word.chars().collect();
        for (nth, piece) in letters.chunks(room).enumerate() {
            let gap = usize::from(used > 0 && nth == 0);
            if nth > 0 || used + gap + piece.len() > room {
                if used > 0 {
                    lines.push(String::new());
                }
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                if used > 0 {
                    line.push(' ');
                    used += 1;
                }
                line.extend(piece);
                used += piece.len();
            }
        }
    }
    let mut filled = String::new();
    for (nth, line) in lines.iter().enumerate() {
        filled.push_str(format!("{}{line}", if nth == 0 { first } else { rest }).trim_end());
        filled.push('\n');
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        assert_eq!(visible("Amélie, “naïve” 日本 👍"), "Amélie, “naïve” 日本 👍");
        assert_eq!(visible("\u{1b}[31mred\u{7}\r\n\t\0"), r"\u{1b}[31mred\u{7}\r\n\t\u{0}");
        assert_eq!(
            visible("\u{9b}31m \u{202e}evil\u{2066} \u{200b}"),
            r"\u{9b}31m \u{202e}evil\u{2066} \u{200b}"
        );
    }

    #[test]
    fn lines_stay_lines() {
        assert!(matches!(visible_lines("a\n\tb\n"), Cow::Borrowed("a\n\tb\n")));
        assert_eq!(visible_lines("a\n\u{1b}[2Jb\r\n"), "a\n\\u{1b}[2Jb\\r\n");
    }

    #[test]
    fn lines_are_filled_and_long_words_cut() {
        assert_eq!(
            filled("one two three four five six", 22, "  ", "  "),
            "  one two three four\n  five six\n"
        );
        let long = "x".repeat(45);
        let lines = filled(&format!("a {long} b"), 22, "> ", "  ");
        assert_eq!(lines, format!("> a\n  {0}\n  {0}\n  xxxxx b\n", "x".repeat(20)));
        assert_eq!(filled("", 22, "  ", "  "), "\n");
        assert_eq!(clipped("abcdef", 4), "abc…");
        assert_eq!(clipped("abcd", 4), "abcd");
    }
}

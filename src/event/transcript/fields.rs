//! A reply cut into the labelled fields it was asked for, `MOVIE: …; RATING: …; FEELING: …`, however they
//! are laid out, and the numbers in them. Must not know what the fields are about.

/// What a field is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A title.
    Movie,
    /// Yes or no.
    Align,
    /// Why.
    Reason,
    /// How many are watched.
    Num,
    /// Which are watched.
    Watch,
    /// A number.
    Rating,
    /// What it felt like.
    Feeling,
}

/// Labels as they are asked for.
const LABELS: [(&str, Label); 7] = [
    ("MOVIE", Label::Movie),
    ("ALIGN", Label::Align),
    ("REASON", Label::Reason),
    ("NUM", Label::Num),
    ("WATCH", Label::Watch),
    ("RATING", Label::Rating),
    ("FEELING", Label::Feeling),
];

/// A label and what stands behind it, up to the next label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// What it is called.
    pub label: Label,
    /// What it says.
    pub value: &'a str,
    /// Where `value` begins, in bytes.
    pub start: usize,
    /// Whether it is the first field of its line.
    pub opens_line: bool,
}

impl<'a> Field<'a> {
    /// Its first line, without what surrounds it.
    pub fn line(&self) -> &'a str {
        self.value.trim_start().lines().next().map(trimmed).unwrap_or_default()
    }

    /// Its words, up to the end of the paragraph or a note.
    pub fn prose(&self) -> &'a str {
        let text = self.value.trim_start();
        let ends = ["\n\n", "\nNote", "\n(Note"].iter().filter_map(|end| text.find(end));
        let text = &text[..ends.min().unwrap_or(text.len())];
        // A number or dash before the next field stands on its own line.
        let text = match text.rsplit_once('\n') {
            Some((before, last)) if last.chars().all(is_list_mark) => before,
            _ => text,
        };
        trimmed(text)
    }
}

/// All fields of a text, in order.
///
/// A label is in capitals, or opens its line or follows a semicolon.
pub fn fields(text: &str) -> Vec<Field<'_>> {
    let mut found: Vec<(usize, usize, Label, bool)> = Vec::new();
    let (mut is_fresh, mut is_first, mut is_in_word) = (true, true, false);
    let mut skip_to = 0;
    for (at, c) in text.char_indices() {
        if at < skip_to {
            continue;
        }
        if !is_in_word && let Some((length, label)) = label_at(&text[at..], is_fresh) {
            found.push((at, at + length, label, is_first));
            (is_fresh, is_first, skip_to) = (false, false, at + length);
            continue;
        }
        match c {
            '\n' => (is_fresh, is_first) = (true, true),
            ';' => is_fresh = true,
            _ if is_list_mark(c) => {}
            _ => is_fresh = false,
        }
        is_in_word = c.is_alphanumeric() || c == '_';
    }
    let ends = found.iter().skip(1).map(|&(at, ..)| at).chain([text.len()]);
    let field = |(&(_, start, label, opens_line), end): (&(usize, usize, Label, bool), usize)| Field {
        label,
        value: &text[start..end.max(start)],
        start,
        opens_line,
    };
    found.iter().zip(ends).map(field).collect()
}

/// The label that the text begins with, and its length with the colon.
fn label_at(text: &str, in_any_case: bool) -> Option<(usize, Label)> {
    LABELS.iter().find_map(|&(name, label)| {
        let head = text.get(..name.len())?;
        let is_it = head == name || (in_any_case && head.eq_ignore_ascii_case(name));
        let rest = text[name.len()..].trim_start_matches([' ', '*', '\t']);
        (is_it && rest.starts_with(':')).then(|| (text.len() - rest.len() + 1, label))
    })
}

/// What lists and emphasis are marked with.
fn is_list_mark(c: char) -> bool {
    c.is_whitespace() || c.is_ascii_digit() || "*-•.)(#>[".contains(c)
}

/// A text without blanks, semicolons and emphasis around it.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == ';' || c == '*')
}

/// A number that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// It is this.
    Is(u8),
    /// There is none: `N/A`, `None`, nothing at all.
    Missing,
    /// There is something that cannot be it: out of bounds, a range, a fraction.
    Odd,
}

/// Numbers in words.
const IN_WORDS: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// The whole number from 1 to `max` that a text gives: `4`, `4/5`, `[4]`, `4 out of 5`, `four`.
pub fn number(text: &str, max: u8) -> Number {
    let Some(start) = text.find(|c: char| c.is_ascii_digit()) else {
        let word = text.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default();
        let place = IN_WORDS.iter().position(|name| name.eq_ignore_ascii_case(word));
        return match place.map(|place| place as u8 + 1) {
            Some(number) if number <= max => Number::Is(number),
            Some(_) => Number::Odd,
            None => Number::Missing,
        };
    };
    if text[..start].ends_with('-') && !text[..start].ends_with(" -") {
        return Number::Odd;
    }
    let (digits, rest) = split_digits(&text[start..]);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(behind) if behind.starts_with(|c: char| c.is_ascii_digit()) => split_digits(behind),
        _ => ("", rest),
    };
    let rest = rest.trim_start();
    let scale = rest.strip_prefix('/').or_else(|| rest.strip_prefix("out of"));
    let scale_fits = scale.is_none_or(|scale| split_digits(scale.trim_start()).0.parse() == Ok(max));
    let range = ["-", "–", "to ", "or "].iter().find_map(|mark| rest.strip_prefix(mark));
    let is_range = range.is_some_and(|rest| rest.trim_start().starts_with(|c: char| c.is_ascii_digit()));
    match digits.parse::<u8>() {
        Ok(number)
            if (1..=max).contains(&number)
                && fraction.bytes().all(|b| b == b'0')
                && scale_fits
                && !is_range =>
        {
            Number::Is(number)
        }
        _ => Number::Odd,
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(Label, &str, bool)> {
        fields(text).iter().map(|field| (field.label, field.prose(), field.opens_line)).collect()
    }

    #[test]
    fn fields_are_found_however_they_are_laid_out() {
        use Label::{Align, Feeling, Movie, Num, Rating, Reason, Watch};
        assert_eq!(
            told("1. MOVIE: Babe; ALIGN: Yes; REASON: sweet\nand warm.\n2. **Movie:** Big;\nRating: 4;"),
            [
                (Movie, "Babe", true),
                (Align, "Yes", false),
                (Reason, "sweet\nand warm.", false),
                (Movie, "Big", true),
                (Rating, "4", true)
            ]
        );
        assert_eq!(
            told("NUM: 1; WATCH: Big FEELING: no reason: none.\n\nNote: REASONS: many"),
            [(Num, "1", true), (Watch, "Big", false), (Feeling, "no reason: none.", false)]
        );
        assert_eq!(told("I like the movie: it has a good rating: 4"), []);
        assert_eq!(told(""), []);
    }

    #[test]
    fn numbers_are_read_in_their_variants() {
        for text in [
            "4",
            " 4;",
            "4/5",
            "[4]",
            "4 out of 5",
            "4.0",
            "4.",
            "four",
            "Four stars",
            "a 4, I think",
            "4 - good",
        ] {
            assert_eq!(number(text, 5), Number::Is(4), "{text}");
        }
        for text in ["6", "0", "4.5", "3-4", "3 to 4", "8/10", "1987", "99999999999999999999", "seven", "x-4"]
        {
            assert_eq!(number(text, 5), Number::Odd, "{text}");
        }
        for text in ["", "N/A", "None", "-", "unknown"] {
            assert_eq!(number(text, 5), Number::Missing, "{text}");
        }
        assert_eq!(number("10/10", 10), Number::Is(10));
    }
}

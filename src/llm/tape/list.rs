//! Calls in an order fit to read. Must not know who reads them.

use super::{Call, rows};
use rusqlite::{Connection, params};
use std::cmp::Ordering;

/// Which calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// How the stream's name begins; whole words and numbers, so that `agent 1` is not `agent 17`.
    pub stream_prefix: String,
    /// Of this model only.
    pub model: Option<String>,
}

/// The calls that the filter lets through, by stream, model and key.
pub(super) fn calls(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Call>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {} FROM calls WHERE stream >= ?1 AND (?2 IS NULL OR model = ?2) ORDER BY stream",
        rows::columns()
    ))?;
    let mut found = select.query(params![filter.stream_prefix, filter.model])?;
    let mut calls = Vec::new();
    while let Some(row) = found.next()? {
        let stream: String = row.get("stream")?;
        if !stream.starts_with(&filter.stream_prefix) {
            break;
        }
        if begins_with_words(&stream, &filter.stream_prefix) {
            calls.push(rows::read(connection, row)?);
        }
    }
    calls.sort_by(|a, b| {
        natural(&a.stream, &b.stream).then_with(|| a.model.cmp(&b.model)).then_with(|| a.key.cmp(&b.key))
    });
    Ok(calls)
}

/// Whether `text` begins with `prefix`, and no word or number is cut in two.
fn begins_with_words(text: &str, prefix: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.strip_prefix(prefix)
        .is_some_and(|rest| !(is_word(prefix.chars().next_back()) && is_word(rest.chars().next())))
}

/// The order of people: numbers inside the texts compare as numbers, all else by code points.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let order = match (leading_digits(rest_a), leading_digits(rest_b)) {
            (0, _) | (_, 0) => match (rest_a.chars().next(), rest_b.chars().next()) {
                // Texts that differ only in leading zeros are not the same.
                (None, None) => return a.cmp(b),
                (left, right) if left == right => {
                    let length = left.map_or(0, char::len_utf8);
                    (rest_a, rest_b) = (&rest_a[length..], &rest_b[length..]);
                    Ordering::Equal
                }
                (left, right) => left.cmp(&right),
            },
            (n_a, n_b) => {
                let (number_a, number_b) =
                    (rest_a[..n_a].trim_start_matches('0'), rest_b[..n_b].trim_start_matches('0'));
                (rest_a, rest_b) = (&rest_a[n_a..], &rest_b[n_b..]);
                number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b))
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_streams_count_as_numbers() {
        let sorted = [
            "",
            "agent",
            "agent 2, round 0, page 2, decide",
            "agent 2, round 0, page 10, decide",
            "agent 2, round 1, page 1, decide",
            "agent 017",
            "agent 17",
            "agent 17, round 0, page 1, align",
            "agent 17, round 0, page 1, decide",
            "agent 18446744073709551617",
            "agent x",
            "taste of é",
        ];
        for (k, left) in sorted.iter().enumerate() {
            for (l, right) in sorted.iter().enumerate() {
                assert_eq!(natural(left, right), k.cmp(&l), "{left:?} and {right:?}");
            }
        }
    }

    #[test]
    fn a_prefix_cuts_no_number_in_two() {
        assert!(begins_with_words("agent 17, page 1", "agent 17"));
        assert!(begins_with_words("agent 17, page 1", "agent 17, "));
        assert!(begins_with_words("agent 17", "agent 17"));
        assert!(begins_with_words("agent 17", ""));
        assert!(!begins_with_words("agent 17, page 1", "agent 1"));
        assert!(!begins_with_words("agent 17, page 1", "age"));
        assert!(!begins_with_words("agent 1", "agent 17"));
    }
}

//! Keys of servers: read from the environment, sent in a header, shown nowhere. Whatever a server says goes
//! through a [`Secret`] before anybody sees it, since servers repeat what they were sent. Must not know protocols.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// So many characters of a key in a row give too much of it away.
const FRAGMENT_LEN_MIN: usize = 8;
/// What stands where a key stood.
const REDACTED: &str = "[key]";
/// Stands for a value that may hold a key.
pub const HIDDEN: &str = "(not shown)";

/// The environment variables that hold keys, as far as settings have named them.
static VARIABLES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A key. Prints as `[key]`.
#[derive(Clone)]
pub struct Secret {
    /// Visible ASCII, at least one character.
    text: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Why there is no key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set; it must hold the key of the server")]
    Missing(String),
    /// It holds nothing.
    #[error("the environment variable {0} is empty; it must hold the key of the server")]
    Empty(String),
    /// It holds what cannot be sent in a header.
    #[error(
        "the environment variable {0} holds what cannot be the key of a server: it must be visible ASCII characters without blanks"
    )]
    Unusable(String),
}

impl Secret {
    /// Reads the key from the environment variable `name`, without the white space around it.
    ///
    /// # Errors
    /// With the variable's name, where it is not set, empty, or cannot be sent in a header.
    pub fn from_env(name: &str) -> Result<Self, SecretError> {
        let value = std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => SecretError::Missing(name.to_owned()),
            std::env::VarError::NotUnicode(_) => SecretError::Unusable(name.to_owned()),
        })?;
        if value.trim().is_empty() {
            return Err(SecretError::Empty(name.to_owned()));
        }
        Secret::new(value.trim()).ok_or_else(|| SecretError::Unusable(name.to_owned()))
    }

    /// `None` where the key cannot be sent in a header.
    fn new(key: &str) -> Option<Self> {
        let fits = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Secret { text: key.to_owned() })
    }

    /// The value of the header `Authorization`: to be sent, never to be shown.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.text)
    }

    /// A whole answer without the key. Keys shorter than 8 characters, as servers at home have, are left in: they
    /// would be found in words that are none of theirs.
    pub fn scrub(&self, answer: String) -> String {
        match self.text.len() >= FRAGMENT_LEN_MIN && answer.contains(&self.text) {
            true => answer.replace(&self.text, REDACTED),
            false => answer,
        }
    }

    /// The same for bytes that need not be text.
    pub fn scrub_bytes(&self, answer: Vec<u8>) -> Vec<u8> {
        let key = self.text.as_bytes();
        let is_at = |at: usize| answer[at..].starts_with(key);
        let may_begin = |(at, byte): (usize, &u8)| (*byte == key[0] && is_at(at)).then_some(at);
        if key.len() < FRAGMENT_LEN_MIN || answer.iter().enumerate().find_map(may_begin).is_none() {
            return answer;
        }
        let mut scrubbed = Vec::with_capacity(answer.len());
        let mut at = 0;
        while at < answer.len() {
            if is_at(at) {
                scrubbed.extend_from_slice(REDACTED.as_bytes());
                at += key.len();
            } else {
                scrubbed.push(answer[at]);
                at += 1;
            }
        }
        scrubbed
    }

    /// The text with the key, and every part of it that is long enough to matter, replaced.
    pub fn redact(&self, text: &str) -> String {
        let least = self.text.len().min(FRAGMENT_LEN_MIN);
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let shared = self.longest_part(rest.as_bytes());
            // The key is ASCII, so what it shares with a text ends between two characters.
            let (step, shown) = if shared >= least {
                (shared, REDACTED)
            } else {
                (first.len_utf8(), &rest[..first.len_utf8()])
            };
            redacted.push_str(shown);
            rest = &rest[step..];
        }
        redacted
    }

    /// The most bytes at the start of a text that stand in the key in the same order.
    fn longest_part(&self, text: &[u8]) -> usize {
        let key = self.text.as_bytes();
        let shared = |start: usize| key[start..].iter().zip(text).take_while(|(a, b)| a == b).count();
        (0..key.len()).map(shared).max().unwrap_or(0)
    }
}

/// Notes that a variable holds a key, so that programs started here do not inherit it.
pub fn note_variable(name: &str) {
    VARIABLES.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
}

/// The variables that are known to hold keys.
pub fn variables() -> Vec<String> {
    VARIABLES.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Whether a text is what environment variables are commonly called; keys hardly ever look like that.
pub fn is_variable(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    let goes_on = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    starts_well && goes_on && name.len() <= 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_parts_are_replaced_and_never_printed() {
        let secret = Secret::new("sk-Abc123-very-Secret").expect("a key");
        assert_eq!(secret.redact("no sk-Abc123-very-Secret here, é"), "no [key] here, é");
        assert_eq!(secret.redact("ends in very-Secret, begins sk-Abc1"), "ends in [key], begins sk-Abc1");
        assert_eq!(secret.redact(""), "");
        assert_eq!(format!("{secret:?}"), "[key]");
        let short = Secret::new("EMPTY").expect("a key");
        assert_eq!(short.redact("key EMPTY is wrong"), "key [key] is wrong");
    }

    #[test]
    fn answers_are_scrubbed_of_whole_keys_but_not_of_words() {
        let secret = Secret::new("sk-Abc123-very-Secret").expect("a key");
        assert_eq!(secret.scrub("a sk-Abc123-very-Secret b".to_owned()), "a [key] b");
        assert_eq!(secret.scrub_bytes(b"\xffsk-Abc123-very-Secretsk-".to_vec()), b"\xff[key]sk-");
        assert_eq!(secret.scrub_bytes(b"sk-Abc123".to_vec()), b"sk-Abc123");
        let short = Secret::new("EMPTY").expect("a key");
        assert_eq!(short.scrub("an EMPTY room".to_owned()), "an EMPTY room");
        assert_eq!(short.scrub_bytes(b"EMPTY".to_vec()), b"EMPTY");
    }

    #[test]
    fn what_cannot_be_sent_is_no_key() {
        assert!(Secret::new("").is_none());
        assert!(Secret::new("two words").is_none());
        assert!(Secret::new("line\nbreak").is_none());
        assert!(Secret::new("schlüssel").is_none());
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let error = Secret::from_env("WINDTUNNEL_NO_SUCH_VARIABLE").expect_err("not set");
        assert_eq!(error, SecretError::Missing("WINDTUNNEL_NO_SUCH_VARIABLE".to_owned()));
    }
}

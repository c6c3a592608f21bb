//! The key of a server: read from the environment, sent in a header, shown nowhere. Whatever a server
//! says about a failure goes through [`Secret::redact`] before anybody sees it.

use crate::llm::LlmError;
use reqwest::header::HeaderValue;
use std::fmt;

/// So many characters of a key in a row give too much of it away.
const FRAGMENT_LEN_MIN: usize = 8;
/// What stands where a key stood.
const REDACTED: &str = "[key]";

/// A key. Prints as `[key]`.
pub struct Secret {
    /// Visible ASCII, at least one character.
    text: String,
    header: HeaderValue,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Secret {
    /// Reads the key from the environment variable `name`, without the white space around it.
    ///
    /// # Errors
    /// `Stop`, with the variable's name, where it is not set, empty, or cannot be sent in a header.
    pub fn from_env(name: &str) -> Result<Self, LlmError> {
        let stop = |problem: &str| LlmError::Stop(format!("the environment variable {name} {problem}"));
        let value = std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => stop("is not set; it must hold the key of the server"),
            std::env::VarError::NotUnicode(_) => stop("holds what cannot be the key of a server"),
        })?;
        if value.trim().is_empty() {
            return Err(stop("is empty; it must hold the key of the server"));
        }
        Secret::new(value.trim()).ok_or_else(|| stop("holds what cannot be the key of a server"))
    }

    /// `None` where the key cannot be sent in a header.
    fn new(key: &str) -> Option<Self> {
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
        header.set_sensitive(true);
        Some(Secret { text: key.to_owned(), header })
    }

    /// The value of the header `Authorization`.
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_parts_are_replaced_and_never_printed() {
        let secret = Secret::new("sk-Abc123-very-Secret").expect("a key");
        assert_eq!(secret.redact("no sk-Abc123-very-Secret here, é"), "no [key] here, é");
        assert_eq!(secret.redact("ends in very-Secret, begins sk-Abc1"), "ends in [key], begins sk-Abc1");
        assert_eq!(secret.redact(""), "");
        assert_eq!(format!("{secret:?} {:?}", secret.header()), "[key] Sensitive");
        let short = Secret::new("EMPTY").expect("a key");
        assert_eq!(short.redact("key EMPTY is wrong"), "key [key] is wrong");
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
        assert!(error.stops_run() && error.to_string().contains("WINDTUNNEL_NO_SUCH_VARIABLE"), "{error}");
    }
}

//! Parameters of a plug-in (recommender, dataset source, behaviour): a TOML table
//! checked into a typed struct, with complaints a person can act on.
//!
//! Must not know which plug-ins exist.

use crate::report::visible::clipped;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::fmt;

/// One thing wrong with a scenario: where, what was found, what was expected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Complaint {
    /// A key that nothing reads.
    #[error("unknown key `{}`{}; expected one of: {}", clipped(.path, KEY_CHARS_MAX), Nearest(.nearest), .expected.join(", "))]
    UnknownKey {
        /// Dotted path of the key.
        path: String,
        /// The valid key that looks most like it.
        nearest: Option<String>,
        /// Every valid key at this place.
        expected: Vec<String>,
    },
    /// A name (kind, source, metric…) that is not in its list.
    #[error("{path} is \"{value}\", which is not known{}; expected one of: {}", Nearest(.nearest), .expected.join(", "))]
    UnknownName {
        /// Dotted path of the value.
        path: String,
        /// The value found.
        value: String,
        /// The valid name that looks most like it.
        nearest: Option<String>,
        /// Every valid name.
        expected: Vec<String>,
    },
    /// A value outside its bounds.
    #[error("{path} is {value}, must be {bound}")]
    OutOfRange {
        /// Dotted path of the value.
        path: String,
        /// The value found.
        value: String,
        /// The bound, in words or as a range.
        bound: String,
    },
    /// A value of the wrong type.
    #[error("{path}: {problem}")]
    WrongType {
        /// Dotted path of the table the value stands in, or of the value.
        path: String,
        /// What the parser expected and found.
        problem: String,
    },
    /// A key that must be there and is not.
    #[error("{path} is missing: {expected}")]
    Missing {
        /// Dotted path of the key.
        path: String,
        /// What belongs there.
        expected: String,
    },
}

/// Renders `, did you mean …` when there is a near miss.
struct Nearest<'a>(&'a Option<String>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, ", did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

impl Complaint {
    /// A value outside its bounds.
    pub fn out_of_range(path: impl Into<String>, value: impl fmt::Display, bound: impl fmt::Display) -> Self {
        Complaint::OutOfRange { path: path.into(), value: value.to_string(), bound: bound.to_string() }
    }

    /// A name that is not among `known`.
    pub fn unknown_name<'a>(
        path: impl Into<String>,
        value: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let expected: Vec<String> = known.into_iter().map(str::to_owned).collect();
        Complaint::UnknownName {
            path: path.into(),
            nearest: nearest(value, &expected),
            value: value.to_owned(),
            expected,
        }
    }
}

/// The candidate that looks most like `name`, if any is close enough to be a typo.
pub fn nearest(name: &str, candidates: &[String]) -> Option<String> {
    candidates
        .iter()
        .filter(|candidate| name.len().abs_diff(candidate.len()) <= typo_max(name, candidate))
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= typo_max(name, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.clone())
}

/// How many letters may differ between a typo and what was meant. A longer name than any that is meant is no typo.
fn typo_max(name: &str, candidate: &str) -> usize {
    match name.len() {
        0..=200 => (name.len().max(candidate.len()) / 3).max(1),
        _ => 0,
    }
}

/// Reads the table found at the dotted path `at` as the parameters `T`.
///
/// `T` derives `Deserialize` and `JsonSchema`, with `#[serde(default, deny_unknown_fields)]`
/// where it has defaults. Unknown keys are answered with the nearest valid one.
pub fn parse<T: DeserializeOwned + JsonSchema>(at: &str, table: &toml::Table) -> Result<T, Complaint> {
    parse_with(at, table, &[])
}

/// The same where some keys, each with what belongs there in words, must be in the table.
pub fn parse_with<T: DeserializeOwned + JsonSchema>(
    at: &str,
    table: &toml::Table,
    required: &[(&str, &str)],
) -> Result<T, Complaint> {
    // A key that is misspelt is a likelier complaint than one that is missing.
    let expected = keys::<T>();
    for key in table.keys() {
        if !expected.iter().any(|known| known == key) {
            return Err(Complaint::UnknownKey {
                path: format!("{at}.{key}"),
                nearest: nearest(key, &expected),
                expected,
            });
        }
    }
    if let Some((key, expected)) = required.iter().find(|(key, _)| !table.contains_key(*key)) {
        return Err(Complaint::Missing { path: format!("{at}.{key}"), expected: (*expected).to_owned() });
    }
    // One key at a time first, so that a wrong type is reported at its own path.
    T::deserialize(toml::Value::Table(table.clone())).map_err(|error| {
        let problem = error.message().trim().to_owned();
        let culprit = table.keys().find(|key| {
            let mut without = table.clone();
            without.remove(*key);
            match T::deserialize(toml::Value::Table(without)) {
                Ok(_) => true,
                Err(other) => other.message().trim() != problem,
            }
        });
        match culprit {
            Some(key) => Complaint::WrongType { path: format!("{at}.{key}"), problem },
            None => Complaint::WrongType { path: at.to_owned(), problem },
        }
    })
}

/// The table of a shipped file, by name, or of the user's own `.toml` file at that path; `at` is the scenario
/// key that named it.
pub fn shipped_or_file(at: &str, name: &str, shipped: &[(&str, &str)]) -> Result<toml::Table, Complaint> {
    let found = shipped.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let text = match found {
        Some(text) => text,
        None if name.ends_with(".toml") => {
            crate::intake::text(name.as_ref(), crate::intake::WRITTEN_BYTES_MAX).map_err(|error| {
                Complaint::out_of_range(at, format!("{name:?}"), format!("a readable file ({error})"))
            })?
        }
        None => return Err(Complaint::unknown_name(at, name, shipped.iter().map(|(known, _)| *known))),
    };
    text.parse().map_err(|error: toml::de::Error| Complaint::WrongType {
        path: name.to_owned(),
        problem: toml_problem(&text, &error),
    })
}

/// Keys within each other that the parser of TOML follows.
const KEYS_DEEP_MAX: usize = 79;

/// Characters of a key that a complaint repeats.
const KEY_CHARS_MAX: usize = 100;

/// What is wrong with a TOML text, in one line: `line:column: problem`.
pub fn toml_problem(text: &str, error: &toml::de::Error) -> String {
    let problem = error.message().trim().replace('\n', "; ");
    if problem == "recursion limit" {
        // Of all its errors this is the one whose place the parser does not tell.
        let line =
            text.lines().position(|line| line.matches('.').count() > KEYS_DEEP_MAX).map_or(1, |at| at + 1);
        return format!("{line}:1: a key within more than {KEYS_DEEP_MAX} others, too deep to follow");
    }
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!("{line}:{column}: {problem}")
        }
        None => problem,
    }
}

/// Refuses a value outside `min..=max`; what is not a number is outside.
pub fn within<T: PartialOrd + fmt::Display>(
    at: &str,
    key: &str,
    value: T,
    min: T,
    max: T,
) -> Result<(), Complaint> {
    if value >= min && value <= max {
        return Ok(());
    }
    Err(Complaint::out_of_range(format!("{at}.{key}"), value, format!("{min}..={max}")))
}

/// The keys of `T`, in alphabetical order, from its JSON Schema.
pub fn keys<T: JsonSchema>() -> Vec<String> {
    let schema = schemars::schema_for!(T);
    let mut keys: Vec<String> = schema
        .get("properties")
        .and_then(|properties| properties.as_object())
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    keys.sort();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, JsonSchema, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        epochs: u32,
        learning_rate: f64,
    }

    impl Default for Sample {
        fn default() -> Self {
            Sample { epochs: 3, learning_rate: 0.1 }
        }
    }

    fn check(toml: &str) -> String {
        parse::<Sample>("arms.mf", &toml.parse().expect("test TOML"))
            .map_or_else(|e| e.to_string(), |v| format!("{v:?}"))
    }

    #[test]
    fn defaults_fill_in_and_errors_name_the_place() {
        assert_eq!(check("epochs = 5"), "Sample { epochs: 5, learning_rate: 0.1 }");
        assert_eq!(
            check("epoch = 5"),
            "unknown key `arms.mf.epoch`, did you mean `epochs`?; expected one of: epochs, learning_rate"
        );
        assert!(
            check("epochs = \"x\"").starts_with("arms.mf.epochs: invalid type: string \"x\", expected u32")
        );
    }
}

//! How text becomes vectors: the traits every encoder implements, and the list of all of them.
//!
//! An encoder turns entries (an id and a text) into rows of equal width. The [`library`] fills in
//! the text [`template`], looks into the [`cache`], asks the encoder for what is not there, and
//! checks what comes back. Nothing here may know recommenders or agents.

pub mod cache;
pub mod library;
mod svd;
pub mod template;

pub mod file;
pub mod gguf;
pub mod http;
pub mod tfidf_svd;

use crate::progress::Progress;
use crate::recommender::dense::Matrix;
use crate::scenario::params::Complaint;
use crate::stop::Stopped;
use std::path::{Path, PathBuf};

/// One thing to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its raw id.
    pub id: &'a str,
    /// What is said of it; empty only where vectors are looked up by id.
    pub text: &'a str,
}

/// How far what an encoder gives for one text depends on others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A text alone decides its vector, together with this description of the encoder (its
    /// model's content and its settings): vectors can be kept and used again.
    PerText(String),
    /// Vectors depend on all entries together: nothing to keep.
    WholeSet,
    /// Vectors are looked up by id, text or no text: [`Encoder::find`] is asked, about every entry.
    ById,
}

/// An encoder that is ready.
pub trait Encoder: Send + Sync {
    /// What decides a vector.
    fn identity(&self) -> Identity;

    /// One row an entry, in order, all of one width; any scale. The rows of a
    /// [`Identity::PerText`] encoder must not depend on what else is in the batch.
    fn encode(&self, entries: &[Entry<'_>], progress: &dyn Progress) -> Result<Matrix, EncodeError>;

    /// One row an entry, zeros for what it does not know; `what` says what the entries are (`items`, `users`).
    /// Only for [`Identity::ById`].
    fn find(&self, _what: &str, entries: &[Entry<'_>]) -> Result<Matrix, EncodeError> {
        self.encode(entries, &crate::progress::Quiet)
    }
}

/// Checked settings of an encoder.
pub trait EncoderPlan: Send + Sync {
    /// Loads what it needs; relative paths start at `base_dir`.
    fn start(&self, base_dir: &Path) -> Result<Box<dyn Encoder>, EncodeError>;
}

/// A kind of encoder: one unit struct a file, one entry in [`ALL`].
pub trait EncoderKind: Sync {
    /// Its name in a scenario: `kind = "tfidf_svd"`.
    fn name(&self) -> &'static str;
    /// One line for `windtunnel list encoders`.
    fn about(&self) -> &'static str;
    /// JSON Schema of its settings.
    fn params_schema(&self) -> schemars::Schema;
    /// Checks the settings found at the dotted path `at` (the keys `kind` and `text` already removed).
    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn EncoderPlan>, Complaint>;
}

/// Every encoder, in alphabetical order.
pub static ALL: &[&dyn EncoderKind] = &[
    // One a line, so that two branches that add one each can be merged.
    &file::FileVectors,
    &gguf::Gguf,
    &http::Http,
    &tfidf_svd::TfidfSvd,
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn EncoderKind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

/// Why text could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The work was asked to stop.
    #[error("the work was stopped")]
    Stopped(#[from] Stopped),
    /// A file could not be read or written.
    #[error("cannot access {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of vectors, a model or the cache is not what it should be.
    #[error("{path}: {problem}")]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// The encoder cannot work here or gave what cannot be used.
    #[error("encoder {encoder}: {problem}")]
    Failed {
        /// Its name in the scenario, or its kind.
        encoder: String,
        /// What is wrong and what was expected.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_stand_in_alphabetical_order_under_distinct_names() {
        let names: Vec<_> = ALL.iter().map(|kind| kind.name()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        for name in names {
            assert_eq!(kind(name).map(|k| k.name()), Some(name));
        }
    }

    #[test]
    fn every_encoder_says_what_it_is_and_refuses_what_it_does_not_know() {
        for kind in ALL {
            let name = kind.name();
            assert!(!kind.about().is_empty(), "{name}");
            let schema = kind.params_schema();
            let properties = schema.get("properties").and_then(|p| p.as_object()).expect("settings");
            for (key, property) in properties {
                assert!(property.get("description").is_some(), "{name}.{key} says nothing");
            }
            assert!(properties.values().any(|property| property.get("default").is_some()), "{name}");
            let table = "dimensoin = 3".parse().expect("TOML");
            let told = kind.check("encoders.x", &table).err().expect("no such key").to_string();
            assert!(told.contains("unknown key `encoders.x.dimensoin`"), "{name}: {told}");
        }
    }
}

//! Recommenders that were made elsewhere: vectors, ready lists, recorded pages, a server, a program.
//!
//! They come trained; nothing here may learn. What they need to be told of the training
//! set (who has what, how often items were met) and how they answer is written down in
//! `docs/foreign-recommenders.md`. They come from strangers: every file, list and byte
//! is checked before it is believed.

pub mod embeddings;
pub mod http;
pub mod process;
pub mod protocol;
pub mod ranking;
pub mod recorded;

mod child;
mod connected;
pub mod ranking_file;
pub mod remote;
pub mod roster;

use super::RecommendError;
use super::model_file;
use std::path::Path;

/// A complaint about a file from elsewhere.
fn bad(path: &Path, problem: impl Into<String>) -> RecommendError {
    model_file::bad(path, problem.into())
}

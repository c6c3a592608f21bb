//! The fuzz targets. What each does with its bytes stands in `tests/fuzzing/entry/`, which the tests of the package
//! include too: what a fuzzer meets and what a test meets cannot drift apart.

#[path = "../../tests/fuzzing/entry/mod.rs"]
pub mod entry;

pub use entry::target;

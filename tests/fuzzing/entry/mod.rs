//! What each fuzz target does with bytes: one function a target, which libFuzzer (`fuzz/fuzz_targets/`) and the
//! tests (`tests/fuzzing/`) call alike. Whatever the bytes are, a function must come back: with something read that keeps
//! its invariants, or with an error that says something. Must not know where bytes come from.

mod archive;
mod datasets;
mod events;
mod foreign;
mod models;
mod replies;
pub mod run_folder;
mod scenarios;
mod tapes;

pub use archive::join;

/// A target takes any bytes and must not panic.
pub type Entry = fn(&[u8]);

/// Every target by name, in alphabetical order.
pub static ALL: &[(&str, Entry)] = &[
    ("dataset_agent4rec", datasets::agent4rec),
    ("dataset_coat", datasets::coat),
    ("dataset_csv", datasets::csv),
    ("dataset_jester", datasets::jester),
    ("dataset_movielens", datasets::movielens),
    ("dataset_sequences", datasets::sequences),
    ("event_parquet", events::event_parquet),
    ("gguf_header", models::gguf_header),
    ("llm_reply", replies::llm_reply),
    ("llm_tape_lines", tapes::llm_tape_lines),
    ("model_files", models::model_files),
    ("npy", models::npy),
    ("off_policy_csv", events::off_policy_csv),
    ("plugin_message", foreign::plugin_message),
    ("profiles", scenarios::profiles),
    ("recorded_transcript", events::recorded_transcript),
    ("run_folder", run_folder::run_folder),
    ("scenario_toml", scenarios::scenario_toml),
    ("vector_files", models::vector_files),
];

/// The target of this name.
///
/// # Panics
/// When there is none.
pub fn target(name: &str) -> Entry {
    let found = ALL.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no fuzz target {name:?}")).1
}

/// The words of an error and its causes; an error that says nothing is a fault.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    assert!(words.chars().any(char::is_alphabetic), "an error without words: {words:?}");
    words
}

/// The value; of an error, only that it says something.
fn read<T, E: std::error::Error>(result: Result<T, E>) -> Option<T> {
    result.map_err(|error| words(&error)).ok()
}

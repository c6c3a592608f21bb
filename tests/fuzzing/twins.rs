//! A bounded twin of each fuzz target: seeds with a few changes, drawn by proptest. Nothing here may know what a target
//! does.

use crate::mutation::changed;
use crate::{entry, seeds};
use proptest::test_runner::{Config, TestRunner};

/// Runs a target on its seeds and on so many changed ones.
fn twin(target: &str, cases: u32) {
    let (run, seeds) = (entry::target(target), seeds::of(target));
    seeds.iter().for_each(|seed| run(seed));
    let mut runner = TestRunner::new(Config::with_cases(cases));
    let outcome = runner.run(&changed(seeds), |bytes| {
        run(&bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{target}: {error}"));
}

#[test]
fn dataset_agent4rec() {
    twin("dataset_agent4rec", 300);
}

#[test]
fn dataset_coat() {
    twin("dataset_coat", 300);
}

#[test]
fn dataset_csv() {
    twin("dataset_csv", 300);
}

#[test]
fn dataset_jester() {
    twin("dataset_jester", 300);
}

#[test]
fn dataset_movielens() {
    twin("dataset_movielens", 300);
}

#[test]
fn dataset_sequences() {
    twin("dataset_sequences", 300);
}

#[test]
fn event_parquet() {
    twin("event_parquet", 150);
}

#[test]
fn gguf_header() {
    twin("gguf_header", 300);
}

#[test]
fn llm_reply() {
    twin("llm_reply", 300);
}

#[test]
fn llm_tape_lines() {
    twin("llm_tape_lines", 40);
}

#[test]
fn model_files() {
    twin("model_files", 150);
}

#[test]
fn npy() {
    twin("npy", 300);
}

#[test]
fn off_policy_csv() {
    twin("off_policy_csv", 300);
}

#[test]
fn plugin_message() {
    twin("plugin_message", 300);
}

#[test]
fn profiles() {
    twin("profiles", 300);
}

#[test]
fn recorded_transcript() {
    twin("recorded_transcript", 300);
}

#[test]
fn run_folder() {
    twin("run_folder", 40);
}

#[test]
fn scenario_toml() {
    twin("scenario_toml", 80);
}

#[test]
fn vector_files() {
    twin("vector_files", 150);
}

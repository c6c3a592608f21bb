//! `scenarios/llm-smoke.toml` from the command line: prompt, grammar, tape and report with a model in
//! this process, on a tiny random one that is written here, and on a real one where it is at hand.

#![cfg(feature = "llama")]

#[path = "support/gguf.rs"]
mod gguf;

use std::path::{Path, PathBuf};
use std::process::Command;
use windtunnel::report::manifest::Manifest;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/llm-smoke.toml");

fn windtunnel(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .current_dir(dir)
        .args(arguments)
        .output()
        .expect("the binary runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    stdout.into_owned()
}

fn smoke(model: &Path, overrides: &[&str]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = format!("llm.models.tiny.path={}", model.display());
    let run = |extra: &[&str]| {
        let mut arguments = vec!["run", SCENARIO, "--out", "run", "--quiet", "--set", &path];
        overrides.iter().for_each(|text| arguments.extend(["--set", text]));
        arguments.extend(extra);
        windtunnel(dir.path(), &arguments)
    };
    run(&[]);
    let at = |name: &str| dir.path().join("run").join(name);
    let events = std::fs::read(at("events/arm=popular/part-00000.parquet")).expect("events");
    let manifest = std::fs::read_to_string(at("manifest.json")).expect("a manifest");
    let manifest = Manifest::from_json(&manifest).expect("its own file");
    assert!(manifest.failures.is_empty(), "every reply has its shape: {:?}", manifest.failures);
    assert_eq!(manifest.llm.len(), 2);
    for usage in &manifest.llm {
        assert!(usage.n_calls >= 6 * 2 && usage.n_repairs == 0, "{usage:?}");
        assert!(usage.cached_tokens * 2 > usage.prompt_tokens, "most of a prompt is known: {usage:?}");
    }
    let report = std::fs::read_to_string(at("report.html")).expect("a report");
    assert!(report.contains("What the language models took"));

    run(&["--tape", "replay", "--force"]);
    assert!(std::fs::read(at("events/arm=popular/part-00000.parquet")).expect("events") == events);
    let mut arguments = vec!["estimate", SCENARIO, "--quiet", "--set", &path];
    overrides.iter().for_each(|text| arguments.extend(["--set", text]));
    let estimate = windtunnel(dir.path(), &arguments);
    assert!(estimate.contains("tried out here") && estimate.contains("in all"), "{estimate}");
}

#[test]
fn a_tiny_random_model_goes_from_prompt_to_report() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tiny.gguf");
    gguf::Model { context_tokens: 8192, ..gguf::Model::tiny(3) }.write(&path).expect("written");
    smoke(&path, &[]);
}

#[test]
fn a_small_real_model_does_too() {
    let data =
        std::env::var_os("WINDTUNNEL_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let path = data.join("llm-stories260K/stories260K.gguf");
    if !path.exists() {
        eprintln!("SKIPPED: no {}; a real small model is not tried", path.display());
        return;
    }
    let path = std::fs::canonicalize(path).expect("it exists");
    // It was trained on 512 tokens and two-letter pieces: a prompt of ours is longer.
    smoke(&path, &["llm.models.tiny.beyond_trained=true"]);
}

#[test]
fn a_ranker_in_process_answers_under_its_grammar() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tiny.gguf");
    gguf::Model { context_tokens: 8192, ..gguf::Model::tiny(3) }.write(&path).expect("written");
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/llm-rank.toml");
    let path = format!("llm.models.tiny.path={}", path.display());
    let run = |extra: &[&str]| {
        let mut arguments = vec!["run", scenario, "--out", "run", "--quiet", "--set", &path];
        arguments.extend(extra);
        windtunnel(dir.path(), &arguments);
        std::fs::read(dir.path().join("run/events/arm=judged/part-00000.parquet")).expect("events")
    };
    let events = run(&[]);
    let manifest = std::fs::read_to_string(dir.path().join("run/manifest.json")).expect("a manifest");
    let manifest = Manifest::from_json(&manifest).expect("its own file");
    assert!(manifest.failures.is_empty(), "{:?}", manifest.failures);
    let [usage] = manifest.llm.as_slice() else { panic!("one arm asks: {:?}", manifest.llm) };
    assert_eq!((usage.arm.as_str(), usage.n_calls, usage.n_repairs), ("judged", 12 * 2, 0));
    // Every reply is a whole list of slots, since the grammar knows no other; that none comes twice it cannot say.
    assert_eq!((usage.n_unknown_slots, usage.n_repeated_slots), (0, usage.n_unnamed_slots));
    assert!(run(&["--tape", "replay", "--force"]) == events);
    let estimate = windtunnel(dir.path(), &["estimate", scenario, "--quiet", "--set", &path]);
    assert!(estimate.contains("recommender") && estimate.contains("tried out here"), "{estimate}");
}

//! Whole runs with recommenders from elsewhere, through the binary.

use super::toy::{python, root};
use assert_cmd::Command;
use std::path::Path;

/// Runs a scenario; gives exit code, stdout, stderr.
fn run(scenario: &Path, out: &Path, overrides: &[String]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("windtunnel").expect("the binary is built");
    command.current_dir(root()).args(["run", "--quiet"]).arg(scenario).arg("--out").arg(out);
    for value in overrides {
        command.args(["--set", value]);
    }
    let output = command.output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The rows of `sessions.csv`, every arm's apart, without the arm's name.
fn sessions(out: &Path, arm: &str) -> Vec<String> {
    let text = std::fs::read_to_string(out.join("sessions.csv")).expect("a finished run");
    let own = format!("{arm},");
    text.lines().filter_map(|line| line.strip_prefix(&own)).map(str::to_owned).collect()
}

#[test]
fn a_program_and_a_server_run_beside_mf_and_agree_with_popular() {
    let Some(python) = python() else { return };
    let dir = folder();
    let out = dir.path().join("out");
    let scenario = root().join("scenarios/bring-your-own.toml");
    let overrides = [
        format!("arms.process.command=[{python:?}, \"examples/recommenders/process_popular.py\"]"),
        format!("arms.http.start=[{python:?}, \"examples/recommenders/http_popular.py\"]"),
        "arms.popular.kind=popular".to_owned(),
    ];
    let (code, _, stderr) = run(&scenario, &out, &overrides);
    assert_eq!((code, stderr.as_str()), (0, ""));
    // Both examples rank by popularity, ties by catalogue order, as `popular` does.
    let popular = sessions(&out, "popular");
    assert_eq!(popular.len(), 1000);
    assert_eq!(sessions(&out, "process"), popular);
    assert_eq!(sessions(&out, "http"), popular);
    assert_ne!(sessions(&out, "mf"), popular);
}

/// A scenario with one faulty program beside `popular`.
fn faulty(dir: &Path, python: &str, mode: &str) -> std::path::PathBuf {
    let script = root().join("tests/foreign/faulty.py").display().to_string();
    let marks = dir.join("marks").display().to_string();
    let text = format!(
        "[dataset]\nsource = \"synthetic\"\nn_users = 90\nn_items = 60\n[arms.popular]\n\
         [arms.mine]\nkind = \"process\"\nbatch_size = 10\nretries = 1\nfold_in = true\n\
         command = [{python:?}, {script:?}, {mode:?}, {marks:?}]\n"
    );
    let path = dir.join("s.toml");
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn a_run_stops_cleanly_with_arm_user_page_and_cause() {
    let Some(python) = python() else { return };
    let dir = folder();
    let scenario = faulty(dir.path(), &python, "always_dies");
    let (code, stdout, stderr) = run(&scenario, &dir.path().join("out"), &[]);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    let head = "error: arm mine: recommender answered badly for user ";
    assert!(stderr.starts_with(head) && stderr.lines().count() == 1, "{stderr}");
    let cause =
        ", page 1: the process ended (exit status: 3); tried 2 times; so with all 10 users of this batch";
    assert!(stderr.contains(cause), "{stderr}");
}

#[test]
fn skip_session_fails_everybody_at_once_when_the_recommender_is_gone() {
    let Some(python) = python() else { return };
    let dir = folder();
    let out = dir.path().join("out");
    let scenario = faulty(dir.path(), &python, "always_dies");
    let (code, _, stderr) = run(&scenario, &out, &["world.on_error=skip_session".to_owned()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let manifest = std::fs::read_to_string(out.join("manifest.json")).expect("a finished run");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let failures = manifest["failures"].as_array().expect("a list");
    let count = |failure: &serde_json::Value| failure["count"].as_u64().expect("a number");
    assert_eq!(failures.iter().map(count).sum::<u64>(), 90, "{failures:?}");
    // Causes name no user, so that they add up.
    assert!(failures.len() <= 3, "{failures:?}");
    assert!(failures.iter().all(|f| f["step"] == "recommend" && f["arm"] == "mine"), "{failures:?}");
    // Two tries of each of two batches and sixteen single requests, not two a user.
    let marks = std::fs::read_to_string(dir.path().join("marks")).expect("it was started");
    assert!(marks.lines().count() <= 20, "{} starts", marks.lines().count());
    assert_eq!(sessions(&out, "popular").len(), 90);
}

#[test]
fn a_recommender_that_cannot_be_started_fails_the_run_before_it_begins() {
    let dir = folder();
    let scenario = faulty(dir.path(), "/nowhere/python", "good");
    let (code, _, stderr) = run(&scenario, &dir.path().join("out"), &[]);
    assert_eq!(code, 1, "{stderr}");
    let head = "error: arm mine: process `/nowhere/python ";
    assert!(
        stderr.starts_with(head) && stderr.contains("cannot be used: cannot start \"/nowhere/python\""),
        "{stderr}"
    );
}

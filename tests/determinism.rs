//! Invariants 1 and 2: same scenario, data and seed give the same bytes at any thread count and
//! cohort size, in every run; arms share their luck.

use std::collections::BTreeMap;
use std::path::Path;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;

const SCENARIO: &str = r#"
name = "determinism"
rounds = 2
[dataset]
source = "synthetic"
n_users = 220
n_items = 160
[population]
n_agents = 500
[session]
presentation = "shuffled"
[arms.random]
[arms.popular]
[arms.item_knn]
[arms.mf]
epochs = 3
[statistics]
n_bootstrap = 200
"#;

/// Runs the scenario on `n_threads` and gives every file of the folder.
fn run(n_threads: usize, overrides: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    let scenario = Scenario::parse(Path::new("test.toml"), SCENARIO, &overrides).expect("a valid scenario");
    let out = dir.path().join("run");
    let options = RunOptions::new(&out, dir.path(), &Quiet);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
    pool.install(|| experiment::run(&scenario, &options)).expect("a finished run");
    files(&out)
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).expect("below the root").display().to_string();
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// Everything but the manifest (timings) and what repeats it must be the same.
fn assert_same(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>, but: &[&str]) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        if !but.contains(&name.as_str()) {
            assert!(bytes == &b[name], "{name} differs");
        }
    }
}

#[test]
fn threads_cohorts_and_repetition_change_nothing() {
    let timed = ["manifest.json", "report.html"];
    let first = run(1, &[]);
    assert!(first.keys().any(|name| name.ends_with("arm=mf/part-00000.parquet")));
    assert_same(&first, &run(2, &[]), &timed);
    let small = run(2, &["world.cohort_size=64"]);
    assert_same(&first, &small, &["manifest.json", "report.html", "scenario.toml", "identity.json"]);
}

#[test]
fn another_seed_is_another_world() {
    let name = "events/arm=mf/part-00000.parquet";
    assert!(run(2, &["rounds=1"])[name] != run(2, &["rounds=1", "seed=43"])[name]);
}

#[test]
fn two_arms_that_are_the_same_recommender_get_the_same_sessions() {
    let files = run(2, &["rounds=1", "arms.twin.kind=popular"]);
    let events = |arm: &str| &files[&format!("events/arm={arm}/part-00000.parquet")];
    assert!(events("popular") == events("twin"));
}

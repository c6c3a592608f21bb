//! Shards put together are the run of one process, byte for byte; what is no whole run is refused by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use windtunnel::experiment::folder::Mode;
use windtunnel::experiment::identity::Shard;
use windtunnel::experiment::{self, RunError, RunOptions, shards};
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;

const SCENARIO: &str = "seed = 3\n[dataset]\nsource = \"synthetic\"\nn_users = 70\nn_items = 60\n\
    [population]\nn_agents = 203\n[world]\ncohort_size = 16\nagents_per_part = 30\n\
    [statistics]\nn_bootstrap = 100\n[arms.popular]\n[arms.random]\n[arms.mf]\nepochs = 3\n";

fn scenario(overrides: &[&str]) -> Scenario {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Scenario::parse(Path::new("shards.toml"), SCENARIO, &overrides).expect("a valid scenario")
}

fn run(scenario: &Scenario, out: &Path, shard: Option<(u32, u32)>) -> Result<(), RunError> {
    let shard = shard.map(|(index, of)| Shard { index, of });
    experiment::run(scenario, &RunOptions { shard, ..RunOptions::new(out, Path::new("."), &Quiet) })
}

fn merge(dirs: &[PathBuf], out: &Path) -> Result<(), RunError> {
    shards::merge(dirs, &RunOptions::new(out, Path::new("."), &Quiet))
}

/// Every file of a folder but those with timings and the lock.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below").display().to_string();
            if path.is_dir() {
                walk(root, &path, found);
            } else if !["manifest.json", "report.html", ".windtunnel-lock"].contains(&name.as_str()) {
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// The shards of a run, in folders of their own.
fn shards_of(scenario: &Scenario, dir: &Path, of: u32) -> Vec<PathBuf> {
    let one = |index| {
        let out = dir.join(format!("shard-{index}"));
        run(scenario, &out, Some((index, of))).expect("a shard");
        out
    };
    (1..=of).map(one).collect()
}

#[test]
fn sixteen_shards_are_one_process() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let scenario = scenario(&[]);
    run(&scenario, &dir.path().join("whole"), None).expect("a run");
    let mut dirs = shards_of(&scenario, dir.path(), 16);
    // The order in which they are given is no matter.
    dirs.rotate_left(5);
    merge(&dirs, &dir.path().join("merged")).expect("a merge");
    let (whole, merged) = (files(&dir.path().join("whole")), files(&dir.path().join("merged")));
    assert_eq!(whole.keys().collect::<Vec<_>>(), merged.keys().collect::<Vec<_>>());
    assert!(whole.contains_key("events/arm=mf/part-00006.parquet"), "203 agents in parts of 30");
    for (name, bytes) in &whole {
        assert!(bytes == &merged[name], "{name} differs");
    }
}

#[test]
fn what_is_not_the_whole_of_one_run_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| dir.path().join(name);
    let dirs = shards_of(&scenario(&[]), dir.path(), 3);
    let told = |dirs: &[PathBuf]| {
        let out = at("out");
        let error = merge(dirs, &out).expect_err("no whole run");
        assert!(error.is_bad_input(), "{error}");
        assert!(!out.join("manifest.json").exists());
        error.to_string()
    };
    let missing = told(&[dirs[0].clone(), dirs[2].clone()]);
    assert!(missing.contains("shard 2/3 is missing"), "{missing}");
    std::fs::create_dir(at("twin")).expect("a folder");
    for name in ["identity.json", "shard.json", "scenario.toml"] {
        std::fs::copy(dirs[1].join(name), at("twin").join(name)).expect("copied");
    }
    let twice = told(&[dirs[0].clone(), dirs[1].clone(), at("twin"), dirs[2].clone()]);
    assert!(twice.contains("twin is shard 2/3, and so is") && twice.contains("shard-2"), "{twice}");
    run(&scenario(&["seed=4"]), &at("foreign"), Some((2, 3))).expect("a shard of another run");
    let foreign = told(&[dirs[0].clone(), at("foreign"), dirs[2].clone()]);
    assert!(foreign.contains("foreign is of another run: its scenario is"), "{foreign}");
    run(&scenario(&[]), &at("halves"), Some((2, 2))).expect("a shard of two");
    let halves = told(&[dirs[0].clone(), at("halves"), dirs[2].clone()]);
    assert!(halves.contains("halves is shard 2/2, but") && halves.contains("shard 1/3"), "{halves}");
    run(&scenario(&[]), &at("whole"), None).expect("a run");
    let whole = told(&[at("whole")]);
    assert!(whole.contains("whole is no shard but a whole run"), "{whole}");
    std::fs::remove_file(at("twin").join("shard.json")).expect("removed");
    let unfinished = told(&[dirs[0].clone(), at("twin"), dirs[2].clone()]);
    assert!(unfinished.contains("twin holds a shard that is not finished"), "{unfinished}");
    let nothing = told(&[at("nowhere")]);
    assert!(nothing.contains("nowhere holds no shard"), "{nothing}");
}

#[test]
fn no_shard_is_lost_by_merging_into_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dirs = shards_of(&scenario(&[]), dir.path(), 2);
    let before = files(&dirs[0]);
    let options = RunOptions { mode: Mode::Force, ..RunOptions::new(&dirs[0], Path::new("."), &Quiet) };
    let error = shards::merge(&dirs, &options).expect_err("a shard for a place");
    assert!(error.to_string().contains("is a shard and cannot be --out too"), "{error}");
    assert!(files(&dirs[0]) == before);
}

#[test]
fn events_of_others_are_found_out() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dirs = shards_of(&scenario(&[]), dir.path(), 2);
    let part = |k: usize| dirs[k].join("events/arm=random/part-00000.parquet");
    std::fs::copy(part(0), part(1)).expect("copied");
    let error = merge(&dirs, &dir.path().join("out")).expect_err("events of the other shard");
    let told = error.to_string();
    assert!(told.contains("part-00000.parquet, row 0: events of agent 0, expected agent 101"), "{told}");
}

#[test]
fn a_model_is_fitted_once_for_all_who_share_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (scenario, models) = (scenario(&[]), dir.path().join("models"));
    let run = |out: &Path, models| {
        let options = RunOptions { models, ..RunOptions::new(out, Path::new("."), &Quiet) };
        experiment::run(&scenario, &options).expect("a run");
        files(out)
    };
    let kept = || -> Vec<PathBuf> {
        let entries =
            std::fs::read_dir(&models).expect("models").map(|entry| entry.expect("an entry").path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let alone = run(&dir.path().join("alone"), None);
    let first = run(&dir.path().join("first"), Some(models.as_path()));
    // popular and mf learn from interactions, random from nothing.
    let (found, touched) = (kept(), |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok());
    let before: Vec<_> = found.iter().map(touched).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    let second = run(&dir.path().join("second"), Some(models.as_path()));
    assert!(alone == first && first == second);
    assert_eq!(found.iter().map(touched).collect::<Vec<_>>(), before, "nothing was fitted again");
    // What is there is what is used: a model of nothing but zeros ranks otherwise.
    let vectors = found.iter().map(|path| path.join("users.npy")).find(|path| path.is_file()).expect("mf");
    let mut bytes = std::fs::read(&vectors).expect("vectors");
    let header = bytes.iter().position(|&byte| byte == b'\n').expect("a header") + 1;
    bytes[header..].fill(0);
    std::fs::write(&vectors, bytes).expect("written");
    assert!(run(&dir.path().join("third"), Some(models.as_path())) != first);
}

#[test]
fn rounds_that_learn_cannot_be_shared_out() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let error = run(&scenario(&["rounds=2"]), dir.path(), Some((1, 2))).expect_err("two rounds");
    assert!(error.to_string().contains("rounds is 2, must be 1 for --shard"), "{error}");
}

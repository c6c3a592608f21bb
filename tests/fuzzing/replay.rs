//! What fuzzing found: the kept corpora, and `fuzz/regressions/TARGET/`, where every input that ever crashed a target
//! stays as a test. Must not know what targets do.

use crate::{entry, seeds};
use std::path::{Path, PathBuf};

/// Kept inputs take no more room than this, bytes.
const CORPUS_BYTES_MAX: u64 = 300_000;

/// A seed longer than this is made anew by every test and not kept.
const SEED_BYTES_MAX: usize = 40_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The folder, unless this is a package without it.
fn present(root: &Path) -> bool {
    let is_there = root.join("Cargo.toml").is_file();
    if !is_there {
        eprintln!("SKIPPED: no folder fuzz/ here, it is not part of the package");
    }
    is_there
}

/// The files of a folder, in the order of their names; none where there is no folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn every_input_that_was_kept_is_survived() {
    let root = root();
    if !present(&root) {
        return;
    }
    for (target, run) in entry::ALL {
        let kept = files(&root.join("corpus").join(target));
        assert!(
            !kept.is_empty(),
            "no corpus for {target}; `cargo test --test fuzzing -- --ignored` writes one"
        );
        for path in kept.into_iter().chain(files(&root.join("regressions").join(target))) {
            // The name of what fails is in the captured output.
            eprintln!("{}", path.display());
            run(&std::fs::read(&path).expect("a file"));
        }
    }
}

#[test]
fn every_target_is_built_and_has_a_twin_and_the_corpora_are_small() {
    let root = root();
    if !present(&root) {
        return;
    }
    assert!(entry::ALL.is_sorted_by(|a, b| a.0 < b.0), "targets in alphabetical order");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let twins = include_str!("twins.rs");
    for (target, _) in entry::ALL {
        assert!(root.join(format!("fuzz_targets/{target}.rs")).is_file(), "no file for {target}");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "no binary for {target}");
        assert!(twins.contains(&format!("twin(\"{target}\"")), "no twin of {target}");
    }
    assert_eq!(files(&root.join("fuzz_targets")).len(), entry::ALL.len(), "a file without a target");
    let bytes_of = |folder: &Path| -> u64 {
        let folders = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let kept = folders.flat_map(|folder| files(&folder));
        kept.map(|path| std::fs::metadata(path).map_or(0, |found| found.len())).sum()
    };
    let n_bytes = bytes_of(&root.join("corpus")) + bytes_of(&root.join("regressions"));
    assert!(n_bytes <= CORPUS_BYTES_MAX, "corpora of {n_bytes} bytes, expected at most {CORPUS_BYTES_MAX}");
}

#[test]
#[ignore = "writes into fuzz/corpus/"]
fn seeds_are_written() {
    for (target, _) in entry::ALL {
        let folder = root().join("corpus").join(target);
        std::fs::create_dir_all(&folder).expect("created");
        for old in files(&folder) {
            if old.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-")) {
                std::fs::remove_file(old).expect("removed");
            }
        }
        let seeds = seeds::of(target);
        for (number, seed) in seeds.iter().enumerate().filter(|(_, seed)| seed.len() <= SEED_BYTES_MAX) {
            std::fs::write(folder.join(format!("seed-{number:02}")), seed).expect("written");
        }
    }
}

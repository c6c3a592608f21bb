//! The source tree held to its own rules: module docs, no dead files, lists in order, no leftovers.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `dir`, sorted.
fn rust_files(dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_file_says_what_it_is_for() {
    for dir in ["src", "tests", "benches"] {
        for path in rust_files(dir) {
            let text = read(&path);
            assert!(
                text.starts_with("//!") || text.starts_with("/*!"),
                "{}: no module doc on top",
                path.display()
            );
        }
    }
}

#[test]
fn every_file_is_a_module_of_its_parent() {
    for path in rust_files("src") {
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let dir = path.parent().unwrap_or(root());
        let (module, parents) = match name {
            "lib" | "main" => continue,
            "mod" => {
                let module = dir.file_name().and_then(|s| s.to_str()).unwrap_or_default();
                (module.to_owned(), parents_of(dir.parent().unwrap_or(root())))
            }
            _ => (name.to_owned(), parents_of(dir)),
        };
        let declared = parents.iter().filter(|p| p.is_file()).any(|parent| {
            read(parent).lines().any(|line| {
                let line = line.trim();
                let line =
                    line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub(super) ")).unwrap_or(line);
                let line = line.strip_prefix("pub ").unwrap_or(line);
                line == format!("mod {module};")
            })
        });
        assert!(declared, "{}: no `mod {module};` in {parents:?}", path.display());
    }
}

/// Files that may declare the modules of a folder.
fn parents_of(dir: &Path) -> Vec<PathBuf> {
    vec![dir.join("mod.rs"), dir.join("lib.rs"), dir.with_extension("rs")]
}

#[test]
fn every_plugin_file_is_in_its_list_and_names_are_unique_and_sorted() {
    fn sorted_and_unique(what: &str, names: Vec<&str>) {
        for pair in names.windows(2) {
            assert!(pair[0] < pair[1], "{what}: {:?} must come before {:?}, once", pair[0], pair[1]);
        }
    }
    sorted_and_unique("recommenders", windtunnel::recommender::ALL.iter().map(|k| k.name()).collect());
    sorted_and_unique("behaviors", windtunnel::agent::behavior::ALL.iter().map(|k| k.name()).collect());
    sorted_and_unique("datasets", windtunnel::dataset::ALL.iter().map(|k| k.name()).collect());
    sorted_and_unique("backends", windtunnel::llm::ALL.iter().map(|k| k.name()).collect());
    sorted_and_unique("encoders", windtunnel::encoder::ALL.iter().map(|k| k.name()).collect());
    sorted_and_unique("metrics", windtunnel::metric::ALL.iter().map(|k| k.name()).collect());
    sorted_and_unique("studies", windtunnel::study::ALL.iter().map(|k| k.name()).collect());
    for (trait_name, folder, n) in [
        ("RecommenderKind for", "recommender", windtunnel::recommender::ALL.len()),
        ("BehaviorKind for", "agent/behavior", windtunnel::agent::behavior::ALL.len()),
        ("SourceKind for", "dataset", windtunnel::dataset::ALL.len()),
        ("BackendKind for", "llm", windtunnel::llm::ALL.len()),
        ("EncoderKind for", "encoder", windtunnel::encoder::ALL.len()),
        ("MetricKind for", "metric", windtunnel::metric::ALL.len()),
        ("StudyKind for", "study", windtunnel::study::ALL.len()),
    ] {
        let files = rust_files(&format!("src/{folder}"));
        let written: usize = files.iter().map(|path| implementations(&read(path), trait_name)).sum();
        assert_eq!(written, n, "{trait_name} … is implemented {written} times but listed {n} times");
    }
}

/// Implementations of a trait outside test modules.
fn implementations(text: &str, trait_name: &str) -> usize {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.matches(&format!("impl {trait_name}")).count()
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let unfinished =
        [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("FIX", "ME"), concat!("db", "g!(")];
    for path in rust_files("src") {
        let text = read(&path);
        for word in unfinished {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn every_scenario_is_valid() {
    let mut n = 0;
    for entry in std::fs::read_dir(root().join("scenarios")).into_iter().flatten().flatten() {
        let path = entry.path();
        // A build without llama.cpp says so of every scenario that wants it.
        let is_readable =
            |path: &Path| cfg!(feature = "llama") || !read(path).contains("backend = \"llama\"");
        if path.extension().is_some_and(|e| e == "toml") && is_readable(&path) {
            windtunnel::scenario::Scenario::load(&path, &[]).unwrap_or_else(|e| panic!("{e}"));
            n += 1;
        }
    }
    assert!(n > 0, "no scenario found");
}

//! Run folders that somebody changed: files of the input take the place of those of a small finished run.

use super::archive::{Folder, split};
use super::read;
use std::path::Path;
use std::sync::OnceLock;
use windtunnel::experiment::readback::ReadRun;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::progress::Quiet;
use windtunnel::report::Report;
use windtunnel::report::card::{Card, assertion};
use windtunnel::report::manifest::Manifest;
use windtunnel::scenario::Scenario;

/// Two arms, twelve people, one study.
pub const SCENARIO: &str = "[dataset]\nsource = \"synthetic\"\nn_users = 12\nn_items = 30\nmean_interactions = 8\n\
                            n_genres = 3\n[session]\nmax_pages = 2\n[arms.popular]\n[arms.random]\n\
                            [statistics]\nbaseline = \"popular\"\nn_bootstrap = 100\n[studies.verdict]\n";

/// A finished run: its files with their names, but for what is only drawn from the others.
pub fn finished() -> &'static [(String, Vec<u8>)] {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let place = tempfile::tempdir().expect("a temporary folder");
        let out = place.path().join("run");
        let scenario = Scenario::parse(Path::new("small.toml"), SCENARIO, &[]).expect("a valid scenario");
        experiment::run(&scenario, &RunOptions::new(&out, place.path(), &Quiet)).expect("a small run");
        let mut files = Vec::new();
        gather(&out, &out, &mut files);
        files.sort();
        files
    })
}

/// Every file below `dir`, its name counted from `root`, but for what is drawn from others.
pub fn gather(root: &Path, dir: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if path.is_dir() {
            gather(root, &path, files);
        } else if !name.ends_with(".svg") && !name.ends_with(".html") {
            files.push((name, std::fs::read(&path).expect("a file")));
        }
    }
}

/// Reads a run folder in every way there is, and draws its report.
pub fn run_folder(data: &[u8]) {
    let base: Vec<(&str, &[u8])> = finished().iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    let changed = split(data, "manifest.json");
    let kept = base.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    let folder = Folder::with(&kept.copied().collect::<Vec<_>>());
    folder.put(&changed);
    let dir = folder.path();
    if let Some(card) = read(Card::read(dir)) {
        let _ = card.values();
        let _ = assertion::check("arms.popular.s_sat > compare.random.s_sat.diff", &card);
    }
    if let Ok(text) = std::fs::read_to_string(dir.join("manifest.json")) {
        let _ = Manifest::from_json(&text).map(|manifest| manifest.to_json());
    }
    if let Some(report) = read(Report::read(dir)) {
        // Drawing takes longer than everything else.
        if data.len().is_multiple_of(8) {
            read(report.render());
        }
        let _ = Card::of(&report).values();
        let _ = windtunnel::report::table::terminal(&report, 80);
    }
    if let Some(run) = read(ReadRun::read(dir)) {
        let arms: Vec<String> = run.arms().map(str::to_owned).collect();
        for arm in arms.iter().take(3) {
            read(run.measure(arm));
        }
    }
}

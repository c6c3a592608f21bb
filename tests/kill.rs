//! A run killed at any moment leaves at every output path either no file or a whole one.

#![cfg(unix)]

use parquet::file::reader::{FileReader, SerializedFileReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Starts the quickstart world, small, and kills it after `delay`.
fn run_and_kill(out: &Path, delay: Duration) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/quickstart.toml"), "--force"])
        .args(["--set", "dataset.n_users=300", "--set", "dataset.n_items=200", "--set", "arms.mf.epochs=2"])
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    std::thread::sleep(delay);
    // It may have finished already; then there is nothing to kill.
    let _ = child.kill();
    child.wait().expect("the binary ends");
}

/// Every file below `dir` that stands at an output path, i.e. is not a temporary.
fn assert_whole(dir: &Path) -> usize {
    let mut n_files = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            n_files += assert_whole(&path);
        } else if !name.ends_with(".tmp") {
            assert_readable(&path, &name);
            n_files += 1;
        }
    }
    n_files
}

fn assert_readable(path: &Path, name: &str) {
    let bytes = std::fs::read(path).expect("readable");
    let shown = path.display();
    match name.rsplit('.').next() {
        Some("parquet") => {
            let file = std::fs::File::open(path).expect("readable");
            let reader = SerializedFileReader::new(file).unwrap_or_else(|e| panic!("{shown}: {e}"));
            assert!(reader.metadata().file_metadata().num_rows() > 0, "{shown} is empty");
        }
        Some("json") => {
            serde_json::from_slice::<serde_json::Value>(&bytes).unwrap_or_else(|e| panic!("{shown}: {e}"));
        }
        Some("toml") => {
            String::from_utf8(bytes).expect("UTF-8").parse::<toml::Table>().expect("TOML");
        }
        Some("csv") => {
            let mut n = 0;
            for record in csv::Reader::from_reader(bytes.as_slice()).records() {
                record.unwrap_or_else(|e| panic!("{shown}: {e}"));
                n += 1;
            }
            assert!(n > 0 && bytes.ends_with(b"\n"), "{shown} is cut short");
        }
        Some("html") => assert!(bytes.trim_ascii_end().ends_with(b"</html>"), "{shown} is cut short"),
        Some("svg") => assert!(bytes.trim_ascii_end().ends_with(b"</svg>"), "{shown} is cut short"),
        // Who has the folder: of no interest once its holder is dead.
        Some("windtunnel-lock") => {}
        other => panic!("{shown}: unexpected kind of file {other:?}"),
    }
}

#[test]
fn killed_runs_leave_whole_files_only() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    let mut seen = Vec::new();
    for step in 1..=14u64 {
        run_and_kill(&out, Duration::from_millis(step * step * 12));
        seen.push(assert_whole(&out));
    }
    assert!(seen.iter().any(|&n| n > 0), "every run was killed before it wrote anything: {seen:?}");
}

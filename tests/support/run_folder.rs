//! A run to be disturbed, and what must hold of its folder whatever happened: every file that stands at an output
//! path is whole, and a run that was gone on with ends with the bytes of one that was left alone.

use parquet::file::reader::{FileReader, SerializedFileReader};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Two arms, one of which learns between two rounds; many parts of the log; a study.
const SCENARIO: &str = r#"
name = "disturbed"
rounds = 2
[dataset]
source = "synthetic"
n_users = 240
n_items = 160
[world]
cohort_size = 40
agents_per_part = 40
[arms.random]
[arms.mf]
epochs = 4
[studies.filter_bubble]
control = "random"
[statistics]
baseline = "random"
n_bootstrap = 200
"#;

/// A folder with the scenario in it, `s.toml`, where runs are made.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// An empty place with the scenario.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("s.toml"), SCENARIO).expect("written");
        Place { dir }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `windtunnel` with these arguments, in this place, to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
        command.current_dir(self.dir.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The same, waited for.
    pub fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// Runs the scenario into `out` and leaves it alone.
    pub fn undisturbed(&self, out: &str) -> PathBuf {
        let output = self.call(&["run", "s.toml", "--out", out]);
        assert!(output.status.success(), "{}", stderr(&output));
        self.path(out)
    }

    /// Goes on with the run in `out` to its end.
    pub fn resume(&self, out: &str) {
        let output = self.call(&["run", "s.toml", "--out", out, "--resume"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// Holds a finished run against one that was left alone: the same files with the same bytes, apart from the
    /// timings in the manifest, and the report that tells them.
    pub fn assert_same(&self, reference: &Path, out: &Path) {
        let mut bare = files(reference);
        let mut found = files(out);
        assert_eq!(found.keys().collect::<Vec<_>>(), bare.keys().collect::<Vec<_>>(), "other files");
        let (theirs, ours) = (bare.remove("manifest.json"), found.remove("manifest.json"));
        let (theirs, ours) = (theirs.expect("a manifest"), ours.expect("a manifest"));
        assert_eq!(timeless(&theirs), timeless(&ours), "manifest.json");
        let page = found.remove("report.html").expect("a report");
        let their_page = bare.remove("report.html").expect("a report");
        for (name, bytes) in &bare {
            assert!(bytes == &found[name], "{name} has other bytes");
        }
        // The page shows timings. Made from the other run's manifest it must be the other run's page.
        std::fs::write(out.join("manifest.json"), &theirs).expect("written");
        let output = self.call(&["report", &out.display().to_string()]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(std::fs::read(out.join("report.html")).expect("a report") == their_page, "another report");
        std::fs::write(out.join("manifest.json"), ours).expect("written");
        std::fs::write(out.join("report.html"), page).expect("written");
    }
}

/// What a command said on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The manifest without the time that anything took.
fn timeless(manifest: &[u8]) -> serde_json::Value {
    let mut manifest: serde_json::Value = serde_json::from_slice(manifest).expect("JSON");
    manifest["timings"] = serde_json::Value::Null;
    for arm in manifest["arms"].as_array_mut().expect("arms") {
        for fit in arm["fits"].as_array_mut().expect("fits") {
            fit["seconds"] = serde_json::Value::Null;
        }
    }
    manifest
}

/// Every file below `dir` by its name from there, hidden ones too; none where there is no such folder.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found.extend(
                files(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            );
        } else {
            // One that a process still at work has just moved away is no file of the folder.
            let Ok(bytes) = std::fs::read(entry.path()) else { continue };
            found.insert(name, bytes);
        }
    }
    found
}

/// Whether this is nobody's output: a temporary file, the lock, a checkpoint.
pub fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with(".windtunnel-"))
}

/// Holds that every output below `dir` is whole; gives their names.
pub fn assert_whole(dir: &Path) -> Vec<String> {
    let found = files(dir);
    let outputs = found.iter().filter(|(name, _)| !is_hidden(name));
    let mut names = Vec::new();
    for (name, bytes) in outputs {
        assert_readable(dir, name, bytes);
        names.push(name.clone());
    }
    names
}

fn assert_readable(dir: &Path, name: &str, bytes: &[u8]) {
    let ends_with = |end: &[u8]| bytes.trim_ascii_end().ends_with(end);
    match name.rsplit('.').next() {
        Some("parquet") => {
            let file = std::fs::File::open(dir.join(name)).expect("there");
            let reader = SerializedFileReader::new(file).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(reader.metadata().file_metadata().num_rows() > 0, "{name} is empty");
            let rows = reader.get_row_iter(None).unwrap_or_else(|e| panic!("{name}: {e}"));
            rows.for_each(|row| drop(row.unwrap_or_else(|e| panic!("{name}: {e}"))));
        }
        Some("json") => {
            serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        Some("toml") => {
            let text = std::str::from_utf8(bytes).expect("UTF-8");
            text.parse::<toml::Table>().unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        Some("csv") => {
            let records = csv::Reader::from_reader(bytes).into_records();
            let n = records.inspect(|record| assert!(record.is_ok(), "{name}: {record:?}")).count();
            assert!(n > 0 && bytes.ends_with(b"\n"), "{name} is cut short");
        }
        Some("html") => assert!(ends_with(b"</html>"), "{name} is cut short"),
        Some("svg") => assert!(ends_with(b"</svg>"), "{name} is cut short"),
        other => panic!("{name}: unexpected kind of file {other:?}"),
    }
}

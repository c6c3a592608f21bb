//! The layout of a run folder. Must not know what the files hold.

use super::RunError;
use crate::files;
use std::path::{Path, PathBuf};

/// What a run writes; `--force` removes these and nothing else.
const OUTPUTS: [&str; 21] = [
    "manifest.json",
    "report.html",
    "sessions.csv",
    "users.csv",
    "metrics.csv",
    "comparisons.csv",
    "truth.csv",
    "truth_order.csv",
    "true_ratings.csv",
    "items.csv",
    "people.csv",
    "agents.csv",
    "validation.csv",
    "validation.html",
    "study.json",
    "studies",
    "text_bought.csv",
    "policies.csv",
    "events",
    "plots",
    // The last to go, since it tells that the folder is a run's.
    "scenario.toml",
];

/// How `scenario.toml` of a run folder begins; a folder without it is not a run's to clear.
pub const MARK: &str = "# The scenario of this run as resolved by windtunnel";

/// A run folder.
#[derive(Clone, Debug)]
pub struct RunFolder {
    /// Where it is.
    pub root: PathBuf,
}

impl RunFolder {
    /// Makes the folder. One that holds a run already is refused, or cleared with `force`; the manifest goes
    /// first, so that a half-cleared folder is never taken for a finished run.
    pub fn create(root: &Path, force: bool) -> Result<Self, RunError> {
        let folder = RunFolder { root: root.to_owned() };
        let occupied = OUTPUTS.iter().any(|name| root.join(name).exists());
        let is_run = std::fs::read_to_string(root.join("scenario.toml")).is_ok_and(|s| s.starts_with(MARK));
        if occupied && !force {
            return Err(RunError::Occupied { path: root.to_owned() });
        }
        if occupied && !is_run {
            return Err(RunError::NotARun { path: root.to_owned() });
        }
        for name in OUTPUTS {
            let path = root.join(name);
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else if path.exists() {
                std::fs::remove_file(&path)
            } else {
                Ok(())
            };
            removed.map_err(|source| RunError::Io { path, source })?;
        }
        clear_leftovers(root);
        std::fs::create_dir_all(root).map_err(|source| RunError::Io { path: root.to_owned(), source })?;
        Ok(folder)
    }

    /// `items.csv`.
    pub fn items(&self) -> PathBuf {
        self.root.join("items.csv")
    }

    /// `people.csv`.
    pub fn people(&self) -> PathBuf {
        self.root.join("people.csv")
    }

    /// `agents.csv`.
    pub fn agents(&self) -> PathBuf {
        self.root.join("agents.csv")
    }

    /// One part of the events of an arm, in Hive layout; its folder is made.
    pub fn part(&self, arm: &str, number: usize) -> Result<PathBuf, RunError> {
        let dir = self.root.join("events").join(format!("arm={arm}"));
        std::fs::create_dir_all(&dir).map_err(|source| RunError::Io { path: dir.clone(), source })?;
        Ok(dir.join(format!("part-{number:05}.parquet")))
    }

    /// The parts of the events of an arm, in order.
    pub fn parts(&self, arm: &str) -> Result<Vec<PathBuf>, RunError> {
        crate::report::event_files(&self.root, arm).map_err(RunError::Report)
    }

    /// Writes a file of the folder, whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.root.join(name);
        files::write_whole(&path, bytes).map_err(|source| RunError::Io { path, source })
    }
}

/// Removes the temporary files a killed run may have left; they are nobody's output.
fn clear_leftovers(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(files::TEMPORARY_PREFIX) && name.ends_with(files::TEMPORARY_SUFFIX) {
            // One that cannot be removed harms nothing: it stands at no output path.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A folder that holds one fitted model, and appears whole or not at all.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    force: bool,
}

impl ModelFolder {
    /// The folder at `path`, which must not exist unless `force` allows to replace a model in it.
    pub fn create(path: &Path, force: bool) -> Result<Self, RunError> {
        let is_model = path.join("fitted_on.json").is_file();
        if path.exists() && !(force && is_model) {
            return Err(RunError::Occupied { path: path.to_owned() });
        }
        let parent = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(|source| RunError::Io { path: parent.to_owned(), source })?;
        Ok(ModelFolder { path: path.to_owned(), force })
    }

    /// Has `save` write into a temporary folder beside the place, then moves it there.
    pub fn fill(self, save: impl FnOnce(&Path) -> Result<(), RunError>) -> Result<PathBuf, RunError> {
        let io = |source| RunError::Io { path: self.path.clone(), source };
        let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(files::TEMPORARY_PREFIX).suffix(files::TEMPORARY_SUFFIX);
        let temporary = builder.tempdir_in(parent).map_err(io)?;
        save(temporary.path())?;
        if self.force && self.path.exists() {
            std::fs::remove_dir_all(&self.path).map_err(io)?;
        }
        std::fs::rename(temporary.keep(), &self.path).map_err(io)?;
        Ok(self.path)
    }
}

//! The layout of a run folder, and whose it is. Must not know what the files hold.

use super::RunError;
use super::identity::{self, RunIdentity, first_difference};
use super::lock::{Asked, Lock};
use super::shards;
use crate::files;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a run writes; `--force` removes these and nothing else.
const OUTPUTS: [&str; 23] = [
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
    shards::FILE_NAME,
    // The last to go, since they tell that the folder is a run's, and which.
    "scenario.toml",
    identity::FILE_NAME,
];

/// How `scenario.toml` of a run folder begins; a folder without it is not a run's to clear.
pub const MARK: &str = "# The scenario of this run as resolved by windtunnel";

/// Where a run keeps what it needs only until it is finished: checkpoints of training.
const WORK: &str = ".windtunnel-work";

/// What happens to a run that the folder holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is left alone: the folder is refused.
    #[default]
    New,
    /// It is replaced.
    Force,
    /// It is gone on with, if it is the same run.
    Resume,
}

/// A run folder, which no other process can write to as long as this or a copy of it lives.
#[derive(Clone, Debug)]
pub struct RunFolder {
    /// Where it is.
    pub root: PathBuf,
    identity: Option<RunIdentity>,
    is_resumed: bool,
    _lock: Arc<Lock>,
}

impl RunFolder {
    /// [`RunFolder::open`] and [`RunFolder::begin`] in one.
    pub fn create(root: &Path, mode: Mode, run: Option<(&RunIdentity, &str)>) -> Result<Self, RunError> {
        let folder = Self::open(root, mode, run)?;
        folder.begin()?;
        Ok(folder)
    }

    /// Locks the folder, which is made where it is missing, and refuses one that holds what would be lost; nothing
    /// that it holds is touched yet. `run` is what the run is and its resolved scenario; only such runs can be resumed.
    ///
    /// # Errors
    /// When another process has the folder, when it holds a run and `mode` is [`Mode::New`], when it holds files
    /// of the same names that no run wrote, and when it holds another run than the one to be resumed.
    pub fn open(root: &Path, mode: Mode, run: Option<(&RunIdentity, &str)>) -> Result<Self, RunError> {
        std::fs::create_dir_all(root).map_err(|source| RunError::Io { path: root.to_owned(), source })?;
        let lock = match Lock::ask(root).map_err(|source| RunError::Io { path: root.to_owned(), source })? {
            Asked::Ours(lock) => Arc::new(lock),
            Asked::Taken(pid) => return Err(RunError::Locked { path: root.to_owned(), holder: Holder(pid) }),
        };
        let is_occupied = OUTPUTS.iter().any(|name| stands(&root.join(name)));
        let scenario = std::fs::read_to_string(root.join("scenario.toml")).ok();
        let there = std::fs::read(root.join(identity::FILE_NAME)).ok();
        let there = there.and_then(|bytes| serde_json::from_slice::<RunIdentity>(&bytes).ok());
        let is_run = there.is_some() || scenario.as_ref().is_some_and(|text| text.starts_with(MARK));
        match mode {
            Mode::New if is_occupied => return Err(RunError::Occupied { path: root.to_owned() }),
            Mode::Force | Mode::Resume if is_occupied && !is_run => {
                return Err(RunError::NotARun { path: root.to_owned() });
            }
            Mode::Resume if is_occupied => {
                let (here, text) = run.ok_or_else(|| RunError::Occupied { path: root.to_owned() })?;
                let there = there.ok_or_else(|| RunError::NoIdentity { path: root.to_owned() })?;
                check_same(root, &there, scenario.as_deref(), here, text)?;
            }
            _ => {}
        }
        Ok(RunFolder {
            root: root.to_owned(),
            identity: run.map(|(identity, _)| identity.clone()),
            is_resumed: mode == Mode::Resume && is_occupied,
            _lock: lock,
        })
    }

    /// Makes the folder ready to be written to: what a killed run left half done goes, and so does everything a
    /// run wrote, unless it is resumed. The manifest goes first, so that a half-cleared folder is never taken for
    /// a finished run; the identity goes last and comes first.
    pub fn begin(&self) -> Result<(), RunError> {
        clear_leftovers(&self.root, 0);
        if self.is_resumed {
            return Ok(());
        }
        for name in OUTPUTS {
            let path = self.root.join(name);
            let removed = match std::fs::symlink_metadata(&path) {
                Ok(data) if data.is_dir() => std::fs::remove_dir_all(&path),
                Ok(_) => std::fs::remove_file(&path),
                Err(_) => Ok(()),
            };
            removed.map_err(|source| RunError::Io { path, source })?;
        }
        match &self.identity {
            Some(identity) => self.write(identity::FILE_NAME, identity.to_json().as_bytes()),
            None => Ok(()),
        }
    }

    /// Whether the folder holds a run, finished or not, that is gone on with. Every output that is there is whole,
    /// and is what this run would write.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Whether everything is there that takes long: only the report may be missing.
    pub fn is_complete(&self) -> bool {
        self.is_resumed
            && ["manifest.json", shards::FILE_NAME].iter().any(|name| self.root.join(name).is_file())
    }

    /// Where training may leave checkpoints for the same run to go on from.
    pub fn checkpoints(&self) -> PathBuf {
        let work = self.root.join(WORK);
        self.identity.as_ref().map_or(work.clone(), |identity| work.join(identity.short()))
    }

    /// Removes what only an unfinished run needs.
    pub fn finish(&self) {
        // What cannot be removed harms nothing: it stands at no output path.
        let _ = std::fs::remove_dir_all(self.root.join(WORK));
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
        let path = self.part_path(arm, number);
        let dir = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(dir).map_err(|source| RunError::Io { path: dir.to_owned(), source })?;
        Ok(path)
    }

    /// The same without making the folder.
    pub fn part_path(&self, arm: &str, number: usize) -> PathBuf {
        self.root.join("events").join(format!("arm={arm}")).join(format!("part-{number:05}.parquet"))
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

/// Folders within folders that a run writes at most.
const DEPTH_MAX: u32 = 3;

/// Removes the temporary files a killed run may have left; they are nobody's output.
fn clear_leftovers(dir: &Path, depth: u32) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = OUTPUTS.iter().any(|output| name == *output) || depth > 0;
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with(files::TEMPORARY_PREFIX) && name.ends_with(files::TEMPORARY_SUFFIX) {
            // One that cannot be removed harms nothing: it stands at no output path.
            let _ = if kind.is_dir() {
                std::fs::remove_dir_all(entry.path())
            } else {
                std::fs::remove_file(entry.path())
            };
        } else if kind.is_dir() && is_ours && depth < DEPTH_MAX {
            clear_leftovers(&entry.path(), depth + 1);
        }
    }
}

/// Whether something stands at the path, were it a link to nothing.
fn stands(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Refuses to go on with another run; where the scenarios differ, the first line in which they do is told.
fn check_same(
    root: &Path,
    there: &RunIdentity,
    scenario: Option<&str>,
    here: &RunIdentity,
    text: &str,
) -> Result<(), RunError> {
    let Some(mut found) = here.difference(there) else { return Ok(()) };
    if found.what == "scenario"
        && let Some((left, right)) = scenario.and_then(|scenario| first_difference(scenario, text))
    {
        (found.there, found.here) = (left, right);
    }
    Err(RunError::OtherRun { path: root.to_owned(), found })
}

/// Which process has a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(pub Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "another process ({pid})"),
            None => write!(f, "another process"),
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

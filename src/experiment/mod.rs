//! The flow itself: scenario -> dataset -> split -> fit -> world -> events -> metrics ->
//! statistics -> studies -> report, one function a stage, into one run folder.
//!
//! Stages talk through the types of their modules; this is the only place that knows them all.

pub mod compare;
pub mod estimate;
pub mod evaluate;
pub mod fit;
pub mod folder;
pub mod identity;
mod lock;
mod manifest;
pub mod model_store;
pub mod personas;
pub mod plan;
mod policies;
pub mod prepare;
mod pretend;
pub mod profiles;
pub mod readback;
pub mod shards;
mod simulate;
mod studies;
mod tables;
mod text_bought;
mod truth;

pub use simulate::tunnel;

use crate::agent::behavior::BehaviorError;
use crate::agent::taste::TasteError;
use crate::dataset::DatasetError;
use crate::encoder::cache;
use crate::encoder::library::Encoders;
use crate::event::EventError;
use crate::llm::client::{Client, TapePlace};
use crate::llm::tape::{self, TapeMode};
use crate::metric::subjects::SubjectsError;
use crate::profiler::ProfilerError;
use crate::progress::Progress;
use crate::recommender::{RecommendError, Surroundings};
use crate::report::ReportError;
use crate::report::manifest::{ArmInfo, LlmUsage};
use crate::scenario::Scenario;
use crate::stop::Stopped;
use crate::study::StudyError;
use folder::{Holder, Mode, RunFolder};
use identity::{Difference, RunIdentity, Shard};
use prepare::Prepared;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a run is carried out; nothing here changes its results.
pub struct RunOptions<'a> {
    /// Where the run folder is made.
    pub out: &'a Path,
    /// Where relative paths of the scenario start.
    pub base_dir: &'a Path,
    /// What happens to a run that the folder holds already.
    pub mode: Mode,
    /// Where training may leave checkpoints and go on from those of a killed run; a run keeps them in its own
    /// folder when not given.
    pub checkpoints: Option<&'a Path>,
    /// Where fitted models are kept and found, by what decides them; several processes may share it.
    pub models: Option<&'a Path>,
    /// Which slice of the agents is simulated, where it is not all of them.
    pub shard: Option<Shard>,
    /// What a run takes from the tape of its language models.
    pub tape: TapeMode,
    /// Where progress goes, and where work hears that it is to stop.
    pub progress: &'a dyn Progress,
}

impl<'a> RunOptions<'a> {
    /// A run into this folder that replaces nothing, leaves no checkpoints, and takes from its tape what is there.
    pub fn new(out: &'a Path, base_dir: &'a Path, progress: &'a dyn Progress) -> Self {
        RunOptions {
            out,
            base_dir,
            mode: Mode::New,
            checkpoints: None,
            models: None,
            shard: None,
            tape: TapeMode::Auto,
            progress,
        }
    }

    /// Whether what stands in the way of a file may be replaced.
    pub fn replaces(&self) -> bool {
        self.mode == Mode::Force
    }
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data could not be read or split.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Taste could not be built.
    #[error(transparent)]
    Taste(#[from] TasteError),
    /// Agents cannot act, or can act no more.
    #[error(transparent)]
    Behavior(#[from] BehaviorError),
    /// Profiles could not be written.
    #[error(transparent)]
    Profiler(#[from] ProfilerError),
    /// A recommender failed.
    #[error("arm {arm}")]
    Recommend {
        /// Which arm.
        arm: String,
        /// What went wrong.
        source: RecommendError,
    },
    /// Events could not be written or read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Items or agents could not be written or read.
    #[error(transparent)]
    Subjects(#[from] SubjectsError),
    /// A study could not be made.
    #[error("studies.{study}")]
    Study {
        /// Its name in the scenario.
        study: String,
        /// What went wrong.
        source: StudyError,
    },
    /// The report could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file of the run folder could not be written.
    #[error("cannot write {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder holds something that would be lost.
    #[error(
        "{path} already holds a run or a model; give another --out, --force to replace it, or for a run --resume to \
         go on with it"
    )]
    Occupied {
        /// Which folder.
        path: PathBuf,
    },
    /// The folder holds files of the same names that no run wrote.
    #[error("{path} holds files that a run would replace, but is not a run folder; give another --out")]
    NotARun {
        /// Which folder.
        path: PathBuf,
    },
    /// Another process is writing there.
    #[error("{holder} is writing to {path}; wait until it is done, or give another --out")]
    Locked {
        /// Which folder.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// What was to be resumed is another run.
    #[error(
        "{path} cannot be gone on with: its {} is {:?}, this run's is {:?}; run what it was begun with, give another \
         --out, or --force to replace it",
        found.what, found.there, found.here
    )]
    OtherRun {
        /// Which folder.
        path: PathBuf,
        /// In what it differs.
        found: Difference,
    },
    /// What was to be resumed does not say what it is.
    #[error(
        "{path} holds a run without a readable identity.json, which cannot be gone on with; give another --out, or \
         --force to replace it"
    )]
    NoIdentity {
        /// Which folder.
        path: PathBuf,
    },
    /// Rounds learn from everybody, and slices of agents know only themselves.
    #[error("rounds is {n_rounds}, must be 1 for --shard: a refit needs what all agents did")]
    NotShared {
        /// Rounds of the scenario.
        n_rounds: u32,
    },
    /// Folders are not the shards of one run.
    #[error("{path} {problem}")]
    Merge {
        /// Which folder or file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A tape that is recorded anew would not fit what is kept.
    #[error("--tape record asks everything again, --resume keeps what was answered; give one of them")]
    ResumedRecording,
    /// The run was asked to stop.
    #[error("the run was stopped")]
    Stopped(#[from] Stopped),
    /// Only items with a known truth were to be shown, of a dataset that knows none.
    #[error("session.candidates is \"observed\", but the dataset {0} has no observed truth; use \"all\"")]
    NothingObserved(String),
    /// Something was asked of a behaviour that it cannot do.
    #[error("behavior.kind is {kind:?}, {expected}")]
    WrongBehavior {
        /// The behaviour of the scenario.
        kind: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The data leaves nobody to simulate or nothing to show.
    #[error("nothing to simulate: the dataset has {n_users} users and {n_items} items")]
    Empty {
        /// Users found.
        n_users: usize,
        /// Items found.
        n_items: usize,
    },
}

impl RunError {
    /// Whether the input, rather than the run, is at fault.
    pub fn is_bad_input(&self) -> bool {
        if crate::stop::is_stopped(self) {
            return false;
        }
        if let RunError::Profiler(error) = self {
            return error.is_bad_input();
        }
        matches!(
            self,
            RunError::Dataset(_)
                | RunError::Taste(_)
                | RunError::Occupied { .. }
                | RunError::NotARun { .. }
                | RunError::OtherRun { .. }
                | RunError::NoIdentity { .. }
                | RunError::ResumedRecording
                | RunError::NotShared { .. }
                | RunError::Merge { .. }
                | RunError::NothingObserved(_)
                | RunError::Empty { .. }
                | RunError::Study { source: StudyError::Unanswerable { .. }, .. }
                | RunError::WrongBehavior { .. }
                | RunError::Behavior(BehaviorError::BadInput(_) | BehaviorError::Record(_))
                | RunError::Recommend {
                    source: RecommendError::BadModel { .. } | RecommendError::Io { .. },
                    ..
                }
        )
    }
}

/// The way to the scenario's language models; their tape is in the run folder where the scenario names none.
pub fn client(scenario: &Scenario, options: &RunOptions<'_>) -> Arc<Client> {
    let path = match &scenario.llm.tape {
        Some(path) => options.base_dir.join(path),
        None => options.out.join(tape::FILE_NAME),
    };
    Client::new(scenario.llm.clone(), options.base_dir, Some(TapePlace { path, mode: options.tape }))
}

/// What the scenario's recommenders find around them.
pub fn surroundings(scenario: &Scenario, base_dir: &Path, llm: &Arc<Client>) -> Surroundings {
    let encoders = Encoders::new(scenario.encoders.clone(), base_dir, cache::default_dir());
    Surroundings { encoders, llm: llm.clone() }
}

/// Runs a scenario into a folder. On success the folder is complete and its path is in `options.out`.
pub fn run(scenario: &Scenario, options: &RunOptions<'_>) -> Result<(), RunError> {
    run_with(scenario, &client(scenario, options), options)
}

/// The same with language models of the caller's own.
pub fn run_with(scenario: &Scenario, llm: &Arc<Client>, options: &RunOptions<'_>) -> Result<(), RunError> {
    let done = stages(scenario, llm, options);
    // Whatever happened: what has been paid for goes on the tape.
    llm.close();
    done
}

fn stages(scenario: &Scenario, llm: &Arc<Client>, options: &RunOptions<'_>) -> Result<(), RunError> {
    if options.mode == Mode::Resume && options.tape == TapeMode::Record {
        return Err(RunError::ResumedRecording);
    }
    shards::check(scenario, options.shard)?;
    let mut clock = manifest::Clock::start();
    let prepared = Prepared::new(scenario, options.base_dir, llm, options.progress)?;
    clock.lap("prepare");
    let text = scenario_text(scenario);
    let identity = RunIdentity { shard: options.shard, ..RunIdentity::new(&text, &prepared.dataset_hash) };
    let folder = RunFolder::open(options.out, options.mode, Some((&identity, &text)))?;
    if folder.is_complete() {
        folder.begin()?;
        return if options.shard.is_some() { Ok(()) } else { finish(&folder) };
    }
    let checkpoints = folder.checkpoints();
    let options = &RunOptions { checkpoints: Some(options.checkpoints.unwrap_or(&checkpoints)), ..*options };
    // Every arm is fitted or loaded before an output is touched: bad input costs no earlier run.
    let mut first = Vec::new();
    for arm in &scenario.arms {
        first.push(simulate::first_fit(scenario, &prepared, arm, options, &mut clock)?);
    }
    let kept = policies::keep(scenario, &prepared, &first)?;
    options.progress.go_on()?;
    begun(&folder, &prepared, &text)?;
    let mut arms = Vec::new();
    for (arm, fitted) in scenario.arms.iter().zip(first) {
        arms.push(simulate::arm(scenario, &prepared, arm, fitted, &folder, options, &mut clock)?);
    }
    if options.shard.is_some() {
        return shards::end(scenario, &prepared, &folder, arms, clock);
    }
    let llm_usage = manifest::llm_usage(scenario, &prepared.around.llm.ledger());
    conclude(scenario, &prepared, &folder, arms, llm_usage, &kept, clock, options)
}

/// Begins to write: what is the same for all arms.
fn begun(folder: &RunFolder, prepared: &Prepared, scenario_text: &str) -> Result<(), RunError> {
    folder.begin()?;
    folder.write("scenario.toml", scenario_text.as_bytes())?;
    crate::metric::subjects::write_catalogue(&folder.items(), &prepared.catalogue)?;
    crate::metric::subjects::write_people(&folder.people(), &prepared.population)?;
    Ok(crate::metric::subjects::write_agents(&folder.agents(), &prepared.population)?)
}

/// Once all events are there: everything that is told from them.
#[expect(clippy::too_many_arguments, reason = "the end of a run needs all that came of it")]
fn conclude(
    scenario: &Scenario,
    prepared: &Prepared,
    folder: &RunFolder,
    arms: Vec<(ArmInfo, simulate::Failures)>,
    llm_usage: Vec<LlmUsage>,
    kept: &policies::Kept,
    mut clock: manifest::Clock,
    options: &RunOptions<'_>,
) -> Result<(), RunError> {
    options.progress.go_on()?;
    options.progress.begin("measure", 0);
    let found = tables::write(scenario, prepared, folder)?;
    options.progress.go_on()?;
    policies::write(scenario, prepared, folder, kept)?;
    studies::write(scenario, prepared, folder, &found)?;
    clock.lap("measure");
    options.progress.end();
    options.progress.go_on()?;
    folder.write("manifest.json", manifest::of(scenario, prepared, arms, llm_usage, clock).as_bytes())?;
    finish(folder)
}

/// What comes after the manifest, and is made again from the folder's own files wherever it is missing.
fn finish(folder: &RunFolder) -> Result<(), RunError> {
    crate::report::write(&folder.root).map_err(RunError::Report)?;
    folder.finish();
    Ok(())
}

/// What `estimate` and `agents build` want.
const WRONG_BEHAVIOR: &str = "expected \"llm\": only agents that think with a language model ask one";

fn wrong_behavior(scenario: &Scenario, expected: &'static str) -> RunError {
    let kind = scenario.file.behavior.get("kind").and_then(toml::Value::as_str).unwrap_or_default();
    RunError::WrongBehavior { kind: kind.to_owned(), expected }
}

/// The scenario with every default written out.
pub fn scenario_text(scenario: &Scenario) -> String {
    let text = toml::to_string(&scenario.file).expect("a checked scenario is TOML");
    format!("{}: every default is written out.\n{text}", folder::MARK)
}

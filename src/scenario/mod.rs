//! What to run: a TOML file, mirrored by [`mod@file`], checked into a [`Scenario`] by [`mod@check`].
//!
//! Raw and checked are different types: whoever holds a [`Scenario`] need not check anything
//! again. Nothing here may read data or fit models.

pub mod check;
mod encoders;
pub mod file;
pub mod overrides;
pub mod params;
pub mod references;
pub mod schema;
pub mod version;

use crate::agent::behavior::BehaviorPlan;
use crate::agent::cue::Cue;
use crate::dataset::Source;
use crate::encoder::library::EncoderSpec;
use crate::intake;
use crate::llm::plan::LlmPlan;
use crate::recommender::without::ColdRule;
use crate::recommender::{RecommenderKind, Trainer};
use crate::report::visible::{clipped, visible};
use crate::study::{Study, StudyKind};
pub use file::ScenarioFile;
use params::Complaint;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A scenario in which every value has been checked.
pub struct Scenario {
    /// The scenario as resolved, all defaults written out.
    pub file: ScenarioFile,
    /// Where the data comes from.
    pub source: Box<dyn Source>,
    /// How agents behave.
    pub behavior: Box<dyn BehaviorPlan>,
    /// The language models.
    pub llm: Arc<LlmPlan>,
    /// How text becomes vectors.
    pub encoders: Arc<Vec<EncoderSpec>>,
    /// The recommenders under test, in the order of the file.
    pub arms: Vec<Arm>,
    /// The questions that the run shall answer, in the order of the file.
    pub studies: Vec<PlannedStudy>,
}

/// A question that the run shall answer.
pub struct PlannedStudy {
    /// Its name in the scenario and in every output.
    pub name: String,
    /// Its kind.
    pub kind: &'static dyn StudyKind,
    /// With its checked parameters.
    pub study: Box<dyn Study>,
}

/// Whether an arm learns from its own agents: `feedback` of `[arms.NAME]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// It is refitted in every round on what its own agents did.
    #[default]
    Refit,
    /// It stays as it was fitted first: the control without feedback. What its agents watched is still not shown again.
    Frozen,
}

/// One recommender under test.
pub struct Arm {
    /// Its name in the scenario and in every output.
    pub name: String,
    /// What it is.
    pub kind: &'static dyn RecommenderKind,
    /// Its checked hyper-parameters.
    pub trainer: Box<dyn Trainer>,
    /// A folder written by `windtunnel fit` to load instead of fitting.
    pub model: Option<PathBuf>,
    /// What it makes of items that nobody has in training.
    pub cold_items: ColdRule,
    /// Whether it learns from its own agents, from round to round.
    pub feedback: Feedback,
    /// What stands beside the items on its pages, where it is not what the session says.
    pub cues: Option<Vec<Cue>>,
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("cannot read scenario {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path}:{problem}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// `line:column: problem`.
        problem: String,
    },
    /// An override is not `dotted.key=value`.
    #[error("--set {text}: {problem}")]
    Override {
        /// The override as given.
        text: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A `${dotted.key}` stands for nothing.
    #[error("{text:?}: {problem}")]
    Reference {
        /// The string it stands in.
        text: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// Everything that is wrong with the values, at once.
    #[error("{}", Listed(.path, .complaints))]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Every complaint, one line each.
        complaints: Vec<Complaint>,
    },
}

/// Complaints that are told of one file.
const COMPLAINTS_TOLD_MAX: usize = 50;

/// Renders complaints one a line, each with its file.
struct Listed<'a>(&'a Path, &'a [Complaint]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (k, complaint) in self.1.iter().enumerate() {
            let newline = if k == 0 { "" } else { "\n" };
            if k == COMPLAINTS_TOLD_MAX {
                return write!(f, "{newline}{}: and {} more", self.0.display(), self.1.len() - k);
            }
            write!(f, "{newline}{}: {}", self.0.display(), clipped(&visible(&complaint.to_string()), 2000))?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Reads, overrides and checks a scenario file.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Scenario, ScenarioError> {
        Self::parse(path, &read_text(path)?, overrides)
    }

    /// The same from text; `path` only names it in errors.
    pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Scenario, ScenarioError> {
        let table = table(path, text, overrides)?;
        check::check(&table)
            .map_err(|complaints| ScenarioError::Invalid { path: path.to_owned(), complaints })
    }
}

/// The text of a scenario or calibration file.
pub fn read_text(path: &Path) -> Result<String, ScenarioError> {
    let io = |source| ScenarioError::Io { path: path.to_owned(), source };
    intake::text(path, intake::WRITTEN_BYTES_MAX).map_err(io)
}

/// The table of such a text, with overrides applied and references expanded; `path` only names it in errors.
pub fn table(path: &Path, text: &str, overrides: &[String]) -> Result<toml::Table, ScenarioError> {
    let mut table: toml::Table = text.trim_start_matches('\u{feff}').parse().map_err(|error| {
        ScenarioError::Syntax { path: path.to_owned(), problem: params::toml_problem(text, &error) }
    })?;
    for text in overrides {
        overrides::apply(&mut table, text)?;
    }
    references::expand(&mut table)?;
    Ok(table)
}

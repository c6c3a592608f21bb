//! What does the run answer? Studies: each takes what a run folder holds and answers one question that people
//! come with, in plain language, with intervals.
//!
//! A study sees sessions, items, agents and measured metrics ([`Evidence`]) and gives back plain data ([`Told`]):
//! sentences, numbers, tables and charts. It must not know recommenders or the world, and draws nothing itself;
//! the report does.

mod contrast;
mod grouped;
mod rounds;
mod told;

pub mod causes;
pub mod cold_start;
pub mod fairness;
pub mod feedback_loop;
pub mod filter_bubble;
pub mod nudges;
pub mod off_policy;
pub mod popularity_bias;
pub mod position_bias;
pub mod verdict;

pub use told::{Axis, Cell, Chart, ChartData, Column, Edge, Finding, IntervalRow, Node, Point, Series, Told};
pub use told::{FOLDER, StudyTable};

use crate::agent::cue::Cue;
use crate::event::read::{DenseIds, for_each_session};
use crate::event::{EventError, Session};
use crate::metric::analyse::ArmResult;
use crate::metric::tables::ComparisonRow;
use crate::metric::{Catalogue, Measured, Population};
use crate::rng::Streams;
use crate::scenario::file::ScenarioFile;
use crate::scenario::params::Complaint;
use crate::stats::params::StatsParams;
use std::path::{Path, PathBuf};

/// An arm as a study knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmEvidence {
    /// Its name in the scenario.
    pub name: String,
    /// The kind of its recommender.
    pub kind: String,
    /// The arm whose lists it reorders, where it does.
    pub wraps: Option<String>,
    /// Whether it is refitted on what its own agents did, from round to round.
    pub is_refitted: bool,
    /// What stands beside the items on its pages.
    pub cues: Vec<Cue>,
    /// Its event files.
    pub events: Vec<PathBuf>,
}

/// What a study sees.
pub struct Evidence<'a> {
    /// The scenario as resolved.
    pub scenario: &'a ScenarioFile,
    /// The arms, in the order of the scenario.
    pub arms: &'a [ArmEvidence],
    /// The items.
    pub catalogue: &'a Catalogue,
    /// The agents.
    pub population: &'a Population,
    /// The numbers of both in the event files.
    pub ids: &'a DenseIds,
    /// Every metric of every arm and round, with what each agent contributes.
    pub results: &'a [ArmResult],
    /// Every arm against the baseline.
    pub comparisons: &'a [ComparisonRow],
    /// Confidence, replicates and corrections.
    pub statistics: &'a StatsParams,
    /// The run's randomness.
    pub streams: Streams,
    /// The run folder, for what else a study's stage left there.
    pub run_dir: &'a Path,
}

impl Evidence<'_> {
    /// The place of the arm of this name.
    pub fn arm(&self, name: &str) -> Option<usize> {
        self.arms.iter().position(|arm| arm.name == name)
    }

    /// The arm that others are compared with: the scenario's baseline, or the first.
    pub fn baseline(&self) -> &str {
        let first = self.arms.first().map_or("", |arm| arm.name.as_str());
        self.statistics.baseline.as_deref().unwrap_or(first)
    }

    /// A metric of an arm in a round.
    pub fn measured(&self, arm: &str, round: u32, metric: &str) -> Option<&Measured> {
        let result = self.results.iter().find(|result| result.arm == arm)?;
        result.rounds.get(&round)?.iter().find(|measured| measured.name == metric)
    }

    /// Calls `take` with every session of an arm, round after round, agent after agent.
    pub fn for_each_session(&self, arm: usize, take: &mut dyn FnMut(&Session)) -> Result<(), StudyError> {
        for path in self.arms.get(arm).map(|arm| arm.events.as_slice()).unwrap_or_default() {
            for_each_session(path, self.ids, |session| take(session))?;
        }
        Ok(())
    }
}

/// Why a study could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The events cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A file that the study needs cannot be read or written.
    #[error("cannot access {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that the study needs is not what it should be.
    #[error("{path}, line {line}: {problem}")]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What was found and what was expected.
        problem: String,
    },
    /// The run has nothing that would answer the question.
    #[error("{study} cannot answer from this run: {problem}")]
    Unanswerable {
        /// Which study.
        study: String,
        /// What is missing.
        problem: String,
    },
}

/// Arms whose policies a study wants to know: with which probability they show what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoliciesWanted<'a> {
    /// The arm whose log is used.
    pub logging: &'a str,
    /// The arms held against it.
    pub targets: &'a [String],
    /// Draws of what stands above a place, over which chances are averaged.
    pub n_draws: u32,
}

/// Checked parameters, ready to look at a run.
pub trait Study: Send + Sync {
    /// The arms it speaks of by name; they must be in the scenario.
    fn arms(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The policies it needs, which are then in `policies.csv` ([`off_policy::policy_file`]).
    fn policies(&self) -> Option<PoliciesWanted<'_>> {
        None
    }

    /// What the run says.
    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError>;
}

/// A kind of study: one unit struct a file, one entry in [`ALL`].
pub trait StudyKind: Sync {
    /// Its name in a scenario: `[studies.NAME]`, or `kind = "NAME"`.
    fn name(&self) -> &'static str;
    /// One line: the question it answers.
    fn about(&self) -> &'static str;
    /// JSON Schema of its parameters, defaults included.
    fn params_schema(&self) -> schemars::Schema;
    /// Checks the parameters found at the dotted path `at` (the key `kind` already removed).
    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn Study>, Complaint>;
}

/// Every study, in alphabetical order.
pub static ALL: &[&dyn StudyKind] = &[
    // One a line, so that two branches that add one each can be merged.
    &causes::Causes,
    &cold_start::ColdStart,
    &fairness::Fairness,
    &feedback_loop::FeedbackLoop,
    &filter_bubble::FilterBubble,
    &nudges::Nudges,
    &off_policy::OffPolicy,
    &popularity_bias::PopularityBias,
    &position_bias::PositionBias,
    &verdict::Verdict,
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn StudyKind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

//! Whether simulated people can be believed: what they do beside what others recorded, and
//! sanity gates that hold in any world worth its verdicts.
//!
//! ```text
//! scenario -> world ┬-> reference sessions  ┬-> aggregates, distances, tiers, discriminator ┬-> checks -> table, page
//!                   ├-> the same people again ┘                                              │
//!                   └-> worlds of known order, doses, repetitions -> gates ------------------┘
//! ```
//!
//! Only this module may hold recommenders that know taste (`gates`): they are made here,
//! never listed. Definitions and sources of every check: `docs/validation.md`.

pub mod aggregates;
pub mod bounds;
pub mod check;
pub mod discriminator;
pub mod distances;
pub mod gates;
pub mod page;
pub mod people;
mod plots;
pub mod realism;
pub mod reference;
pub mod simulate;
pub mod taste_section;
pub mod taste_test;
pub mod terminal;
pub mod tiers;

use crate::agent::halves::Half;
use crate::agent::profile::Profile;
use crate::agent::taste::{Taste, TasteEvidence, TasteSource};
use crate::event::EventError;
use crate::event::Session;
use crate::experiment::folder::{Mode, RunFolder};
use crate::experiment::prepare::Prepared;
use crate::experiment::{RunError, scenario_text};
use crate::llm::client::Client;
use crate::metric::subjects::SubjectsError;
use crate::progress::Progress;
use crate::recommender::{RecommendError, Recommender};
use crate::report::ReportError;
use crate::scenario::{Arm, Scenario};
use check::{Check, CheckRow};
use gates::Gates;
use realism::Realism;
use reference::Reference;
use simulate::Stage;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taste_section::TasteRow;
use taste_test::{Contestant, scorer};

/// How a validation is carried out.
pub struct ValidateOptions<'a> {
    /// What the simulation is held against; only the gates are run without it.
    pub against: Option<&'a Path>,
    /// Which of the reference's people.
    pub half: Half,
    /// Which deal of them into halves.
    pub deal: u64,
    /// How often every person of the reference is simulated.
    pub n_repetitions: usize,
    /// The arm that is simulated; the one whose pages are most like the reference's where it is not given.
    pub arm: Option<&'a str>,
    /// Whether the taste test is run.
    pub taste_test: bool,
    /// Whether the gates are run.
    pub gates: bool,
    /// Where relative paths of the scenario start.
    pub base_dir: &'a Path,
    /// Where training may leave checkpoints.
    pub checkpoints: Option<&'a Path>,
    /// The way to language models, for agents that think with one.
    pub llm: Arc<Client>,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

/// Why a validation could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The scenario's world could not be prepared, or the outcome not be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A recommender failed while people were simulated.
    #[error("arm {arm}")]
    Recommend {
        /// Which arm.
        arm: String,
        /// What went wrong.
        source: RecommendError,
    },
    /// The reference's sessions cannot be read.
    #[error("cannot read the reference")]
    Events(#[from] EventError),
    /// The reference's run folder cannot be read.
    #[error("cannot read the reference")]
    Report(#[from] ReportError),
    /// Who the reference's run folder was about cannot be read.
    #[error("cannot read the reference")]
    Subjects(#[from] SubjectsError),
    /// A file or folder of the reference cannot be opened.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The reference is no reference for this scenario.
    #[error("{path}: {problem}")]
    Reference {
        /// Which file or folder.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// An arm was named that the scenario does not have.
    #[error("arm is {name:?}, expected one of: {expected}")]
    UnknownArm {
        /// The name.
        name: String,
        /// The arms there are.
        expected: String,
    },
    /// The page could not be put together: a fault of the template, not of the data.
    #[error("cannot fill the template of the page")]
    Template(#[from] minijinja::Error),
}

impl ValidateError {
    fn recommend(arm: &str, source: RecommendError) -> Self {
        ValidateError::Recommend { arm: arm.to_owned(), source }
    }

    fn reference(path: &Path, problem: impl Into<String>) -> Self {
        ValidateError::Reference { path: path.to_owned(), problem: problem.into() }
    }

    /// Whether the input, rather than the work, is at fault.
    pub fn is_bad_input(&self) -> bool {
        match self {
            ValidateError::Run(error) => error.is_bad_input(),
            ValidateError::Recommend { .. } | ValidateError::Template(_) => false,
            _ => true,
        }
    }
}

/// What was compared with what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subject {
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario says it is for.
    pub description: String,
    /// The data, in a few words.
    pub data: String,
    /// How agents behave.
    pub behavior: String,
    /// Where taste came from.
    pub taste: String,
    /// The root of all randomness.
    pub seed: u64,
    /// The comparison, where there is a reference.
    pub comparison: Option<Comparison>,
    /// Agents the gates were run with; 0 where they were not.
    pub n_gate_agents: usize,
}

/// The comparison with a reference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Where the reference came from.
    pub reference: String,
    /// The arm that was simulated.
    pub arm: String,
    /// People on either side.
    pub n_people: usize,
    /// How often each was simulated.
    pub n_repetitions: usize,
    /// The share of the first pages' slots that hold the same item on both sides.
    pub pages_alike: f64,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// Everything a validation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validation {
    /// What was compared with what.
    pub subject: Subject,
    /// What stood beside the reference.
    pub realism: Realism,
    /// The taste test.
    pub taste: Vec<TasteRow>,
    /// Accuracies asked of it at 1, 3 and 9 negatives for every positive; 0 asks nothing.
    pub taste_accuracy: [f64; 3],
    /// The agents' ratings beside those of their people.
    pub people: Vec<Check>,
    /// The gates.
    pub gates: Gates,
}

impl Validation {
    /// Every check, in the order of the report.
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = self.realism.checks.clone();
        let least = [1, 3, 9].into_iter().zip(self.taste_accuracy).filter(|(_, least)| *least > 0.0);
        checks.extend(taste_section::checks(&self.taste, &least.collect::<Vec<_>>()));
        checks.extend(self.people.iter().cloned());
        checks.extend(self.gates.checks.iter().cloned());
        checks
    }

    /// How many checks hold and how many do not; those without a bound are neither.
    pub fn tally(&self) -> (usize, usize) {
        let checks = self.checks();
        let n = |wanted| checks.iter().filter(|check| check.passed() == Some(wanted)).count();
        (n(true), n(false))
    }

    /// Writes `validation.csv`, `validation.html` and the resolved `scenario.toml` into a folder, which
    /// must not hold a run unless `mode` allows to replace it.
    pub fn write(&self, scenario: &Scenario, out: &Path, mode: Mode) -> Result<(), ValidateError> {
        let page = page::render(self)?;
        let rows: Vec<CheckRow> = self.checks().iter().map(CheckRow::of).collect();
        let mut table = Vec::new();
        crate::metric::tables::write(&rows, &CheckRow::HEADER, &mut table).map_err(|error| RunError::Io {
            path: out.join("validation.csv"),
            source: std::io::Error::other(error),
        })?;
        let folder = RunFolder::create(out, mode, None)?;
        folder.write("scenario.toml", scenario_text(scenario).as_bytes())?;
        folder.write("validation.csv", &table)?;
        Ok(folder.write("validation.html", page.as_bytes())?)
    }
}

/// Validates a scenario's agents. With a reference everybody of the dataset is an agent once, so that
/// the people of the reference can be found among them.
pub fn run(scenario: &mut Scenario, options: &ValidateOptions<'_>) -> Result<Validation, ValidateError> {
    if options.against.is_some() {
        scenario.file.population.n_agents = 0;
    }
    let scenario = &*scenario;
    let arms = candidates(scenario, options)?;
    let prepared = Prepared::new(scenario, options.base_dir, &options.llm, options.progress)?;
    let mut found = Validation { subject: subject(scenario, &prepared), ..Validation::default() };
    if let Some(path) = options.against {
        let (comparison, realism) = against(path, scenario, &prepared, &arms, options)?;
        found.subject.comparison = Some(comparison);
        found.realism = realism;
    }
    found.taste_accuracy = scenario.file.validation.taste_accuracy;
    if options.taste_test {
        found.taste = taste(scenario, &prepared, options)?;
    }
    // Agents who know the ratings they are asked for would prove nothing.
    if prepared.taste_evidence == TasteEvidence::Train {
        options.progress.begin("ask agents what their people were asked", 0);
        let beside = people::check(&prepared, N_TIMES_ASKED);
        let checks =
            beside.map(|beside| people::checks(&beside, &scenario.file.validation, prepared.streams));
        found.people = checks.unwrap_or_default();
        options.progress.end();
    }
    if options.gates {
        let profiles = thinned(&prepared.agents.all(), scenario.file.validation.n_gate_agents as usize);
        let stage = Stage { scenario, prepared: &prepared, profiles: &profiles };
        found.gates = gates::run(&stage, options.checkpoints, options.progress)?;
        found.subject.n_gate_agents = profiles.len();
    }
    Ok(found)
}

/// How often every agent rates what its person rated.
const N_TIMES_ASKED: u32 = 60;

/// People who take the taste test at most.
const N_TASTE_PEOPLE: usize = 1000;

/// The taste test: the scenario's taste, built from training data alone, beside popularity and recommenders.
fn taste(
    scenario: &Scenario,
    prepared: &Prepared,
    options: &ValidateOptions<'_>,
) -> Result<Vec<TasteRow>, ValidateError> {
    let (dataset, split, streams) = (&prepared.dataset, &prepared.split, prepared.streams);
    let persons = taste_test::persons(split, N_TASTE_PEOPLE);
    if persons.is_empty() || matches!(prepared.taste, TasteSource::HeldOut | TasteSource::Observed) {
        return Ok(Vec::new());
    }
    let source = scenario.file.population.taste;
    let taste =
        Taste::build(dataset, split, source, TasteEvidence::Train, streams).map_err(RunError::Taste)?;
    let failed = |source| ValidateError::recommend("baseline of the taste test", source);
    let baselines = &taste_test::BASELINES;
    let baselines =
        scorer::fit_baselines(dataset, split, baselines, streams, options.progress).map_err(failed)?;
    let own = scorer::TasteScorer { taste: &taste, n_items: dataset.n_items() };
    let mut contestants = vec![Contestant {
        name: format!("agents, {} taste from train", prepared.taste.name()),
        role: scorer::Role::Agents,
        scorer: &own,
    }];
    contestants.extend(baselines.iter().map(scorer::Baseline::contestant));
    options.progress.begin("taste test", 0);
    let rows = taste_test::taste_test(dataset, split, &persons, &contestants, streams).map_err(failed)?;
    options.progress.end();
    Ok(rows.iter().map(TasteRow::of).collect())
}

/// The arms that may stand for the reference.
fn candidates<'a>(
    scenario: &'a Scenario,
    options: &ValidateOptions<'_>,
) -> Result<Vec<&'a Arm>, ValidateError> {
    let Some(name) = options.arm else { return Ok(scenario.arms.iter().collect()) };
    let names: Vec<&str> = scenario.arms.iter().map(|arm| arm.name.as_str()).collect();
    let named: Vec<&Arm> = scenario.arms.iter().filter(|arm| arm.name == name).collect();
    if named.is_empty() {
        return Err(ValidateError::UnknownArm { name: name.to_owned(), expected: names.join(", ") });
    }
    Ok(named)
}

/// Reads the reference, simulates its people and compares.
fn against(
    path: &Path,
    scenario: &Scenario,
    prepared: &Prepared,
    arms: &[&Arm],
    options: &ValidateOptions<'_>,
) -> Result<(Comparison, Realism), ValidateError> {
    let Likeliest { arm, recommender, reference, pages_alike } =
        likeliest(path, prepared, &scenario.arms, arms, options)?;
    let reference = reference.half(options.half, options.deal, prepared);
    if reference.sessions.is_empty() {
        return Err(ValidateError::reference(path, "nobody is left in this half"));
    }
    let profiles = reference.profiles(prepared);
    let stage = Stage { scenario, prepared, profiles: &profiles };
    if let Some(misfit) = reference.misfits(&stage) {
        return Err(ValidateError::reference(path, misfit));
    }
    options.progress.begin("simulate the reference's people", 0);
    let simulated: Vec<Vec<Session>> = stage.repetitions(&arm.name, &recommender, options.n_repetitions)?;
    options.progress.end();
    options.progress.begin("compare", 0);
    let realism = realism::compare(&stage, &reference.sessions, &simulated);
    options.progress.end();
    let comparison = Comparison {
        reference: reference.told,
        arm: arm.name.clone(),
        n_people: profiles.len(),
        n_repetitions: simulated.len(),
        pages_alike,
        notes: reference.notes,
    };
    Ok((comparison, realism))
}

/// A reference and the arm whose pages are most like its own.
struct Likeliest<'a> {
    arm: &'a Arm,
    recommender: Arc<dyn Recommender>,
    reference: Reference,
    pages_alike: f64,
}

/// Finds the arm; of equals the one with more people to compare, then the first.
fn likeliest<'a>(
    path: &Path,
    prepared: &Prepared,
    all: &[Arm],
    arms: &[&'a Arm],
    options: &ValidateOptions<'_>,
) -> Result<Likeliest<'a>, ValidateError> {
    let mut best: Option<Likeliest<'a>> = None;
    for arm in arms {
        let workshop = prepared.workshop(all, options.checkpoints, options.progress);
        let (model, _) = workshop.fit(&prepared.split, arm, 0)?;
        let recommender: Arc<dyn Recommender> = model.into();
        let reference = reference::read(path, prepared, &arm.name, recommender.as_ref())?;
        let pages_alike = reference::pages_alike(&reference.sessions, prepared, recommender.as_ref())?;
        let n_people = reference.sessions.len();
        let is_better = |best: &Likeliest<'_>| {
            pages_alike > best.pages_alike
                || pages_alike == best.pages_alike && n_people > best.reference.sessions.len()
        };
        if best.as_ref().is_none_or(is_better) {
            best = Some(Likeliest { arm, recommender, reference, pages_alike });
        }
    }
    Ok(best.expect("a checked scenario has an arm"))
}

/// At most about `n_max` profiles, evenly over all.
fn thinned(profiles: &[Profile], n_max: usize) -> Vec<Profile> {
    let stride = profiles.len().div_ceil(n_max.max(1)).max(1);
    profiles.iter().step_by(stride).copied().collect()
}

fn subject(scenario: &Scenario, prepared: &Prepared) -> Subject {
    let (file, data) = (&scenario.file, &prepared.dataset);
    Subject {
        scenario: file.name.clone(),
        description: file.description.clone(),
        data: format!("{}: {} users, {} items", data.source, data.n_users(), data.n_items()),
        behavior: scenario.behavior.statement(),
        taste: prepared.taste.statement(prepared.taste_evidence),
        seed: file.seed,
        comparison: None,
        n_gate_agents: 0,
    }
}

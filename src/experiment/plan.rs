//! How many agents does an experiment need? A pilot is simulated, and what its people add to a difference says how many of
//! them a difference of a given size takes, in every design. Must not know recommenders.

use super::readback::ReadRun;
use super::{RunError, RunOptions};
use crate::metric::Sample;
use crate::metric::analyse::ArmResult;
use crate::rng::{Purpose, Streams};
use crate::scenario::Scenario;
use crate::stats::summary::quantile;
use crate::study::verdict::covariates::{self, Covariates};
use crate::study::verdict::pair::{self, Design, Pair};
use rand::RngExt;
use rayon::prelude::*;

/// The designs that are planned for.
pub const DESIGNS: [Design; 3] = [Design::Paired, Design::Adjusted, Design::Unpaired];

/// Numbers of agents for which the minimum detectable effect is told.
pub const SIZES: [u64; 8] = [100, 200, 500, 1000, 2000, 5000, 10_000, 50_000];

/// Resampled pilots behind an interval.
const N_REPLICATES: u64 = 400;

/// What is planned.
#[derive(Clone, Debug)]
pub struct Question {
    /// The difference that shall be found, in the metric's unit.
    pub effect: f64,
    /// The metric, e.g. `p_view`.
    pub metric: String,
    /// Agents in the pilot.
    pub n_pilot: u32,
    /// The probability to find it.
    pub power: f64,
}

/// What a pilot says of one arm against the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The arm.
    pub arm: String,
    /// The values of baseline and arm in the pilot.
    pub values: (f64, f64),
    /// How many people the pilot had.
    pub n_people: u64,
    /// One entry of [`DESIGNS`] each.
    pub designs: Vec<PlannedDesign>,
}

/// A design with the numbers it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedDesign {
    /// Which.
    pub design: Design,
    /// Standard deviation of what one person adds to the difference.
    pub spread: f64,
    /// Agents needed (in each arm); `None` where no number does.
    pub needed: Option<u64>,
    /// What else the pilot could have said: an interval of that number by resampling its people.
    pub needed_interval: Option<(u64, u64)>,
    /// The smallest difference that so many agents find, for each of [`SIZES`].
    pub detectable: Vec<Option<f64>>,
}

/// The plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The arm others are compared with.
    pub baseline: String,
    /// Its unit.
    pub unit: String,
    /// One entry an arm but the baseline.
    pub arms: Vec<Planned>,
    /// 1 − the scenario's confidence.
    pub alpha: f64,
    /// The pilot's seed.
    pub seed: u64,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The pilot failed.
    #[error("the pilot failed")]
    Run(#[from] RunError),
    /// There is nothing to plan.
    #[error("{0}")]
    Unanswerable(String),
}

/// Simulates the pilot into `options.out` and plans from it. Studies of the scenario are left out.
pub fn run(mut scenario: Scenario, question: &Question, options: &RunOptions<'_>) -> Result<Plan, PlanError> {
    if scenario.arms.len() < 2 {
        return Err(PlanError::Unanswerable("the scenario has one arm, expected two or more".to_owned()));
    }
    scenario.file.population.n_agents = question.n_pilot;
    scenario.studies.clear();
    scenario.file.studies.clear();
    super::run(&scenario, options)?;
    let run = ReadRun::read(options.out).map_err(RunError::Report)?;
    let baseline = run.baseline().to_owned();
    let names: Vec<String> = covariates::names().map(str::to_owned).collect();
    let covariates = Covariates::of(run.population(), &names);
    let alpha = 1.0 - scenario.file.statistics.confidence;
    let mut plan = Plan { baseline, unit: String::new(), arms: Vec::new(), alpha, seed: scenario.file.seed };
    let of_baseline = run.measure(&plan.baseline).map_err(RunError::Report)?;
    let (left, unit) = sample(&of_baseline, &question.metric)?;
    plan.unit = unit;
    for arm in run.arms().filter(|arm| *arm != plan.baseline) {
        let measured = run.measure(arm).map_err(RunError::Report)?;
        let (right, _) = sample(&measured, &question.metric)?;
        plan.arms.push(planned(arm, &left, &right, &covariates, question, &plan)?);
    }
    Ok(plan)
}

/// The sample of a metric in the last round, and its unit.
fn sample(of: &ArmResult, metric: &str) -> Result<(Sample, String), PlanError> {
    let measured = of.rounds.values().next_back().map(Vec::as_slice).unwrap_or_default();
    let with_samples = || measured.iter().filter(|measured| measured.sample.is_some());
    let found = with_samples().find(|measured| measured.name == metric);
    let found = found.and_then(|found| Some((found.sample.clone()?, found.measure.unit.to_owned())));
    found.ok_or_else(|| {
        let known: Vec<&str> = with_samples().map(|measured| measured.name.as_str()).collect();
        PlanError::Unanswerable(format!(
            "metric is {metric:?}, which has no values an agent in {}; expected one of: {}",
            of.arm,
            known.join(", ")
        ))
    })
}

fn planned(
    arm: &str,
    left: &Sample,
    right: &Sample,
    covariates: &Covariates,
    question: &Question,
    plan: &Plan,
) -> Result<Planned, PlanError> {
    let too_few = || {
        PlanError::Unanswerable(format!("fewer than two people have a value in {} and {arm}", plan.baseline))
    };
    let pair = Pair::of(left, right, covariates).ok_or_else(too_few)?;
    let (left, right) = left.paired(right);
    let columns = covariates.columns(&left.agents);
    let (of_left, of_right) = (left.pseudo_values(), right.pseudo_values());
    let streams = Streams::new(plan.seed);
    let replicates: Vec<[Option<f64>; 3]> = (0..N_REPLICATES)
        .into_par_iter()
        .map(|nth| {
            let luck = &mut streams.stream(Purpose::Bootstrap, 1, nth, 0);
            let n = of_left.len();
            let drawn: Vec<usize> = (0..n).map(|_| luck.random_range(0..n)).collect();
            let pick = |values: &[f64]| drawn.iter().map(|&k| values[k]).collect::<Vec<f64>>();
            let columns: Vec<Vec<f64>> = columns.iter().map(|column| pick(column)).collect();
            let spreads = pair::spreads(&pick(&of_left), &pick(&of_right), &columns);
            DESIGNS.map(spreads)
        })
        .collect();
    let (alpha, power) = (plan.alpha, question.power);
    let designs = DESIGNS.iter().enumerate().filter_map(|(nth, &design)| {
        let spread = pair.spread(design)?;
        let needed = |spread: f64| pair::needed(design, spread, question.effect, alpha, power);
        let mut others: Vec<f64> = replicates.iter().filter_map(|spreads| spreads[nth]).collect();
        others.sort_by(f64::total_cmp);
        let end = |share: f64| needed(quantile(&others, share)?);
        Some(PlannedDesign {
            design,
            spread,
            needed: needed(spread),
            needed_interval: end(alpha / 2.0).zip(end(1.0 - alpha / 2.0)),
            detectable: SIZES.map(|n| pair::detectable(design, spread, n, alpha, power)).to_vec(),
        })
    });
    Ok(Planned { arm: arm.to_owned(), values: pair.values, n_people: pair.n(), designs: designs.collect() })
}

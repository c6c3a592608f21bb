//! Gate: an arm does not differ from itself. With other luck, the tests of a run find as many
//! differences as they claim to find by mistake; with the same luck there is none at all.

use super::{FittedArm, gate};
use crate::event::Session;
use crate::metric::analyse::{ArmResult, analyse};
use crate::report::estimate::share;
use crate::report::labels;
use crate::rng::Streams;
use crate::stats::params::StatsParams;
use crate::validate::ValidateError;
use crate::validate::aggregates::{HEADLINE, headline};
use crate::validate::check::{Bound, Check};
use crate::validate::simulate::Stage;
use rayon::prelude::*;

/// The level whose share is counted.
const LEVEL: f64 = 0.05;
/// Bootstrap replicates of each comparison: its intervals are not looked at.
const N_BOOTSTRAP: u32 = 100;

/// Runs the gate: one check a metric, and the one of common luck.
pub fn run(stage: &Stage<'_>, arm: &FittedArm) -> Result<(Vec<Check>, Check), ValidateError> {
    let bounds = &stage.scenario.file.validation;
    let n_runs = bounds.n_aa_runs as usize;
    let listed = stage.listed(&arm.name, &arm.recommender)?;
    let simulate = |nth: u64| stage.sessions(&arm.name, &listed, stage.rules(), stage.luck(nth));
    let p_values: Vec<Vec<Option<f64>>> = (0..n_runs as u64)
        .into_par_iter()
        .map(|run| Ok(p_values(stage, [simulate(2 * run)?, simulate(2 * run + 1)?])))
        .collect::<Result<_, ValidateError>>()?;
    let checks = HEADLINE.iter().enumerate().map(|(k, name)| {
        let found: Vec<f64> = p_values.iter().filter_map(|p| p[k]).collect();
        let hits = found.iter().filter(|p| **p < LEVEL).count() as u64;
        gate(format!("a/a: {name}"), "share", share(hits, found.len() as u64, super::CONFIDENCE))
            .bounded(Bound::Between(bounds.aa_low, bounds.aa_high))
            .about(format!(
                "of {n_runs} comparisons of {} with itself, other luck each time, the share with p < {LEVEL} in: {}",
                arm.name,
                labels::label(name).heading.to_lowercase()
            ))
    });
    let checks = checks.collect();
    let (first, again) = (simulate(0)?, simulate(0)?);
    let differ = first.iter().zip(&again).filter(|(a, b)| a != b).count() + first.len().abs_diff(again.len());
    let common =
        gate("a/a: common luck", "share", share(differ as u64, first.len() as u64, super::CONFIDENCE))
            .bounded(Bound::AtMost(0.0))
            .about(format!(
                "the share of sessions that differ when {} is run again with the same luck",
                arm.name
            ));
    Ok((checks, common))
}

/// The p-values of one comparison, in the order of [`HEADLINE`], by the tests that every run uses.
fn p_values(stage: &Stage<'_>, [left, right]: [Vec<Session>; 2]) -> Vec<Option<f64>> {
    let measured = |sessions| headline(&[sessions], stage.setting());
    let arms = [ArmResult::single("a", measured(left)), ArmResult::single("b", measured(right))];
    let params =
        StatsParams { baseline: None, n_bootstrap: N_BOOTSTRAP, ..stage.scenario.file.statistics.clone() };
    let tables = analyse(&arms, &params, &Streams::new(stage.prepared.streams.seed()));
    let p =
        |name: &&str| tables.comparisons.iter().find(|row| row.metric == **name).and_then(|row| row.p_value);
    HEADLINE.iter().map(p).collect()
}

//! Gate: memory matters. Without it the same people, with the same luck, stay for another time.

use super::{CONFIDENCE, FittedArm, gate};
use crate::event::{ExitReason, Session};
use crate::id::AgentId;
use crate::report::estimate::{Estimate, Mean};
use crate::validate::ValidateError;
use crate::validate::check::{Bound, Check};
use crate::validate::simulate::Stage;
use crate::world::SessionRules;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How often everybody is simulated on either side: one exit is mostly luck.
const N_REPETITIONS: u64 = 20;

/// Runs the gate.
pub fn run(stage: &Stage<'_>, arm: &FittedArm) -> Result<Check, ValidateError> {
    let listed = stage.listed(&arm.name, &arm.recommender)?;
    let memory_entries = stage.scenario.file.session.memory_entries as usize;
    let simulate = |nth: u64, memory_entries: usize| {
        let rules = SessionRules { memory_entries, ..stage.rules() };
        stage.sessions(&arm.name, &listed, rules, stage.luck(nth))
    };
    let pairs: Vec<(Vec<Session>, Vec<Session>)> = (0..N_REPETITIONS)
        .into_par_iter()
        .map(|nth| Ok((simulate(nth, memory_entries)?, simulate(nth, 0)?)))
        .collect::<Result<_, ValidateError>>()?;
    // Sums of exit pages with and without memory, and how many of each pair there are.
    let mut people: BTreeMap<AgentId, (f64, f64, f64)> = BTreeMap::new();
    for (on, off) in &pairs {
        for (on, off) in on.iter().zip(off) {
            if let (Some(with), Some(without)) = (exit_page(on), exit_page(off)) {
                let sums = people.entry(on.agent).or_default();
                *sums = (sums.0 + with, sums.1 + without, sums.2 + 1.0);
            }
        }
    }
    let over_people = |value: fn(&(f64, f64, f64)) -> f64| -> Option<Estimate> {
        let mut mean = Mean::default();
        people.values().for_each(|sums| mean.add(value(sums) / sums.2));
        mean.estimate(CONFIDENCE)
    };
    let mut check = gate("memory", "pages", over_people(|sums| sums.1 - sums.0))
        .bounded(Bound::NotZero)
        .about(format!(
            "how many pages longer the same people stay when they remember nothing, {N_REPETITIONS} times each"
        ));
    check.reference = over_people(|sums| sums.0);
    check.simulated = over_people(|sums| sums.1);
    Ok(check)
}

fn exit_page(session: &Session) -> Option<f64> {
    session.exit.filter(|exit| *exit != ExitReason::Failure).map(|_| session.pages.len() as f64)
}

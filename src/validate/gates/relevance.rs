//! Gate: more of what people like on the page never makes them less satisfied.

use super::probe::{DOSES, Probes, common_luck};
use super::{gate, mean, paired, satisfaction};
use crate::event::Session;
use crate::report::estimate::Estimate;
use crate::validate::ValidateError;
use crate::validate::check::{Bound, Check};
use crate::validate::simulate::Stage;

/// Mean satisfaction by share of the page that holds what the agent likes best.
type Curve = Vec<(f64, Option<Estimate>)>;

/// Runs the gate. The step of the dose that pleases least is judged.
pub fn run(stage: &Stage<'_>, probes: &Probes) -> Result<(Check, Curve), ValidateError> {
    let mut doses: Vec<Vec<Session>> = Vec::new();
    for probe in &probes.doses {
        doses.push(stage.sessions("probe", probe, stage.rules(), common_luck(stage.prepared))?);
    }
    let steps = doses.windows(2).filter_map(|pair| paired(&pair[0], &pair[1], satisfaction));
    let worst = steps.min_by(|a, b| a.high.total_cmp(&b.high));
    let curve: Curve = DOSES
        .iter()
        .zip(&doses)
        .map(|(&quarters, sessions)| (quarters as f64 / 4.0, mean(sessions, satisfaction)))
        .collect();
    let mut check = gate("relevance", "score", worst).bounded(Bound::NotNegative).about(
        "the step that pleases least when a growing share of each page, quarter by quarter, holds what the agent likes best",
    );
    check.reference = curve.first().and_then(|(_, level)| *level);
    check.simulated = curve.last().and_then(|(_, level)| *level);
    Ok((check, curve))
}

//! The taste test as the report shows it: accuracies beside the published ones.
//! Must not know how they were measured.

use super::check::{Bound, Check, Group};
use super::taste_test::scorer::Role;
use super::taste_test::{Negatives, TasteTestRow};
use crate::report::estimate::Estimate;

/// One contestant against one kind of negatives.
#[derive(Clone, Debug, PartialEq)]
pub struct TasteRow {
    /// Where the negatives come from, e.g. `unobserved`, `popularity-matched`.
    pub negatives: String,
    /// Whether they are as popular as the positives.
    pub is_matched: bool,
    /// Negatives for every positive.
    pub ratio: u32,
    /// Whose row it is.
    pub scorer: String,
    /// Whether it stands for the agents, rather than for a baseline.
    pub is_agents: bool,
    /// Share of right answers.
    pub accuracy: Estimate,
    /// Share of the yeses that are right.
    pub precision: f64,
    /// Share of the positives that get a yes.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// How far ahead of the best baseline on the same questions: its name and the difference.
    pub lead: Option<(String, Estimate)>,
}

impl TasteRow {
    /// As the report shows it.
    pub fn of(row: &TasteTestRow) -> Self {
        let n = row.n_persons as u64;
        let lead = row.lead.as_ref().map(|lead| {
            let ahead = Estimate { value: lead.difference, low: lead.ci_low, high: lead.ci_high, n };
            (lead.over.clone(), ahead)
        });
        TasteRow {
            negatives: row.negatives.name().to_owned(),
            is_matched: row.negatives == Negatives::PopularityMatched,
            ratio: row.ratio,
            scorer: row.scorer.clone(),
            is_agents: row.role == Role::Agents,
            accuracy: Estimate { value: row.accuracy, low: row.ci_low, high: row.ci_high, n },
            precision: row.precision,
            recall: row.recall,
            f1: row.f1,
            lead,
        }
    }
}

/// One check an agents' row: its accuracy beside that of the best baseline on the same questions. The lead is
/// judged where negatives are matched; among those nobody observed, popularity knows as much as taste, and the
/// accuracy itself is judged: `least` holds what is asked of it, by ratio.
pub fn checks(rows: &[TasteRow], least: &[(u32, f64)]) -> Vec<Check> {
    let check = |row: &TasteRow| {
        let name = format!("{} {} 1:{}", row.scorer, row.negatives, row.ratio);
        let asked = least.iter().find(|(ratio, _)| *ratio == row.ratio && !row.is_matched);
        let lead = row.lead.as_ref().map(|(_, lead)| *lead);
        let judged = if asked.is_some() { Some(row.accuracy) } else { lead };
        let mut check = Check::new(Group::Taste, name, "share", judged);
        check.simulated = Some(row.accuracy);
        check.bound = match asked {
            Some(&(_, least)) => Some(Bound::AtLeast(least)),
            None => row.is_matched.then_some(Bound::AtLeast(0.0)),
        };
        let about = "share of right answers to whether the person chose the item";
        let Some((over, lead)) = &row.lead else { return check.about(about) };
        let value = row.accuracy.value - lead.value;
        check.reference = Some(Estimate { value, low: f64::NAN, high: f64::NAN, n: lead.n });
        check.about(format!("{about}; the best baseline is {over}"))
    };
    rows.iter().filter(|row| row.is_agents).map(check).collect()
}

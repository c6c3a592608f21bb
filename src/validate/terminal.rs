//! The outcome of a validation for a terminal. Must not know how anything was measured.

use super::Validation;
use super::check::{Bound, Check, Group};
use crate::report::estimate::Estimate;
use crate::report::format;

/// Columns: what, reference, simulated, difference, bound, verdict.
const HEADINGS: [&str; 5] = ["reference", "simulated", "difference", "chance", "bound"];

/// A short table, one line a check that has a bound, ending with how many hold.
pub fn table(found: &Validation) -> String {
    let checks = found.checks();
    let judged: Vec<&Check> = checks.iter().filter(|check| check.bound.is_some()).collect();
    let width = judged.iter().map(|check| check.name.chars().count()).max().unwrap_or(0).max(10);
    let mut text = String::new();
    if let Some(comparison) = &found.subject.comparison {
        text.push_str(&format!(
            "{} against {}: {} people, each simulated {} times; {} of first-page slots are the same\n",
            comparison.arm,
            comparison.reference,
            format::count(comparison.n_people as u64),
            comparison.n_repetitions,
            format::percent(comparison.pages_alike)
        ));
        comparison.notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
    }
    for group in Group::ALL {
        let of_group: Vec<&&Check> = judged.iter().filter(|check| check.group == group).collect();
        if of_group.is_empty() {
            continue;
        }
        text.push_str(&format!("{:<width$}", title(group)));
        HEADINGS.iter().for_each(|heading| text.push_str(&format!("  {heading:>16}")));
        text.push('\n');
        of_group.iter().for_each(|check| text.push_str(&line(check, width)));
    }
    let (passed, failed) = found.tally();
    text.push_str(&format!("{passed} passed, {failed} failed"));
    text
}

/// What a group is called.
pub fn title(group: Group) -> &'static str {
    match group {
        Group::Aggregate => "aggregates",
        Group::Distribution => "distances",
        Group::Tier => "tiers",
        Group::Discriminator => "discriminator",
        Group::Taste => "taste test",
        Group::People => "beside people",
        Group::Gate => "gates",
    }
}

fn line(check: &Check, width: usize) -> String {
    let cell = |estimate: Option<Estimate>| estimate.map_or(String::new(), |e| told(e.value));
    let chance = [check.floor.halves, check.floor.luck]
        .into_iter()
        .flatten()
        .fold(None, |m: Option<f64>, x| Some(m.map_or(x, |m| m.max(x))));
    let cells = [
        cell(check.reference),
        cell(check.simulated),
        cell(check.found),
        chance.map_or(String::new(), told),
        check.bound.map(Bound::told).unwrap_or_default(),
    ];
    let mut line = format!("{:<width$}", check.name);
    cells.iter().for_each(|cell| line.push_str(&format!("  {cell:>16}")));
    let verdict = if check.passed() == Some(true) { "ok" } else { "FAILED" };
    format!("{line}  {verdict}\n")
}

fn told(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { format::UNKNOWN.to_owned() }
}

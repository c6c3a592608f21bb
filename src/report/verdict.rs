//! The verdict in plain sentences: who wins on what, and what could not be shown.
//!
//! Says no more than the tables do. A difference is claimed only when it is
//! [shown](super::Report::is_shown); everything else is told as open, with the smallest
//! effect the run could have found.

use super::{Report, format, labels};
use crate::metric::tables::ComparisonRow;

/// The verdict of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// One sentence: the answer.
    pub headline: String,
    /// What it rests on, a sentence or two.
    pub grounds: String,
    /// Each arm against the baseline, best first.
    pub arms: Vec<ArmVerdict>,
}

/// One arm against the baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmVerdict {
    /// The arm.
    pub arm: String,
    /// Its colour class in the page.
    pub class: &'static str,
    /// One sentence.
    pub summary: String,
    /// Headline metrics on which it is better.
    pub better: Vec<String>,
    /// Headline metrics on which it is worse.
    pub worse: Vec<String>,
    /// Headline metrics on which no difference could be shown.
    pub open: Vec<String>,
    /// Other metrics that differ, without a judgement.
    pub aside: Vec<String>,
}

/// Which way a difference goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Better,
    Worse,
    Open,
}

/// Judges a run.
pub fn verdict(report: &Report) -> Verdict {
    let (headline, grounds) = answer(report);
    let baseline = report.baseline().unwrap_or_default();
    let mut others: Vec<_> = report.arms().into_iter().filter(|(arm, _)| *arm != baseline).collect();
    // Best first, by the most important metric; arms without a value last.
    if let Some(metric) = report.headline().first() {
        let value =
            |arm: &str| report.metric(arm, metric).and_then(|row| row.mean).unwrap_or(f64::NEG_INFINITY);
        others.sort_by(|(a, _), (b, _)| value(b).total_cmp(&value(a)));
    }
    let arms = others.into_iter().map(|(arm, style)| judge(report, arm, style.class)).collect();
    Verdict { headline, grounds, arms }
}

/// The answer on the most important metric there is.
fn answer(report: &Report) -> (String, String) {
    let arms: Vec<&str> = report.arms().into_iter().map(|(name, _)| name).collect();
    let value = |arm: &str, metric: &str| report.metric(arm, metric).and_then(|row| row.mean);
    let primary =
        report.headline().into_iter().find(|metric| arms.iter().any(|arm| value(arm, metric).is_some()));
    let (Some(metric), Some(baseline)) = (primary, report.baseline()) else {
        return ("Nothing was measured.".to_owned(), "The run holds no headline metric.".to_owned());
    };
    let name = labels::heading(metric).to_lowercase();
    let mut ranked: Vec<&str> = arms.iter().copied().filter(|arm| value(arm, metric).is_some()).collect();
    ranked.sort_by(|a, b| {
        value(b, metric).unwrap_or(f64::NAN).total_cmp(&value(a, metric).unwrap_or(f64::NAN))
    });
    let told: Vec<String> = ranked.iter().map(|arm| told_value(report, arm, metric)).collect();
    let percent = confidence(report);
    let grounds =
        format!("{} by arm, with {percent} intervals: {}.", labels::heading(metric), told.join("; "));
    if arms.len() < 2 {
        return (format!("One arm only, {baseline}: there is nothing to compare it with."), grounds);
    }
    let outcome_of =
        |arm: &str| report.comparison(arm, metric).map_or(Outcome::Open, |row| outcome(report, row));
    let among = |wanted: Outcome| -> Vec<&str> {
        ranked.iter().copied().filter(|arm| *arm != baseline && outcome_of(arm) == wanted).collect()
    };
    let (better, worse, n_others) = (among(Outcome::Better), among(Outcome::Worse), arms.len() - 1);
    let headline = match better.as_slice() {
        [] if worse.len() == n_others && n_others == 1 => {
            format!("{baseline} wins: {} does worse on {name}.", worse[0])
        }
        [] if worse.len() == n_others => format!("{baseline} wins: every other arm does worse on {name}."),
        [] => format!("No arm could be shown to beat {baseline} on {name}."),
        [only] => format!("{only} beats {baseline} on {name}."),
        [first, ..] => {
            let leaders = leaders(report, &better, metric);
            match leaders.as_slice() {
                [_] => format!("{first} wins on {name}: it beats {baseline} by the most."),
                all if all.len() == better.len() => format!("{} beat {baseline} on {name}.", listed(all)),
                several => {
                    let n = better.len();
                    format!("{n} of {n_others} arms beat {baseline} on {name}; {} lead.", listed(several))
                }
            }
        }
    };
    let grounds = match leaders(report, &better, metric).as_slice() {
        [] | [_] => grounds,
        several => format!(
            "{grounds} The intervals of {} overlap, and they were not tested against each other: which of them is best is open.",
            listed(several)
        ),
    };
    (headline, grounds)
}

/// The arms, given best first, whose intervals overlap that of the first.
fn leaders<'a>(report: &Report, best_first: &[&'a str], metric: &str) -> Vec<&'a str> {
    let Some(first) = best_first.first() else { return Vec::new() };
    let low = report.metric(first, metric).and_then(|row| row.ci_low);
    let touches = |arm: &&str| {
        let high = report.metric(arm, metric).and_then(|row| row.ci_high);
        !low.zip(high).is_some_and(|(low, high)| low > high)
    };
    best_first.iter().copied().filter(|arm| arm == first || touches(arm)).collect()
}

fn told_value(report: &Report, arm: &str, metric: &str) -> String {
    let unit = report.unit(metric);
    let Some(row) = report.metric(arm, metric) else { return format!("{arm} {}", format::UNKNOWN) };
    let interval = row.ci_low.zip(row.ci_high);
    let value = format::value_beside(row.mean.unwrap_or(f64::NAN), interval, unit);
    match interval {
        Some((low, high)) => format!("{arm} {value} ({})", between(low, high, unit, "%")),
        None => format!("{arm} {value}"),
    }
}

fn judge(report: &Report, arm: &str, class: &'static str) -> ArmVerdict {
    let mut verdict = ArmVerdict { arm: arm.to_owned(), class, ..ArmVerdict::default() };
    for metric in report.headline() {
        let Some(row) = report.comparison(arm, metric) else { continue };
        let sentence = finding(report, row);
        match outcome(report, row) {
            Outcome::Better => verdict.better.push(sentence),
            Outcome::Worse => verdict.worse.push(sentence),
            Outcome::Open => verdict.open.push(sentence),
        }
    }
    for metric in report.metrics_by_stem(&labels::DIVERSITY) {
        let row = report.comparison(arm, metric).filter(|row| report.is_shown(row));
        verdict.aside.extend(row.map(|row| finding(report, row)));
    }
    let baseline = report.baseline().unwrap_or_default();
    let (n_better, n_worse) = (verdict.better.len(), verdict.worse.len());
    let n_all = n_better + n_worse + verdict.open.len();
    verdict.summary = match (n_better, n_worse) {
        _ if n_all == 0 => format!("Nothing could be compared with {baseline}."),
        (0, 0) => format!("No difference to {baseline} could be shown."),
        (better, 0) if better == n_all => format!("Better than {baseline} on every headline metric."),
        (0, worse) if worse == n_all => format!("Worse than {baseline} on every headline metric."),
        (better, 0) => {
            format!("Better than {baseline} on {better} of {n_all} headline metrics, open on the others.")
        }
        (0, worse) => {
            format!("Worse than {baseline} on {worse} of {n_all} headline metrics, open on the others.")
        }
        (better, worse) => {
            format!(
                "A trade-off: better than {baseline} on {better}, worse on {worse} of {n_all} headline metrics."
            )
        }
    };
    verdict
}

fn outcome(report: &Report, row: &ComparisonRow) -> Outcome {
    let is_more = row.diff.unwrap_or(0.0) > 0.0;
    match labels::label(&row.metric).better {
        Some(more_is_better) if report.is_shown(row) => {
            if is_more == more_is_better {
                Outcome::Better
            } else {
                Outcome::Worse
            }
        }
        _ => Outcome::Open,
    }
}

/// One difference in words and numbers.
pub(super) fn finding(report: &Report, row: &ComparisonRow) -> String {
    let unit = report.unit(&row.metric);
    let heading = labels::heading(&row.metric);
    let Some(diff) = row.diff.filter(|diff| diff.is_finite()) else {
        return format!("{heading}: no value in one of the arms");
    };
    let mut parts = Vec::new();
    if let Some((low, high)) = row.ci_low.zip(row.ci_high) {
        parts.push(format!("{} interval {}", confidence(report), between(low, high, unit, "pp")));
    }
    if let Some(p) = row.p_adjusted {
        parts.push(format!("adjusted {}", format::p_statement(p)));
    }
    if !report.is_shown(row) {
        match row.mde.filter(|mde| mde.is_finite() && *mde > 0.0) {
            Some(mde) => parts.push(format!(
                "smallest detectable effect {}",
                format::difference(mde, unit).trim_start_matches('+')
            )),
            None if row.p_adjusted.is_none() => parts.push("not testable".to_owned()),
            None => {}
        }
    }
    let difference = format::difference(diff, unit);
    if parts.is_empty() {
        format!("{heading} {difference}")
    } else {
        format!("{heading} {difference} ({})", parts.join("; "))
    }
}

/// `6.71 to 6.91`; of shares with `percent` behind it.
pub(super) fn between(low: f64, high: f64, unit: &str, percent: &str) -> String {
    let told = format::interval(low, high, unit).replace(" … ", " to ");
    if unit == "share" { format!("{told}\u{202f}{percent}") } else { told }
}

/// `95 %`.
pub(super) fn confidence(report: &Report) -> String {
    format!("{}\u{202f}%", format::plain(report.manifest.confidence * 100.0))
}

/// `a, b and c`.
pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

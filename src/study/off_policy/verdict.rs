//! Estimates beside the truth, told: the answer, findings, warnings, a table and charts. Must not know how either
//! came about.

use super::estimators::{Estimates, Estimator, Support};
use super::pages::Reward;
use super::slate::{SlateEstimate, SlateEstimator};
use crate::study::{Axis, Chart, ChartData, Finding, IntervalRow, StudyTable, Told};

/// The estimator that is told first: right where the model is, or where places earn by their own items.
const HEADLINE: &str = "dr";
/// An effective sample of fewer pages is too thin for an interval to be believed: one page may decide.
const N_EFFECTIVE_MIN: f64 = 50.0;
/// A larger share of what the target would show, out of reach of the log, is warned of.
const UNSUPPORTED_MAX: f64 = 0.01;

/// What an arm's own first pages earned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Reward a place.
    pub value: f64,
    /// Its standard error, over people and their luck.
    pub std_error: f64,
    /// Its interval.
    pub interval: Option<(f64, f64)>,
}

/// What one estimator says.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Its name.
    pub estimator: &'static str,
    /// Reward a place.
    pub value: f64,
    /// Its standard error.
    pub std_error: f64,
    /// Its interval.
    pub interval: Option<(f64, f64)>,
    /// As many pages of equal weight say as much, at the place where that is least; DM has no weights.
    pub effective_sample_size: Option<f64>,
    /// The largest weight.
    pub weight_max: Option<f64>,
    /// Places whose weight is 0.
    pub share_zero: Option<f64>,
}

impl Claim {
    /// Those of whole pages, and of the single decisions those that use the reward model: the others are there already.
    pub fn of(singles: &Estimates, slates: &[SlateEstimate]) -> Vec<Claim> {
        let single = slates.iter().find(|found| found.estimator == SlateEstimator::Iips);
        let pages = slates.iter().map(|found| Claim {
            estimator: found.estimator.name(),
            value: found.value,
            std_error: found.std_error,
            interval: within_shares(found.value, found.interval),
            effective_sample_size: Some(found.effective_sample_size),
            weight_max: Some(found.weight_max),
            share_zero: Some(found.share_zero),
        });
        let modelled = [Estimator::Dm, Estimator::Dr, Estimator::SwitchDr].into_iter().map(|estimator| {
            let found = singles.by(estimator);
            // Those of IIPS: the same weights.
            let weighted = single.filter(|_| estimator != Estimator::Dm);
            Claim {
                estimator: estimator.name(),
                value: found.value,
                std_error: found.std_error,
                interval: within_shares(found.value, found.interval),
                effective_sample_size: weighted.map(|single| single.effective_sample_size),
                weight_max: weighted.map(|single| single.weight_max),
                share_zero: weighted.map(|single| single.share_zero),
            }
        });
        pages.chain(modelled).collect()
    }

    fn holds(&self, truth: f64) -> bool {
        self.interval.is_some_and(|(low, high)| low <= truth && truth <= high)
    }

    fn is_thin(&self) -> bool {
        self.effective_sample_size.is_some_and(|n| n < N_EFFECTIVE_MIN)
    }

    fn verdict(&self, truth: f64) -> &'static str {
        match (self.is_thin(), self.holds(truth)) {
            (true, _) => "thin",
            (false, true) => "yes",
            (false, false) => "no",
        }
    }
}

/// A share is between 0 and 1, whatever an interval says of it; one that is wholly elsewhere is left as it is.
fn within_shares(value: f64, interval: Option<(f64, f64)>) -> Option<(f64, f64)> {
    let is_share = (0.0..=1.0).contains(&value);
    interval.map(|(low, high)| if is_share { (low.max(0.0), high.min(1.0)) } else { (low, high) })
}

/// Everything about one target and reward.
pub struct Answered {
    /// The arm asked for.
    pub target: String,
    /// What counts.
    pub reward: Reward,
    /// What each estimator says.
    pub claims: Vec<Claim>,
    /// How much of the log speaks, place by place.
    pub support: Support,
    /// Share of what the target would show that the log cannot hold.
    pub share_unsupported: f64,
    /// What is true.
    pub truth: Truth,
    /// What the logging arm earned itself.
    pub logged: Truth,
}

impl Answered {
    fn headline(&self) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.estimator == HEADLINE)
    }

    fn n_with(&self, verdict: &str) -> usize {
        self.claims.iter().filter(|claim| claim.verdict(self.truth.value) == verdict).count()
    }
}

/// The whole study.
pub fn told(logging: &str, answered: &[Answered]) -> Told {
    Told {
        question: format!(
            "What would other arms have earned, going by the log of {logging} alone, and is that true?"
        ),
        answer: answer(logging, answered),
        findings: answered.iter().flat_map(findings).collect(),
        warnings: warnings(logging, answered),
        limits: limits(),
        tables: vec![table(answered), support_table(answered)],
        charts: Reward::ALL.iter().map(|&reward| chart(reward, answered)).collect(),
        ..Told::default()
    }
}

fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

fn with_interval(value: f64, interval: Option<(f64, f64)>) -> String {
    match interval {
        Some((low, high)) => format!("{} ({:.1} to {:.1})", percent(value), 100.0 * low, 100.0 * high),
        None => percent(value),
    }
}

fn answer(logging: &str, answered: &[Answered]) -> String {
    let sentences = answered.iter().filter(|found| found.reward == Reward::Watched).filter_map(|found| {
        let claim = found.headline()?;
        let verdict = match (claim.holds(found.truth.value), found.share_unsupported > UNSUPPORTED_MAX) {
            (true, _) => "the interval holds that",
            (false, true) => "the interval misses that, as the log lacks what the arm would show",
            (false, false) => "the interval misses that",
        };
        Some(format!(
            "From the log of {logging}, {} of a first page of {} would be watched; in truth {} is: {verdict} \
             ({} of {} estimators that rest on enough hold it).",
            with_interval(claim.value, claim.interval),
            found.target,
            percent(found.truth.value),
            found.n_with("yes"),
            found.n_with("yes") + found.n_with("no"),
        ))
    });
    sentences.collect::<Vec<_>>().join(" ")
}

fn findings(found: &Answered) -> Vec<Finding> {
    let (target, reward) = (&found.target, found.reward.name());
    let mut told = vec![
        Finding::new(
            format!("{target}.{reward}.truth"),
            "share",
            Some(found.truth.value),
            found.truth.interval,
        )
        .said(format!(
            "{} of the first pages that {target} itself showed was {reward}.",
            with_interval(found.truth.value, found.truth.interval)
        )),
    ];
    for claim in &found.claims {
        let id = format!("{target}.{reward}.{}", claim.estimator);
        let error = claim.value - found.truth.value;
        let verdict = if claim.holds(found.truth.value) { "holds" } else { "misses" };
        told.push(Finding::new(id, "share", Some(claim.value), claim.interval).said(format!(
            "{} estimates {} for {target}, {reward}: {:+.1} points from the truth, which its interval {verdict}.",
            claim.estimator,
            with_interval(claim.value, claim.interval),
            100.0 * error,
        )));
    }
    if let Some(claim) = found.headline() {
        let error = claim.value - found.truth.value;
        let half = 1.96 * (claim.std_error.powi(2) + found.truth.std_error.powi(2)).sqrt();
        let interval = half.is_finite().then_some((error - half, error + half));
        told.push(Finding::new(format!("{target}.{reward}.error"), "share", Some(error), interval).said(
            format!(
                "{HEADLINE} is off by {:+.1} points; the errors of both together are ± {:.1}.",
                100.0 * error,
                100.0 * half
            ),
        ));
    }
    told
}

fn warnings(logging: &str, answered: &[Answered]) -> Vec<String> {
    let mut told = Vec::new();
    // The log is the same whatever counts as a success.
    for found in answered.iter().filter(|found| found.reward == Reward::Watched) {
        let (target, support) = (&found.target, &found.support);
        if found.share_unsupported > UNSUPPORTED_MAX {
            told.push(format!(
                "{} of what {target} would show is nothing that {logging} could have shown: no weight makes up for \
                 that, and estimates by weights are too low. A wider pool (`n_candidates`) or another arm \
                 inside {logging} would help.",
                percent(found.share_unsupported)
            ));
        } else if !support.is_plausible() {
            told.push(format!(
                "The mean weight of {target} is {:.2} and should be 1: its probabilities, or those of {logging}, \
                 are not what was shown, or the log is too small to tell.",
                support.mean_weight
            ));
        }
        let thin = found.claims.iter().filter(|claim| claim.is_thin()).map(|claim| claim.estimator);
        let thin: Vec<&str> = thin.collect();
        if !thin.is_empty() {
            told.push(format!(
                "About {target}, {} rest on fewer than {N_EFFECTIVE_MIN} pages' worth of log: a few pages with large \
                 weights decide, and their intervals are not to be believed.",
                thin.join(", ")
            ));
        }
    }
    told
}

fn limits() -> Vec<String> {
    [
        "First pages of the first round alone: who sees a second page depends on the first, and what \
         a log knows of later pages is about those who stayed.",
        "Agents look at a page as a whole: good items compete for the few that are watched. Only whole-page weights (sips, \
         snsips) allow for that; place-by-place weights (iips, pi, dr, switch_dr) buy narrow intervals with \
         the assumption that a place earns by its own item, and can make too much of differences between arms.",
        "Outside a simulation there is no truth to look at: what estimators agree on, the effective sample and \
         the share of weight 0 are then all there is to go by.",
        "The truth is the arm's own simulated first pages and has an interval too.",
    ]
    .map(str::to_owned)
    .into()
}

fn table(answered: &[Answered]) -> StudyTable {
    let mut table = StudyTable::new(
        "estimates",
        "Estimates beside the truth",
        "Share of a first page, by every estimator; holds says whether the interval holds the truth, thin that too \
         few pages decide. Effective sample: as many pages of equal weight would say as much, at the place where \
         that is least.",
        &[
            ("target", "text"),
            ("reward", "text"),
            ("estimator", "text"),
            ("holds", "text"),
            ("value", "share"),
            ("ci_low", "share"),
            ("ci_high", "share"),
            ("truth", "share"),
            ("error", "share"),
            ("effective_sample", "count"),
            ("weight_max", ""),
            ("share_zero", "share"),
        ],
    );
    for found in answered {
        for claim in &found.claims {
            table.push(vec![
                found.target.as_str().into(),
                found.reward.name().into(),
                claim.estimator.into(),
                claim.verdict(found.truth.value).into(),
                claim.value.into(),
                claim.interval.map(|(low, _)| low).into(),
                claim.interval.map(|(_, high)| high).into(),
                found.truth.value.into(),
                (claim.value - found.truth.value).into(),
                claim.effective_sample_size.into(),
                claim.weight_max.into(),
                claim.share_zero.into(),
            ]);
        }
    }
    table
}

fn support_table(answered: &[Answered]) -> StudyTable {
    let mut table = StudyTable::new(
        "support",
        "How much of the log speaks",
        "Place by place, with the probability of an item whatever stands above it. The mean weight is 1 where the log \
         covers the target. Truth and logged: shares of first pages that were watched, of the target and of the logging arm.",
        &[
            ("target", "text"),
            ("places", "count"),
            ("people", "count"),
            ("effective_sample", "count"),
            ("mean_weight", ""),
            ("mean_weight_low", ""),
            ("mean_weight_high", ""),
            ("unsupported", "share"),
            ("truth", "share"),
            ("logged", "share"),
        ],
    );
    for found in answered.iter().filter(|found| found.reward == Reward::Watched) {
        let support = &found.support;
        table.push(vec![
            found.target.as_str().into(),
            (support.n_rows as f64).into(),
            (support.n_clusters as f64).into(),
            support.effective_sample_size.into(),
            support.mean_weight.into(),
            support.mean_weight_interval.map(|(low, _)| low).into(),
            support.mean_weight_interval.map(|(_, high)| high).into(),
            found.share_unsupported.into(),
            found.truth.value.into(),
            found.logged.value.into(),
        ]);
    }
    table
}

/// How far estimates are off, for targets within the log's reach and estimators that rest on enough.
fn chart(reward: Reward, answered: &[Answered]) -> Chart {
    let within_reach =
        |found: &&Answered| found.reward == reward && found.share_unsupported <= UNSUPPORTED_MAX;
    let mut rows = Vec::new();
    for found in answered.iter().filter(within_reach) {
        let truth = found.truth.value;
        let row = |label: &str, value: f64, interval: Option<(f64, f64)>, is_open: bool| IntervalRow {
            group: found.target.clone(),
            label: label.to_owned(),
            arm: Some(found.target.clone()),
            value: value - truth,
            low: interval.map(|(low, _)| low - truth),
            high: interval.map(|(_, high)| high - truth),
            is_open,
        };
        rows.push(row("truth", truth, found.truth.interval, false));
        let enough = found.claims.iter().filter(|claim| claim.value.is_finite() && !claim.is_thin());
        rows.extend(enough.map(|c| row(c.estimator, c.value, c.interval, !c.holds(truth))));
    }
    Chart {
        name: format!("errors_{}", reward.name()),
        title: format!("Estimates of the share {}, less the truth", reward.name()),
        help: "Hollow: the interval misses the truth. Left out: targets that show what the log cannot hold, and \
               estimators that rest on too few pages."
            .to_owned(),
        data: ChartData::Intervals {
            x: Axis::new("estimate less truth", "share"),
            reference: Some(0.0),
            rows,
        },
    }
}

//! Estimates beside the truth, told: the answer, findings, warnings, a table and charts. Must not know how either
//! came about.

use super::estimators::{Estimates, Estimator, Support};
use super::pages::Reward;
use super::slate::SlateEstimate;
use crate::study::{Axis, Chart, ChartData, Finding, IntervalRow, StudyTable, Told};

/// The estimator that is told first: it may lean on the model where the log says little, and its interval allows for that.
const HEADLINE: &str = "switch_dr";
/// An effective sample of fewer decisions says little.
const N_EFFECTIVE_MIN: f64 = 100.0;
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
    /// As many places of equal weight say as much; DM has no weights.
    pub effective_sample_size: Option<f64>,
    /// The largest weight.
    pub weight_max: Option<f64>,
    /// Places whose weight is 0.
    pub share_zero: Option<f64>,
}

impl Claim {
    /// Those of whole pages, and of the single decisions those that use the reward model: the others are there already.
    pub fn of(singles: &Estimates, slates: &[SlateEstimate]) -> Vec<Claim> {
        let pages = slates.iter().map(|found| Claim {
            estimator: found.estimator.name(),
            value: found.value,
            std_error: found.std_error,
            interval: found.interval,
            effective_sample_size: Some(found.effective_sample_size),
            weight_max: Some(found.weight_max),
            share_zero: Some(found.share_zero),
        });
        let modelled = [Estimator::Dm, Estimator::Dr, Estimator::SwitchDr].into_iter().map(|estimator| {
            let found = singles.by(estimator);
            let has_weights = estimator != Estimator::Dm;
            Claim {
                estimator: estimator.name(),
                value: found.value,
                std_error: found.std_error,
                interval: found.interval,
                effective_sample_size: has_weights.then_some(singles.support.effective_sample_size),
                weight_max: has_weights.then_some(singles.support.weight_max),
                share_zero: has_weights.then_some(singles.support.share_zero),
            }
        });
        pages.chain(modelled).collect()
    }

    fn holds(&self, truth: f64) -> bool {
        self.interval.is_some_and(|(low, high)| low <= truth && truth <= high)
    }
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

    fn n_holding(&self) -> usize {
        self.claims.iter().filter(|claim| claim.holds(self.truth.value)).count()
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
        charts: Reward::ALL.iter().map(|&reward| chart(logging, reward, answered)).collect(),
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
            (true, _) => "the interval holds it",
            (false, true) => "the interval misses it, as the log lacks what the arm would show",
            (false, false) => "the interval misses it",
        };
        Some(format!(
            "From the log of {logging}, {} of a first page of {} would be watched; in truth {} is: {verdict} \
             ({} of {} estimators' intervals do).",
            with_interval(claim.value, claim.interval),
            found.target,
            percent(found.truth.value),
            found.n_holding(),
            found.claims.len(),
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
        if support.effective_sample_size < N_EFFECTIVE_MIN {
            told.push(format!(
                "About {target} the log says as much as {:.0} places of its own would ({} were logged): explore \
                 more, or log more.",
                support.effective_sample_size, support.n_rows
            ));
        }
    }
    told
}

fn limits() -> Vec<String> {
    [
        "First pages of the first round alone: who sees a second page depends on the first, and what \
         a log knows of later pages is about those who stayed.",
        "Agents look at a page as a whole (how many they watch depends on all of it): only whole-page weights (sips, \
         snsips) allow for that. Place-by-place weights (iips, pi, dr, switch_dr) buy narrow intervals with \
         the assumption that a place earns by its own item.",
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
        "Share of a first page, by every estimator; holds says whether the interval holds the truth. Effective \
         sample: as many places of equal weight would say as much.",
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
                if claim.holds(found.truth.value) { "yes" } else { "no" }.into(),
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
         covers the target.",
        &[
            ("target", "text"),
            ("places", "count"),
            ("people", "count"),
            ("effective_sample", "count"),
            ("mean_weight", ""),
            ("mean_weight_low", ""),
            ("mean_weight_high", ""),
            ("unsupported", "share"),
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
        ]);
    }
    table
}

fn chart(logging: &str, reward: Reward, answered: &[Answered]) -> Chart {
    let mut rows = Vec::new();
    for found in answered.iter().filter(|found| found.reward == reward) {
        let row = |label: &str, value: f64, interval: Option<(f64, f64)>, is_open: bool| IntervalRow {
            group: found.target.clone(),
            label: label.to_owned(),
            arm: Some(found.target.clone()),
            value,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            is_open,
        };
        rows.push(row("truth", found.truth.value, found.truth.interval, false));
        for claim in found.claims.iter().filter(|claim| claim.value.is_finite()) {
            rows.push(row(claim.estimator, claim.value, claim.interval, !claim.holds(found.truth.value)));
        }
        let logged = row(&format!("({logging} itself)"), found.logged.value, found.logged.interval, false);
        rows.push(IntervalRow { arm: Some(logging.to_owned()), ..logged });
    }
    Chart {
        name: format!("estimates_{}", reward.name()),
        title: format!("Share of a first page that is {}: estimates beside the truth", reward.name()),
        help: "Hollow: the interval misses the truth.".to_owned(),
        data: ChartData::Intervals {
            x: Axis::new(&format!("share {}", reward.name()), "share"),
            reference: None,
            rows,
        },
    }
}

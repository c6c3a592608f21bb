//! A/B verdicts: which arm is better, by how much, how sure is that, and how many people would have done?
//!
//! Every arm against the baseline (and every pair of arms) is analysed in the ways that are open to who runs an experiment
//! (`pair`): as if arms had different people, adjusted with what was known before (CUPED: Deng et al. 2013), and
//! paired, which only a simulation can do. The differences are also watched as if people had come one after another
//! (always-valid: Johari et al. 2022). Must not know recommenders.

pub mod covariates;
pub mod groups;
pub mod pair;
mod show;

use super::contrast::{Contrast, contrast};
use super::{Evidence, Study, StudyError, StudyKind, Told};
use crate::metric::{self, Measured};
use crate::report::labels::HEADLINE;
use crate::scenario::params::{self, Complaint};
use crate::stats::multiple;
use crate::stats::sequential::{Look, Monitoring, N_MIN_MEAN};
use covariates::Covariates;
use groups::ByTrait;
use pair::{Order, Pair};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind `verdict`.
pub struct Verdict;

const NAME: &str = "verdict";

/// Parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerdictParams {
    /// What arms are compared by, the one that decides first.
    pub metrics: Vec<String>,
    /// The arm others are compared with; that of `[statistics]` where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The round that is looked at, from 0; the last where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// What is known of people beforehand and used for adjustment: `n_train`, `mean_popularity`, `activity`, `diversity`,
    /// `conformity`, `genre_entropy`.
    pub covariates: Vec<String>,
    /// The order in which people are looked at: `dealt` at random or as `listed`.
    pub order: Order,
    /// How many people the always-valid intervals are tuned to, 1..=1000000000; half of those in the run where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_agents: Option<u64>,
    /// The effect that shall be found, as a share of the baseline's value, above 0 and at most 1: how many people would
    /// that take?
    pub effect: f64,
}

impl Default for VerdictParams {
    fn default() -> Self {
        VerdictParams {
            metrics: HEADLINE.map(str::to_owned).to_vec(),
            baseline: None,
            round: None,
            covariates: covariates::names().map(str::to_owned).collect(),
            order: Order::default(),
            planned_agents: None,
            effect: 0.02,
        }
    }
}

impl StudyKind for Verdict {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "which arm is better, by how much, how sure is that, and how many people would have done?"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(VerdictParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        let params: VerdictParams = params::parse(at, table)?;
        for name in &params.metrics {
            if metric::measure(name).is_none() {
                let known = metric::ALL.iter().flat_map(|kind| kind.measures()).map(|measure| measure.name);
                return Err(Complaint::unknown_name(format!("{at}.metrics"), name, known));
            }
        }
        for name in &params.covariates {
            if !covariates::names().any(|known| known == name) {
                return Err(Complaint::unknown_name(format!("{at}.covariates"), name, covariates::names()));
            }
        }
        if params.metrics.is_empty() {
            return Err(Complaint::out_of_range(format!("{at}.metrics"), "[]", "a list with a metric in it"));
        }
        if !(params.effect > 0.0 && params.effect <= 1.0) {
            return Err(Complaint::out_of_range(
                format!("{at}.effect"),
                params.effect,
                "above 0 and at most 1",
            ));
        }
        if let Some(planned) = params.planned_agents {
            params::within(at, "planned_agents", planned, 1, 1_000_000_000)?;
        }
        Ok(Box::new(params))
    }
}

/// A pair of arms and one metric, with everything that was found.
struct Compared<'a> {
    baseline: &'a str,
    arm: &'a str,
    metric: &'a str,
    unit: &'a str,
    /// Whether more is better.
    better: Option<bool>,
    pair: Pair,
    /// The paired difference with its bootstrap interval.
    bootstrap: Contrast,
    /// Looks after each person; `None` between arms of which none is the baseline.
    looks: Option<Vec<Look>>,
    groups: Vec<ByTrait>,
    p_holm: f64,
    p_bh: f64,
}

/// Everything the study found, before it is told.
struct Findings<'a> {
    evidence: &'a Evidence<'a>,
    params: &'a VerdictParams,
    baseline: &'a str,
    /// Pairs with the baseline first, by metric and arm.
    compared: Vec<Compared<'a>>,
}

impl Study for VerdictParams {
    fn arms(&self) -> Vec<&str> {
        self.baseline.as_deref().into_iter().collect()
    }

    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let findings = find(self, evidence)?;
        Ok(findings.told())
    }
}

fn find<'a>(params: &'a VerdictParams, evidence: &'a Evidence<'a>) -> Result<Findings<'a>, StudyError> {
    let unanswerable = |problem: String| StudyError::Unanswerable { study: NAME.to_owned(), problem };
    if evidence.arms.len() < 2 {
        return Err(unanswerable("there is one arm, expected two or more to compare".to_owned()));
    }
    let last = evidence.scenario.rounds.saturating_sub(1);
    let round = params.round.unwrap_or(last);
    if round > last {
        return Err(unanswerable(format!("round is {round}, the run's last is {last} (counted from 0)")));
    }
    let baseline = params.baseline.as_deref().unwrap_or_else(|| evidence.baseline());
    let n_people = params
        .metrics
        .iter()
        .filter_map(|metric| evidence.measured(baseline, round, metric)?.sample.as_ref())
        .map(|sample| sample.len() as u64)
        .max()
        .unwrap_or(0);
    let alpha = 1.0 - evidence.statistics.confidence;
    let planned = params.planned_agents.unwrap_or(n_people / 2);
    let monitoring = Monitoring::planned(planned, 1, alpha, N_MIN_MEAN);
    let covariates = Covariates::of(evidence.population, &params.covariates);
    let others: Vec<&str> =
        evidence.arms.iter().map(|arm| arm.name.as_str()).filter(|arm| *arm != baseline).collect();
    let with_baseline = others.iter().map(|arm| (baseline, *arm));
    let among_others =
        others.iter().enumerate().flat_map(|(k, right)| others[..k].iter().map(move |left| (*left, *right)));
    let pairs: Vec<(&str, &str)> = with_baseline.chain(among_others).collect();
    let mut compared = Vec::new();
    for metric in &params.metrics {
        for &(left, right) in &pairs {
            let measured = |arm| evidence.measured(arm, round, metric);
            let Some((of_left, of_right)) = measured(left).zip(measured(right)) else { continue };
            let found = compare(
                params,
                evidence,
                (left, of_left),
                (right, of_right),
                &covariates,
                monitoring,
                baseline,
            );
            compared.extend(found);
        }
    }
    if compared.is_empty() {
        return Err(unanswerable("no metric has values of two people in two arms".to_owned()));
    }
    adjust(&mut compared);
    Ok(Findings { evidence, params, baseline, compared })
}

fn compare<'a>(
    params: &VerdictParams,
    evidence: &'a Evidence<'a>,
    (left, of_left): (&'a str, &'a Measured),
    (right, of_right): (&'a str, &'a Measured),
    covariates: &Covariates,
    monitoring: Monitoring,
    baseline: &str,
) -> Option<Compared<'a>> {
    let (left_sample, right_sample) = (of_left.sample.as_ref()?, of_right.sample.as_ref()?);
    let pair = Pair::of(left_sample, right_sample, covariates)?;
    let terms = [(1.0, right_sample), (-1.0, left_sample)];
    let bootstrap = contrast(&terms, evidence.statistics, &evidence.streams)?;
    let is_with_baseline = left == baseline;
    let looks = is_with_baseline.then(|| pair.looks(params.order, monitoring, &evidence.streams));
    let confidence = evidence.statistics.confidence;
    let groups = if is_with_baseline {
        groups::by_traits(left_sample, right_sample, evidence.population, confidence)
    } else {
        Vec::new()
    };
    Some(Compared {
        baseline: left,
        arm: right,
        metric: &of_right.name,
        unit: of_right.measure.unit,
        better: of_right.measure.better,
        pair,
        bootstrap,
        looks,
        groups,
        p_holm: f64::NAN,
        p_bh: f64::NAN,
    })
}

/// Adjusts the paired p-values over everything that is compared: all pairs of arms and all metrics.
fn adjust(compared: &mut [Compared<'_>]) {
    let p_values: Vec<f64> =
        compared.iter().map(|found| found.pair.paired.p_value().unwrap_or(1.0)).collect();
    let (holm, bh) = (multiple::holm(&p_values), multiple::benjamini_hochberg(&p_values));
    for (nth, found) in compared.iter_mut().enumerate() {
        (found.p_holm, found.p_bh) = (holm[nth], bh[nth]);
    }
}

impl Compared<'_> {
    fn is_with(&self, baseline: &str) -> bool {
        self.baseline == baseline
    }

    /// Whether the difference is shown: the adjusted p-value is below α and the bootstrap interval excludes 0.
    fn is_shown(&self, alpha: f64) -> bool {
        self.p_holm <= alpha && self.bootstrap.is_shown()
    }

    /// After how many people one could have stopped.
    fn stop(&self) -> Option<Look> {
        self.looks.as_ref()?.iter().copied().find(Look::excludes_zero)
    }
}

#[cfg(test)]
mod tests;

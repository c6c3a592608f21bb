//! From sessions to result tables: every metric of every arm and round with its interval, and
//! every arm against the baseline with paired intervals, tests and corrections.
//! Must not know where sessions come from or how tables are shown.

use super::tables::{ComparisonRow, MetricsRow, SessionRow};
use super::{Measured, Metric, MetricKind, Population, Sample, Setting};
use crate::event::Session;
use crate::id::AgentId;
use crate::rng::Streams;
use crate::stats::bootstrap::{Column, Quantity, Replicates, Table};
use crate::stats::params::{Adjustment, IntervalMethod, PairedTest, StatsParams};
use crate::stats::{multiple, paired, power, summary};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Metrics of one arm in the making.
pub struct ArmAnalysis {
    arm: String,
    kinds: Vec<&'static dyn MetricKind>,
    rounds: BTreeMap<u32, Vec<Box<dyn Metric>>>,
}

impl ArmAnalysis {
    /// An arm without sessions, to be measured by these kinds ([`super::ALL`] of them as a rule).
    pub fn new(arm: &str, kinds: &[&'static dyn MetricKind]) -> Self {
        ArmAnalysis { arm: arm.to_owned(), kinds: kinds.to_vec(), rounds: BTreeMap::new() }
    }

    /// Takes in sessions of any rounds, in any order; at most one an agent and round.
    ///
    /// # Panics
    /// When an agent or item is not in the setting.
    pub fn observe(&mut self, sessions: &[Session], setting: Setting<'_>) {
        for sessions in sessions.chunk_by(|a, b| a.round == b.round) {
            let metrics = self
                .rounds
                .entry(sessions[0].round)
                .or_insert_with(|| self.kinds.iter().map(|kind| kind.start()).collect());
            metrics.par_iter_mut().for_each(|metric| {
                sessions.iter().for_each(|session| metric.observe(session, setting));
            });
        }
    }

    /// The values. Agents of one person count as one witness for intervals and tests.
    pub fn finish(self, setting: Setting<'_>) -> ArmResult {
        let cluster = |agent: AgentId| setting.population.witness(agent);
        let finish = |metrics: Vec<Box<dyn Metric>>| -> Vec<Measured> {
            let finished: Vec<Vec<Measured>> =
                metrics.into_par_iter().map(|metric| metric.finish(setting)).collect();
            let clustered = |mut measured: Measured| {
                measured.sample = measured.sample.map(|sample| sample.clustered(cluster));
                measured
            };
            finished.into_iter().flatten().map(clustered).collect()
        };
        let rounds = self.rounds.into_iter().map(|(round, metrics)| (round, finish(metrics))).collect();
        ArmResult { arm: self.arm, rounds }
    }
}

/// What was measured in one arm.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmResult {
    /// The arm.
    pub arm: String,
    /// For every round, its values.
    pub rounds: BTreeMap<u32, Vec<Measured>>,
}

impl ArmResult {
    /// An arm with one round, e.g. from offline evaluation.
    pub fn single(arm: &str, measured: Vec<Measured>) -> Self {
        ArmResult { arm: arm.to_owned(), rounds: BTreeMap::from([(0, measured)]) }
    }
}

/// The result tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// Every arm, round and metric, in that order.
    pub metrics: Vec<MetricsRow>,
    /// Every arm but the baseline, every round and metric, in that order.
    pub comparisons: Vec<ComparisonRow>,
}

/// Intervals, tests and corrections of these arms, the first being the baseline unless the
/// parameters name another (one that is not here is compared with nothing).
///
/// Agents are paired: a comparison rests on those with a value in both arms. P-values are
/// adjusted over all metrics of one pair of arms and one round. The same bits at any thread count.
pub fn analyse(arms: &[ArmResult], params: &StatsParams, streams: &Streams) -> Tables {
    let subjects = Subjects::of(arms);
    let mut table = Table::new(subjects.n);
    let values = values(arms, &subjects, &mut table);
    let pairs = pairs(arms, params, &subjects, &mut table);
    let replicates = table.resample(params.n_bootstrap as usize, streams);
    let interval = |quantity: Option<Quantity>| {
        quantity.and_then(|quantity| replicates.interval(quantity, params.confidence, params.method))
    };
    let metrics = values.par_iter().map(|value| value.row(interval(value.quantity))).collect();
    let mut comparisons: Vec<ComparisonRow> =
        pairs.par_iter().map(|pair| pair.row(&replicates, interval(pair.quantity), params)).collect();
    for family in comparisons.chunk_by_mut(|a, b| a.arm == b.arm && a.round == b.round) {
        adjust(family, params.adjust);
    }
    Tables { metrics, comparisons }
}

/// The agents that contribute to anything, numbered without gaps.
struct Subjects {
    n: usize,
    /// For every agent number, its number here.
    number: Vec<u32>,
}

impl Subjects {
    fn of(arms: &[ArmResult]) -> Self {
        let samples =
            || arms.iter().flat_map(|arm| arm.rounds.values().flatten()).filter_map(|m| m.sample.as_ref());
        let end = samples().filter_map(|sample| sample.agents.last()).map(|agent| agent.idx() + 1).max();
        let mut contributes = vec![false; end.unwrap_or(0)];
        samples().flat_map(|sample| &sample.agents).for_each(|agent| contributes[agent.idx()] = true);
        let mut n = 0;
        let number = contributes
            .iter()
            .map(|&contributes| {
                n += u32::from(contributes);
                n.wrapping_sub(1)
            })
            .collect();
        Subjects { n: n as usize, number }
    }

    /// The numerators and denominators of a sample, by unit of the table.
    fn by_unit(&self, sample: &Sample, table: &Table) -> (Vec<f64>, Vec<f64>) {
        let subjects: Vec<u32> = sample.agents.iter().map(|agent| self.number[agent.idx()]).collect();
        let numerators = table.by_unit(&subjects, sample.numerators.iter().copied());
        let denominators = table.by_unit(&subjects, (0..sample.len()).map(|at| sample.denominator(at)));
        (numerators, denominators)
    }
}

/// Puts a ratio's columns into the table.
fn add(table: &mut Table, (numerators, denominators): (Vec<f64>, Vec<f64>)) -> (Column, Column) {
    (table.add(numerators), table.add(denominators))
}

/// One value on its way to a row of `metrics.csv`.
struct Value<'a> {
    arm: &'a str,
    round: u32,
    measured: &'a Measured,
    std_error: Option<f64>,
    quantity: Option<Quantity>,
}

/// Every value of every arm and round, its columns put into the table.
fn values<'a>(arms: &'a [ArmResult], subjects: &Subjects, table: &mut Table) -> Vec<Value<'a>> {
    let all: Vec<(&str, u32, &Measured)> = arms
        .iter()
        .flat_map(|arm| arm.rounds.iter().map(move |(&round, measured)| (arm.arm.as_str(), round, measured)))
        .flat_map(|(arm, round, measured)| measured.iter().map(move |measured| (arm, round, measured)))
        .collect();
    let prepared: Vec<_> = all
        .par_iter()
        .map(|(_, _, measured)| {
            let sample = measured.sample.as_ref().filter(|sample| sample.len() >= 2)?;
            Some((summary::std_error(&sample.pseudo_values()), subjects.by_unit(sample, table)))
        })
        .collect();
    all.into_iter()
        .zip(prepared)
        .map(|((arm, round, measured), prepared)| {
            let (std_error, columns) = prepared.unzip();
            let quantity = columns.map(|columns| {
                let (numerator, denominator) = add(table, columns);
                Quantity::Ratio(numerator, denominator)
            });
            Value { arm, round, measured, std_error: std_error.flatten(), quantity }
        })
        .collect()
}

impl Value<'_> {
    fn row(&self, interval: Option<(f64, f64)>) -> MetricsRow {
        MetricsRow {
            arm: self.arm.to_owned(),
            round: self.round,
            metric: self.measured.name.clone(),
            n: self.measured.n,
            mean: self.measured.value,
            std_error: self.std_error,
            ci_low: interval.map(|(low, _)| low),
            ci_high: interval.map(|(_, high)| high),
            unit: self.measured.measure.unit.to_owned(),
        }
    }
}

/// One comparison on its way to a row of `comparisons.csv`.
struct Pair<'a> {
    baseline: &'a str,
    arm: &'a str,
    round: u32,
    metric: &'a str,
    n: u64,
    /// The difference of values that cannot be shared out among agents.
    whole: Option<f64>,
    p_value: Option<f64>,
    mde: Option<f64>,
    quantity: Option<Quantity>,
}

/// Every comparison with the baseline, its columns put into the table.
fn pairs<'a>(
    arms: &'a [ArmResult],
    params: &StatsParams,
    subjects: &Subjects,
    table: &mut Table,
) -> Vec<Pair<'a>> {
    let baseline = match &params.baseline {
        Some(name) => arms.iter().find(|arm| arm.arm == *name),
        None => arms.first(),
    };
    let Some(baseline) = baseline else { return Vec::new() };
    let mut all: Vec<(&str, u32, &Measured, &Measured)> = Vec::new();
    for arm in arms.iter().filter(|arm| arm.arm != baseline.arm) {
        for (&round, measured) in &arm.rounds {
            let Some(of_baseline) = baseline.rounds.get(&round) else { continue };
            for measured in measured {
                if let Some(other) = of_baseline.iter().find(|other| other.name == measured.name) {
                    all.push((&arm.arm, round, other, measured));
                }
            }
        }
    }
    let prepared: Vec<_> = all
        .par_iter()
        .map(|(_, _, left, right)| Prepared::of(left, right, params, subjects, table))
        .collect();
    all.into_iter()
        .zip(prepared)
        .map(|((arm, round, left, right), prepared)| {
            let whole = left.value.zip(right.value).map(|(left, right)| right - left);
            let pair = Pair {
                baseline: &baseline.arm,
                arm,
                round,
                metric: &right.name,
                n: left.n.min(right.n),
                whole,
                p_value: None,
                mde: None,
                quantity: None,
            };
            let Some(prepared) = prepared else { return pair };
            let quantity = prepared.columns.map(|(left, right)| Quantity::Difference {
                baseline: add(table, left),
                arm: add(table, right),
            });
            Pair {
                n: prepared.n,
                whole: None,
                p_value: prepared.p_value,
                mde: prepared.mde,
                quantity,
                ..pair
            }
        })
        .collect()
}

/// A numerator and a denominator column.
type Columns = (Vec<f64>, Vec<f64>);

/// What of a comparison does not need replicates.
struct Prepared {
    n: u64,
    p_value: Option<f64>,
    mde: Option<f64>,
    columns: Option<(Columns, Columns)>,
}

impl Prepared {
    /// `None` where either side has no sample.
    fn of(
        left: &Measured,
        right: &Measured,
        params: &StatsParams,
        subjects: &Subjects,
        table: &Table,
    ) -> Option<Prepared> {
        let (left, right) = left.sample.as_ref()?.paired(right.sample.as_ref()?);
        let n = left.len() as u64;
        if n < 2 {
            return Some(Prepared { n, p_value: None, mde: None, columns: None });
        }
        let (of_left, of_right) = (left.pseudo_values(), right.pseudo_values());
        let differences: Vec<f64> = of_right.iter().zip(&of_left).map(|(right, left)| right - left).collect();
        let p_value = match params.test {
            PairedTest::PairedT => paired::paired_t(&differences),
            PairedTest::Wilcoxon => paired::wilcoxon(&differences),
        };
        let mde = summary::std_dev(&differences).and_then(|std_dev| {
            power::minimum_detectable_effect(n, std_dev, 1.0 - params.confidence, params.power)
        });
        let columns = Some((subjects.by_unit(&left, table), subjects.by_unit(&right, table)));
        Some(Prepared { n, p_value, mde, columns })
    }
}

impl Pair<'_> {
    fn row(
        &self,
        replicates: &Replicates,
        interval: Option<(f64, f64)>,
        params: &StatsParams,
    ) -> ComparisonRow {
        let diff = match self.quantity {
            Some(quantity) => Some(replicates.value(quantity)).filter(|diff| diff.is_finite()),
            None => self.whole,
        };
        ComparisonRow {
            baseline: self.baseline.to_owned(),
            arm: self.arm.to_owned(),
            round: self.round,
            metric: self.metric.to_owned(),
            n: self.n,
            diff,
            ci_low: interval.map(|(low, _)| low),
            ci_high: interval.map(|(_, high)| high),
            p_value: self.p_value,
            p_adjusted: None,
            method: if self.p_value.is_some() { method(params) } else { "none".to_owned() },
            mde: self.mde,
        }
    }
}

/// What was done, in the words of the scenario.
fn method(params: &StatsParams) -> String {
    let interval = match params.method {
        IntervalMethod::Bca => "bca",
        IntervalMethod::Percentile => "percentile",
    };
    let test = match params.test {
        PairedTest::PairedT => "paired_t",
        PairedTest::Wilcoxon => "wilcoxon",
    };
    let adjustment = match params.adjust {
        Adjustment::Holm => "holm",
        Adjustment::Bh => "bh",
        Adjustment::None => "none",
    };
    format!("{interval}+{test}+{adjustment}")
}

/// Adjusts the p-values of one family.
fn adjust(family: &mut [ComparisonRow], adjustment: Adjustment) {
    let p_values: Vec<f64> = family.iter().filter_map(|row| row.p_value).collect();
    let adjusted = multiple::adjust(&p_values, adjustment);
    for (row, p) in family.iter_mut().filter(|row| row.p_value.is_some()).zip(adjusted) {
        row.p_adjusted = Some(p);
    }
}

impl SessionRow {
    /// The row of one session.
    pub fn new(arm: &str, session: &Session, population: &Population) -> Self {
        let (mut n_rated, mut sum_ratings) = (0u32, 0u32);
        for rating in session.slots().filter_map(|slot| slot.rating) {
            n_rated += 1;
            sum_ratings += u32::from(rating);
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        SessionRow {
            arm: arm.to_owned(),
            round: session.round,
            user: population.agent(session.agent).raw_id().into_owned(),
            pages: count(session.pages.len()),
            exposures: count(session.n_shown()),
            watches: count(session.n_watched()),
            likes: count(session.n_liked()),
            mean_rating: (n_rated > 0).then(|| f64::from(sum_ratings) / f64::from(n_rated)),
            satisfaction: session.satisfaction,
            exit_reason: session.exit.map(|reason| reason.name().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;

//! Measures of groups of people, or of parts of sessions, arm by arm: analysed as metrics are (intervals clustered by
//! person, paired differences to the baseline, adjusted p-values), and told in one table. Shared by the studies of
//! popularity bias and cold start. Must not know what is measured, nor who is in a group.

use super::contrast::contrast;
use super::{Axis, Cell, Chart, ChartData, Evidence, Finding, IntervalRow, StudyTable};
use crate::metric::analyse::{ArmResult, Tables, analyse};
use crate::metric::tables::{ComparisonRow, MetricsRow};
use crate::metric::{Measure, Measured, Sample};
use crate::report::format;
use crate::stats::bootstrap::{Quantity, Table};

/// A measure of a group in an arm, before it is analysed.
pub struct Part {
    /// The group, as it stands behind the measure's name: `popularity_lift.niche`.
    pub group: String,
    /// What is measured.
    pub measure: &'static Measure,
    /// What each agent contributes.
    pub sample: Sample,
}

/// Every part of every arm, analysed.
pub struct Grouped<'a> {
    evidence: &'a Evidence<'a>,
    arms: Vec<ArmResult>,
    tables: Tables,
}

/// A value with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The value.
    pub value: f64,
    /// Its interval.
    pub ci: Option<(f64, f64)>,
    /// The adjusted p-value, of differences.
    pub p_value: Option<f64>,
}

impl Told {
    /// `12.3 % (11.0 … 13.6)`, by unit.
    pub fn text(&self, unit: &str) -> String {
        self.with_interval(format::value(self.value, unit), unit)
    }

    /// The same of a difference, with its sign.
    pub fn signed(&self, unit: &str) -> String {
        self.with_interval(format::difference(self.value, unit), unit)
    }

    fn with_interval(&self, value: String, unit: &str) -> String {
        match self.ci {
            Some((low, high)) => format!("{value} ({})", format::interval(low, high, unit)),
            None => value,
        }
    }

    /// Whether the interval excludes 0.
    pub fn is_shown(&self) -> bool {
        self.ci.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }

    /// As a finding, without its sentence.
    pub fn finding(&self, id: String, unit: &str) -> Finding {
        Finding::new(id, unit, Some(self.value), self.ci).tested(self.p_value)
    }
}

/// The name of a part: `measure.group`.
fn name(measure: &Measure, group: &str) -> String {
    format!("{}.{group}", measure.name)
}

impl<'a> Grouped<'a> {
    /// Analyses the parts of every arm of the evidence, in its order.
    pub fn new(evidence: &'a Evidence<'a>, parts: Vec<Vec<Part>>) -> Self {
        let measured = |part: Part| {
            let sample = part.sample.sorted().clustered(|agent| evidence.population.witness(agent));
            Measured { name: name(part.measure, &part.group), ..part.measure.of(sample) }
        };
        let single = |(arm, parts): (&super::ArmEvidence, Vec<Part>)| {
            ArmResult::single(&arm.name, parts.into_iter().map(measured).collect())
        };
        let arms: Vec<ArmResult> = evidence.arms.iter().zip(parts).map(single).collect();
        let tables = analyse(&arms, evidence.statistics, &evidence.streams);
        Grouped { evidence, arms, tables }
    }

    /// A value of a group in an arm; `None` where nobody has one.
    pub fn value(&self, arm: &str, measure: &Measure, group: &str) -> Option<Told> {
        let row = self.metric(arm, &name(measure, group))?;
        Some(Told { value: row.mean?, ci: row.ci_low.zip(row.ci_high), p_value: None })
    }

    /// What an arm is above the baseline in a group, paired by person.
    pub fn against_baseline(&self, arm: &str, measure: &Measure, group: &str) -> Option<Told> {
        let row = self.comparison(arm, &name(measure, group))?;
        Some(Told { value: row.diff?, ci: row.ci_low.zip(row.ci_high), p_value: row.p_adjusted })
    }

    /// What an arm is above another in a group, paired by person.
    pub fn against(&self, (arm, other): (&str, &str), measure: &Measure, group: &str) -> Option<Told> {
        let (own, others) = (self.sample(arm, measure, group)?, self.sample(other, measure, group)?);
        let (statistics, streams) = (self.evidence.statistics, &self.evidence.streams);
        let found = contrast(&[(1.0, own), (-1.0, others)], statistics, streams)?;
        Some(Told { value: found.value, ci: found.ci, p_value: found.p_value })
    }

    /// What one group is above another in an arm. People of different groups are different people: they are resampled
    /// together, not paired.
    pub fn gap(&self, arm: &str, measure: &Measure, (group, less): (&str, &str)) -> Option<Told> {
        let (high, low) = (self.sample(arm, measure, group)?, self.sample(arm, measure, less)?);
        let n_agents = self.evidence.population.len();
        let mut table = Table::new(n_agents);
        let mut ratio = |sample: &Sample| {
            let agents: Vec<u32> = sample.agents.iter().map(|agent| agent.0).collect();
            let column = table.by_unit(&agents, sample.numerators.iter().copied());
            let numerator = table.add(column);
            let column = table.by_unit(&agents, (0..sample.len()).map(|at| sample.denominator(at)));
            (numerator, table.add(column))
        };
        let quantity = Quantity::Difference { baseline: ratio(low), arm: ratio(high) };
        let statistics = self.evidence.statistics;
        let replicates = table.resample(statistics.n_bootstrap as usize, &self.evidence.streams);
        let value = Some(replicates.value(quantity)).filter(|value| value.is_finite())?;
        let ci = replicates.interval(quantity, statistics.confidence, statistics.method);
        Some(Told { value, ci, p_value: None })
    }

    fn sample(&self, arm: &str, measure: &Measure, group: &str) -> Option<&Sample> {
        let (arm, wanted) = (self.arms.iter().find(|result| result.arm == arm)?, name(measure, group));
        let measured = arm.rounds.values().flatten().find(|measured| measured.name == wanted)?;
        measured.sample.as_ref().filter(|sample| !sample.is_empty())
    }

    fn metric(&self, arm: &str, name: &str) -> Option<&MetricsRow> {
        self.tables.metrics.iter().find(|row| row.arm == arm && row.metric == name)
    }

    fn comparison(&self, arm: &str, name: &str) -> Option<&ComparisonRow> {
        self.tables.comparisons.iter().find(|row| row.arm == arm && row.metric == name)
    }

    /// Every value, with what it is above the baseline.
    pub fn table(&self, title: &str, help: &str) -> StudyTable {
        let columns = [
            ("arm", "text"),
            ("measure", "text"),
            ("group", "text"),
            ("unit", "text"),
            ("n", ""),
            ("value", ""),
            ("ci_low", ""),
            ("ci_high", ""),
            ("against_baseline", ""),
            ("against_ci_low", ""),
            ("against_ci_high", ""),
            ("p_adjusted", ""),
        ];
        let mut table = StudyTable::new("groups", title, help, &columns);
        for row in self.tables.metrics.iter().filter(|row| row.mean.is_some()) {
            let (measure, group) = row.metric.split_once('.').unwrap_or((&row.metric, ""));
            let mut cells: Vec<Cell> = vec![row.arm.as_str().into(), measure.into(), group.into()];
            cells.extend([Cell::from(row.unit.as_str()), (row.n as f64).into()]);
            cells.extend([row.mean, row.ci_low, row.ci_high].map(Cell::from));
            let pair = self.comparison(&row.arm, &row.metric);
            let of_pair = |value: fn(&ComparisonRow) -> Option<f64>| Cell::from(pair.and_then(value));
            cells.extend([of_pair(|pair| pair.diff), of_pair(|pair| pair.ci_low)]);
            cells.extend([of_pair(|pair| pair.ci_high), of_pair(|pair| pair.p_adjusted)]);
            table.push(cells);
        }
        table
    }

    /// A measure in these groups, a row an arm: (group, its heading).
    pub fn chart(&self, (title, help): (&str, &str), measure: &Measure, groups: &[(&str, String)]) -> Chart {
        let rows = groups.iter().flat_map(|(group, heading)| {
            self.evidence.arms.iter().filter_map(move |arm| {
                let told = self.value(&arm.name, measure, group)?;
                let (low, high) = told.ci.unzip();
                Some(IntervalRow {
                    group: heading.clone(),
                    label: arm.name.clone(),
                    arm: Some(arm.name.clone()),
                    value: told.value,
                    low,
                    high,
                    is_open: false,
                })
            })
        });
        let reference = (measure.unit == "ratio").then_some(0.0);
        Chart {
            name: measure.name.to_owned(),
            title: title.to_owned(),
            help: help.to_owned(),
            data: ChartData::Intervals { x: Axis::new(title, measure.unit), reference, rows: rows.collect() },
        }
    }
}

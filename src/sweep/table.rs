//! The metrics of all cells in one table, and their means over seeds. Must not know what settings mean.

use super::SweepError;
use super::grid::{Cell, Plan, unquoted};
use crate::metric::tables::MetricsRow;
use crate::report::Report;
use crate::stats::summary;
use serde::Serialize;
use std::path::Path;

/// The metrics of every cell that is finished.
pub struct Table<'a> {
    plan: &'a Plan,
    rows: Vec<Row>,
}

struct Row {
    values: Vec<String>,
    seed: u64,
    metric: MetricsRow,
}

/// A metric of an arm and round at one combination of settings, over seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Mean {
    /// The value of each setting, in the order of the plan.
    pub values: Vec<String>,
    /// The arm.
    pub arm: String,
    /// Feedback round, from 0.
    pub round: u32,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Seeds with a value.
    pub n_seeds: usize,
    /// Their mean.
    pub mean: f64,
    /// Its standard error, from seed to seed; `None` of a single seed.
    pub std_error: Option<f64>,
    /// The least and the greatest of them.
    pub range: (f64, f64),
    /// The interval within the run, where there is only one.
    pub within: Option<(f64, f64)>,
}

impl<'a> Table<'a> {
    /// Of no cell yet.
    pub fn new(plan: &'a Plan) -> Self {
        Table { plan, rows: Vec::new() }
    }

    /// Takes in the metrics of a run folder whose names up to any `@` are among these; all, where there are none.
    pub fn add(&mut self, cell: &Cell, run_dir: &Path, metrics: &[String]) -> Result<(), SweepError> {
        let report = Report::read_tables(run_dir)?;
        let is_wanted = |row: &MetricsRow| {
            let stem = row.metric.split('@').next().unwrap_or_default();
            metrics.is_empty() || metrics.iter().any(|name| *name == row.metric || name == stem)
        };
        let values: Vec<String> = cell.values.iter().map(|value| unquoted(value).to_owned()).collect();
        let seed = report.manifest.seed;
        let wanted = report.metrics.into_iter().filter(is_wanted);
        self.rows.extend(wanted.map(|metric| Row { values: values.clone(), seed, metric }));
        Ok(())
    }

    /// `sweep.csv`: a row a cell, arm, round and metric.
    pub fn csv(&self) -> Vec<u8> {
        let mut header = self.plan.short_names();
        let fixed = ["seed", "arm", "round", "metric", "n", "mean", "std_error", "ci_low", "ci_high", "unit"];
        header.extend(fixed.map(str::to_owned));
        let row = |row: &Row| {
            let MetricsRow { arm, round, metric, n, mean, std_error, ci_low, ci_high, unit } =
                row.metric.clone();
            (row.values.clone(), row.seed, arm, round, metric, n, mean, [std_error, ci_low, ci_high], unit)
        };
        csv(&header, self.rows.iter().map(row))
    }

    /// Means over seeds, in the order in which the combinations, arms, rounds and metrics first come.
    pub fn means(&self) -> Vec<Mean> {
        let key = |row: &Row| {
            (row.values.clone(), row.metric.arm.clone(), row.metric.round, row.metric.metric.clone())
        };
        let mut place: std::collections::BTreeMap<_, usize> = std::collections::BTreeMap::new();
        let mut gathered: Vec<Vec<&Row>> = Vec::new();
        for row in self.rows.iter().filter(|row| row.metric.mean.is_some()) {
            let at = *place.entry(key(row)).or_insert(gathered.len());
            if at == gathered.len() {
                gathered.push(Vec::new());
            }
            gathered[at].push(row);
        }
        gathered.iter().map(|rows| mean(rows)).collect()
    }

    /// `sweep_means.csv`: a row a combination, arm, round and metric.
    pub fn means_csv(&self, means: &[Mean]) -> Vec<u8> {
        let mut header = self.plan.short_names();
        let fixed = ["arm", "round", "metric", "n_seeds", "mean", "std_error", "min", "max", "unit"];
        header.extend(fixed.map(str::to_owned));
        let row = |mean: &Mean| {
            let Mean { values, arm, round, metric, unit, n_seeds, mean, std_error, range, .. } = mean.clone();
            (values, arm, round, metric, n_seeds, mean, std_error, [range.0, range.1], unit)
        };
        csv(&header, means.iter().map(row))
    }
}

fn mean(rows: &[&Row]) -> Mean {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.metric.mean).collect();
    let first = &rows[0].metric;
    Mean {
        values: rows[0].values.clone(),
        arm: first.arm.clone(),
        round: first.round,
        metric: first.metric.clone(),
        unit: first.unit.clone(),
        n_seeds: values.len(),
        mean: values.iter().sum::<f64>() / values.len() as f64,
        std_error: if values.len() > 1 { summary::std_error(&values) } else { None },
        range: values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v))),
        within: if values.len() == 1 { first.ci_low.zip(first.ci_high) } else { None },
    }
}

/// Rows as the tables of a run folder are written: floats in their shortest form that reads back to the same bits, and
/// nothing where there is none.
fn csv<T: Serialize>(header: &[String], rows: impl Iterator<Item = T>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let whole = "a write to memory with a fixed number of cells";
    writer.write_record(header).expect(whole);
    rows.for_each(|row| writer.serialize(row).expect(whole));
    writer.into_inner().expect(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: &str, seed: u64, arm: &str, mean: Option<f64>) -> Row {
        let metric = MetricsRow {
            arm: arm.into(),
            round: 0,
            metric: "s_sat".into(),
            n: 10,
            mean,
            std_error: Some(0.5),
            ci_low: Some(1.0),
            ci_high: Some(9.0),
            unit: "score".into(),
        };
        Row { values: vec![value.into()], seed, metric }
    }

    #[test]
    fn means_are_over_seeds_with_the_error_between_them() {
        let plan = Plan::parse(&["arms.mf.epochs=1,2".into()], &["1,2,3".into()]).expect("a plan");
        let rows = vec![
            row("2", 1, "mf", Some(4.0)),
            row("2", 2, "mf", Some(6.0)),
            row("2", 3, "mf", Some(8.0)),
            row("1", 1, "mf", Some(3.0)),
            row("1", 2, "mf", None),
            row("2", 1, "als", None),
        ];
        let table = Table { plan: &plan, rows };
        let means = table.means();
        assert_eq!(means.len(), 2);
        assert_eq!((means[0].mean, means[0].n_seeds, means[0].range), (6.0, 3, (4.0, 8.0)));
        // The deviation is 2, over three seeds.
        let error = means[0].std_error.expect("three seeds");
        assert!((error - 2.0 / 3f64.sqrt()).abs() < 1e-12, "{error}");
        assert_eq!((means[0].within, means[1].within, means[1].std_error), (None, Some((1.0, 9.0)), None));
        let text = String::from_utf8(table.csv()).expect("UTF-8");
        assert!(text.starts_with("epochs,seed,arm,round,metric,n,mean,std_error,ci_low,ci_high,unit\n2,1,mf,0,s_sat,10,4.0,0.5,1.0,9.0,score\n"), "{text}");
        let text = String::from_utf8(table.means_csv(&means)).expect("UTF-8");
        assert!(text.contains("\n1,mf,0,s_sat,1,3.0,,3.0,3.0,score\n"), "{text}");
    }
}

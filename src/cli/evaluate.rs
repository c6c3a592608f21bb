//! `windtunnel evaluate`: offline ranking accuracy of a scenario's arms.

use super::{CliError, Listener, base_dir, print};
use crate::experiment::evaluate;
use crate::metric::analyse::Tables;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: super::run::ScenarioArguments,
    /// Where to write the tables; `reports/NAME-evaluation` of the scenario when not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Evaluates the scenario.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let scenario = arguments.common.load()?;
    let out = arguments.out.clone().unwrap_or_else(|| arguments.common.folder(&scenario, "-evaluation"));
    let base_dir = base_dir()?;
    let options = arguments.common.options(&out, &base_dir, progress);
    let tables = evaluate::run(&scenario, &options).map_err(CliError::of_run)?;
    print(&format!("{}\ntables: {}\n", self::tables(&tables), out.display()))
}

/// A table of the values over all items, and one a group of items where they were asked for.
fn tables(tables: &Tables) -> String {
    let group = |metric: &str| metric.split_once('.').map(|(_, group)| group.to_owned());
    let mut groups: Vec<Option<String>> = Vec::new();
    for row in &tables.metrics {
        if !groups.contains(&group(&row.metric)) {
            groups.push(group(&row.metric));
        }
    }
    let of = |wanted: &Option<String>| {
        let rows = tables.metrics.iter().filter(|row| group(&row.metric) == *wanted).cloned();
        let title = wanted.as_ref().map_or(String::new(), |group| format!("\n{group} items\n"));
        title + &table(&Tables { metrics: rows.collect(), comparisons: Vec::new() })
    };
    groups.iter().map(of).collect::<Vec<_>>().join("\n")
}

/// Arms down, metrics across.
fn table(tables: &Tables) -> String {
    let mut arms: Vec<&str> = Vec::new();
    let mut metrics: Vec<&str> = Vec::new();
    for row in &tables.metrics {
        if !arms.contains(&row.arm.as_str()) {
            arms.push(&row.arm);
        }
        if !metrics.contains(&row.metric.as_str()) {
            metrics.push(&row.metric);
        }
    }
    let width = arms.iter().map(|arm| arm.len()).max().unwrap_or(0).max(4);
    let mut text = format!("{:width$}", "arm");
    let stem = |metric: &str| metric.split('.').next().unwrap_or_default().to_owned();
    metrics.iter().for_each(|metric| text.push_str(&format!("  {:>12}", stem(metric))));
    for arm in arms {
        text.push_str(&format!("\n{arm:width$}"));
        for metric in &metrics {
            let row = tables.metrics.iter().find(|row| row.arm == arm && row.metric == *metric);
            let mean = row.and_then(|row| row.mean).map_or("–".to_owned(), |mean| format!("{mean:.4}"));
            text.push_str(&format!("  {mean:>12}"));
        }
    }
    text
}

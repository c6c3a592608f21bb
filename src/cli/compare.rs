//! `windtunnel compare`: arms of two run folders against each other.

use super::{CliError, aligned, print};
use crate::experiment::compare::{self, CompareError, Question, Side};
use crate::experiment::readback;
use crate::files;
use crate::report::format;
use crate::study::{Cell, Told};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The first run folder, A
    #[arg(value_name = "DIR_A")]
    a: PathBuf,
    /// The second run folder, B
    #[arg(value_name = "DIR_B")]
    b: PathBuf,
    /// What is compared with, e.g. A:mf; otherwise arms of the same name are compared, or B's arms with A's baseline
    #[arg(long, value_name = "RUN:ARM")]
    baseline: Option<Side>,
    /// What is compared, e.g. B:mf
    #[arg(long, value_name = "RUN:ARM")]
    arm: Option<Side>,
    /// By which metric, e.g. p_view; again for more. The headline metrics when not given
    #[arg(long = "metric", value_name = "NAME")]
    metrics: Vec<String>,
    /// Which round, from 0; the last when not given
    #[arg(long, value_name = "N")]
    round: Option<u32>,
    /// A folder to write comparison.csv and comparison.json into
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Compares.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    let question = Question {
        baseline: arguments.baseline.clone(),
        arm: arguments.arm.clone(),
        metrics: arguments.metrics.clone(),
        round: arguments.round,
    };
    let told = compare::run(&arguments.a, &arguments.b, &question).map_err(of_compare)?;
    if let Some(out) = &arguments.out {
        let write = |name: &str, bytes: &[u8]| files::write_whole(&out.join(name), bytes);
        std::fs::create_dir_all(out).map_err(CliError::failed)?;
        for table in &told.tables {
            write(&format!("{}.csv", table.name), &readback::csv(table)).map_err(CliError::failed)?;
        }
        let json = serde_json::to_string_pretty(&told).map_err(CliError::failed)?;
        write("comparison.json", format!("{json}\n").as_bytes()).map_err(CliError::failed)?;
    }
    print(&text(&told))
}

/// Whatever keeps two runs from being compared is in what was given.
fn of_compare(error: CompareError) -> CliError {
    CliError::bad_input(error)
}

fn text(told: &Told) -> String {
    let mut text = String::new();
    for table in &told.tables {
        let mut rows = vec![table.columns.iter().map(|column| column.name.replace('_', " ")).collect()];
        let cell = |cell: &Cell| match cell {
            Cell::Number(value) => format::number(*value),
            Cell::Text(text) => text.clone(),
            Cell::Missing(()) => String::new(),
        };
        rows.extend(table.rows.iter().map(|row| {
            let shown = row.iter().zip(&table.columns).map(|(value, column)| match value {
                Cell::Number(value) if column.name.starts_with("p_") => format::p_value(*value),
                Cell::Number(value) if column.unit == "count" => format::count(value.max(0.0) as u64),
                other => cell(other),
            });
            shown.collect::<Vec<String>>()
        }));
        text.push_str(&aligned(&rows, table.n_text()));
    }
    text.push_str(&format!("\n{}\n", told.answer));
    told.warnings.iter().for_each(|warning| text.push_str(&format!("{warning}\n")));
    text
}

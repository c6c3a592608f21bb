//! `windtunnel estimate`: calls, tokens, money and time of a run with a language model, before anything
//! is spent.

use super::run::ScenarioArguments;
use super::{CliError, Listener, base_dir, print};
use crate::experiment::estimate::{self, Asker, Estimate, Estimates};
use crate::report::format;
use clap::Args;
use std::fmt::Write;
use std::path::Path;

/// Arguments of `estimate`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: ScenarioArguments,
    /// How long a call to a server is taken to last
    #[arg(long, value_name = "MS", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1..=600_000))]
    latency_ms: u32,
}

/// Estimates the scenario.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let scenario = arguments.common.load()?;
    let base_dir = base_dir()?;
    let options = arguments.common.options(Path::new(""), &base_dir, progress);
    let found = estimate::run(&scenario, arguments.latency_ms, &options).map_err(CliError::of_run)?;
    print(&told(&found))
}

fn told(found: &Estimates) -> String {
    let decisions = match found.agents_ask {
        true => "the choice model fitted to recorded agents",
        false => "the scenario's own behaviour",
    };
    let mut text = format!(
        "{} agents, of whom {} rehearsed: real prompts, decisions of {decisions}\n\n",
        found.n_agents, found.n_rehearsed
    );
    let header = [
        "arm",
        "who asks",
        "model",
        "calls",
        "tokens read",
        "of them prefix",
        "tokens written",
        "US$",
        "time",
    ];
    let mut rows: Vec<[String; 9]> = vec![header.map(str::to_owned)];
    rows.extend(found.rows.iter().map(row));
    let total = |of: fn(&Estimate) -> f64| found.rows.iter().map(of).sum::<f64>();
    rows.push([
        "in all".to_owned(),
        String::new(),
        String::new(),
        count(total(|e| e.n_calls)),
        count(total(|e| e.prompt_tokens)),
        share(total(|e| e.prefix_tokens), total(|e| e.prompt_tokens)),
        count(total(|e| e.completion_tokens)),
        money(total(|e| e.usd_least), total(|e| e.usd_most)),
        format::seconds(total(|e| e.seconds)),
    ]);
    let width = |k: usize| rows.iter().map(|row| row[k].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    for row in &rows {
        let cell = |(k, cell): (usize, &String)| match k {
            0..=2 => format!("{cell:<width$}", width = widths[k]),
            _ => format!("{cell:>width$}", width = widths[k]),
        };
        let line: Vec<String> = row.iter().enumerate().map(cell).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    let mut paces: Vec<String> = found.rows.iter().map(|e| format!("{}: {}", e.model, e.pace)).collect();
    paces.sort();
    paces.dedup();
    let _ = writeln!(text, "\ntime: {}", paces.join("; "));
    text
}

fn row(estimate: &Estimate) -> [String; 9] {
    let asker = match estimate.asker {
        Asker::Agents => "agents",
        Asker::Recommender => "recommender",
    };
    [
        estimate.arm.clone(),
        asker.to_owned(),
        estimate.model.clone(),
        count(estimate.n_calls),
        count(estimate.prompt_tokens),
        share(estimate.prefix_tokens, estimate.prompt_tokens),
        count(estimate.completion_tokens),
        money(estimate.usd_least, estimate.usd_most),
        format::seconds(estimate.seconds),
    ]
}

fn count(value: f64) -> String {
    format::count(value.round() as u64)
}

fn share(part: f64, whole: f64) -> String {
    format::percent(part / whole.max(1.0))
}

/// From every prefix cached to none.
fn money(least: f64, most: f64) -> String {
    match format::fixed(least, 2) == format::fixed(most, 2) {
        true => format::fixed(most, 2),
        false => format!("{} to {}", format::fixed(least, 2), format::fixed(most, 2)),
    }
}

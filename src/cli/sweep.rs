//! `windtunnel sweep`: a scenario for every cell of a grid of settings, into one table and one page.

use super::run::ScenarioArguments;
use super::{CliError, Listener, base_dir, print};
use crate::metric::{ALL, measure};
use crate::scenario::params::Complaint;
use crate::sweep::grid::Plan;
use crate::sweep::{self, Done, SweepOptions};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `sweep`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: ScenarioArguments,
    /// A setting and its values, e.g. --grid arms.mf.embedding_size=16,32,64; several are crossed
    #[arg(long, value_name = "KEY=VALUE,VALUE")]
    grid: Vec<String>,
    /// Seeds that every cell is run with; the scenario's own when not given
    #[arg(long, value_name = "SEED,SEED")]
    seeds: Vec<String>,
    /// Metrics that go into the tables and plots, e.g. s_sat,p_view; all into the tables and the headline ones into the
    /// plots when not given
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    metrics: Vec<String>,
    /// Where to write cells, tables and page
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the sweep; fails where a cell failed.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let plan = Plan::parse(&arguments.grid, &arguments.seeds).map_err(CliError::bad_input)?;
    for name in &arguments.metrics {
        if measure(name).is_none() {
            let known = ALL.iter().flat_map(|kind| kind.measures()).map(|measure| measure.name);
            return Err(CliError::bad_input(Complaint::unknown_name("--metrics", name, known)));
        }
    }
    let base_dir = base_dir()?;
    let run = arguments.common.options(&arguments.out, &base_dir, progress);
    let options = SweepOptions {
        scenario: arguments.common.path(),
        overrides: arguments.common.overrides(),
        plan: &plan,
        metrics: &arguments.metrics,
        out: &arguments.out,
        base_dir: &base_dir,
        force: run.replaces(),
        checkpoints: run.checkpoints,
        tape: run.tape,
        progress,
    };
    let outcomes = sweep::run(&options).map_err(|error| match error.is_bad_input() {
        true => CliError::bad_input(error),
        false => CliError::failed(error),
    })?;
    let n = |is: fn(&Done) -> bool| outcomes.iter().filter(|(_, done)| is(done)).count();
    let (n_run, n_kept) = (n(|done| *done == Done::Run), n(|done| *done == Done::Kept));
    print(&format!(
        "{n_run} cells run, {n_kept} kept\ntables: {}\nreport: {}\n",
        arguments.out.join("sweep.csv").display(),
        arguments.out.join("sweep.html").display()
    ))?;
    let failed = outcomes.iter().filter_map(|(cell, done)| match done {
        Done::Failed(cause) => Some(format!("cell {cell}: {cause}")),
        _ => None,
    });
    let failed: Vec<String> = failed.collect();
    if failed.is_empty() { Ok(()) } else { Err(CliError::Failed(anyhow::anyhow!("{}", failed.join("\n")))) }
}

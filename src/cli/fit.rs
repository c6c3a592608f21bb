//! `windtunnel fit`: fits a scenario's arms and saves each model in a folder that `run` and
//! `evaluate` can load (`--set arms.NAME.model=DIR`).

use super::{CliError, Listener, base_dir, print};
use crate::experiment::fit;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `fit`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: super::run::ScenarioArguments,
    /// Where to write one model folder an arm
    #[arg(long, value_name = "DIR", default_value = "models")]
    out: PathBuf,
}

/// Fits and saves.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let scenario = arguments.common.load()?;
    let base_dir = base_dir()?;
    let options = arguments.common.options(&arguments.out, &base_dir, progress);
    let saved = fit::fit_and_save(&scenario, &options).map_err(CliError::of_run)?;
    print(&saved.iter().map(|dir| format!("{}\n", dir.display())).collect::<String>())
}

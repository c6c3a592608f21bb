//! `windtunnel merge`: the shards of a run into one run folder, as if one process had run it.

use super::{CliError, Listener, base_dir, print};
use crate::experiment::folder::Mode;
use crate::experiment::{RunOptions, shards};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `merge`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folders of all shards, in any order
    #[arg(required = true, value_name = "DIR")]
    shards: Vec<PathBuf>,
    /// Where to write the run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace what the folder already holds
    #[arg(long)]
    force: bool,
}

/// Puts the shards together.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let base_dir = base_dir()?;
    let mode = if arguments.force { Mode::Force } else { Mode::New };
    let options = RunOptions { mode, ..RunOptions::new(&arguments.out, &base_dir, progress) };
    shards::merge(&arguments.shards, &options).map_err(CliError::of_run)?;
    let summary = crate::report::summary(&arguments.out).map_err(CliError::failed)?;
    print(&format!("{summary}\nreport: {}\n", arguments.out.join("report.html").display()))
}

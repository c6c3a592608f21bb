//! `windtunnel agents build`: has a language model put everybody's taste into words, in a TOML file to
//! read, mend and use (`behavior.personas`).

use super::run::ScenarioArguments;
use super::{CliError, Listener, base_dir, print};
use crate::experiment::personas;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `agents`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the taste of everybody in a scenario from what they rated
    Build(Build),
}

#[derive(Debug, Args)]
struct Build {
    #[command(flatten)]
    common: ScenarioArguments,
    /// The file to write
    #[arg(long, value_name = "FILE.toml")]
    out: PathBuf,
}

/// Runs the command.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let Command::Build(build) = &arguments.command;
    let scenario = build.common.load()?;
    let base_dir = base_dir()?;
    let options = build.common.options(&build.out, &base_dir, progress);
    let found = personas::build(&scenario, &options).map_err(CliError::of_run)?;
    let mut text = format!("{} personas in {}\n", found.file.users.len(), build.out.display());
    for (user, cause) in &found.failures {
        text.push_str(&format!("user {user} has none: {cause}\n"));
    }
    print(&text)
}

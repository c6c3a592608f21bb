//! `windtunnel items build` and `windtunnel users build`: has a language model write short profiles of items or of
//! people, in a TOML file to read, mend and use (`[profiles]`).

use super::run::ScenarioArguments;
use super::{CliError, Listener, base_dir, print};
use crate::experiment::profiles::{self, What};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `items` and of `users`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a profile of each from what the scenario's data tell
    Build(Build),
}

#[derive(Debug, Args)]
struct Build {
    #[command(flatten)]
    common: ScenarioArguments,
    /// The file to write
    #[arg(long, value_name = "FILE.toml")]
    out: PathBuf,
    /// The model that writes, a name in llm.models; not needed where there is one
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

/// Runs the command.
pub fn run(what: What, arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let Command::Build(build) = &arguments.command;
    let scenario = build.common.load()?;
    let base_dir = base_dir()?;
    let options = build.common.options(&build.out, &base_dir, progress);
    let written = profiles::build(&scenario, what, build.model.as_deref(), &options);
    let written = written.map_err(CliError::of_run)?;
    let mut text = format!("{} profiles in {}\n", written.profiles.len(), build.out.display());
    let one = match what {
        What::Items => "item",
        What::Users => "user",
    };
    for (raw, cause) in &written.failures {
        text.push_str(&format!("{one} {raw} has none: {cause}\n"));
    }
    print(&text)
}

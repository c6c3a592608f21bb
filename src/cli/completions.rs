//! `windtunnel completions`: a script for the reader's shell.

use super::{Cli, CliError, print};
use clap::{Args, CommandFactory};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Prints the script.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "windtunnel", &mut script);
    print(&String::from_utf8_lossy(&script))
}

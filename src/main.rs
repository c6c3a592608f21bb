//! The `windtunnel` binary: parse, call, print the error chain. The only process exit.

use clap::Parser;
use std::process::ExitCode;
use windtunnel::cli::{Cli, execute};

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", error.told());
            ExitCode::from(error.exit_code())
        }
    }
}

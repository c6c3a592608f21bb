//! The `windtunnel` binary: parse, call, print the error chain. The only process exit.

use clap::Parser;
use std::process::ExitCode;
use windtunnel::cli::{Cli, execute};

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.line().lines() {
                eprintln!("error: {line}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

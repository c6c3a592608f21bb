//! `windtunnel report`: plots and page again, from the run folder alone.

use super::{CliError, print};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder
    dir: PathBuf,
}

/// Rebuilds the report.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    if !arguments.dir.join("manifest.json").is_file() {
        let dir = arguments.dir.display();
        return Err(CliError::BadInput(anyhow::anyhow!(
            "{dir} is not a finished run: it has no manifest.json"
        )));
    }
    crate::report::write(&arguments.dir).map_err(CliError::failed)?;
    let summary = crate::report::summary(&arguments.dir).map_err(CliError::failed)?;
    print(&format!("{summary}\nreport: {}\n", arguments.dir.join("report.html").display()))
}

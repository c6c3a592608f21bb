//! `windtunnel run`: a scenario into a run folder, and its verdict on the terminal.

use super::{CliError, Listener, base_dir, print};
use crate::experiment::folder::Mode;
use crate::experiment::identity::Shard;
use crate::experiment::{self, RunOptions};
use crate::scenario::Scenario;
use clap::Args;
use std::path::{Path, PathBuf};

/// What every command on a scenario takes.
#[derive(Debug, Args)]
pub struct ScenarioArguments {
    /// The scenario, a TOML file
    scenario: PathBuf,
    /// Change a value of the scenario, e.g. --set arms.mf.epochs=20
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Replace what the folder already holds
    #[arg(long)]
    force: bool,
    /// Where training leaves checkpoints, and goes on from those of a run that was killed
    #[arg(long, value_name = "DIR")]
    checkpoints: Option<PathBuf>,
    /// Where fitted models are kept and found, by what decides them; several processes may share it. Only models that
    /// learn from interactions alone are kept
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// What is taken from the tape of the language models' replies: `auto` asks for what is missing, `replay`
    /// never asks, `record` asks everything again
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = ["auto", "replay", "record"])]
    tape: String,
}

impl ScenarioArguments {
    /// Reads and checks the scenario.
    pub fn load(&self) -> Result<Scenario, CliError> {
        Scenario::load(&self.scenario, &self.overrides).map_err(CliError::bad_input)
    }

    /// The scenario file.
    pub fn path(&self) -> &Path {
        &self.scenario
    }

    /// What is changed in it.
    pub fn overrides(&self) -> &[String] {
        &self.overrides
    }

    /// How the work is carried out.
    pub fn options<'a>(
        &'a self,
        out: &'a Path,
        base_dir: &'a Path,
        progress: Listener<'a>,
    ) -> RunOptions<'a> {
        RunOptions {
            out,
            base_dir,
            mode: if self.force { Mode::Force } else { Mode::New },
            checkpoints: self.checkpoints.as_deref(),
            tape: self.tape.parse().unwrap_or_default(),
            models: self.models.as_deref(),
            shard: None,
            progress,
        }
    }

    /// The folder under `reports/` when none is given: the scenario's name, made safe, and a suffix.
    pub fn folder(&self, scenario: &Scenario, suffix: &str) -> PathBuf {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '-' };
        let name: String = scenario.file.name.chars().map(safe).collect();
        PathBuf::from("reports").join(format!("{name}{suffix}"))
    }
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: ScenarioArguments,
    /// Where to write the run; `reports/NAME` of the scenario when not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run that the folder holds, if it is this one; an empty folder is begun
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Simulate only one of several slices of the agents, e.g. 3/16: `merge` puts all of them together
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
}

/// Runs the scenario.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let scenario = arguments.common.load()?;
    let out = arguments.out.clone().unwrap_or_else(|| arguments.common.folder(&scenario, ""));
    let base_dir = base_dir()?;
    let mut options = arguments.common.options(&out, &base_dir, progress);
    if arguments.resume {
        options.mode = Mode::Resume;
    }
    options.shard = arguments.shard;
    experiment::run(&scenario, &options).map_err(CliError::of_run)?;
    if let Some(shard) = arguments.shard {
        return print(&format!("shard {shard}: {}\n", out.display()));
    }
    let summary = crate::report::summary(&out).map_err(CliError::failed)?;
    print(&format!("{summary}\nreport: {}\n", out.join("report.html").display()))
}

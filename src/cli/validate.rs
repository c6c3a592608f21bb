//! `windtunnel validate`: how far a scenario's agents can be trusted, beside what others
//! recorded and before sanity gates.

use super::{CliError, Listener, base_dir, print};
use crate::agent::halves::{DEAL, Half};
use crate::experiment;
use crate::validate::{self, ValidateError, ValidateOptions, terminal};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: super::run::ScenarioArguments,
    /// What to hold the agents against: a file of recorded sessions, a folder of such files
    /// (sessions_*.jsonl) or a run folder; without it only the gates are run
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Compare one half of the reference's people only
    #[arg(long, value_enum, default_value_t = Half::Both, requires = "against")]
    half: Half,
    /// Which deal of the people into halves, as in the fit
    #[arg(long, value_name = "N", default_value_t = DEAL, requires = "against")]
    deal: u64,
    /// How often every person of the reference is simulated
    #[arg(long, value_name = "N", default_value_t = 20, requires = "against",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    replicates: u32,
    /// The arm to simulate; otherwise the one whose pages are most like the reference's
    #[arg(long, value_name = "NAME", requires = "against")]
    arm: Option<String>,
    /// Leave the taste test out
    #[arg(long, requires = "against")]
    skip_taste_test: bool,
    /// Leave the sanity gates out
    #[arg(long, requires = "against")]
    skip_gates: bool,
    /// End with exit code 1 when a check fails
    #[arg(long)]
    gate: bool,
    /// Where to write the report; `reports/NAME-validation` of the scenario when not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Validates the scenario.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let mut scenario = arguments.common.load()?;
    let out = arguments.out.clone().unwrap_or_else(|| arguments.common.folder(&scenario, "-validation"));
    let base_dir = base_dir()?;
    let common = arguments.common.options(&out, &base_dir, progress);
    let llm = experiment::client(&scenario, &common);
    let options = ValidateOptions {
        against: arguments.against.as_deref(),
        half: arguments.half,
        deal: arguments.deal,
        n_repetitions: arguments.replicates as usize,
        arm: arguments.arm.as_deref(),
        taste_test: arguments.against.is_some() && !arguments.skip_taste_test,
        gates: !arguments.skip_gates,
        base_dir: &base_dir,
        checkpoints: common.checkpoints,
        llm: llm.clone(),
        progress,
    };
    let found = validate::run(&mut scenario, &options);
    llm.close();
    let found = found.map_err(of_validate)?;
    found.write(&scenario, &out, common.mode).map_err(of_validate)?;
    print(&format!("{}\nreport: {}\n", terminal::table(&found), out.join("validation.html").display()))?;
    match found.tally() {
        (_, n_failed @ 1..) if arguments.gate => {
            Err(CliError::failed(anyhow::anyhow!("{n_failed} of the checks failed")))
        }
        _ => Ok(()),
    }
}

fn of_validate(error: ValidateError) -> CliError {
    if error.is_bad_input() { CliError::bad_input(error) } else { CliError::failed(error) }
}

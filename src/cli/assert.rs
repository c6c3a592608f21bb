//! `windtunnel assert`: holds what a run found against assertions, for whoever tests a recommender of their own.

use super::{CliError, print};
use crate::report::card::{Card, FILE_NAME, assertion};
use crate::report::visible::clipped;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `assert`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder
    dir: PathBuf,
    /// What must hold, e.g. 'arms.new.s_sat > arms.old.s_sat' or 'compare.new.p_view.ci_low > -0.01'
    #[arg(required = true, value_name = "ASSERTION")]
    assertions: Vec<String>,
}

/// Characters of an assertion that an error repeats.
const TOLD_CHARS_MAX: usize = 200;

/// Holds each assertion against the run; fails where one does not hold.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    let dir = &arguments.dir;
    if !dir.join(FILE_NAME).is_file() {
        let dir = dir.display();
        return Err(CliError::BadInput(anyhow::anyhow!(
            "{dir} has no {FILE_NAME}: it is not a finished run, or an old one, which `windtunnel report {dir}` completes"
        )));
    }
    let card = Card::read(dir).map_err(CliError::bad_input)?;
    let outcomes = arguments.assertions.iter().map(|text| (text, assertion::check(text, &card)));
    let outcomes: Vec<_> = outcomes.collect();
    let mut lines = String::new();
    for (text, outcome) in &outcomes {
        lines += &match outcome {
            Ok(outcome) if outcome.holds => format!("pass  {text}  ({})\n", outcome.told()),
            Ok(outcome) => format!("FAIL  {text}  ({})\n", outcome.told()),
            Err(_) => format!("?     {text}\n"),
        };
    }
    print(&lines)?;
    let wrong: Vec<String> = outcomes
        .iter()
        .filter_map(|(text, outcome)| {
            outcome.as_ref().err().map(|error| format!("{:?}: {error}", clipped(text, TOLD_CHARS_MAX)))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(CliError::BadInput(anyhow::anyhow!("{}", wrong.join("\n"))));
    }
    let n_failed = outcomes.iter().filter(|(_, outcome)| outcome.as_ref().is_ok_and(|o| !o.holds)).count();
    match n_failed {
        0 => Ok(()),
        n => Err(CliError::Failed(anyhow::anyhow!("{n} of {} assertions do not hold", outcomes.len()))),
    }
}

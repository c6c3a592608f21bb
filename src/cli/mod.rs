//! The command line: one file a subcommand, each a thin caller of the library.
//!
//! Results go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 the run
//! failed, 2 bad usage or bad input, 130 stopped by Ctrl-C or a polite kill.

mod agents;
mod assert;
mod calibrate;
mod compare;
mod completions;
mod data;
mod encode;
mod estimate;
mod evaluate;
mod fit;
mod list;
mod man;
mod merge;
mod off_policy;
mod plan;
mod profiles;
mod progress;
mod report;
mod run;
mod schema;
mod show;
mod signals;
mod sweep;
mod tape;
mod validate;

use crate::experiment::RunError;
use crate::experiment::profiles::What;
use crate::progress::Progress;
use crate::report::visible::visible_lines;
use crate::stop::{Stop, is_stopped};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A wind tunnel for recommender systems.
#[derive(Debug, Parser)]
#[command(name = "windtunnel", version, about, long_about = None, max_term_width = 100)]
pub struct Cli {
    /// Threads to use; otherwise RAYON_NUM_THREADS, otherwise all cores. Results never depend on it.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// No progress on stderr.
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario into a folder: events, tables, plots and a report
    Run(run::Arguments),
    /// Put the shards of a run together, as if one process had run it
    Merge(merge::Arguments),
    /// Run a scenario for every cell of a grid of settings, into one table
    Sweep(sweep::Arguments),
    /// Say how many agents a difference takes, from a simulated pilot
    Plan(plan::Arguments),
    /// Compare arms of two run folders, where they are of one experiment
    Compare(compare::Arguments),
    /// Measure the arms' offline ranking accuracy against held-out interactions
    Evaluate(evaluate::Arguments),
    /// Say what a run with a language model would take, before anything is spent
    Estimate(estimate::Arguments),
    /// Have a language model put people's taste into words
    Agents(agents::Arguments),
    /// Write the vectors that an encoder makes of text into a file
    Encode(encode::Arguments),
    /// Have a language model write a short profile of every item
    Items(profiles::Arguments),
    /// Have a language model write a short profile of everybody, from training interactions
    Users(profiles::Arguments),
    /// Fit the arms and save their models
    Fit(fit::Arguments),
    /// Fit the agents' choice model to recorded sessions and ratings
    Calibrate(calibrate::Arguments),
    /// Hold the agents against recorded sessions and sanity gates
    Validate(validate::Arguments),
    /// Rebuild plots and report from a run folder
    Report(report::Arguments),
    /// Hold what a run found against assertions, for tests of a recommender
    Assert(assert::Arguments),
    /// Print one session of a run as a conversation
    Show(show::Arguments),
    /// List what a scenario can name
    List(list::Arguments),
    /// Look at or fetch a dataset
    Data(data::Arguments),
    /// Estimate one policy's value from another's log (Open Bandit Dataset), beside what it earned
    OffPolicy(off_policy::Arguments),
    /// Look into, copy or compact a tape of a language model's replies
    Tape(tape::Arguments),
    /// Print the JSON Schema of the scenario file
    Schema,
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print the manual page, or write one a command into a folder
    Man(man::Arguments),
}

/// Why a command did not succeed, and with it the exit code.
#[derive(Debug)]
pub enum CliError {
    /// The command or its input is wrong: exit code 2.
    BadInput(anyhow::Error),
    /// The work failed: exit code 1.
    Failed(anyhow::Error),
    /// The work was asked to stop and did: exit code 130. How to go on, and what else went wrong on the way.
    Stopped(&'static str, Option<anyhow::Error>),
}

impl CliError {
    fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        CliError::BadInput(error.into())
    }

    fn failed(error: impl Into<anyhow::Error>) -> Self {
        CliError::Failed(error.into())
    }

    /// A run's error: bad input or failed work.
    fn of_run(error: RunError) -> Self {
        if error.is_bad_input() { CliError::bad_input(error) } else { CliError::failed(error) }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Failed(_) => 1,
            CliError::BadInput(_) => 2,
            CliError::Stopped(..) => signals::EXIT_STOPPED,
        }
    }

    /// The same once the work had been asked to stop: whatever it says, that is why it ended.
    fn once_stopped(self, advice: &'static str) -> Self {
        let (CliError::BadInput(error) | CliError::Failed(error)) = self else { return self };
        let is_all = error.chain().any(is_stopped);
        CliError::Stopped(advice, (!is_all).then_some(error))
    }

    /// What is told on stderr: after `error: `, unless the work was only stopped.
    pub fn told(&self) -> String {
        let errors = |line: String| line.lines().map(|line| format!("error: {line}\n")).collect::<String>();
        match self {
            CliError::Stopped(advice, None) => format!("{advice}\n"),
            CliError::Stopped(advice, Some(_)) => format!("{}{advice}\n", errors(self.line())),
            _ => errors(self.line()),
        }
    }

    /// The whole chain of causes in one line, fit to be seen: causes repeat what stood in files and came from servers.
    pub fn line(&self) -> String {
        let error = match self {
            CliError::BadInput(error) | CliError::Failed(error) | CliError::Stopped(_, Some(error)) => error,
            CliError::Stopped(advice, None) => return (*advice).to_owned(),
        };
        let mut line = String::new();
        for cause in error.chain() {
            let cause = cause.to_string();
            let cause = visible_lines(&cause).into_owned();
            if line.is_empty() {
                line = cause;
            } else if !line.ends_with(&cause) {
                line = format!("{line}: {cause}");
            }
        }
        line
    }
}

/// Runs the command.
pub fn execute(cli: Cli) -> Result<(), CliError> {
    if let Some(threads) = cli.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads));
        pool.build_global().map_err(CliError::failed)?;
    }
    let stop = Stop::new();
    let advice = cli.command.once_stopped();
    if advice.is_some() {
        signals::listen(&stop).map_err(CliError::failed)?;
    }
    let progress = progress::Bars::new(cli.quiet, stop.clone());
    let done = dispatch(cli.command, &progress);
    match advice {
        Some(advice) if stop.is_requested() => done.map_err(|error| error.once_stopped(advice)),
        _ => done,
    }
}

impl Command {
    /// How to go on with work that was stopped; nothing for commands that are over before anybody could wish it,
    /// which a signal just ends.
    fn once_stopped(&self) -> Option<&'static str> {
        match self {
            Command::Run(_) => Some("stopped; go on with --resume"),
            Command::Merge(_) => Some("stopped; merge again with --force"),
            Command::Sweep(_) => Some("stopped; the same command goes on"),
            Command::Fit(_) => Some(
                "stopped; models that are finished are saved, with --checkpoints fits can be gone on with",
            ),
            Command::Plan(_)
            | Command::Evaluate(_)
            | Command::Estimate(_)
            | Command::Encode(_)
            | Command::Calibrate(_)
            | Command::Validate(_) => Some("stopped; nothing was written"),
            Command::Agents(_) | Command::Items(_) | Command::Users(_) => {
                Some("stopped; what was answered is on the tape, and the same command goes on")
            }
            Command::Data(_) => Some("stopped; the same command goes on"),
            _ => None,
        }
    }
}

fn dispatch(command: Command, progress: Listener<'_>) -> Result<(), CliError> {
    match command {
        Command::Run(arguments) => run::run(&arguments, progress),
        Command::Merge(arguments) => merge::run(&arguments, progress),
        Command::Sweep(arguments) => sweep::run(&arguments, progress),
        Command::Plan(arguments) => plan::run(&arguments, progress),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments, progress),
        Command::Estimate(arguments) => estimate::run(&arguments, progress),
        Command::Agents(arguments) => agents::run(&arguments, progress),
        Command::Encode(arguments) => encode::run(&arguments, progress),
        Command::Items(arguments) => profiles::run(What::Items, &arguments, progress),
        Command::Users(arguments) => profiles::run(What::Users, &arguments, progress),
        Command::Fit(arguments) => fit::run(&arguments, progress),
        Command::Calibrate(arguments) => calibrate::run(&arguments, progress),
        Command::Validate(arguments) => validate::run(&arguments, progress),
        Command::Report(arguments) => report::run(&arguments),
        Command::Assert(arguments) => assert::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Data(arguments) => data::run(&arguments, progress),
        Command::OffPolicy(arguments) => off_policy::run(&arguments),
        Command::Tape(arguments) => tape::run(&arguments),
        Command::Schema => schema::run(),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Where relative paths of a scenario start: the folder the command was given in.
fn base_dir() -> Result<PathBuf, CliError> {
    std::env::current_dir().map_err(CliError::failed)
}

/// Cells under each other: the first `n_text` columns flush left, the others right.
fn aligned(rows: &[Vec<String>], n_text: usize) -> String {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |k: usize| rows.iter().filter_map(|row| row.get(k)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..n_columns).map(|k| width(k).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cell = |(k, cell): (usize, &String)| match k < n_text {
            true => format!("{cell:<width$}", width = widths[k]),
            false => format!("{cell:>width$}", width = widths[k]),
        };
        text.push_str(row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Prints to stdout what is fit to be seen, since much of it came from data and models; a reader that has gone away is no error of ours.
fn print(text: &str) -> Result<(), CliError> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(visible_lines(text).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CliError::failed(error)),
        _ => Ok(()),
    }
}

/// A progress listener as the subcommands take it.
type Listener<'a> = &'a dyn Progress;

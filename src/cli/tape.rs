//! `windtunnel tape`: what language models said, looked into, copied as text, made small.

use super::{CliError, print};
use crate::files;
use crate::llm::tape::{self, Compaction, FILE_NAME, Summary, TapeError};
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Arguments of `tape`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: TapeCommand,
}

/// What to do with a tape.
#[derive(Debug, Subcommand)]
enum TapeCommand {
    /// Calls, replies, failures by cause, models, tokens and bytes
    Info {
        /// The tape, or a run folder that holds tape.sqlite
        tape: PathBuf,
    },
    /// Write every call as a line of JSON, sorted by key: equal tapes give equal bytes
    Export {
        /// The tape, or a run folder that holds tape.sqlite
        tape: PathBuf,
        /// Where to write; stdout when not given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Put the calls of an export on a tape, all or none; what the tape holds stands
    Import {
        /// The tape, made where it is missing, or a run folder
        tape: PathBuf,
        /// Lines as `export` writes them
        #[arg(value_name = "FILE.jsonl")]
        lines: PathBuf,
    },
    /// Give the space of what is gone back to the disk
    Compact {
        /// The tape, or a run folder that holds tape.sqlite
        tape: PathBuf,
        /// Drop calls that failed for good too; they will be asked again
        #[arg(long)]
        drop_failures: bool,
    },
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        TapeCommand::Info { tape } => {
            let tape = file_of(tape);
            print(&words(&tape, &tape::summarise(&tape).map_err(of_tape)?))
        }
        TapeCommand::Export { tape, out } => export(&file_of(tape), out.as_deref()),
        TapeCommand::Import { tape, lines } => {
            let imported = tape::import(&file_of(tape), lines).map_err(of_tape)?;
            print(&format!(
                "calls      {}\nnew        {}\nreplies    {} where the tape had a failure\n",
                imported.n_calls, imported.n_new, imported.n_replies_for_failures
            ))
        }
        TapeCommand::Compact { tape, drop_failures } => {
            let compaction = Compaction { drop_failures: *drop_failures, used: None };
            let compacted = tape::compact(&file_of(tape), &compaction).map_err(of_tape)?;
            print(&format!(
                "dropped    {} calls, {} texts\nbytes      {} before, {} after\n",
                compacted.n_calls, compacted.n_texts, compacted.bytes_before, compacted.bytes_after
            ))
        }
    }
}

/// The tape of a run folder, or the file itself.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() }
}

fn of_tape(error: TapeError) -> CliError {
    if error.is_bad_input() { CliError::bad_input(error) } else { CliError::failed(error) }
}

fn export(tape: &Path, out: Option<&Path>) -> Result<(), CliError> {
    let Some(out) = out else {
        let mut stdout = BufWriter::new(io::stdout().lock());
        return match tape::export(tape, &mut stdout) {
            // A reader that has gone away is no error of ours.
            Err(TapeError::Out { source }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done.map(drop).map_err(of_tape),
        };
    };
    let failed = |error: io::Error| {
        CliError::failed(anyhow::Error::new(error).context(format!("cannot write {}", out.display())))
    };
    let mut file = files::temporary_beside(out).map_err(failed)?;
    let mut lines = BufWriter::new(file.as_file_mut());
    tape::export(tape, &mut lines).map_err(of_tape)?;
    lines.flush().map_err(failed)?;
    drop(lines);
    file.as_file().sync_all().map_err(failed)?;
    files::persist(file, out).map_err(failed)
}

/// The summary for a terminal.
fn words(tape: &Path, summary: &Summary) -> String {
    let list = |counts: &[(String, u64)]| {
        let entries: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
        if entries.is_empty() { String::new() } else { format!(": {}", entries.join(", ")) }
    };
    let n_failures: u64 = summary.failures.iter().map(|(_, n)| n).sum();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "tape       {}", tape.display());
    let _ = writeln!(text, "calls      {}", summary.n_calls);
    let _ = writeln!(text, "replies    {} (after {} retries)", summary.n_replies, summary.n_retries);
    let _ = writeln!(text, "failures   {n_failures}{}", list(&summary.failures));
    let _ = writeln!(text, "models     {}{}", summary.models.len(), list(&summary.models));
    let usage = summary.usage;
    let _ = writeln!(
        text,
        "tokens     {} read ({} from a cache), {} written",
        usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens
    );
    let _ = writeln!(text, "texts      {}", summary.n_texts);
    let _ = writeln!(text, "bytes      {}", summary.bytes);
    text
}

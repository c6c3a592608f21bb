//! `windtunnel man`: the manual, a page a command.

use super::{Cli, CliError, print};
use crate::files;
use clap::{Args, Command, CommandFactory};
use std::path::{Path, PathBuf};

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write one page a command into this folder; otherwise the first page is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes the manual.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    let pages = pages()?;
    match &arguments.out {
        Some(dir) => pages.iter().try_for_each(|(name, page)| write(dir, name, page)),
        None => pages.first().map_or(Ok(()), |(_, page)| print(page)),
    }
}

fn write(dir: &Path, name: &str, page: &str) -> Result<(), CliError> {
    let path = dir.join(format!("{name}.1"));
    let cannot = |error| anyhow::Error::from(error).context(format!("cannot write {}", path.display()));
    std::fs::create_dir_all(dir).map_err(cannot).map_err(CliError::Failed)?;
    files::write_whole(&path, page.as_bytes()).map_err(cannot).map_err(CliError::Failed)
}

/// (name, page) of the program, then of every command that is not hidden, `windtunnel-data-fetch` after `windtunnel-data`.
fn pages() -> Result<Vec<(String, String)>, CliError> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    gather(&program, "windtunnel".to_owned(), &mut pages)?;
    Ok(pages)
}

fn gather(command: &Command, name: String, pages: &mut Vec<(String, String)>) -> Result<(), CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(CliError::failed)?;
    pages.push((name.clone(), String::from_utf8_lossy(&page).into_owned()));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        gather(below, format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

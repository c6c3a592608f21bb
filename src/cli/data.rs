//! `windtunnel data`: look at a dataset, or fetch one from its publisher.

use super::{CliError, Listener, base_dir, print};
use crate::dataset::{self, LoadContext};
use crate::rng::Streams;
use crate::scenario::{overrides, params::Complaint};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `data`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: DataCommand,
}

/// What to do with data.
#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Counts, density, rating histogram, longest tail and content hash
    Describe {
        /// The source, e.g. movielens; see `windtunnel list datasets`
        source: String,
        /// Where the data is, for sources that read files
        path: Option<PathBuf>,
        /// A further parameter of the source, e.g. --set on_bad_row=skip
        #[arg(long = "set", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Download a dataset from its publisher, checked and unpacked
    Fetch {
        /// ml-1m, ml-100k or ml-latest-small
        name: String,
        /// Where to put it
        #[arg(long, value_name = "DIR", default_value = "data")]
        out: PathBuf,
        /// Another server that holds the same files
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
    },
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    match &arguments.command {
        DataCommand::Describe { source, path, overrides } => {
            describe(source, path.as_ref(), overrides, progress)
        }
        DataCommand::Fetch { name, out, base_url } => {
            let fetched =
                dataset::fetch::fetch(name, base_url.as_deref(), out, progress).map_err(|error| {
                    if error.is_bad_input() { CliError::bad_input(error) } else { CliError::failed(error) }
                })?;
            print(&format!("{}\n", fetched.folder.display()))
        }
    }
}

fn describe(
    source: &str,
    path: Option<&PathBuf>,
    texts: &[String],
    progress: Listener<'_>,
) -> Result<(), CliError> {
    let kind = dataset::kind(source).ok_or_else(|| {
        let known = dataset::ALL.iter().map(|kind| kind.name());
        CliError::bad_input(Complaint::unknown_name("source", source, known))
    })?;
    let mut params = toml::Table::new();
    if let Some(path) = path {
        params.insert("path".to_owned(), toml::Value::String(path.display().to_string()));
    }
    for text in texts {
        overrides::apply(&mut params, text).map_err(CliError::bad_input)?;
    }
    let source = kind.check("dataset", &params).map_err(CliError::bad_input)?;
    let context = LoadContext { base_dir: &base_dir()?, streams: Streams::new(42), progress };
    let dataset = source.load(&context).map_err(CliError::bad_input)?;
    print(&format!("{}\n", dataset::describe::describe(&dataset).to_string().trim_end()))
}

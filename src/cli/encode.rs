//! `windtunnel encode`: the vectors of a scenario's items (or users) into a file that `kind = "file"` reads, on a
//! machine without the encoder as well.

use super::{CliError, Listener, base_dir, print};
use crate::dataset::Dataset;
use crate::encoder::library::{self, EncoderSpec, Encoders, EncodingReport, Missing};
use crate::encoder::{cache, file};
use crate::experiment::prepare;
use crate::scenario::Scenario;
use crate::scenario::params::Complaint;
use anyhow::anyhow;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `encode`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The scenario, a TOML file
    scenario: PathBuf,
    /// Change a value of the scenario, e.g. --set encoders.default.dimension=64
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The encoder, by its name in [encoders]
    #[arg(long, value_name = "NAME", default_value = library::DEFAULT)]
    encoder: String,
    /// Encode the users' profiles instead of the items' text
    #[arg(long)]
    users: bool,
    /// The file to write; the ids go into a file of the same name that ends in .ids.jsonl
    #[arg(long, value_name = "FILE.npy")]
    out: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// Encodes and writes. Those of whom nothing is said are zeros, unless the encoder refuses them: what stands
/// for them is for the scenario to say that reads the file.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let out = &arguments.out;
    if out.extension().is_none_or(|end| end != "npy") {
        return Err(CliError::bad_input(anyhow!("--out is {}, must end in .npy", out.display())));
    }
    let listed = file::ids_beside(out);
    if let Some(there) = [out, &listed].into_iter().find(|path| path.exists() && !arguments.force) {
        return Err(CliError::bad_input(anyhow!(
            "{} is there already; --force replaces it",
            there.display()
        )));
    }
    let scenario = Scenario::load(&arguments.scenario, &arguments.overrides).map_err(CliError::bad_input)?;
    let base_dir = base_dir()?;
    let (dataset, _) = prepare::load(&scenario, &base_dir, progress).map_err(CliError::of_run)?;
    let specs = with_zeros(scenario, &arguments.encoder)?;
    let encoders = Encoders::new(Arc::new(specs), &base_dir, cache::default_dir());
    let name = &arguments.encoder;
    let (ids, encoded) = if arguments.users {
        let profiles = dataset.user_profiles.as_ref().ok_or_else(|| {
            CliError::bad_input(anyhow!("the dataset has no profiles of users, which --users is to encode"))
        })?;
        (&dataset.users, encoders.texts(name, "users", &dataset.users, profiles, progress))
    } else {
        let Dataset { items, catalogue, genres, .. } = &dataset;
        (items, encoders.items(name, items, catalogue, genres, progress))
    };
    let encoded = encoded.map_err(CliError::failed)?;
    file::write(out, ids, &encoded.vectors).map_err(CliError::failed)?;
    print(&format!("{}\n{}\n{}\n", told(&encoded.report), out.display(), listed.display()))
}

/// The scenario's encoders; what the one of this name fills in for missing text is left out.
fn with_zeros(scenario: Scenario, name: &str) -> Result<Vec<EncoderSpec>, CliError> {
    let mut specs = Arc::into_inner(scenario.encoders).unwrap_or_default();
    let known: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    let Some(spec) = specs.iter_mut().find(|spec| spec.name == name) else {
        let known = known.iter().map(String::as_str);
        return Err(CliError::bad_input(Complaint::unknown_name("--encoder", name, known)));
    };
    if spec.missing == Missing::Mean {
        spec.missing = Missing::Zero;
    }
    Ok(specs)
}

/// How it went, in a line.
fn told(report: &EncodingReport) -> String {
    format!(
        "{} {}, {} numbers each, in {:.1} s; {} from the cache; {} without text that {} knows",
        report.n_entries,
        report.what,
        report.dimension,
        report.seconds,
        report.n_cached,
        report.n_missing,
        report.encoder
    )
}

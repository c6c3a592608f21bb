//! `windtunnel calibrate`: fits the choice model to records and writes a parameter file.

use super::{CliError, Listener, base_dir, print};
use crate::agent::halves::Half;
use crate::calibrate::spec::Calibration;
use crate::calibrate::{self, CalibrateError, Calibrated};
use crate::files;
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The calibration, a TOML file
    calibration: PathBuf,
    /// Change a value of the calibration, e.g. --set data=DIR
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Fit to one half of the recorded people only
    #[arg(long, value_enum)]
    half: Option<Half>,
    /// Where to write the parameter file; `agents/choice/NAME.toml` when not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where to write the calibration page; `reports/calibration-NAME.html` when not given
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Replace the parameter file
    #[arg(long)]
    force: bool,
}

/// Fits.
pub fn run(arguments: &Arguments, progress: Listener<'_>) -> Result<(), CliError> {
    let mut calibration =
        Calibration::load(&arguments.calibration, &arguments.overrides).map_err(CliError::bad_input)?;
    calibration.file.half = arguments.half.unwrap_or(calibration.file.half);
    let named = || PathBuf::from(format!("agents/choice/{}.toml", calibration.file.name));
    let out = arguments.out.clone().unwrap_or_else(named);
    if out.exists() && !arguments.force {
        return Err(CliError::bad_input(CalibrateError::Occupied { path: out }));
    }
    let calibrated = calibrate::run(&calibration, &base_dir()?, progress).map_err(of_calibrate)?;
    let html = calibrated.page(&calibration).map_err(CliError::failed)?;
    let named = || PathBuf::from(format!("reports/calibration-{}.html", calibration.file.name));
    let page = arguments.page.clone().unwrap_or_else(named);
    write(&out, calibrated.text.as_bytes())?;
    write(&page, html.as_bytes())?;
    let (out, page) = (out.display(), page.display());
    print(&format!("{}\nparameters: {out}\npage: {page}\n", table(&calibrated)))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = std::fs::create_dir_all(folder).and_then(|()| files::write_whole(path, bytes));
    written.map_err(|source| CliError::failed(CalibrateError::Io { path: path.to_owned(), source }))
}

fn of_calibrate(error: CalibrateError) -> CliError {
    match error {
        CalibrateError::Prepare(error) => CliError::of_run(error),
        CalibrateError::Io { .. } => CliError::failed(error),
        other => CliError::bad_input(other),
    }
}

/// One line a step.
fn table(calibrated: &Calibrated) -> String {
    let mut text = format!(
        "{:<12}{:>9}{:>9}{:>16}{:>16}{:>16}",
        "step", "n", "people", "log-likelihood", "left out", "no covariates"
    );
    for (name, step) in &calibrated.steps {
        text.push('\n');
        text.push_str(&match step {
            Some(step) => format!(
                "{name:<12}{:>9}{:>9}{:>16.4}{:>16.4}{:>16.4}{}",
                step.n,
                step.n_people,
                step.log_likelihood,
                step.held_out,
                step.held_out_intercept_only,
                if step.converged { "" } else { "  (did not come to rest)" }
            ),
            None => format!("{name:<12}taken from the base set"),
        });
    }
    text
}

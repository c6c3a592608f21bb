//! How the choice model gets its numbers: records of real sessions and ratings in, a parameter file out.
//!
//! calibration file -> sources -> observations (sessions lived again) -> a fit a step -> parameter
//! file and calibration page. A step is fitted by the very functions the behaviour simulates with.
//! Must not know recommenders, and never runs the world.

mod file;
mod fit;
mod maximise;
mod observe;
mod page;
pub mod sources;
pub mod spec;
mod steps;
mod template;
mod vector;

use crate::agent::behavior::choice::ChoiceParameters;
use crate::event::EventError;
use crate::experiment::RunError;
use crate::progress::Progress;
use crate::scenario::ScenarioError;
use fit::{FitSettings, Fitted};
use observe::PersonSeen;
use sources::Material;
use spec::Calibration;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Why a calibration failed.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// A scenario of a source is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The data of a source could not be prepared.
    #[error(transparent)]
    Prepare(#[from] RunError),
    /// Recorded sessions could not be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A file could not be read or written.
    #[error("cannot access {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The place of the parameter file is taken.
    #[error("{path} exists; give another --out, or --force to replace it")]
    Occupied {
        /// Which file.
        path: PathBuf,
    },
    /// The page could not be put together: a fault of the template, not of the data.
    #[error("cannot fill the template of the page")]
    Page(#[source] minijinja::Error),
    /// No source bears on any step.
    #[error("nothing to fit: the sources hold no observation of any step they are used for")]
    Nothing,
}

/// What a calibration came to.
pub struct Calibrated {
    /// The parameters, with how they were found.
    pub parameters: ChoiceParameters,
    /// The text of the parameter file.
    pub text: String,
    /// One entry a step, in the order of a session; `None` for a step taken from the base.
    pub steps: Vec<(&'static str, Option<Fitted>)>,
    /// What the sources held.
    pub materials: Vec<Material>,
}

impl Calibrated {
    /// The calibration page, one self-contained HTML file.
    pub fn page(&self, calibration: &Calibration) -> Result<String, CalibrateError> {
        page::page(calibration, self).html().map_err(CalibrateError::Page)
    }
}

/// Fits every step that a source bears on.
pub fn run(
    calibration: &Calibration,
    base_dir: &Path,
    progress: &dyn Progress,
) -> Result<Calibrated, CalibrateError> {
    let file = &calibration.file;
    let mut materials: Vec<Material> = Vec::new();
    for (name, source) in &file.sources {
        materials.push(sources::read(name, source, (file.half, file.deal), base_dir, progress)?);
    }
    let (n_slots, n_pages) = materials.iter().fold((1, 1), |(slots, pages), material| {
        (slots.max(material.extent.0), pages.max(material.extent.1))
    });
    let template = template::template(n_slots, n_pages);
    let settings = FitSettings { prior_sd: file.prior_sd, n_folds: file.folds as usize };
    progress.begin("fit steps", steps::ALL.len() as u64);
    let mut fitted: Vec<(&'static str, Option<Fitted>)> = Vec::new();
    for kind in steps::ALL {
        progress.go_on().map_err(RunError::Stopped)?;
        let bearing = |material: &&Material| file.sources[&material.name].bears_on(kind.name);
        let people: Vec<PersonSeen> =
            materials.iter().filter(bearing).flat_map(|material| material.people.iter().cloned()).collect();
        fitted.push((kind.name, fit::fit(kind, &template, &people, settings)));
        progress.advance(1, kind.name);
    }
    progress.end();
    if fitted.iter().all(|(_, step)| step.is_none()) {
        return Err(CalibrateError::Nothing);
    }
    let parameters = assembled(calibration, &fitted, &materials);
    let text = file::text(calibration, &parameters);
    Ok(Calibrated { text, parameters, steps: fitted, materials })
}

/// Fitted steps where there are some, those of the base elsewhere.
fn assembled(
    calibration: &Calibration,
    fitted: &[(&'static str, Option<Fitted>)],
    materials: &[Material],
) -> ChoiceParameters {
    let mut table = Table::try_from(&calibration.base).expect("parameters are TOML");
    for (name, step) in fitted {
        if let Some(step) = step {
            table.insert((*name).to_owned(), Value::Table(step.parameters.clone()));
        }
    }
    table.insert("fit".to_owned(), Value::Table(file::record(calibration, fitted, materials)));
    table.try_into().expect("steps of the template's form")
}

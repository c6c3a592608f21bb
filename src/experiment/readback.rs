//! A finished run read back from its folder: what it says about itself, who was in it, and every metric measured
//! again from its events. Must not know what is asked of it.

use crate::metric::analyse::ArmResult;
use crate::metric::{Population, Setting};
use crate::report::manifest::Manifest;
use crate::report::{ReportError, Subjects, event_files};
use crate::scenario::file::ScenarioFile;
use crate::study::StudyTable;
use std::path::{Path, PathBuf};

/// A run as its folder tells it.
pub struct ReadRun {
    /// Which folder.
    pub dir: PathBuf,
    /// `manifest.json`.
    pub manifest: Manifest,
    /// `scenario.toml`.
    pub scenario: ScenarioFile,
    /// The same, key by key.
    pub table: toml::Table,
    /// `items.csv` and `agents.csv`.
    subjects: Subjects,
}

impl ReadRun {
    /// Reads what needs no events. A folder of another format is read as far as it goes.
    pub fn read(dir: &Path) -> Result<Self, ReportError> {
        let read = |name: &str| {
            let path = dir.join(name);
            let text = std::fs::read_to_string(&path);
            text.map_err(|source| ReportError::Io { path: path.clone(), source }).map(|text| (path, text))
        };
        let (path, text) = read("manifest.json")?;
        let manifest =
            Manifest::from_json(&text).map_err(|source| ReportError::BadManifest { path, source })?;
        let (path, text) = read("scenario.toml")?;
        let bad = |error: toml::de::Error| ReportError::Incomplete {
            path: path.clone(),
            problem: format!("is not a scenario of this version: {}", error.message()),
        };
        let table: toml::Table = toml::from_str(&text).map_err(bad)?;
        let scenario: ScenarioFile = toml::from_str(&text).map_err(bad)?;
        let subjects = Subjects::read(dir, &manifest)?;
        Ok(ReadRun { dir: dir.to_owned(), manifest, scenario, table, subjects })
    }

    /// The agents.
    pub fn population(&self) -> &Population {
        &self.subjects.population
    }

    /// Names of the arms, in order.
    pub fn arms(&self) -> impl Iterator<Item = &str> {
        self.manifest.arms.iter().map(|arm| arm.name.as_str())
    }

    /// The arm that others are compared with.
    pub fn baseline(&self) -> &str {
        self.manifest.baseline.as_deref().or(self.arms().next()).unwrap_or_default()
    }

    /// Every metric of an arm, measured from its events.
    pub fn measure(&self, arm: &str) -> Result<ArmResult, ReportError> {
        let setting = Setting {
            catalogue: &self.subjects.catalogue,
            population: &self.subjects.population,
            items_per_page: self.scenario.session.items_per_page as usize,
        };
        let parts = event_files(&self.dir, arm)?;
        Ok(super::tables::measure(arm, &parts, setting, &self.subjects.ids, |_| {})?)
    }
}

/// A table as CSV.
pub fn csv(table: &StudyTable) -> Vec<u8> {
    super::studies::csv(table)
}

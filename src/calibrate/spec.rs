//! A calibration file: which records the choice model is fitted to. Raw in [`CalibrationFile`],
//! checked in [`Calibration`]. Must not read the records.

use super::steps;
use crate::agent::behavior::choice::ChoiceParameters;
use crate::agent::halves::{DEAL, Half};
use crate::scenario::params::{self, Complaint};
use crate::scenario::{ScenarioError, read_text, table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A calibration file, key by key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CalibrationFile {
    /// Version of this file format; this program reads 1.
    pub version: u32,
    /// Name of the parameter set to be.
    pub name: String,
    /// What the set is for.
    pub description: String,
    /// Where data lies; `${data}` in paths stands for it.
    pub data: String,
    /// The parameter set from which the steps are taken that no source bears on.
    pub base: String,
    /// Standard deviation of the normal prior of every coefficient, in logits.
    pub prior_sd: f64,
    /// Folds of the cross-validation, by person.
    pub folds: u32,
    /// Which half of the people to fit to, dealt by tier; the other half is left for validation.
    pub half: Half,
    /// Which deal of the people into halves.
    pub deal: u64,
    /// The records, by name.
    pub sources: BTreeMap<String, SourceFile>,
}

impl Default for CalibrationFile {
    fn default() -> Self {
        CalibrationFile {
            version: 1,
            name: String::new(),
            description: String::new(),
            data: "data".to_owned(),
            base: "reasoned".to_owned(),
            prior_sd: 3.0,
            folds: 5,
            half: Half::Both,
            deal: DEAL,
            sources: BTreeMap::new(),
        }
    }
}

/// One record.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// What kind of record.
    pub kind: SourceKind,
    /// The scenario whose data, split and taste the record is seen with. A run folder has its own.
    #[serde(default)]
    pub scenario: Option<PathBuf>,
    /// Changes to that scenario, as `--set` takes them.
    #[serde(default)]
    pub set: Vec<String>,
    /// The record: a file of sessions or calls, or a run folder.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// The calls behind the sessions, for the feelings.
    #[serde(default)]
    pub calls: Option<PathBuf>,
    /// The arm of a run folder.
    #[serde(default)]
    pub arm: Option<String>,
    /// How much one observation counts.
    #[serde(default = "one")]
    pub weight: f64,
    /// The steps it is used for; all it bears on when empty.
    #[serde(default)]
    pub steps: Vec<String>,
}

fn one() -> f64 {
    1.0
}

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Recorded sessions, one a line.
    Sessions,
    /// The calls of language-model agents as Agent4Rec logs them, one a line.
    #[serde(rename = "agent4rec-transcript")]
    Agent4RecTranscript,
    /// The event log of a run of ours.
    Run,
    /// The validation part of a dataset of people's ratings: it bears on rating alone.
    Ratings,
}

/// A checked calibration.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The file, all defaults written out.
    pub file: CalibrationFile,
    /// The set of the steps that no source bears on.
    pub base: ChoiceParameters,
}

impl Calibration {
    /// Reads, overrides and checks a calibration file.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ScenarioError> {
        let table = table(path, &read_text(path)?, overrides)?;
        Self::check(&table).map_err(|complaints| ScenarioError::Invalid { path: path.to_owned(), complaints })
    }

    fn check(table: &toml::Table) -> Result<Self, Vec<Complaint>> {
        let file: CalibrationFile = params::parse("", table).map_err(|complaint| vec![complaint])?;
        let mut complaints = Vec::new();
        let mut note = |result: Result<(), Complaint>| complaints.extend(result.err());
        note(params::within("", "version", file.version, 1, 1));
        note(params::within("", "prior_sd", file.prior_sd, 0.01, 1000.0));
        note(params::within("", "folds", file.folds, 2, 100));
        let safe = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if file.name.is_empty() || !file.name.chars().all(safe) {
            let bound = "letters, digits, `_` and `-` (it names a file)";
            note(Err(Complaint::out_of_range("name", format!("{:?}", file.name), bound)));
        }
        if file.sources.is_empty() {
            let expected = "at least one table [sources.NAME]".to_owned();
            note(Err(Complaint::Missing { path: "sources".to_owned(), expected }));
        }
        for (name, source) in &file.sources {
            source.check(&format!("sources.{name}")).into_iter().for_each(|complaint| note(Err(complaint)));
        }
        match ChoiceParameters::named("base", &file.base) {
            Ok(base) if complaints.is_empty() => Ok(Calibration { file, base }),
            Ok(_) => Err(complaints),
            Err(complaint) => {
                complaints.push(complaint);
                Err(complaints)
            }
        }
    }
}

impl SourceFile {
    fn check(&self, at: &str) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let needs = |key: &str, is_there: bool, expected: &str| {
            let missing =
                || Complaint::Missing { path: format!("{at}.{key}"), expected: expected.to_owned() };
            (!is_there).then(missing)
        };
        if self.kind != SourceKind::Run {
            complaints.extend(needs("scenario", self.scenario.is_some(), "the scenario it is seen with"));
        }
        if self.kind != SourceKind::Ratings {
            complaints.extend(needs(
                "path",
                self.path.is_some(),
                "the file of sessions or calls, or the run folder",
            ));
        }
        if self.kind == SourceKind::Run {
            complaints.extend(needs("arm", self.arm.is_some(), "the arm whose sessions to take"));
        }
        complaints.extend(params::within(at, "weight", self.weight, 0.0, 1e6).err());
        for step in &self.steps {
            if !steps::ALL.iter().any(|kind| kind.name == step) {
                let known = steps::ALL.iter().map(|kind| kind.name);
                complaints.push(Complaint::unknown_name(format!("{at}.steps"), step, known));
            }
        }
        complaints
    }

    /// Whether it is used for this step.
    pub fn bears_on(&self, step: &str) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|name| name == step)
    }
}

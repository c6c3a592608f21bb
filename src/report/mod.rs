//! What we show: tables, plots and one self-contained page, from a run folder alone.
//!
//! ```text
//! run folder -> Report (manifest, tables, figures) -> plots, verdict -> report.html
//! ```
//!
//! A report is made of finished numbers: it must not know the world, the recommenders or
//! the dataset's files, and it computes no metric and no test of its own. The same run
//! folder gives the same bytes.

pub mod beside;
pub mod card;
pub mod conversation;
pub mod document;
pub mod encodings;
pub mod estimate;
pub mod figures;
pub(crate) mod font;
pub mod format;
pub(crate) mod html;
pub mod labels;
pub mod llm;
pub mod manifest;
pub mod page;
pub mod plot;
pub mod show;
pub(crate) mod sketch;
mod studies;
pub mod svg;
pub mod table;
pub mod text_bought;
pub mod theme;
pub mod truth;
pub mod verdict;
pub mod visible;
pub mod voices;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use crate::event::EventError;
use crate::event::read::{DenseIds, for_each_session};
use crate::files;
use crate::intake;
use crate::metric::subjects::{self, SubjectsError};
use crate::metric::tables::{ComparisonRow, MetricsRow};
use crate::metric::truth::{OrderRow, TruthRow};
use crate::metric::{Catalogue, Population};
use crate::study::Told;
use figures::Figures;
use manifest::Manifest;
use std::path::{Path, PathBuf};
use theme::ArmStyle;
use voices::{Chooser, Voice};

/// Everything a report is made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What the run says about itself; its arms are the arms of the report, in this order.
    pub manifest: Manifest,
    /// The scenario as resolved, TOML.
    pub scenario: String,
    /// `metrics.csv`.
    pub metrics: Vec<MetricsRow>,
    /// `comparisons.csv`.
    pub comparisons: Vec<ComparisonRow>,
    /// `truth.csv`; empty where the run folder has none, because no truth was known.
    pub truth: Vec<TruthRow>,
    /// `truth_order.csv`, likewise.
    pub truth_order: Vec<OrderRow>,
    /// `text_bought.csv`, likewise: empty where arms with or without text are missing.
    pub text_bought: Vec<ComparisonRow>,
    /// What the studies told, in the order of the scenario.
    pub studies: Vec<Told>,
    /// What the plots need of the sessions; one entry an arm, in the manifest's order.
    pub figures: Figures,
    /// Agents that are heard, by arm; empty where they have no words of their own.
    pub voices: Vec<Voice>,
}

/// Who and what a run was about.
pub(crate) struct Subjects {
    /// `items.csv`.
    pub catalogue: Catalogue,
    /// `people.csv` and `agents.csv`.
    pub population: Population,
    /// The numbers of both in the event files.
    pub ids: DenseIds,
}

impl Subjects {
    /// Reads the tables of a run folder.
    pub fn read(run_dir: &Path, manifest: &Manifest) -> Result<Self, SubjectsError> {
        let data = &manifest.dataset;
        let n_train_users = u32::try_from(data.n_train_users).unwrap_or(u32::MAX);
        let catalogue =
            subjects::read_catalogue(&run_dir.join("items.csv"), data.genres.clone(), n_train_users)?;
        let population = subjects::read_population(run_dir)?;
        let ids = population.ids(catalogue.items.iter().map(|item| item.raw_id.as_str()));
        Ok(Subjects { catalogue, population, ids })
    }
}

/// A rendered report: the files of a run folder that people look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// `report.html`.
    pub html: String,
    /// (`NAME.svg`, contents) of each plot.
    pub plots: Vec<(String, String)>,
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file of the run folder could not be read or written.
    #[error("cannot access {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `manifest.json` is no JSON object.
    #[error("{path} is not a manifest")]
    BadManifest {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A table of the run folder cannot be read.
    #[error("{path} is not a table of a run")]
    BadTable {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        source: csv::Error,
    },
    /// `items.csv` or `agents.csv` cannot be read.
    #[error("cannot read who and what the run was about")]
    Subjects(#[from] SubjectsError),
    /// An event file cannot be read.
    #[error("cannot read the events")]
    Events(#[from] EventError),
    /// The folder does not hold a whole run.
    #[error("{path}: {problem}")]
    Incomplete {
        /// Which file or folder.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// The page could not be put together: a fault of the template, not of the data.
    #[error("cannot fill the template of the page")]
    Template(#[from] minijinja::Error),
}

/// Rebuilds `plots/*.svg`, `report.html` and `study.json` of a run folder from the rest of it.
pub fn write(run_dir: &Path) -> Result<(), ReportError> {
    let report = Report::read(run_dir)?;
    report.render()?.write(run_dir)?;
    card::Card::of(&report).write(run_dir)
}

/// The result of a run folder for a terminal: table and verdict, as wide as `COLUMNS` says or 100.
pub fn summary(run_dir: &Path) -> Result<String, ReportError> {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    Ok(table::terminal(&Report::read_tables(run_dir)?, told.unwrap_or(100)))
}

impl Report {
    /// Reads a whole run folder; of the events, one session at a time.
    pub fn read(run_dir: &Path) -> Result<Self, ReportError> {
        let mut report = Report::read_tables(run_dir)?;
        let subjects = Subjects::read(run_dir, &report.manifest)?;
        let Subjects { catalogue, population, ids } = &subjects;
        let arms: Vec<&str> = report.manifest.arms.iter().map(|arm| arm.name.as_str()).collect();
        let mut figures = Figures::new(arms.len(), catalogue);
        let speaking = if voices::have_words(&report.manifest.behavior) { arms.len() } else { 0 };
        let mut chooser = Chooser::new(speaking);
        for (arm, name) in arms.iter().enumerate() {
            for path in event_files(run_dir, name)? {
                for_each_session(&path, ids, |session| {
                    figures.observe(arm, session, catalogue, population);
                    chooser.observe(arm, session);
                })?;
            }
        }
        report.voices = voices::read(run_dir, &arms, &chooser, &subjects)?;
        report.figures = figures;
        Ok(report)
    }

    /// Reads what of a run folder needs no events: manifest, scenario and result tables.
    /// The figures start empty, with one entry an arm.
    pub fn read_tables(run_dir: &Path) -> Result<Self, ReportError> {
        let path = run_dir.join("manifest.json");
        let manifest = Manifest::from_json(&read_text(&path)?)
            .map_err(|source| ReportError::BadManifest { path: path.clone(), source })?;
        if let Some(problem) = manifest.format_problem() {
            return Err(ReportError::Incomplete { path, problem });
        }
        let metrics: Vec<MetricsRow> = read_rows(&run_dir.join("metrics.csv"))?;
        let path = run_dir.join("comparisons.csv");
        let comparisons: Vec<ComparisonRow> = read_rows(&path)?;
        if manifest.arms.len() > 1 && comparisons.is_empty() && !metrics.is_empty() {
            let problem = "no comparison, expected some between several arms".to_owned();
            return Err(ReportError::Incomplete { path, problem });
        }
        let figures = Figures { arms: vec![Default::default(); manifest.arms.len()], ..Figures::default() };
        Ok(Report {
            scenario: read_text(&run_dir.join("scenario.toml"))?,
            metrics,
            comparisons,
            truth: read_rows_of_some(&run_dir.join("truth.csv"))?,
            truth_order: read_rows_of_some(&run_dir.join("truth_order.csv"))?,
            text_bought: read_rows_of_some(&run_dir.join(text_bought::FILE_NAME))?,
            studies: studies::read(run_dir, &manifest.studies)?,
            manifest,
            figures,
            voices: Vec::new(),
        })
    }

    /// Draws every plot and fills the page.
    ///
    /// # Panics
    /// When there is not one entry of figures an arm.
    pub fn render(&self) -> Result<Rendered, ReportError> {
        assert_eq!(self.figures.arms.len(), self.manifest.arms.len(), "one entry of figures an arm");
        html::render(self)
    }

    /// Names and styles of the arms.
    pub fn arms(&self) -> Vec<(&str, ArmStyle)> {
        let names: Vec<&str> = self.manifest.arms.iter().map(|arm| arm.name.as_str()).collect();
        let baseline = names.iter().position(|name| Some(*name) == self.baseline());
        let styles = theme::arm_styles(names.len(), baseline);
        names.into_iter().zip(styles).collect()
    }

    /// The arm the others are compared with: the manifest's, or that of the comparisons, or the first.
    pub fn baseline(&self) -> Option<&str> {
        let arms = &self.manifest.arms;
        let named = self.manifest.baseline.as_deref();
        let compared = self.comparisons.first().map(|row| row.baseline.as_str());
        [named, compared, arms.first().map(|arm| arm.name.as_str())]
            .into_iter()
            .flatten()
            .find(|name| arms.iter().any(|arm| arm.name == *name))
    }

    /// The last feedback round with metrics.
    pub fn last_round(&self) -> u32 {
        self.metrics.iter().map(|row| row.round).max().unwrap_or(0)
    }

    /// A metric of an arm in the last round.
    pub fn metric(&self, arm: &str, metric: &str) -> Option<&MetricsRow> {
        self.metric_in(arm, metric, self.last_round())
    }

    /// A metric of an arm in some round.
    pub fn metric_in(&self, arm: &str, metric: &str, round: u32) -> Option<&MetricsRow> {
        self.metrics.iter().find(|row| row.round == round && row.metric == metric && row.arm == arm)
    }

    /// The comparison of an arm with the baseline in the last round.
    pub fn comparison(&self, arm: &str, metric: &str) -> Option<&ComparisonRow> {
        let (round, baseline) = (self.last_round(), self.baseline()?);
        self.comparisons.iter().find(|row| {
            row.round == round && row.metric == metric && row.arm == arm && row.baseline == baseline
        })
    }

    /// Whether a difference is shown: adjusted p below the level, and zero not in the interval.
    pub fn is_shown(&self, row: &ComparisonRow) -> bool {
        let level = 1.0 - self.manifest.confidence;
        let is_significant = row.p_adjusted.is_some_and(|p| p < level);
        let excludes_zero = match (row.ci_low, row.ci_high) {
            (Some(low), Some(high)) => low > 0.0 || high < 0.0,
            _ => true,
        };
        is_significant && excludes_zero && row.diff.is_some_and(|diff| diff != 0.0)
    }

    /// The names of all metrics of the last round, in the order of their file.
    pub fn metric_names(&self) -> Vec<&str> {
        let round = self.last_round();
        let mut names: Vec<&str> = Vec::new();
        for row in self.metrics.iter().filter(|row| row.round == round) {
            if !names.contains(&row.metric.as_str()) {
                names.push(&row.metric);
            }
        }
        names
    }

    /// The metrics whose name up to any `@` is one of `stems`, in the order of `stems`.
    pub fn metrics_by_stem(&self, stems: &[&'static str]) -> Vec<&str> {
        let names = self.metric_names();
        let of = |stem: &'static str| {
            names.iter().copied().filter(move |name| name.split('@').next() == Some(stem))
        };
        stems.iter().flat_map(|stem| of(stem)).collect()
    }

    /// The headline metrics this run has.
    pub fn headline(&self) -> Vec<&str> {
        self.metrics_by_stem(&labels::HEADLINE)
    }

    /// The unit a metric is shown in.
    pub fn unit(&self, metric: &str) -> &str {
        let row = self.metrics.iter().find(|row| row.metric == metric);
        row.map_or("", |row| labels::shown_unit(metric, &row.unit))
    }
}

impl Rendered {
    /// Writes `plots/*.svg` and `report.html` into a run folder, each file whole or not at all.
    pub fn write(&self, run_dir: &Path) -> Result<(), ReportError> {
        let plots_dir = run_dir.join("plots");
        std::fs::create_dir_all(&plots_dir)
            .map_err(|source| ReportError::Io { path: plots_dir.clone(), source })?;
        for (name, svg) in &self.plots {
            write_whole(&plots_dir.join(name), svg)?;
        }
        write_whole(&run_dir.join("report.html"), &self.html)
    }
}

/// What the names of arms, studies, tables and charts are made of.
const NAME_EXPECTED: &str = "1 to 64 letters, digits, `_`, `-` or `.`, not starting with `.`";

/// Whether a name can be part of a file's: nothing that a run folder says leads out of it.
fn names_a_file(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(fits)
}

fn read_text(path: &Path) -> Result<String, ReportError> {
    intake::text(path, intake::MADE_BYTES_MAX)
        .map_err(|source| ReportError::Io { path: path.to_owned(), source })
}

fn read_rows<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, ReportError> {
    let text = read_text(path)?;
    crate::metric::tables::read(text.as_bytes())
        .map_err(|source| ReportError::BadTable { path: path.to_owned(), source })
}

/// The rows of a table that not every run has.
fn read_rows_of_some<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, ReportError> {
    if path.exists() { read_rows(path) } else { Ok(Vec::new()) }
}

/// The event files of an arm, in the order of their names.
pub(crate) fn event_files(run_dir: &Path, arm: &str) -> Result<Vec<PathBuf>, ReportError> {
    let dir = run_dir.join("events").join(format!("arm={arm}"));
    if !names_a_file(arm) {
        let problem = format!("{arm:?} is no name of an arm, expected {NAME_EXPECTED}");
        return Err(ReportError::Incomplete { path: run_dir.join("manifest.json"), problem });
    }
    let failed = |source| ReportError::Io { path: dir.clone(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(ReportError::Incomplete { path: dir, problem: "no event file".to_owned() });
    }
    paths.sort();
    Ok(paths)
}

fn write_whole(path: &Path, text: &str) -> Result<(), ReportError> {
    files::write_whole(path, text.as_bytes())
        .map_err(|source| ReportError::Io { path: path.to_owned(), source })
}

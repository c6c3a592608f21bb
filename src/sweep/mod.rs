//! How do values change with settings? One scenario run for every cell of a grid of overrides, for several seeds
//! each, into one table, one page and a plot a metric.
//!
//! ```text
//! SCENARIO + --grid KEY=V,V … + --seeds -> cells -> DIR/cells/NAME (a run folder each) -> sweep.csv, sweep_means.csv,
//!                                                                                         plots/*.svg, sweep.html
//! ```
//!
//! Everything is checked before anything runs. Cells that are finished and whose resolved scenario is the same are
//! kept, so that a sweep that was cut short goes on where it was. Must not know what settings mean.

pub mod grid;
mod page;
mod table;

use crate::experiment::folder::Mode;
use crate::experiment::{self, RunOptions, scenario_text};
use crate::files;
use crate::llm::tape::TapeMode;
use crate::progress::Progress;
use crate::report::{ReportError, card};
use crate::scenario::{Scenario, ScenarioError, read_text};
use crate::stop::{Stopped, is_stopped};
use grid::{Cell, GridError, Plan};
use std::path::{Path, PathBuf};
use table::Table;

/// The folder of the cells.
const CELLS: &str = "cells";

/// How a sweep is carried out.
pub struct SweepOptions<'a> {
    /// The scenario file.
    pub scenario: &'a Path,
    /// Overrides of every cell.
    pub overrides: &'a [String],
    /// What varies.
    pub plan: &'a Plan,
    /// The metrics that are kept, by their names up to any `@`; all, where there are none here.
    pub metrics: &'a [String],
    /// Where everything is written.
    pub out: &'a Path,
    /// Where relative paths of the scenario start.
    pub base_dir: &'a Path,
    /// Whether finished cells of another scenario may be replaced.
    pub force: bool,
    /// Where training may leave checkpoints, a folder a cell.
    pub checkpoints: Option<&'a Path>,
    /// What a run takes from the tape of its language models.
    pub tape: TapeMode,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

/// Why a sweep did not even begin, or could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The sweep was asked to stop; cells that are finished stay.
    #[error("the sweep was stopped")]
    Stopped(#[from] Stopped),
    /// The grid itself is wrong.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// The scenario cannot be read.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// Cells that no scenario allows, every complaint a line.
    #[error("{}", .0.join("\n"))]
    BadCells(Vec<String>),
    /// Finished cells that were run from another scenario.
    #[error(
        "{}: finished already, from another scenario; give another --out, or --force to run them again",
        .0.join(", ")
    )]
    Changed(Vec<String>),
    /// The folder is no sweep's.
    #[error("{0} holds a run; give another --out")]
    NotASweep(PathBuf),
    /// A file could not be read or written.
    #[error("cannot access {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A cell's tables cannot be read, or the page cannot be made.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl SweepError {
    /// Whether the input, rather than the work, is at fault.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, SweepError::Io { .. } | SweepError::Report(_) | SweepError::Stopped(_))
    }
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was finished before.
    Kept,
    /// It was run.
    Run,
    /// It failed, with the chain of causes.
    Failed(String),
}

/// What became of every cell, by its name.
pub type Outcomes = Vec<(String, Done)>;

/// Runs what is not finished yet and writes the tables, the plots and the page of all that is.
pub fn run(options: &SweepOptions<'_>) -> Result<Outcomes, SweepError> {
    if options.out.join("manifest.json").exists() {
        return Err(SweepError::NotASweep(options.out.to_owned()));
    }
    let cells = options.plan.cells()?;
    let scenarios = check(options, &cells)?;
    let mut outcomes = Outcomes::new();
    for (nth, (cell, scenario)) in cells.iter().zip(&scenarios).enumerate() {
        let phase = format!("cell {} of {}: {}", nth + 1, cells.len(), cell.name);
        options.progress.go_on()?;
        options.progress.begin(&phase, 0);
        options.progress.end();
        outcomes.push((cell.name.clone(), run_cell(options, cell, scenario)?));
    }
    let mut table = Table::new(options.plan);
    for (cell, (_, done)) in cells.iter().zip(&outcomes) {
        if !matches!(done, Done::Failed(_)) {
            table.add(cell, &folder(options, cell), options.metrics)?;
        }
    }
    let write = |name: &str, bytes: &[u8]| {
        let path = options.out.join(name);
        files::write_whole(&path, bytes).map_err(|source| SweepError::Io { path, source })
    };
    std::fs::create_dir_all(options.out.join("plots"))
        .map_err(|source| SweepError::Io { path: options.out.to_owned(), source })?;
    write("sweep.csv", &table.csv())?;
    let means = table.means();
    write("sweep_means.csv", &table.means_csv(&means))?;
    let title = scenarios.first().map_or("", |scenario| scenario.file.name.as_str());
    let page = page::of(title, options.plan, (&means, options.metrics), &outcomes)?;
    for (name, svg) in &page.plots {
        write(&format!("plots/{name}.svg"), svg.as_bytes())?;
    }
    write("sweep.html", page.html.as_bytes())?;
    Ok(outcomes)
}

fn folder(options: &SweepOptions<'_>, cell: &Cell) -> PathBuf {
    options.out.join(CELLS).join(&cell.name)
}

/// The scenario of every cell, in their order; every complaint at once, with the cells it is about.
fn check(options: &SweepOptions<'_>, cells: &[Cell]) -> Result<Vec<Scenario>, SweepError> {
    let text = read_text(options.scenario)?;
    let mut scenarios = Vec::new();
    // Complaint, the first cell it is about, how many others.
    let mut complaints: Vec<(String, &str, usize)> = Vec::new();
    for cell in cells {
        let overrides: Vec<String> = options.overrides.iter().chain(&cell.overrides).cloned().collect();
        let told = match Scenario::parse(options.scenario, &text, &overrides) {
            Ok(scenario) => {
                scenarios.push(scenario);
                continue;
            }
            Err(ScenarioError::Invalid { complaints, .. }) => {
                complaints.iter().map(ToString::to_string).collect()
            }
            Err(other) => vec![other.to_string()],
        };
        for complaint in told {
            match complaints.iter_mut().find(|(known, ..)| *known == complaint) {
                Some((.., n_others)) => *n_others += 1,
                None => complaints.push((complaint, &cell.name, 0)),
            }
        }
    }
    if !complaints.is_empty() {
        let told = complaints.iter().map(|(complaint, cell, n_others)| match n_others {
            0 => format!("cell {cell}: {complaint}"),
            1 => format!("cell {cell} and another: {complaint}"),
            n => format!("cell {cell} and {n} others: {complaint}"),
        });
        return Err(SweepError::BadCells(told.collect()));
    }
    let is_changed = |(cell, scenario): &(&Cell, &Scenario)| {
        let folder = folder(options, cell);
        is_finished(&folder) && !is_same(&folder, scenario)
    };
    let changed = cells.iter().zip(&scenarios).filter(is_changed).map(|(cell, _)| cell.name.clone());
    let changed: Vec<String> = changed.collect();
    if !changed.is_empty() && !options.force {
        return Err(SweepError::Changed(changed));
    }
    Ok(scenarios)
}

/// The card is written when all else is there.
fn is_finished(folder: &Path) -> bool {
    folder.join("manifest.json").is_file() && folder.join(card::FILE_NAME).is_file()
}

fn is_same(folder: &Path, scenario: &Scenario) -> bool {
    std::fs::read_to_string(folder.join("scenario.toml")).is_ok_and(|text| text == scenario_text(scenario))
}

fn run_cell(options: &SweepOptions<'_>, cell: &Cell, scenario: &Scenario) -> Result<Done, SweepError> {
    let out = folder(options, cell);
    if is_finished(&out) && is_same(&out, scenario) {
        return Ok(Done::Kept);
    }
    let checkpoints = options.checkpoints.map(|dir| dir.join(&cell.name));
    let run = RunOptions {
        models: None,
        shard: None,
        out: &out,
        base_dir: options.base_dir,
        // What stands there is half a run of this sweep, or was allowed to go.
        mode: Mode::Force,
        checkpoints: checkpoints.as_deref(),
        tape: options.tape,
        progress: options.progress,
    };
    let Err(error) = experiment::run(scenario, &run) else { return Ok(Done::Run) };
    if let (true, Err(stopped)) = (is_stopped(&error), options.progress.go_on()) {
        return Err(stopped.into());
    }
    Ok(Done::Failed(chain(&error)))
}

/// An error with all its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_told = cause.to_string();
        if !told.ends_with(&cause_told) {
            told = format!("{told}: {cause_told}");
        }
        source = cause.source();
    }
    told
}

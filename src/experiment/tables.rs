//! From the event files of a run folder to `sessions.csv`, `metrics.csv` and `comparisons.csv`.
//! Reads only what a stranger with the folder could read.

use super::RunError;
use super::folder::RunFolder;
use super::prepare::Prepared;
use super::{text_bought, truth};
use crate::event::read::{DenseIds, for_some_sessions};
use crate::event::{EventError, Session};
use crate::files::Unfinished;
use crate::metric::analyse::{ArmAnalysis, ArmResult, analyse};
use crate::metric::tables::{self, ComparisonRow, MetricsRow, SessionRow};
use crate::metric::truth::Truths;
use crate::metric::{self, Population, Setting};
use crate::scenario::Scenario;
use rayon::prelude::*;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Rows of `sessions.csv` that one thread puts into words at a time.
const ROWS_AT_ONCE: usize = 1024;

/// What was measured.
pub struct Found {
    /// Every metric of every arm and round, with what each person contributes.
    pub results: Vec<ArmResult>,
    /// Every arm against the baseline.
    pub comparisons: Vec<ComparisonRow>,
}

/// Writes the three tables, what text bought, and those about the truth where the dataset knows it.
pub fn write(scenario: &Scenario, prepared: &Prepared, folder: &RunFolder) -> Result<Found, RunError> {
    let setting = Setting {
        catalogue: &prepared.catalogue,
        population: &prepared.population,
        items_per_page: scenario.file.session.items_per_page as usize,
    };
    let ids = prepared.ids();
    let mut results = Vec::new();
    let ratings = truth::ratings(prepared);
    let mut truths = ratings.as_ref().map(|ratings| Truths::new(ratings, scenario.arms.len()));
    let path = folder.root.join("sessions.csv");
    let io = |source| RunError::Io { path: path.clone(), source };
    // Sessions are read once: their rows are written while they are measured.
    let mut rows = Unfinished::create(&path).map_err(io)?;
    tables::write::<SessionRow>(&[], &SessionRow::HEADER, &mut rows)
        .map_err(|error| io(io::Error::other(error)))?;
    for (nth, arm) in scenario.arms.iter().enumerate() {
        let mut wrote = Ok(());
        let observe = |sessions: &[Session]| {
            truths.iter_mut().for_each(|truths| sessions.iter().for_each(|s| truths.observe(nth, s)));
            if wrote.is_ok() {
                wrote = write_sessions(&arm.name, sessions, setting.population, &mut rows);
            }
        };
        results.push(measure(&arm.name, &folder.parts(&arm.name)?, setting, &ids, observe)?);
        wrote.map_err(io)?;
    }
    rows.finish().map_err(io)?;
    if let Some(truths) = truths {
        truth::write(scenario, prepared, folder, truths, &results)?;
    }
    text_bought::write(scenario, folder, &results, &prepared.streams)?;
    let found = analyse(&results, &scenario.file.statistics, &prepared.streams);
    write_table(folder, "metrics.csv", &found.metrics, &MetricsRow::HEADER)?;
    write_table(folder, "comparisons.csv", &found.comparisons, &ComparisonRow::HEADER)?;
    Ok(Found { results, comparisons: found.comparisons })
}

/// Measures one arm from the parts of its events; `observe` sees the sessions too, in their order.
pub(super) fn measure(
    arm: &str,
    parts: &[PathBuf],
    setting: Setting<'_>,
    ids: &DenseIds,
    mut observe: impl FnMut(&[Session]),
) -> Result<ArmResult, EventError> {
    let mut analysis = ArmAnalysis::new(arm, metric::ALL);
    for part in parts {
        for_some_sessions(part, ids, |sessions| {
            observe(sessions);
            analysis.observe(sessions, setting);
        })?;
    }
    Ok(analysis.finish(setting))
}

/// Appends the rows of some sessions.
fn write_sessions(
    arm: &str,
    sessions: &[Session],
    population: &Population,
    file: &mut dyn Write,
) -> io::Result<()> {
    let in_words = |sessions: &[Session]| {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        for session in sessions {
            writer.serialize(SessionRow::new(arm, session, population)).map_err(io::Error::other)?;
        }
        writer.into_inner().map_err(|error| error.into_error())
    };
    let rows: Vec<io::Result<Vec<u8>>> = sessions.par_chunks(ROWS_AT_ONCE).map(in_words).collect();
    rows.into_iter().try_for_each(|rows| file.write_all(&rows?))
}

pub(super) fn write_table<T: Serialize>(
    folder: &RunFolder,
    name: &str,
    rows: &[T],
    header: &[&str],
) -> Result<(), RunError> {
    let mut bytes = Vec::new();
    tables::write(rows, header, &mut bytes)
        .map_err(|error| RunError::Io { path: folder.root.join(name), source: io::Error::other(error) })?;
    folder.write(name, &bytes)
}

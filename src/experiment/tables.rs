//! From the event files of a run folder to `sessions.csv`, `metrics.csv` and `comparisons.csv`.
//! Reads only what a stranger with the folder could read.

use super::RunError;
use super::folder::RunFolder;
use super::prepare::Prepared;
use super::{text_bought, truth};
use crate::event::Session;
use crate::event::read::{DenseIds, for_each_session};
use crate::metric::analyse::{ArmAnalysis, ArmResult, analyse};
use crate::metric::tables::{self, ComparisonRow, MetricsRow, SessionRow};
use crate::metric::truth::Truths;
use crate::metric::{self, Setting};
use crate::scenario::Scenario;
use serde::Serialize;

/// Sessions measured at once.
const CHUNK: usize = 4096;

/// What was measured.
pub struct Found {
    /// Every metric of every arm and round, with what each agent contributes.
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
    let ids = DenseIds::new(
        prepared.agents.raw_ids.iter().map(String::as_str),
        prepared.dataset.items.all().iter().map(String::as_str),
    );
    let mut rows = Vec::new();
    let mut results = Vec::new();
    let ratings = truth::ratings(prepared);
    let mut truths = ratings.as_ref().map(|ratings| Truths::new(ratings, scenario.arms.len()));
    for (nth, arm) in scenario.arms.iter().enumerate() {
        let observe = |session: &Session| {
            rows.push(SessionRow::new(&arm.name, session, setting.population));
            truths.iter_mut().for_each(|truths| truths.observe(nth, session));
        };
        results.push(measure(&arm.name, folder, setting, &ids, observe)?);
    }
    if let Some(truths) = truths {
        truth::write(scenario, prepared, folder, truths, &results)?;
    }
    text_bought::write(scenario, folder, &results, &prepared.streams)?;
    let found = analyse(&results, &scenario.file.statistics, &prepared.streams);
    write_table(folder, "sessions.csv", &rows, &SessionRow::HEADER)?;
    write_table(folder, "metrics.csv", &found.metrics, &MetricsRow::HEADER)?;
    write_table(folder, "comparisons.csv", &found.comparisons, &ComparisonRow::HEADER)?;
    Ok(Found { results, comparisons: found.comparisons })
}

/// Measures one arm; `observe` sees its sessions too.
fn measure(
    arm: &str,
    folder: &RunFolder,
    setting: Setting<'_>,
    ids: &DenseIds,
    mut observe: impl FnMut(&Session),
) -> Result<ArmResult, RunError> {
    let mut analysis = ArmAnalysis::new(arm, metric::ALL);
    let mut chunk: Vec<Session> = Vec::with_capacity(CHUNK);
    for_each_session(&folder.events(arm)?, ids, |session| {
        observe(session);
        chunk.push(session.clone());
        if chunk.len() == CHUNK {
            analysis.observe(&chunk, setting);
            chunk.clear();
        }
    })?;
    analysis.observe(&chunk, setting);
    Ok(analysis.finish(setting))
}

pub(super) fn write_table<T: Serialize>(
    folder: &RunFolder,
    name: &str,
    rows: &[T],
    header: &[&str],
) -> Result<(), RunError> {
    let mut bytes = Vec::new();
    tables::write(rows, header, &mut bytes).map_err(|error| RunError::Io {
        path: folder.root.join(name),
        source: std::io::Error::other(error),
    })?;
    folder.write(name, &bytes)
}

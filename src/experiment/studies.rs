//! The studies of a scenario, from a finished simulation into `studies/`: what each told as JSON, and its
//! tables as CSV. Must not know any study.

use super::RunError;
use super::folder::RunFolder;
use super::prepare::Prepared;
use super::tables::Found;
use crate::scenario::{Feedback, PlannedStudy, Scenario};
use crate::study::{ArmEvidence, Cell, Evidence, FOLDER, StudyTable, Told};

/// Runs every study and writes what it told.
pub fn write(
    scenario: &Scenario,
    prepared: &Prepared,
    folder: &RunFolder,
    found: &Found,
) -> Result<(), RunError> {
    if scenario.studies.is_empty() {
        return Ok(());
    }
    let path = folder.root.join(FOLDER);
    std::fs::create_dir_all(&path).map_err(|source| RunError::Io { path, source })?;
    let mut arms = Vec::new();
    for arm in &scenario.arms {
        arms.push(ArmEvidence {
            name: arm.name.clone(),
            kind: arm.kind.name().to_owned(),
            wraps: arm.trainer.wraps().map(str::to_owned),
            is_refitted: arm.feedback == Feedback::Refit,
            cues: arm.cues.clone().unwrap_or_else(|| scenario.file.session.cues.clone()),
            events: folder.parts(&arm.name)?,
        });
    }
    let ids = prepared.ids();
    let evidence = Evidence {
        scenario: &scenario.file,
        arms: &arms,
        catalogue: &prepared.catalogue,
        population: &prepared.population,
        ids: &ids,
        results: &found.results,
        comparisons: &found.comparisons,
        statistics: &scenario.file.statistics,
        streams: prepared.streams,
        run_dir: &folder.root,
    };
    scenario.studies.iter().try_for_each(|planned| tell(planned, &evidence, folder))
}

fn tell(planned: &PlannedStudy, evidence: &Evidence<'_>, folder: &RunFolder) -> Result<(), RunError> {
    let failed = |source| RunError::Study { study: planned.name.clone(), source };
    let mut told: Told = planned.study.tell(evidence).map_err(failed)?;
    told.name = planned.name.clone();
    told.kind = planned.kind.name().to_owned();
    for table in &told.tables {
        folder.write(&format!("{FOLDER}/{}-{}.csv", planned.name, table.name), &csv(table))?;
    }
    let mut json = serde_json::to_vec_pretty(&told).expect("what a study tells is plain data");
    json.push(b'\n');
    folder.write(&format!("{FOLDER}/{}.json", planned.name), &json)
}

pub(super) fn csv(table: &StudyTable) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let whole = "a write to memory with a fixed number of cells";
    writer.write_record(table.columns.iter().map(|column| column.name.as_str())).expect(whole);
    for row in &table.rows {
        let cell = |cell: &Cell| match cell {
            Cell::Number(value) => value.to_string(),
            Cell::Text(text) => text.clone(),
            Cell::Missing(()) => String::new(),
        };
        writer.write_record(row.iter().map(cell)).expect(whole);
    }
    writer.into_inner().expect(whole)
}

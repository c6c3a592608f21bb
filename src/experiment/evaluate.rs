//! Offline evaluation of a scenario's arms: fit or load, rank, measure against what was held
//! out, and write the same tables a run writes. Must not know agents or the world.

use super::fit::{Workshop, training};
use super::folder::RunFolder;
use super::identity::RunIdentity;
use super::{RunError, RunOptions, prepare, tables};
use crate::dataset::{Dataset, DatasetError, Interactions, Split};
use crate::metric::Measured;
use crate::metric::analyse::{ArmResult, Tables, analyse};
use crate::metric::evaluate::{Candidates, Protocol, evaluate, write_users};
use crate::metric::tables::{ComparisonRow, MetricsRow};
use crate::rng::Streams;
use crate::scenario::Scenario;
use crate::scenario::file::{CandidateRule, HeldOut};
use std::path::Path;

/// Evaluates every arm. Writes `metrics.csv`, `comparisons.csv`, `users.csv` and `scenario.toml`
/// into the folder, and gives the tables back.
pub fn run(scenario: &Scenario, options: &RunOptions<'_>) -> Result<Tables, RunError> {
    let streams = Streams::new(scenario.file.seed);
    let (dataset, split) = prepare::load(scenario, options.base_dir, options.progress)?;
    let stored = stored_candidates(scenario, &dataset, options.base_dir)?;
    let mut measured: Vec<(&str, Vec<Measured>)> = Vec::new();
    let llm = super::client(scenario, options);
    let workshop = Workshop {
        arms: &scenario.arms,
        dataset: &dataset,
        streams,
        around: &super::surroundings(scenario, options.base_dir, &llm),
        checkpoints: options.checkpoints,
        models: None,
        progress: options.progress,
    };
    for arm in &scenario.arms {
        let (model, _) = workshop.fit(&split, arm, 0)?;
        let section = &scenario.file.evaluation;
        let cutoffs: Vec<usize> = section.cutoffs.iter().map(|&n| n as usize).collect();
        let candidates = match section.candidates {
            CandidateRule::All => Candidates::All,
            CandidateRule::Sampled => Candidates::Sampled(section.n_candidates as usize),
            CandidateRule::Stored => Candidates::Stored(&stored),
        };
        let protocol =
            Protocol { cutoffs: &cutoffs, mask: section.mask, candidates, groups: section.groups, streams };
        let held_out = held_out(scenario, &split);
        let found =
            evaluate(model.as_ref(), &training(&dataset, &split), held_out, &protocol, options.progress)
                .map_err(|source| RunError::Recommend { arm: arm.name.clone(), source })?;
        measured.push((&arm.name, found));
    }
    let text = super::scenario_text(scenario);
    let identity = RunIdentity::new(&text, &dataset.content_hash());
    let folder = RunFolder::create(options.out, options.mode, Some((&identity, &text)))?;
    folder.write("scenario.toml", text.as_bytes())?;
    write(scenario, &dataset, &folder, &measured, streams)
}

fn held_out<'a>(scenario: &Scenario, split: &'a Split) -> &'a Interactions {
    match scenario.file.evaluation.held_out {
        HeldOut::Test => &split.test,
        HeldOut::Valid => &split.valid,
    }
}

fn write(
    scenario: &Scenario,
    dataset: &Dataset,
    folder: &RunFolder,
    measured: &[(&str, Vec<Measured>)],
    streams: Streams,
) -> Result<Tables, RunError> {
    let mut users = Vec::new();
    let arms: Vec<(&str, &[Measured])> = measured.iter().map(|(arm, found)| (*arm, &found[..])).collect();
    write_users(&arms, &dataset.users, &mut users)
        .map_err(|error| RunError::Io { path: folder.root.join("users.csv"), source: error.into() })?;
    folder.write("users.csv", &users)?;
    let results: Vec<ArmResult> =
        measured.iter().map(|(arm, found)| ArmResult::single(arm, found.clone())).collect();
    let found = analyse(&results, &scenario.file.statistics, &streams);
    tables::write_table(folder, "metrics.csv", &found.metrics, &MetricsRow::HEADER)?;
    tables::write_table(folder, "comparisons.csv", &found.comparisons, &ComparisonRow::HEADER)?;
    Ok(found)
}

/// The stored candidates, one ascending list a user; empty lists where the file has no line.
fn stored_candidates(
    scenario: &Scenario,
    dataset: &Dataset,
    base_dir: &Path,
) -> Result<Vec<Vec<u32>>, RunError> {
    let section = &scenario.file.evaluation;
    let (CandidateRule::Stored, Some(path)) = (section.candidates, &section.candidates_path) else {
        return Ok(Vec::new());
    };
    let path = base_dir.join(path);
    let text = crate::intake::text(&path, crate::intake::MADE_BYTES_MAX)
        .map_err(|source| DatasetError::Io { path: path.clone(), source })?;
    let mut lists = vec![Vec::new(); dataset.n_users()];
    for (line, row) in text.lines().enumerate() {
        let bad = |column: usize, value: &str, expected: &str| DatasetError::BadRow {
            path: path.clone(),
            line: line as u64 + 1,
            column: column as u32 + 1,
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        let mut cells = row.split_whitespace();
        let Some(raw) = cells.next() else { continue };
        let user = dataset.users.get(raw).ok_or_else(|| bad(0, raw, "a user of the dataset"))?;
        let list = &mut lists[user as usize];
        for (k, raw) in cells.enumerate() {
            list.push(dataset.items.get(raw).ok_or_else(|| bad(k + 1, raw, "an item of the dataset"))?);
        }
        list.sort_unstable();
        list.dedup();
    }
    Ok(lists)
}

//! One run by several processes: each simulates its slice of the agents into a folder of its own, and a merge puts
//! the slices together to the bytes that one process would have written. Must not know who starts the processes.

use super::folder::{MARK, RunFolder};
use super::identity::{self, RunIdentity, Shard};
use super::prepare::Prepared;
use super::simulate::{Failures, Raw, count_failures};
use super::{RunError, RunOptions, begun, client, conclude, manifest, policies, scenario_text, simulate};
use crate::event::read::{DenseIds, for_some_events};
use crate::event::write::EventWriter;
use crate::event::{Event, EventError};
use crate::llm::tape;
use crate::report::manifest::{ArmInfo, LlmUsage, Timing};
use crate::scenario::{Arm, Scenario};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a finished shard leaves beside its events.
pub const FILE_NAME: &str = "shard.json";

/// What a shard knows that its events do not tell.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ShardReport {
    arms: Vec<ArmInfo>,
    timings: Vec<Timing>,
    llm: Vec<LlmUsage>,
}

/// The agents that a shard simulates: slices are as equal as can be, in order, and leave nobody out.
pub fn agents(n_agents: usize, shard: Option<Shard>) -> Range<usize> {
    let Some(Shard { index, of }) = shard else { return 0..n_agents };
    let begin = |nth: u32| (n_agents as u128 * u128::from(nth) / u128::from(of)) as usize;
    begin(index - 1)..begin(index)
}

/// Refuses what cannot be shared out.
pub(super) fn check(scenario: &Scenario, shard: Option<Shard>) -> Result<(), RunError> {
    match shard {
        Some(_) if scenario.file.rounds > 1 => Err(RunError::NotShared { n_rounds: scenario.file.rounds }),
        _ => Ok(()),
    }
}

/// Ends a shard: its events are there, and this says so.
pub(super) fn end(
    scenario: &Scenario,
    prepared: &Prepared,
    folder: &RunFolder,
    arms: Vec<(ArmInfo, Failures)>,
    clock: manifest::Clock,
) -> Result<(), RunError> {
    let report = ShardReport {
        arms: arms.into_iter().map(|(arm, _)| arm).collect(),
        timings: clock.timings(),
        llm: manifest::llm_usage(scenario, &prepared.around.llm.ledger()),
    };
    let text = serde_json::to_vec_pretty(&report).expect("plain data is JSON");
    folder.write(FILE_NAME, &text)?;
    folder.finish();
    Ok(())
}

/// A shard that was found.
struct Found {
    dir: PathBuf,
    shard: Shard,
    report: ShardReport,
}

/// Puts the shards in these folders together into the run folder of the options, whatever their order.
///
/// # Errors
/// When a folder is no finished shard, when two are of different runs, when one is there twice or missing, and when
/// the events of one are not those of its agents.
pub fn merge(dirs: &[PathBuf], options: &RunOptions<'_>) -> Result<(), RunError> {
    let mut clock = manifest::Clock::start();
    let (identity, found) = survey(dirs)?;
    let is_out = |dir: &Path| match (dir.canonicalize(), options.out.canonicalize()) {
        (Ok(dir), Ok(out)) => dir == out,
        _ => false,
    };
    if let Some(shard) = found.iter().find(|shard| is_out(&shard.dir)) {
        let problem = "is a shard and cannot be --out too: it would be replaced".to_owned();
        return Err(RunError::Merge { path: shard.dir.clone(), problem });
    }
    let scenario = scenario(&found[0].dir)?;
    if let Some(shard) = found.iter().find(|shard| shard.report.arms.len() != scenario.arms.len()) {
        let (n_found, n_arms) = (shard.report.arms.len(), scenario.arms.len());
        let problem = format!("has {n_found} arms, expected the {n_arms} of its scenario");
        return Err(RunError::Merge { path: shard.dir.join(FILE_NAME), problem });
    }
    let text = scenario_text(&scenario);
    let llm = client(&scenario, options);
    let prepared = Prepared::new(&scenario, options.base_dir, &llm, options.progress)?;
    let here = RunIdentity::new(&text, &prepared.dataset_hash);
    if let Some(difference) = here.difference(&RunIdentity { shard: None, ..identity }) {
        return Err(RunError::OtherRun { path: found[0].dir.clone(), found: difference });
    }
    clock.lap("prepare");
    let folder = RunFolder::open(options.out, options.mode, Some((&here, &text)))?;
    let mut first = Vec::new();
    if policies::are_wanted(&scenario) {
        for arm in &scenario.arms {
            first.push(simulate::first_fit(&scenario, &prepared, arm, options, &mut clock)?);
        }
    }
    let kept = policies::keep(&scenario, &prepared, &first)?;
    begun(&folder, &prepared, &text)?;
    let ids = prepared.ids();
    let mut arms = Vec::new();
    for (arm, info) in scenario.arms.iter().zip(&found[0].report.arms) {
        options.progress.begin(&format!("merge {}", arm.name), prepared.agents.len() as u64);
        let gather = Gather { scenario: &scenario, prepared: &prepared, ids: &ids, folder: &folder, arm };
        let failures = gather.all(&found, options)?;
        options.progress.end();
        arms.push((info.clone(), failures));
    }
    tapes(&found, &folder)?;
    found.iter().for_each(|shard| clock.add(&shard.report.timings));
    clock.lap("merge");
    let llm_usage = llm_of_all(&found);
    conclude(&scenario, &prepared, &folder, arms, llm_usage, &kept, clock, options)
}

/// Reads what every folder says it is, and makes sure that together they are one run.
fn survey(dirs: &[PathBuf]) -> Result<(RunIdentity, Vec<Found>), RunError> {
    let bad = |dir: &Path, problem: String| RunError::Merge { path: dir.to_owned(), problem };
    let mut run: Option<RunIdentity> = None;
    let mut found: Vec<Found> = Vec::new();
    for dir in dirs {
        let (whole, shard, report) = read(dir)?;
        if let Some(other) = found.iter().find(|other| other.shard == shard) {
            let twin = other.dir.display();
            return Err(bad(dir, format!("is shard {shard}, and so is {twin}; give each once")));
        }
        let first = run.get_or_insert_with(|| whole.clone());
        if let Some(difference) = first.difference(&whole) {
            let (what, there, here) = (difference.what, difference.there, difference.here);
            let problem = format!(
                "is of another run: its {what} is {there:?}, that of {} is {here:?}",
                dirs[0].display()
            );
            return Err(bad(dir, problem));
        }
        if let Some(other) = found.first().filter(|other| other.shard.of != shard.of) {
            let problem = format!("is shard {shard}, but {} is shard {}", other.dir.display(), other.shard);
            return Err(bad(dir, problem));
        }
        found.push(Found { dir: dir.clone(), shard, report });
    }
    let (Some(run), Some(of)) = (run, found.first().map(|shard| shard.shard.of)) else {
        return Err(bad(Path::new("."), "no folder given, expected those of all shards".to_owned()));
    };
    found.sort_by_key(|shard| shard.shard.index);
    let missing = (1..=of).filter(|index| found.iter().all(|shard| shard.shard.index != *index));
    let missing: Vec<String> = missing.map(|index| format!("{index}/{of}")).collect();
    match missing.is_empty() {
        true => Ok((run, found)),
        false => {
            Err(bad(&found[0].dir, format!("is not all of the run: shard {} is missing", missing.join(", "))))
        }
    }
}

/// What a folder says of itself: of which run it is, which shard of it, and what came of it.
fn read(dir: &Path) -> Result<(RunIdentity, Shard, ShardReport), RunError> {
    let file = |name: &str, problem: &str| {
        let path = dir.join(name);
        crate::intake::text(&path, crate::intake::MADE_BYTES_MAX).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                RunError::Merge { path: dir.to_owned(), problem: problem.to_owned() }
            }
            _ => RunError::Io { path, source },
        })
    };
    let bad = |name: &str, error: serde_json::Error| RunError::Merge {
        path: dir.join(name),
        problem: format!("is not what a shard leaves: {error}"),
    };
    let text = file(identity::FILE_NAME, "holds no shard: it has no identity.json")?;
    let identity: RunIdentity =
        serde_json::from_str(&text).map_err(|error| bad(identity::FILE_NAME, error))?;
    let Some(shard) = identity.shard else {
        return Err(RunError::Merge {
            path: dir.to_owned(),
            problem: "is no shard but a whole run".to_owned(),
        });
    };
    if !(1..=shard.of).contains(&shard.index) {
        let problem = format!("names shard {shard}, which cannot be");
        return Err(RunError::Merge { path: dir.join(identity::FILE_NAME), problem });
    }
    let text = file(FILE_NAME, "holds a shard that is not finished; run it again with --resume")?;
    let report: ShardReport = serde_json::from_str(&text).map_err(|error| bad(FILE_NAME, error))?;
    Ok((RunIdentity { shard: None, ..identity }, shard, report))
}

/// The scenario that a shard was run with.
fn scenario(dir: &Path) -> Result<Scenario, RunError> {
    let path = dir.join("scenario.toml");
    let text = crate::intake::text(&path, crate::intake::MADE_BYTES_MAX);
    let text = text.map_err(|source| RunError::Io { path: path.clone(), source })?;
    if !text.starts_with(MARK) {
        return Err(RunError::Merge { path, problem: "is not the scenario of a run".to_owned() });
    }
    Scenario::parse(&path, &text, &[])
        .map_err(|error| RunError::Merge { path: path.clone(), problem: error.to_string() })
}

/// The events of one arm from all shards.
struct Gather<'a> {
    scenario: &'a Scenario,
    prepared: &'a Prepared,
    ids: &'a DenseIds,
    folder: &'a RunFolder,
    arm: &'a Arm,
}

impl Gather<'_> {
    /// Writes the parts of the whole run, and tells what failed.
    fn all(&self, found: &[Found], options: &RunOptions<'_>) -> Result<Failures, RunError> {
        let raw = Raw(self.prepared);
        // Makes the folder of the arm.
        self.folder.part(&self.arm.name, 0)?;
        let per_part = self.scenario.file.world.agents_per_part as usize;
        let mut failures = Failures::new();
        let mut writer: Option<(usize, EventWriter<'_>)> = None;
        let mut next = 0;
        for shard in found {
            let own = agents(self.prepared.agents.len(), Some(shard.shard));
            for path in crate::report::event_files(&shard.dir, &self.arm.name).map_err(RunError::Report)? {
                let mut row = 0;
                for_some_events(&path, self.ids, |events| {
                    for of_part in
                        events.chunk_by(|a, b| a.agent.idx() / per_part == b.agent.idx() / per_part)
                    {
                        in_turn(&path, of_part, &own, &mut next, &mut row)?;
                        let number = of_part[0].agent.idx() / per_part;
                        self.write(&mut writer, number, of_part, &raw)?;
                        count_failures(of_part, &mut failures);
                    }
                    Ok(())
                })?;
                options.progress.go_on()?;
            }
            if next != own.end {
                let problem = format!("has the events of agents up to {next}, expected {}", own.end);
                return Err(RunError::Merge { path: shard.dir.clone(), problem });
            }
            options.progress.advance(own.len() as u64, "");
        }
        if let Some((_, writer)) = writer {
            writer.finish()?;
        }
        Ok(failures)
    }

    fn write<'b>(
        &self,
        writer: &mut Option<(usize, EventWriter<'b>)>,
        number: usize,
        events: &[Event],
        raw: &'b Raw<'_>,
    ) -> Result<(), EventError> {
        if writer.as_ref().is_some_and(|(open, _)| *open != number)
            && let Some((_, done)) = writer.take()
        {
            done.finish()?;
        }
        if writer.is_none() {
            let path = self.folder.part_path(&self.arm.name, number);
            *writer = Some((number, EventWriter::create(&path, raw)?));
        }
        match writer {
            Some((_, writer)) => writer.write(events),
            None => Ok(()),
        }
    }
}

/// Makes sure that agents come one after another, none twice, and all of them of the shard.
fn in_turn(
    path: &Path,
    events: &[Event],
    own: &Range<usize>,
    next: &mut usize,
    row: &mut u64,
) -> Result<(), EventError> {
    for of_agent in events.chunk_by(|a, b| a.agent == b.agent) {
        let agent = of_agent[0].agent.idx();
        let goes_on = agent + 1 == *next && *row > 0;
        if !own.contains(&agent) || (agent != *next && !goes_on) || of_agent.iter().any(|e| e.round > 0) {
            let problem = format!("events of agent {agent}, expected agent {} of {own:?}", *next);
            return Err(EventError::BadRow { path: path.to_owned(), row: *row, problem });
        }
        *next = agent + 1;
        *row += of_agent.len() as u64;
    }
    Ok(())
}

/// What all shards asked of language models, added up; percentiles cannot be.
fn llm_of_all(found: &[Found]) -> Vec<LlmUsage> {
    let mut all: Vec<LlmUsage> = Vec::new();
    for usage in found.iter().flat_map(|shard| &shard.report.llm) {
        match all.iter_mut().find(|sum| (&sum.arm, &sum.model) == (&usage.arm, &usage.model)) {
            Some(sum) => sum.add(usage),
            None => all.push(usage.clone()),
        }
    }
    all
}

/// Puts the tapes of the shards together, so that the merged run can be replayed.
fn tapes(found: &[Found], folder: &RunFolder) -> Result<(), RunError> {
    for shard in found {
        let tape = shard.dir.join(tape::FILE_NAME);
        if !tape.is_file() {
            continue;
        }
        let io = |source| RunError::Io { path: folder.root.join(tape::FILE_NAME), source };
        let mut lines = crate::files::temporary_beside(&folder.root.join(tape::FILE_NAME)).map_err(io)?;
        let failed = |error| RunError::Merge { path: tape.clone(), problem: format!("{error}") };
        tape::export(&tape, &mut lines).map_err(failed)?;
        tape::import(&folder.root.join(tape::FILE_NAME), lines.path()).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_everybody_once() {
        for (n_agents, of) in [(0, 1), (1, 3), (16, 16), (1000, 7), (u32::MAX as usize, 4096)] {
            let slices = (1..=of).map(|index| agents(n_agents, Some(Shard { index, of })));
            let mut end = 0;
            for slice in slices {
                assert_eq!(slice.start, end);
                assert!(slice.len().abs_diff(n_agents / of as usize) <= 1);
                end = slice.end;
            }
            assert_eq!(end, n_agents);
        }
        assert_eq!(agents(5, None), 0..5);
    }
}

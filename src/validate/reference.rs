//! The sessions a simulation is held against: records of other agents or people, or a run folder
//! of our own. They come out as one [`Session`] a person, numbered as the scenario's agents.
//! Must not know how they will be compared.

use super::ValidateError;
use super::simulate::Stage;
use crate::agent::halves::{Dealt, Half};
use crate::agent::profile::Profile;
use crate::event::Session;
use crate::event::read::for_each_session;
use crate::event::recorded::{self, Names};
use crate::experiment::prepare::Prepared;
use crate::id::{AgentId, ItemId, UserId};
use crate::metric::subjects;
use crate::recommender::{Recommender, Request};
use crate::report::Report;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is held against the simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Where it came from, for people to read.
    pub told: String,
    /// One session a person, ascending by agent of the scenario.
    pub sessions: Vec<Session>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// One file or arm of it, before it is chosen.
struct Part {
    told: String,
    sessions: Vec<Session>,
}

/// Reads what is at `path`: a file of recorded sessions or of language-model calls, a folder of such files
/// (`sessions_*.jsonl`, else `llm_calls_*.jsonl`), or a run folder, of which the arm called `arm` is taken.
///
/// Of files that tell of the same people, the one whose pages are most like those of `recommender` is
/// taken: a person cannot have lived through two.
pub fn read(
    path: &Path,
    prepared: &Prepared,
    arm: &str,
    recommender: &dyn Recommender,
) -> Result<Reference, ValidateError> {
    if path.join("manifest.json").is_file() {
        return run_folder(path, prepared, arm);
    }
    let files = if path.is_dir() { session_files(path)? } else { vec![path.to_owned()] };
    let dataset = &prepared.dataset;
    let [users, items] = [&dataset.users, &dataset.items].map(|all| all.all().iter().map(String::as_str));
    let names = Names::new(users, items, dataset.catalogue.iter().map(|item| item.title.as_str()));
    let mut parts = Vec::new();
    for file in &files {
        let mut sessions = recorded::read_either(file, &names)?;
        let is_marked = sessions.iter().flat_map(|r| r.session.slots()).any(|slot| slot.held_out);
        if !is_marked {
            // The record does not know what is held out; the split does.
            let held_out = |agent: AgentId, item: ItemId| {
                prepared.held_out.items_of(UserId(agent.0)).binary_search(&item.0).is_ok()
            };
            recorded::mark_held_out(&mut sessions, held_out);
        }
        let sessions = sessions.into_iter().map(|r| r.session).collect();
        let told = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        parts.push(Part { told, sessions });
    }
    let (parts, notes) = choose(parts, prepared, recommender)?;
    let told: Vec<&str> = parts.iter().map(|part| part.told.as_str()).collect();
    let told = told.join(", ");
    let mut sessions: Vec<Session> = parts.into_iter().flat_map(|part| part.sessions).collect();
    sessions.sort_by_key(|session| session.agent);
    if sessions.is_empty() {
        return Err(ValidateError::reference(path, "no session"));
    }
    Ok(Reference { told, sessions, notes })
}

/// The files of sessions in a folder, else those of calls, in the order of their names.
fn session_files(dir: &Path) -> Result<Vec<PathBuf>, ValidateError> {
    let failed = |source| ValidateError::Read { path: dir.to_owned(), source };
    let (mut sessions, mut calls) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match name.strip_suffix(".jsonl") {
            Some(name) if name.starts_with("sessions_") => sessions.push(path),
            Some(name) if name.starts_with("llm_calls_") => calls.push(path),
            _ => {}
        }
    }
    // Both tell of the same people.
    let mut files = if sessions.is_empty() { calls } else { sessions };
    files.sort();
    match files.is_empty() {
        true => {
            let problem = "no sessions_*.jsonl, no llm_calls_*.jsonl and no manifest.json of a run";
            Err(ValidateError::reference(dir, problem))
        }
        false => Ok(files),
    }
}

/// All parts where they tell of different people, else the one most like the arm.
fn choose(
    mut parts: Vec<Part>,
    prepared: &Prepared,
    recommender: &dyn Recommender,
) -> Result<(Vec<Part>, Vec<String>), ValidateError> {
    let mut people: Vec<AgentId> = parts.iter().flat_map(|p| p.sessions.iter().map(|s| s.agent)).collect();
    people.sort_unstable();
    if parts.len() < 2 || people.windows(2).all(|pair| pair[0] != pair[1]) {
        return Ok((parts, Vec::new()));
    }
    let mut likeness = Vec::new();
    for part in &parts {
        likeness.push(pages_alike(&part.sessions, prepared, recommender)?);
    }
    let best = (0..parts.len()).fold(0, |best, k| if likeness[k] > likeness[best] { k } else { best });
    let notes = (0..parts.len()).filter(|&k| k != best).map(|k| {
        format!(
            "{} is left out: it tells of people that {} tells of, and {:.0} % of its first pages' slots \
             are as this arm fills them, against {:.0} %",
            parts[k].told,
            parts[best].told,
            likeness[k] * 100.0,
            likeness[best] * 100.0
        )
    });
    let notes = notes.collect();
    Ok((vec![parts.swap_remove(best)], notes))
}

/// The share of slots of the first pages that hold the item this recommender puts there.
pub fn pages_alike(
    sessions: &[Session],
    prepared: &Prepared,
    recommender: &dyn Recommender,
) -> Result<f64, ValidateError> {
    let shown = |session: &Session| session.pages.first().map_or(0, |page| page.slots.len());
    let request = |session: &Session| {
        let profile = prepared.agents.profile(session.agent);
        Request {
            user: profile.user,
            luck: u64::from(profile.agent.0),
            round: 0,
            page: 1,
            n: shown(session),
            known: prepared.known.items_of(profile.user),
            shown: &[],
            feedback: &[],
        }
    };
    let requests: Vec<Request<'_>> = sessions.iter().map(request).collect();
    let lists = recommender.recommend(&requests).map_err(|e| ValidateError::recommend("", e))?;
    let (mut alike, mut all) = (0usize, 0usize);
    for (session, list) in sessions.iter().zip(lists) {
        let slots = session.pages.first().map(|page| &page.slots[..]).unwrap_or_default();
        alike += slots.iter().zip(&list.items).filter(|(slot, item)| slot.item == **item).count();
        all += slots.len();
    }
    Ok(alike as f64 / all.max(1) as f64)
}

/// The first round of an arm of a run folder; copies of a person are left out.
fn run_folder(path: &Path, prepared: &Prepared, arm: &str) -> Result<Reference, ValidateError> {
    let report = Report::read_tables(path)?;
    let manifest = &report.manifest;
    let names: Vec<&str> = manifest.arms.iter().map(|arm| arm.name.as_str()).collect();
    let arm = match (names.contains(&arm), &names[..]) {
        (true, _) => arm,
        (false, [only]) => only,
        (false, _) => {
            let problem = format!("no arm {arm:?}, expected one of: {}", names.join(", "));
            return Err(ValidateError::reference(path, problem));
        }
    };
    let population = subjects::read_population(path)?;
    let users = &prepared.dataset.users;
    let persons: BTreeMap<AgentId, AgentId> = (0..)
        .zip(population.iter())
        .filter(|(_, agent)| !agent.is_copy())
        .filter_map(|(k, agent)| Some((AgentId(k), AgentId(users.get(&agent.person.raw_id)?))))
        .collect();
    let ids = population.ids(prepared.dataset.items.all().iter().map(String::as_str));
    let (mut sessions, mut n_copies) = (Vec::new(), 0usize);
    for file in crate::report::event_files(path, arm)? {
        for_each_session(&file, &ids, |session| match persons.get(&session.agent) {
            Some(&agent) if session.round == 0 => sessions.push(Session { agent, ..session.clone() }),
            Some(_) => {}
            None => n_copies += usize::from(session.round == 0),
        })?;
    }
    if sessions.is_empty() {
        return Err(ValidateError::reference(path, "no session of a person of this dataset"));
    }
    sessions.sort_by_key(|session| session.agent);
    let note =
        format!("{n_copies} sessions are left out: further copies of a person, or strangers to this dataset");
    let notes = if n_copies > 0 { vec![note] } else { Vec::new() };
    let title = if manifest.title.is_empty() { "a run" } else { &manifest.title };
    Ok(Reference { told: format!("{title}, arm {arm}"), sessions, notes })
}

impl Reference {
    /// The profiles of its people, in the order of its sessions.
    pub fn profiles(&self, prepared: &Prepared) -> Vec<Profile> {
        self.sessions.iter().map(|session| prepared.agents.profile(session.agent)).collect()
    }

    /// The same with one half of its people, dealt among themselves.
    pub fn half(mut self, half: Half, deal: u64, prepared: &Prepared) -> Self {
        if half != Half::Both {
            let profiles = self.profiles(prepared);
            let dealt: Vec<Dealt> = profiles
                .iter()
                .zip(&self.sessions)
                .map(|(profile, session)| Dealt::by_session(profile, session))
                .collect();
            let mut belongs = half.of(&dealt, deal).into_iter();
            self.sessions.retain(|_| belongs.next() == Some(true));
            self.told = format!("{} ({} half of its people)", self.told, half.name());
        }
        self
    }

    /// What cannot be compared: sessions longer or pages wider than the rules of the scenario allow.
    pub fn misfits(&self, stage: &Stage<'_>) -> Option<String> {
        let rules = stage.rules();
        let pages = self.sessions.iter().map(|s| s.pages.len()).max().unwrap_or(0);
        let slots = self.sessions.iter().flat_map(|s| &s.pages).map(|p| p.slots.len()).max().unwrap_or(0);
        if pages > rules.max_pages as usize {
            return Some(format!("a session of {pages} pages, session.max_pages is {}", rules.max_pages));
        }
        (slots > rules.items_per_page)
            .then(|| format!("a page of {slots} items, session.items_per_page is {}", rules.items_per_page))
    }
}

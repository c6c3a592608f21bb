//! Records to observations: recorded sessions, our own event logs, people's ratings.
//! Must not know how they are fitted.

use super::CalibrateError;
use super::observe::{PersonSeen, RatingSeen, relive};
use super::spec::{SourceFile, SourceKind};
use crate::agent::behavior::choice::view::{Person, Prospect};
use crate::agent::halves::{Dealt, Half};
use crate::agent::memory::Memory;
use crate::agent::profile::Profile;
use crate::digest::hex;
use crate::event::read::{DenseIds, for_each_session};
use crate::event::recorded::{self, Names, Recorded, Words};
use crate::event::{ExitReason, Session, transcript};
use crate::experiment::RunError;
use crate::experiment::prepare::Prepared;
use crate::id::AgentId;
use crate::llm::client::Client;
use crate::progress::Progress;
use crate::scenario::Scenario;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What a source gave.
#[derive(Clone, Debug)]
pub struct Material {
    /// Its name in the calibration file.
    pub name: String,
    /// What it is, in words.
    pub about: String,
    /// SHA-256 of the record.
    pub sha256: String,
    /// The people, in order, with what they did.
    pub people: Vec<PersonSeen>,
    /// For how many slots a page and pages a session it needs room: (slots, pages).
    pub extent: (usize, usize),
}

/// Reads one source.
pub fn read(
    name: &str,
    source: &SourceFile,
    (half, deal): (Half, u64),
    base_dir: &Path,
    progress: &dyn Progress,
) -> Result<Material, CalibrateError> {
    let record = source.path.as_ref().map(|path| base_dir.join(path));
    let scenario_path = match (source.kind, &record) {
        (SourceKind::Run, Some(folder)) => folder.join("scenario.toml"),
        _ => base_dir.join(source.scenario.clone().unwrap_or_default()),
    };
    let mut scenario = Scenario::load(&scenario_path, &source.set)?;
    if source.kind != SourceKind::Run {
        // One agent a person, so that agents are numbered as people are.
        scenario.file.population.n_agents = 0;
    }
    let prepared = Prepared::new(&scenario, base_dir, &Client::none(), progress)?;
    let (sessions, about, sha256) = match (source.kind, &record) {
        (SourceKind::Sessions, Some(path)) => {
            let calls = source.calls.as_ref().map(|path| base_dir.join(path));
            let sessions = recorded::read(path, calls.as_deref(), &names(&prepared).ids)?;
            (sessions, "recorded sessions", hash(std::slice::from_ref(path))?)
        }
        (SourceKind::Agent4RecTranscript, Some(path)) => {
            let sessions = transcript::read(path, &names(&prepared))?.sessions;
            (sessions, "sessions in a transcript of language-model agents", hash(std::slice::from_ref(path))?)
        }
        (SourceKind::Run, Some(folder)) => {
            let arm = source.arm.as_deref().unwrap_or_default();
            let parts = crate::report::event_files(folder, arm).map_err(RunError::Report)?;
            (own_log(&parts, &names(&prepared).ids)?, "sessions of a run", hash(&parts)?)
        }
        _ => {
            let people = ratings(
                &prepared,
                half.of(&prepared.agents.all().iter().map(Dealt::by_tiers).collect::<Vec<_>>(), deal),
            );
            return Ok(Material {
                name: name.to_owned(),
                about: format!("people's ratings of {} held out for validation", prepared.dataset.source),
                sha256: prepared.dataset_hash.clone(),
                people: weighted(people, source.weight),
                extent: (1, 1),
            });
        }
    };
    let people = lived_again(&sessions, &prepared, (half, deal), source.kind == SourceKind::Run);
    let slots = sessions.iter().flat_map(|r| r.session.pages.iter().map(|page| page.slots.len())).max();
    let pages = sessions.iter().map(|r| r.session.pages.len()).max();
    Ok(Material {
        name: name.to_owned(),
        about: about.to_owned(),
        sha256,
        people: weighted(people, source.weight),
        extent: (slots.unwrap_or(1), pages.unwrap_or(1)),
    })
}

/// What the names in a record stand for in the prepared data.
fn names(prepared: &Prepared) -> Names {
    let agents: Vec<_> =
        (0..prepared.agents.len() as u32).map(|k| prepared.agents.raw_id(AgentId(k))).collect();
    let items = prepared.dataset.items.all().iter().map(String::as_str);
    Names::new(
        agents.iter().map(AsRef::as_ref),
        items,
        prepared.dataset.catalogue.iter().map(|item| item.title.as_str()),
    )
}

fn lived_again(
    sessions: &[Recorded],
    prepared: &Prepared,
    (half, deal): (Half, u64),
    is_ours: bool,
) -> Vec<PersonSeen> {
    let profiles: Vec<Profile> =
        sessions.iter().map(|recorded| prepared.agents.profile(recorded.session.agent)).collect();
    let dealt: Vec<Dealt> =
        profiles.iter().zip(sessions).map(|(profile, r)| Dealt::by_session(profile, &r.session)).collect();
    let taken = half.of(&dealt, deal);
    sessions
        .iter()
        .zip(&profiles)
        .zip(taken)
        .filter(|(_, taken)| *taken)
        .map(|((recorded, profile), _)| relive(recorded, profile, &prepared.facts, is_ours))
        .collect()
}

/// Our own sessions of the first round, with what their events say of feelings and decisions.
fn own_log(parts: &[PathBuf], ids: &DenseIds) -> Result<Vec<Recorded>, CalibrateError> {
    let mut sessions = Vec::new();
    for part in parts {
        for_each_session(part, ids, |session| {
            if session.round == 0 && session.n_failures == 0 {
                sessions.push(as_recorded(session.clone()));
            }
        })?;
    }
    Ok(sessions)
}

fn as_recorded(session: Session) -> Recorded {
    let last = session.pages.len().saturating_sub(1);
    let goes_on = |page: usize| match session.exit {
        _ if page < last => Some(true),
        Some(ExitReason::Left) => Some(false),
        Some(ExitReason::MaxPages) => Some(true),
        _ => None,
    };
    let feeling = |number: u32| {
        let reflection = session.reflections.iter().find(|(page, _, _)| *page == number);
        reflection.map(|(_, satisfaction, _)| *satisfaction >= 0.5)
    };
    Recorded {
        goes_on: (0..session.pages.len()).map(goes_on).collect(),
        feelings: session.pages.iter().map(|page| feeling(page.number)).collect(),
        session,
        words: Words::default(),
    }
}

/// What people rated in the validation part, by their own scale put on 1..=5.
fn ratings(prepared: &Prepared, taken: Vec<bool>) -> Vec<PersonSeen> {
    let profiles = prepared.agents.all();
    profiles.iter().zip(taken).filter(|(_, taken)| *taken).map(|(p, _)| ratings_of(prepared, p)).collect()
}

fn ratings_of(prepared: &Prepared, profile: &Profile) -> PersonSeen {
    let (person, blank) = (Person::of(profile), Memory::with_capacity(0));
    let (low, high) = prepared.dataset.rating_range.unwrap_or((1.0, 5.0));
    let mut seen = PersonSeen::nothing(profile.user);
    for rated in prepared.split.valid.history_of(profile.user) {
        let item = Prospect::of(0, rated.item, profile, &blank, 1, &prepared.facts);
        let rating = 1.0 + 4.0 * (rated.rating - low) / (high - low).max(1e-6);
        seen.ratings.push(RatingSeen { person, item, rating: (rating.round() as u8).clamp(1, 5) });
    }
    seen
}

fn weighted(mut people: Vec<PersonSeen>, weight: f64) -> Vec<PersonSeen> {
    people.iter_mut().for_each(|seen| seen.weight = weight);
    people
}

/// SHA-256 of these files, one after another.
fn hash(paths: &[PathBuf]) -> Result<String, CalibrateError> {
    let mut hash = Sha256::new();
    for path in paths {
        let bytes = std::fs::read(path);
        hash.update(bytes.map_err(|source| CalibrateError::Io { path: path.clone(), source })?);
    }
    Ok(hex(hash.finalize()))
}

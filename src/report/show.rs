//! One session of a run folder, found and read. Must not know terminals or tapes.

use super::conversation::{Conversation, title};
use super::{Report, ReportError, Subjects, event_files};
use crate::event::read::for_each_story;
use crate::event::story::Story;
use crate::scenario::params::{Complaint, nearest};
use std::path::{Path, PathBuf};

/// Users named where somebody asks for one that there is not.
const N_EXAMPLES: usize = 8;

/// Which session.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Raw id of the agent.
    pub user: &'a str,
    /// The arm; the first where none is given.
    pub arm: Option<&'a str>,
    /// Feedback round, from 0.
    pub round: u32,
}

/// The session.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The arm it was met in.
    pub arm: String,
    /// Every text as it stands in the log.
    pub story: Story,
    /// The titles shown as they stand in the catalogue, page by page.
    pub titles: Vec<(u32, Vec<String>)>,
    /// The same, fit to be seen.
    pub conversation: Conversation,
}

/// Why there is no such session.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// No such arm or round.
    #[error(transparent)]
    Unknown(#[from] Complaint),
    /// No such user.
    #[error("--user is {user:?}, which is not in {path}{}; {expected}", .nearest.as_ref().map_or(String::new(), |near| format!(", did you mean {near:?}?")))]
    NoSuchUser {
        /// Who was asked for.
        user: String,
        /// The table of the agents.
        path: PathBuf,
        /// Who may have been meant.
        nearest: Option<String>,
        /// Who there is.
        expected: String,
    },
    /// The log has nothing of this user.
    #[error("the log of arm {arm} has no session of user {user:?} in round {round}")]
    NoSession {
        /// Who was asked for.
        user: String,
        /// In which arm.
        arm: String,
        /// In which round.
        round: u32,
    },
    /// The run folder cannot be read.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl ShowError {
    /// Whether what was asked for, rather than the folder, is at fault.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, ShowError::Report(_))
    }
}

/// Finds the session in the run folder.
///
/// # Errors
/// There is no such user, arm or round, or the folder cannot be read.
pub fn find(run_dir: &Path, wanted: Wanted<'_>) -> Result<Found, ShowError> {
    let manifest = Report::read_tables(run_dir)?.manifest;
    let arms: Vec<&str> = manifest.arms.iter().map(|arm| arm.name.as_str()).collect();
    let arm = match (wanted.arm, arms.first()) {
        (None, Some(first)) => first,
        (Some(name), _) if arms.contains(&name) => name,
        (name, _) => return Err(Complaint::unknown_name("--arm", name.unwrap_or_default(), arms).into()),
    };
    if wanted.round >= manifest.n_rounds.max(1) {
        let expected = format!("0..={}", manifest.n_rounds.max(1) - 1);
        return Err(Complaint::out_of_range("--round", wanted.round, expected).into());
    }
    let subjects = Subjects::read(run_dir, &manifest).map_err(ReportError::from)?;
    if subjects.ids.agent(wanted.user).is_none() {
        return Err(no_such_user(run_dir, wanted.user, &subjects));
    }
    let mut story: Option<Story> = None;
    for path in event_files(run_dir, arm)? {
        for_each_story(&path, &subjects.ids, wanted.round, &[wanted.user], |found| {
            story.get_or_insert_with(|| found.clone());
        })
        .map_err(ReportError::Events)?;
    }
    let story = story.ok_or_else(|| ShowError::NoSession {
        user: wanted.user.to_owned(),
        arm: arm.to_owned(),
        round: wanted.round,
    })?;
    let titles = story.session.pages.iter().map(|page| {
        let titles = page.slots.iter().map(|slot| title(slot.item, &subjects.catalogue));
        (page.number, titles.collect())
    });
    Ok(Found {
        arm: arm.to_owned(),
        titles: titles.collect(),
        conversation: Conversation::of(&story, &subjects.catalogue, &subjects.population),
        story,
    })
}

fn no_such_user(run_dir: &Path, user: &str, subjects: &Subjects) -> ShowError {
    let users: Vec<String> = subjects.population.iter().map(|agent| agent.raw_id().into_owned()).collect();
    let named: Vec<String> = users.iter().take(N_EXAMPLES).map(|user| format!("{user:?}")).collect();
    let expected = match users.len() {
        0 => "the run has no users".to_owned(),
        n if n <= N_EXAMPLES => format!("expected one of: {}", named.join(", ")),
        n => format!("expected one of {n}: {}, …", named.join(", ")),
    };
    ShowError::NoSuchUser {
        user: user.to_owned(),
        path: run_dir.join("agents.csv"),
        // Of short ids the nearest often has nothing in common with what was asked for.
        nearest: nearest(user, &users).filter(|near| near.chars().any(|c| user.contains(c))),
        expected,
    }
}

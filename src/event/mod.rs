//! What happened: typed events, and the sessions they tell of.
//!
//! The event log is the only bridge from running to analysing. Nothing here may know
//! how events came about or what they will be used for; no event carries a wall clock.

pub mod assemble;
pub mod ids;
pub mod read;
pub mod recorded;
pub mod story;
pub mod transcript;
pub mod write;

use crate::id::{AgentId, ItemId};
use std::borrow::Cow;
use std::path::PathBuf;

/// Words in an event: fixed phrases of the choice model cost nothing, a language model's are owned.
pub type Text = Cow<'static, str>;

/// One thing that happened to one agent, in one arm and round.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Feedback round, from 0.
    pub round: u32,
    /// To whom.
    pub agent: AgentId,
    /// On which page, from 1; the page of the exit for what comes after it.
    pub page: u32,
    /// What.
    pub what: What,
}

/// The kinds of events, in the order in which one page tells them.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An item was shown.
    Exposure {
        /// Place on the page, from 0.
        slot: u32,
        /// What was shown.
        item: ItemId,
        /// The recommender's score for it.
        score: f32,
        /// The probability with which an exploring recommender put it at its place of the list, given what stands
        /// above it there; `None` of those that do not explore.
        propensity: Option<f32>,
        /// Whether it was advertised; `None` where adverts are not shown.
        advertised: Option<bool>,
        /// Whether the agent found that it fits its taste; `None` when it never answered.
        aligned: Option<bool>,
        /// Whether the item is in the persona's held-out interactions.
        held_out: bool,
    },
    /// A shown item was watched.
    Watch {
        /// Place on the page, from 0.
        slot: u32,
        /// What was watched.
        item: ItemId,
    },
    /// A watched item was rated.
    Rating {
        /// Place on the page, from 0.
        slot: u32,
        /// What was rated.
        item: ItemId,
        /// 1..=5.
        rating: u8,
        /// What it felt like, in a few words.
        feeling: Text,
    },
    /// The agent took stock.
    Reflection {
        /// Satisfaction with the recommender, 0..=1.
        satisfaction: f32,
        /// Fatigue, 0..=1.
        fatigue: f32,
        /// In words.
        text: Text,
    },
    /// Memories had to be left out of what the agent was asked, for want of room.
    Forgetting {
        /// How many, in words.
        text: Text,
    },
    /// The session ended.
    Exit {
        /// Why.
        reason: ExitReason,
        /// Why, in the agent's words; empty where it gave none.
        text: Text,
    },
    /// The interview after the exit.
    Interview {
        /// 1..=10.
        satisfaction: u8,
        /// Why, in words.
        text: Text,
    },
    /// The agent or the recommender failed; nothing was invented in its place.
    Failure {
        /// The step that failed, e.g. `recommend`, `watch`.
        step: Text,
        /// What went wrong.
        cause: Text,
    },
}

/// Why events could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The file could not be opened, written or moved into place.
    #[error("cannot access event file {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The Parquet layer failed.
    #[error("event file {path} cannot be read or written as Parquet")]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: parquet::errors::ParquetError,
    },
    /// The file is Parquet but not an event log of this version, or does not fit its run folder.
    #[error("event file {path}, row {row}: {problem}")]
    BadRow {
        /// Which file.
        path: PathBuf,
        /// Row, from 0.
        row: u64,
        /// What was found and what was expected.
        problem: String,
    },
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitReason {
    /// The agent was satisfied, bored or tired enough to leave.
    Left,
    /// It reached `max_pages`.
    MaxPages,
    /// Nothing was left to show.
    CatalogueExhausted,
    /// A failure ended it.
    Failure,
}

impl ExitReason {
    /// Every reason.
    pub const ALL: [ExitReason; 4] =
        [ExitReason::Left, ExitReason::MaxPages, ExitReason::CatalogueExhausted, ExitReason::Failure];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            ExitReason::Left => "left",
            ExitReason::MaxPages => "max_pages",
            ExitReason::CatalogueExhausted => "catalogue_exhausted",
            ExitReason::Failure => "failure",
        }
    }

    /// The reason of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// All that happened to one agent in one arm and round, put together from its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Feedback round, from 0.
    pub round: u32,
    /// Whose session.
    pub agent: AgentId,
    /// The pages seen, in order.
    pub pages: Vec<Page>,
    /// (page, satisfaction 0..=1, fatigue 0..=1) of every reflection.
    pub reflections: Vec<(u32, f32, f32)>,
    /// Why it ended; `None` in a log cut short.
    pub exit: Option<ExitReason>,
    /// Interview score 1..=10, where the interview took place.
    pub satisfaction: Option<u8>,
    /// Number of failure events.
    pub n_failures: u32,
}

/// One page as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Its number, from 1.
    pub number: u32,
    /// Its slots, in order.
    pub slots: Vec<Slot>,
}

/// One slot of a page and what the agent did with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// What was shown.
    pub item: ItemId,
    /// Whether the agent found that it fits.
    pub aligned: Option<bool>,
    /// Whether it is in the persona's held-out interactions.
    pub held_out: bool,
    /// The probability with which an exploring recommender showed it, given what stands above it in its list.
    pub propensity: Option<f32>,
    /// Whether it was advertised; `None` where adverts are not shown.
    pub advertised: Option<bool>,
    /// Whether it was watched.
    pub watched: bool,
    /// The rating 1..=5, where one was given.
    pub rating: Option<u8>,
}

impl Session {
    /// Every slot of every page, in order.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pages.iter().flat_map(|page| &page.slots)
    }

    /// Number of items shown.
    pub fn n_shown(&self) -> usize {
        self.slots().count()
    }

    /// Number of items watched.
    pub fn n_watched(&self) -> usize {
        self.slots().filter(|slot| slot.watched).count()
    }

    /// Number of ratings of at least 4.
    pub fn n_liked(&self) -> usize {
        self.slots().filter(|slot| slot.rating.is_some_and(|rating| rating >= 4)).count()
    }
}

//! The running session of one agent, as an ECS component. Must not know how pages are
//! filled or reactions made; the world's systems do that.

use super::behavior::{Arrived, Foretold, PageOutcome, Reaction};
use super::memory::Mood;
use crate::event::{Event, ExitReason, Text, What};
use crate::id::{AgentId, ItemId};
use crate::recommender::{Feedback, Ranked};
use bevy_ecs::component::Component;
use std::sync::Arc;

/// What an agent does next. Agents whose answers come at once go through a whole page in one tick;
/// the others wait at a stage until their answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Turns to the next page.
    Turn,
    /// Has a page before it, and aligns, watches and rates.
    React,
    /// Has reacted; what happened is written down.
    Remember,
    /// Takes stock, if enough has happened.
    Reflect,
    /// Goes on or leaves.
    Decide,
    /// Has left, or was made to.
    Leave,
    /// Is interviewed.
    Interview,
    /// Nothing more.
    Done,
    /// Is out of the loop.
    Gone,
}

/// Everything that changes while an agent browses.
#[derive(Component, Clone, Debug)]
pub struct SessionState {
    /// Feedback round, from 0.
    pub round: u32,
    /// The current page, from 1; 0 before the first.
    pub page: u32,
    /// The list that fills pages: for the whole session, or for this page of an adapting recommender. Agents of
    /// one person may share it.
    pub ranked: Arc<Ranked>,
    /// Why there is no such list for this session.
    pub refusal: Option<Text>,
    /// The items on the current page, in slot order.
    pub on_page: Vec<ItemId>,
    /// The recommender's score of each.
    pub scores: Vec<f32>,
    /// The probability with which each was shown, where the recommender explores.
    pub propensities: Vec<f32>,
    /// Which items on the page are advertised; empty where adverts are not shown.
    pub advertised: Vec<bool>,
    /// The agent's reaction to the current page.
    pub reaction: Reaction,
    /// Everything shown so far, in order, where the recommender is asked on every page.
    pub shown: Vec<ItemId>,
    /// What the recommender may know of the session, likewise.
    pub feedback: Vec<Feedback>,
    /// How the agent feels right now.
    pub mood: Mood,
    /// What came of every page so far.
    pub outcomes: Vec<PageOutcome>,
    /// What the agent does next.
    pub stage: Stage,
    /// Whether its answer is on its way.
    pub is_waiting: bool,
    /// The answer that has come.
    pub arrived: Option<Arrived>,
    /// What it said of the steps to come when it reacted to this page.
    pub foretold: Option<Foretold>,
    /// Why the session ended, once it has.
    pub exit: Option<ExitReason>,
    /// In the agent's words.
    pub exit_text: Text,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
}

impl SessionState {
    /// A session that is over.
    pub fn over() -> Self {
        SessionState {
            round: 0,
            page: 0,
            ranked: Arc::default(),
            refusal: None,
            on_page: Vec::new(),
            scores: Vec::new(),
            propensities: Vec::new(),
            advertised: Vec::new(),
            reaction: Reaction::default(),
            shown: Vec::new(),
            feedback: Vec::new(),
            mood: Mood::NEUTRAL,
            outcomes: Vec::new(),
            stage: Stage::Gone,
            is_waiting: false,
            arrived: None,
            foretold: None,
            exit: None,
            exit_text: Text::Borrowed(""),
            events: Vec::new(),
        }
    }

    /// Begins another session in the room of one that is over.
    pub fn begin(&mut self, round: u32, mood: Mood) {
        fn emptied<T>(room: &mut Vec<T>) -> Vec<T> {
            room.clear();
            std::mem::take(room)
        }
        *self = SessionState {
            round,
            mood,
            stage: Stage::Turn,
            on_page: emptied(&mut self.on_page),
            scores: emptied(&mut self.scores),
            propensities: emptied(&mut self.propensities),
            advertised: emptied(&mut self.advertised),
            shown: emptied(&mut self.shown),
            feedback: emptied(&mut self.feedback),
            outcomes: emptied(&mut self.outcomes),
            events: emptied(&mut self.events),
            ..SessionState::over()
        };
    }

    /// Logs an event on the current page.
    pub fn log(&mut self, agent: AgentId, what: What) {
        self.events.push(Event { round: self.round, agent, page: self.page, what });
    }

    /// Ends the session because a step failed; nothing is invented in its place.
    pub fn fail(&mut self, agent: AgentId, step: &'static str, cause: impl Into<Text>) {
        self.log(agent, What::Failure { step: step.into(), cause: cause.into() });
        self.leave(ExitReason::Failure);
    }

    /// Ends the session.
    pub fn leave(&mut self, reason: ExitReason) {
        self.exit = Some(reason);
        self.stage = Stage::Leave;
    }
}

//! The running session of one agent, as an ECS component. Must not know how pages are
//! filled or reactions made; the world's systems do that.

use super::behavior::{PageOutcome, Reaction};
use super::memory::Mood;
use crate::event::{Event, ExitReason, What};
use crate::id::{AgentId, ItemId};
use crate::recommender::{Feedback, Ranked};
use bevy_ecs::component::Component;

/// Marks an agent that still browses. Sparse, so that leaving moves nothing.
#[derive(Component, Clone, Copy, Debug, Default)]
#[component(storage = "SparseSet")]
pub struct Browsing;

/// Everything that changes while an agent browses.
#[derive(Component, Clone, Debug)]
pub struct SessionState {
    /// Feedback round, from 0.
    pub round: u32,
    /// The current page, from 1; 0 before the first.
    pub page: u32,
    /// The list that fills pages: for the whole session, or for this page of an adapting recommender.
    pub ranked: Ranked,
    /// The items on the current page, in slot order.
    pub on_page: Vec<ItemId>,
    /// The recommender's score of each.
    pub scores: Vec<f32>,
    /// The agent's reaction to the current page.
    pub reaction: Reaction,
    /// Everything shown so far, in order.
    pub shown: Vec<ItemId>,
    /// What the recommender may know of the session.
    pub feedback: Vec<Feedback>,
    /// How the agent feels right now.
    pub mood: Mood,
    /// What came of every page so far.
    pub outcomes: Vec<PageOutcome>,
    /// Why the session ended, once it has.
    pub exit: Option<ExitReason>,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
}

impl SessionState {
    /// A session about to begin.
    pub fn new(round: u32, mood: Mood) -> Self {
        SessionState {
            round,
            page: 0,
            ranked: Ranked::default(),
            on_page: Vec::new(),
            scores: Vec::new(),
            reaction: Reaction::default(),
            shown: Vec::new(),
            feedback: Vec::new(),
            mood,
            outcomes: Vec::new(),
            exit: None,
            events: Vec::new(),
        }
    }

    /// Logs an event on the current page.
    pub fn log(&mut self, agent: AgentId, what: What) {
        self.events.push(Event { round: self.round, agent, page: self.page, what });
    }

    /// Ends the session because a step failed; nothing is invented in its place.
    pub fn fail(&mut self, agent: AgentId, step: &'static str, cause: impl Into<crate::event::Text>) {
        self.log(agent, What::Failure { step: step.into(), cause: cause.into() });
        self.exit = Some(ExitReason::Failure);
    }
}

//! How agents behave: page in, reaction out, in the six steps of a session.
//!
//! A behaviour answers batches, so that it may run them in parallel or send them to a
//! language model. It must not know the arm, the recommender's scores or other agents, and
//! every draw comes from the stream of (step, round, agent, page), so arms share their luck.

pub mod choice;
mod random;

use super::facts::Facts;
use super::memory::{Memory, Mood};
use super::profile::Profile;
use crate::event::Text;
use crate::id::ItemId;
use crate::rng::Streams;
use crate::scenario::params::Complaint;
use std::sync::Arc;

/// What an agent has before it at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// Who it is.
    pub profile: &'a Profile,
    /// What it remembers.
    pub memory: &'a Memory,
    /// How it feels.
    pub mood: Mood,
    /// Feedback round, from 0.
    pub round: u32,
    /// The page, from 1.
    pub page: u32,
    /// The items on it, in slot order.
    pub items: &'a [ItemId],
    /// What came of every page so far, the current one included once it has been seen.
    pub outcomes: &'a [PageOutcome],
}

/// What an agent did with one slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotReaction {
    /// Whether the item fits its taste; `None` where it never looked.
    pub aligned: Option<bool>,
    /// Whether it watched.
    pub watched: bool,
    /// Rating 1..=5 and feeling, for what it watched.
    pub rating: Option<(u8, Text)>,
}

/// What an agent did with a page: one entry a slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// In slot order.
    pub slots: Vec<SlotReaction>,
}

impl Reaction {
    /// What came of the page, in numbers.
    pub fn outcome(&self) -> PageOutcome {
        let mut outcome = PageOutcome { n_shown: self.slots.len() as u32, ..PageOutcome::default() };
        for slot in &self.slots {
            outcome.n_fitting += u32::from(slot.aligned == Some(true));
            outcome.n_watched += u32::from(slot.watched);
            if let Some((rating, _)) = &slot.rating {
                outcome.n_rated += 1;
                outcome.sum_of_ratings += u32::from(*rating);
            }
        }
        outcome
    }
}

/// What came of one page, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageOutcome {
    /// Items shown.
    pub n_shown: u32,
    /// Items that were found to fit.
    pub n_fitting: u32,
    /// Items watched.
    pub n_watched: u32,
    /// Items rated.
    pub n_rated: u32,
    /// The sum of these ratings.
    pub sum_of_ratings: u32,
}

/// Satisfaction and fatigue put into words.
#[derive(Clone, Debug, PartialEq)]
pub struct Reflection {
    /// How the agent feels now.
    pub mood: Mood,
    /// In words.
    pub text: Text,
}

/// The exit interview.
#[derive(Clone, Debug, PartialEq)]
pub struct Interview {
    /// Satisfaction 1..=10.
    pub satisfaction: u8,
    /// Why, in words.
    pub text: Text,
}

/// A step that could not be done.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFailure {
    /// Which step.
    pub step: &'static str,
    /// What went wrong.
    pub cause: String,
}

/// What a step came to, for one agent.
pub type Step<T> = Result<T, StepFailure>;

/// A way to behave. Every method answers one entry a visit, in visit order.
pub trait Behavior: Send + Sync {
    /// Align, watch and rate.
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Step<Reaction>>;
    /// Take stock, for agents whose memory wants it.
    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Step<Reflection>>;
    /// Go to the next page (`true`) or exit.
    fn goes_on(&self, visits: &[Visit<'_>]) -> Vec<Step<bool>>;
    /// The interview after the exit.
    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Step<Interview>>;
    /// Accumulated importance at which an agent reflects.
    fn reflection_threshold(&self) -> f32;
    /// How every item on the page would be rated, 1..=5, had all of them been watched; `None` where this
    /// behaviour cannot be asked.
    fn would_rate(&self, visits: &[Visit<'_>]) -> Option<Vec<Step<Vec<u8>>>> {
        let _ = visits;
        None
    }
}

/// A checked behaviour, waiting for the world it will act in.
pub trait BehaviorPlan: Send + Sync {
    /// What it is and whom it stands for, in a sentence: manifest and report repeat it.
    fn statement(&self) -> String;
    /// The behaviour in this world.
    fn begin(&self, facts: Arc<Facts>, streams: Streams) -> Arc<dyn Behavior>;
}

/// A kind of behaviour: one unit struct a file, one entry in [`ALL`].
pub trait BehaviorKind: Sync {
    /// Its name in a scenario: `kind = "choice"`.
    fn name(&self) -> &'static str;
    /// One line.
    fn about(&self) -> &'static str;
    /// JSON Schema of its parameters.
    fn params_schema(&self) -> schemars::Schema;
    /// Checks the parameters found at the dotted path `at` (the key `kind` already removed).
    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn BehaviorPlan>, Complaint>;
}

/// Every behaviour, in alphabetical order.
pub static ALL: &[&dyn BehaviorKind] = &[&choice::Choice, &random::Random];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn BehaviorKind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

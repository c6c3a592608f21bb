//! How agents behave: page in, reaction out, in the six steps of a session.
//!
//! A behaviour answers batches, so that it may run them in parallel, or send them to a language
//! model and answer later. It must not know the recommender's scores or other agents, and every
//! draw comes from the stream of (step, round, agent, page), so arms share their luck.

pub mod choice;
pub mod llm;
mod random;
mod replay;

use super::cue::Cues;
use super::facts::Facts;
use super::memory::{Memory, Mood};
use super::profile::{Agents, Profile};
use crate::dataset::{Dataset, Interactions};
use crate::event::Text;
use crate::id::{AgentId, ItemId, UserId};
use crate::llm::client::Client;
use crate::progress::Progress;
use crate::rng::Streams;
use crate::scenario::params::Complaint;
use crate::stop::Stopped;
use std::path::Path;
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
    /// What stands beside them.
    pub cues: Cues,
    /// Which of them are advertised, in slot order; empty where adverts are not shown.
    pub advertised: &'a [bool],
    /// What came of every page so far, the current one included once it has been seen.
    pub outcomes: &'a [PageOutcome],
    /// What the agent has already said of the steps to come, in the breath in which it reacted to this page.
    pub foretold: Option<&'a Foretold>,
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
    /// How it feels now and whether it will go on, where it says so in the same breath.
    pub foretold: Option<Foretold>,
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

/// Next page or exit.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// To the next page (`true`) or out.
    pub goes_on: bool,
    /// Why, in words; empty where it gives no reason.
    pub text: Text,
}

/// The steps after a reaction, said together with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Foretold {
    /// How the agent feels now; written down if its memory wants it.
    pub reflection: Reflection,
    /// Whether it will go on.
    pub decision: Decision,
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

/// What a step came to now, or that its answer is on its way.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// The answer.
    Now(Step<T>),
    /// It will be among the [`Behavior::arrivals`].
    Later {
        /// Memories that had to be left out of what the agent was asked, for want of room.
        n_forgotten: u32,
    },
}

/// An answer that was on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// Whose.
    pub agent: AgentId,
    /// To what, and what it came to.
    pub answer: Arrived,
}

/// The answer to one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrived {
    /// To [`Behavior::react`].
    Reaction(Step<Reaction>),
    /// To [`Behavior::reflect`].
    Reflection(Step<Reflection>),
    /// To [`Behavior::decide`].
    Decision(Step<Decision>),
    /// To [`Behavior::interview`].
    Interview(Step<Interview>),
}

/// Why agents cannot act at all.
#[derive(Debug, thiserror::Error)]
pub enum BehaviorError {
    /// The work was asked to stop.
    #[error("the work was stopped")]
    Interrupted(#[from] Stopped),
    /// What the behaviour is made from cannot be used.
    #[error("behavior: {0}")]
    BadInput(String),
    /// What it is made from cannot be read as a log of events.
    #[error(transparent)]
    Record(#[from] crate::event::EventError),
    /// Nobody answers any more.
    #[error("the agents' language model: {0}")]
    Stopped(#[from] crate::llm::LlmError),
}

/// A way to behave. Every step answers one entry a visit, in visit order.
pub trait Behavior: Send + Sync {
    /// Align, watch and rate.
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reaction>>;
    /// Take stock, for agents whose memory wants it.
    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reflection>>;
    /// Go to the next page or exit.
    fn decide(&self, visits: &[Visit<'_>]) -> Vec<Answer<Decision>>;
    /// The interview after the exit.
    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Answer<Interview>>;
    /// Accumulated importance at which an agent reflects.
    fn reflection_threshold(&self) -> f32;
    /// Whether it never answers [`Answer::Later`], so that agents can be simulated a few at a time.
    fn answers_at_once(&self) -> bool {
        false
    }
    /// The answers that were on their way and have come, each once. With `wait` it waits for one, though not for
    /// long: it is only asked for while some are outstanding, and asked again where none has come.
    ///
    /// # Errors
    /// When nobody will answer any more; the run then stops.
    fn arrivals(&self, wait: bool) -> Result<Vec<Arrival>, BehaviorError> {
        let _ = wait;
        Ok(Vec::new())
    }
    /// The same agents in front of the arm of this name, where that makes a difference to who they are.
    fn in_arm(&self, arm: &str) -> Option<Arc<dyn Behavior>> {
        let _ = arm;
        None
    }
    /// A short live remark for the progress line.
    fn remark(&self) -> String {
        String::new()
    }
    /// How every item on the page would be rated, 1..=5, had all of them been watched; `None` where this
    /// behaviour cannot be asked.
    fn would_rate(&self, visits: &[Visit<'_>]) -> Option<Vec<Step<Vec<u8>>>> {
        let _ = visits;
        None
    }
}

/// The world a behaviour begins in.
#[derive(Clone)]
pub struct Setting<'a> {
    /// What agents know.
    pub facts: Arc<Facts>,
    /// The run's randomness.
    pub streams: Streams,
    /// The data.
    pub dataset: &'a Dataset,
    /// The interactions that traits and taste are built from.
    pub evidence: &'a Interactions,
    /// Everybody who will be simulated.
    pub agents: &'a Agents,
    /// Pages of a session at most.
    pub pages_max: u32,
    /// What each person is never shown.
    pub known: &'a Interactions,
    /// Items a page shows.
    pub items_per_page: usize,
    /// What an advert says.
    pub advert: &'a str,
    /// Where relative paths of the scenario start.
    pub base_dir: &'a Path,
    /// The way to language models.
    pub llm: Arc<Client>,
}

/// Agents that rehearse, and where their calls are counted.
pub type Rehearsed = (Arc<dyn Behavior>, llm::rehearsal::Tallies);

/// A checked behaviour, waiting for the world it will act in.
pub trait BehaviorPlan: Send + Sync {
    /// What it is and whom it stands for, in a sentence: manifest and report repeat it.
    fn statement(&self) -> String;
    /// The people it can act for, ascending; `None` for everybody.
    fn people(&self, dataset: &Dataset, base_dir: &Path) -> Result<Option<Vec<UserId>>, BehaviorError> {
        let _ = (dataset, base_dir);
        Ok(None)
    }
    /// The language models it asks, by their names in the scenario.
    fn models(&self) -> Vec<&str> {
        Vec::new()
    }
    /// The arms it knows by name.
    fn arms(&self) -> Vec<&str> {
        Vec::new()
    }
    /// The behaviour in this world.
    fn begin(&self, setting: &Setting<'_>) -> Result<Arc<dyn Behavior>, BehaviorError>;
    /// The same agents asking nobody: what they would ask is counted, what they do comes from `inner`.
    /// `None` for those who never ask.
    fn rehearse(
        &self,
        setting: &Setting<'_>,
        inner: Arc<dyn Behavior>,
    ) -> Result<Option<Rehearsed>, BehaviorError> {
        let _ = (setting, inner);
        Ok(None)
    }
    /// Has a language model put everybody's taste into words. `None` for those who never ask.
    fn biographies(
        &self,
        setting: &Setting<'_>,
        progress: &dyn Progress,
    ) -> Result<Option<llm::biography::Biographies>, BehaviorError> {
        let _ = (setting, progress);
        Ok(None)
    }
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
pub static ALL: &[&dyn BehaviorKind] = &[&choice::Choice, &llm::Llm, &random::Random, &replay::Replay];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn BehaviorKind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

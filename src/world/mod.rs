//! The loop: agents meet a recommender, cohort by cohort, page by page, until all have left.
//!
//! A [`Tunnel`] is one arm in one round. Agents live as entities of a `bevy_ecs` world, so few at a time
//! that memory does not grow with the population: a whole cohort, or where nobody has to wait for anybody a
//! flock after the other on each thread. [`schedule`] is one page tick. Nothing here may know files, metrics or
//! other arms.

mod flock;
mod lists;
pub mod schedule;
mod systems;

use crate::agent::behavior::{Behavior, BehaviorError};
use crate::agent::cue::Cues;
use crate::agent::profile::Profile;
use crate::dataset::Interactions;
use crate::event::Event;
use crate::progress::Progress;
use crate::recommender::{RecommendError, Recommender};
use crate::rng::Streams;
use crate::stop::Stopped;
use bevy_ecs::resource::Resource;
use flock::Flock;
use lists::{Lists, Opening};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How a page is put before the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presentation {
    /// Best first.
    #[default]
    Ranked,
    /// The page's items in random order, so that slot and relevance are not confounded.
    Shuffled,
}

/// What happens when a recommender fails to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The run stops with the error.
    #[default]
    Stop,
    /// The sessions concerned end with a failure event.
    SkipSession,
}

/// The rules of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionRules {
    /// Items a page shows.
    pub items_per_page: usize,
    /// Pages after which a session ends at the latest.
    pub max_pages: u32,
    /// How a page is presented.
    pub presentation: Presentation,
    /// What a page shows beside its items.
    pub cues: Cues,
    /// The share of what is shown that is advertised, where adverts are shown.
    pub advert_share: f64,
    /// Factual entries an agent remembers; 0 switches memory off.
    pub memory_entries: usize,
    /// What a recommender's failure does.
    pub on_error: OnError,
}

/// One arm in one round: everything a session needs, shared by all agents.
#[derive(Resource, Clone)]
pub struct Tunnel {
    /// The recommender under test.
    pub recommender: Arc<dyn Recommender>,
    /// How agents behave.
    pub behavior: Arc<dyn Behavior>,
    /// What each person already has: never shown.
    pub known: Arc<Interactions>,
    /// What each person has that was held out: marked in the log.
    pub held_out: Arc<Interactions>,
    /// The rules.
    pub rules: SessionRules,
    /// The run's randomness.
    pub streams: Streams,
    /// Feedback round, from 0.
    pub round: u32,
    /// What is kept from one cohort to the next; `Backstage::default()` to begin with.
    pub backstage: Backstage,
}

/// Agents of a flock: as many as stay in a core's second-level cache with all they carry.
const AGENTS_PER_FLOCK: usize = 256;

/// Agents whose events are held at once where flocks are simulated.
const AGENTS_PER_WAVE: usize = 64 * AGENTS_PER_FLOCK;

/// What is kept from one cohort to the next, so that nothing is ranked or allocated twice. It changes no event.
#[derive(Clone, Default)]
pub struct Backstage(Arc<Kept>);

#[derive(Default)]
struct Kept {
    lists: Lists,
    flocks: Mutex<Vec<Flock>>,
    sheets: Mutex<Vec<Vec<Event>>>,
}

impl fmt::Debug for Backstage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backstage")
    }
}

/// Something kept, or a new one.
fn taken<T: Default>(kept: &Mutex<Vec<T>>) -> T {
    kept.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
}

fn put_back<T>(kept: &Mutex<Vec<T>>, thing: T) {
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(thing);
}

/// Why a simulation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The work was asked to stop.
    #[error("the work was stopped")]
    Stopped(#[from] Stopped),
    /// A recommender failed, and the rules say to stop.
    #[error(transparent)]
    Recommend(#[from] RecommendError),
    /// Agents can act no more.
    #[error(transparent)]
    Behavior(#[from] BehaviorError),
}

impl Tunnel {
    /// Simulates everybody, at most `cohort_size` agents at a time, and hands their events to `take`, some whole
    /// sessions at a time, sorted by agent. The events do not depend on `cohort_size` or the number of threads,
    /// nor on the order in which answers come.
    pub fn simulate<E: From<WorldError>>(
        &self,
        profiles: &[Profile],
        cohort_size: usize,
        progress: &dyn Progress,
        mut take: impl FnMut(&[Event]) -> Result<(), E>,
    ) -> Result<(), E> {
        let kept = &*self.backstage.0;
        for cohort in profiles.chunks(cohort_size) {
            if self.recommender.adapts_in_session() {
                self.simulate_together(cohort, None, progress, &mut take)?;
                continue;
            }
            let openings = kept.lists.open(self, cohort)?;
            if self.behavior.answers_at_once() {
                let waves = cohort.chunks(AGENTS_PER_WAVE).zip(openings.chunks(AGENTS_PER_WAVE));
                for (agents, openings) in waves {
                    self.simulate_in_flocks(agents, openings, progress, &mut take)?;
                }
            } else {
                self.simulate_together(cohort, Some(&openings), progress, &mut take)?;
            }
        }
        Ok(())
    }

    /// Everybody in one world: for whoever has to be asked, or to be waited for, together.
    fn simulate_together<E: From<WorldError>>(
        &self,
        agents: &[Profile],
        openings: Option<&[Opening]>,
        progress: &dyn Progress,
        take: &mut impl FnMut(&[Event]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut events = Vec::new();
        Flock::default().run(self, agents, openings, progress, &mut events)?;
        take(&events)
    }

    /// A few at a time on each thread.
    fn simulate_in_flocks<E: From<WorldError>>(
        &self,
        agents: &[Profile],
        openings: &[Opening],
        progress: &dyn Progress,
        take: &mut impl FnMut(&[Event]) -> Result<(), E>,
    ) -> Result<(), E> {
        let kept = &*self.backstage.0;
        let flocks = agents.par_chunks(AGENTS_PER_FLOCK).zip(openings.par_chunks(AGENTS_PER_FLOCK));
        let simulated = flocks.map(|(agents, openings)| {
            let (mut flock, mut events) = (taken(&kept.flocks), taken(&kept.sheets));
            flock.run(self, agents, Some(openings), progress, &mut events)?;
            put_back(&kept.flocks, flock);
            Ok(events)
        });
        for events in simulated.collect::<Vec<Result<Vec<Event>, WorldError>>>() {
            let mut events = events?;
            take(&events)?;
            events.clear();
            put_back(&kept.sheets, events);
        }
        Ok(())
    }
}

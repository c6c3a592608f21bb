//! The loop: agents meet a recommender, cohort by cohort, page by page, until all have left.
//!
//! A [`Tunnel`] is one arm in one round. Agents live as entities of a `bevy_ecs` world, one
//! world a cohort, so that memory does not grow with the population. [`schedule`] is one page
//! tick. Nothing here may know files, metrics or other arms.

pub mod schedule;
mod systems;

use crate::agent::behavior::{Behavior, BehaviorError};
use crate::agent::cue::Cues;
use crate::agent::memory::{Memory, Mood};
use crate::agent::profile::Profile;
use crate::agent::session::{Browsing, SessionState};
use crate::dataset::Interactions;
use crate::event::Event;
use crate::progress::Progress;
use crate::recommender::{RecommendError, Recommender};
use crate::rng::Streams;
use crate::stop::Stopped;
use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

/// The first reason to stop in this tick.
#[derive(Resource, Default)]
struct Trouble(Option<WorldError>);

/// How many sessions ended in this tick.
#[derive(Resource, Default)]
struct Departed(u64);

impl Tunnel {
    /// Simulates everybody, `cohort_size` agents at a time, and hands each cohort's events to
    /// `take`, sorted by agent. The events do not depend on `cohort_size` or the number of threads,
    /// nor on the order in which answers come.
    pub fn simulate<E: From<WorldError>>(
        &self,
        profiles: &[Profile],
        cohort_size: usize,
        progress: &dyn Progress,
        mut take: impl FnMut(&[Event]) -> Result<(), E>,
    ) -> Result<(), E> {
        for cohort in profiles.chunks(cohort_size) {
            take(&self.simulate_cohort(cohort, progress)?)?;
        }
        Ok(())
    }

    /// Runs page ticks until every session is over.
    fn simulate_cohort(&self, cohort: &[Profile], progress: &dyn Progress) -> Result<Vec<Event>, WorldError> {
        let mut world = World::new();
        world.insert_resource(self.clone());
        world.init_resource::<Trouble>();
        world.init_resource::<Departed>();
        let entities = self.admit(cohort, &mut world);
        let mut page_tick = schedule::page_tick();
        let mut browsing = world.query_filtered::<Entity, bevy_ecs::query::With<Browsing>>();
        while browsing.iter(&world).next().is_some() {
            progress.go_on()?;
            page_tick.run(&mut world);
            if let Some(error) = world.resource_mut::<Trouble>().0.take() {
                return Err(error);
            }
            let n_departed = std::mem::take(&mut world.resource_mut::<Departed>().0);
            progress.advance(n_departed, &self.behavior.remark());
        }
        Ok(collect_events(&mut world, entities))
    }

    /// Spawns one entity an agent.
    fn admit(&self, cohort: &[Profile], world: &mut World) -> Vec<Entity> {
        let bundles: Vec<_> = cohort
            .iter()
            .map(|&profile| {
                let memory = Memory::with_capacity(self.rules.memory_entries);
                (profile, memory, SessionState::new(self.round, Mood::NEUTRAL), Browsing)
            })
            .collect();
        world.spawn_batch(bundles).collect()
    }
}

/// Every event of the cohort, agent by agent in the order they were admitted.
fn collect_events(world: &mut World, entities: Vec<Entity>) -> Vec<Event> {
    let mut events = Vec::new();
    for entity in entities {
        if let Some(mut session) = world.get_mut::<SessionState>(entity) {
            events.append(&mut session.events);
        }
    }
    events
}

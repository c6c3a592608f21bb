//! The floor: an agent that flips coins. It likes nothing in particular, so no recommender
//! can please it more than another; a difference between arms under it is an error.

use super::{
    Answer, Behavior, BehaviorError, BehaviorKind, BehaviorPlan, Decision, Interview, Reaction, Reflection,
    Setting, SlotReaction, Visit,
};
use crate::agent::memory::Mood;
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{self, Complaint};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The `random` behaviour.
pub struct Random;

/// Probabilities of its coins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RandomParams {
    /// Probability that a slot is watched.
    p_watch: f64,
    /// Probability of going on to the next page.
    p_next: f64,
}

impl Default for RandomParams {
    fn default() -> Self {
        RandomParams { p_watch: 0.5, p_next: 0.7 }
    }
}

impl BehaviorKind for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn about(&self) -> &'static str {
        "coin flips, blind to what is shown: the floor every verdict is held against"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(RandomParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn BehaviorPlan>, Complaint> {
        let checked: RandomParams = params::parse(at, table)?;
        for (key, p) in [("p_watch", checked.p_watch), ("p_next", checked.p_next)] {
            if !(0.0..=1.0).contains(&p) {
                return Err(Complaint::out_of_range(format!("{at}.{key}"), p, "0..=1"));
            }
        }
        Ok(Box::new(checked))
    }
}

impl BehaviorPlan for RandomParams {
    fn statement(&self) -> String {
        "random: coin flips, blind to what is shown".to_owned()
    }

    fn begin(&self, setting: &Setting<'_>) -> Result<Arc<dyn Behavior>, BehaviorError> {
        Ok(Arc::new(CoinFlips { params: *self, streams: setting.streams }))
    }
}

/// The behaviour at work.
struct CoinFlips {
    params: RandomParams,
    streams: Streams,
}

impl CoinFlips {
    fn stream(&self, purpose: Purpose, visit: &Visit<'_>) -> crate::rng::ChaCha8Rng {
        self.streams.stream(purpose, visit.round, u64::from(visit.profile.agent.0), visit.page)
    }
}

impl Behavior for CoinFlips {
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reaction>> {
        let react = |visit: &Visit<'_>| {
            let mut rng = self.stream(Purpose::Watch, visit);
            let slot = |_| {
                let watched = rng.random_bool(self.params.p_watch);
                let rating = watched.then(|| (rng.random_range(1..=5u8), "indifferent".into()));
                SlotReaction { aligned: Some(watched), watched, rating }
            };
            Answer::Now(Ok(Reaction { slots: visit.items.iter().map(slot).collect(), foretold: None }))
        };
        visits.iter().map(react).collect()
    }

    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reflection>> {
        visits
            .iter()
            .map(|_| {
                Answer::Now(Ok(Reflection { mood: Mood::NEUTRAL, text: "nothing in particular".into() }))
            })
            .collect()
    }

    fn decide(&self, visits: &[Visit<'_>]) -> Vec<Answer<Decision>> {
        let flip = |visit: &Visit<'_>| {
            let goes_on = self.stream(Purpose::Exit, visit).random_bool(self.params.p_next);
            Answer::Now(Ok(Decision { goes_on, text: "".into() }))
        };
        visits.iter().map(flip).collect()
    }

    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Answer<Interview>> {
        let roll = |visit: &Visit<'_>| {
            let satisfaction = self.stream(Purpose::Interview, visit).random_range(1..=10u8);
            Answer::Now(Ok(Interview { satisfaction, text: "no reason".into() }))
        };
        visits.iter().map(roll).collect()
    }

    fn answers_at_once(&self) -> bool {
        true
    }

    fn reflection_threshold(&self) -> f32 {
        f32::INFINITY
    }
}

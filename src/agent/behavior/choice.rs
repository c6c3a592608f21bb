//! The `choice` behaviour: a structural model of the six steps of a session, microseconds a page.
//!
//! Examination by slot, binary-logit alignment and watching, ordered-logit rating
//! (McCullagh 1980), a discrete-time exit hazard and a latent interview score. All numbers come
//! from a parameter file; nothing here is tuned in code.

mod parameters;

pub use parameters::ChoiceParameters;

use super::{
    Behavior, BehaviorKind, BehaviorPlan, Interview, Reaction, Reflection, SlotReaction, Step, Visit,
};
use crate::agent::facts::Facts;
use crate::agent::memory::Mood;
use crate::event::Text;
use crate::id::ItemId;
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use crate::scenario::params::{self, Complaint};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many memories come to mind for one item.
const N_RECALLED: usize = 8;

/// Visits a rayon task takes at once.
const VISITS_PER_TASK: usize = 256;

/// The `choice` behaviour.
pub struct Choice;

/// What a scenario says about it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ChoiceParams {
    /// A shipped parameter set (`reasoned`), or the path of a TOML file of the same form.
    parameters: String,
}

impl Default for ChoiceParams {
    fn default() -> Self {
        ChoiceParams { parameters: "reasoned".to_owned() }
    }
}

impl BehaviorKind for Choice {
    fn name(&self) -> &'static str {
        "choice"
    }

    fn about(&self) -> &'static str {
        "structural choice model of the six steps of a session, from a parameter file"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(ChoiceParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn BehaviorPlan>, Complaint> {
        let checked: ChoiceParams = params::parse(at, table)?;
        let parameters = ChoiceParameters::named(&format!("{at}.parameters"), &checked.parameters)?;
        Ok(Box::new(parameters))
    }
}

impl BehaviorPlan for ChoiceParameters {
    fn begin(&self, facts: Arc<Facts>, streams: Streams) -> Arc<dyn Behavior> {
        Arc::new(ChoiceModel { parameters: self.clone(), facts, streams })
    }
}

/// The model at work.
struct ChoiceModel {
    parameters: ChoiceParameters,
    facts: Arc<Facts>,
    streams: Streams,
}

impl ChoiceModel {
    fn stream(&self, purpose: Purpose, visit: &Visit<'_>) -> ChaCha8Rng {
        self.streams.stream(purpose, visit.round, u64::from(visit.profile.agent.0), visit.page)
    }

    /// Steps 1 to 3 for one visit. Every slot draws its own numbers whether it needs them
    /// or not, so that a slot's luck does not depend on what happened above it.
    fn react_to(&self, visit: &Visit<'_>) -> Reaction {
        let mut align_luck = self.stream(Purpose::Align, visit);
        let mut watch_luck = self.stream(Purpose::Watch, visit);
        let mut rate_luck = self.stream(Purpose::Rate, visit);
        let mut watched_here: Vec<ItemId> = Vec::new();
        let mut slots = Vec::with_capacity(visit.items.len());
        for (slot, &item) in visit.items.iter().enumerate() {
            let (look, fit) = (align_luck.random::<f32>(), align_luck.random::<f32>());
            let (watch, rate) = (watch_luck.random::<f32>(), rate_luck.random::<f32>());
            if look >= self.parameters.examination.probability(slot) {
                slots.push(SlotReaction::default());
                continue;
            }
            let aligned = fit < logistic(self.align_utility(visit, item));
            let watched = watch < logistic(self.watch_utility(visit, item, aligned, &watched_here));
            let rating = watched.then(|| self.rate(visit, item, rate));
            if watched {
                watched_here.push(item);
            }
            slots.push(SlotReaction { aligned: Some(aligned), watched, rating });
        }
        Reaction { slots }
    }

    fn align_utility(&self, visit: &Visit<'_>, item: ItemId) -> f32 {
        let p = &self.parameters.align;
        let affinity = self.facts.taste.affinity(visit.profile.user, item);
        p.intercept + p.taste * affinity + p.quality * self.facts.quality[item.idx()]
    }

    fn watch_utility(&self, visit: &Visit<'_>, item: ItemId, aligned: bool, here: &[ItemId]) -> f32 {
        let p = &self.parameters.watch;
        let tiers = visit.profile.tiers;
        p.intercept
            + if aligned { p.aligned } else { 0.0 }
            + p.taste * self.facts.taste.affinity(visit.profile.user, item)
            + p.quality * self.facts.quality[item.idx()]
            + p.popularity * self.facts.popularity[item.idx()]
            + tier(p.by_activity, tiers.activity)
            + tier(p.by_diversity, tiers.diversity)
            - p.fatigue * visit.mood.fatigue
            - p.satiation * self.satiation(visit, item, here)
    }

    /// How much of the like of this item the agent has just had, from 0: what it watched on this
    /// page, and what comes to mind from earlier pages.
    fn satiation(&self, visit: &Visit<'_>, item: ItemId, here: &[ItemId]) -> f32 {
        let on_page: f32 = here.iter().map(|&seen| self.facts.likeness(seen, item)).sum();
        let recalled = visit.memory.recall(item, visit.page, N_RECALLED, &self.facts);
        let watched = recalled.iter().filter(|r| r.entry.watched);
        let earlier: f32 = watched.map(|r| r.relevance * r.relevance).sum();
        0.5 * on_page + 0.25 * earlier
    }

    /// Ordered-logit rating and the feeling that goes with it; `luck` is uniform on 0..1.
    fn rate(&self, visit: &Visit<'_>, item: ItemId, luck: f32) -> (u8, Text) {
        let p = &self.parameters.rating;
        let share = tier(p.crowd_share_by_conformity, visit.profile.tiers.conformity);
        let affinity = self.facts.taste.affinity(visit.profile.user, item);
        let utility =
            2.0 * ((1.0 - share) * p.own * affinity + share * p.crowd * self.facts.quality[item.idx()]);
        let rating = 1 + p.cuts.iter().filter(|&&cut| luck >= logistic(cut - utility)).count() as u8;
        (rating, feeling(rating))
    }

    /// The mood after the latest page.
    fn mood_after(&self, visit: &Visit<'_>) -> Mood {
        let p = &self.parameters.reflection;
        let latest = visit.enjoyment.last().copied().unwrap_or(0.5);
        let satisfaction = visit.mood.satisfaction + p.learning * (latest - visit.mood.satisfaction);
        let tiring = tier(p.fatigue_by_activity, visit.profile.tiers.activity) * visit.page as f32;
        Mood { satisfaction: satisfaction.clamp(0.0, 1.0), fatigue: tiring.clamp(0.0, 1.0) }
    }

    fn exit_utility(&self, visit: &Visit<'_>) -> f32 {
        let p = &self.parameters.exit;
        let mood = visit.memory.recall_mood(visit.page).unwrap_or(Mood { satisfaction: 0.5, fatigue: 0.0 });
        p.intercept
            + p.page * (visit.page as f32 - 1.0)
            + p.satisfaction * (mood.satisfaction - 0.5)
            + p.fatigue * mood.fatigue
            + tier(p.by_activity, visit.profile.tiers.activity)
    }

    fn interview_of(&self, visit: &Visit<'_>) -> Interview {
        let p = &self.parameters.interview;
        let n_pages = visit.enjoyment.len().max(1) as f32;
        let enjoyment = visit.enjoyment.iter().sum::<f32>() / n_pages;
        let noise: f32 = StandardNormal.sample(&mut self.stream(Purpose::Interview, visit));
        let score =
            p.intercept + p.satisfaction * enjoyment + p.fatigue * visit.mood.fatigue + p.spread * noise;
        let satisfaction = score.round().clamp(1.0, 10.0) as u8;
        Interview { satisfaction, text: verdict(satisfaction) }
    }
}

impl Behavior for ChoiceModel {
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Step<Reaction>> {
        each(visits, |visit| self.react_to(visit))
    }

    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Step<Reflection>> {
        each(visits, |visit| {
            let mood = self.mood_after(visit);
            Reflection { mood, text: stock_taking(mood) }
        })
    }

    fn goes_on(&self, visits: &[Visit<'_>]) -> Vec<Step<bool>> {
        each(visits, |visit| {
            let luck: f32 = self.stream(Purpose::Exit, visit).random();
            luck >= logistic(self.exit_utility(visit))
        })
    }

    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Step<Interview>> {
        each(visits, |visit| self.interview_of(visit))
    }

    fn reflection_threshold(&self) -> f32 {
        self.parameters.reflection.threshold
    }
}

/// Answers every visit, in parallel, in visit order.
fn each<T: Send>(visits: &[Visit<'_>], answer: impl Fn(&Visit<'_>) -> T + Sync) -> Vec<Step<T>> {
    visits.par_iter().with_min_len(VISITS_PER_TASK).map(|visit| Ok(answer(visit))).collect()
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn tier(values: [f32; 3], tier: u8) -> f32 {
    values[usize::from(tier.clamp(1, 3)) - 1]
}

fn feeling(rating: u8) -> Text {
    Text::Borrowed(match rating {
        1 => "wished it were over",
        2 => "let down",
        3 => "passed the time",
        4 => "well entertained",
        _ => "moved and delighted",
    })
}

fn stock_taking(mood: Mood) -> Text {
    Text::Borrowed(match (mood.satisfaction >= 0.5, mood.fatigue >= 0.5) {
        (true, false) => "the suggestions suit me and I am still curious",
        (true, true) => "the suggestions suit me but I am getting tired",
        (false, false) => "the suggestions miss my taste so far",
        (false, true) => "the suggestions miss my taste and I am tired",
    })
}

fn verdict(satisfaction: u8) -> Text {
    Text::Borrowed(match satisfaction {
        1..=3 => "little of what was shown was for me",
        4..=6 => "some of it was for me, some was not",
        _ => "most of what was shown was for me",
    })
}

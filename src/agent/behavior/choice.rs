//! The `choice` behaviour: a structural model of the six steps of a session, microseconds a page.
//!
//! Each step is a file: [`align`], [`watch`], [`rating`], [`reflection`], [`exit`] and [`interview`]
//! say what the step depends on; all numbers come from a parameter file, so nothing here is
//! tuned in code. The same functions are fitted by `calibrate` and simulated here.

pub mod align;
pub mod cues;
pub mod exit;
pub mod interview;
pub mod logit;
mod parameters;
pub mod rating;
pub mod reflection;
pub mod view;
pub mod watch;

pub use parameters::{ChoiceParameters, STEPS};

use super::{
    Answer, Behavior, BehaviorError, BehaviorKind, BehaviorPlan, Decision, Interview, Reaction, Reflection,
    Setting, SlotReaction, Step, Visit,
};
use crate::agent::facts::Facts;
use crate::agent::memory::Mood;
use crate::event::Text;
use crate::id::ItemId;
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use crate::scenario::params::{self, Complaint};
use logit::logistic;
use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use view::{Outcome, Person, Prospect, Remembered};
use watch::Fitting;

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
    fn statement(&self) -> String {
        let told = |key: &str| self.fit.as_ref().and_then(|fit| fit.get(key)?.as_str());
        match (told("name"), told("description")) {
            (Some(name), Some(description)) => format!("choice, {name}: {description}"),
            _ => "choice with parameters that are reasoned: plausible, but fitted to nobody".to_owned(),
        }
    }

    fn begin(&self, setting: &Setting<'_>) -> Result<Arc<dyn Behavior>, BehaviorError> {
        let (facts, streams) = (setting.facts.clone(), setting.streams);
        Ok(Arc::new(ChoiceModel { parameters: self.clone(), facts, streams }))
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

    /// An item of the page as this person sees it, with what stands beside it.
    fn prospect(&self, visit: &Visit<'_>, slot: usize, item: ItemId) -> Prospect {
        let plain = Prospect::of(slot, item, visit.profile, visit.memory, visit.page, &self.facts);
        let is_advertised = visit.advertised.get(slot).copied().unwrap_or(false);
        self.parameters.cues.shown(plain, visit.cues, is_advertised)
    }

    /// Steps 1 to 3 for one visit. Every slot draws its own luck of fitting and of rating whether it
    /// needs it or not, so that these do not depend on what happened above it.
    fn react_to(&self, visit: &Visit<'_>) -> Reaction {
        let p = &self.parameters;
        let person = Person::of(visit.profile);
        let mut align_luck = self.stream(Purpose::Align, visit);
        let mut rate_luck = self.stream(Purpose::Rate, visit);
        let (mut fitting, mut rating_luck) = (Vec::new(), Vec::with_capacity(visit.items.len()));
        let mut slots = vec![SlotReaction::default(); visit.items.len()];
        for (slot, &item) in visit.items.iter().enumerate() {
            let (look, fit): (f64, f64) = (align_luck.random(), align_luck.random());
            rating_luck.push(rate_luck.random::<f64>());
            if look < p.align.looks(slot) {
                let prospect = self.prospect(visit, slot, item);
                let fits = fit < logistic(p.align.utility(person, prospect));
                slots[slot].aligned = Some(fits);
                if fits {
                    fitting.push(prospect);
                }
            }
        }
        for prospect in self.watched(visit, person, &fitting) {
            let rating = p.rating.rate(person, prospect, rating_luck[prospect.slot]);
            slots[prospect.slot].watched = true;
            slots[prospect.slot].rating = Some((rating, feeling(rating)));
        }
        Reaction { slots, foretold: None }
    }

    /// Which of the fitting items are watched.
    fn watched(&self, visit: &Visit<'_>, person: Person, fitting: &[Prospect]) -> Vec<Prospect> {
        let likeness = |a: usize, b: usize| {
            let item = |place: usize| visit.items[fitting[place].slot];
            f64::from(self.facts.likeness(item(a), item(b)))
        };
        let page = Fitting { person, items: fitting, likeness: &likeness };
        let mut luck = self.stream(Purpose::Watch, visit);
        self.parameters.watch.choose(&page, || luck.random()).into_iter().map(|k| fitting[k]).collect()
    }

    /// The mood after the latest page.
    fn mood_after(&self, visit: &Visit<'_>) -> Mood {
        let person = Person::of(visit.profile);
        let latest = visit.outcomes.len().saturating_sub(1);
        let outcome = Outcome::of(&visit.outcomes[latest..]);
        let before = f64::from(visit.mood.satisfaction);
        let utility = self.parameters.reflection.utility(person, visit.page, before, outcome);
        let luck: f64 = self.stream(Purpose::Reflect, visit).random();
        Mood {
            satisfaction: if luck < logistic(utility) { 1.0 } else { 0.0 },
            fatigue: self.parameters.exit.fatigue(person, visit.page) as f32,
        }
    }

    fn leaves(&self, visit: &Visit<'_>) -> bool {
        let remembered = Remembered::of(visit.memory, visit.page);
        let utility = self.parameters.exit.utility(Person::of(visit.profile), remembered);
        self.stream(Purpose::Exit, visit).random::<f64>() < logistic(utility)
    }

    /// The interview asks about the whole session, but who remembers nothing tells of the last page alone.
    fn interview_of(&self, visit: &Visit<'_>) -> Interview {
        let p = &self.parameters.interview;
        let told = if visit.memory.is_on() { 0 } else { visit.outcomes.len().saturating_sub(1) };
        let outcome = Outcome::of(&visit.outcomes[told..]);
        let remembered = Remembered::of(visit.memory, visit.page);
        let utility = p.utility(Person::of(visit.profile), visit.page, remembered, outcome);
        let satisfaction = p.score(utility, self.stream(Purpose::Interview, visit).random());
        Interview { satisfaction, text: verdict(satisfaction) }
    }
}

impl Behavior for ChoiceModel {
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reaction>> {
        each(visits, |visit| self.react_to(visit))
    }

    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reflection>> {
        each(visits, |visit| {
            let mood = self.mood_after(visit);
            Reflection { mood, text: stock_taking(mood) }
        })
    }

    fn decide(&self, visits: &[Visit<'_>]) -> Vec<Answer<Decision>> {
        each(visits, |visit| Decision { goes_on: !self.leaves(visit), text: "".into() })
    }

    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Answer<Interview>> {
        each(visits, |visit| self.interview_of(visit))
    }

    fn reflection_threshold(&self) -> f32 {
        self.parameters.reflection.threshold as f32
    }

    fn would_rate(&self, visits: &[Visit<'_>]) -> Option<Vec<Step<Vec<u8>>>> {
        let rated = visits.iter().map(|visit| {
            let person = Person::of(visit.profile);
            let mut luck = self.stream(Purpose::Rate, visit);
            let rate = |(slot, &item)| {
                let prospect = self.prospect(visit, slot, item);
                self.parameters.rating.rate(person, prospect, luck.random())
            };
            Ok(visit.items.iter().enumerate().map(rate).collect())
        });
        Some(rated.collect())
    }
}

/// Answers every visit, in parallel, in visit order.
fn each<T: Send>(visits: &[Visit<'_>], answer: impl Fn(&Visit<'_>) -> T + Sync) -> Vec<Answer<T>> {
    let visits = visits.par_iter().with_min_len(VISITS_PER_TASK);
    visits.map(|visit| Answer::Now(Ok(answer(visit)))).collect()
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

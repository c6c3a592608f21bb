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
use crate::agent::memory::{Mood, Recollection};
use crate::event::Text;
use crate::id::ItemId;
use crate::rng::{LANES, Purpose, Streams, Uniforms};
use crate::scenario::params::{self, Complaint};
use logit::logistic;
use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use view::{Outcome, Person, Prospect, Remembered};
use watch::{Fitting, Room};

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
    /// An item of the page as this person sees it, with what stands beside it.
    fn prospect(
        &self,
        visit: &Visit<'_>,
        slot: usize,
        item: ItemId,
        recollection: &mut Recollection,
    ) -> Prospect {
        let plain = Prospect::after(slot, item, visit.profile, recollection, &self.facts);
        let is_advertised = visit.advertised.get(slot).copied().unwrap_or(false);
        self.parameters.cues.shown(plain, visit.cues, is_advertised)
    }

    /// Steps 1 to 3 for one visit. Every slot draws its own luck of fitting and of rating whether it
    /// needs it or not, so that these do not depend on what happened above it.
    fn react_to(&self, visit: &Visit<'_>, luck: [&mut Uniforms; 3], desk: &mut Desk) -> Reaction {
        let p = &self.parameters;
        let person = Person::of(visit.profile);
        let [align_luck, watch_luck, rate_luck] = luck;
        desk.recollection.look_back(visit.memory, visit.page);
        desk.fitting.clear();
        desk.rating_luck.clear();
        let mut slots = Vec::with_capacity(visit.items.len());
        for (slot, &item) in visit.items.iter().enumerate() {
            let (look, fit) = (align_luck.draw(), align_luck.draw());
            desk.rating_luck.push(rate_luck.draw());
            let mut reaction = SlotReaction::default();
            if look < p.align.looks(slot) {
                let prospect = self.prospect(visit, slot, item, &mut desk.recollection);
                let fits = fit < logistic(p.align.utility(person, prospect));
                reaction.aligned = Some(fits);
                if fits {
                    desk.fitting.push(prospect);
                }
            }
            slots.push(reaction);
        }
        let fitting = desk.fitting.as_slice();
        let likeness = |a: usize, b: usize| {
            let item = |place: usize| visit.items[fitting[place].slot];
            f64::from(self.facts.likeness(item(a), item(b)))
        };
        let page = Fitting { person, items: fitting, likeness: &likeness };
        for &taken in p.watch.choose(&page, || watch_luck.draw(), &mut desk.room) {
            let prospect = fitting[taken];
            let rating = p.rating.rate(person, prospect, desk.rating_luck[prospect.slot]);
            slots[prospect.slot].watched = true;
            slots[prospect.slot].rating = Some((rating, feeling(rating)));
        }
        Reaction { slots, foretold: None }
    }

    /// The mood after the latest page.
    fn mood_after(&self, visit: &Visit<'_>, luck: &mut Uniforms) -> Mood {
        let person = Person::of(visit.profile);
        let latest = visit.outcomes.len().saturating_sub(1);
        let outcome = Outcome::of(&visit.outcomes[latest..]);
        let before = f64::from(visit.mood.satisfaction);
        let utility = self.parameters.reflection.utility(person, visit.page, before, outcome);
        Mood {
            satisfaction: if luck.draw() < logistic(utility) { 1.0 } else { 0.0 },
            fatigue: self.parameters.exit.fatigue(person, visit.page) as f32,
        }
    }

    fn leaves(&self, visit: &Visit<'_>, luck: &mut Uniforms) -> bool {
        let remembered = Remembered::of(visit.memory, visit.page);
        let utility = self.parameters.exit.utility(Person::of(visit.profile), remembered);
        luck.draw() < logistic(utility)
    }

    /// The interview asks about the whole session, but who remembers nothing tells of the last page alone.
    fn interview_of(&self, visit: &Visit<'_>, luck: &mut Uniforms) -> Interview {
        let p = &self.parameters.interview;
        let told = if visit.memory.is_on() { 0 } else { visit.outcomes.len().saturating_sub(1) };
        let outcome = Outcome::of(&visit.outcomes[told..]);
        let remembered = Remembered::of(visit.memory, visit.page);
        let utility = p.utility(Person::of(visit.profile), visit.page, remembered, outcome);
        let satisfaction = p.score(utility, luck.draw());
        Interview { satisfaction, text: verdict(satisfaction) }
    }
}

impl Behavior for ChoiceModel {
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reaction>> {
        let purposes = [Purpose::Align, Purpose::Watch, Purpose::Rate];
        self.each(visits, purposes, |visit, luck, desk| self.react_to(visit, luck, desk))
    }

    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reflection>> {
        self.each(visits, [Purpose::Reflect], |visit, [luck], _| {
            let mood = self.mood_after(visit, luck);
            Reflection { mood, text: stock_taking(mood) }
        })
    }

    fn decide(&self, visits: &[Visit<'_>]) -> Vec<Answer<Decision>> {
        self.each(visits, [Purpose::Exit], |visit, [luck], _| Decision {
            goes_on: !self.leaves(visit, luck),
            text: Text::Borrowed(""),
        })
    }

    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Answer<Interview>> {
        self.each(visits, [Purpose::Interview], |visit, [luck], _| self.interview_of(visit, luck))
    }

    fn reflection_threshold(&self) -> f32 {
        self.parameters.reflection.threshold as f32
    }

    fn answers_at_once(&self) -> bool {
        true
    }

    fn would_rate(&self, visits: &[Visit<'_>]) -> Option<Vec<Step<Vec<u8>>>> {
        let mut recollection = Recollection::default();
        let rated = visits.iter().map(|visit| {
            let person = Person::of(visit.profile);
            let agent = u64::from(visit.profile.agent.0);
            let mut luck = self.streams.stream(Purpose::Rate, visit.round, agent, visit.page);
            recollection.look_back(visit.memory, visit.page);
            let rate = |(slot, &item)| {
                let prospect = self.prospect(visit, slot, item, &mut recollection);
                self.parameters.rating.rate(person, prospect, luck.random())
            };
            Ok(visit.items.iter().enumerate().map(rate).collect())
        });
        Some(rated.collect())
    }
}

/// What reacting to a page takes, kept for the next.
#[derive(Default)]
struct Desk {
    recollection: Recollection,
    fitting: Vec<Prospect>,
    rating_luck: Vec<f64>,
    room: Room,
}

impl ChoiceModel {
    /// Answers every visit, in parallel, in visit order, with the luck of these purposes.
    fn each<T: Send, const P: usize>(
        &self,
        visits: &[Visit<'_>],
        purposes: [Purpose; P],
        answer: impl Fn(&Visit<'_>, [&mut Uniforms; P], &mut Desk) -> T + Sync,
    ) -> Vec<Answer<T>> {
        if visits.len() <= VISITS_PER_TASK {
            return self.each_of_few(visits, purposes, &answer);
        }
        let parts = visits.par_chunks(VISITS_PER_TASK);
        let parts: Vec<_> = parts.map(|part| self.each_of_few(part, purposes, &answer)).collect();
        parts.into_iter().flatten().collect()
    }

    fn each_of_few<T, const P: usize>(
        &self,
        visits: &[Visit<'_>],
        purposes: [Purpose; P],
        answer: &impl Fn(&Visit<'_>, [&mut Uniforms; P], &mut Desk) -> T,
    ) -> Vec<Answer<T>> {
        let mut desk = Desk::default();
        let mut answers = Vec::with_capacity(visits.len());
        for abreast in visits.chunks(LANES) {
            let of: [_; LANES] = std::array::from_fn(|lane| {
                let visit = &abreast[lane.min(abreast.len() - 1)];
                (visit.round, u64::from(visit.profile.agent.0), visit.page)
            });
            let mut luck = purposes.map(|purpose| self.streams.uniforms(purpose, &of));
            for (lane, visit) in abreast.iter().enumerate() {
                let luck = luck.each_mut().map(|streams| &mut streams[lane]);
                answers.push(Answer::Now(Ok(answer(visit, luck, &mut desk))));
            }
        }
        answers
    }
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

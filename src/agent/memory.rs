//! Memory: what an agent remembers of its session, and how it is recalled.
//!
//! Two streams, after Agent4Rec (§2.2) and Generative Agents (Park et al., UIST 2023, §4.1): factual
//! entries (what was shown, watched, rated) and emotional entries (satisfaction, fatigue) that
//! reflection writes. Recall scores = recency + importance + relevance. Must not know
//! how decisions are made from what is recalled.

use super::facts::Facts;
use crate::event::Text;
use crate::id::ItemId;
use bevy_ecs::component::Component;

/// What one item did to the agent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factual {
    /// The page it was shown on, from 1.
    pub page: u32,
    /// The item.
    pub item: ItemId,
    /// Whether it was watched.
    pub watched: bool,
    /// The rating, where one was given.
    pub rating: Option<u8>,
}

impl Factual {
    /// How much the entry matters, 0..=1: watching matters, strong feelings matter more.
    pub fn importance(&self) -> f32 {
        match (self.watched, self.rating) {
            (true, Some(rating)) => 0.3 + 0.35 * (f32::from(rating) - 3.0).abs(),
            (true, None) => 0.3,
            (false, _) => 0.1,
        }
    }
}

/// How the agent feels about the recommender.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mood {
    /// Satisfaction, 0..=1.
    pub satisfaction: f32,
    /// Fatigue, 0..=1.
    pub fatigue: f32,
}

impl Mood {
    /// Neither satisfied nor dissatisfied, and fresh.
    pub const NEUTRAL: Mood = Mood { satisfaction: 0.5, fatigue: 0.0 };
}

/// A feeling that reflection wrote down.
#[derive(Clone, Debug, PartialEq)]
pub struct Emotional {
    /// After which page, from 1.
    pub page: u32,
    /// How the agent felt.
    pub mood: Mood,
    /// In words.
    pub text: Text,
}

/// What an agent remembers of its session.
#[derive(Component, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    factual: Vec<Factual>,
    emotional: Vec<Emotional>,
    unreflected: f32,
    capacity: usize,
}

/// How much a page of distance weakens a memory (recency is this to the power of pages passed).
const RECENCY_DECAY: f32 = 0.8;

impl Memory {
    /// An empty memory that keeps at most `capacity` factual entries; 0 remembers nothing.
    pub fn with_capacity(capacity: usize) -> Self {
        Memory { capacity, ..Memory::default() }
    }

    /// Forgets everything, and keeps at most `capacity` factual entries from now on.
    pub fn clear(&mut self, capacity: usize) {
        self.factual.clear();
        self.emotional.clear();
        self.unreflected = 0.0;
        self.capacity = capacity;
    }

    /// Whether this agent remembers anything at all.
    pub fn is_on(&self) -> bool {
        self.capacity > 0
    }

    /// Stores what happened with one shown item; the least important oldest entry makes room.
    pub fn remember(&mut self, entry: Factual) {
        if !self.is_on() {
            return;
        }
        if self.factual.len() == self.capacity {
            let weakest = (0..self.factual.len())
                .min_by(|&a, &b| self.factual[a].importance().total_cmp(&self.factual[b].importance()));
            self.factual.remove(weakest.unwrap_or(0));
        }
        self.unreflected += entry.importance();
        self.factual.push(entry);
    }

    /// Whether enough has happened since the last reflection.
    pub fn wants_reflection(&self, threshold: f32) -> bool {
        self.is_on() && self.unreflected >= threshold
    }

    /// Stores the outcome of a reflection.
    pub fn reflect(&mut self, page: u32, mood: Mood, text: Text) {
        if self.is_on() {
            self.emotional.push(Emotional { page, mood, text });
            self.unreflected = 0.0;
        }
    }

    /// All factual entries, oldest first.
    pub fn factual(&self) -> &[Factual] {
        &self.factual
    }

    /// All emotional entries, oldest first.
    pub fn emotional(&self) -> &[Emotional] {
        &self.emotional
    }

    /// How the agent felt when it last reflected; `None` before that.
    pub fn latest_mood(&self) -> Option<Mood> {
        self.emotional.last().map(|entry| entry.mood)
    }

    /// How the agent remembers feeling, seen from `page`: its emotional entries weighted by recency;
    /// `None` before the first reflection.
    pub fn recall_mood(&self, page: u32) -> Option<Mood> {
        let (mut weight, mut satisfaction, mut fatigue) = (0.0, 0.0, 0.0);
        for Emotional { page: then, mood, .. } in &self.emotional {
            let w = recency(*then, page);
            weight += w;
            satisfaction += w * mood.satisfaction;
            fatigue += w * mood.fatigue;
        }
        (weight > 0.0).then(|| Mood { satisfaction: satisfaction / weight, fatigue: fatigue / weight })
    }

    /// How much each factual entry comes to mind in front of these items: recency + importance + relevance to
    /// the item it is most like.
    pub fn salience(&self, items: &[ItemId], page: u32, facts: &Facts) -> Vec<f32> {
        let of = |entry: &Factual| {
            let relevance = items.iter().map(|&item| facts.likeness(entry.item, item)).fold(0.0, f32::max);
            recency(entry.page, page) + entry.importance() + relevance
        };
        self.factual.iter().map(of).collect()
    }
}

/// What an agent remembers, seen from one page: room for looking back, to be used page after page.
#[derive(Clone, Debug, Default)]
pub struct Recollection {
    entries: Vec<Factual>,
    /// Recency + importance of each.
    at_rest: Vec<f32>,
    relevance: Vec<f32>,
    strength: Vec<f32>,
    recalled: Vec<Recalled>,
}

impl Recollection {
    /// Looks back at this memory from `page`.
    pub fn look_back(&mut self, memory: &Memory, page: u32) {
        self.entries.clear();
        self.entries.extend_from_slice(&memory.factual);
        self.at_rest.clear();
        let mut latest = (page, recency(page, page));
        self.at_rest.extend(memory.factual.iter().map(|entry| {
            if latest.0 != entry.page {
                latest = (entry.page, recency(entry.page, page));
            }
            latest.1 + entry.importance()
        }));
    }

    /// Of the `n` factual entries that come to mind when looking at `item`, those that were watched and are at
    /// all like it, strongest first; of equally strong ones the older first.
    pub fn watched_alike(&mut self, item: ItemId, n: usize, facts: &Facts) -> &[Recalled] {
        self.recalled.clear();
        let all_come_to_mind = self.entries.len() <= n;
        if !self.entries.iter().any(|entry| entry.watched) {
            return &self.recalled;
        }
        self.relevance.clear();
        self.relevance.extend(self.entries.iter().map(|entry| {
            let counts = entry.watched || !all_come_to_mind;
            if counts { facts.likeness(entry.item, item) } else { 0.0 }
        }));
        self.strength.clear();
        self.strength
            .extend(self.at_rest.iter().zip(&self.relevance).map(|(rest, relevance)| rest + relevance));
        for (k, entry) in self.entries.iter().enumerate() {
            let (relevance, strength) = (self.relevance[k], self.strength[k]);
            if !entry.watched || relevance == 0.0 || !(all_come_to_mind || self.is_among(n, k)) {
                continue;
            }
            let place = self.recalled.partition_point(|other| other.strength >= strength);
            self.recalled.insert(place, Recalled { entry: *entry, relevance, strength });
        }
        &self.recalled
    }

    /// Whether the k-th entry is among the `n` strongest.
    fn is_among(&self, n: usize, k: usize) -> bool {
        let (before, after) = self.strength.split_at(k);
        let strength = self.strength[k];
        let n_stronger = before.iter().filter(|&&other| other >= strength).count()
            + after.iter().filter(|&&other| other > strength).count();
        n_stronger < n
    }
}

/// A memory that came to mind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recalled {
    /// The memory.
    pub entry: Factual,
    /// How like the item in question it is, 0..=1.
    pub relevance: f32,
    /// Recency + importance + relevance.
    pub strength: f32,
}

/// What a memory of page `then` has kept of its strength on page `now`, 0..=1.
pub fn recency(then: u32, now: u32) -> f32 {
    RECENCY_DECAY.powi(now.saturating_sub(then) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::taste::{Taste, TasteEvidence, TasteSource};
    use crate::dataset::split::{SplitParams, split};
    use crate::dataset::{LoadContext, kind};
    use crate::progress::Quiet;
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;
    use std::path::Path;

    fn entry(item: u32, watched: bool, rating: Option<u8>) -> Factual {
        Factual { page: 1, item: ItemId(item), watched, rating }
    }

    fn facts() -> Facts {
        let params = "n_users = 40\nn_items = 90\nmean_interactions = 10".parse().expect("TOML");
        let source = kind("synthetic").expect("in the list").check("dataset", &params).expect("valid");
        let context = LoadContext { base_dir: Path::new("."), streams: Streams::new(3), progress: &Quiet };
        let dataset = source.load(&context).expect("a world");
        let split = split(&dataset, &SplitParams::default(), Streams::new(3)).expect("a split");
        let (source, evidence) = (TasteSource::Truth, TasteEvidence::All);
        let taste = Taste::build(&dataset, &split, source, evidence, Streams::new(3)).expect("a taste");
        Facts::new(&dataset, &dataset.all(), taste)
    }

    /// The definition, by a full sort.
    fn slow(memory: &Memory, page: u32, item: ItemId, n: usize, facts: &Facts) -> Vec<Recalled> {
        let recalled = |entry: &Factual| {
            let relevance = facts.likeness(entry.item, item);
            let strength = recency(entry.page, page) + entry.importance() + relevance;
            Recalled { entry: *entry, relevance, strength }
        };
        let mut all: Vec<Recalled> = memory.factual.iter().map(recalled).collect();
        all.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        all.truncate(n);
        all.retain(|recalled| recalled.entry.watched && recalled.relevance > 0.0);
        all
    }

    #[test]
    fn what_comes_to_mind_is_what_a_full_sort_puts_first() {
        let facts = facts();
        let n_items = facts.catalogue.len() as u32;
        let mut rng = Streams::new(3).stream(Purpose::Rate, 0, 0, 0);
        let mut recollection = Recollection::default();
        for _ in 0..200 {
            let mut memory = Memory::with_capacity(40);
            for at in 0..rng.random_range(0..40u32) {
                let watched = rng.random_bool(0.5);
                let rating = watched.then(|| rng.random_range(1..=5u8));
                let item = ItemId(rng.random_range(0..n_items));
                memory.remember(Factual { page: 1 + at / 4, item, watched, rating });
            }
            recollection.look_back(&memory, 11);
            let item = ItemId(rng.random_range(0..n_items));
            for n in [1, 8, 100] {
                let expected = slow(&memory, 11, item, n, &facts);
                assert_eq!(recollection.watched_alike(item, n, &facts), expected);
            }
        }
    }

    #[test]
    fn a_full_memory_drops_its_least_important_oldest_entry() {
        let mut memory = Memory::with_capacity(2);
        memory.remember(entry(1, true, Some(5)));
        memory.remember(entry(2, false, None));
        memory.remember(entry(3, true, Some(3)));
        let items: Vec<u32> = memory.factual().iter().map(|e| e.item.0).collect();
        assert_eq!(items, [1, 3]);
    }

    #[test]
    fn reflection_is_wanted_once_enough_has_happened() {
        let mut memory = Memory::with_capacity(9);
        memory.remember(entry(1, true, Some(5)));
        assert!(!memory.wants_reflection(1.5));
        memory.remember(entry(2, true, Some(5)));
        assert!(memory.wants_reflection(1.5));
        memory.reflect(1, Mood { satisfaction: 0.9, fatigue: 0.1 }, "so".into());
        assert!(!memory.wants_reflection(1.5));
        assert_eq!(memory.recall_mood(1).map(|m| m.satisfaction), Some(0.9));
    }

    #[test]
    fn a_memory_of_capacity_zero_is_off() {
        let mut memory = Memory::with_capacity(0);
        memory.remember(entry(1, true, Some(5)));
        memory.reflect(1, Mood { satisfaction: 0.9, fatigue: 0.1 }, "so".into());
        assert!(memory.factual().is_empty() && memory.recall_mood(1).is_none());
    }

    #[test]
    fn older_moods_weigh_less() {
        let mut memory = Memory::with_capacity(4);
        memory.reflect(1, Mood { satisfaction: 0.0, fatigue: 0.0 }, "so".into());
        memory.reflect(2, Mood { satisfaction: 1.0, fatigue: 1.0 }, "so".into());
        let mood = memory.recall_mood(2).map_or(0.0, |m| m.satisfaction);
        assert!((mood - 1.0 / 1.8).abs() < 1e-6);
    }
}

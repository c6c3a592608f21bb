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

    /// The `n` factual entries that come to mind when looking at `item`, strongest first.
    pub fn recall(&self, item: ItemId, page: u32, n: usize, facts: &Facts) -> Vec<Recalled> {
        let mut scored: Vec<Recalled> = self
            .factual
            .iter()
            .map(|&entry| {
                let relevance = facts.likeness(entry.item, item);
                let strength = recency(entry.page, page) + entry.importance() + relevance;
                Recalled { entry, relevance, strength }
            })
            .collect();
        scored.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        scored.truncate(n);
        scored
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

    fn entry(item: u32, watched: bool, rating: Option<u8>) -> Factual {
        Factual { page: 1, item: ItemId(item), watched, rating }
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

//! From sessions to what click models and propensities are made of. Must not know either.

use super::pages::{Page, Pages};
use super::propensity::Sighting;
use super::{Attractiveness, NAME};
use crate::event::{ExitReason, Session};
use crate::id::{AgentId, ItemId};
use crate::study::{Evidence, StudyError};
use crate::world::Presentation;

/// Equal parts that likeness to a profile and popularity are cut into, for kinds by match.
const N_MATCHES: usize = 10;
const N_POPULARITIES: usize = 5;

/// The full pages of a run.
pub struct Gathered {
    /// Of all arms and rounds together.
    pub pooled: Pages,
    /// Arm by arm, in the order of the scenario.
    pub by_arm: Vec<Pages>,
    /// Every slot of them, where pages are ranked.
    pub sightings: Vec<Sighting>,
    /// The person behind each agent, numbered as in the pages.
    pub persons: Vec<u32>,
}

/// Gathers the full pages of every arm. The page on which a session failed is left out: nobody answered it.
///
/// # Errors
/// When events cannot be read, or no page is full, or pages have one slot.
pub fn gather(evidence: &Evidence<'_>, by: Attractiveness) -> Result<Gathered, StudyError> {
    let n_slots = evidence.scenario.session.items_per_page as usize;
    let mut seen = Seen {
        n_slots,
        arms: Vec::new(),
        rounds: Vec::new(),
        agents: Vec::new(),
        items: Vec::new(),
        watched: Vec::new(),
    };
    for arm in 0..evidence.arms.len() {
        evidence.for_each_session(arm, &mut |session| seen.take(arm, session))?;
    }
    if seen.agents.is_empty() || n_slots < 2 {
        return Err(StudyError::Unanswerable {
            study: NAME.to_owned(),
            problem: format!(
                "{} full pages of {n_slots} slots, expected some of 2 or more",
                seen.agents.len()
            ),
        });
    }
    let kinds = match by {
        Attractiveness::Item => seen.items.iter().map(|item| item.0).collect(),
        Attractiveness::Match => seen.matches(evidence),
    };
    let n_kinds = match by {
        Attractiveness::Item => evidence.catalogue.items.len(),
        Attractiveness::Match => N_MATCHES * N_POPULARITIES,
    };
    let persons: Vec<u32> = evidence.population.records().iter().map(|agent| agent.person).collect();
    let is_ranked = evidence.scenario.session.presentation == Presentation::Ranked;
    Ok(seen.told(evidence.arms.len(), (&kinds, n_kinds), persons, is_ranked))
}

/// The full pages as they come, one after another.
struct Seen {
    n_slots: usize,
    arms: Vec<usize>,
    rounds: Vec<u32>,
    agents: Vec<AgentId>,
    /// Slot by slot.
    items: Vec<ItemId>,
    watched: Vec<bool>,
}

impl Seen {
    fn take(&mut self, arm: usize, session: &Session) {
        let has_failed = session.exit == Some(ExitReason::Failure);
        let answered =
            &session.pages[..session.pages.len() - usize::from(has_failed && !session.pages.is_empty())];
        for page in answered.iter().filter(|page| page.slots.len() == self.n_slots) {
            self.arms.push(arm);
            self.rounds.push(session.round);
            self.agents.push(session.agent);
            self.items.extend(page.slots.iter().map(|slot| slot.item));
            self.watched.extend(page.slots.iter().map(|slot| slot.watched));
        }
    }

    /// Kinds by how well an item matches a profile's genres, and by how popular it is: each cut into equal parts of
    /// all slots shown.
    fn matches(&self, evidence: &Evidence<'_>) -> Vec<u32> {
        let likeness = |slot: usize| {
            let person = evidence.population.person(self.agents[slot / self.n_slots]);
            let genres = &evidence.catalogue.items[self.items[slot].idx()].genres;
            let sum: f32 = genres.iter().map(|genre| person.genre_shares[genre.idx()]).sum();
            f64::from(sum) / genres.len().max(1) as f64
        };
        let popularity = |slot: usize| f64::from(evidence.catalogue.items[self.items[slot].idx()].n_train);
        let by_match = parts((0..self.items.len()).map(likeness).collect(), N_MATCHES);
        let by_popularity = parts((0..self.items.len()).map(popularity).collect(), N_POPULARITIES);
        by_match.iter().zip(by_popularity).map(|(m, p)| m * N_POPULARITIES as u32 + p).collect()
    }

    fn told(
        self,
        n_arms: usize,
        (kinds, n_kinds): (&[u32], usize),
        persons: Vec<u32>,
        keeps_sightings: bool,
    ) -> Gathered {
        let empty = || Pages::new(self.n_slots, persons.len(), n_kinds);
        let (mut pooled, mut by_arm) = (empty(), vec![empty(); n_arms]);
        let mut sightings = Vec::new();
        for (nth, &agent) in self.agents.iter().enumerate() {
            let slots = nth * self.n_slots..(nth + 1) * self.n_slots;
            let watched = &self.watched[slots.clone()];
            let page = Page { person: persons[agent.idx()], kinds: &kinds[slots.clone()], watched };
            pooled.push(page);
            by_arm[self.arms[nth]].push(page);
            for (slot, at) in slots.enumerate().filter(|_| keeps_sightings) {
                sightings.push(Sighting {
                    round: self.rounds[nth],
                    agent: agent.0,
                    item: self.items[at].0,
                    slot: slot as u32,
                    watched: self.watched[at],
                });
            }
        }
        Gathered { pooled, by_arm, sightings, persons }
    }
}

/// The part of each value, from 0, where all are cut into so many equal parts; equal values are in one part.
fn parts(values: Vec<f64>, n_parts: usize) -> Vec<u32> {
    let mut ascending = values.clone();
    ascending.sort_by(f64::total_cmp);
    let n = ascending.len();
    values
        .into_iter()
        .map(|value| {
            let n_below = ascending.partition_point(|other| *other < value);
            (n_below * n_parts / n.max(1)) as u32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_equal_sizes_and_equal_values_stay_together() {
        assert_eq!(parts(vec![3.0, 1.0, 2.0, 4.0], 2), [1, 0, 0, 1]);
        assert_eq!(parts(vec![5.0, 5.0, 5.0, 9.0], 2), [0, 0, 0, 1]);
        assert_eq!(parts(Vec::new(), 3), [0u32; 0]);
    }
}

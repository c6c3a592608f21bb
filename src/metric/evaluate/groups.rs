//! Offline accuracy by groups of items: head, tail and cold, which [`crate::metric::groups`] defines.
//!
//! For each group only what is held out of it is relevant, and a user counts who has something held out of it.
//! Ranked are all items, as for the values of everybody, so that a group competes with the others for its
//! places. Named `ndcg@20.tail`. `cold_only` ranks cold items among themselves: whether a model can tell them
//! apart, were the warm ones not in their way. Must not know models.

use super::{Protocol, excluded, places, request};
use crate::dataset::Interactions;
use crate::id::{AgentId, ItemId, UserId};
use crate::metric::Measured;
use crate::metric::groups::{Group, Groups};
use crate::metric::ranking::{Accuracy, AccuracySample};
use crate::recommender::{RecommendError, Recommender, Request, Training};

/// Which relevant items count, and among what they are ranked.
#[derive(Clone, Copy)]
struct Part {
    /// What stands behind the metric's name.
    name: &'static str,
    is_in: fn(Group) -> bool,
}

/// The parts of one list over all items.
static PARTS: [Part; 4] = [
    Part { name: "head", is_in: |group| group == Group::Head },
    Part { name: "tail", is_in: |group| group == Group::Tail },
    Part { name: "warm", is_in: |group| group != Group::Cold },
    Part { name: "cold", is_in: |group| group == Group::Cold },
];

/// The part whose lists hold cold items alone.
const COLD_ONLY: &str = "cold_only";

/// Accuracies of many users, by part and cutoff.
pub(super) struct ByGroup<'a> {
    groups: Groups,
    /// Ascending.
    warm_items: Vec<u32>,
    cutoffs: &'a [usize],
    /// One a part and one for `cold_only`, each with one sample a cutoff.
    samples: Vec<Vec<AccuracySample>>,
}

impl<'a> ByGroup<'a> {
    /// Nobody yet; items are grouped by their training interactions.
    pub(super) fn new(training: &Training<'_>, cutoffs: &'a [usize]) -> Self {
        let groups = Groups::new(&training.train.item_counts());
        ByGroup {
            warm_items: groups.items(|group| group != Group::Cold),
            groups,
            cutoffs,
            samples: vec![vec![AccuracySample::default(); cutoffs.len()]; PARTS.len() + 1],
        }
    }

    /// Takes in one user's list over all items.
    pub(super) fn observe(&mut self, user: UserId, list: &[ItemId], held_out: &[u32]) {
        for (nth, part) in PARTS.iter().enumerate() {
            let relevant = self.relevant(held_out, part.is_in);
            self.push(nth, user, list, &relevant);
        }
    }

    /// Asks for lists of cold items alone, for those of these users who have any held out.
    pub(super) fn ask_cold(
        &mut self,
        recommender: &dyn Recommender,
        users: &[UserId],
        training: &Training<'_>,
        held_out: &Interactions,
        protocol: &Protocol<'_>,
    ) -> Result<(), RecommendError> {
        let is_cold = |group| group == Group::Cold;
        let relevant = |user: &UserId| self.relevant(held_out.items_of(*user), is_cold);
        let asked: Vec<(UserId, Vec<u32>)> = users
            .iter()
            .map(|user| (*user, relevant(user)))
            .filter(|(_, relevant)| !relevant.is_empty())
            .collect();
        let not_ranked = |(user, _): &(UserId, Vec<u32>)| {
            let mut items = excluded(*user, training, held_out, protocol);
            items.extend_from_slice(&self.warm_items);
            items.sort();
            items.dedup();
            items
        };
        let not_ranked: Vec<Vec<u32>> = asked.iter().map(not_ranked).collect();
        let n_wanted = self.cutoffs.iter().copied().max().unwrap_or(0);
        let requests: Vec<Request<'_>> =
            asked.iter().zip(&not_ranked).map(|((user, _), known)| request(*user, n_wanted, known)).collect();
        let lists = recommender.recommend(&requests)?;
        assert_eq!(lists.len(), requests.len(), "one list a request");
        for ((user, relevant), list) in asked.iter().zip(&lists) {
            self.push(PARTS.len(), *user, &list.items, relevant);
        }
        Ok(())
    }

    /// Items held out that are of a group, ascending.
    fn relevant(&self, held_out: &[u32], is_in: impl Fn(Group) -> bool) -> Vec<u32> {
        held_out.iter().copied().filter(|&item| is_in(self.groups.of(ItemId(item)))).collect()
    }

    fn push(&mut self, part: usize, user: UserId, list: &[ItemId], relevant: &[u32]) {
        if relevant.is_empty() {
            return;
        }
        let hits: Vec<usize> = places(list, relevant).collect();
        for (sample, &cutoff) in self.samples[part].iter_mut().zip(self.cutoffs) {
            sample.push(AgentId(user.0), &Accuracy::at(cutoff, &hits, relevant.len()));
        }
    }

    /// The six measures of every part and cutoff, the part's name behind theirs.
    pub(super) fn finish(self) -> Vec<Measured> {
        let names = PARTS.iter().map(|part| part.name).chain([COLD_ONLY]);
        let mut all = Vec::new();
        for (name, samples) in names.zip(self.samples) {
            for (sample, &cutoff) in samples.into_iter().zip(self.cutoffs) {
                let named =
                    |measured: Measured| Measured { name: format!("{}.{name}", measured.name), ..measured };
                all.extend(sample.finish(cutoff).into_iter().map(named));
            }
        }
        all
    }
}

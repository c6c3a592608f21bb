//! Rerankers that choose from another arm's list one item at a time: `mmr`, `dpp`, `calibrated`. What they share is
//! here: their bounds, relevance on one scale, and the list that comes of a choice.
//!
//! All are greedy, so that the head of a list is the list that would have come of asking for less: it may be cut into
//! pages. What the session has shown counts as chosen already, so that an arm that is asked on every page
//! does not begin anew with each. Must not know who asks, nor what people like.

pub mod labels;
pub mod mmr;
pub mod similarity;

use super::rank::reciprocal_ranks;
use super::{Ranked, Request, wrapping};
use crate::id::ItemId;
use crate::scenario::params::{Complaint, within};

/// Items of a list that are chosen from, unless told otherwise.
pub const N_CANDIDATES: u32 = 100;

/// Refuses what no reranker takes: no arm to wrap, or a pool out of bounds.
fn check_shared(at: &str, wraps: &str, n_candidates: u32) -> Result<(), Complaint> {
    wrapping::check_wraps(at, wraps)?;
    within(at, "n_candidates", n_candidates, 2, 1000)
}

/// How relevant the first `n` items of a list are, from 0 to 1: their scores between the lowest and the highest of them.
/// Where scores cannot tell (all equal, or not finite) places do, from 1 at the top in equal steps to 0.
///
/// Models score on scales of their own, from logits to counts; without this a weight would mean
/// something else for each.
fn relevances(list: &Ranked, n: usize) -> Vec<f32> {
    let scores = list.scores.get(..n).unwrap_or_default();
    let low = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let spread = f64::from(high) - f64::from(low);
    if scores.len() == n && scores.iter().all(|score| score.is_finite()) && spread > 0.0 {
        return scores.iter().map(|&score| ((f64::from(score) - f64::from(low)) / spread) as f32).collect();
    }
    let last = n.saturating_sub(1).max(1) as f32;
    (0..n).map(|place| 1.0 - place as f32 / last).collect()
}

/// How many items of a list are chosen from, and how many places are to be filled with them.
fn sizes(request: &Request<'_>, list: &Ranked, n_candidates: usize) -> (usize, usize) {
    let n_pool = list.items.len().min(n_candidates);
    (n_pool, n_pool.min(request.n))
}

/// The items chosen, in that order, and what is left as it stood, cut to what was asked for. What cannot be scored
/// on one scale with the rest gets the reciprocal of its place.
fn chosen(request: &Request<'_>, list: Ranked, picks: &[usize]) -> Ranked {
    let n = request.n.min(list.items.len());
    let mut is_left = vec![true; list.items.len()];
    let mut items: Vec<ItemId> = Vec::with_capacity(n);
    for &pick in picks {
        assert!(std::mem::take(&mut is_left[pick]), "nothing is chosen twice");
        items.push(list.items[pick]);
    }
    let left = list.items.iter().zip(&is_left).filter(|(_, is_left)| **is_left).map(|(item, _)| *item);
    items.extend(left.take(n.saturating_sub(picks.len())));
    items.truncate(n);
    Ranked { scores: reciprocal_ranks(items.len()), items, ..Ranked::default() }
}

/// The largest of the values of those that may still be chosen; of equal ones the first.
fn best(is_left: &[bool], value: impl Fn(usize) -> f64) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for at in (0..is_left.len()).filter(|&at| is_left[at]) {
        let value = value(at);
        if best.is_none_or(|(_, highest)| value > highest) {
            best = Some((at, value));
        }
    }
    best.map(|(at, _)| at)
}

#[cfg(test)]
pub(super) mod toy;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(scores: &[f32]) -> Ranked {
        let items = (0..scores.len() as u32).map(ItemId).collect();
        Ranked { items, scores: scores.to_vec(), ..Ranked::default() }
    }

    #[test]
    fn relevance_goes_from_one_to_nought_on_any_scale() {
        assert_eq!(relevances(&list(&[40.0, 30.0, 20.0, -9.0]), 3), [1.0, 0.5, 0.0]);
        assert_eq!(relevances(&list(&[-1.0, -2.0, -5.0]), 3), [1.0, 0.75, 0.0]);
        assert_eq!(relevances(&list(&[7.0, 7.0, 7.0]), 3), [1.0, 0.5, 0.0]);
        assert_eq!(relevances(&list(&[f32::INFINITY, 7.0, 2.0]), 3), [1.0, 0.5, 0.0]);
        assert_eq!(relevances(&list(&[f32::MAX, 0.0, f32::MIN]), 3), [1.0, 0.5, 0.0]);
        assert_eq!(relevances(&list(&[3.0]), 1), [1.0]);
        assert!(relevances(&list(&[]), 0).is_empty());
    }

    #[test]
    fn what_is_not_chosen_keeps_its_order_behind() {
        let told = |n: usize, picks: &[usize]| {
            let request = toy::request(n);
            let items = chosen(&request, list(&[0.0; 6]), picks).items;
            items.iter().map(|item| item.0).collect::<Vec<_>>()
        };
        assert_eq!(told(5, &[3, 1]), [3, 1, 0, 2, 4]);
        assert_eq!(told(1, &[3]), [3]);
        assert_eq!(told(9, &[5]), [5, 0, 1, 2, 3, 4]);
    }
}

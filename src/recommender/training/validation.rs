//! The number early stopping watches: recall@20 on the validation interactions, ranked
//! over all items with the training items masked. Must not know how scores are made.

use crate::dataset::Interactions;
use crate::dataset::sparse::Csr;
use crate::id::ItemId;
use crate::recommender::dense::{View, multiply};
use crate::recommender::rank::{EXCLUDED, TopN};
use rayon::prelude::*;

/// Name of the measure in learning curves.
pub const MEASURE: &str = "recall@20";

/// Length of the ranked list.
const TOP_N: usize = 20;

/// Users scored at once.
const USERS_PER_PART: usize = 64;

/// At most so many users are ranked; of more, every k-th is taken.
const USERS_MAX: usize = 8192;

/// What validation needs: who has held-out items, and which items to mask.
pub struct Holdout<'a> {
    users: Vec<u32>,
    train: &'a Csr,
    valid: &'a Csr,
}

impl<'a> Holdout<'a> {
    /// The users who have validation interactions; `None` when nobody has.
    pub fn new(train: &'a Interactions, valid: &'a Interactions) -> Option<Self> {
        let valid = &valid.matrix;
        let n_rows = valid.n_rows.min(train.matrix.n_rows) as u32;
        let users: Vec<u32> = (0..n_rows).filter(|&user| !valid.row(user as usize).0.is_empty()).collect();
        let users: Vec<u32> = users.iter().copied().step_by(users.len().div_ceil(USERS_MAX).max(1)).collect();
        (!users.is_empty()).then_some(Holdout { users, train: &train.matrix, valid })
    }

    /// Mean recall@20 = hits / held-out items. `score` fills one row of `n_items` scores for
    /// every user of a part; the parts do not depend on the number of threads.
    pub fn recall(&self, score: impl Fn(&[u32], &mut [f32]) + Sync) -> f64 {
        let n_items = self.train.n_cols;
        let parts: Vec<f64> = self
            .users
            .par_chunks(USERS_PER_PART)
            .map_init(Vec::new, |scores: &mut Vec<f32>, users| {
                scores.resize(users.len() * n_items, 0.0);
                score(users, scores);
                users
                    .iter()
                    .zip(scores.chunks_exact_mut(n_items))
                    .map(|(&u, row)| self.recall_of(u, row))
                    .sum()
            })
            .collect();
        parts.iter().sum::<f64>() / self.users.len() as f64
    }

    /// The same for scores that are inner products of padded rows of `stride`.
    pub fn recall_of_factors(&self, users: &[f32], items: &[f32], stride: usize) -> f64 {
        let n_items = self.train.n_cols;
        let columns = View::new(items, n_items, stride, stride).t();
        self.recall(|part, scores| {
            let rows: Vec<f32> =
                part.iter().flat_map(|&user| &users[user as usize * stride..][..stride]).copied().collect();
            let rows = View::new(&rows, part.len(), stride, stride);
            multiply(scores, n_items, 0.0, 1.0, rows, columns);
        })
    }

    fn recall_of(&self, user: u32, scores: &mut [f32]) -> f64 {
        for &item in self.train.row(user as usize).0 {
            scores[item as usize] = EXCLUDED;
        }
        let held_out = self.valid.row(user as usize).0;
        let mut top = TopN::new();
        top.reset(TOP_N);
        top.offer(0, scores);
        let top = top.finish().items;
        let hits = held_out.iter().filter(|&&item| top.contains(&ItemId(item))).count();
        hits as f64 / held_out.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Interaction;
    use crate::id::{ItemId, UserId};

    fn interactions(n_items: usize, pairs: &[(u32, u32)]) -> Interactions {
        let all: Vec<Interaction> = pairs
            .iter()
            .map(|&(u, i)| Interaction { user: UserId(u), item: ItemId(i), rating: 1.0, order: 0 })
            .collect();
        Interactions::from_sorted(2, n_items, &all)
    }

    #[test]
    fn recall_masks_training_and_divides_by_the_held_out() {
        // 23 items scored by falling id; user 0 has items 0 and 1 in training, so the top 20 end at 21.
        let train = interactions(23, &[(0, 0), (0, 1)]);
        let valid = interactions(23, &[(0, 2), (0, 21), (0, 22)]);
        let holdout = Holdout::new(&train, &valid).expect("user 0 has validation items");
        let recall = holdout.recall(|users, scores| {
            assert_eq!(users, [0]);
            scores.iter_mut().enumerate().for_each(|(item, score)| *score = -(item as f32));
        });
        assert!((recall - 2.0 / 3.0).abs() < 1e-12);
        assert!(Holdout::new(&train, &interactions(23, &[])).is_none());
    }
}

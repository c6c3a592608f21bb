//! Tastes of the form `users · items + quality`, and sums of them. Must not know where the
//! vectors come from.

use super::RawTaste;
use crate::id::{ItemId, UserId};
use crate::rng::{Purpose, Streams};
use rand::RngExt;

/// Vectors of users and items, and what is good about an item for everybody.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    /// Width of the vectors.
    pub n_factors: usize,
    /// `n_users × n_factors`, row-major.
    pub users: Vec<f32>,
    /// `n_items × n_factors`, row-major.
    pub items: Vec<f32>,
    /// One an item.
    pub quality: Vec<f32>,
}

impl Factors {
    /// The same quality to everybody.
    pub(super) fn of_quality(quality: Vec<f32>) -> Factors {
        Factors { n_factors: 0, users: Vec::new(), items: Vec::new(), quality }
    }

    /// A user's vector.
    pub(super) fn user(&self, user: UserId) -> &[f32] {
        &self.users[user.idx() * self.n_factors..][..self.n_factors]
    }

    /// An item's vector.
    pub(super) fn item(&self, item: ItemId) -> &[f32] {
        &self.items[item.idx() * self.n_factors..][..self.n_factors]
    }

    /// The same taste with a standard deviation of about 1 over random pairs; one that likes
    /// everything alike stays.
    pub(super) fn standardised(mut self, n_users: usize, streams: Streams) -> Factors {
        const N_PAIRS: usize = 1 << 14;
        if n_users == 0 || self.quality.is_empty() {
            return self;
        }
        let mut rng = streams.stream(Purpose::Taste, 2, 0, 0);
        let (n_users, n_items) = (n_users as u32, self.quality.len() as u32);
        let mut draw = || (UserId(rng.random_range(0..n_users)), ItemId(rng.random_range(0..n_items)));
        let sample: Vec<f64> =
            (0..N_PAIRS).map(|_| draw()).map(|(user, item)| f64::from(self.raw(user, item))).collect();
        let mean = sample.iter().sum::<f64>() / N_PAIRS as f64;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / N_PAIRS as f64;
        if variance > 1e-18 {
            self.scale((1.0 / variance.sqrt()) as f32);
        }
        self
    }

    fn scale(&mut self, by: f32) {
        self.items.iter_mut().chain(&mut self.quality).for_each(|x| *x *= by);
    }

    /// Σ weight · taste, as one taste whose vectors are the parts' side by side.
    ///
    /// # Panics
    /// When the parts are not of the same users and items.
    pub(super) fn sum(n_users: usize, n_items: usize, parts: Vec<(f32, Factors)>) -> Factors {
        let n_factors = parts.iter().map(|(_, part)| part.n_factors).sum();
        let mut sum = Factors {
            n_factors,
            users: vec![0.0; n_users * n_factors],
            items: vec![0.0; n_items * n_factors],
            quality: vec![0.0; n_items],
        };
        let mut at = 0;
        for (weight, mut part) in parts {
            assert_eq!(part.quality.len(), n_items, "one quality an item");
            part.scale(weight);
            let width = part.n_factors;
            place(&mut sum.users, n_factors, at, &part.users, width);
            place(&mut sum.items, n_factors, at, &part.items, width);
            sum.quality.iter_mut().zip(&part.quality).for_each(|(sum, x)| *sum += x);
            at += width;
        }
        sum
    }
}

/// Copies rows of `width` into rows of `wide`, from column `at` on.
fn place(to: &mut [f32], wide: usize, at: usize, from: &[f32], width: usize) {
    if width > 0 {
        for (to, from) in to.chunks_exact_mut(wide).zip(from.chunks_exact(width)) {
            to[at..at + width].copy_from_slice(from);
        }
    }
}

impl RawTaste for Factors {
    fn raw(&self, user: UserId, item: ItemId) -> f32 {
        if self.n_factors == 0 {
            return self.quality[item.idx()];
        }
        let dot: f32 = self.user(user).iter().zip(self.item(item)).map(|(a, b)| a * b).sum();
        dot + self.quality[item.idx()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_tastes_scores_as_the_weighted_scores() {
        let one = Factors {
            n_factors: 1,
            users: vec![1.0, -2.0],
            items: vec![3.0, 0.5, 1.0],
            quality: vec![0.0, 1.0, 2.0],
        };
        let two = Factors {
            n_factors: 2,
            users: vec![1.0, 0.0, 2.0, 1.0],
            items: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            quality: vec![0.0; 3],
        };
        let three = Factors::of_quality(vec![1.0, 2.0, 3.0]);
        let parts = [(2.0, one), (-1.0, two), (0.5, three)];
        let sum = Factors::sum(2, 3, parts.to_vec());
        for (user, item) in (0..2).flat_map(|user| (0..3).map(move |item| (UserId(user), ItemId(item)))) {
            let expected: f32 = parts.iter().map(|(weight, part)| weight * part.raw(user, item)).sum();
            assert!((sum.raw(user, item) - expected).abs() < 1e-5);
        }
    }
}

//! The truth set as taste: what a person is known to have liked outside training, against
//! everything else. Nothing is invented about items nobody has an opinion of, so it is the
//! plainest truth and the poorest: a favourite the person never met counts as disliked.

use super::scale::Scale;
use super::{Basis, RawTaste, Taste, TasteError};
use crate::dataset::{Dataset, Split};
use crate::id::{ItemId, UserId};
use statrs::distribution::{ContinuousCDF, Normal};
use std::sync::Arc;

/// Held-out favourites, and the normal scores of the two values there are.
#[derive(Debug)]
struct HeldOut {
    /// Of every user, ascending.
    liked: Vec<Vec<u32>>,
    score_liked: f32,
    score_other: f32,
}

/// Builds the taste from validation and test, whatever the evidence.
pub(super) fn build(basis: &Basis<'_>) -> Result<Taste, TasteError> {
    let (dataset, split) = (basis.dataset, basis.split);
    let least = least_liked(dataset);
    let users = (0..dataset.n_users() as u32).map(UserId);
    let liked: Vec<Vec<u32>> = users.map(|user| liked(split, user, least)).collect();
    let n_liked: usize = liked.iter().map(Vec::len).sum();
    if n_liked == 0 {
        return Err(TasteError::NothingHeldOut(dataset.source.clone()));
    }
    // Ties score as their middle; bounded as the scale of the other sources is.
    let share = n_liked as f64 / (dataset.n_users() * dataset.n_items()) as f64;
    let score = |probability: f64| Normal::standard().inverse_cdf(probability.clamp(2e-4, 1.0 - 2e-4)) as f32;
    let (score_liked, score_other) = (score(1.0 - 0.5 * share), score(0.5 * (1.0 - share)));
    Ok(Taste { raw: Arc::new(HeldOut { liked, score_liked, score_other }), scale: Scale::default() })
}

/// The lowest rating that is a liking: three quarters up the scale, as 4 of 1 to 5.
fn least_liked(dataset: &Dataset) -> f32 {
    dataset.rating_range.map_or(f32::NEG_INFINITY, |(low, high)| low + 0.75 * (high - low))
}

fn liked(split: &Split, user: UserId, least: f32) -> Vec<u32> {
    let held_out = split.valid.history_of(user).chain(split.test.history_of(user));
    let mut liked: Vec<u32> = held_out.filter(|x| x.rating >= least).map(|x| x.item.0).collect();
    liked.sort_unstable();
    liked
}

impl RawTaste for HeldOut {
    fn raw(&self, user: UserId, item: ItemId) -> f32 {
        match self.liked[user.idx()].binary_search(&item.0) {
            Ok(_) => self.score_liked,
            Err(_) => self.score_other,
        }
    }
}

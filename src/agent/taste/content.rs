//! Taste from what items are: genres and, where there is text, the words of title and summary.
//!
//! A person is the sum of the items they met, weighted by ratings (Rocchio's profile; Pazzani &
//! Billsus, "Content-based recommendation systems", 2007), and the items' general quality counts
//! for everybody alike. No other person's choices enter, except through that quality.

use super::factors::Factors;
use super::{Basis, TasteError, text};
use crate::agent::facts;
use crate::id::UserId;
use rayon::prelude::*;

/// How much the likeness of words counts against that of genres.
const TEXT_WEIGHT: f32 = 0.5;
/// How much one standard deviation of general quality counts.
const QUALITY_WEIGHT: f32 = 0.15;
/// How far one rating point above the person's mean raises an item's weight above 1.
const RATING_SLOPE: f32 = 0.5;

/// The content taste of a dataset's people.
pub(super) fn build(basis: &Basis<'_>) -> Result<Factors, TasteError> {
    let dataset = basis.dataset;
    let n_genres = dataset.genres.len();
    let text = text::vectors(&dataset.catalogue, basis.streams);
    if n_genres == 0 && text.is_none() {
        return Err(TasteError::NoContent(dataset.source.clone()));
    }
    let n_factors = n_genres + if text.is_some() { text::WIDTH } else { 0 };
    let mut items = vec![0f32; dataset.n_items() * n_factors];
    for (k, (item, vector)) in dataset.catalogue.iter().zip(items.chunks_exact_mut(n_factors)).enumerate() {
        for genre in &item.genres {
            vector[genre.idx()] = 1.0 / (item.genres.len() as f32).sqrt();
        }
        if let Some(text) = &text {
            vector[n_genres..].copy_from_slice(&text[k * text::WIDTH..][..text::WIDTH]);
        }
    }
    let quality = facts::quality_in(dataset, &basis.interactions);
    let quality = quality.into_iter().map(|z| QUALITY_WEIGHT * z).collect();
    let mut factors = Factors { n_factors, users: Vec::new(), items, quality };
    let users = (0..dataset.n_users() as u32).into_par_iter().map(UserId);
    factors.users = users.map(|user| profile(basis, user, &factors, n_genres)).collect::<Vec<_>>().concat();
    Ok(factors)
}

/// A person's vector: either part of length 1, the words' then at its weight.
fn profile(basis: &Basis<'_>, user: UserId, factors: &Factors, n_genres: usize) -> Vec<f32> {
    let mut profile = vec![0f32; factors.n_factors];
    let (_, ratings) = basis.interactions.matrix.row(user.idx());
    let mean = ratings.iter().sum::<f32>() / ratings.len().max(1) as f32;
    for met in basis.interactions.history_of(user) {
        let weight = 1.0 + RATING_SLOPE * (met.rating - mean);
        profile.iter_mut().zip(factors.item(met.item)).for_each(|(p, x)| *p += weight * x);
    }
    let (genres, words) = profile.split_at_mut(n_genres);
    text::normalise(genres);
    text::normalise(words);
    words.iter_mut().for_each(|x| *x *= TEXT_WEIGHT);
    profile
}

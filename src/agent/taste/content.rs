//! Taste from what items are: genres, years and, where there is text, words of title and summary.
//!
//! A person is the sum of the items they met, weighted by ratings (Rocchio's profile; Pazzani &
//! Billsus, "Content-based recommendation systems", 2007). Items are seen against what everybody
//! meets, so that a liking is what sets a person apart, and the items' general quality counts for
//! everybody alike. No other person's choices enter, except through these two averages.

use super::factors::Factors;
use super::{Basis, TasteError, text};
use crate::agent::facts;
use crate::dataset::{Dataset, Item};
use crate::id::UserId;
use crate::rng::Streams;
use rayon::prelude::*;

/// How much one standard deviation of every part counts in content taste.
const WEIGHTS: [f32; N_PARTS] = [1.0, 0.8, 0.5];
/// How much one standard deviation of general quality counts.
const QUALITY_WEIGHT: f32 = 0.5;
/// How far one rating point above the person's mean raises an item's weight above 1.
const RATING_SLOPE: f32 = 0.5;

/// Genres, years, words.
pub(super) const N_PARTS: usize = 3;

/// What items are: their vectors in every part, where the dataset has any.
pub(super) struct Content {
    parts: [Option<Vectors>; N_PARTS],
}

/// One vector an item; zeros where nothing is known.
struct Vectors {
    width: usize,
    rows: Vec<f32>,
}

impl Content {
    /// The content of a dataset's items.
    pub(super) fn of(dataset: &Dataset, streams: Streams) -> Content {
        let words =
            text::vectors(&dataset.catalogue, streams).map(|rows| Vectors { width: text::WIDTH, rows });
        Content { parts: [genres(dataset), years(&dataset.catalogue), words] }
    }

    /// Every person's liking of every part, each with a standard deviation of 1.
    pub(super) fn tastes(&self, basis: &Basis<'_>) -> [Option<Factors>; N_PARTS] {
        let n_users = basis.dataset.n_users();
        self.parts.each_ref().map(|part| {
            let vectors = part.as_ref()?;
            Some(liking(basis, vectors).standardised(n_users, basis.streams))
        })
    }
}

/// The content taste of a dataset's people.
pub(super) fn build(basis: &Basis<'_>) -> Result<Factors, TasteError> {
    let dataset = basis.dataset;
    let content = Content::of(dataset, basis.streams);
    if content.parts.iter().all(Option::is_none) {
        return Err(TasteError::NoContent(dataset.source.clone()));
    }
    let tastes = content.tastes(basis);
    let quality = Factors::of_quality(facts::quality_in(dataset, &basis.interactions));
    let tastes = WEIGHTS.into_iter().zip(tastes).filter_map(|(weight, taste)| Some((weight, taste?)));
    let parts = tastes.chain([(QUALITY_WEIGHT, quality)]).collect();
    Ok(Factors::sum(dataset.n_users(), dataset.n_items(), parts))
}

/// An item's genres share a length of 1.
fn genres(dataset: &Dataset) -> Option<Vectors> {
    let width = dataset.genres.len();
    let mut rows = vec![0f32; dataset.n_items() * width];
    for (k, item) in dataset.catalogue.iter().enumerate() {
        for genre in &item.genres {
            rows[k * width + genre.idx()] = 1.0 / (item.genres.len() as f32).sqrt();
        }
    }
    (width > 0).then_some(Vectors { width, rows })
}

/// Years as bumps on a grid, so that near ones are alike.
fn years(catalogue: &[Item]) -> Option<Vectors> {
    const STEP: f32 = 5.0;
    const WIDTH_MAX: usize = 32;
    let known = || catalogue.iter().filter_map(|item| item.year).map(f32::from);
    let (first, last) = (known().reduce(f32::min)?, known().reduce(f32::max)?);
    let step = STEP.max((last - first) / (WIDTH_MAX - 1) as f32);
    let width = ((last - first) / step).ceil() as usize + 1;
    if first == last {
        return None;
    }
    let mut rows = vec![0f32; catalogue.len() * width];
    for (item, row) in catalogue.iter().zip(rows.chunks_exact_mut(width)) {
        if let Some(year) = item.year.map(f32::from) {
            for (k, x) in row.iter_mut().enumerate() {
                let away = (year - first) / step - k as f32;
                *x = (-(away / 1.2).powi(2)).exp();
            }
            text::normalise(row);
        }
    }
    Some(Vectors { width, rows })
}

/// Likings from the items met, both items and people seen against what everybody meets.
fn liking(basis: &Basis<'_>, vectors: &Vectors) -> Factors {
    let width = vectors.width;
    let counts = basis.interactions.item_counts();
    let mut items = vectors.rows.clone();
    let (mut mean, mut total) = (vec![0f32; width], 0f32);
    let known = |row: &[f32]| row.iter().any(|&x| x != 0.0);
    for (row, &count) in items.chunks_exact(width).zip(&counts).filter(|(row, _)| known(row)) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += count as f32 * x);
        total += count as f32;
    }
    mean.iter_mut().for_each(|x| *x /= total.max(1.0));
    for row in items.chunks_exact_mut(width).filter(|row| known(row)) {
        row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
    }
    let users = (0..basis.dataset.n_users() as u32).into_par_iter().map(UserId);
    let users = users.map(|user| profile(basis, user, &items, width)).collect::<Vec<_>>().concat();
    Factors { n_factors: width, users, items, quality: vec![0.0; counts.len()] }
}

/// A person's vector, of length 1.
fn profile(basis: &Basis<'_>, user: UserId, items: &[f32], width: usize) -> Vec<f32> {
    let mut profile = vec![0f32; width];
    let (_, ratings) = basis.interactions.matrix.row(user.idx());
    let mean = ratings.iter().sum::<f32>() / ratings.len().max(1) as f32;
    for met in basis.interactions.history_of(user) {
        let weight = 1.0 + RATING_SLOPE * (met.rating - mean);
        let item = &items[met.item.idx() * width..][..width];
        profile.iter_mut().zip(item).for_each(|(p, x)| *p += weight * x);
    }
    text::normalise(&mut profile);
    profile
}

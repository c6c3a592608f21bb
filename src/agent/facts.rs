//! What agents know about the world: the items' general quality and popularity, genres,
//! and their own taste. Built once a run, shared by all agents; never shown to recommenders.

use super::taste::Taste;
use crate::dataset::{Dataset, Interactions, Item};
use crate::id::{GenreId, ItemId};

/// Facts about the items, standardised over the catalogue.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Everybody's taste.
    pub taste: Taste,
    /// General quality of every item, in standard deviations.
    pub quality: Vec<f32>,
    /// Log popularity of every item, in standard deviations.
    pub popularity: Vec<f32>,
    /// How many people have each item.
    pub n_people: Vec<u32>,
    /// Mean rating of every item as people see it, 1..=5; `None` where nobody rated it.
    pub mean_ratings: Vec<Option<f32>>,
    /// The items' text.
    pub catalogue: Vec<Item>,
    /// The names of their genres, by [`GenreId`].
    pub genre_names: Vec<String>,
    /// The genres of every item as bits; empty where there are more genres than bits.
    genre_bits: Vec<u64>,
}

impl Facts {
    /// The facts of a dataset, as far as these of its interactions tell them.
    pub fn new(dataset: &Dataset, interactions: &Interactions, taste: Taste) -> Self {
        let n_people = interactions.item_counts();
        let popularity = n_people.iter().map(|&n| (n as f32 + 1.0).ln()).collect();
        Facts {
            taste,
            quality: quality_in(dataset, interactions),
            popularity: standardised(popularity),
            n_people,
            mean_ratings: mean_ratings(dataset, interactions),
            genre_names: dataset.genres.all().to_vec(),
            genre_bits: genre_bits(&dataset.catalogue),
            catalogue: dataset.catalogue.clone(),
        }
    }

    /// The same with every item of one general quality: for taste that holds it already, since what
    /// people truly said of an item says how good it is, and would count twice.
    pub fn without_quality(mut self) -> Self {
        self.quality.fill(0.0);
        self
    }

    /// The genres of an item, ascending.
    pub fn genres(&self, item: ItemId) -> &[GenreId] {
        &self.catalogue[item.idx()].genres
    }

    /// Likeness of two items, 0..=1: the Jaccard index of their genres; an item is wholly like itself.
    pub fn likeness(&self, a: ItemId, b: ItemId) -> f32 {
        if a == b {
            return 1.0;
        }
        if let (Some(a), Some(b)) = (self.genre_bits.get(a.idx()), self.genre_bits.get(b.idx())) {
            let common = (a & b).count_ones();
            return if common == 0 { 0.0 } else { common as f32 / (a | b).count_ones() as f32 };
        }
        let (a, b) = (self.genres(a), self.genres(b));
        let common = a.iter().filter(|genre| b.contains(genre)).count();
        let union = a.len() + b.len() - common;
        if union == 0 { 0.0 } else { common as f32 / union as f32 }
    }
}

/// The genres of every item as bits, or nothing where they do not fit.
fn genre_bits(catalogue: &[Item]) -> Vec<u64> {
    let bits = |item: &Item| {
        item.genres.iter().try_fold(0u64, |bits, genre| {
            let bit = 1u64.checked_shl(u32::from(genre.0))?;
            (bits & bit == 0).then_some(bits | bit)
        })
    };
    catalogue.iter().map(bits).collect::<Option<_>>().unwrap_or_default()
}

/// The mean rating of every item put on 1..=5, from these interactions, or what the source publishes where
/// there are no ratings.
fn mean_ratings(dataset: &Dataset, interactions: &Interactions) -> Vec<Option<f32>> {
    let Some((low, high)) = dataset.rating_range else {
        return dataset.catalogue.iter().map(|item| item.mean_rating.map(|r| r.clamp(1.0, 5.0))).collect();
    };
    let mut sums = vec![(0f64, 0u32); dataset.n_items()];
    for (&item, &rating) in interactions.matrix.indices.iter().zip(&interactions.matrix.values) {
        sums[item as usize].0 += f64::from(rating);
        sums[item as usize].1 += 1;
    }
    let width = f64::from(high - low).max(1e-6);
    let mean = |(sum, n): (f64, u32)| {
        (n > 0).then(|| (1.0 + 4.0 * (sum / f64::from(n) - f64::from(low)) / width) as f32)
    };
    sums.into_iter().map(mean).collect()
}

/// General quality of every item in standard deviations, from these interactions of the dataset: the
/// mean rating, shrunk towards the overall mean by five ratings' worth, or what the source publishes
/// where there are no ratings.
pub fn quality_in(dataset: &Dataset, interactions: &Interactions) -> Vec<f32> {
    const PRIOR_RATINGS: f64 = 5.0;
    if dataset.rating_range.is_none() {
        let published: Vec<f32> = dataset.catalogue.iter().filter_map(|item| item.mean_rating).collect();
        let mean = published.iter().sum::<f32>() / published.len().max(1) as f32;
        return standardised(dataset.catalogue.iter().map(|i| i.mean_rating.unwrap_or(mean)).collect());
    }
    let mut sums = vec![(0f64, 0f64); dataset.n_items()];
    let mut total = 0f64;
    for (&item, &rating) in interactions.matrix.indices.iter().zip(&interactions.matrix.values) {
        sums[item as usize].0 += f64::from(rating);
        sums[item as usize].1 += 1.0;
        total += f64::from(rating);
    }
    let mean = total / interactions.len().max(1) as f64;
    let shrunk = sums.into_iter().map(|(sum, n)| (sum + PRIOR_RATINGS * mean) / (n + PRIOR_RATINGS));
    standardised(shrunk.map(|q| q as f32).collect())
}

/// Values shifted and scaled to mean 0 and standard deviation 1; all 0 when they are all alike.
fn standardised(values: Vec<f32>) -> Vec<f32> {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    let inverse_sd = if variance > 1e-12 { 1.0 / variance.sqrt() } else { 0.0 };
    values.into_iter().map(|v| ((f64::from(v) - mean) * inverse_sd) as f32).collect()
}

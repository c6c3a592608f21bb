//! Taste: how much an agent likes an item, as the experiment's truth.
//!
//! Every source of taste is reduced to one form, `users · items + quality`, and put on one scale:
//! normal scores (van der Waerden) over random (user, item) pairs. A behaviour need not know where
//! taste came from, and 2 always means "better liked than 98 % of the catalogue by anybody".
//! Recommenders never see any of this.

mod latent;
mod observed;

use crate::dataset::Dataset;
use crate::id::{ItemId, UserId};
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// Where taste comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TasteSource {
    /// `truth` where the dataset has one, else `latent`.
    #[default]
    Auto,
    /// The latent truth of a synthetic world.
    Truth,
    /// Genres the person watched, weighted by ratings, plus the item's general quality.
    Content,
    /// A factor model fitted apart from every arm, on all interactions, held-out ones included.
    Latent,
    /// What people truly said, where the dataset has ratings that no recommender may learn from.
    Observed,
}

impl TasteSource {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            TasteSource::Auto => "auto",
            TasteSource::Truth => "truth",
            TasteSource::Content => "content",
            TasteSource::Latent => "latent",
            TasteSource::Observed => "observed",
        }
    }

    /// `Auto` decided for this dataset.
    pub fn resolve(self, dataset: &Dataset) -> TasteSource {
        match self {
            TasteSource::Auto if dataset.truth.is_some() => TasteSource::Truth,
            TasteSource::Auto => TasteSource::Latent,
            decided => decided,
        }
    }
}

/// Everybody's taste for everything.
#[derive(Clone, Debug)]
pub struct Taste {
    n_factors: usize,
    users: Vec<f32>,
    items: Vec<f32>,
    quality: Vec<f32>,
    scale: Scale,
    observed: Option<std::sync::Arc<observed::Observed>>,
}

/// A monotone map from raw affinity to normal scores: ascending raw values at evenly spaced
/// probabilities, and the normal quantile of each. Empty: the identity.
#[derive(Clone, Debug, Default)]
struct Scale {
    raw: Vec<f32>,
    scores: Vec<f32>,
}

/// Taste could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TasteError {
    /// `truth` was asked of a dataset that has none.
    #[error("taste is \"truth\", but the dataset {0} has no latent truth; use \"latent\" or \"content\"")]
    NoTruth(String),
    /// `content` was asked of a dataset without genres.
    #[error("taste is \"content\", but the dataset {0} has no genres; use \"latent\"")]
    NoGenres(String),
    /// `observed` was asked of a dataset without observed truth.
    #[error("taste is \"observed\", but the dataset {0} has no observed truth; use \"latent\"")]
    NothingObserved(String),
}

impl Taste {
    /// Builds the taste of a dataset's people.
    pub fn build(dataset: &Dataset, source: TasteSource, streams: Streams) -> Result<Taste, TasteError> {
        let raw = match source.resolve(dataset) {
            TasteSource::Truth => Self::from_truth(dataset)?,
            TasteSource::Content if dataset.genres.is_empty() => {
                return Err(TasteError::NoGenres(dataset.source.clone()));
            }
            TasteSource::Content => Self::from_content(dataset),
            TasteSource::Observed => {
                let observed = Some(std::sync::Arc::new(observed::of(dataset)?));
                return Ok(Taste { observed, ..Taste::raw(0, Vec::new(), Vec::new(), Vec::new()) });
            }
            TasteSource::Latent | TasteSource::Auto => latent::fit(dataset, streams),
        };
        Ok(raw.standardised(streams))
    }

    /// A taste in raw units.
    fn raw(n_factors: usize, users: Vec<f32>, items: Vec<f32>, quality: Vec<f32>) -> Taste {
        Taste { n_factors, users, items, quality, scale: Scale::default(), observed: None }
    }

    /// How much the user likes the item, as a normal score over random pairs.
    pub fn affinity(&self, user: UserId, item: ItemId) -> f32 {
        match &self.observed {
            Some(observed) => observed.score(user, item),
            None => self.scale.score(self.raw_affinity(user, item)),
        }
    }

    fn raw_affinity(&self, user: UserId, item: ItemId) -> f32 {
        let u = &self.users[user.idx() * self.n_factors..][..self.n_factors];
        let i = &self.items[item.idx() * self.n_factors..][..self.n_factors];
        let dot: f32 = u.iter().zip(i).map(|(a, b)| a * b).sum();
        dot + self.quality[item.idx()]
    }

    fn from_truth(dataset: &Dataset) -> Result<Taste, TasteError> {
        let truth = dataset.truth.as_ref().ok_or_else(|| TasteError::NoTruth(dataset.source.clone()))?;
        Ok(Taste::raw(truth.n_factors, truth.users.clone(), truth.items.clone(), truth.quality.clone()))
    }

    /// Genre weights: the mean rating deviation plus the share of views, genre by genre.
    fn from_content(dataset: &Dataset) -> Taste {
        let n_genres = dataset.genres.len();
        let all = dataset.all();
        let mut users = vec![0f32; dataset.n_users() * n_genres];
        for user in 0..dataset.n_users() {
            let weights = &mut users[user * n_genres..][..n_genres];
            let (items, ratings) = all.matrix.row(user);
            let mean = ratings.iter().sum::<f32>() / ratings.len().max(1) as f32;
            for (&item, rating) in items.iter().zip(ratings) {
                for genre in &dataset.catalogue[item as usize].genres {
                    weights[genre.idx()] += 1.0 + 0.5 * (rating - mean);
                }
            }
            let norm = weights.iter().map(|w| w * w).sum::<f32>().sqrt().max(1e-6);
            weights.iter_mut().for_each(|w| *w /= norm);
        }
        let mut items = vec![0f32; dataset.n_items() * n_genres];
        for (k, item) in dataset.catalogue.iter().enumerate() {
            for genre in &item.genres {
                items[k * n_genres + genre.idx()] = 1.0 / (item.genres.len() as f32).sqrt();
            }
        }
        let quality = crate::agent::facts::quality(dataset).into_iter().map(|z| 0.15 * z).collect();
        Taste::raw(n_genres, users, items, quality)
    }

    /// Puts the taste on the scale of normal scores over random pairs.
    fn standardised(mut self, streams: Streams) -> Taste {
        const N_PAIRS: usize = 1 << 16;
        let n_items = self.quality.len() as u32;
        let n_users = self.users.len().checked_div(self.n_factors).unwrap_or(0) as u32;
        if n_users == 0 || n_items == 0 {
            return self;
        }
        let mut rng = streams.stream(Purpose::Population, 2, 0, 0);
        let mut draw = || (UserId(rng.random_range(0..n_users)), ItemId(rng.random_range(0..n_items)));
        let mut sample: Vec<f32> =
            (0..N_PAIRS).map(|_| draw()).map(|(u, i)| self.raw_affinity(u, i)).collect();
        sample.sort_by(f32::total_cmp);
        self.scale = Scale::from_sorted(&sample);
        self
    }
}

impl Scale {
    /// Probabilities at which the map has knots; the outermost bound the scores to about ±3.5.
    const N_KNOTS: usize = 2048;

    fn from_sorted(sample: &[f32]) -> Scale {
        let normal = Normal::standard();
        let mut scale = Scale::default();
        for k in 0..Self::N_KNOTS {
            let probability = (k as f64 + 0.5) / Self::N_KNOTS as f64;
            let raw = sample[(probability * sample.len() as f64) as usize];
            // Ties share their highest probability's place, so that the map stays a function.
            if scale.raw.last() == Some(&raw) {
                scale.raw.pop();
                scale.scores.pop();
            }
            scale.raw.push(raw);
            scale.scores.push(normal.inverse_cdf(probability) as f32);
        }
        scale
    }

    fn score(&self, raw: f32) -> f32 {
        let above = self.raw.partition_point(|&knot| knot < raw);
        match (above.checked_sub(1), self.raw.get(above)) {
            (Some(below), Some(&high)) => {
                let (low, low_score) = (self.raw[below], self.scores[below]);
                low_score + (self.scores[above] - low_score) * (raw - low) / (high - low)
            }
            (None, Some(_)) => self.scores[0],
            (Some(below), None) => self.scores[below],
            (None, None) => raw,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_normal_quantiles_and_keep_the_order() {
        let sample: Vec<f32> = (0..65_536).map(|k| (k as f32 / 65_536.0).powi(3)).collect();
        let scale = Scale::from_sorted(&sample);
        // The median of the sample, its 97.72th percentile and beyond: scipy.stats.norm.ppf.
        assert!(scale.score(0.125).abs() < 2e-3);
        assert!((scale.score(0.977_25f32.powi(3)) - 2.0).abs() < 2e-2);
        assert!(scale.score(9.0) > 3.4 && scale.score(-9.0) < -3.4);
        let scores: Vec<f32> = (0..1000).map(|k| scale.score(k as f32 / 1000.0)).collect();
        assert!(scores.windows(2).all(|w| w[0] <= w[1]));
    }

    #[test]
    fn a_world_where_everybody_likes_everything_alike_has_one_score() {
        let scale = Scale::from_sorted(&[0.5; 4096]);
        assert_eq!(scale.score(0.5), scale.score(0.5));
        assert!(scale.score(0.5).is_finite() && scale.score(0.4).is_finite());
    }
}

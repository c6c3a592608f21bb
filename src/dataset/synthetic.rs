//! An invented world: people with latent tastes, works with genres, years, titles and
//! qualities, and the ratings that follow from them. Its truth is known, so what a
//! simulation says can be checked against it. Must not know recommenders or agents.
//!
//! Affinity is taste + quality, standard normal over random pairs. Who meets what is
//! drawn by popularity times a rising function of affinity; how it is rated follows
//! affinity, the user's mildness and chance, cut so that the stars fall as people's do
//! in MovieLens-1M.

#[cfg(test)]
mod tests;
mod words;

use super::assemble::vocabulary;
use super::{
    Dataset, DatasetError, Interaction, Item, LatentTruth, LoadContext, LoadReport, Source, SourceKind,
    UserAttribute,
};
use crate::id::{GenreId, ItemId, UserId};
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{self, Complaint};
use rand::RngExt;
use rand_distr::weighted::WeightedAliasIndex;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// `source = "synthetic"`.
pub struct Synthetic;

/// How large the world is, and what drives it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How many people live in it.
    n_users: u32,
    /// How many works it offers.
    n_items: u32,
    /// How many genres they belong to.
    n_genres: u16,
    /// Dimensions of the latent taste space.
    n_factors: u32,
    /// Mean number of interactions a user.
    mean_interactions: f64,
    /// Share of the variance of affinity that is taste; the rest is quality, the same for all.
    taste_share: f64,
    /// Exponent of the popularity of the works by rank: 0 is even, 1 is Zipf's.
    popularity_exponent: f64,
    /// Seed of this world; the scenario's own where it is not given.
    seed: Option<u64>,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            n_users: 2000,
            n_items: 1500,
            n_genres: 18,
            n_factors: 8,
            mean_interactions: 60.0,
            taste_share: 0.8,
            popularity_exponent: 0.6,
            seed: None,
        }
    }
}

impl SourceKind for Synthetic {
    fn name(&self) -> &'static str {
        "synthetic"
    }

    fn about(&self) -> &'static str {
        "an invented world of any size whose true tastes are known"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Source>, Complaint> {
        let params: Params = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(params))
    }
}

/// The fewest interactions a user has, where the catalogue is large enough.
const INTERACTIONS_MIN: f64 = 10.0;

impl Params {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        let within = |name: &str, value: f64, low: f64, high: f64| {
            let complaint =
                || Complaint::out_of_range(format!("{at}.{name}"), value, format!("{low}..={high}"));
            (low..=high).contains(&value).then_some(()).ok_or_else(complaint)
        };
        within("n_users", f64::from(self.n_users), 1.0, 10_000_000.0)?;
        within("n_items", f64::from(self.n_items), 1.0, 10_000_000.0)?;
        within("n_genres", f64::from(self.n_genres), 1.0, 1000.0)?;
        within("n_factors", f64::from(self.n_factors), 1.0, 256.0)?;
        within("mean_interactions", self.mean_interactions, 1.0, 10_000.0)?;
        within("taste_share", self.taste_share, 0.0, 1.0)?;
        within("popularity_exponent", self.popularity_exponent, 0.0, 2.0)
    }
}

impl Source for Params {
    fn load(&self, context: &LoadContext<'_>) -> Result<Dataset, DatasetError> {
        let streams = self.seed.map_or(context.streams, |seed| context.streams.with_seed(seed));
        context.progress.begin("inventing a world", 3);
        let works = Works::invent(self, streams);
        context.progress.advance(1, "");
        let users = invent_tastes(self, &works, streams);
        let truth = balanced_truth(self, &works, users);
        context.progress.advance(1, "");
        let visits = invent_visits(self, &works, &truth, streams);
        let interactions = rate(visits);
        context.progress.advance(1, "");
        context.progress.end();

        let ids = |n: u32| (1..=n).map(|id| id.to_string()).collect::<Vec<_>>();
        let (users, items) = (ids(self.n_users), ids(self.n_items));
        Ok(Dataset {
            source: "synthetic".to_owned(),
            users: vocabulary(users.iter().map(String::as_str)),
            items: vocabulary(items.iter().map(String::as_str)),
            genres: vocabulary(works.genre_names.iter().map(String::as_str)),
            catalogue: works.catalogue,
            user_attributes: invent_attributes(self.n_users, streams),
            load_report: LoadReport { n_rows: interactions.len() as u64, ..LoadReport::default() },
            interactions,
            rating_range: Some((1.0, 5.0)),
            published_split: None,
            published_personas: None,
            user_profiles: None,
            truth: Some(truth),
            observed: None,
        })
    }
}

/// The key of a stream of synthesis: what it is for.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Stage {
    Genres = 0,
    Item = 1,
    Taste = 2,
    Visits = 3,
    Attributes = 4,
}

fn stream(streams: Streams, stage: Stage, subject: usize) -> crate::rng::ChaCha8Rng {
    streams.stream(Purpose::Synthesis, stage as u32, subject as u64, 0)
}

fn normals(rng: &mut crate::rng::ChaCha8Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| StandardNormal.sample(rng)).collect()
}

/// Everything there is to watch.
struct Works {
    genre_names: Vec<String>,
    /// `n_genres × n_factors`: where in the taste space a genre lies.
    genre_vectors: Vec<f32>,
    /// `n_items × n_factors`, not yet balanced.
    vectors: Vec<f32>,
    /// Standard normal, not yet balanced.
    quality: Vec<f32>,
    /// How often every work is met, before anybody's taste.
    popularity: Vec<f64>,
    catalogue: Vec<Item>,
}

/// How much of a work's place in the taste space its genres, its time and itself make up.
const GENRE_WEIGHT: f32 = 0.8;
const ERA_WEIGHT: f32 = 0.35;
const OWN_WEIGHT: f32 = 0.5;
/// The newest works; half of them are younger than 14 years.
const YEAR_MAX: f32 = 2024.0;

impl Works {
    fn invent(params: &Params, streams: Streams) -> Works {
        let n_genres = usize::from(params.n_genres);
        let n_factors = params.n_factors as usize;
        let rng = &mut stream(streams, Stage::Genres, 0);
        let mut works = Works {
            genre_names: words::genre_names(n_genres),
            genre_vectors: normals(rng, n_genres * n_factors),
            vectors: Vec::new(),
            quality: Vec::new(),
            popularity: Vec::new(),
            catalogue: Vec::new(),
        };
        let era_direction = normals(rng, n_factors);
        // A few genres are everywhere, most are rare.
        let mut genre_shares: Vec<f64> = (0..n_genres).map(|k| 1.0 / (k as f64 + 2.0)).collect();
        rand::seq::SliceRandom::shuffle(genre_shares.as_mut_slice(), rng);

        let mut taken = HashSet::new();
        let mut appeal = Vec::with_capacity(params.n_items as usize);
        for item in 0..params.n_items as usize {
            let rng = &mut stream(streams, Stage::Item, item);
            let genres = draw_genres(&genre_shares, rng);
            let age = -14.0 / std::f32::consts::LN_2 * (1.0 - rng.random::<f32>()).ln();
            let year = (YEAR_MAX - age).max(1920.0).floor();
            let era = (year - 2005.0) / 18.0;
            for (factor, direction) in era_direction.iter().enumerate() {
                let of_genres: f32 =
                    genres.iter().map(|&g| works.genre_vectors[g * n_factors + factor]).sum::<f32>();
                let own: f32 = StandardNormal.sample(rng);
                works.vectors.push(
                    GENRE_WEIGHT * of_genres / (genres.len() as f32).sqrt()
                        + ERA_WEIGHT * era * direction
                        + OWN_WEIGHT * own,
                );
            }
            let quality: f32 = StandardNormal.sample(rng);
            let fame: f32 = StandardNormal.sample(rng);
            works.quality.push(quality);
            appeal.push(0.5 * quality + 0.2 * era + fame);
            let (title, summary) = words::title_and_summary(&genres, year as u16, &mut taken, rng);
            works.catalogue.push(Item {
                title,
                year: Some(year as u16),
                genres: genres.iter().map(|&g| GenreId(g as u16)).collect(),
                summary: Some(summary),
                ..Item::default()
            });
        }
        works.popularity = by_rank(&appeal, params.popularity_exponent);
        works
    }
}

/// One to four distinct genres, ascending.
fn draw_genres(shares: &[f64], rng: &mut crate::rng::ChaCha8Rng) -> Vec<usize> {
    let n_wanted = match rng.random::<f32>() {
        x if x < 0.40 => 1,
        x if x < 0.75 => 2,
        x if x < 0.95 => 3,
        _ => 4,
    };
    let total: f64 = shares.iter().sum();
    let mut genres = Vec::new();
    // Repeats are passed over; the bound only ends the draw early in worlds of few genres.
    for _ in 0..16 {
        let mut at = rng.random::<f64>() * total;
        let genre = shares.iter().position(|share| {
            at -= share;
            at < 0.0
        });
        let genre = genre.unwrap_or(shares.len() - 1);
        if !genres.contains(&genre) {
            genres.push(genre);
        }
        if genres.len() == n_wanted {
            break;
        }
    }
    genres.sort_unstable();
    genres
}

/// Weights that fall with the rank of the appeal as a power of it.
fn by_rank(appeal: &[f32], exponent: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..appeal.len()).collect();
    order.sort_by(|&a, &b| appeal[b].total_cmp(&appeal[a]).then(a.cmp(&b)));
    let mut weights = vec![0.0; appeal.len()];
    for (rank, item) in order.into_iter().enumerate() {
        // The head is flattened: even the greatest hit is not seen by everybody.
        weights[item] = (rank as f64 + 10.0).powf(-exponent);
    }
    weights
}

/// Every user's place in the taste space: a few favourite genres, one disliked, and something of their own.
fn invent_tastes(params: &Params, works: &Works, streams: Streams) -> Vec<f32> {
    let n_factors = params.n_factors as usize;
    let n_genres = usize::from(params.n_genres);
    let tastes: Vec<Vec<f32>> = (0..params.n_users as usize)
        .into_par_iter()
        .map(|user| {
            let rng = &mut stream(streams, Stage::Taste, user);
            let mut taste = normals(rng, n_factors);
            for leaning in [1.0f32, 0.7, 0.5, -0.7] {
                let genre = rng.random_range(0..n_genres);
                let place = &works.genre_vectors[genre * n_factors..][..n_factors];
                taste.iter_mut().zip(place).for_each(|(t, g)| *t += leaning * g);
            }
            taste
        })
        .collect();
    tastes.concat()
}

/// Moves and scales tastes and qualities so that affinity has mean 0 and variance 1 over all pairs.
fn balanced_truth(params: &Params, works: &Works, mut users: Vec<f32>) -> LatentTruth {
    let n_factors = params.n_factors as usize;
    let mut items = works.vectors.clone();
    let mut quality = works.quality.clone();
    centre(&mut users, n_factors);
    centre(&mut items, n_factors);
    centre(&mut quality, 1);
    // With centred factors the variance of u·i over all pairs is the sum over both covariances.
    let (of_users, of_items) = (covariance(&users, n_factors), covariance(&items, n_factors));
    let variance: f64 = of_users.iter().zip(&of_items).map(|(a, b)| a * b).sum();
    scale(&mut users, params.taste_share, variance);
    let variance = covariance(&quality, 1)[0];
    scale(&mut quality, 1.0 - params.taste_share, variance);
    LatentTruth { n_factors, users, items, quality }
}

/// Subtracts the mean of every column of a row-major matrix.
fn centre(matrix: &mut [f32], n_columns: usize) {
    let n_rows = (matrix.len() / n_columns).max(1) as f64;
    for column in 0..n_columns {
        let mean = matrix.iter().skip(column).step_by(n_columns).map(|&x| f64::from(x)).sum::<f64>() / n_rows;
        matrix.iter_mut().skip(column).step_by(n_columns).for_each(|x| *x -= mean as f32);
    }
}

/// The covariance of the centred columns, `n_columns × n_columns`.
fn covariance(matrix: &[f32], n_columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; n_columns * n_columns];
    for row in matrix.chunks_exact(n_columns) {
        for (a, &x) in row.iter().enumerate() {
            for (b, &y) in row.iter().enumerate() {
                sums[a * n_columns + b] += f64::from(x) * f64::from(y);
            }
        }
    }
    let n_rows = (matrix.len() / n_columns).max(1) as f64;
    sums.iter_mut().for_each(|sum| *sum /= n_rows);
    sums
}

/// Scales values of this variance to the wanted one; what does not vary becomes nothing.
fn scale(values: &mut [f32], wanted: f64, variance: f64) {
    let factor = if variance > 1e-12 { (wanted / variance).sqrt() } else { 0.0 };
    values.iter_mut().for_each(|x| *x *= factor as f32);
}

/// One meeting of a user and a work, with how much it pleased.
struct Visit {
    user: u32,
    item: u32,
    pleasure: f32,
    order: i64,
}

/// How steeply, and from which affinity on, a work that is met is taken.
const TASTE_SLOPE: f32 = 4.0;
const TASTE_MIDDLE: f32 = 1.2;
/// Standard deviations of a user's mildness, and of one evening's mood.
const MILDNESS_SD: f32 = 0.35;
const MOOD_SD: f32 = 0.6;
/// Spread of the number of interactions, as that of a lognormal.
const ACTIVITY_SIGMA: f64 = 0.85;
/// 2021-01-01, and three years, in seconds.
const CLOCK_START: i64 = 1_609_459_200;
const CLOCK_SPAN: i64 = 3 * 365 * 86_400;

/// Who meets what when, user by user in the order of time.
fn invent_visits(params: &Params, works: &Works, truth: &LatentTruth, streams: Streams) -> Vec<Visit> {
    let by_popularity =
        WeightedAliasIndex::new(works.popularity.clone()).expect("weights are positive and finite");
    let visits: Vec<Vec<Visit>> = (0..params.n_users)
        .into_par_iter()
        .map(|user| {
            let rng = &mut stream(streams, Stage::Visits, user as usize);
            let mildness = MILDNESS_SD * rng.sample::<f32, _>(StandardNormal);
            let n_wanted = draw_activity(params, rng);
            let mut met = HashSet::with_capacity(n_wanted);
            let mut visits = Vec::with_capacity(n_wanted);
            let mut moment = CLOCK_START + rng.random_range(0..CLOCK_SPAN);
            // Refusals are part of the draw; the bound ends it for a user to whom nothing is left to please.
            let n_draws_max = 100 + 60 * n_wanted;
            for n_drawn in 1..=n_draws_max {
                if visits.len() == n_wanted {
                    break;
                }
                let item = by_popularity.sample(rng) as u32;
                let affinity = truth.affinity(UserId(user), ItemId(item));
                let is_taken =
                    rng.random::<f32>() < 1.0 / (1.0 + (TASTE_SLOPE * (TASTE_MIDDLE - affinity)).exp());
                // Nobody stays without any interaction.
                let is_taken = is_taken || (n_drawn == n_draws_max && visits.is_empty());
                if !is_taken || !met.insert(item) {
                    continue;
                }
                let mood: f32 = StandardNormal.sample(rng);
                visits.push(Visit {
                    user,
                    item,
                    pleasure: affinity + mildness + MOOD_SD * mood,
                    order: moment,
                });
                // Some minutes within an evening, some days between two.
                moment += if rng.random::<f32>() < 0.8 {
                    rng.random_range(20..600)
                } else {
                    rng.random_range(80_000..900_000)
                };
            }
            visits
        })
        .collect();
    visits.into_iter().flatten().collect()
}

/// How many interactions a user has: a long tail above a minimum, with the wanted mean.
fn draw_activity(params: &Params, rng: &mut crate::rng::ChaCha8Rng) -> usize {
    let lowest = INTERACTIONS_MIN.min(params.mean_interactions / 2.0);
    // The mean of exp(sigma z) is exp(sigma² / 2).
    let scale = (params.mean_interactions - lowest) / (ACTIVITY_SIGMA * ACTIVITY_SIGMA / 2.0).exp();
    let z: f64 = StandardNormal.sample(rng);
    let n = (lowest + scale * (ACTIVITY_SIGMA * z).exp()).round() as usize;
    n.clamp(1, (params.n_items as usize / 3).max(1))
}

/// Share of ratings up to each star but the last, as in MovieLens-1M (5.6, 10.8, 26.1, 34.9, 22.6 %).
const STARS_UP_TO: [f64; 4] = [0.056, 0.164, 0.425, 0.774];

/// Stars from pleasures, cut so that they fall as people's do.
fn rate(visits: Vec<Visit>) -> Vec<Interaction> {
    let mut pleasures: Vec<f32> = visits.iter().map(|x| x.pleasure).collect();
    pleasures.sort_unstable_by(f32::total_cmp);
    let cuts = STARS_UP_TO.map(|share| {
        let at = (pleasures.len() as f64 * share).round() as usize;
        pleasures.get(at).copied().unwrap_or(f32::INFINITY)
    });
    visits
        .into_iter()
        .map(|x| Interaction {
            user: UserId(x.user),
            item: ItemId(x.item),
            rating: 1.0 + cuts.iter().filter(|cut| x.pleasure >= **cut).count() as f32,
            order: x.order,
        })
        .collect()
}

/// An age and an occupation for everybody; taste does not depend on them.
fn invent_attributes(n_users: u32, streams: Streams) -> Vec<UserAttribute> {
    let (mut ages, mut occupations) = (Vec::new(), Vec::new());
    for user in 0..n_users {
        let rng = &mut stream(streams, Stage::Attributes, user as usize);
        ages.push(Some(rng.random_range(16..76).to_string()));
        let k = rng.random_range(0..words::OCCUPATIONS.len());
        occupations.push(Some(words::OCCUPATIONS[k].to_owned()));
    }
    vec![
        UserAttribute { name: "age".to_owned(), values: ages },
        UserAttribute { name: "occupation".to_owned(), values: occupations },
    ]
}

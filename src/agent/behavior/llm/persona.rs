//! What a prompt says of a person's taste: sentences from a file that `windtunnel agents build` wrote
//! and somebody may have edited, else the profile that `windtunnel users build` wrote, else the sentences that the
//! dataset publishes, else what the person rated.
//! Must not know models.

use crate::agent::behavior::BehaviorError;
use crate::dataset::{Dataset, Interactions};
use crate::id::{GenreId, ItemId, UserId};
use crate::llm::fence::fenced;
use crate::rng::{Purpose, Streams};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Ratings that a person is told from, after Agent4Rec (§2.1).
const N_SAMPLED: usize = 25;
/// How many of them are liked at least, where there are so many.
const N_LIKED_MIN: usize = 3;
/// Titles named in a taste that no model has put into words.
const N_NAMED: usize = 6;
/// Characters of a title.
pub const TITLE_CHARS_MAX: usize = 80;
/// Characters of a taste.
const TASTE_CHARS_MAX: usize = 600;

/// A file of personas, by raw user id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonaFile {
    /// What made it, for people to read.
    #[serde(default)]
    pub about: String,
    /// The people.
    #[serde(default)]
    pub users: BTreeMap<String, PersonaEntry>,
}

/// One person of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonaEntry {
    /// The taste, in sentences.
    pub taste: Vec<String>,
}

impl PersonaFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, BehaviorError> {
        let bad =
            |problem: String| BehaviorError::BadInput(format!("personas {}: {problem}", path.display()));
        let text = crate::intake::text(path, crate::intake::MADE_BYTES_MAX)
            .map_err(|error| bad(error.to_string()))?;
        toml::from_str(&text).map_err(|error| bad(crate::scenario::params::toml_problem(&text, &error)))
    }
}

/// A rating that is told to a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// Of what.
    pub item: ItemId,
    /// On 1..=5; `None` where the data only knows that it was used.
    pub rating: Option<f32>,
}

/// The ratings that stand for a person: 25 drawn at random, at least three of them liked where the person
/// liked so many (Zhang et al., SIGIR 2024, §2.1); best first, then by item.
pub fn sampled(dataset: &Dataset, evidence: &Interactions, user: UserId, streams: Streams) -> Vec<Told> {
    let (items, ratings) = evidence.matrix.row(user.idx());
    let scale = |rating: f32| {
        dataset.rating_range.map(|(low, high)| 1.0 + 4.0 * (rating - low) / (high - low).max(1e-6))
    };
    let mut all: Vec<Told> = items
        .iter()
        .zip(ratings)
        .map(|(&item, &rating)| Told { item: ItemId(item), rating: scale(rating) })
        .collect();
    all.shuffle(&mut streams.stream(Purpose::Persona, 0, u64::from(user.0), 0));
    let is_liked = |told: &Told| told.rating.is_none_or(|rating| rating >= 4.0);
    // The first liked ones come to the front, and so into the sample.
    let mut n_front = 0;
    for k in 0..all.len() {
        if n_front < N_LIKED_MIN && is_liked(&all[k]) {
            all.swap(n_front, k);
            n_front += 1;
        }
    }
    all.truncate(N_SAMPLED);
    all.sort_by(|a, b| {
        let by_rating = b.rating.unwrap_or(0.0).total_cmp(&a.rating.unwrap_or(0.0));
        by_rating.then(a.item.cmp(&b.item))
    });
    all
}

/// Everybody's taste in words, fenced, in [`UserId`] order.
pub fn tastes(
    dataset: &Dataset,
    evidence: &Interactions,
    file: Option<&PersonaFile>,
    streams: Streams,
) -> Vec<String> {
    let of = |user: usize| {
        let entry = file.and_then(|file| file.users.get(dataset.users.raw(user as u32)));
        let of_file = entry.map(|entry| entry.taste.join(" "));
        let profile = || dataset.user_profiles.as_ref().and_then(|profiles| profiles[user].clone());
        let published = || dataset.published_personas.as_ref().map(|all| all[user].taste.join(" "));
        let said = |text: &String| !text.trim().is_empty();
        match of_file.filter(said).or_else(profile).or_else(|| published().filter(said)) {
            Some(text) => fenced(&text, TASTE_CHARS_MAX),
            None => from_ratings(dataset, evidence, UserId(user as u32), streams),
        }
    };
    (0..dataset.n_users()).map(of).collect()
}

/// What the sampled ratings say without a model: genres met most often, titles liked, titles disliked.
fn from_ratings(dataset: &Dataset, evidence: &Interactions, user: UserId, streams: Streams) -> String {
    let told = sampled(dataset, evidence, user, streams);
    if told.is_empty() {
        return "nothing is known of it".to_owned();
    }
    let mut genres: BTreeMap<GenreId, usize> = BTreeMap::new();
    for told in &told {
        for genre in &dataset.catalogue[told.item.idx()].genres {
            *genres.entry(*genre).or_default() += 1;
        }
    }
    let mut genres: Vec<(GenreId, usize)> = genres.into_iter().collect();
    genres.sort_by_key(|&(genre, n)| (std::cmp::Reverse(n), genre));
    let genres: Vec<&str> =
        genres.iter().take(4).map(|&(genre, _)| dataset.genres.raw(genre.0.into())).collect();
    let title = |told: &Told| fenced(&dataset.catalogue[told.item.idx()].title, TITLE_CHARS_MAX);
    let liked = told.iter().filter(|told| told.rating.is_none_or(|r| r >= 4.0)).take(N_NAMED);
    let disliked = told.iter().rev().filter(|told| told.rating.is_some_and(|r| r <= 2.5)).take(N_NAMED / 2);
    let mut parts = Vec::new();
    let mut part = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            parts.push(format!("{what} {}", names.join("; ")));
        }
    };
    part("mostly", genres.iter().map(|genre| fenced(genre, TITLE_CHARS_MAX)).collect());
    part("liked", liked.map(title).collect());
    part("disliked", disliked.map(title).collect());
    parts.join(". ")
}

//! What a recommender in another process may be told: the catalogue, and what everybody has in
//! training, all under raw ids. Must not know messages or transports.

use super::super::{RecommendError, Training, model_file};
use super::bad;
use crate::dataset::Vocabulary;
use crate::id::{ItemId, UserId};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The catalogue and the histories.
pub struct Roster {
    users: Vec<String>,
    items: Vocabulary,
    about: Vec<About>,
    /// Start of every user's history, and the end of the last.
    starts: Vec<usize>,
    /// Items of all histories, each oldest first.
    history: Vec<u32>,
    /// Their ratings, where the dataset has ratings.
    ratings: Option<Vec<f32>>,
}

/// What is told of an item besides its raw id.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct About {
    title: String,
    n_train: u32,
}

/// The raw ids and titles as they stand in a model folder.
#[derive(Serialize, Deserialize)]
struct Names {
    users: Vec<String>,
    items: Vec<String>,
    about: Vec<About>,
    has_ratings: bool,
}

impl Roster {
    /// What a training set tells, with at most the newest `history_max` interactions a user.
    pub fn new(training: &Training<'_>, history_max: usize) -> Result<Self, RecommendError> {
        let (n_users, n_items) = (training.n_users(), training.n_items());
        check_raw_ids(training)?;
        let mut roster = Roster {
            users: training.users.all().to_vec(),
            items: training.items.clone(),
            about: Vec::with_capacity(n_items),
            starts: vec![0],
            history: Vec::new(),
            ratings: training.has_ratings.then(Vec::new),
        };
        for (item, n_train) in training.train.item_counts().into_iter().enumerate() {
            let title = training.catalogue.get(item).map(|item| item.title.clone()).unwrap_or_default();
            roster.about.push(About { title, n_train });
        }
        for user in 0..n_users as u32 {
            let mut own: Vec<_> = training.train.history_of(UserId(user)).collect();
            own.sort_by_key(|x| (x.order, x.item));
            let newest = &own[own.len().saturating_sub(history_max)..];
            roster.history.extend(newest.iter().map(|x| x.item.0));
            if let Some(ratings) = &mut roster.ratings {
                ratings.extend(newest.iter().map(|x| x.rating));
            }
            roster.starts.push(roster.history.len());
        }
        Ok(roster)
    }

    /// Number of items in the catalogue.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// The raw id of a user who is in the training set.
    pub fn user(&self, user: UserId) -> Option<&str> {
        self.users.get(user.idx()).map(String::as_str)
    }

    /// How errors name a user.
    pub fn name_of(&self, user: UserId) -> String {
        self.user(user).map_or_else(|| format!("number {} (not in training)", user.0), str::to_owned)
    }

    /// The raw id of an item of the catalogue.
    pub fn item(&self, item: u32) -> Option<&str> {
        self.items.all().get(item as usize).map(String::as_str)
    }

    /// The item of a raw id.
    pub fn find(&self, raw: &str) -> Option<ItemId> {
        self.items.get(raw).map(ItemId)
    }

    /// Raw id, title and training interactions of every item.
    pub fn catalogue(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.items.all().iter().zip(&self.about).map(|(raw, about)| {
            let title = if about.title.is_empty() { raw } else { &about.title };
            (raw.as_str(), title.as_str(), about.n_train)
        })
    }

    /// Raw id and rating of what a user has in training, oldest first.
    pub fn history(&self, user: UserId) -> impl Iterator<Item = (&str, Option<f32>)> {
        let range = match self.starts.get(user.idx()..user.idx() + 2) {
            Some(&[start, end]) => start..end,
            _ => 0..0,
        };
        range.map(|at| {
            let rating = self.ratings.as_ref().map(|ratings| ratings[at]);
            (self.items.raw(self.history[at]), rating)
        })
    }

    /// Writes `names.json`, `history_lengths.npy`, `history_items.npy` and, where there are ratings,
    /// `history_ratings.npy`.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let names = Names {
            users: self.users.clone(),
            items: self.items.all().to_vec(),
            about: self.about.clone(),
            has_ratings: self.ratings.is_some(),
        };
        let path = dir.join("names.json");
        let text = serde_json::to_vec(&names).map_err(|error| bad(&path, error.to_string()))?;
        crate::files::write_whole(&path, &text).map_err(|source| RecommendError::Io { path, source })?;
        let lengths: Vec<u32> = self.starts.windows(2).map(|w| (w[1] - w[0]) as u32).collect();
        model_file::write_ids(&dir.join("history_lengths.npy"), &lengths)?;
        model_file::write_ids(&dir.join("history_items.npy"), &self.history)?;
        match &self.ratings {
            Some(ratings) => model_file::write_vector(&dir.join("history_ratings.npy"), ratings),
            None => Ok(()),
        }
    }

    /// Reads what [`Roster::save`] wrote.
    pub fn load(dir: &Path) -> Result<Self, RecommendError> {
        let path = dir.join("names.json");
        let text = crate::intake::bytes(&path, crate::intake::MADE_BYTES_MAX)
            .map_err(|source| RecommendError::Io { path: path.clone(), source })?;
        let names: Names = serde_json::from_slice(&text).map_err(|error| bad(&path, error.to_string()))?;
        let mut items = Vocabulary::new();
        names.items.iter().for_each(|raw| {
            items.intern(raw);
        });
        if items.len() != names.items.len() || items.len() != names.about.len() {
            return Err(bad(&path, "must name every item once, and tell about each"));
        }
        let lengths =
            model_file::read_ids(&dir.join("history_lengths.npy"), Some(names.users.len()), u32::MAX)?;
        let mut starts = vec![0usize];
        lengths.iter().for_each(|&length| starts.push(starts[starts.len() - 1] + length as usize));
        let n_pairs = starts[starts.len() - 1];
        let bound = items.len() as u32;
        let history = model_file::read_ids(&dir.join("history_items.npy"), Some(n_pairs), bound)?;
        let path = dir.join("history_ratings.npy");
        let ratings = names.has_ratings.then(|| model_file::read_vector(&path, n_pairs)).transpose()?;
        Ok(Roster { users: names.users, items, about: names.about, starts, history, ratings })
    }
}

/// Refuses a training set whose users and items have no raw ids.
pub fn check_raw_ids(training: &Training<'_>) -> Result<(), RecommendError> {
    let (n_users, n_items) = (training.n_users(), training.n_items());
    if training.users.len() == n_users && training.items.len() == n_items {
        return Ok(());
    }
    let problem = format!(
        "{} raw user ids and {} raw item ids are known, there must be {n_users} and {n_items}",
        training.users.len(),
        training.items.len()
    );
    Err(RecommendError::BadTraining { problem })
}

//! What a language model may be told: the texts of items, and the newest training items of everybody. Nothing that
//! is held out can get in here, since nothing but the training set is looked at. Must not know prompts' words.

use super::super::{RecommendError, Training, model_file};
use super::prompts::Told;
use crate::id::{ItemId, UserId};
use crate::llm::fence::fenced;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Characters of a title.
const TITLE_CHARS_MAX: usize = 80;
/// Characters of all genres that are named.
const GENRES_CHARS_MAX: usize = 80;
/// Genres named of an item.
const N_GENRES_MAX: usize = 3;
/// Characters of a summary or a profile.
const TEXT_CHARS_MAX: usize = 300;

/// What is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    names: Names,
    /// Start of every user's history, and the end of the last.
    starts: Vec<usize>,
    /// Items of all histories, each oldest first.
    history: Vec<u32>,
}

/// The texts, as they stand in a model folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Names {
    /// Raw ids.
    users: Vec<String>,
    items: Vec<Text>,
}

/// The text of an item, as it is in the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Text {
    title: String,
    genres: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
}

impl Known {
    /// What a training set tells, with the newest `n_history` items of everybody.
    pub fn new(training: &Training<'_>, n_history: usize) -> Self {
        let text = |(number, item): (usize, &crate::dataset::Item)| {
            let title = item.title.trim();
            let raw = || training.items.all().get(number).cloned().unwrap_or_default();
            let title = match item.year {
                _ if title.is_empty() => raw(),
                Some(year) if !title.ends_with(&format!("({year})")) => format!("{title} ({year})"),
                _ => title.to_owned(),
            };
            let genres = item.genres.iter().map(|genre| training.genres.raw(genre.0.into()).to_owned());
            let (summary, profile) = (item.summary.clone(), item.profile.clone());
            Text { title, genres: genres.collect(), summary, profile }
        };
        let items = training.catalogue.iter().enumerate().map(text).collect();
        let mut known = Known {
            names: Names { users: training.users.all().to_vec(), items },
            starts: vec![0],
            history: Vec::new(),
        };
        for user in 0..training.n_users() as u32 {
            let mut own: Vec<_> = training.train.history_of(UserId(user)).collect();
            own.sort_by_key(|x| (x.order, x.item));
            let newest = &own[own.len().saturating_sub(n_history)..];
            known.history.extend(newest.iter().map(|x| x.item.0));
            known.starts.push(known.history.len());
        }
        known
    }

    /// How a user is called: by raw id, or by number where they are in no training set.
    pub fn user(&self, user: UserId) -> String {
        let raw = self.names.users.get(user.idx());
        raw.cloned().unwrap_or_else(|| format!("number {} (not in training)", user.0))
    }

    /// The newest training items of a user, oldest first; none for a stranger.
    pub fn history(&self, user: UserId) -> &[u32] {
        match self.starts.get(user.idx()..).unwrap_or_default() {
            [start, end, ..] => &self.history[*start..*end],
            _ => &[],
        }
    }

    /// What is said of an item, every text fenced.
    pub fn tell(&self, item: ItemId, slot: Option<usize>) -> Told {
        let Some(text) = self.names.items.get(item.idx()) else {
            // An item that came with no text: of a catalogue without one, or of a model that is not what it says.
            return Told { slot, title: format!("number {}", item.0), ..Told::default() };
        };
        let genres = text.genres[..text.genres.len().min(N_GENRES_MAX)].join(", ");
        let long = |text: &Option<String>| fenced(text.as_deref().unwrap_or_default(), TEXT_CHARS_MAX);
        Told {
            slot,
            title: fenced(&text.title, TITLE_CHARS_MAX),
            genres: fenced(&genres, GENRES_CHARS_MAX),
            summary: long(&text.summary),
            profile: long(&text.profile),
        }
    }

    /// Writes `texts.json`, `history_lengths.npy` (one a user) and `history_items.npy`.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let path = dir.join("texts.json");
        let text =
            serde_json::to_vec(&self.names).map_err(|error| model_file::bad(&path, error.to_string()))?;
        crate::files::write_whole(&path, &text).map_err(|source| RecommendError::Io { path, source })?;
        let lengths: Vec<u32> = self.starts.windows(2).map(|w| (w[1] - w[0]) as u32).collect();
        model_file::write_ids(&dir.join("history_lengths.npy"), &lengths)?;
        model_file::write_ids(&dir.join("history_items.npy"), &self.history)
    }

    /// Reads what [`Known::save`] wrote.
    pub fn load(dir: &Path) -> Result<Self, RecommendError> {
        let path = dir.join("texts.json");
        let text = crate::intake::bytes(&path, crate::intake::MADE_BYTES_MAX)
            .map_err(|source| RecommendError::Io { path: path.clone(), source })?;
        let names: Names =
            serde_json::from_slice(&text).map_err(|error| model_file::bad(&path, error.to_string()))?;
        let lengths = model_file::read_ids(&dir.join("history_lengths.npy"), None, u32::MAX)?;
        let mut starts = vec![0usize];
        lengths.iter().for_each(|&length| starts.push(starts[starts.len() - 1] + length as usize));
        let n_pairs = starts[starts.len() - 1];
        let bound = u32::try_from(names.items.len()).unwrap_or(u32::MAX);
        let history = model_file::read_ids(&dir.join("history_items.npy"), Some(n_pairs), bound)?;
        Ok(Known { names, starts, history })
    }
}

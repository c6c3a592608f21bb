//! What each user did in training, kept inside a fitted model that needs it at serving
//! time, and folded together with what they did in the running session.
//!
//! Only the fact of an interaction is kept. Must not know what models compute from it.

use super::{RecommendError, Request, model_file};
use crate::dataset::Interactions;
use crate::id::UserId;
use std::borrow::Cow;
use std::path::Path;

/// The training items of every user, ascending.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    n_items: usize,
    /// Start of every user's items, and the end of the last.
    starts: Vec<usize>,
    items: Vec<u32>,
}

impl History {
    /// The history in a training set.
    pub fn new(train: &Interactions) -> Self {
        History {
            n_items: train.matrix.n_cols,
            starts: train.matrix.indptr.clone(),
            items: train.matrix.indices.clone(),
        }
    }

    /// Number of items in the catalogue.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Number of users in training.
    pub fn n_users(&self) -> usize {
        self.starts.len() - 1
    }

    /// The training items of a user, ascending; none for an unknown one.
    pub fn of(&self, user: UserId) -> &[u32] {
        if user.idx() >= self.n_users() {
            return &[];
        }
        &self.items[self.starts[user.idx()]..self.starts[user.idx() + 1]]
    }

    /// What a model may start from when it answers a request: the training items and, where
    /// `fold_in`, what was watched in this session. Ascending, no repeats.
    ///
    /// A watched item counts like a training interaction, whatever its rating; an item that
    /// was only shown does not count.
    pub fn with_session(&self, request: &Request<'_>, fold_in: bool) -> Cow<'_, [u32]> {
        let trained = self.of(request.user);
        let mut watched = request
            .feedback
            .iter()
            .filter(|feedback| fold_in && feedback.watched && feedback.item.idx() < self.n_items)
            .map(|feedback| feedback.item.0)
            .peekable();
        if watched.peek().is_none() {
            return Cow::Borrowed(trained);
        }
        let mut all: Vec<u32> = trained.iter().copied().chain(watched).collect();
        all.sort_unstable();
        all.dedup();
        Cow::Owned(all)
    }

    /// Training interactions of every item.
    pub fn popularity(&self) -> Vec<f32> {
        let mut counts = vec![0f32; self.n_items];
        self.items.iter().for_each(|&item| counts[item as usize] += 1.0);
        counts
    }

    /// The users of every item: the transposed history, users ascending.
    pub fn by_item(&self) -> History {
        let mut starts = vec![0usize; self.n_items + 1];
        self.items.iter().for_each(|&item| starts[item as usize + 1] += 1);
        for item in 0..self.n_items {
            starts[item + 1] += starts[item];
        }
        let mut next = starts.clone();
        let mut users = vec![0u32; self.items.len()];
        for user in 0..self.n_users() {
            for &item in &self.items[self.starts[user]..self.starts[user + 1]] {
                users[next[item as usize]] = user as u32;
                next[item as usize] += 1;
            }
        }
        History { n_items: self.n_users(), starts, items: users }
    }

    /// One row by its number: the items of a user, or the users of an item of [`History::by_item`].
    pub fn row(&self, row: usize) -> &[u32] {
        &self.items[self.starts[row]..self.starts[row + 1]]
    }

    /// Writes `history_lengths.npy` (one a user) and `history_items.npy`.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let lengths: Vec<u32> = self.starts.windows(2).map(|w| (w[1] - w[0]) as u32).collect();
        model_file::write_ids(&dir.join("history_lengths.npy"), &lengths)?;
        model_file::write_ids(&dir.join("history_items.npy"), &self.items)
    }

    /// Reads what [`History::save`] wrote, for a catalogue of `n_items`.
    pub fn load(dir: &Path, n_items: usize) -> Result<Self, RecommendError> {
        model_file::check_n_items(dir, n_items)?;
        let lengths = model_file::read_ids(&dir.join("history_lengths.npy"), None, u32::MAX)?;
        let bound = u32::try_from(n_items).unwrap_or(u32::MAX);
        let path = dir.join("history_items.npy");
        let n_pairs: usize = lengths.iter().map(|&n| n as usize).sum();
        let items = model_file::read_ids(&path, Some(n_pairs), bound)?;
        let mut starts = vec![0usize];
        for length in lengths {
            let start = starts[starts.len() - 1];
            let end = start + length as usize;
            if !items[start..end].is_sorted_by(|a, b| a < b) {
                let problem = format!("items of user {} must ascend", starts.len() - 1);
                return Err(model_file::bad(&path, problem));
            }
            starts.push(end);
        }
        Ok(History { n_items, starts, items })
    }
}

/// Gives the items that a model found no support for (score 0) an order below all that
/// have some: by popularity, scaled into `[-1, 0)`.
///
/// Without this a list longer than the supported items would end in an arbitrary order.
pub fn rest_by_popularity(scores: &mut [f32], popularity: &[f32]) {
    let most = popularity.iter().fold(0f32, |most, &count| most.max(count)) + 1.0;
    for (score, count) in scores.iter_mut().zip(popularity) {
        if *score == 0.0 {
            *score = count / most - 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Interaction;
    use crate::id::ItemId;
    use crate::recommender::Feedback;

    fn history() -> History {
        let pairs: Vec<Interaction> = [(0, 1), (0, 3), (2, 0)]
            .map(|(user, item)| Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 })
            .into();
        History::new(&Interactions::from_sorted(3, 5, &pairs))
    }

    #[test]
    fn sessions_fold_in_what_was_watched_and_nothing_else() {
        let feedback = [(4, true), (2, false), (3, true), (9, true), (4, true)]
            .map(|(item, watched)| Feedback { item: ItemId(item), page: 1, watched, rating: None });
        let request = Request {
            user: UserId(0),
            luck: 0,
            round: 0,
            page: 2,
            n: 1,
            known: &[],
            shown: &[],
            feedback: &feedback,
        };
        assert_eq!(*history().with_session(&request, true), [1, 3, 4]);
        assert_eq!(*history().with_session(&request, false), [1, 3]);
        assert_eq!(*history().with_session(&Request { user: UserId(7), ..request }, true), [3, 4]);
    }

    #[test]
    fn transposes_counts_and_round_trips() {
        let history = history();
        let by_item = history.by_item();
        assert_eq!((0..5).map(|i| by_item.row(i).len()).collect::<Vec<_>>(), [1, 1, 0, 1, 0]);
        assert_eq!(by_item.by_item(), history);
        assert_eq!(history.popularity(), [1.0, 1.0, 0.0, 1.0, 0.0]);
        let dir = tempfile::tempdir().expect("a temporary folder");
        history.save(dir.path()).expect("written");
        assert_eq!(History::load(dir.path(), 5).expect("read"), history);
        assert!(History::load(dir.path(), 3).is_err(), "item 3 of 3");
        model_file::write_ids(&dir.path().join("history_items.npy"), &[3, 1, 0]).expect("written");
        assert!(History::load(dir.path(), 5).is_err(), "items that do not ascend");
        model_file::write_ids(&dir.path().join("history_items.npy"), &[1, 3]).expect("written");
        assert!(History::load(dir.path(), 5).is_err(), "an item is missing");
    }
}

//! A recommender without the items that nobody has in training: what an arm becomes that says
//! `cold_items = "exclude"`, and what else an arm can say of such items.
//!
//! A model that knows items by who has them alone has nothing to go by here. Where it puts them is an accident
//! of its initial numbers, and a list that holds them is no finding about it. Must not know why an item is cold.

use super::{Policy, Ranked, RecommendError, Recommender, Request};
use crate::dataset::Interactions;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// What an arm makes of items that nobody has in training: `cold_items` of `[arms.NAME]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColdRule {
    /// Where the split holds items out whole, a model that knows nothing of them is refused.
    #[default]
    Refuse,
    /// They are never ranked, whatever the model knows of them.
    Exclude,
    /// They stand where the model happens to put them.
    AsScored,
}

/// Items that nobody has in training, ascending.
pub fn cold_items(train: &Interactions) -> Vec<u32> {
    let counts = train.item_counts();
    (0..).zip(counts).filter(|(_, n)| *n == 0).map(|(item, _)| item).collect()
}

/// A recommender that never ranks some items. It saves the model inside alone: what is left out
/// belongs to the arm and its split, and is put around the model again when it is loaded.
pub struct Without {
    inner: Box<dyn Recommender>,
    /// Ascending.
    items: Vec<u32>,
}

impl Without {
    /// The recommender without these items, given ascending and without repeats.
    ///
    /// # Panics
    /// When they are not ascending.
    pub fn new(inner: Box<dyn Recommender>, items: Vec<u32>) -> Self {
        assert!(items.is_sorted_by(|a, b| a < b), "items are ascending, without repeats");
        Without { inner, items }
    }

    /// For each request, what it must not be answered: its own known items and those left out, ascending.
    fn known(&self, requests: &[Request<'_>]) -> Vec<Vec<u32>> {
        requests.iter().map(|request| union(request.known, &self.items)).collect()
    }
}

/// Both ascending lists as one, without repeats.
fn union(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut all = [left, right].concat();
    // Two runs that are sorted already are merged in linear time.
    all.sort();
    all.dedup();
    all
}

fn asked<'a>(requests: &[Request<'a>], known: &'a [Vec<u32>]) -> Vec<Request<'a>> {
    requests.iter().zip(known).map(|(request, known)| Request { known, ..*request }).collect()
}

impl Recommender for Without {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        self.inner.recommend(&asked(requests, &self.known(requests)))
    }

    fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        self.inner.recommend_each(&asked(requests, &self.known(requests)))
    }

    fn policies(&self, requests: &[Request<'_>]) -> Result<Vec<Arc<dyn Policy>>, RecommendError> {
        self.inner.policies(&asked(requests, &self.known(requests)))
    }

    fn adapts_in_session(&self) -> bool {
        self.inner.adapts_in_session()
    }

    fn answers_alike(&self) -> bool {
        self.inner.answers_alike()
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        self.inner.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Interaction;
    use crate::id::{ItemId, UserId};

    /// Ranks items by number, and fails for user 9.
    struct ByNumber;

    impl Recommender for ByNumber {
        fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
            let rank = |request: &Request<'_>| {
                if request.user == UserId(9) {
                    return Err(RecommendError::BadTraining { problem: "user 9".to_owned() });
                }
                let items = (0..6).filter(|item| request.known.binary_search(item).is_err()).take(request.n);
                let items: Vec<ItemId> = items.map(ItemId).collect();
                Ok(Ranked::plain(items.clone(), vec![0.0; items.len()]))
            };
            requests.iter().map(rank).collect()
        }

        fn adapts_in_session(&self) -> bool {
            true
        }

        fn save(&self, dir: &Path) -> Result<(), RecommendError> {
            let path = dir.join("inner");
            std::fs::write(&path, "saved").map_err(|source| RecommendError::Io { path, source })
        }
    }

    fn request(user: u32, n: usize, known: &[u32]) -> Request<'_> {
        Request { user: UserId(user), luck: 0, round: 0, page: 1, n, known, shown: &[], feedback: &[] }
    }

    fn numbers(ranked: &Ranked) -> Vec<u32> {
        ranked.items.iter().map(|item| item.0).collect()
    }

    #[test]
    fn what_is_left_out_is_never_ranked_and_the_rest_is_as_it_was() {
        let without = Without::new(Box::new(ByNumber), vec![1, 4]);
        let lists = without.recommend(&[request(0, 3, &[0, 1]), request(1, 9, &[])]).expect("ranked");
        assert_eq!(lists.iter().map(numbers).collect::<Vec<_>>(), [vec![2, 3, 5], vec![0, 2, 3, 5]]);
        let each = without.recommend_each(&[request(9, 2, &[]), request(0, 2, &[2])]);
        assert!(each[0].is_err());
        assert_eq!(each[1].as_ref().map(numbers).ok(), Some(vec![0, 3]));
        assert!(without.adapts_in_session());
    }

    #[test]
    fn the_model_inside_is_what_is_saved() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        Without::new(Box::new(ByNumber), vec![1]).save(dir.path()).expect("writable");
        assert_eq!(std::fs::read_to_string(dir.path().join("inner")).expect("saved"), "saved");
    }

    #[test]
    fn cold_is_what_nobody_has() {
        let pair = |user, item| Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 };
        let train = Interactions::from_sorted(2, 5, &[pair(0, 1), pair(1, 1), pair(1, 3)]);
        assert_eq!(cold_items(&train), [0, 2, 4]);
    }
}

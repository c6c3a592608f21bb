//! `user_knn`: what the people most like the user chose.
//!
//! J. L. Herlocker, J. A. Konstan, A. Borchers, J. Riedl, "An algorithmic framework for
//! performing collaborative filtering", SIGIR 1999, in its form for implicit feedback:
//!
//! ```text
//! w_i  = c_i ^ -damping                          weight of item i with c_i users
//! s_uv = Σ_i∈u∩v w_i² / (‖u‖ ‖v‖ + shrinkage · w̄),   ‖u‖² = Σ_i∈u w_i²
//! score(u, i) = Σ s_uv over those of the k users most similar to u that have i
//! ```
//!
//! with w̄ the mean of w_i² over all interactions, so that `shrinkage` counts in ordinary
//! interactions. `damping` 0.5 makes a shared rare item count more than a shared hit (the
//! cosine then is over columns of unit length).
//!
//! Neighbours are looked for when a request comes, from the training history alone or with
//! the session folded in: there is nothing to train but a transposed matrix. Ratings are
//! not used. Items that no neighbour has follow, by popularity. Defaults were chosen on the
//! Agent4Rec validation set among k 50–400, shrinkage 0–20 and damping 0–0.5.

use super::history::{History, rest_by_popularity};
use super::rank::{TopN, rank_rows};
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The kind `user_knn`.
pub struct UserKnn;

const NAME: &str = "user_knn";

/// Hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Neighbours that are listened to, 1..=10000.
    pub k: u32,
    /// Added to the denominator of the cosine, in interactions: doubts similarities with little support.
    pub shrinkage: f64,
    /// How much an item's weight falls with its number of users: 0 = not at all, 0.5 = columns of unit length.
    pub damping: f64,
    /// Whether what is watched in a session changes its next page.
    pub fold_in: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { k: 100, shrinkage: 0.0, damping: 0.25, fold_in: false }
    }
}

impl RecommenderKind for UserKnn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "what the most similar users (cosine over items) chose",
            source: "Herlocker, Konstan, Borchers and Riedl, SIGIR 1999",
            needs: Needs::Interactions,
            folds_in: true,
            cold_items: ColdItems::Unknown,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: Params = params::parse(at, params)?;
        params::within(at, "k", params.k, 1, 10_000)?;
        params::within(at, "shrinkage", params.shrinkage, 0.0, 1e9)?;
        params::within(at, "damping", params.damping, 0.0, 2.0)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, n_items): (Params, usize) = model_file::read_header(dir, NAME)?;
        Ok(Box::new(Fitted::new(params, History::load(dir, n_items)?)))
    }
}

impl Trainer for Params {
    fn fit(
        &self,
        training: &Training<'_>,
        _context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        Ok(Box::new(Fitted::new(*self, History::new(training.train))))
    }
}

/// Fitted: who chose what, from both sides.
struct Fitted {
    params: Params,
    history: History,
    /// The users of every item.
    users: History,
    popularity: Vec<f32>,
    /// w_i² of every item.
    item_weights: Vec<f32>,
    /// ‖v‖ of every user.
    norms: Vec<f32>,
    /// `shrinkage · w̄`.
    shrinkage: f32,
}

impl Fitted {
    fn new(params: Params, history: History) -> Self {
        let popularity = history.popularity();
        let item_weights: Vec<f32> = popularity
            .iter()
            .map(|&count| f64::from(count.max(1.0)).powf(-2.0 * params.damping) as f32)
            .collect();
        let squares: Vec<f64> =
            (0..history.n_users()).map(|user| square(history.row(user), &item_weights)).collect();
        let n_interactions: f64 = popularity.iter().map(|&count| f64::from(count)).sum();
        let mean_weight = squares.iter().sum::<f64>() / n_interactions.max(1.0);
        Fitted {
            shrinkage: (params.shrinkage * mean_weight) as f32,
            norms: squares.iter().map(|square| square.sqrt() as f32).collect(),
            users: history.by_item(),
            params,
            history,
            popularity,
            item_weights,
        }
    }

    /// The users most similar to one who owns these items, themselves excluded.
    fn neighbours(&self, request: &Request<'_>, owned: &[u32]) -> Ranked {
        let mut shared = vec![0f32; self.history.n_users()];
        for &item in owned {
            let weight = self.item_weights[item as usize];
            for &user in self.users.row(item as usize) {
                shared[user as usize] += weight;
            }
        }
        if let Some(own) = shared.get_mut(request.user.idx()) {
            *own = 0.0;
        }
        let norm = square(owned, &self.item_weights).sqrt() as f32;
        for (shared, other) in shared.iter_mut().zip(&self.norms) {
            *shared /= norm * other + self.shrinkage;
        }
        let mut top = TopN::new();
        top.reset((self.params.k as usize).min(shared.len()));
        top.offer(0, &shared);
        top.finish()
    }
}

/// ‖u‖² of one who owns these items.
fn square(owned: &[u32], item_weights: &[f32]) -> f64 {
    owned.iter().map(|&item| f64::from(item_weights[item as usize])).sum()
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(rank_rows(self.history.n_items(), requests, |request, scores| {
            scores.fill(0.0);
            let owned = self.history.with_session(request, self.params.fold_in);
            let nearest = self.neighbours(request, &owned);
            for (user, &similarity) in nearest.items.iter().zip(&nearest.scores) {
                for &item in self.history.row(user.idx()) {
                    scores[item as usize] += similarity;
                }
            }
            rest_by_popularity(scores, &self.popularity);
        }))
    }

    fn adapts_in_session(&self) -> bool {
        self.params.fold_in
    }

    fn answers_alike(&self) -> bool {
        true
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &(self.params, self.history.n_items()))?;
        self.history.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Interaction, Interactions};
    use crate::id::{ItemId, UserId};

    #[test]
    fn neighbours_match_by_hand() {
        // User 0 has 0 1, user 1 has 0 1 2, user 2 has 2 3; item 4 nobody has.
        let pairs: Vec<Interaction> = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 3)]
            .map(|(user, item)| Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 })
            .into();
        let params = Params { k: 2, shrinkage: 0.0, damping: 0.0, fold_in: false };
        let model = Fitted::new(params, History::new(&Interactions::from_sorted(3, 5, &pairs)));
        let request = |user| Request {
            user: UserId(user),
            luck: 0,
            round: 0,
            page: 1,
            n: 5,
            known: &[],
            shown: &[],
            feedback: &[],
        };
        let lists = model.recommend(&[request(0), request(1)]).expect("never fails");
        // cos(0, 1) = 2 / √6, cos(0, 2) = 0: items 0 1 2 from user 1; then 3 before 4 by popularity.
        assert_eq!(lists[0].items, [0, 1, 2, 3, 4].map(ItemId));
        assert!((lists[0].scores[2] - 2.0 / 6f32.sqrt()).abs() < 1e-6);
        // cos(1, 0) = 2 / √6, cos(1, 2) = 1 / √6: item 3 from user 2.
        assert_eq!(lists[1].items, [0, 1, 2, 3, 4].map(ItemId));
        assert!((lists[1].scores[3] - 1.0 / 6f32.sqrt()).abs() < 1e-6);
    }
}

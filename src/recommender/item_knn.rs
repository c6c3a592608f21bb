//! `item_knn`: an item is as good as its similarity to what the user already chose.
//!
//! M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", ACM TOIS 22(1),
//! 2004. Similarity of items i and j is the cosine of their columns after every user's row
//! was scaled down by its length (also theirs: users with few items are the more telling
//! ones), with shrinkage in the denominator (after R. M. Bell, Y. Koren, "Improved
//! neighborhood-based collaborative filtering", KDD Cup 2007, in the form usual for cosines):
//!
//! ```text
//! w_u  = n_u ^ -damping                          weight of user u with n_u items
//! s_ij = Σ_u∈i∩j w_u² / (‖i‖ ‖j‖ + shrinkage · w̄),   ‖i‖² = Σ_u∈i w_u²
//! score(u, i) = Σ s_ij over those of u's items j that are among the k most similar to i
//! ```
//!
//! with w̄ the mean of w_u² over all interactions, so that `shrinkage` counts in ordinary
//! interactions whatever the damping.
//!
//! Deviations: k neighbours are kept for every *candidate* i, not for every owned j (the
//! paper's choice ranks worse on the Agent4Rec split: .018 recall@20 on validation, undamped);
//! ratings are not used, only the fact of interaction. Items without any similar item in
//! the user's history follow, by popularity. `k`, `shrinkage` and `damping` were chosen on
//! the Agent4Rec validation set among 100–600, 0–40 and 0–1.

use super::history::{History, rest_by_popularity};
use super::rank::{TopN, keep_best, rank_rows};
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use crate::scenario::params::{self, Complaint};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The kind `item_knn`.
pub struct ItemKnn;

const NAME: &str = "item_knn";

/// Items whose neighbours one task looks for.
const CHUNK: usize = 16;

/// An item that meets others fewer times than this part of the catalogue remembers which.
const SPARSE_SHARE: usize = 4;

/// Hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Neighbours kept for every item, 1..=10000.
    pub k: u32,
    /// Added to the denominator of the cosine, in interactions: doubts similarities with little support.
    pub shrinkage: f64,
    /// How much a user's weight falls with their number of items: 0 = not at all, 0.5 = rows of unit length.
    pub damping: f64,
    /// Whether what is watched in a session changes its next page.
    pub fold_in: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { k: 300, shrinkage: 10.0, damping: 0.5, fold_in: false }
    }
}

impl RecommenderKind for ItemKnn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "items most similar (cosine over users) to what the user already chose",
            source: "Deshpande and Karypis, ACM TOIS 22(1), 2004",
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
        model_file::check_n_items(dir, n_items)?;
        let similar = Similar::load(dir, n_items)?;
        let history = History::load(dir, n_items)?;
        Ok(Box::new(Fitted { params, popularity: history.popularity(), history, similar }))
    }
}

impl Trainer for Params {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let history = History::new(training.train);
        context.progress.begin("item_knn", history.n_items() as u64);
        let nearest = nearest_neighbours(&history, self, &|n| context.progress.advance(n, ""));
        context.progress.end();
        let similar = Similar::by_owned(&nearest);
        Ok(Box::new(Fitted { params: *self, popularity: history.popularity(), history, similar }))
    }
}

/// The (similarity, neighbour) pairs of every item, at most `k`, in no particular order.
fn nearest_neighbours(
    history: &History,
    params: &Params,
    done: &(dyn Fn(u64) + Sync),
) -> Vec<Vec<(f32, u32)>> {
    let cosine = Cosine::new(history, params);
    let n_items = history.n_items();
    (0..n_items.div_ceil(CHUNK))
        .into_par_iter()
        .map_init(
            || Scratch { shared: vec![0f32; n_items], ..Scratch::default() },
            |scratch, chunk| {
                let items = chunk * CHUNK..((chunk + 1) * CHUNK).min(n_items);
                let n_done = items.len() as u64;
                let lists = items.map(|item| cosine.nearest(item, scratch)).collect::<Vec<_>>();
                done(n_done);
                lists
            },
        )
        .collect::<Vec<_>>()
        .into_iter()
        .flatten()
        .collect()
}

/// Memory that is used from item to item.
#[derive(Default)]
struct Scratch {
    /// Weight shared with every item; zeros between two items.
    shared: Vec<f32>,
    /// The items that share anything.
    touched: Vec<u32>,
    candidates: Vec<(f32, u32)>,
    top: TopN,
}

/// The similarity of items, and what it is computed from.
struct Cosine<'a> {
    history: &'a History,
    /// The users of every item.
    users: History,
    /// w_u² of every user.
    weights: Vec<f32>,
    /// ‖i‖ of every item.
    norms: Vec<f32>,
    /// `shrinkage · w̄`.
    shrinkage: f32,
    k: usize,
}

impl<'a> Cosine<'a> {
    fn new(history: &'a History, params: &Params) -> Self {
        let n_items = history.n_items();
        let users = history.by_item();
        let weights: Vec<f32> = (0..history.n_users())
            .map(|user| (history.row(user).len().max(1) as f64).powf(-2.0 * params.damping) as f32)
            .collect();
        let squares: Vec<f64> = (0..n_items)
            .map(|item| users.row(item).iter().map(|&user| f64::from(weights[user as usize])).sum())
            .collect();
        let n_interactions: usize = (0..n_items).map(|item| users.row(item).len()).sum();
        let mean_weight = squares.iter().sum::<f64>() / n_interactions.max(1) as f64;
        let shrinkage = (params.shrinkage * mean_weight) as f32;
        let norms = squares.iter().map(|square| square.sqrt() as f32).collect();
        Cosine { history, users, weights, norms, shrinkage, k: (params.k as usize).min(n_items) }
    }

    /// The item's nearest neighbours, by the way that suits the number of meetings with others.
    fn nearest(&self, item: usize, scratch: &mut Scratch) -> Vec<(f32, u32)> {
        let meetings = |&user: &u32| self.history.row(user as usize).len();
        let n_meetings: usize = self.users.row(item).iter().map(meetings).sum();
        if n_meetings < self.history.n_items() / SPARSE_SHARE {
            self.nearest_of_few(item, scratch)
        } else {
            self.nearest_of_all(item, scratch)
        }
    }

    /// Remembers which items were met and looks at no other.
    fn nearest_of_few(&self, item: usize, scratch: &mut Scratch) -> Vec<(f32, u32)> {
        let Scratch { shared, touched, candidates, .. } = scratch;
        for &user in self.users.row(item) {
            let weight = self.weights[user as usize];
            for &other in self.history.row(user as usize) {
                let shared = &mut shared[other as usize];
                if *shared == 0.0 {
                    touched.push(other);
                }
                *shared += weight;
            }
        }
        shared[item] = 0.0;
        candidates.clear();
        for other in touched.drain(..) {
            let shared = std::mem::take(&mut shared[other as usize]);
            let similarity = shared / (self.norms[item] * self.norms[other as usize] + self.shrinkage);
            if similarity > 0.0 {
                candidates.push((similarity, other));
            }
        }
        keep_best(candidates, self.k);
        candidates.clone()
    }

    /// Goes over a whole row of similarities.
    fn nearest_of_all(&self, item: usize, scratch: &mut Scratch) -> Vec<(f32, u32)> {
        let Scratch { shared, top, .. } = scratch;
        for &user in self.users.row(item) {
            let weight = self.weights[user as usize];
            for &other in self.history.row(user as usize) {
                shared[other as usize] += weight;
            }
        }
        shared[item] = 0.0;
        let norm = self.norms[item];
        for (shared, other) in shared.iter_mut().zip(&self.norms) {
            // Nothing shared is no neighbour: 0 / 0 never ranks, 0 / x is dropped below.
            *shared /= norm * other + self.shrinkage;
        }
        top.reset(self.k);
        top.offer(0, shared);
        shared.fill(0.0);
        let list = top.finish();
        let pairs = list.scores.into_iter().zip(list.items.iter().map(|item| item.0));
        pairs.take_while(|&(similarity, _)| similarity > 0.0).collect()
    }
}

/// Similarities by owned item: the candidates it speaks for, ascending, and how strongly.
#[derive(Clone, Debug, PartialEq)]
struct Similar {
    starts: Vec<usize>,
    candidates: Vec<u32>,
    weights: Vec<f32>,
}

impl Similar {
    /// Turns the neighbours of every candidate around.
    fn by_owned(nearest: &[Vec<(f32, u32)>]) -> Self {
        let mut starts = vec![0usize; nearest.len() + 1];
        nearest.iter().flatten().for_each(|&(_, owned)| starts[owned as usize + 1] += 1);
        for item in 0..nearest.len() {
            starts[item + 1] += starts[item];
        }
        let mut next = starts.clone();
        let n_pairs = starts[nearest.len()];
        let (mut candidates, mut weights) = (vec![0u32; n_pairs], vec![0f32; n_pairs]);
        for (candidate, list) in nearest.iter().enumerate() {
            for &(weight, owned) in list {
                let at = &mut next[owned as usize];
                candidates[*at] = candidate as u32;
                weights[*at] = weight;
                *at += 1;
            }
        }
        Similar { starts, candidates, weights }
    }

    fn row(&self, owned: u32) -> impl Iterator<Item = (u32, f32)> + '_ {
        let range = self.starts[owned as usize]..self.starts[owned as usize + 1];
        self.candidates[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let lengths: Vec<u32> = self.starts.windows(2).map(|w| (w[1] - w[0]) as u32).collect();
        model_file::write_ids(&dir.join("similar_lengths.npy"), &lengths)?;
        model_file::write_ids(&dir.join("similar_items.npy"), &self.candidates)?;
        model_file::write_vector(&dir.join("similar_weights.npy"), &self.weights)
    }

    fn load(dir: &Path, n_items: usize) -> Result<Self, RecommendError> {
        let bound = u32::try_from(n_items).unwrap_or(u32::MAX);
        let lengths = model_file::read_ids(&dir.join("similar_lengths.npy"), Some(n_items), u32::MAX)?;
        let mut starts = vec![0usize];
        for length in lengths {
            starts.push(starts[starts.len() - 1] + length as usize);
        }
        let n_pairs = starts[n_items];
        let candidates = model_file::read_ids(&dir.join("similar_items.npy"), Some(n_pairs), bound)?;
        let weights = model_file::read_vector(&dir.join("similar_weights.npy"), n_pairs)?;
        Ok(Similar { starts, candidates, weights })
    }
}

/// Fitted: who chose what, and which items speak for which.
struct Fitted {
    params: Params,
    history: History,
    popularity: Vec<f32>,
    similar: Similar,
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(rank_rows(self.history.n_items(), requests, |request, scores| {
            scores.fill(0.0);
            for &owned in self.history.with_session(request, self.params.fold_in).iter() {
                for (candidate, weight) in self.similar.row(owned) {
                    scores[candidate as usize] += weight;
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
        self.history.save(dir)?;
        self.similar.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Interaction, Interactions};
    use crate::id::{ItemId, UserId};
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;

    fn history(n_users: usize, n_items: usize, pairs: impl IntoIterator<Item = (u32, u32)>) -> History {
        let of = |(user, item)| Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 };
        let pairs: Vec<Interaction> = pairs.into_iter().map(of).collect();
        History::new(&Interactions::from_sorted(n_users, n_items, &pairs))
    }

    /// Most similar first.
    fn sorted(mut list: Vec<(f32, u32)>) -> Vec<(f32, u32)> {
        list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        list
    }

    fn neighbours(params: Params) -> Vec<Vec<(f32, u32)>> {
        // User 0 has items 0 1 2 3, user 1 has 0 1, user 2 has 1; item 4 nobody has.
        let history = history(3, 5, [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (2, 1)]);
        nearest_neighbours(&history, &params, &|_| {}).into_iter().map(sorted).collect()
    }

    #[test]
    fn similarities_match_by_hand() {
        let plain = Params { k: 10, shrinkage: 0.0, damping: 0.0, fold_in: false };
        let lists = neighbours(plain);
        // cos(0, 1) = 2 / √(2·3); cos(0, 2) = 1 / √(2·1).
        let expected = [(2.0 / 6f32.sqrt(), 1), (0.5f32.sqrt(), 2), (0.5f32.sqrt(), 3)];
        assert_eq!(lists[0].len(), expected.len());
        for (found, expected) in lists[0].iter().zip(expected) {
            assert!((found.0 - expected.0).abs() < 1e-6 && found.1 == expected.1, "{found:?} {expected:?}");
        }
        assert!(lists[4].is_empty());
        let nearest = &neighbours(Params { k: 1, ..plain })[0];
        assert_eq!(nearest.iter().map(|pair| pair.1).collect::<Vec<_>>(), [1]);

        // Damped: weights 1/4, 1/2, 1; ‖0‖² = 3/4, ‖1‖² = 7/4; w̄ = (1 + 1 + 1) / 7.
        let damped = neighbours(Params { shrinkage: 2.0, damping: 0.5, ..plain });
        let expected = 0.75 / ((0.75f32 * 1.75).sqrt() + 2.0 * 3.0 / 7.0);
        assert!((damped[0][0].0 - expected).abs() < 1e-6, "{:?}", damped[0]);
    }

    #[test]
    fn both_ways_find_the_same_neighbours_to_the_bit() {
        let mut rng = Streams::new(3).stream(Purpose::Synthesis, 0, 0, 0);
        let all = (0..60).flat_map(|user| (0..90).map(move |item| (user, item)));
        let history = history(60, 90, all.filter(|_| rng.random_bool(0.05)));
        for (k, shrinkage) in [(3, 0.0), (20, 5.0), (90, 0.0)] {
            let cosine = Cosine::new(&history, &Params { k, shrinkage, damping: 0.5, fold_in: false });
            let mut scratch = Scratch { shared: vec![0f32; 90], ..Scratch::default() };
            for item in 0..90 {
                let few = cosine.nearest_of_few(item, &mut scratch);
                let all = cosine.nearest_of_all(item, &mut scratch);
                assert_eq!(sorted(few), sorted(all), "item {item}, k {k}");
            }
        }
    }
}

//! `ease`: one linear regression of every item on all others, in closed form.
//!
//! H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. With X the
//! binary user × item matrix, G = XᵀX and P = (G + λ I)⁻¹,
//!
//! ```text
//! B_ij = 0 for i = j, -P_ij / P_jj otherwise        (equation 8)
//! score(u, ·) = x_u · B
//! ```
//!
//! Defaults: `reg` (λ) 500, the paper's value for ML-20M, and the best on the Agent4Rec
//! validation set among 50–1500. The Gram matrix and its inverse
//! are computed in f64, B is kept in f32: n_items² × 12 bytes while fitting, × 4 after.
//!
//! Addition, off by default: `damping` weights a user with n items by n^(-2·damping) in G,
//! scaled so that an average interaction keeps weight 1 and `reg` its meaning (0.25 adds
//! .0045 recall@20 on the Agent4Rec validation set). People without any history get the
//! most popular items.

use super::cholesky;
use super::history::History;
use super::rank::rank_rows;
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use crate::recommender::dense::Matrix;
use crate::scenario::params::{self, Complaint};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The kind `ease`.
pub struct Ease;

const NAME: &str = "ease";

/// The largest catalogue taken: 30,000 items need 11 GB while fitting.
const N_ITEMS_MAX: usize = 30_000;

/// Hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// λ, the L2 regularisation, in interactions.
    pub reg: f64,
    /// How much a user's weight falls with their number of items: 0 = not at all (the paper).
    pub damping: f64,
    /// Whether what is watched in a session changes its next page.
    pub fold_in: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { reg: 500.0, damping: 0.0, fold_in: false }
    }
}

impl RecommenderKind for Ease {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "a linear item-item autoencoder in closed form",
            source: "Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019",
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
        params::within(at, "reg", params.reg, 1e-3, 1e9)?;
        params::within(at, "damping", params.damping, 0.0, 2.0)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, n_items): (Params, usize) = model_file::read_header(dir, NAME)?;
        let path = dir.join("weights.npy");
        let weights = model_file::read_matrix(&path)?;
        if (weights.n_rows, weights.n_cols) != (n_items, n_items) {
            let found = format!("is {} × {}", weights.n_rows, weights.n_cols);
            return Err(model_file::bad(&path, format!("{found}, must be {n_items} × {n_items}")));
        }
        let history = History::load(dir, n_items)?;
        Ok(Box::new(Fitted { params, popularity: history.popularity(), history, weights }))
    }
}

impl Trainer for Params {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let n_items = training.n_items();
        if n_items > N_ITEMS_MAX {
            let problem =
                format!("ease needs n_items² memory; n_items is {n_items}, must be at most {N_ITEMS_MAX}");
            return Err(RecommendError::BadTraining { problem });
        }
        let history = History::new(training.train);
        context.progress.begin(NAME, 3 * cholesky::n_steps(n_items) as u64);
        let gram = regularised_gram(&history, self);
        let inverse = cholesky::invert(gram, n_items, &|| context.progress.advance(1, ""));
        context.progress.end();
        let inverse = inverse.map_err(|error| RecommendError::BadTraining {
            problem: format!(
                "the Gram matrix is not positive definite (pivot {} of item {}); reg is {}, raise it",
                error.pivot, error.row, self.reg
            ),
        })?;
        let weights = Matrix::new(n_items, n_items, item_weights(inverse));
        Ok(Box::new(Fitted { params: *self, popularity: history.popularity(), history, weights }))
    }
}

/// The lower triangle of G + λ I, `n_items × n_items`.
fn regularised_gram(history: &History, params: &Params) -> Vec<f64> {
    let n_items = history.n_items();
    let users = history.by_item();
    let user_weights = user_weights(history, params.damping);
    let mut gram = vec![0f64; n_items * n_items];
    gram.par_chunks_mut(n_items.max(1)).enumerate().for_each(|(item, row)| {
        for &user in users.row(item) {
            let weight = user_weights[user as usize];
            for &other in history.row(user as usize) {
                if other as usize > item {
                    break;
                }
                row[other as usize] += weight;
            }
        }
        row[item] += params.reg;
    });
    gram
}

/// What one interaction of each user weighs; the mean over all interactions is 1.
fn user_weights(history: &History, damping: f64) -> Vec<f64> {
    let n_of = |user: usize| history.row(user).len() as f64;
    let raw: Vec<f64> = (0..history.n_users()).map(|user| n_of(user).max(1.0).powf(-2.0 * damping)).collect();
    let n_interactions: f64 = (0..history.n_users()).map(n_of).sum();
    let total: f64 = raw.iter().enumerate().map(|(user, weight)| weight * n_of(user)).sum();
    let scale = if total > 0.0 { n_interactions / total } else { 1.0 };
    raw.iter().map(|weight| weight * scale).collect()
}

/// B from P, in place: every column by its own -P_jj, and a zero diagonal.
fn item_weights(inverse: cholesky::Inverse) -> Vec<f32> {
    let cholesky::Inverse { mut inverse, diagonal } = inverse;
    let scales: Vec<f32> = diagonal.iter().map(|&p| (-1.0 / p) as f32).collect();
    inverse.par_chunks_mut(scales.len().max(1)).enumerate().for_each(|(item, row)| {
        row.iter_mut().zip(&scales).for_each(|(weight, scale)| *weight *= scale);
        row[item] = 0.0;
    });
    inverse
}

/// Fitted: B, row = owned item, column = candidate.
struct Fitted {
    params: Params,
    history: History,
    popularity: Vec<f32>,
    weights: Matrix,
}

impl Fitted {
    /// x · B, four rows of B at a time in history order.
    fn score(&self, owned: &[u32], scores: &mut [f32]) {
        scores.fill(0.0);
        let row = |item: u32| self.weights.row(item as usize);
        let (fours, rest) = owned.as_chunks::<4>();
        for &[a, b, c, d] in fours {
            let pairs = row(a).iter().zip(row(b)).zip(row(c).iter().zip(row(d)));
            for (score, ((a, b), (c, d))) in scores.iter_mut().zip(pairs) {
                *score += (a + b) + (c + d);
            }
        }
        for &item in rest {
            scores.iter_mut().zip(row(item)).for_each(|(score, weight)| *score += weight);
        }
    }
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(rank_rows(self.history.n_items(), requests, |request, scores| {
            let owned = self.history.with_session(request, self.params.fold_in);
            if owned.is_empty() {
                scores.copy_from_slice(&self.popularity);
            } else {
                self.score(&owned, scores);
            }
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
        model_file::write_matrix(&dir.join("weights.npy"), &self.weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Interaction, Interactions};
    use crate::id::{ItemId, UserId};

    /// Users 0, 1 have items 0 and 1, user 2 has 1 and 2.
    fn history() -> History {
        let pairs: Vec<Interaction> = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 2)]
            .map(|(user, item)| Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 })
            .into();
        History::new(&Interactions::from_sorted(3, 3, &pairs))
    }

    #[test]
    fn weights_match_by_hand() {
        let params = Params { reg: 1.0, damping: 0.0, fold_in: false };
        let gram = regularised_gram(&history(), &params);
        assert_eq!(gram, [3.0, 0.0, 0.0, 2.0, 4.0, 0.0, 0.0, 1.0, 2.0]);
        // P = adj(G + I) / 13, G + I = [3 2 0; 2 4 1; 0 1 2]:
        // adj = [7 -4 2; -4 6 -3; 2 -3 8], so B_ij = -adj_ij / adj_jj.
        let weights = item_weights(cholesky::invert(gram, 3, &|| {}).expect("positive definite"));
        let expected = [0.0, 4.0 / 6.0, -2.0 / 8.0, 4.0 / 7.0, 0.0, 3.0 / 8.0, -2.0 / 7.0, 3.0 / 6.0, 0.0];
        for (found, expected) in weights.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{weights:?}");
        }
    }

    #[test]
    fn damped_weights_average_to_one_over_interactions() {
        let pairs: Vec<Interaction> = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
            .map(|(user, item)| Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 })
            .into();
        let weights = user_weights(&History::new(&Interactions::from_sorted(3, 4, &pairs)), 0.5);
        // Raw 1/4 (four times), 1 (once): total 2 of 5.
        assert_eq!(weights[..2], [0.625, 2.5]);
    }
}

//! `embeddings`: user and item vectors from `.npy` files; the score of an item is the inner
//! product of the two vectors, or its cosine.
//!
//! Vectors of a LightGCN may be given as they were trained (its ego vectors) and are then
//! propagated over the training graph here, as in He et al. (SIGIR 2020), equations 4 and 7.
//! New behaviour changes nothing in a session. Must not know how the vectors were learned.

use super::super::dense::{Matrix, dot};
use super::super::factors::Factors;
use super::super::fitted::Fitted;
use super::super::training::graph;
use super::super::{
    About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind, Surroundings,
};
use super::super::{Trainer, Training, model_file};
use super::bad;
use crate::dataset::Vocabulary;
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name in a scenario.
const NAME: &str = "embeddings";

/// Parameters of `embeddings`. Paths start at the folder the command is given in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingsParams {
    /// `.npy` file of the user vectors, one row a user, 16-, 32- or 64-bit floats.
    pub users: PathBuf,
    /// `.npy` file of the item vectors, one row an item, as wide as those of the users.
    pub items: PathBuf,
    /// `.npy` file of one number an item that is added to its score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_bias: Option<PathBuf>,
    /// Whose row is which: `dense` (in the order of the raw ids, numbers before words) or `raw` (the raw
    /// id is the number of the row, from 0).
    #[serde(default)]
    pub rows: RowOrder,
    /// How two vectors make a score: `dot` or `cosine`.
    #[serde(default)]
    pub similarity: Similarity,
    /// Steps of propagation over the training graph, for the ego vectors of a LightGCN, 0..=10.
    #[serde(default)]
    pub propagate_layers: u32,
}

/// Which row of a file belongs to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// One row for everybody in the dataset, in the order of `catalogue.parquet` and of the raw ids.
    #[default]
    Dense,
    /// The raw id is the row's number; rows that nobody in the dataset has are left out.
    Raw,
}

/// How two vectors make a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Similarity {
    /// The inner product.
    #[default]
    Dot,
    /// The inner product of the vectors brought to length 1.
    Cosine,
}

/// The kind `embeddings`.
pub struct Embeddings;

impl RecommenderKind for Embeddings {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "user and item vectors trained elsewhere, from .npy files",
            source: "docs/foreign-recommenders.md",
            needs: Needs::Foreign,
            folds_in: false,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(EmbeddingsParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let users = ("users", "the .npy file of the user vectors");
        let items = ("items", "the .npy file of the item vectors");
        let params: EmbeddingsParams = params::parse_with(at, table, &[users, items])?;
        params::within(at, "propagate_layers", params.propagate_layers, 0, 10)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        Fitted::<EmbeddingsParams, _>::load(NAME, dir, |_| Factors::load(dir))
    }
}

impl Trainer for EmbeddingsParams {
    /// Reads the vectors. People whose vector is all zeros get the most popular items.
    fn fit(
        &self,
        training: &Training<'_>,
        _context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let users = model_file::read_matrix(&self.users)?;
        let items = model_file::read_matrix(&self.items)?;
        if users.n_cols != items.n_cols || items.n_cols == 0 {
            let width =
                format!("has {} columns, {} has {}", items.n_cols, self.users.display(), users.n_cols);
            return Err(bad(&self.items, width + "; both must have the same number, at least 1"));
        }
        let bias = match &self.item_bias {
            Some(path) => Some((path, model_file::read_vector(path, items.n_rows)?)),
            None => None,
        };
        let (n_users, n_items) = (training.n_users(), training.n_items());
        let mut users = self.pick(&self.users, users, n_users, "users", training.users)?;
        let mut items = self.pick(&self.items, items, n_items, "items", training.items)?;
        let item_bias = match bias {
            Some((path, bias)) => {
                let bias = Matrix::new(bias.len(), 1, bias);
                Some(self.pick(path, bias, n_items, "items", training.items)?.data)
            }
            None => None,
        };
        if self.propagate_layers > 0 {
            (users, items) = graph::propagated(&training.train.matrix, &users, &items, self.propagate_layers);
        }
        if self.similarity == Similarity::Cosine {
            normalise(&mut users);
            normalise(&mut items);
        }
        let popularity = training.train.item_counts().iter().map(|&count| count as f32).collect();
        let factors = Factors::from_parts(users, items, item_bias, popularity);
        Ok(Fitted::boxed(NAME, self.clone(), factors))
    }
}

impl EmbeddingsParams {
    /// The rows of a file in dense order.
    fn pick(
        &self,
        path: &Path,
        rows: Matrix,
        n: usize,
        what: &str,
        raw_ids: &Vocabulary,
    ) -> Result<Matrix, RecommendError> {
        if self.rows == RowOrder::Dense {
            let shape = format!("has shape [{}, {}]", rows.n_rows, rows.n_cols);
            if rows.n_rows == n {
                return Ok(rows);
            }
            let expected = format!("must have [{n}, {}]: the dataset has {n} {what}", rows.n_cols);
            return Err(bad(path, format!("{shape}, {expected}")));
        }
        let mut picked = Matrix::zeros(n, rows.n_cols);
        for (dense, raw) in raw_ids.all().iter().enumerate().take(n) {
            let row = raw.parse::<usize>().ok().filter(|&row| row < rows.n_rows);
            let Some(row) = row else {
                let found = format!("has shape [{}, {}]", rows.n_rows, rows.n_cols);
                let expected =
                    format!("must have a row for id \"{raw}\", one of the {n} {what} of the dataset");
                return Err(bad(path, format!("{found}, {expected}")));
            };
            picked.row_mut(dense).copy_from_slice(rows.row(row));
        }
        Ok(picked)
    }
}

/// Brings every row to length 1; rows of zeros stay.
fn normalise(rows: &mut Matrix) {
    for row in 0..rows.n_rows {
        let row = rows.row_mut(row);
        let length = dot(row, row).sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
}

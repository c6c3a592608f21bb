//! Models on item text at serving time: an item is a fixed vector, a person what a perceptron makes of the mean
//! text of their items, smoothed over the graph where the model has one. People who are new, and what
//! anybody watches in a session, are folded in by computing their vector anew. Must not know how the
//! perceptron was trained.

use super::dense::Matrix;
use super::factors::Factors;
use super::history::History;
use super::training::init::{padded, unpad};
use super::training::mlp::{Mlp, Shape};
use super::training::spmm::SparseRows;
use super::{Ranked, RecommendError, Request, model_file};
use crate::dataset::sparse::Csr;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A fitted model.
pub struct TextTowers {
    /// Item text as vectors, `n_items × dimension`, rows padded.
    text: Vec<f32>,
    history: History,
    people: Mlp,
    /// What an item adds to the sum of all layers of whoever has it, before that person's own degree,
    /// `n_items × embedding_size`, rows padded; and the number of layers.
    carry: Option<(Vec<f32>, u32)>,
    factors: Factors,
    fold_in: bool,
}

/// Sizes of what is saved.
#[derive(Serialize, Deserialize)]
struct Sizes {
    dimension: usize,
    hidden_size: usize,
    embedding_size: usize,
    n_layers: u32,
    n_items: usize,
}

/// One row a user: the mean of the text of their items, rows padded to `stride`.
pub fn mean_rows(train: &Csr, text: &[f32], stride: usize) -> Vec<f32> {
    let mut mean =
        SparseRows { indptr: train.indptr.clone(), indices: train.indices.clone(), values: Vec::new() };
    for user in 0..train.n_rows {
        let n = train.row(user).0.len();
        mean.values.extend(std::iter::repeat_n(1.0 / n.max(1) as f32, n));
    }
    let mut rows = vec![0f32; train.n_rows * stride];
    mean.multiply(&mut rows, text, None, 1.0, stride);
    rows
}

/// A fitted model's parts, as training leaves them.
pub struct Parts {
    /// Item text as vectors, rows padded.
    pub text: Vec<f32>,
    /// Who has what.
    pub history: History,
    /// From mean text to a person's vector.
    pub people: Mlp,
    /// The same as [`TextTowers`] keeps.
    pub carry: Option<(Vec<f32>, u32)>,
    /// The vectors of everybody in training and of all items.
    pub factors: Factors,
}

impl TextTowers {
    /// A model from its parts.
    pub fn new(parts: Parts, fold_in: bool) -> Self {
        let Parts { text, history, people, carry, factors } = parts;
        TextTowers { text, history, people, carry, factors, fold_in }
    }

    /// One list a request.
    pub fn recommend(&self, requests: &[Request<'_>]) -> Vec<Ranked> {
        self.factors.recommend_with(requests, |request, row| {
            let items = self.history.with_session(request, self.fold_in);
            let is_known = items.len() == self.history.of(request.user).len();
            match self.factors.user(request.user) {
                Some(vector) if is_known => row.copy_from_slice(vector),
                _ if items.is_empty() => return false,
                _ => self.person(&items, row),
            }
            true
        })
    }

    /// The vector of somebody who has these items.
    fn person(&self, items: &[u32], row: &mut [f32]) {
        let Shape { input, output, .. } = self.people.shape();
        let (input, output) = (padded(input), padded(output));
        let mut mean = vec![0f32; input];
        let share = 1.0 / items.len() as f32;
        for &item in items {
            let text = &self.text[item as usize * input..][..input];
            mean.iter_mut().zip(text).for_each(|(mean, x)| *mean += share * x);
        }
        let mut vector = vec![0f32; output];
        self.people.apply(&mean, &mut vector);
        if let Some((carry, n_layers)) = &self.carry {
            let share = 1.0 / (items.len() as f32).sqrt();
            for &item in items {
                let carry = &carry[item as usize * output..][..output];
                vector.iter_mut().zip(carry).for_each(|(x, carry)| *x += share * carry);
            }
            let scale = 1.0 / (n_layers + 1) as f32;
            vector.iter_mut().for_each(|x| *x *= scale);
        }
        let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        row.iter_mut().zip(&vector).for_each(|(to, x)| *to = scale * x);
    }

    /// Whether what is watched in a session changes its next page.
    pub fn folds_in(&self) -> bool {
        self.fold_in
    }

    /// Writes everything but the model's own header.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let Shape { input, hidden, output } = self.people.shape();
        let n_items = self.history.n_items();
        let n_layers = self.carry.as_ref().map_or(0, |(_, n_layers)| *n_layers);
        let sizes =
            Sizes { dimension: input, hidden_size: hidden, embedding_size: output, n_layers, n_items };
        let path = dir.join("towers.json");
        let text = serde_json::to_vec_pretty(&sizes).expect("plain data is JSON");
        crate::files::write_whole(&path, &text).map_err(|source| RecommendError::Io { path, source })?;
        model_file::write_matrix(
            &dir.join("text.npy"),
            &Matrix::new(n_items, input, unpad(&self.text, input)),
        )?;
        for (number, table) in self.people.tables().iter().enumerate() {
            model_file::write_vector(&dir.join(format!("people_{number}.npy")), table)?;
        }
        if let Some((carry, _)) = &self.carry {
            model_file::write_vector(&dir.join("carry.npy"), carry)?;
        }
        self.history.save(dir)?;
        self.factors.save(dir)
    }

    /// Reads what [`TextTowers::save`] wrote.
    pub fn load(dir: &Path, fold_in: bool) -> Result<Self, RecommendError> {
        let path = dir.join("towers.json");
        let bytes = crate::intake::bytes(&path, crate::intake::WRITTEN_BYTES_MAX)
            .map_err(|source| RecommendError::Io { path: path.clone(), source })?;
        let sizes: Sizes =
            serde_json::from_slice(&bytes).map_err(|error| model_file::bad(&path, error.to_string()))?;
        for (name, size) in [
            ("dimension", sizes.dimension),
            ("hidden_size", sizes.hidden_size.max(1)),
            ("embedding_size", sizes.embedding_size),
        ] {
            if !(1..=1 << 16).contains(&size) {
                return Err(model_file::bad(&path, format!("{name} is {size}, must be 1..=65536")));
            }
        }
        model_file::check_n_items(dir, sizes.n_items)?;
        let factors = Factors::load(dir)?;
        let expected = (sizes.n_items, sizes.embedding_size);
        let found = (factors.items().n_rows, factors.items().n_cols);
        if found != expected {
            return Err(model_file::bad(&path, format!("items.npy is {found:?}, must be {expected:?}")));
        }
        let at = dir.join("text.npy");
        let text = model_file::read_matrix(&at)?;
        if (text.n_rows, text.n_cols) != (sizes.n_items, sizes.dimension) {
            let problem = format!(
                "is {} × {}, must be {} × {}",
                text.n_rows, text.n_cols, sizes.n_items, sizes.dimension
            );
            return Err(model_file::bad(&at, problem));
        }
        let shape = Shape { input: sizes.dimension, hidden: sizes.hidden_size, output: sizes.embedding_size };
        let tables = shape.lens().into_iter().enumerate();
        let tables: Result<Vec<Vec<f32>>, RecommendError> = tables
            .map(|(number, len)| model_file::read_vector(&dir.join(format!("people_{number}.npy")), len))
            .collect();
        let carry = match sizes.n_layers {
            0 => None,
            n_layers => {
                let len = sizes.n_items * padded(sizes.embedding_size);
                Some((model_file::read_vector(&dir.join("carry.npy"), len)?, n_layers))
            }
        };
        let history = History::load(dir, sizes.n_items)?;
        if history.n_users() != factors.users().n_rows {
            let problem = format!("has {} users, must have {}", history.n_users(), factors.users().n_rows);
            return Err(model_file::bad(&dir.join("history_lengths.npy"), problem));
        }
        let text = super::training::init::pad(&text.data, sizes.dimension);
        let people = Mlp::from_tables(shape, tables?);
        Ok(TextTowers::new(Parts { text, history, people, carry, factors }, fold_in))
    }
}

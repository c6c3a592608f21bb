//! Factor models at serving time: score = user vector · item vector (+ item bias).
//!
//! Shared by every model that ends in two factor matrices (mf, als, lightgcn, foreign
//! embeddings). It must not know how the factors were learned.
//!
//! Scoring is a blocked product: `BLOCK` requests × a tile of items at a time, masked
//! and fed to the partial selection while it is in cache; no whole score row is ever
//! held. Blocks are padded to `BLOCK` rows, so every product has one of two fixed
//! shapes and the answer for a request is the same bits in any batch.

use super::dense::{Matrix, View, multiply};
use super::model_file;
use super::rank::{TopN, exclude};
use super::{Ranked, RecommendError, Request};
use crate::dataset::Interactions;
use rayon::prelude::*;
use std::path::Path;

/// Requests scored by one product.
const BLOCK: usize = 64;

/// Items scored by one product: the tile of scores (512 KiB) stays in the second-level cache.
const TILE: usize = 2048;

/// The widest factors a model file may hold.
const WIDTH_MAX: usize = 1 << 16;

/// Fitted factors.
///
/// People without a vector get the most popular items: users past the matrix, and users
/// whose row is all zeros (no training interactions, so nothing was learned about them).
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// `n_users × embedding_size`.
    users: Matrix,
    /// `n_items × embedding_size`.
    items: Matrix,
    /// One a item, where the model has it.
    item_bias: Option<Vec<f32>>,
    /// Training interactions of every item: the scores for people without a vector.
    popularity: Vec<f32>,
}

impl Factors {
    /// Fitted factors of the users and items of a training set; the rows of users without
    /// training interactions are set to zero.
    ///
    /// # Panics
    /// When the shapes do not fit each other.
    pub fn new(mut users: Matrix, items: Matrix, item_bias: Option<Vec<f32>>, train: &Interactions) -> Self {
        assert_eq!(users.n_rows, train.matrix.n_rows, "one row a user");
        for user in 0..users.n_rows {
            if train.matrix.row(user).0.is_empty() {
                users.row_mut(user).fill(0.0);
            }
        }
        let popularity = train.item_counts().iter().map(|&count| count as f32).collect();
        Factors::from_parts(users, items, item_bias, popularity)
    }

    /// Factors from their parts; a user's row of zeros means that nothing is known about them.
    ///
    /// # Panics
    /// When the shapes do not fit each other.
    pub fn from_parts(
        users: Matrix,
        items: Matrix,
        item_bias: Option<Vec<f32>>,
        popularity: Vec<f32>,
    ) -> Self {
        assert_eq!(users.n_cols, items.n_cols, "users and items share one space");
        assert_eq!(popularity.len(), items.n_rows, "one popularity an item");
        assert!(item_bias.as_ref().is_none_or(|b| b.len() == items.n_rows), "one bias an item");
        Factors { users, items, item_bias, popularity }
    }

    /// The user factors, `n_users × embedding_size`.
    pub fn users(&self) -> &Matrix {
        &self.users
    }

    /// The item factors, `n_items × embedding_size`.
    pub fn items(&self) -> &Matrix {
        &self.items
    }

    /// The learned vector of a user, if there is one.
    pub fn user(&self, user: crate::id::UserId) -> Option<&[f32]> {
        let known = user.idx() < self.users.n_rows;
        known.then(|| self.users.row(user.idx())).filter(|row| row.iter().any(|&x| x != 0.0))
    }

    /// One list a request, by the learned vectors.
    pub fn recommend(&self, requests: &[Request<'_>]) -> Vec<Ranked> {
        self.recommend_with(requests, |request, row| match self.user(request.user) {
            Some(vector) => {
                row.copy_from_slice(vector);
                true
            }
            None => false,
        })
    }

    /// One list a request, by vectors that `vector` writes (folding in, say); where it
    /// answers `false`, the most popular items.
    pub fn recommend_with(
        &self,
        requests: &[Request<'_>],
        vector: impl Fn(&Request<'_>, &mut [f32]) -> bool + Sync,
    ) -> Vec<Ranked> {
        let width = self.items.n_cols;
        let tile = TILE.min(self.items.n_rows);
        requests
            .par_chunks(BLOCK)
            .map_init(
                || (vec![0f32; BLOCK * width], vec![0f32; BLOCK * tile]),
                |(vectors, scores), block| {
                    let mut known = [false; BLOCK];
                    vectors.fill(0.0);
                    for (at, request) in block.iter().enumerate() {
                        let row = &mut vectors[at * width..(at + 1) * width];
                        known[at] = request.n > 0 && vector(request, row);
                    }
                    self.rank_block(block, vectors, &known, scores)
                },
            )
            .collect::<Vec<Vec<Ranked>>>()
            .into_iter()
            .flatten()
            .collect()
    }

    /// Ranks one block, tile by tile. `scores` is `BLOCK × tile`.
    fn rank_block(
        &self,
        block: &[Request<'_>],
        vectors: &[f32],
        known: &[bool; BLOCK],
        scores: &mut [f32],
    ) -> Vec<Ranked> {
        let (n_items, width) = (self.items.n_rows, self.items.n_cols);
        let mut tops: Vec<TopN> = block.iter().map(|_| TopN::new()).collect();
        for (top, request) in tops.iter_mut().zip(block) {
            top.reset(request.n.min(n_items));
        }
        for first in (0..n_items).step_by(TILE) {
            let tile = TILE.min(n_items - first);
            if known.contains(&true) {
                let rows = View::new(vectors, BLOCK, width, width);
                let columns = View::new(&self.items.data[first * width..], tile, width, width).t();
                multiply(&mut scores[..BLOCK * tile], tile, 0.0, 1.0, rows, columns);
            }
            for (at, request) in block.iter().enumerate() {
                let row = &mut scores[at * tile..(at + 1) * tile];
                if !known[at] {
                    row.copy_from_slice(&self.popularity[first..first + tile]);
                } else if let Some(bias) = &self.item_bias {
                    row.iter_mut().zip(&bias[first..]).for_each(|(score, bias)| *score += bias);
                }
                exclude(request, first as u32, row);
                tops[at].offer(first as u32, row);
            }
        }
        tops.iter_mut().map(TopN::finish).collect()
    }

    /// Writes `users.npy`, `items.npy`, `popularity.npy` and, where there is one, `item_bias.npy`.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_matrix(&dir.join("users.npy"), &self.users)?;
        model_file::write_matrix(&dir.join("items.npy"), &self.items)?;
        model_file::write_vector(&dir.join("popularity.npy"), &self.popularity)?;
        match &self.item_bias {
            Some(bias) => model_file::write_vector(&dir.join("item_bias.npy"), bias),
            None => Ok(()),
        }
    }

    /// Reads what [`Factors::save`] wrote.
    pub fn load(dir: &Path) -> Result<Self, RecommendError> {
        let path = dir.join("users.npy");
        let users = model_file::read_matrix(&path)?;
        if !(1..=WIDTH_MAX).contains(&users.n_cols) {
            let problem = format!("has {} columns, must have 1..={WIDTH_MAX}", users.n_cols);
            return Err(RecommendError::BadModel { path, problem });
        }
        let path = dir.join("items.npy");
        let items = model_file::read_matrix(&path)?;
        if items.n_cols != users.n_cols {
            let problem = format!("has {} columns, must have {} as users.npy", items.n_cols, users.n_cols);
            return Err(RecommendError::BadModel { path, problem });
        }
        let popularity = model_file::read_vector(&dir.join("popularity.npy"), items.n_rows)?;
        let path = dir.join("item_bias.npy");
        let item_bias = path.exists().then(|| model_file::read_vector(&path, items.n_rows)).transpose()?;
        Ok(Factors { users, items, item_bias, popularity })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rank::top_n;
    use super::*;
    use crate::id::{ItemId, UserId};
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;

    fn factors(n_users: usize, n_items: usize, width: usize, bias: bool) -> Factors {
        let mut rng = Streams::new(3).stream(Purpose::Init, 0, 0, 0);
        let mut draw = |n: usize| (0..n).map(|_| rng.random::<f32>() - 0.5).collect::<Vec<f32>>();
        let (users, items) = (draw(n_users * width), draw(n_items * width));
        Factors::from_parts(
            Matrix::new(n_users, width, users),
            Matrix::new(n_items, width, items),
            bias.then(|| draw(n_items)),
            (0..n_items).map(|i| (i % 7) as f32).collect(),
        )
    }

    fn request<'a>(user: u32, known: &'a [u32], shown: &'a [ItemId]) -> Request<'a> {
        Request { user: UserId(user), luck: 0, round: 0, page: 1, n: 20, known, shown, feedback: &[] }
    }

    #[test]
    fn a_request_is_answered_the_same_in_any_batch_bit_for_bit() {
        let known: Vec<u32> = (0..300).step_by(5).collect();
        // Shapes at which kernels change: tiny, odd, and past one tile.
        for (n_items, width) in [(1, 3), (3, 1), (4, 64), (17, 2), (300, 7), (2049, 64), (4500, 33)] {
            let factors = factors(150, n_items, width, true);
            let requests: Vec<Request<'_>> = (0..150).map(|u| request(u, &known, &[])).collect();
            let all = factors.recommend(&requests);
            for (at, single) in requests.iter().enumerate().step_by(7) {
                let alone = factors.recommend(std::slice::from_ref(single));
                assert_eq!(alone[0], all[at], "{n_items} items, {width} wide, user {at}");
                let bits = |r: &Ranked| r.scores.iter().map(|s| s.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&alone[0]), bits(&all[at]));
            }
            let shifted = factors.recommend(&requests[13..]);
            assert_eq!(shifted, all[13..], "{n_items} items, {width} wide");
        }
    }

    #[test]
    fn lists_equal_those_of_plain_inner_products() {
        let factors = factors(5, 4500, 16, true);
        let (known, shown) = ([0, 1, 2, 2047, 2048, 4499, 5000], [ItemId(2049), ItemId(7)]);
        for user in 0..5 {
            let request = request(user, &known, &shown);
            let bias = factors.item_bias.as_ref().expect("has biases");
            let mut scores: Vec<f32> = (0..4500)
                .map(|i| {
                    let terms = factors.users.row(user as usize).iter().zip(factors.items.row(i));
                    terms.map(|(a, b)| f64::from(a * b)).sum::<f64>() as f32 + bias[i]
                })
                .collect();
            let expected = top_n(&request, &mut scores, &mut TopN::new());
            let found = factors.recommend(&[request]).remove(0);
            assert_eq!(found.items, expected.items);
            for (a, b) in found.scores.iter().zip(&expected.scores) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }

    #[test]
    fn strangers_get_what_is_popular() {
        let mut factors = factors(2, 20, 4, false);
        factors.users.row_mut(1).fill(0.0);
        for user in [1, 2, u32::MAX] {
            let list = factors.recommend(&[request(user, &[], &[])]).remove(0);
            assert_eq!(list.items[..3], [ItemId(6), ItemId(13), ItemId(5)], "user {user}");
        }
    }
}

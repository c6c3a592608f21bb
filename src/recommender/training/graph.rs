//! Light graph convolution: vectors smoothed over the graph of who has what.
//!
//! He, Deng, Wang, Li, Zhang and Wang, SIGIR 2020 (LightGCN), equations 3 and 4, as matrices 7 and 8. With
//! `A` the symmetrically normalised adjacency matrix, ego vectors `E` become `P E` for
//! `P = (I + A + … + A^K) / (K + 1)`. `P` is symmetric, so the gradient with respect to `E` is `P` applied to
//! the gradient with respect to `P E`. Must not know losses.

use super::init::{pad, padded, unpad};
use super::spmm::SparseRows;
use crate::dataset::sparse::Csr;
use crate::recommender::dense::Matrix;

/// The normalised adjacency matrix of users (first) and items: `1 / sqrt(d_u d_i)` where user
/// `u` with `d_u` items has item `i` with `d_i` users.
pub fn normalised_graph(train: &Csr) -> SparseRows {
    let by_item = train.transpose();
    let n_users = train.n_rows as u32;
    let weight = |user: u32, item: u32| {
        let degrees = train.row(user as usize).0.len() * by_item.row(item as usize).0.len();
        (1.0 / (degrees as f64).sqrt()) as f32
    };
    let mut graph = SparseRows { indptr: vec![0], ..SparseRows::default() };
    for user in 0..n_users {
        for &item in train.row(user as usize).0 {
            graph.indices.push(n_users + item);
            graph.values.push(weight(user, item));
        }
        graph.indptr.push(graph.indices.len());
    }
    for item in 0..train.n_cols as u32 {
        for &user in by_item.row(item as usize).0 {
            graph.indices.push(user);
            graph.values.push(weight(user, item));
        }
        graph.indptr.push(graph.indices.len());
    }
    graph
}

/// `to = P · from` by Horner's rule: `(from + A (from + A (…))) / (K + 1)`.
pub fn propagate(
    graph: &SparseRows,
    n_layers: u32,
    stride: usize,
    from: &[f32],
    to: &mut Vec<f32>,
    spare: &mut Vec<f32>,
) {
    if n_layers == 0 {
        return to.copy_from_slice(from);
    }
    let scale = |layer| if layer == n_layers { 1.0 / (n_layers + 1) as f32 } else { 1.0 };
    graph.multiply(to, from, Some(from), scale(1), stride);
    for layer in 2..=n_layers {
        std::mem::swap(to, spare);
        graph.multiply(to, spare, Some(from), scale(layer), stride);
    }
}

/// Ego vectors trained elsewhere, propagated `n_layers` steps over the graph of a training set and
/// averaged: the vectors that score.
///
/// # Panics
/// When there is not one row a user and one an item, all of one width.
pub fn propagated(train: &Csr, users: &Matrix, items: &Matrix, n_layers: u32) -> (Matrix, Matrix) {
    assert_eq!((users.n_rows, items.n_rows), (train.n_rows, train.n_cols), "one row a user, one an item");
    assert_eq!(users.n_cols, items.n_cols, "users and items share one space");
    let width = users.n_cols;
    let ego = [pad(&users.data, width), pad(&items.data, width)].concat();
    let (mut smooth, mut spare) = (vec![0f32; ego.len()], vec![0f32; ego.len()]);
    propagate(&normalised_graph(train), n_layers, padded(width), &ego, &mut smooth, &mut spare);
    let (users, items) = smooth.split_at(train.n_rows * padded(width));
    (
        Matrix::new(train.n_rows, width, unpad(users, width)),
        Matrix::new(train.n_cols, width, unpad(items, width)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn propagation_is_the_mean_of_the_layers() {
        // One user with two items: A e_u = (e_i + e_j) / √2, A e_i = e_u / √2.
        let train = Csr::new(1, 2, vec![0, 2], vec![0, 1], vec![1.0; 2]);
        let graph = normalised_graph(&train);
        let ego: Vec<f32> = [1.0f32, 2.0, 4.0].iter().flat_map(|&x| [x; 8]).collect();
        let (mut to, mut spare) = (vec![0f32; 24], vec![0f32; 24]);
        propagate(&graph, 2, 8, &ego, &mut to, &mut spare);
        let h = 0.5f32.sqrt();
        let first = [6.0 * h, h, h];
        let second = [h * (first[1] + first[2]), h * first[0], h * first[0]];
        for row in 0..3 {
            let expected = ([1.0, 2.0, 4.0][row] + first[row] + second[row]) / 3.0;
            assert!((to[row * 8] - expected).abs() < 1e-6, "{row}: {} {expected}", to[row * 8]);
        }
    }
}

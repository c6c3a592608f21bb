//! Latent taste: a factor model of its own, fitted apart from every arm.
//!
//! Weighted alternating least squares over the whole matrix (Hu, Koren & Volinsky 2008, eqs. 4
//! and 5) on the evidence: by default all interactions, held-out ones included. Two changes: the
//! target of an observed pair follows the person's rating, and what a person did not choose counts
//! the more against it the better known it is (He et al., SIGIR 2016: weights grow with the root
//! of popularity), so that taste is more than fame. An arm of the same family is favoured by it:
//! reports must say so.

use super::Basis;
use super::factors::Factors;
use super::solve::{Square, solve};
use crate::dataset::Interactions;
use crate::dataset::sparse::Csr;
use crate::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

const N_FACTORS: usize = 32;
const N_SWEEPS: usize = 8;
const REG: f64 = 2.0;
/// Mean weight of a pair nobody observed, against 1 for an observed one.
const UNOBSERVED_WEIGHT: f64 = 0.05;
/// Highest such weight, for the best-known items.
const UNOBSERVED_WEIGHT_MAX: f64 = 0.5;
/// How far one rating point above the person's mean raises the target above 1.
const RATING_SLOPE: f32 = 0.3;

/// Fits the latent taste of a dataset's people.
pub(super) fn fit(basis: &Basis<'_>) -> Factors {
    let targets = targets(&basis.interactions);
    let transposed = targets.transpose();
    let fame = unobserved_weights(&transposed);
    let mut items = initial(targets.n_cols, basis.streams);
    let mut users = Vec::new();
    for _ in 0..N_SWEEPS {
        users = solve_users(&targets, &items, &fame);
        items = solve_items(&transposed, &users, &fame);
    }
    Factors { n_factors: N_FACTORS, users, items, quality: vec![0.0; targets.n_cols] }
}

/// What the model should predict for the observed pairs.
pub(super) fn targets(interactions: &Interactions) -> Csr {
    let mut matrix = interactions.matrix.clone();
    for user in 0..matrix.n_rows {
        let ratings = &mut matrix.values[matrix.indptr[user]..matrix.indptr[user + 1]];
        let mean = ratings.iter().sum::<f32>() / ratings.len().max(1) as f32;
        for rating in ratings {
            *rating = 1.0 + RATING_SLOPE * (*rating - mean);
        }
    }
    matrix
}

fn initial(n_items: usize, streams: Streams) -> Vec<f32> {
    let mut rng = streams.stream(Purpose::Population, 3, 0, 0);
    (0..n_items * N_FACTORS).map(|_| 0.1 * Distribution::<f32>::sample(&StandardNormal, &mut rng)).collect()
}

/// The weight of an unobserved pair, by item: it grows with the root of the item's popularity.
fn unobserved_weights(by_item: &Csr) -> Vec<f64> {
    let roots: Vec<f64> = (0..by_item.n_rows).map(|item| (by_item.row(item).0.len() as f64).sqrt()).collect();
    let mean = roots.iter().sum::<f64>() / roots.len().max(1) as f64;
    let weight = |root: f64| (UNOBSERVED_WEIGHT * root / mean.max(1e-9)).min(UNOBSERVED_WEIGHT_MAX);
    roots.into_iter().map(weight).collect()
}

/// The factors of every user, the items being fixed.
fn solve_users(targets: &Csr, items: &[f32], fame: &[f64]) -> Vec<f32> {
    let mut gram = [[0f64; N_FACTORS]; N_FACTORS];
    for (q, &weight) in items.chunks_exact(N_FACTORS).zip(fame) {
        add_outer(&mut gram, q, weight);
    }
    let solve = |user| solve_row(gram, targets.row(user), items, |item| fame[item as usize]);
    rows((0..targets.n_rows).into_par_iter().map(solve))
}

/// The factors of every item, the users being fixed.
fn solve_items(targets: &Csr, users: &[f32], fame: &[f64]) -> Vec<f32> {
    let mut gram = [[0f64; N_FACTORS]; N_FACTORS];
    users.chunks_exact(N_FACTORS).for_each(|p| add_outer(&mut gram, p, 1.0));
    let solve = |item: usize| {
        let weighted = gram.map(|row| row.map(|x| fame[item] * x));
        solve_row(weighted, targets.row(item), users, |_| fame[item])
    };
    rows((0..targets.n_rows).into_par_iter().map(solve))
}

fn rows(solved: impl IndexedParallelIterator<Item = [f32; N_FACTORS]>) -> Vec<f32> {
    solved.collect::<Vec<_>>().concat()
}

/// One row's factors: `gram` holds every pair at its unobserved weight, `weight` says which.
fn solve_row(
    mut gram: Square<N_FACTORS>,
    row: (&[u32], &[f32]),
    other: &[f32],
    weight: impl Fn(u32) -> f64,
) -> [f32; N_FACTORS] {
    let mut b = [0f64; N_FACTORS];
    for (k, row) in gram.iter_mut().enumerate() {
        row[k] += REG;
    }
    for (&column, &target) in row.0.iter().zip(row.1) {
        let q = &other[column as usize * N_FACTORS..][..N_FACTORS];
        add_outer(&mut gram, q, 1.0 - weight(column));
        for (b, &q) in b.iter_mut().zip(q) {
            *b += f64::from(target) * f64::from(q);
        }
    }
    solve(gram, b).map(|x| x as f32)
}

/// Adds `weight · q qᵀ` to the lower triangle; whole lanes, so that some of the upper one is
/// written too.
fn add_outer(a: &mut Square<N_FACTORS>, q: &[f32], weight: f64) {
    const LANES: usize = 8;
    let q: [f64; N_FACTORS] = std::array::from_fn(|k| f64::from(q[k]));
    for (i, row) in a.iter_mut().enumerate() {
        let scaled = weight * q[i];
        let end = (i / LANES + 1) * LANES;
        row[..end].iter_mut().zip(&q[..end]).for_each(|(a, q)| *a += scaled * q);
    }
}

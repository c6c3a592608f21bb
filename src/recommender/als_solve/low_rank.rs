//! Exact solutions for short rows, by a system that is only as large as the row is long.
//!
//! With G = YᵀY + reg · I and Y_o the rows that were met, the matrix of the parent module is
//! A = G + alpha Y_oᵀ Y_o. The Woodbury identity, in the form of K. B. Petersen,
//! M. S. Pedersen, "The Matrix Cookbook", 2012, §3.2.2, moves the inverse to the short side:
//!
//! ```text
//! x = (1 + alpha) (G + alpha Y_oᵀ Y_o)⁻¹ Y_oᵀ 1 = (1 + alpha) Z_oᵀ (I + alpha Y_o Z_oᵀ)⁻¹ 1,   Z = Y G⁻¹
//! ```
//!
//! G is the same for all rows of one side, so Z costs one product a side. What is left for a
//! row of n interactions is an n × n system instead of one as wide as the factors. Its
//! eigenvalues are all at least 1. Must not know users from items, nor look at another row.

use super::{LANES, Problem, dot, solve_positive};
use crate::recommender::cholesky;
use crate::recommender::dense::{View, multiply};
use rayon::prelude::*;

/// Rows of Z that one task computes.
const CHUNK: usize = 512;

/// Z = Y (YᵀY + reg · I)⁻¹, as wide as Y; `None` where the Gram matrix cannot be inverted.
///
/// The inverse is taken in `f64`, so that a Gram matrix of bad condition costs no digits here.
pub fn solve_all(others: &[f32], gram: &[f32], width: usize, reg: f32) -> Option<Vec<f32>> {
    let mut matrix: Vec<f64> = gram.iter().map(|&value| f64::from(value)).collect();
    (0..width).for_each(|at| matrix[at * width + at] += f64::from(reg));
    let inverse = cholesky::invert(matrix, width, &|| {}).ok()?.inverse;
    let mut solved = vec![0f32; others.len()];
    solved.par_chunks_mut(CHUNK * width).zip(others.par_chunks(CHUNK * width)).for_each(
        |(solved, others)| {
            let rows = View::new(others, others.len() / width, width, width);
            multiply(solved, width, 0.0, 1.0, rows, View::new(&inverse, width, width, width));
        },
    );
    Some(solved)
}

/// Solves for one row, given Z; `matrix` and `c` are memory to use. `false`, and `x`
/// unchanged, where the system is not positive definite in `f32`.
pub fn solve(
    problem: &Problem<'_>,
    solved: &[f32],
    owned: &[u32],
    x: &mut [f32],
    matrix: &mut Vec<f32>,
    c: &mut Vec<f32>,
) -> bool {
    let (n, width) = (owned.len(), problem.width);
    let stride = n.next_multiple_of(LANES);
    matrix.resize(stride * stride, 0.0);
    fill(problem, solved, owned, stride, matrix);
    c.clear();
    c.resize(n, 1.0);
    c.resize(stride, 0.0);
    if !solve_positive(matrix, stride, c) {
        return false;
    }
    x.fill(0.0);
    for (&other, c) in owned.iter().zip(c.iter()) {
        let (factor, row) = ((1.0 + problem.alpha) * c, &solved[other as usize * width..][..width]);
        x.iter_mut().zip(row).for_each(|(x, z)| *x += factor * z);
    }
    true
}

/// Writes the upper triangle of `I + alpha Y_o Z_oᵀ`, and rows of the unit matrix below it up
/// to `stride`.
fn fill(problem: &Problem<'_>, solved: &[f32], owned: &[u32], stride: usize, matrix: &mut [f32]) {
    let n = owned.len();
    products(problem, solved, owned, stride, matrix);
    for (at, row) in matrix.chunks_exact_mut(stride).enumerate() {
        if at < n {
            row[at..n].iter_mut().for_each(|value| *value *= problem.alpha);
            row[n..].fill(0.0);
            row[at] += 1.0;
        } else {
            row.fill(0.0);
            row[at] = 1.0;
        }
    }
}

/// `out[i, j] = z_i · y_j` of the rows met, for j ≥ i; other places may get any number.
fn products(problem: &Problem<'_>, solved: &[f32], owned: &[u32], stride: usize, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::has_avx2() {
        // SAFETY: the processor has just said that it knows AVX2 and FMA.
        #[expect(unsafe_code, reason = "calls a function compiled for a detected feature")]
        return unsafe { super::avx2::products(problem, solved, owned, stride, out) };
    }
    products_plain(problem, solved, owned, stride, out);
}

fn products_plain(problem: &Problem<'_>, solved: &[f32], owned: &[u32], stride: usize, out: &mut [f32]) {
    for (at, (row, &i)) in out.chunks_exact_mut(stride).zip(owned).enumerate() {
        let z = &solved[i as usize * problem.width..][..problem.width];
        for (out, &j) in row[at..].iter_mut().zip(&owned[at..]) {
            *out = dot::<false>(z, problem.row(j));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Method, Scratch, gram};
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;

    #[test]
    fn short_rows_get_the_solution_of_the_plain_path() {
        let (n, width) = (500, 40);
        let mut rng = Streams::new(4).stream(Purpose::Init, 0, 0, 0);
        let others: Vec<f32> = (0..n * width).map(|_| rng.random::<f32>() - 0.5).collect();
        let gram = gram(&others, width);
        for (alpha, reg) in [(8.0, 60.0), (40.0, 0.01), (0.0, 1.0)] {
            let solved = solve_all(&others, &gram, width, reg).expect("positive definite");
            let plain = Problem { width, others: &others, gram: &gram, alpha, reg, solved: None };
            let short = Problem { solved: Some(&solved), ..plain };
            for n_owned in 1..=width {
                let owned: Vec<u32> = (0..n_owned as u32).map(|at| at * 12 + 1).collect();
                let (mut expected, mut x) = (vec![0f32; width], vec![0f32; width]);
                let mut scratch = Scratch::default();
                assert!(plain.solve(Method::Cholesky, &owned, &mut expected, &mut scratch));
                assert!(short.exact_if_short(&owned, &mut x, &mut scratch));
                let largest = expected.iter().fold(0f32, |largest, x| largest.max(x.abs()));
                for (x, expected) in x.iter().zip(&expected) {
                    assert!((x - expected).abs() < 2e-4 * largest, "{n_owned} owned: {x} {expected}");
                }
            }
        }
    }

    #[test]
    fn the_plain_and_the_fused_products_agree() {
        let (width, stride) = (16, 16);
        let others: Vec<f32> = (0..13 * width).map(|at| (at % 7) as f32 - 3.0).collect();
        let problem = Problem { width, others: &others, gram: &[], alpha: 1.0, reg: 1.0, solved: None };
        for n_owned in [1, 4, 7, 13] {
            let owned: Vec<u32> = (0..n_owned).collect();
            let (mut plain, mut chosen) = (vec![0f32; stride * stride], vec![0f32; stride * stride]);
            products_plain(&problem, &others, &owned, stride, &mut plain);
            products(&problem, &others, &owned, stride, &mut chosen);
            for row in 0..owned.len() {
                // Whole numbers: no rounding, so the order of sums does not matter.
                let upper = row * stride + row..row * stride + owned.len();
                assert_eq!(plain[upper.clone()], chosen[upper], "{n_owned} owned, row {row}");
            }
        }
    }

    #[test]
    fn a_gram_matrix_that_is_not_a_number_has_no_inverse() {
        assert_eq!(solve_all(&[1.0; 8], &[f32::NAN; 64], 8, 1.0), None);
    }
}

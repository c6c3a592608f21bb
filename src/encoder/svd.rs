//! The first singular vectors of a sparse matrix, to the same bits on any number of threads.
//!
//! Randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.4 with the
//! Rayleigh-Ritz step on `AᵀA`): a Gaussian start, a few products with `AᵀA` with an orthonormalisation
//! after each, and the eigenvectors of what `AᵀA` is on the space found. Every task of every loop writes
//! a row of its own, summed in a fixed order. Must not know what rows and columns stand for.

use crate::recommender::dense::{Matrix, View, multiply};
use crate::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// Columns carried beyond those asked for, so that the last ones converge too.
const OVERSAMPLING: usize = 10;

/// Products with `AᵀA`.
const POWER_ITERATIONS: usize = 4;

/// A direction that keeps no more than this share of its length depends on those before it.
const DEPENDENT: f64 = 1e-10;

/// A squared singular value below this share of the largest is nothing but rounding.
const NEGLIGIBLE: f64 = 1e-12;

/// Sweeps of Jacobi's method at most; ten are many.
const SWEEPS_MAX: usize = 60;

/// A sparse matrix, by rows.
#[derive(Clone, Debug, Default)]
pub struct Sparse {
    /// Number of columns.
    pub n_cols: usize,
    /// The entries of each row: column and value, in order of columns.
    pub rows: Vec<Vec<(u32, f32)>>,
}

impl Sparse {
    fn transposed(&self) -> Sparse {
        let mut rows = vec![Vec::new(); self.n_cols];
        for (row, entries) in self.rows.iter().enumerate() {
            for &(col, value) in entries {
                rows[col as usize].push((row as u32, value));
            }
        }
        Sparse { n_cols: self.rows.len(), rows }
    }

    /// The product with a dense matrix of `width` columns, row-major.
    fn times(&self, dense: &[f64], width: usize) -> Vec<f64> {
        let mut product = vec![0f64; self.rows.len() * width];
        product.par_chunks_mut(width).zip(&self.rows).for_each(|(to, entries)| {
            for &(col, value) in entries {
                let from = &dense[col as usize * width..][..width];
                to.iter_mut().zip(from).for_each(|(to, x)| *to += f64::from(value) * x);
            }
        });
        product
    }
}

/// `U·Σ` of the `rank` largest singular values, as many as there are, and those values.
///
/// The columns are in descending order of singular value; the largest component of each is positive.
/// No columns where the matrix is nothing but zeros.
pub fn truncated(matrix: &Sparse, rank: usize, streams: Streams) -> (Matrix, Vec<f64>) {
    let (n_rows, n_cols) = (matrix.rows.len(), matrix.n_cols);
    let width = rank.saturating_add(OVERSAMPLING).min(n_rows).min(n_cols);
    if width == 0 {
        return (Matrix::zeros(n_rows, 0), Vec::new());
    }
    let transposed = matrix.transposed();
    let mut basis = start(n_cols, width, streams);
    for _ in 0..POWER_ITERATIONS {
        let seen = transposed.times(&matrix.times(&basis, width), width);
        basis = orthonormal(&seen, width);
    }
    let image = matrix.times(&basis, width);
    let mut gram = vec![0f64; width * width];
    let view = View::new(&image, n_rows, width, width);
    multiply(&mut gram, width, 0.0, 1.0, view.t(), view);
    let (values, vectors) = eigen(gram, width);
    let largest = values.first().copied().unwrap_or(0.0);
    let n_kept = values.iter().take(rank).take_while(|&&x| x > 0.0 && x > NEGLIGIBLE * largest).count();
    let turn = View::new(&vectors, n_kept, width, width);
    let mut turned = vec![0f64; n_rows * n_kept];
    multiply(&mut turned, n_kept, 0.0, 1.0, view, turn.t());
    fix_signs(&mut turned, n_kept);
    let data = turned.into_iter().map(|x| x as f32).collect();
    (Matrix::new(n_rows, n_kept, data), values[..n_kept].iter().map(|x| x.sqrt()).collect())
}

/// Gaussian noise, `n_rows × width`; a row is the same whatever the shape.
fn start(n_rows: usize, width: usize, streams: Streams) -> Vec<f64> {
    let mut noise = vec![0f64; n_rows * width];
    noise.par_chunks_mut(width).enumerate().for_each(|(row, to)| {
        let mut rng = streams.stream(Purpose::Encoding, 0, row as u64, 0);
        to.iter_mut().for_each(|x| *x = StandardNormal.sample(&mut rng));
    });
    noise
}

/// Orthonormal columns that span what these span; zeros in place of those that depend on others.
/// Modified Gram-Schmidt, twice over: once does not suffice where columns are nearly dependent.
fn orthonormal(columns: &[f64], width: usize) -> Vec<f64> {
    let mut lines = transpose(columns, width);
    let height = columns.len() / width;
    for _ in 0..2 {
        let lengths: Vec<f64> = lines.par_chunks(height).map(|line| dot(line, line).sqrt()).collect();
        for at in 0..width {
            let (done, rest) = lines.split_at_mut((at + 1) * height);
            let line = &mut done[at * height..];
            let length = dot(line, line).sqrt();
            let scale = if length > DEPENDENT * lengths[at] { 1.0 / length } else { 0.0 };
            line.iter_mut().for_each(|x| *x *= scale);
            let line = &*line;
            rest.par_chunks_mut(height).for_each(|other| {
                let share = dot(line, other);
                other.iter_mut().zip(line).for_each(|(x, y)| *x -= share * y);
            });
        }
    }
    transpose(&lines, height)
}

/// A row-major matrix of so many columns, turned over.
fn transpose(data: &[f64], n_cols: usize) -> Vec<f64> {
    let n_rows = data.len() / n_cols;
    let mut turned = vec![0f64; data.len()];
    turned.par_chunks_mut(n_rows).enumerate().for_each(|(col, to)| {
        to.iter_mut().enumerate().for_each(|(row, x)| *x = data[row * n_cols + col]);
    });
    turned
}

/// The inner product, summed in four lanes.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0f64; 4];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (x, y) in a.iter().zip(b) {
        (0..4).for_each(|lane| lanes[lane] += x[lane] * y[lane]);
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]) + rest
}

/// Eigenvalues of a symmetric matrix, largest first, and its eigenvectors, one a row: Jacobi's method by
/// rows (Golub and Van Loan, "Matrix computations", 4th edition, algorithm 8.5.3).
fn eigen(mut matrix: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0f64; n * n];
    (0..n).for_each(|at| vectors[at * n + at] = 1.0);
    let total: f64 = matrix.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS_MAX {
        let off: f64 = (0..n)
            .flat_map(|p| (p + 1..n).map(move |q| (p, q)))
            .map(|(p, q)| matrix[p * n + q].powi(2))
            .sum();
        if off <= 1e-30 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let (cos, sin) = rotation(matrix[p * n + p], matrix[q * n + q], matrix[p * n + q]);
                if sin != 0.0 {
                    rotate_columns(&mut matrix, n, (p, q), (cos, sin));
                    rotate_rows(&mut matrix, n, (p, q), (cos, sin));
                    rotate_rows(&mut vectors, n, (p, q), (cos, sin));
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| matrix[b * n + b].total_cmp(&matrix[a * n + a]).then(a.cmp(&b)));
    let values = order.iter().map(|&at| matrix[at * n + at]).collect();
    (values, order.iter().flat_map(|&at| vectors[at * n..][..n].iter().copied()).collect())
}

/// Cosine and sine of the rotation that makes the off-diagonal element `pq` vanish.
fn rotation(pp: f64, qq: f64, pq: f64) -> (f64, f64) {
    if pq.abs() <= f64::MIN_POSITIVE {
        return (1.0, 0.0);
    }
    let tau = (qq - pp) / (2.0 * pq);
    let tan = if tau >= 0.0 { 1.0 / (tau + tau.hypot(1.0)) } else { -1.0 / (-tau + tau.hypot(1.0)) };
    let cos = 1.0 / tan.hypot(1.0);
    (cos, tan * cos)
}

fn rotate_columns(matrix: &mut [f64], n: usize, (p, q): (usize, usize), (cos, sin): (f64, f64)) {
    for row in matrix.chunks_exact_mut(n) {
        (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
    }
}

fn rotate_rows(matrix: &mut [f64], n: usize, (p, q): (usize, usize), (cos, sin): (f64, f64)) {
    let (above, below) = matrix.split_at_mut(q * n);
    for (x, y) in above[p * n..][..n].iter_mut().zip(&mut below[..n]) {
        (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
    }
}

/// Turns every column so that its component of largest size, the first of equals, is positive.
fn fix_signs(data: &mut [f64], n_cols: usize) {
    let mut peaks = vec![0f64; n_cols];
    for row in data.chunks_exact(n_cols.max(1)) {
        peaks.iter_mut().zip(row).filter(|(peak, x)| x.abs() > peak.abs()).for_each(|(peak, x)| *peak = *x);
    }
    for row in data.chunks_exact_mut(n_cols.max(1)) {
        row.iter_mut().zip(&peaks).filter(|(_, peak)| **peak < 0.0).for_each(|(x, _)| *x = -*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// A matrix with a few entries a row, whose columns differ in weight.
    fn some(n_rows: usize, n_cols: usize, seed: u64) -> Sparse {
        let mut rng = Streams::new(seed).stream(Purpose::Synthesis, 0, 0, 0);
        let mut row = |_| {
            let drawn = |col: usize| {
                let value = (1.0 + rng.random::<f32>()) / (1.0 + col as f32).sqrt();
                (rng.random::<f64>() < 0.2).then_some((col as u32, value))
            };
            (0..n_cols).filter_map(drawn).collect()
        };
        Sparse { n_cols, rows: (0..n_rows).map(&mut row).collect() }
    }

    fn dense(matrix: &Sparse) -> Vec<f64> {
        let mut dense = vec![0f64; matrix.rows.len() * matrix.n_cols];
        for (row, entries) in matrix.rows.iter().enumerate() {
            entries.iter().for_each(|&(col, x)| dense[row * matrix.n_cols + col as usize] = f64::from(x));
        }
        dense
    }

    /// All squared singular values: the eigenvalues of the whole of `AᵀA`.
    fn squares(matrix: &Sparse) -> Vec<f64> {
        let (n, dense) = (matrix.n_cols, dense(matrix));
        let cell = |a: usize, b: usize| dense.chunks(n).map(|row| row[a] * row[b]).sum::<f64>();
        eigen((0..n * n).map(|at| cell(at / n, at % n)).collect(), n).0
    }

    #[test]
    fn jacobi_takes_a_matrix_apart() {
        let (n, matrix) = (3, [2.0, -1.0, 0.0, -1.0, 2.0, -1.0, 0.0, -1.0, 2.0]);
        let (values, vectors) = eigen(matrix.to_vec(), n);
        // The second difference of three points has the eigenvalues 2 + √2, 2, 2 - √2.
        for (found, expected) in values.iter().zip([2.0 + 2f64.sqrt(), 2.0, 2.0 - 2f64.sqrt()]) {
            assert!((found - expected).abs() < 1e-12, "{values:?}");
        }
        for (value, vector) in values.iter().zip(vectors.chunks(n)) {
            for (row, x) in matrix.chunks(n).zip(vector) {
                assert!((dot(row, vector) - value * x).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn all_singular_vectors_give_all_inner_products_again() {
        let matrix = some(23, 17, 1);
        let (rows, values) = truncated(&matrix, 17, Streams::new(0));
        assert_eq!(rows.n_cols, 17);
        for (found, expected) in values.iter().zip(squares(&matrix)) {
            assert!((found - expected.sqrt()).abs() < 1e-9, "{found} {expected}");
        }
        let dense = dense(&matrix);
        for (a, b) in (0..23 * 23).map(|at| (at / 23, at % 23)) {
            let expected = dot(&dense[a * 17..][..17], &dense[b * 17..][..17]);
            let found: f32 = rows.row(a).iter().zip(rows.row(b)).map(|(x, y)| x * y).sum();
            assert!((f64::from(found) - expected).abs() < 1e-5, "{a} {b}: {found} {expected}");
        }
    }

    #[test]
    fn a_few_singular_values_are_the_largest() {
        let matrix = some(120, 80, 2);
        let (rows, values) = truncated(&matrix, 6, Streams::new(0));
        let squares = squares(&matrix);
        for (k, value) in values.iter().enumerate() {
            assert!((value / squares[k].sqrt() - 1.0).abs() < 1e-3, "{k}: {value} {}", squares[k].sqrt());
            let column: f64 = (0..120).map(|row| f64::from(rows.row(row)[k]).powi(2)).sum();
            assert!((column.sqrt() / value - 1.0).abs() < 1e-5);
            let peak = (0..120).map(|row| rows.row(row)[k]).max_by(|a, b| a.abs().total_cmp(&b.abs()));
            assert!(peak.is_some_and(|x| x > 0.0));
        }
    }

    #[test]
    fn dependent_rows_and_empty_matrices_have_fewer_columns() {
        let row = vec![(0, 1.0), (2, 2.0)];
        let twice = Sparse { n_cols: 3, rows: vec![row.clone(), Vec::new(), row] };
        let (rows, values) = truncated(&twice, 5, Streams::new(0));
        assert_eq!((rows.n_rows, rows.n_cols), (3, 1));
        assert!((values[0] - 10f64.sqrt()).abs() < 1e-9);
        assert_eq!(rows.row(1), [0.0]);
        for empty in [Sparse::default(), Sparse { n_cols: 4, rows: vec![Vec::new(); 2] }] {
            assert_eq!(truncated(&empty, 5, Streams::new(0)).0.n_cols, 0);
        }
    }
}

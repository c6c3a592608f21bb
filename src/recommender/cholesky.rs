//! The inverse of a large symmetric positive definite matrix, by blocked Cholesky.
//!
//! Blocks and their order are fixed and every block is computed whole by one thread, so
//! the result is the same bits however many threads work. Must not know what it inverts.
//!
//! With A = L Lᵀ and M = L⁻¹, A⁻¹ = Mᵀ M (G. H. Golub, C. F. Van Loan, "Matrix
//! Computations", 4th ed., §4.2.9 for the blocked factor; the triangular inverse and the
//! product are the two halves of LAPACK's `potri`). About n³ floating-point operations.

use super::dense::{View, multiply};
use rayon::prelude::*;

/// Rows of a block: large enough for the product kernels, small enough for the
/// unblocked work on the diagonal not to matter.
const BLOCK: usize = 192;

/// The matrix is not positive definite: the pivot of this row is not a positive number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NotPositive {
    /// The row.
    pub row: usize,
    /// Its pivot.
    pub pivot: f64,
}

/// The inverse of a symmetric positive definite matrix: `inverse` as `f32`, its diagonal as `f64`.
#[derive(Clone, Debug, PartialEq)]
pub struct Inverse {
    /// `n × n`, row-major, both triangles.
    pub inverse: Vec<f32>,
    /// The diagonal.
    pub diagonal: Vec<f64>,
}

/// Inverts the `n × n` matrix whose lower triangle stands in `a`, row-major; `a` is used up.
///
/// `done` hears about every third of the work's block rows (3 × [`n_steps`] calls in all).
///
/// # Panics
/// When `a` is not `n × n`.
pub fn invert(mut a: Vec<f64>, n: usize, done: &(dyn Fn() + Sync)) -> Result<Inverse, NotPositive> {
    assert_eq!(a.len(), n * n, "an n × n matrix");
    if n == 0 {
        return Ok(Inverse { inverse: Vec::new(), diagonal: Vec::new() });
    }
    factor(&mut a, n, done)?;
    invert_triangle(&mut a, n, done);
    Ok(multiply_by_transpose(&a, n, done))
}

/// Block rows of an `n × n` matrix.
pub fn n_steps(n: usize) -> usize {
    n.div_ceil(BLOCK)
}

/// Replaces the lower triangle of A by its Cholesky factor L, right-looking.
fn factor(a: &mut [f64], n: usize, done: &(dyn Fn() + Sync)) -> Result<(), NotPositive> {
    let mut panel = vec![0f64; n * BLOCK];
    for first in (0..n).step_by(BLOCK) {
        let size = BLOCK.min(n - first);
        factor_diagonal(a, n, first, size)?;
        let inverse = inverse_of_diagonal(a, n, first, size);
        let below = first + size;

        // L21 = A21 L11⁻ᵀ, kept in `panel` too, so that the update reads one place and writes another.
        let (rows, panel) = (&mut a[below * n..], &mut panel[..(n - below) * size]);
        rows.par_chunks_mut(BLOCK * n).zip(panel.par_chunks_mut(BLOCK * size)).for_each(|(rows, panel)| {
            let height = panel.len() / size;
            let inverse = View::new(&inverse, size, size, size).t();
            multiply(panel, size, 0.0, 1.0, View::new(&rows[first..], height, size, n), inverse);
            for (row, solved) in rows.chunks_mut(n).zip(panel.chunks(size)) {
                row[first..below].copy_from_slice(solved);
            }
        });

        // A22 = A22 - L21 L21ᵀ, lower triangle, one block row a task.
        let panel = &*panel;
        a[below * n..].par_chunks_mut(BLOCK * n).enumerate().for_each(|(at, rows)| {
            let height = rows.len() / n;
            let width = at * BLOCK + height;
            let left = View::new(&panel[at * BLOCK * size..], height, size, size);
            let right = View::new(panel, width, size, size).t();
            multiply(&mut rows[below..], n, 1.0, -1.0, left, right);
        });
        done();
    }
    Ok(())
}

/// The Cholesky factor of one diagonal block, in place, row by row.
fn factor_diagonal(a: &mut [f64], n: usize, first: usize, size: usize) -> Result<(), NotPositive> {
    let mut block = copy_block(a, n, first, size);
    for row in 0..size {
        for column in 0..=row {
            let (x, y) = (&block[row * size..][..column], &block[column * size..][..column]);
            let left = block[row * size + column] - sum_of_products(x, y);
            block[row * size + column] = if column < row {
                left / block[column * size + column]
            } else if left > 0.0 && left.is_finite() {
                left.sqrt()
            } else {
                return Err(NotPositive { row: first + row, pivot: left });
            };
        }
    }
    for (row, values) in block.chunks(size).enumerate() {
        a[(first + row) * n + first..][..=row].copy_from_slice(&values[..=row]);
    }
    Ok(())
}

/// The inverse of the lower triangle of one diagonal block, `size × size`, zeros above.
fn inverse_of_diagonal(a: &[f64], n: usize, first: usize, size: usize) -> Vec<f64> {
    let l = copy_block(a, n, first, size);
    // Built transposed, so that the sums below run along rows.
    let mut transposed = vec![0f64; size * size];
    for column in 0..size {
        transposed[column * size + column] = 1.0 / l[column * size + column];
        for row in column + 1..size {
            let (x, y) =
                (&l[row * size + column..row * size + row], &transposed[column * size..][column..row]);
            transposed[column * size + row] = -sum_of_products(x, y) / l[row * size + row];
        }
    }
    (0..size * size).map(|at| transposed[(at % size) * size + at / size]).collect()
}

fn copy_block(a: &[f64], n: usize, first: usize, size: usize) -> Vec<f64> {
    (0..size).flat_map(|row| a[(first + row) * n + first..][..size].iter().copied()).collect()
}

/// An inner product in eight lanes, so that it vectorises in a fixed order.
fn sum_of_products(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0f64; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in xs.zip(ys) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Replaces the lower triangle L by M = L⁻¹, block row by block row from the top:
/// `M[i, j] = -M[i, i] Σ_k L[i, k] M[k, j]`, k from j to i - 1.
fn invert_triangle(a: &mut [f64], n: usize, done: &(dyn Fn() + Sync)) {
    for first in (0..n).step_by(BLOCK) {
        let size = BLOCK.min(n - first);
        let inverse = inverse_of_diagonal(a, n, first, size);
        let (above, rows) = a.split_at_mut(first * n);
        let (above, rows) = (&*above, &mut rows[..size * n]);
        let l = &*rows;
        let blocks: Vec<Vec<f64>> = (0..first / BLOCK)
            .into_par_iter()
            .map(|at| {
                let column = at * BLOCK;
                let (mut sum, mut block) = (vec![0f64; size * BLOCK], vec![0f64; size * BLOCK]);
                let l = View::new(&l[column..], size, first - column, n);
                let m = View::new(&above[column * n + column..], first - column, BLOCK, n);
                multiply(&mut sum, BLOCK, 0.0, 1.0, l, m);
                let sum = View::new(&sum, size, BLOCK, BLOCK);
                multiply(&mut block, BLOCK, 0.0, -1.0, View::new(&inverse, size, size, size), sum);
                block
            })
            .collect();
        for row in 0..size {
            for (at, block) in blocks.iter().enumerate() {
                rows[row * n + at * BLOCK..][..BLOCK].copy_from_slice(&block[row * BLOCK..][..BLOCK]);
            }
            rows[row * n + first..][..size].copy_from_slice(&inverse[row * size..][..size]);
        }
        done();
    }
}

/// `Mᵀ M` for a lower triangle M: block row i of the lower half is one product over the rows from i on.
fn multiply_by_transpose(m: &[f64], n: usize, done: &(dyn Fn() + Sync)) -> Inverse {
    let mut inverse = vec![0f32; n * n];
    let diagonal: Vec<Vec<f64>> = inverse
        .par_chunks_mut(BLOCK * n)
        .enumerate()
        .map(|(at, rows)| {
            let (first, size) = (at * BLOCK, rows.len() / n);
            let width = first + size;
            let left = View::new(&m[first * n + first..], n - first, size, n).t();
            let right = View::new(&m[first * n..], n - first, width, n);
            let mut product = vec![0f64; size * width];
            multiply(&mut product, width, 0.0, 1.0, left, right);
            for (row, values) in rows.chunks_mut(n).zip(product.chunks(width)) {
                row.iter_mut().zip(values).for_each(|(to, &from)| *to = from as f32);
            }
            done();
            (0..size).map(|row| product[row * width + first + row]).collect()
        })
        .collect();
    mirror(&mut inverse, n);
    Inverse { inverse, diagonal: diagonal.concat() }
}

/// Copies the lower triangle over the upper one, tile by tile to stay in cache.
fn mirror(a: &mut [f32], n: usize) {
    const TILE: usize = 64;
    for first in (0..n).step_by(TILE) {
        for left in (0..=first).step_by(TILE) {
            for row in first..(first + TILE).min(n) {
                for column in left..(left + TILE).min(row) {
                    a[column * n + row] = a[row * n + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;

    /// A random positive definite matrix: R Rᵀ + n · I.
    fn positive(n: usize) -> Vec<f64> {
        let mut rng = Streams::new(n as u64).stream(Purpose::Init, 0, 0, 0);
        let r: Vec<f64> = (0..n * n).map(|_| rng.random::<f64>() - 0.5).collect();
        let mut a = vec![0f64; n * n];
        multiply(&mut a, n, 0.0, 1.0, View::new(&r, n, n, n), View::new(&r, n, n, n).t());
        (0..n).for_each(|i| a[i * n + i] += n as f64 / 10.0);
        a
    }

    #[test]
    fn the_inverse_times_the_matrix_is_one() {
        // Sizes around the block size, where the edges are.
        for n in [1, 2, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 50] {
            let a = positive(n);
            let found = invert(a.clone(), n, &|| {}).expect("positive definite");
            let inverse: Vec<f64> = found.inverse.iter().map(|&x| f64::from(x)).collect();
            let mut product = vec![0f64; n * n];
            multiply(&mut product, n, 0.0, 1.0, View::new(&a, n, n, n), View::new(&inverse, n, n, n));
            for (at, &value) in product.iter().enumerate() {
                let expected = if at / n == at % n { 1.0 } else { 0.0 };
                assert!((value - expected).abs() < 1e-4, "n {n}, ({}, {}): {value}", at / n, at % n);
            }
            assert!((0..n).all(|i| (found.diagonal[i] - inverse[i * n + i]).abs() < 1e-6));
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let n = 3 * BLOCK + 5;
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| invert(positive(n), n, &|| {}).expect("positive definite"))
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        let mut a = positive(300);
        a[250 * 300 + 250] = -1.0;
        let error = invert(a, 300, &|| {}).expect_err("refused");
        assert_eq!(error.row, 250);
        assert!(invert(vec![f64::NAN], 1, &|| {}).is_err());
    }
}

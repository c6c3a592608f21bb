//! What dense layers are made of: biases, and weight gradients in panels of their own rows, so that no sum
//! depends on the number of threads. Must not know networks.

use crate::recommender::dense::{View, multiply};
use rayon::prelude::*;

/// Rows of a weight gradient that a thread computes at once.
const PANEL: usize = 64;

/// Every row a copy of the bias.
pub fn fill_rows(rows: &mut [f32], bias: &[f32]) {
    if !bias.is_empty() {
        rows.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
    }
}

/// `to = aᵀ b` for two tables with the same rows, each given with its width.
pub fn transposed_product(to: &mut [f32], a: (&[f32], usize), b: (&[f32], usize)) {
    let ((a, a_width), (b, b_width)) = (a, b);
    if a_width == 0 {
        return;
    }
    let n_rows = a.len() / a_width;
    to.par_chunks_mut(PANEL * b_width).enumerate().for_each(|(panel, to)| {
        let start = panel * PANEL;
        let width = to.len() / b_width;
        let columns = View::new(&a[start.min(a.len())..], n_rows, width, a_width).t();
        multiply(to, b_width, 0.0, 1.0, columns, View::new(b, n_rows, b_width, b_width));
    });
}

/// The sum of every column, rows in order.
pub fn column_sums(to: &mut [f32], rows: &[f32]) {
    let width = to.len();
    to.fill(0.0);
    if width > 0 {
        for row in rows.chunks_exact(width) {
            to.iter_mut().zip(row).for_each(|(to, value)| *to += value);
        }
    }
}

//! Sparse × dense: every row of the result is a weighted sum of dense rows.
//!
//! Rows are spread over the threads, each summed by one thread in stored order, so the
//! bits do not depend on their number. Must not know graphs or gradients.

use super::kernels::{Lane, fma_lane, has_avx2, lanes, lanes_mut, scale_lane};
use rayon::prelude::*;

/// Parts the rows are cut into: enough to even out the threads, few enough to cost nothing.
const PARTS: usize = 48;

/// A sparse matrix by rows. Unlike in [`Csr`](crate::dataset::sparse::Csr), columns of a row
/// may repeat and come in any order: they are summed as they stand.
#[derive(Clone, Debug, Default)]
pub struct SparseRows {
    /// Start of every row, and the end of the last.
    pub indptr: Vec<usize>,
    /// Column of every stored value.
    pub indices: Vec<u32>,
    /// Stored values.
    pub values: Vec<f32>,
}

impl SparseRows {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.indptr.len().saturating_sub(1)
    }

    /// Writes the transpose; of equal columns in a row the first stays first.
    pub fn transpose_into(&self, n_cols: usize, to: &mut SparseRows) {
        to.indptr.clear();
        to.indptr.resize(n_cols + 1, 0);
        for &column in &self.indices {
            to.indptr[column as usize + 1] += 1;
        }
        for column in 0..n_cols {
            to.indptr[column + 1] += to.indptr[column];
        }
        let mut next = to.indptr.clone();
        to.indices.resize(self.indices.len(), 0);
        to.values.resize(self.values.len(), 0.0);
        for row in 0..self.n_rows() {
            for at in self.indptr[row]..self.indptr[row + 1] {
                let place = &mut next[self.indices[at] as usize];
                to.indices[*place] = row as u32;
                to.values[*place] = self.values[at];
                *place += 1;
            }
        }
    }

    /// `to = scale · (add + self · dense)`, all dense matrices of padded rows of `stride`; without `add`, of
    /// zeros.
    ///
    /// # Panics
    /// When shapes do not fit.
    pub fn multiply(&self, to: &mut [f32], dense: &[f32], add: Option<&[f32]>, scale: f32, stride: usize) {
        assert_eq!(to.len(), self.n_rows() * stride, "one row of the result a row of the matrix");
        assert!(add.is_none_or(|add| add.len() == to.len()), "what is added has the shape of the result");
        let mut parts = Vec::with_capacity(PARTS);
        let mut rest = to;
        let mut first = 0;
        while first < self.n_rows() {
            let end = self.part_end(parts.len() + 1, first);
            let (part, tail) = rest.split_at_mut((end - first) * stride);
            parts.push((first, part));
            rest = tail;
            first = end;
        }
        parts.into_par_iter().for_each(|(first, to)| {
            let work = Work { matrix: self, first, dense, add, scale, stride };
            work.run(to);
        });
    }

    /// Where a part ends that starts at row `first`: shares of stored values plus rows, at least one row.
    fn part_end(&self, part: usize, first: usize) -> usize {
        let n_rows = self.n_rows();
        let goal = (self.indices.len() + n_rows) * part / PARTS;
        let (mut low, mut high) = (first + 1, n_rows);
        while low < high {
            let middle = low.midpoint(high);
            if self.indptr[middle] + middle < goal { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// One part of a product.
#[derive(Clone, Copy)]
struct Work<'a> {
    matrix: &'a SparseRows,
    first: usize,
    dense: &'a [f32],
    add: Option<&'a [f32]>,
    scale: f32,
    stride: usize,
}

impl Work<'_> {
    fn run(self, to: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            #[expect(unsafe_code, reason = "calls a function compiled for AVX2 and FMA")]
            // SAFETY: the instructions it needs were just found on this machine.
            return unsafe { self.run_avx2(to) };
        }
        self.run_with::<false>(to);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(self, to: &mut [f32]) {
        self.run_with::<true>(to);
    }

    #[inline(always)]
    fn run_with<const FMA: bool>(self, to: &mut [f32]) {
        for (at, to) in to.chunks_exact_mut(self.stride).enumerate() {
            let row = self.first + at;
            let range = self.matrix.indptr[row]..self.matrix.indptr[row + 1];
            let (columns, weights) = (&self.matrix.indices[range.clone()], &self.matrix.values[range]);
            let add = self.add.map(|add| &add[row * self.stride..][..self.stride]);
            let mut lane = 0;
            let n_lanes = self.stride / 8;
            // Eight lanes (64 numbers) at a time stay in registers; then what is left.
            while lane + 8 <= n_lanes {
                self.block::<FMA, 8>(to, columns, weights, add, lane);
                lane += 8;
            }
            if lane + 4 <= n_lanes {
                self.block::<FMA, 4>(to, columns, weights, add, lane);
                lane += 4;
            }
            while lane < n_lanes {
                self.block::<FMA, 1>(to, columns, weights, add, lane);
                lane += 1;
            }
        }
    }

    /// Lanes `lane..lane + N` of one row.
    #[inline(always)]
    fn block<const FMA: bool, const N: usize>(
        self,
        to: &mut [f32],
        columns: &[u32],
        weights: &[f32],
        add: Option<&[f32]>,
        lane: usize,
    ) {
        let mut sums: [Lane; N] = [[0.0; 8]; N];
        if let Some(add) = add {
            sums.copy_from_slice(&lanes(add)[lane..lane + N]);
        }
        for (&column, &weight) in columns.iter().zip(weights) {
            let from = &self.dense[column as usize * self.stride + lane * 8..][..N * 8];
            let from = lanes(from);
            for k in 0..N {
                sums[k] = fma_lane::<FMA>([weight; 8], from[k], sums[k]);
            }
        }
        for (to, sum) in lanes_mut(to)[lane..lane + N].iter_mut().zip(sums) {
            *to = scale_lane(self.scale, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_every_width_agree_with_plain_sums() {
        let matrix = SparseRows {
            indptr: vec![0, 2, 2, 5],
            indices: vec![1, 0, 1, 1, 2],
            values: vec![2.0, -1.0, 0.5, 0.25, 4.0],
        };
        for stride in [8, 16, 40, 64, 72, 104, 136] {
            let dense: Vec<f32> = (0..3 * stride).map(|k| ((k * 7) % 11) as f32).collect();
            let add: Vec<f32> = (0..3 * stride).map(|k| (k % 5) as f32).collect();
            let mut to = vec![f32::NAN; 3 * stride];
            matrix.multiply(&mut to, &dense, Some(&add), 0.5, stride);
            for row in 0..3 {
                for k in 0..stride {
                    let sum: f32 = (matrix.indptr[row]..matrix.indptr[row + 1])
                        .map(|at| matrix.values[at] * dense[matrix.indices[at] as usize * stride + k])
                        .sum();
                    // Small dyadic numbers: exact in any order.
                    assert_eq!(to[row * stride + k], 0.5 * (add[row * stride + k] + sum));
                }
            }
        }
    }

    #[test]
    fn parts_cover_all_rows_whatever_their_lengths() {
        for n_rows in [0usize, 1, 5, 48, 49, 1000] {
            let mut indptr = vec![0];
            for row in 0..n_rows {
                indptr.push(indptr[row] + if row % 10 == 3 { 200 } else { row % 2 });
            }
            let n = indptr[n_rows];
            let matrix = SparseRows { indptr, indices: vec![0; n], values: vec![1.0; n] };
            let mut to = vec![f32::NAN; n_rows * 8];
            matrix.multiply(&mut to, &[1.0; 8], None, 1.0, 8);
            for row in 0..n_rows {
                assert_eq!(to[row * 8], if row % 10 == 3 { 200.0 } else { (row % 2) as f32 });
            }
        }
    }
}

//! Compressed sparse rows: the one matrix form of interactions and graphs.
//! Must not know users or items beyond being rows and columns.

/// A sparse matrix in compressed-row form.
///
/// `indptr` has `n_rows + 1` entries; row `r` owns `indices[indptr[r]..indptr[r + 1]]`
/// (columns, strictly ascending) and the `values` beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    /// Number of rows.
    pub n_rows: usize,
    /// Number of columns.
    pub n_cols: usize,
    /// Start of every row, and the end of the last.
    pub indptr: Vec<usize>,
    /// Column of every stored value.
    pub indices: Vec<u32>,
    /// Stored values.
    pub values: Vec<f32>,
}

impl Csr {
    /// A matrix from its parts.
    ///
    /// # Panics
    /// When the parts do not fit each other.
    pub fn new(
        n_rows: usize,
        n_cols: usize,
        indptr: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f32>,
    ) -> Self {
        assert_eq!(indptr.len(), n_rows + 1, "indptr must have a start for every row and an end");
        assert_eq!(indptr[n_rows], indices.len(), "the last row must end with the indices");
        assert_eq!(indices.len(), values.len(), "one value an index");
        for row in 0..n_rows {
            let columns = &indices[indptr[row]..indptr[row + 1]];
            assert!(columns.windows(2).all(|w| w[0] < w[1]), "columns of row {row} must ascend");
            assert!(
                columns.last().is_none_or(|&c| (c as usize) < n_cols),
                "a column of row {row} is out of range"
            );
        }
        Csr { n_rows, n_cols, indptr, indices, values }
    }

    /// Columns and values of one row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[row]..self.indptr[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Number of stored values.
    pub fn nnz(&self) -> usize {
        self.indices.len()
    }

    /// The transpose, columns ascending.
    pub fn transpose(&self) -> Csr {
        let mut indptr = vec![0usize; self.n_cols + 1];
        for &column in &self.indices {
            indptr[column as usize + 1] += 1;
        }
        for column in 0..self.n_cols {
            indptr[column + 1] += indptr[column];
        }
        let mut next = indptr.clone();
        let mut indices = vec![0u32; self.nnz()];
        let mut values = vec![0f32; self.nnz()];
        for row in 0..self.n_rows {
            let (columns, row_values) = self.row(row);
            for (&column, &value) in columns.iter().zip(row_values) {
                let at = next[column as usize];
                indices[at] = row as u32;
                values[at] = value;
                next[column as usize] += 1;
            }
        }
        Csr { n_rows: self.n_cols, n_cols: self.n_rows, indptr, indices, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpose_twice_is_the_matrix() {
        let m = Csr::new(2, 3, vec![0, 2, 3], vec![0, 2, 1], vec![1.0, 2.0, 3.0]);
        let t = m.transpose();
        assert_eq!(t.row(2), (&[0u32][..], &[2.0f32][..]));
        assert_eq!(t.transpose(), m);
    }
}

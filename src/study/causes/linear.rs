//! Small dense linear algebra for a handful of variables: symmetric matrices, their Cholesky solution, and the inverse
//! of a unit triangular system. Must not know what the variables are.

/// A symmetric `n × n` matrix; every place is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetric {
    n: usize,
    values: Vec<f64>,
}

impl Symmetric {
    /// The matrix with `value(row, column)` at every place of the lower triangle, mirrored.
    pub fn new(n: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let mut values = vec![0.0; n * n];
        for row in 0..n {
            for column in 0..=row {
                let value = value(row, column);
                values[row * n + column] = value;
                values[column * n + row] = value;
            }
        }
        Symmetric { n, values }
    }

    /// Rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// One row, which is one column too.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.n..][..self.n]
    }

    /// The element at this place.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.n + column]
    }

    /// The matrix of these rows and columns, in this order.
    pub fn of(&self, places: &[usize]) -> Symmetric {
        Symmetric::new(places.len(), |row, column| self.at(places[row], places[column]))
    }

    /// The lower Cholesky factor, row-major.
    ///
    /// # Errors
    /// The first row whose pivot is no more than `smallest` times its diagonal: it is a combination of those before it.
    pub fn factor(&self, smallest: f64) -> Result<Factor, usize> {
        let n = self.n;
        let mut lower = vec![0.0; n * n];
        for row in 0..n {
            for column in 0..=row {
                let dot: f64 = (0..column).map(|k| lower[row * n + k] * lower[column * n + k]).sum();
                let rest = self.at(row, column) - dot;
                if column < row {
                    lower[row * n + column] = rest / lower[column * n + column];
                } else if rest > smallest * self.at(row, row) {
                    lower[row * n + row] = rest.sqrt();
                } else {
                    return Err(row);
                }
            }
        }
        Ok(Factor { n, lower })
    }
}

/// A Cholesky factor.
pub struct Factor {
    n: usize,
    lower: Vec<f64>,
}

impl Factor {
    /// The solution x of A x = b.
    ///
    /// # Panics
    /// When `b` has not as many values as A has rows.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = self.n;
        assert_eq!(b.len(), n, "one value a row");
        let mut x = b.to_vec();
        for row in 0..n {
            let dot: f64 = (0..row).map(|k| self.lower[row * n + k] * x[k]).sum();
            x[row] = (x[row] - dot) / self.lower[row * n + row];
        }
        for row in (0..n).rev() {
            let dot: f64 = (row + 1..n).map(|k| self.lower[k * n + row] * x[k]).sum();
            x[row] = (x[row] - dot) / self.lower[row * n + row];
        }
        x
    }

    /// The last pivot: how long the last column is at right angles to all before it; `None` of an empty matrix.
    pub fn last_pivot(&self) -> Option<f64> {
        self.lower.last().copied()
    }
}

/// Σ a · b.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_solved_multiplies_back() {
        let rows = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.25], [0.5, -0.25, 2.0]];
        let matrix = Symmetric::new(3, |row, column| rows[row][column]);
        let b = [1.0, -2.0, 3.0];
        let x = matrix.factor(0.0).unwrap_or_else(|row| panic!("row {row}")).solve(&b);
        for (row, b) in b.iter().enumerate() {
            assert!((dot(matrix.row(row), &x) - b).abs() < 1e-12);
        }
    }

    #[test]
    fn the_row_that_is_a_combination_of_others_is_named() {
        // Third = first + second.
        let rows = [[2.0, 0.5, 2.5], [0.5, 1.0, 1.5], [2.5, 1.5, 4.0]];
        let matrix = Symmetric::new(3, |row, column| rows[row][column]);
        assert_eq!(matrix.factor(1e-10).err(), Some(2));
        assert!(matrix.of(&[0, 1]).factor(1e-10).is_ok());
    }
}

//! What causes are looked for in: named columns of as many finite numbers, each with something to tell that the others
//! do not. Must not know where the numbers come from.

use super::linear::Symmetric;

/// A pivot of the correlation matrix no larger than this makes a column a combination of others.
const COLLINEAR: f64 = 1e-10;

/// Why causes could not be looked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CausesError {
    /// There are no two variables.
    #[error("there are {n} variables, expected 2 or more")]
    TooFewVariables {
        /// How many there are.
        n: usize,
    },
    /// A column has another length than the first.
    #[error("{name} has {n} rows, expected {expected} as the first column has")]
    Uneven {
        /// Which column.
        name: String,
        /// Its rows.
        n: usize,
        /// The first column's.
        expected: usize,
    },
    /// Too few rows for so many variables.
    #[error("there are {n} rows, expected {min} or more for {n_variables} variables")]
    TooFewRows {
        /// Rows.
        n: usize,
        /// Fewest that would do.
        min: usize,
        /// Variables.
        n_variables: usize,
    },
    /// A number is missing or infinite.
    #[error("{name} is {value} in row {row}, expected a finite number")]
    NotFinite {
        /// Which column.
        name: String,
        /// Row, from 1.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A column says the same in every row.
    #[error("{name} is {value} in every row: what does not vary has no cause and no effect")]
    Constant {
        /// Which column.
        name: String,
        /// Its value.
        value: f64,
    },
    /// A column follows from others.
    #[error("{name} follows from the columns before it ({others}): leave one of them out")]
    Collinear {
        /// Which column.
        name: String,
        /// Those before it.
        others: String,
    },
    /// Prior knowledge is about other variables.
    #[error("prior knowledge is of {n} variables, expected {expected}")]
    PriorSize {
        /// How many it knows.
        n: usize,
        /// How many there are.
        expected: usize,
    },
    /// Prior knowledge leaves no variable that could come first.
    #[error("prior knowledge contradicts itself: each of {names} is said to come after another of them")]
    PriorCycle {
        /// The variables that wait for each other.
        names: String,
    },
}

/// Checked columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Observations {
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
    moments: Moments,
}

/// Means, and covariances with n in the denominator.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// One a variable.
    pub means: Vec<f64>,
    /// Variable by variable.
    pub covariances: Symmetric,
}

impl Observations {
    /// These columns, by name.
    ///
    /// # Errors
    /// With fewer than two columns, columns of different lengths, fewer than columns + 2 rows, numbers that are not
    /// finite, a column that does not vary or that is a linear combination of others.
    ///
    /// # Panics
    /// When there are not as many names as columns.
    pub fn new(names: &[&str], columns: Vec<Vec<f64>>) -> Result<Self, CausesError> {
        assert_eq!(names.len(), columns.len(), "one name a column");
        let n_variables = columns.len();
        if n_variables < 2 {
            return Err(CausesError::TooFewVariables { n: n_variables });
        }
        let n = columns[0].len();
        for (name, column) in names.iter().zip(&columns) {
            if column.len() != n {
                return Err(CausesError::Uneven { name: (*name).into(), n: column.len(), expected: n });
            }
        }
        // The regression on all others needs one row more than it has coefficients, mean included.
        if n < n_variables + 2 {
            return Err(CausesError::TooFewRows { n, min: n_variables + 2, n_variables });
        }
        for (name, column) in names.iter().zip(&columns) {
            if let Some((row, value)) = column.iter().enumerate().find(|(_, value)| !value.is_finite()) {
                return Err(CausesError::NotFinite { name: (*name).into(), row: row + 1, value: *value });
            }
        }
        let moments = Moments::of(&columns);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        check_spread(&names, &columns, &moments)?;
        Ok(Observations { names, columns, moments })
    }

    /// The same variables in these rows, any of them several times.
    ///
    /// # Errors
    /// As [`Observations::new`]: a column may not vary any more.
    pub fn resampled(&self, rows: &[u32]) -> Result<Self, CausesError> {
        let of = |column: &Vec<f64>| rows.iter().map(|&row| column[row as usize]).collect();
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        Observations::new(&names, self.columns.iter().map(of).collect())
    }

    /// Names, in the order of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns.
    pub fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// Variables.
    pub fn n_variables(&self) -> usize {
        self.columns.len()
    }

    /// Rows.
    pub fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// Means and covariances.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }
}

impl Moments {
    fn of(columns: &[Vec<f64>]) -> Self {
        let n = columns[0].len() as f64;
        let means: Vec<f64> = columns.iter().map(|column| column.iter().sum::<f64>() / n).collect();
        let covariance = |a: usize, b: usize| {
            let pairs = columns[a].iter().zip(&columns[b]);
            pairs.map(|(x, y)| (x - means[a]) * (y - means[b])).sum::<f64>() / n
        };
        let covariances = Symmetric::new(columns.len(), covariance);
        Moments { means, covariances }
    }

    /// Correlations.
    pub fn correlations(&self) -> Symmetric {
        let spread = |v: usize| self.covariances.at(v, v).sqrt();
        Symmetric::new(self.means.len(), |a, b| self.covariances.at(a, b) / (spread(a) * spread(b)))
    }
}

/// Every column varies, and none is a combination of others.
fn check_spread(names: &[String], columns: &[Vec<f64>], moments: &Moments) -> Result<(), CausesError> {
    for (at, name) in names.iter().enumerate() {
        let (mean, variance) = (moments.means[at], moments.covariances.at(at, at));
        // Below this, what varies is rounding.
        if !(variance.is_normal() && variance > 1e-20 * mean * mean) {
            return Err(CausesError::Constant { name: name.clone(), value: columns[at][0] });
        }
    }
    moments
        .correlations()
        .factor(COLLINEAR)
        .map(|_| ())
        .map_err(|at| CausesError::Collinear { name: names[at].clone(), others: names[..at].join(", ") })
}

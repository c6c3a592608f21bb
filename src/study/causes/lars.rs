//! The lasso path by least-angle regression (Efron, Hastie, Johnstone, Tibshirani, "Least angle regression", Annals of
//! Statistics 2004, §3.1), and the point of it that BIC likes best (Zou, Hastie, Tibshirani, "On the degrees of freedom
//! of the lasso", Annals of Statistics 2007): n ln(2πσ²) + RSS/σ² + ln(n) · number of coefficients that are not 0, with
//! σ² from ordinary least squares on all variables. These are the definitions of scikit-learn's `LassoLarsIC`.
//!
//! Works on sums of squares and products of centred variables. Must not know what the variables are.

use super::linear::{Symmetric, dot};

/// An alpha no larger than this ends the path, as in scikit-learn: the machine epsilon of single precision.
const ALPHA_MIN: f64 = f32::EPSILON as f64;
/// A variable that stands out of those already in by no more than this is left out for good, likewise.
const PIVOT_MIN: f64 = 1e-7;
/// Steps of a path at most, likewise.
const N_STEPS_MAX: usize = 500;

/// A point at which the path turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Knot {
    /// The penalty: the largest |covariance of a variable with the residual|.
    pub alpha: f64,
    /// One coefficient a variable.
    pub coefficients: Vec<f64>,
}

/// A regression in sums over `n_rows` rows of centred variables.
#[derive(Clone, Debug)]
pub struct Sums {
    /// Rows.
    pub n_rows: usize,
    /// XᵀX.
    pub gram: Symmetric,
    /// Xᵀy.
    pub xy: Vec<f64>,
    /// yᵀy.
    pub yy: f64,
}

impl Sums {
    /// Residual sum of squares at these coefficients.
    pub fn rss(&self, coefficients: &[f64]) -> f64 {
        let explained: f64 = coefficients
            .iter()
            .enumerate()
            .map(|(row, b)| b * (2.0 * self.xy[row] - dot(self.gram.row(row), coefficients)))
            .sum();
        (self.yy - explained).max(0.0)
    }

    /// Ordinary least squares.
    ///
    /// # Errors
    /// The first variable that is a combination of those before it.
    pub fn least_squares(&self) -> Result<Vec<f64>, usize> {
        // Tiny pivots of variables on small scales are no smaller than their own diagonal.
        Ok(self.gram.factor(1e-14)?.solve(&self.xy))
    }

    /// The lasso path, from all coefficients 0 to least squares.
    pub fn lasso_path(&self) -> Vec<Knot> {
        let mut walk = Walk::new(self);
        let mut path = Vec::new();
        loop {
            let alpha = walk.alpha();
            path.push(Knot { alpha, coefficients: walk.coefficients.clone() });
            let is_last = alpha <= ALPHA_MIN || path.len() > N_STEPS_MAX;
            // Rounding can make alpha rise where next to nothing is left to explain.
            let rises = path.len() > 2 && path[path.len() - 2].alpha < alpha;
            if is_last || rises || !walk.step() {
                return path;
            }
        }
    }

    /// The coefficients at the knot of the path with the lowest BIC, the first of equals.
    ///
    /// # Errors
    /// The first variable that is a combination of those before it; the number of variables where there are too few
    /// rows for so many (n ≤ variables + 1).
    pub fn best_by_bic(&self) -> Result<Vec<f64>, usize> {
        let n_variables = self.xy.len();
        if self.n_rows <= n_variables + 1 {
            return Err(n_variables);
        }
        let variance = self.rss(&self.least_squares()?) / (self.n_rows - n_variables - 1) as f64;
        let bic = |coefficients: &[f64]| {
            let n_used = coefficients.iter().filter(|b| b.abs() > f64::EPSILON).count();
            self.rss(coefficients) / variance + (self.n_rows as f64).ln() * n_used as f64
        };
        let scored = self.lasso_path().into_iter().map(|knot| (bic(&knot.coefficients), knot.coefficients));
        let best = scored.fold(None, |best: Option<(f64, Vec<f64>)>, (bic, coefficients)| match best {
            Some((lowest, kept)) if lowest <= bic => Some((lowest, kept)),
            _ => Some((bic, coefficients)),
        });
        Ok(best.map_or_else(|| vec![0.0; n_variables], |(_, coefficients)| coefficients))
    }
}

/// Where the walk along the path is.
struct Walk<'a> {
    sums: &'a Sums,
    coefficients: Vec<f64>,
    /// The variables that are in, in the order in which they came, each with the sign of its covariance.
    active: Vec<(usize, f64)>,
    /// Variables that never come in: combinations of those that were in.
    left_out: Vec<bool>,
    /// The variable that has just gone out, with the sign it had.
    dropped: Option<(usize, f64)>,
}

impl<'a> Walk<'a> {
    fn new(sums: &'a Sums) -> Self {
        let n = sums.xy.len();
        Walk { sums, coefficients: vec![0.0; n], active: Vec::new(), left_out: vec![false; n], dropped: None }
    }

    /// Xᵀ(y − Xb) of one variable.
    fn covariance(&self, variable: usize) -> f64 {
        self.sums.xy[variable] - dot(self.sums.gram.row(variable), &self.coefficients)
    }

    fn is_active(&self, variable: usize) -> bool {
        self.active.iter().any(|&(active, _)| active == variable)
    }

    /// Variables that may come in.
    fn waiting(&self) -> Vec<usize> {
        (0..self.coefficients.len()).filter(|&v| !self.left_out[v] && !self.is_active(v)).collect()
    }

    /// The waiting variable of largest |covariance|, the first of equals.
    fn foremost(&self) -> Option<(usize, f64)> {
        let covariances = self.waiting().into_iter().map(|variable| (variable, self.covariance(variable)));
        covariances.fold(None, |best: Option<(usize, f64)>, one| match best {
            Some(best) if best.1.abs() >= one.1.abs() => Some(best),
            _ => Some(one),
        })
    }

    fn alpha(&self) -> f64 {
        self.foremost().map_or(0.0, |(_, covariance)| covariance.abs()) / self.sums.n_rows as f64
    }

    /// Lets the foremost variable in, unless one has just gone out; false where nobody is left.
    fn enter(&mut self) -> bool {
        if self.dropped.is_some() {
            return true;
        }
        while let Some((variable, covariance)) = self.foremost() {
            self.active.push((variable, if covariance < 0.0 { -1.0 } else { 1.0 }));
            let factor = self.gram_of_active().factor(0.0);
            if factor.is_ok_and(|factor| factor.last_pivot().is_some_and(|pivot| pivot >= PIVOT_MIN)) {
                return true;
            }
            self.active.pop();
            self.left_out[variable] = true;
        }
        false
    }

    fn gram_of_active(&self) -> Symmetric {
        let places: Vec<usize> = self.active.iter().map(|&(variable, _)| variable).collect();
        self.sums.gram.of(&places)
    }

    /// One step to the next knot; false where there is none.
    fn step(&mut self) -> bool {
        // C in the paper: everybody that is in has it, and it falls by A for every unit of the step.
        let Some((_, foremost)) = self.foremost() else { return false };
        let largest = foremost.abs();
        if !self.enter() {
            return false;
        }
        let signs: Vec<f64> = self.active.iter().map(|&(_, sign)| sign).collect();
        let Ok(factor) = self.gram_of_active().factor(0.0) else { return false };
        let direction = factor.solve(&signs);
        let norm = 1.0 / dot(&direction, &signs).sqrt();
        if !norm.is_finite() {
            return false;
        }
        let direction: Vec<f64> = direction.iter().map(|value| value * norm).collect();
        let joins = self.until_one_joins(largest, norm, &direction).min(largest / norm);
        let drops = self.until_one_drops(&direction);
        let (length, drop) = match drops {
            Some((length, at)) if length < joins => (length, Some(at)),
            _ => (joins, None),
        };
        for (&(variable, _), value) in self.active.iter().zip(&direction) {
            self.coefficients[variable] += length * value;
        }
        self.dropped = drop.map(|at| self.active.remove(at));
        if let Some((variable, _)) = self.dropped {
            self.coefficients[variable] = 0.0;
        }
        true
    }

    /// How far one can go until a waiting variable has as large a covariance as those that are in (equation 2.13).
    fn until_one_joins(&self, largest: f64, norm: f64, direction: &[f64]) -> f64 {
        let mut shortest = f64::INFINITY;
        for variable in self.waiting() {
            let covariance = self.covariance(variable);
            let row = self.sums.gram.row(variable);
            let along: f64 = self.active.iter().zip(direction).map(|(&(a, _), d)| row[a] * d).sum();
            for sign in [1.0, -1.0] {
                // Who has just gone out stands level with the others, and would come in again at once.
                if self.dropped == Some((variable, sign)) {
                    continue;
                }
                let length = (largest - sign * covariance) / (norm - sign * along);
                if length > 0.0 {
                    shortest = shortest.min(length);
                }
            }
        }
        shortest
    }

    /// How far one can go until a coefficient is 0, and whose (equation 3.4).
    fn until_one_drops(&self, direction: &[f64]) -> Option<(f64, usize)> {
        let lengths = self.active.iter().zip(direction).enumerate();
        let lengths = lengths.map(|(at, (&(variable, _), d))| (-self.coefficients[variable] / d, at));
        lengths.filter(|(length, _)| *length > 0.0).min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(columns: &[Vec<f64>]) -> Sums {
        let n_rows = columns[0].len();
        let centred = |column: &Vec<f64>| {
            let mean = column.iter().sum::<f64>() / n_rows as f64;
            column.iter().map(|value| value - mean).collect::<Vec<f64>>()
        };
        let columns: Vec<Vec<f64>> = columns.iter().map(centred).collect();
        let (y, x) = columns.split_last().expect("columns");
        Sums {
            n_rows,
            gram: Symmetric::new(x.len(), |a, b| dot(&x[a], &x[b])),
            xy: x.iter().map(|x| dot(x, y)).collect(),
            yy: dot(y, y),
        }
    }

    #[test]
    fn variables_at_right_angles_are_thresholded_softly() {
        // Orthogonal columns of length 2: the lasso is soft thresholding of Xᵀy / 4 (Tibshirani 1996, equation 3).
        let x = [[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]];
        let mut columns: Vec<Vec<f64>> = x.iter().map(|column| column.to_vec()).collect();
        columns.push((0..4).map(|row| 3.0 * x[0][row] - 2.0 * x[1][row] + 0.5 * x[2][row]).collect());
        let path = sums(&columns).lasso_path();
        let expected = [
            (3.0, [0.0, 0.0, 0.0]),
            (2.0, [1.0, 0.0, 0.0]),
            (0.5, [2.5, -1.5, 0.0]),
            (0.0, [3.0, -2.0, 0.5]),
        ];
        assert_eq!(path.len(), expected.len(), "{path:?}");
        for (knot, (alpha, coefficients)) in path.iter().zip(expected) {
            assert!((knot.alpha - alpha).abs() < 1e-12, "{knot:?}");
            knot.coefficients.iter().zip(coefficients).for_each(|(b, e)| assert!((b - e).abs() < 1e-12));
        }
    }

    #[test]
    fn a_column_twice_and_too_few_rows_are_named_not_divided_by() {
        let column: Vec<f64> = (0..9).map(|row| f64::from(row * row % 7)).collect();
        let other: Vec<f64> = (0..9).map(|row| f64::from(row * 5 % 9)).collect();
        let twice = sums(&[column.clone(), column.clone(), other.clone()]);
        assert_eq!(twice.best_by_bic(), Err(1));
        assert!(twice.lasso_path().iter().all(|knot| knot.coefficients.iter().all(|b| b.is_finite())));
        let short = sums(&[column[..3].to_vec(), vec![0.0, 1.0, 1.0], other[..3].to_vec()]);
        assert_eq!(short.best_by_bic(), Err(2));
    }
}

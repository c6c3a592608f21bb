//! Least squares of one outcome on a few columns, with standard errors that do not believe in equal variances.
//! Must not know what the columns are.

/// A column whose part that is new to the columns before it is smaller than this share of it is left out.
const NEW_SHARE_MIN: f64 = 1e-8;

/// Columns made orthonormal by Gram and Schmidt's method, each twice: `design = q · r`.
pub struct Design {
    /// The columns that were kept, in order, as places among those given.
    pub kept: Vec<usize>,
    /// One orthonormal column a kept column.
    q: Vec<Vec<f64>>,
    /// Upper triangle: `r[i][j]` for i ≤ j, by kept columns.
    r: Vec<Vec<f64>>,
}

/// A fitted outcome.
pub struct Fit {
    /// One number a kept column.
    pub coefficients: Vec<f64>,
    /// One number an observation.
    pub residuals: Vec<f64>,
}

impl Design {
    /// A design of these columns, equally long. Columns that are not finite, or nothing but a combination of
    /// those before them (a constant after the intercept), are left out.
    pub fn new(columns: &[Vec<f64>]) -> Self {
        let mut design = Design { kept: Vec::new(), q: Vec::new(), r: Vec::new() };
        for (place, column) in columns.iter().enumerate() {
            design.add(place, column);
        }
        design
    }

    fn add(&mut self, place: usize, column: &[f64]) {
        let length = dot(column, column).sqrt();
        if !(length.is_finite() && length > 0.0) {
            return;
        }
        let mut rest = column.to_vec();
        let mut parts = vec![0.0; self.q.len() + 1];
        for _ in 0..2 {
            for (direction, part) in self.q.iter().zip(parts.iter_mut()) {
                let along = dot(direction, &rest);
                rest.iter_mut().zip(direction).for_each(|(rest, direction)| *rest -= along * direction);
                *part += along;
            }
        }
        let new = dot(&rest, &rest).sqrt();
        if new <= NEW_SHARE_MIN * length {
            return;
        }
        rest.iter_mut().for_each(|value| *value /= new);
        parts[self.q.len()] = new;
        self.q.push(rest);
        self.r.push(parts);
        self.kept.push(place);
    }

    /// Number of kept columns.
    pub fn rank(&self) -> usize {
        self.q.len()
    }

    /// The fit of an outcome.
    pub fn fit(&self, outcome: &[f64]) -> Fit {
        let along: Vec<f64> = self.q.iter().map(|direction| dot(direction, outcome)).collect();
        let mut residuals = outcome.to_vec();
        for (direction, along) in self.q.iter().zip(&along) {
            residuals.iter_mut().zip(direction).for_each(|(rest, direction)| *rest -= along * direction);
        }
        // `r` holds column j as its entries 0..=j: back substitution from the last.
        let mut coefficients = along;
        for j in (0..coefficients.len()).rev() {
            coefficients[j] /= self.r[j][j];
            let solved = coefficients[j];
            coefficients[..j].iter_mut().zip(&self.r[j]).for_each(|(rest, part)| *rest -= part * solved);
        }
        Fit { coefficients, residuals }
    }

    /// The coefficient at `place` among the kept is the sum of the outcomes with these weights.
    pub fn weights(&self, place: usize) -> Vec<f64> {
        // Solves rᵀ z = e by forward substitution.
        let mut z = vec![0.0; self.rank()];
        for j in 0..self.rank() {
            let known: f64 = (0..j).map(|i| self.r[j][i] * z[i]).sum();
            z[j] = (f64::from(u8::from(j == place)) - known) / self.r[j][j];
        }
        let n = self.q.first().map_or(0, Vec::len);
        let mut weights = vec![0.0; n];
        for (direction, z) in self.q.iter().zip(z) {
            weights.iter_mut().zip(direction).for_each(|(weight, direction)| *weight += z * direction);
        }
        weights
    }

    /// Variance of that coefficient, each observation with a variance of its own (HC2: MacKinnon and White 1985).
    /// Without covariates it is Welch's.
    pub fn variance_hc2(&self, place: usize, fit: &Fit) -> f64 {
        let mut leverages = vec![0.0; fit.residuals.len()];
        for direction in &self.q {
            leverages.iter_mut().zip(direction).for_each(|(leverage, value)| *leverage += value * value);
        }
        let term = |((weight, residual), leverage): ((&f64, &f64), &f64)| {
            // An observation that the fit goes through whatever it is has no residual to tell of its spread.
            if 1.0 - leverage > 1e-12 {
                weight * weight * residual * residual / (1.0 - leverage)
            } else {
                0.0
            }
        };
        self.weights(place).iter().zip(&fit.residuals).zip(&leverages).map(term).sum()
    }
}

/// Σ a · b, in order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_and_broken_columns_are_left_out_and_the_rest_is_solved() {
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let ones = vec![1.0; 20];
        let columns = [
            ones.clone(),
            vec![7.0; 20],
            x.clone(),
            x.iter().map(|x| 2.0 * x - 3.0).collect(),
            vec![f64::NAN; 20],
        ];
        let design = Design::new(&columns);
        assert_eq!(design.kept, [0, 2]);
        let outcome: Vec<f64> = x.iter().map(|x| 4.0 - 0.5 * x).collect();
        let fit = design.fit(&outcome);
        assert!((fit.coefficients[0] - 4.0).abs() < 1e-12 && (fit.coefficients[1] + 0.5).abs() < 1e-12);
        assert!(fit.residuals.iter().all(|rest| rest.abs() < 1e-12));
        let slope: f64 = design.weights(1).iter().zip(&outcome).map(|(weight, y)| weight * y).sum();
        assert!((slope + 0.5).abs() < 1e-12);
    }
}

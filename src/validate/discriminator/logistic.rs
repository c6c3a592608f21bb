//! Logistic regression with a ridge, by Newton's method.
//! Must not know what the rows are.

/// A fitted model: standardised features, so that the ridge treats all alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    centres: Vec<f64>,
    scales: Vec<f64>,
    /// Intercept, then one coefficient a standardised feature.
    pub coefficients: Vec<f64>,
}

/// Newton steps at most; the likelihood is concave and the ridge keeps it finite.
const N_STEPS_MAX: usize = 100;
const GRADIENT_SMALL: f64 = 1e-9;

impl Logistic {
    /// Minimises Σ log(1 + exp(−y f(x))) + ½ ‖w‖², the intercept unpunished: scikit-learn's
    /// `LogisticRegression(C = 1)` on features scaled to mean 0 and standard deviation 1.
    ///
    /// # Panics
    /// When there is not one label a row, or rows differ in length.
    pub fn fit(rows: &[&[f64]], labels: &[bool]) -> Logistic {
        assert_eq!(rows.len(), labels.len(), "one label a row");
        let n_features = rows.first().map_or(0, |row| row.len());
        let n = rows.len().max(1) as f64;
        let centres: Vec<f64> = (0..n_features).map(|j| rows.iter().map(|r| r[j]).sum::<f64>() / n).collect();
        let scales = (0..n_features).map(|j| {
            let variance = rows.iter().map(|r| (r[j] - centres[j]).powi(2)).sum::<f64>() / n;
            if variance > 1e-24 { variance.sqrt() } else { 1.0 }
        });
        let scales = scales.collect();
        let mut model = Logistic { centres, scales, coefficients: vec![0.0; n_features + 1] };
        let design: Vec<Vec<f64>> = rows.iter().map(|row| model.standardised(row)).collect();
        let mut loss = loss(&design, labels, &model.coefficients);
        for _ in 0..N_STEPS_MAX {
            let (gradient, hessian) = derivatives(&design, labels, &model.coefficients);
            if gradient.iter().all(|g| g.abs() < GRADIENT_SMALL) {
                break;
            }
            let Some(step) = solve(hessian, gradient) else { break };
            let moved = halved(&design, labels, &model.coefficients, &step, loss);
            let Some((coefficients, lower)) = moved else { break };
            (model.coefficients, loss) = (coefficients, lower);
        }
        model
    }

    /// The log-odds that a row is positive.
    pub fn score(&self, row: &[f64]) -> f64 {
        dot(&self.standardised(row), &self.coefficients)
    }

    /// A leading 1, then the features in standard deviations from their means.
    fn standardised(&self, row: &[f64]) -> Vec<f64> {
        let scaled = row.iter().zip(&self.centres).zip(&self.scales).map(|((x, c), s)| (x - c) / s);
        std::iter::once(1.0).chain(scaled).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn loss(design: &[Vec<f64>], labels: &[bool], w: &[f64]) -> f64 {
    let each = design.iter().zip(labels).map(|(row, &label)| {
        let margin = if label { dot(row, w) } else { -dot(row, w) };
        // log(1 + exp(-m)) without overflow.
        (-margin.abs()).exp().ln_1p() + (-margin).max(0.0)
    });
    each.sum::<f64>() + 0.5 * w[1..].iter().map(|w| w * w).sum::<f64>()
}

/// Gradient and Hessian of the loss.
fn derivatives(design: &[Vec<f64>], labels: &[bool], w: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = w.len();
    let mut gradient: Vec<f64> = w.to_vec();
    gradient[0] = 0.0;
    let mut hessian = vec![vec![0.0; n]; n];
    (1..n).for_each(|j| hessian[j][j] = 1.0);
    for (row, &label) in design.iter().zip(labels) {
        let p = 1.0 / (1.0 + (-dot(row, w)).exp());
        let (residual, weight) = (p - f64::from(u8::from(label)), p * (1.0 - p));
        for i in 0..n {
            gradient[i] += residual * row[i];
            for j in 0..=i {
                hessian[i][j] += weight * row[i] * row[j];
            }
        }
    }
    (gradient, hessian)
}

/// The step, halved until the loss does not rise; `None` where no step lowers it any more.
fn halved(
    design: &[Vec<f64>],
    labels: &[bool],
    w: &[f64],
    step: &[f64],
    before: f64,
) -> Option<(Vec<f64>, f64)> {
    let mut size = 1.0;
    for _ in 0..30 {
        let moved: Vec<f64> = w.iter().zip(step).map(|(w, s)| w - size * s).collect();
        let after = loss(design, labels, &moved);
        if after < before || (size == 1.0 && after <= before + 1e-12 * before.abs()) {
            return Some((moved, after));
        }
        size *= 0.5;
    }
    None
}

/// Solves `a x = b` by Cholesky, reading the lower triangle; `None` where `a` is not positive definite.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            if i == j {
                let pivot = a[i][i] - sum;
                if pivot.is_nan() || pivot <= 0.0 {
                    return None;
                }
                a[i][i] = pivot.sqrt();
            } else {
                a[i][j] = (a[i][j] - sum) / a[j][j];
            }
        }
    }
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - sum) / a[i][i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| a[k][i] * b[k]).sum();
        b[i] = (b[i] - sum) / a[i][i];
    }
    Some(b)
}

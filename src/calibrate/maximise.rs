//! The maximum of a smooth function of a few dozen numbers, and how sharp it is there.
//!
//! BFGS (Nocedal & Wright 2006, algorithm 6.1) with central-difference gradients and a
//! backtracking line search; the curvature by central differences too. Functions here are sums
//! over thousands of observations and cost the same in any direction, so a few hundred
//! evaluations are cheap and no derivative has to be kept in step with its function by hand.
//! Must not know what is being fitted.

/// Where the search ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Maximum {
    /// The point.
    pub at: Vec<f64>,
    /// The function there.
    pub value: f64,
    /// Whether the gradient vanished before the steps ran out.
    pub converged: bool,
}

const STEPS_MAX: usize = 300;
/// Relative step of the differences: the cube root of the precision suits central differences.
const STEP: f64 = 6e-6;
/// Largest slope at a point that is taken for the maximum, against a function of size 1.
const SLOPE_MAX: f64 = 1e-7;

/// Climbs from `start` to a maximum of `f`.
pub fn maximise(f: &dyn Fn(&[f64]) -> f64, start: Vec<f64>) -> Maximum {
    let n = start.len();
    let (mut at, mut value) = (start.clone(), f(&start));
    let mut slope = gradient(f, &at);
    let mut inverse = identity(n);
    for _ in 0..STEPS_MAX {
        let tolerance = SLOPE_MAX * value.abs().max(1.0);
        if slope.iter().all(|s| s.abs() < tolerance) {
            return Maximum { at, value, converged: true };
        }
        let mut direction = times(&inverse, &slope);
        if dot(&direction, &slope) <= 0.0 {
            // The curvature learnt so far misleads: start again with the steepest ascent.
            inverse = identity(n);
            direction.clone_from(&slope);
        }
        let Some((next, next_value)) = line_search(f, &at, value, &slope, &direction) else {
            if inverse == identity(n) {
                return Maximum { at, value, converged: slope.iter().all(|s| s.abs() < 1e3 * tolerance) };
            }
            inverse = identity(n);
            continue;
        };
        let next_slope = gradient(f, &next);
        let step: Vec<f64> = next.iter().zip(&at).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = slope.iter().zip(&next_slope).map(|(a, b)| a - b).collect();
        update(&mut inverse, &step, &change);
        (at, value, slope) = (next, next_value, next_slope);
    }
    Maximum { at, value, converged: false }
}

/// A point uphill along `direction` that gains enough (Armijo), halving the step until it does.
fn line_search(
    f: &dyn Fn(&[f64]) -> f64,
    at: &[f64],
    value: f64,
    slope: &[f64],
    direction: &[f64],
) -> Option<(Vec<f64>, f64)> {
    const LONGEST: f64 = 4.0;
    let longest = direction.iter().fold(0f64, |longest, d| longest.max(d.abs()));
    let mut length = (LONGEST / longest.max(1e-300)).min(1.0);
    let gain = dot(slope, direction);
    for _ in 0..60 {
        let next: Vec<f64> = at.iter().zip(direction).map(|(a, d)| a + length * d).collect();
        let next_value = f(&next);
        if next_value.is_finite() && next_value >= value + 1e-4 * length * gain && next_value > value {
            return Some((next, next_value));
        }
        length *= 0.5;
    }
    None
}

/// BFGS update of the inverse curvature (of −f, so that it is positive definite).
fn update(inverse: &mut [Vec<f64>], step: &[f64], change: &[f64]) {
    let curvature = dot(step, change);
    if curvature <= 1e-12 * dot(step, step).sqrt() * dot(change, change).sqrt() {
        return;
    }
    let moved = times(inverse, change);
    let scale = (1.0 + dot(change, &moved) / curvature) / curvature;
    for (i, row) in inverse.iter_mut().enumerate() {
        for (j, entry) in row.iter_mut().enumerate() {
            *entry += scale * step[i] * step[j] - (moved[i] * step[j] + step[i] * moved[j]) / curvature;
        }
    }
}

fn gradient(f: &dyn Fn(&[f64]) -> f64, at: &[f64]) -> Vec<f64> {
    let mut point = at.to_vec();
    (0..at.len())
        .map(|k| {
            let h = STEP * at[k].abs().max(1.0);
            point[k] = at[k] + h;
            let above = f(&point);
            point[k] = at[k] - h;
            let below = f(&point);
            point[k] = at[k];
            (above - below) / (2.0 * h)
        })
        .collect()
}

/// The inverse of the negative curvature at a maximum: the covariance of a maximum-likelihood estimate.
/// `None` where the function is flat in some direction.
pub fn covariance(f: &dyn Fn(&[f64]) -> f64, at: &[f64]) -> Option<Vec<Vec<f64>>> {
    const WIDE: f64 = 1e-3;
    let n = at.len();
    let mut point = at.to_vec();
    let mut moved = |changes: &[(usize, f64)]| {
        changes.iter().for_each(|&(k, by)| point[k] += by);
        let value = f(&point);
        point.copy_from_slice(at);
        value
    };
    let middle = moved(&[]);
    let h: Vec<f64> = at.iter().map(|x| WIDE * x.abs().max(1.0)).collect();
    let mut information = vec![vec![0.0; n]; n];
    for i in 0..n {
        let second = moved(&[(i, h[i])]) - 2.0 * middle + moved(&[(i, -h[i])]);
        information[i][i] = -second / (h[i] * h[i]);
        for j in 0..i {
            let mut corner = |a: f64, b: f64| moved(&[(i, a * h[i]), (j, b * h[j])]);
            let mixed = corner(1.0, 1.0) - corner(1.0, -1.0) - corner(-1.0, 1.0) + corner(-1.0, -1.0);
            information[i][j] = -mixed / (4.0 * h[i] * h[j]);
            information[j][i] = information[i][j];
        }
    }
    inverse(information)
}

/// Gauss–Jordan inversion of a positive definite matrix; `None` where it is not.
fn inverse(mut a: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = a.len();
    let mut b = identity(n);
    for k in 0..n {
        let pivot = a[k][k];
        if pivot <= 1e-12 || !pivot.is_finite() {
            return None;
        }
        for j in 0..n {
            a[k][j] /= pivot;
            b[k][j] /= pivot;
        }
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[i][k];
            for j in 0..n {
                a[i][j] -= factor * a[k][j];
                b[i][j] -= factor * b[k][j];
            }
        }
    }
    Some(b)
}

fn identity(n: usize) -> Vec<Vec<f64>> {
    (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect()
}

fn times(a: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    a.iter().map(|row| dot(row, x)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curved_ridge_is_climbed_to_its_top() {
        // Rosenbrock's valley upside down: the top is at (1, 1).
        let f = |x: &[f64]| -(1.0 - x[0]).powi(2) - 100.0 * (x[1] - x[0] * x[0]).powi(2);
        let top = maximise(&f, vec![-1.2, 1.0]);
        assert!(top.converged && top.value.abs() < 1e-10);
        assert!(top.at.iter().all(|x| (x - 1.0).abs() < 1e-5), "{:?}", top.at);
    }

    #[test]
    fn the_covariance_of_a_normal_density_is_its_covariance() {
        // log density of a normal with covariance [[2, .6], [.6, .5]]; its inverse is [[.78125, -.9375], [-.9375, 3.125]].
        let f = |x: &[f64]| -0.5 * (0.78125 * x[0] * x[0] - 1.875 * x[0] * x[1] + 3.125 * x[1] * x[1]);
        let found = covariance(&f, &[0.0, 0.0]).expect("curved");
        for (row, expected) in found.iter().zip([[2.0, 0.6], [0.6, 0.5]]) {
            assert!(row.iter().zip(expected).all(|(x, e)| (x - e).abs() < 1e-6), "{found:?}");
        }
        assert_eq!(covariance(&|x: &[f64]| -x[0] * x[0], &[0.0, 0.0]), None);
    }
}

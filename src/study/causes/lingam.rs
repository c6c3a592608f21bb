//! DirectLiNGAM: the causal order and the coefficients of a linear model with noise that is not normal (Shimizu, Inazumi,
//! Sogawa, Hyvärinen, Kawahara, Washio, Hoyer, Bollen, JMLR 2011).
//!
//! Who comes first is whom the pairwise likelihood ratios with all others contradict least (Hyvärinen and Smith, JMLR
//! 2013, equations 5 and 8), with entropies by the approximation of Hyvärinen (NIPS 1997). Each variable is then regressed
//! on those before it by the adaptive lasso (Zou, JASA 2006) at the point that BIC chooses, and again by least squares on
//! what that kept. Prior knowledge is applied strictly. Orders and coefficients are those of PyPI `lingam` 1.13
//! (`DirectLiNGAM(measure="pwling")`), to rounding: see `oracle.rs`. Must not know what the variables are.

use super::lars::Sums;
use super::linear::Symmetric;
use super::observations::{CausesError, Observations};
use super::prior::{Known, Prior};

/// A causal model as found.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The variables from causes to effects.
    pub order: Vec<usize>,
    /// The direct effect of a unit of `from` on `to`, at `to · n_variables + from`; 0 where there is no edge.
    coefficients: Vec<f64>,
}

impl Model {
    /// Variables.
    pub fn n_variables(&self) -> usize {
        self.order.len()
    }

    /// The direct effect of a unit of `from` on `to`; 0 where there is no edge.
    pub fn coefficient(&self, from: usize, to: usize) -> f64 {
        self.coefficients[to * self.n_variables() + from]
    }

    /// Effects along all paths, in the layout of the coefficients: (I − B)⁻¹ − I, row by row along the order.
    pub fn total_effects(&self) -> TotalEffects {
        let n = self.n_variables();
        let mut effects = vec![0.0; n * n];
        for (nth, &to) in self.order.iter().enumerate() {
            for &via in &self.order[..nth] {
                let direct = self.coefficient(via, to);
                if direct == 0.0 {
                    continue;
                }
                effects[to * n + via] += direct;
                for from in 0..n {
                    effects[to * n + from] += direct * effects[via * n + from];
                }
            }
        }
        TotalEffects { n_variables: n, effects }
    }
}

/// Effects along all paths.
#[derive(Clone, Debug, PartialEq)]
pub struct TotalEffects {
    n_variables: usize,
    effects: Vec<f64>,
}

impl TotalEffects {
    /// The effect of a unit of `from` on `to`, along all paths.
    pub fn of(&self, from: usize, to: usize) -> f64 {
        self.effects[to * self.n_variables + from]
    }
}

/// Finds the model.
///
/// # Errors
/// When the prior contradicts itself or is about other variables, or variables cannot be told apart.
pub fn discover(seen: &Observations, prior: &Prior) -> Result<Model, CausesError> {
    prior.check(seen.names())?;
    let order = causal_order(seen, prior);
    let n = seen.n_variables();
    let mut coefficients = vec![0.0; n * n];
    for (nth, &to) in order.iter().enumerate() {
        let before = order[..nth].iter().copied();
        let predictors: Vec<usize> = before.filter(|&from| prior.of(from, to) != Known::NoPath).collect();
        for (from, coefficient) in adaptive_lasso(seen, &predictors, to)? {
            coefficients[to * n + from] = coefficient;
        }
    }
    Ok(Model { order, coefficients })
}

/// The variables from causes to effects.
fn causal_order(seen: &Observations, prior: &Prior) -> Vec<usize> {
    let mut columns = seen.columns().to_vec();
    let mut left: Vec<usize> = (0..seen.n_variables()).collect();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let first = foremost(&columns, &left, &prior.may_come_first(&left));
        left.retain(|&variable| variable != first);
        let cause = columns[first].clone();
        left.iter().for_each(|&variable| take_out(&mut columns[variable], &cause));
        order.push(first);
    }
    order
}

/// The candidate that depends least on those left, the first of equals.
fn foremost(columns: &[Vec<f64>], left: &[usize], candidates: &[usize]) -> usize {
    if let [only] = candidates {
        return *only;
    }
    let mut scaled: Vec<(Vec<f64>, f64)> = vec![Default::default(); columns.len()];
    for &variable in left {
        let column = standardised(&columns[variable]);
        let entropy = entropy(&column);
        scaled[variable] = (column, entropy);
    }
    let against = |candidate: usize| {
        let others = left.iter().filter(|&&other| other != candidate);
        others.map(|&other| against_first(&scaled[candidate], &scaled[other]).powi(2)).sum::<f64>()
    };
    let mut best = (candidates[0], f64::INFINITY);
    for &candidate in candidates {
        let against = against(candidate);
        if against < best.1 {
            best = (candidate, against);
        }
    }
    best.0
}

/// How much speaks against the first being the cause of the second: the likelihood ratio of the two directions, where it
/// is for the second, else 0. Both come standardised, with their entropies.
fn against_first(first: &(Vec<f64>, f64), second: &(Vec<f64>, f64)) -> f64 {
    let residual = |of: &[f64], on: &[f64]| {
        let mut of = of.to_vec();
        take_out(&mut of, on);
        let scale = 1.0 / variance(&of).sqrt();
        of.iter_mut().for_each(|value| *value *= scale);
        entropy(&of)
    };
    let ratio = (second.1 + residual(&first.0, &second.0)) - (first.1 + residual(&second.0, &first.0));
    ratio.min(0.0)
}

/// Replaces a column by its residual on `cause`.
fn take_out(column: &mut [f64], cause: &[f64]) {
    let slope = covariance(column, cause) / variance(cause);
    column.iter_mut().zip(cause).for_each(|(value, cause)| *value -= slope * cause);
}

/// Differential entropy of standardised values (Hyvärinen, "New approximations of differential entropy", NIPS 1997, with
/// G₁ = ln cosh and G₂ = u exp(−u²/2)).
fn entropy(values: &[f64]) -> f64 {
    const K1: f64 = 79.047;
    const K2: f64 = 7.4129;
    const GAMMA: f64 = 0.37457;
    let n = values.len() as f64;
    let (mut flat, mut skew) = (0.0, 0.0);
    for &u in values {
        // ln cosh u without overflow.
        flat += u.abs() + (-2.0 * u.abs()).exp().ln_1p() - std::f64::consts::LN_2;
        skew += u * (-u * u / 2.0).exp();
    }
    let normal = (1.0 + (2.0 * std::f64::consts::PI).ln()) / 2.0;
    normal - K1 * (flat / n - GAMMA).powi(2) - K2 * (skew / n).powi(2)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>() / a.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    covariance(values, values)
}

fn standardised(values: &[f64]) -> Vec<f64> {
    let (mean, scale) = (mean(values), 1.0 / variance(values).sqrt());
    values.iter().map(|value| (value - mean) * scale).collect()
}

/// The coefficients of `target` on those predictors that the adaptive lasso keeps, on the scale of the data.
fn adaptive_lasso(
    seen: &Observations,
    predictors: &[usize],
    target: usize,
) -> Result<Vec<(usize, f64)>, CausesError> {
    if predictors.is_empty() {
        return Ok(Vec::new());
    }
    let collinear = |at: usize| CausesError::Collinear {
        name: seen.names()[predictors[at.min(predictors.len() - 1)]].clone(),
        others: predictors[..at.min(predictors.len() - 1)]
            .iter()
            .map(|&p| seen.names()[p].as_str())
            .collect::<Vec<_>>()
            .join(", "),
    };
    let n = seen.n_rows();
    let scaled = sums(&seen.moments().correlations(), n, predictors, target);
    let weights: Vec<f64> = scaled.least_squares().map_err(collinear)?.iter().map(|b| b.abs()).collect();
    // A weight of 0 is a variable that explains nothing: it stays out.
    let weighed: Vec<usize> = (0..predictors.len()).filter(|&at| weights[at] > 0.0).collect();
    let weighted = Sums {
        n_rows: n,
        gram: Symmetric::new(weighed.len(), |a, b| {
            let (a, b) = (weighed[a], weighed[b]);
            weights[a] * weights[b] * scaled.gram.at(a, b)
        }),
        xy: weighed.iter().map(|&at| weights[at] * scaled.xy[at]).collect(),
        yy: scaled.yy,
    };
    let chosen = weighted.best_by_bic().map_err(|at| collinear(weighed.get(at).copied().unwrap_or(at)))?;
    let kept = weighed.iter().zip(chosen).filter(|(_, coefficient)| *coefficient != 0.0);
    let kept: Vec<usize> = kept.map(|(&at, _)| predictors[at]).collect();
    let refit = sums(&seen.moments().covariances, n, &kept, target).least_squares().map_err(collinear)?;
    Ok(kept.into_iter().zip(refit).collect())
}

/// The regression of `target` on `predictors` in sums, from means of squares and products.
fn sums(moments: &Symmetric, n_rows: usize, predictors: &[usize], target: usize) -> Sums {
    let n = n_rows as f64;
    Sums {
        n_rows,
        gram: Symmetric::new(predictors.len(), |a, b| n * moments.at(predictors[a], predictors[b])),
        xy: predictors.iter().map(|&from| n * moments.at(from, target)).collect(),
        yy: n * moments.at(target, target),
    }
}

//! Adjustment with what was known before the experiment (CUPED: Deng, Xu, Kohavi and Walker 2013): a covariate
//! that foretells the outcome takes its share of the noise away. Must not know what outcome and covariates are.
//!
//! Arms without shared people: the outcome is regressed on arm and covariates, with one slope for both arms, as CUPED
//! has it (analysis of covariance), or one each (Lin 2013, Annals of Applied Statistics 7). With many
//! covariates that is CUPED with the best combination of them. Standard errors are HC2, which are
//! Welch's where there are no covariates.
//!
//! Paired differences: both arms have the same people, so the covariates' means are equal and there is nothing to
//! adjust between arms. What covariates can do is correct for whom the sample happened to hold, where their means in
//! the population it was drawn from are known ([`paired`] with `known_means`). Without, the estimate stays, and its
//! smaller standard error is that of the effect on just these people, not on others like them.

use super::estimate::{Estimate, satterthwaite};
use super::least_squares::Design;
use super::summary;

/// One slope for both arms, or one each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slopes {
    /// One for both (CUPED, analysis of covariance).
    #[default]
    Common,
    /// One for each (Lin 2013): at least as good where arms differ in size or in how much covariates tell.
    PerArm,
}

/// An adjusted difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Adjusted {
    /// The difference with its standard error.
    pub estimate: Estimate,
    /// The same data without covariates.
    pub unadjusted: Estimate,
    /// Which covariates were used; the others are constant, not finite, or combinations of those before them.
    pub used: Vec<usize>,
}

impl Adjusted {
    /// The share of the variance that the adjustment took away; negative where it added. `None` without variance.
    pub fn variance_reduction(&self) -> Option<f64> {
        let before = self.unadjusted.std_error.powi(2);
        (before > 0.0).then(|| 1.0 - self.estimate.std_error.powi(2) / before)
    }
}

/// Outcomes of an arm with covariates: one number an agent, one column a covariate.
#[derive(Clone, Copy, Debug)]
pub struct Arm<'a> {
    /// Outcomes.
    pub outcomes: &'a [f64],
    /// Covariates, column by column, each as long as the outcomes.
    pub covariates: &'a [Vec<f64>],
}

/// The mean on the right less that on the left, adjusted. `None` where an arm has fewer than two people or the
/// people are no more than the numbers to be fitted.
///
/// # Panics
/// When the arms have not as many covariates, or one is not as long as the outcomes.
pub fn unpaired(left: Arm<'_>, right: Arm<'_>, slopes: Slopes) -> Option<Adjusted> {
    assert_eq!(left.covariates.len(), right.covariates.len(), "the same covariates in both arms");
    for arm in [left, right] {
        assert!(arm.covariates.iter().all(|column| column.len() == arm.outcomes.len()), "a value an agent");
    }
    let unadjusted = super::unpaired::difference(left.outcomes, right.outcomes)?;
    let (n_left, n_right) = (left.outcomes.len(), right.outcomes.len());
    let in_right = |k: usize| f64::from(u8::from(k >= n_left));
    let n = n_left + n_right;
    let mut columns = vec![vec![1.0; n], (0..n).map(in_right).collect()];
    for (left, right) in left.covariates.iter().zip(right.covariates) {
        columns.push(standardised(left.iter().chain(right)));
    }
    let n_covariates = left.covariates.len();
    if slopes == Slopes::PerArm {
        for nth in 0..n_covariates {
            columns.push(columns[2 + nth].iter().enumerate().map(|(k, x)| x * in_right(k)).collect());
        }
    }
    let design = Design::new(&columns);
    let outcomes: Vec<f64> = left.outcomes.iter().chain(right.outcomes).copied().collect();
    let used: Vec<usize> =
        design.kept.iter().filter(|&&at| at >= 2 && at < 2 + n_covariates).map(|at| at - 2).collect();
    if used.is_empty() {
        return Some(Adjusted { estimate: unadjusted, unadjusted, used });
    }
    if n <= design.rank() || n_left.min(n_right) <= used.len() + 1 {
        return None;
    }
    let fit = design.fit(&outcomes);
    // The fit costs each arm its share of the degrees of freedom beyond the arms' own means.
    let cost = (design.rank() - 2) as f64 / 2.0;
    let part = |residuals: &[f64]| {
        let squares: f64 = residuals.iter().map(|residual| residual * residual).sum();
        let n = residuals.len() as f64;
        (squares / (n * n), (n - 1.0 - cost).max(1.0))
    };
    let (of_left, of_right) = fit.residuals.split_at(n_left);
    let degrees = satterthwaite(part(of_left), part(of_right));
    let std_error = design.variance_hc2(1, &fit).sqrt();
    // Covariates in balance leave the difference as it is, but for rounding.
    let is_same = (fit.coefficients[1] - unadjusted.difference).abs() <= 1e-10 * std_error;
    let estimate = Estimate {
        difference: if is_same { unadjusted.difference } else { fit.coefficients[1] },
        std_error,
        degrees: if degrees.is_finite() { degrees } else { (n - design.rank()) as f64 },
    };
    Some(Adjusted { estimate, unadjusted, used })
}

/// The mean of paired differences, adjusted with covariates of the pairs, column by column.
///
/// With `known_means` (one a covariate, of the population that the pairs were drawn from) the estimate is of the effect
/// in that population. Without, it is the plain mean, and the standard error that of the effect on just
/// these people. `None` of fewer than two pairs, or no more pairs than numbers to be fitted.
///
/// # Panics
/// When a covariate is not as long as the differences, or the means are not as many as the covariates.
pub fn paired(differences: &[f64], covariates: &[Vec<f64>], known_means: Option<&[f64]>) -> Option<Adjusted> {
    assert!(covariates.iter().all(|column| column.len() == differences.len()), "a value a pair");
    assert!(known_means.is_none_or(|means| means.len() == covariates.len()), "a mean a covariate");
    let n = differences.len();
    let unadjusted = Estimate {
        difference: summary::mean(differences)?,
        std_error: summary::std_error(differences)?,
        degrees: n as f64 - 1.0,
    };
    // Centred where the population's mean is, so that the intercept is the effect there; the intercept comes first
    // and is never left out.
    let mut columns = vec![vec![1.0; n]];
    for (nth, column) in covariates.iter().enumerate() {
        let centre = known_means.map_or_else(|| summary::mean(column), |means| Some(means[nth]))?;
        columns.push(column.iter().map(|x| x - centre).collect());
    }
    let design = Design::new(&columns);
    let used: Vec<usize> = design.kept.iter().filter(|&&at| at > 0).map(|at| at - 1).collect();
    if used.is_empty() {
        return Some(Adjusted { estimate: unadjusted, unadjusted, used });
    }
    if n <= design.rank() {
        return None;
    }
    let fit = design.fit(differences);
    let estimate = Estimate {
        difference: if known_means.is_some() { fit.coefficients[0] } else { unadjusted.difference },
        std_error: design.variance_hc2(0, &fit).sqrt(),
        degrees: (n - design.rank()) as f64,
    };
    Some(Adjusted { estimate, unadjusted, used })
}

/// The values less their mean, in standard deviations where they have one: keeps columns of any scale apart from
/// rounding errors.
fn standardised<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<f64> {
    let values: Vec<f64> = values.copied().collect();
    let mean = summary::mean(&values).unwrap_or(0.0);
    let spread = summary::std_dev(&values).filter(|spread| *spread > 1e-12 * mean.abs()).unwrap_or(0.0);
    let scaled = |value: &f64| if spread > 0.0 { (value - mean) / spread } else { 0.0 };
    if values.iter().all(|value| value.is_finite()) { values.iter().map(scaled).collect() } else { values }
}

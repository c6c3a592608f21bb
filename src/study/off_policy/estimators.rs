//! The value of one policy from the log of another, where every row is one decision: IPS, SNIPS, clipped IPS, DM, DR
//! and switch-DR, with intervals clustered by person, and how much of the log speaks at all.
//! Must not know where rows come from.

use super::interval::{Measured, NOTHING, Ratio, Term, mean_ratio, measure};

/// One logged decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Whose decision it was, dense from 0: rows of one person are one witness.
    pub cluster: u32,
    /// What came of it.
    pub reward: f64,
    /// The probability with which the logging policy did what it did, above 0.
    pub behaviour: f64,
    /// The probability with which the target policy would have done it.
    pub target: f64,
    /// What a model that has not seen this person expects of what was done: q(x, a).
    pub model: f64,
    /// What the model expects under the target policy: Σ π(a | x) q(x, a).
    pub model_target: f64,
}

impl Row {
    fn weight(&self) -> f64 {
        self.target / self.behaviour
    }
}

/// How a target's value is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Estimator {
    /// Inverse propensity scores (Horvitz and Thompson 1952; Strehl et al. 2010): mean of w · r.
    Ips,
    /// Self-normalised (Swaminathan and Joachims 2015): Σ w · r / Σ w.
    Snips,
    /// Weights cut off at the square root of the number of rows (Ionides 2008, truncated importance sampling).
    ClippedIps,
    /// Direct method: mean of the model's expectation under the target.
    Dm,
    /// Doubly robust (Dudík, Langford and Li 2011): DM plus mean of w · (r − q).
    Dr,
    /// Doubly robust where weights are small, the model alone elsewhere (Wang, Agarwal and Dudík 2017).
    SwitchDr,
}

impl Estimator {
    /// Every one, in the order in which they are told.
    pub const ALL: [Estimator; 6] = [
        Estimator::Ips,
        Estimator::Snips,
        Estimator::ClippedIps,
        Estimator::Dm,
        Estimator::Dr,
        Estimator::SwitchDr,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Estimator::Ips => "ips",
            Estimator::Snips => "snips",
            Estimator::ClippedIps => "clipped_ips",
            Estimator::Dm => "dm",
            Estimator::Dr => "dr",
            Estimator::SwitchDr => "switch_dr",
        }
    }
}

/// What one estimator says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Which.
    pub estimator: Estimator,
    /// The estimated value of the target policy, expected reward a decision.
    pub value: f64,
    /// Its standard error; DM's does not know how wrong the model is.
    pub std_error: f64,
    /// The interval, where there are two clusters at least.
    pub interval: Option<(f64, f64)>,
    /// The weight from which switch-DR trusts the model, or at which clipped IPS cuts.
    pub threshold: Option<f64>,
}

/// How much of a log speaks about a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Support {
    /// Decisions.
    pub n_rows: usize,
    /// People.
    pub n_clusters: usize,
    /// (Σ w)² / Σ w² (Kish 1965): as many rows of equal weight say as much; 0 where no weight is above 0.
    pub effective_sample_size: f64,
    /// The largest weight.
    pub weight_max: f64,
    /// Rows that the target would never have produced.
    pub share_zero: f64,
    /// Mean weight: 1 in expectation where the log covers all that the target does.
    pub mean_weight: f64,
    /// Its interval.
    pub mean_weight_interval: Option<(f64, f64)>,
}

impl Support {
    /// Whether the mean weight says that the log covers the target: 1 lies in its interval.
    pub fn is_plausible(&self) -> bool {
        match self.mean_weight_interval {
            Some((low, high)) => low <= 1.0 && 1.0 <= high && self.mean_weight > 0.0,
            None => false,
        }
    }
}

/// Why nothing can be estimated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EstimateError {
    /// There are no rows.
    #[error("the log is empty, expected at least one row")]
    Empty,
    /// A number is not what it must be.
    #[error("row {row} (from 1): {name} is {value}, must be {expected}")]
    BadNumber {
        /// Which row, from 1.
        row: usize,
        /// Of what.
        name: &'static str,
        /// The number.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
}

/// A target's value by every estimator.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimates {
    /// What each says, in the order of [`Estimator::ALL`].
    pub estimates: Vec<Estimate>,
    /// How much of the log speaks.
    pub support: Support,
}

impl Estimates {
    /// What this estimator says.
    pub fn by(&self, estimator: Estimator) -> &Estimate {
        &self.estimates[Estimator::ALL.iter().position(|&e| e == estimator).unwrap_or(0)]
    }
}

/// Estimates a target's value by every estimator.
///
/// # Errors
/// When there are no rows, or a number is out of range.
pub fn estimate(rows: &[Row], confidence: f64) -> Result<Estimates, EstimateError> {
    check(rows)?;
    let log = Log::new(rows, confidence);
    let estimates = Estimator::ALL.iter().map(|&estimator| log.estimate(estimator)).collect();
    Ok(Estimates { estimates, support: log.support() })
}

/// Switch-DR at a threshold of the caller's own: DR where w ≤ threshold, the model elsewhere.
///
/// # Errors
/// As [`estimate`].
pub fn switch_dr(rows: &[Row], threshold: f64) -> Result<Measured, EstimateError> {
    check(rows)?;
    Ok(Log::new(rows, 0.95).switched(threshold))
}

fn check(rows: &[Row]) -> Result<(), EstimateError> {
    if rows.is_empty() {
        return Err(EstimateError::Empty);
    }
    for (at, row) in rows.iter().enumerate() {
        let bad =
            |name, value, expected| Err(EstimateError::BadNumber { row: at + 1, name, value, expected });
        for (name, value) in
            [("reward", row.reward), ("model", row.model), ("model_target", row.model_target)]
        {
            if !value.is_finite() {
                return bad(name, value, "finite");
            }
        }
        if !(row.behaviour > 0.0 && row.behaviour <= 1.0 + 1e-6) {
            return bad("behaviour", row.behaviour, "above 0 and at most 1");
        }
        if !(row.target >= 0.0 && row.target <= 1.0 + 1e-6) {
            return bad("target", row.target, "0..=1");
        }
    }
    Ok(())
}

/// Rows that have been checked.
struct Log<'a> {
    rows: &'a [Row],
    weights: Vec<f64>,
    n_clusters: usize,
    confidence: f64,
}

impl<'a> Log<'a> {
    fn new(rows: &'a [Row], confidence: f64) -> Self {
        let weights = rows.iter().map(Row::weight).collect();
        let n_clusters = rows.iter().map(|row| row.cluster as usize + 1).max().unwrap_or(0);
        Log { rows, weights, n_clusters, confidence }
    }

    /// The mean of a number a row.
    fn mean(&self, of: impl Fn(&Row, f64) -> f64) -> Measured {
        let values = self.rows.iter().zip(&self.weights).map(|(row, &weight)| of(row, weight));
        let ratio = mean_ratio(self.rows.iter().map(|row| row.cluster), values);
        measure(&[ratio], self.n_clusters).unwrap_or(NOTHING)
    }

    fn estimate(&self, estimator: Estimator) -> Estimate {
        let clip = (self.rows.len() as f64).sqrt();
        let (found, threshold, bias) = match estimator {
            Estimator::Ips => (self.mean(|row, w| w * row.reward), None, 0.0),
            Estimator::Snips => (self.normalised(), None, 0.0),
            Estimator::ClippedIps => (self.mean(|row, w| w.min(clip) * row.reward), Some(clip), 0.0),
            Estimator::Dm => (self.mean(|row, _| row.model_target), None, 0.0),
            Estimator::Dr => (self.switched(f64::INFINITY), None, 0.0),
            Estimator::SwitchDr => {
                let (threshold, bias) = self.threshold();
                (self.switched(threshold), Some(threshold), bias)
            }
        };
        Estimate {
            estimator,
            value: found.value,
            std_error: found.std_error,
            interval: found.interval_around(self.confidence, bias),
            threshold,
        }
    }

    fn normalised(&self) -> Measured {
        let term = |(row, &w): (&Row, &f64)| Term {
            cluster: row.cluster,
            numerator: w * row.reward,
            denominator: w,
        };
        let terms = self.rows.iter().zip(&self.weights).map(term).collect();
        measure(&[Ratio { share: 1.0, terms }], self.n_clusters).unwrap_or(NOTHING)
    }

    fn switched(&self, threshold: f64) -> Measured {
        self.mean(|row, w| {
            let corrected = if w <= threshold { w * (row.reward - row.model) } else { 0.0 };
            row.model_target + corrected
        })
    }

    /// The threshold from which the model is trusted, and a bound of the bias that this brings.
    ///
    /// SLOPE (Su, Srinath and Krishnamurthy, ICML 2020, algorithm 1, with the constant of Tucker and Lee 2021): thresholds
    /// are gone through from none at all (no bias, most variance) down, for as long as the estimate agrees with all before it
    /// within their half-widths. Thresholds tried are the weights at 20 quantiles. The bias is bounded by the estimated
    /// bias (what is missing to DR) and its one-sided 95 % interval.
    fn threshold(&self) -> (f64, f64) {
        let mut ascending: Vec<f64> = self.weights.iter().copied().filter(|&w| w > 0.0).collect();
        ascending.sort_by(f64::total_cmp);
        let tuned = |nth: usize| ascending.get(nth * ascending.len() / N_THRESHOLDS).copied();
        let half_width = |found: &Measured| HALF_WIDTH * found.std_error;
        let mut best = (f64::INFINITY, 0.0);
        let mut before = vec![self.switched(f64::INFINITY)];
        for threshold in (0..N_THRESHOLDS).rev().filter_map(tuned) {
            let found = self.switched(threshold);
            let agrees = |other: &Measured| {
                let near = half_width(&found) + (6.0f64.sqrt() - 1.0) * half_width(other);
                (found.value - other.value).abs() <= near
            };
            if !before.iter().all(agrees) {
                break;
            }
            let missed = self.mean(|row, w| if w > threshold { w * (row.reward - row.model) } else { 0.0 });
            best = (threshold, missed.value.abs() + BIAS_WIDTH * missed.std_error);
            before.push(found);
        }
        best
    }

    fn support(&self) -> Support {
        let sum: f64 = self.weights.iter().sum();
        let squares: f64 = self.weights.iter().map(|w| w * w).sum();
        let mean = self.mean(|_, w| w);
        Support {
            n_rows: self.rows.len(),
            n_clusters: mean.n_clusters,
            effective_sample_size: if squares > 0.0 { sum * sum / squares } else { 0.0 },
            weight_max: self.weights.iter().copied().fold(0.0, f64::max),
            share_zero: self.weights.iter().filter(|&&w| w == 0.0).count() as f64 / self.rows.len() as f64,
            mean_weight: mean.value,
            mean_weight_interval: mean.interval(self.confidence),
        }
    }
}

/// Quantiles of the weights at which switch-DR may switch.
const N_THRESHOLDS: usize = 20;
/// Standard errors in a half-width of SLOPE.
const HALF_WIDTH: f64 = 1.96;
/// Standard errors of a one-sided 95 % bound.
const BIAS_WIDTH: f64 = 1.645;

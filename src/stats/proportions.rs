//! Two proportions: test, intervals, power. For clicks and other things that happen or do not.
//! Must not know what happened.

use super::power::smallest;
use statrs::distribution::{ContinuousCDF, Normal};

/// How often something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// How often it happened; at most `trials`.
    pub successes: u64,
    /// How often it could have.
    pub trials: u64,
}

impl Counts {
    /// The share of successes; `None` without trials or with more successes than trials.
    pub fn share(&self) -> Option<f64> {
        (self.trials > 0 && self.successes <= self.trials).then(|| self.successes as f64 / self.trials as f64)
    }
}

/// The z-test of two proportions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZTest {
    /// The share on the right less that on the left, in standard errors under no difference.
    pub z: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

/// The z-test that two proportions are equal, with the pooled variance; its square is Pearson's χ² of the 2 × 2
/// table without continuity correction. All successes or none on both sides is no evidence (p = 1). `None` where
/// a side has no trials or impossible counts.
pub fn z_test(left: Counts, right: Counts) -> Option<ZTest> {
    let difference = right.share()? - left.share()?;
    let (n_left, n_right) = (left.trials as f64, right.trials as f64);
    let pooled = (left.successes + right.successes) as f64 / (n_left + n_right);
    let std_error = (pooled * (1.0 - pooled) * (1.0 / n_left + 1.0 / n_right)).sqrt();
    if std_error == 0.0 {
        return Some(ZTest { z: 0.0, p_value: 1.0 });
    }
    let z = difference / std_error;
    Some(ZTest { z, p_value: (2.0 * Normal::standard().cdf(-z.abs())).min(1.0) })
}

/// Wald's interval of the share on the right less that on the left; too short for few successes
/// (see [`newcombe_interval`]).
pub fn wald_interval(left: Counts, right: Counts, confidence: f64) -> Option<(f64, f64)> {
    let (p_left, p_right) = (left.share()?, right.share()?);
    let variance =
        p_left * (1.0 - p_left) / left.trials as f64 + p_right * (1.0 - p_right) / right.trials as f64;
    let half = two_sided_z(confidence)? * variance.sqrt();
    Some((p_right - p_left - half, p_right - p_left + half))
}

/// Newcombe's interval of the share on the right less that on the left, from Wilson's intervals of both
/// (Newcombe 1998, Statistics in Medicine 17, method 10).
pub fn newcombe_interval(left: Counts, right: Counts, confidence: f64) -> Option<(f64, f64)> {
    let (p_left, p_right) = (left.share()?, right.share()?);
    let ((low_left, high_left), (low_right, high_right)) =
        (wilson_interval(left, confidence)?, wilson_interval(right, confidence)?);
    let difference = p_right - p_left;
    let below = (p_right - low_right).hypot(high_left - p_left);
    let above = (high_right - p_right).hypot(p_left - low_left);
    Some((difference - below, difference + above))
}

/// Wilson's score interval of one proportion (1927).
pub fn wilson_interval(counts: Counts, confidence: f64) -> Option<(f64, f64)> {
    let (p, n, z) = (counts.share()?, counts.trials as f64, two_sided_z(confidence)?);
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Some((((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0)))
}

/// Power of the two-sided [`z_test`] at level `alpha` with `n` trials a side when the true shares are these:
/// pooled variance under no difference, own variances under these shares (Fleiss, Levin and Paik 2003, §4.2).
/// `None` unless both shares lie strictly between 0 and 1, and 0 < alpha < 1.
pub fn power(p_left: f64, p_right: f64, n: u64, alpha: f64) -> Option<f64> {
    let is_share = |p: f64| p > 0.0 && p < 1.0;
    if !is_share(p_left) || !is_share(p_right) || n == 0 {
        return None;
    }
    let z = two_sided_z(1.0 - alpha)?;
    let mean = (p_left + p_right) / 2.0;
    let under_null = (2.0 * mean * (1.0 - mean)).sqrt();
    let under_shares = (p_left * (1.0 - p_left) + p_right * (1.0 - p_right)).sqrt();
    let shift = (p_right - p_left) * (n as f64).sqrt();
    let normal = Normal::standard();
    let beyond = |shift: f64| normal.cdf((shift - z * under_null) / under_shares);
    Some(beyond(shift) + beyond(-shift))
}

/// Trials a side with which the [`z_test`] finds this difference of shares with probability `power_wanted`;
/// `None` where no number up to 2^40 does.
pub fn trials_needed(p_left: f64, p_right: f64, alpha: f64, power_wanted: f64) -> Option<u64> {
    if p_left == p_right || !(power_wanted > alpha && power_wanted < 1.0) {
        return None;
    }
    smallest(|n| power(p_left, p_right, n, alpha).is_some_and(|power| power >= power_wanted))
}

/// The z that a standard normal exceeds on either side with probability 1 − confidence.
fn two_sided_z(confidence: f64) -> Option<f64> {
    (confidence > 0.0 && confidence < 1.0).then(|| Normal::standard().inverse_cdf(0.5 + confidence / 2.0))
}

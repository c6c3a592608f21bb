//! The two-sample test for arms that do not share their people.
//! Must not know what the samples are.

use super::paired::two_sided_t;
use super::summary;

/// Two-sided p-value of Welch's t (unequal variances, Welch–Satterthwaite degrees of freedom);
/// `None` when a sample has fewer than two values.
pub fn welch(left: &[f64], right: &[f64]) -> Option<f64> {
    let (mean_left, mean_right) = (summary::mean(left)?, summary::mean(right)?);
    let part_left = summary::variance(left)? / left.len() as f64;
    let part_right = summary::variance(right)? / right.len() as f64;
    let variance = part_left + part_right;
    let difference = mean_right - mean_left;
    if variance == 0.0 {
        return Some(if difference == 0.0 { 1.0 } else { 0.0 });
    }
    let degrees = variance * variance
        / (part_left * part_left / (left.len() - 1) as f64
            + part_right * part_right / (right.len() - 1) as f64);
    Some(two_sided_t(difference / variance.sqrt(), degrees)).filter(|p| p.is_finite())
}

//! An estimated difference with its standard error: its test and its interval from Student's t.
//! Must not know how the difference was estimated.

use super::student::{self, critical};

/// A difference as it was estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimated difference.
    pub difference: f64,
    /// Its standard error.
    pub std_error: f64,
    /// Degrees of freedom of the standard error, not necessarily whole.
    pub degrees: f64,
}

impl Estimate {
    /// Two-sided p-value of no difference. Without any spread, no difference is no evidence (1) and any
    /// difference infinite evidence (0).
    pub fn p_value(&self) -> Option<f64> {
        if self.std_error == 0.0 {
            return Some(if self.difference == 0.0 { 1.0 } else { 0.0 });
        }
        Some(student::two_sided(self.difference / self.std_error, self.degrees)).filter(|p| p.is_finite())
    }

    /// The interval that covers the true difference this often; `None` unless 0 < confidence < 1 and there
    /// are degrees of freedom.
    pub fn interval(&self, confidence: f64) -> Option<(f64, f64)> {
        if !(confidence > 0.0 && confidence < 1.0 && self.degrees > 0.0) {
            return None;
        }
        let half = critical(self.degrees, 1.0 - confidence)? * self.std_error;
        Some((self.difference - half, self.difference + half))
    }
}

/// Degrees of freedom of the sum of two independent variance estimates (Satterthwaite 1946); not finite
/// where both are 0.
pub(super) fn satterthwaite(left: (f64, f64), right: (f64, f64)) -> f64 {
    let ((part_left, degrees_left), (part_right, degrees_right)) = (left, right);
    let variance = part_left + part_right;
    variance * variance / (part_left * part_left / degrees_left + part_right * part_right / degrees_right)
}

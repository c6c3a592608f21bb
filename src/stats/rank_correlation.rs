//! How far two orders of the same things agree. Must not know what is ordered.

/// Kendall's τ-b of paired values (Kendall 1945, Biometrika 33): concordant less discordant pairs, over
/// the geometric mean of the pairs that are not tied on either side; 1 is the same order, −1 the
/// reverse. `None` where a side is all ties, where there are fewer than two pairs of values, or
/// where a value is not a number. O(n²), for the few arms of a run.
///
/// # Panics
/// When there are not as many values on both sides.
pub fn kendall_tau_b(left: &[f64], right: &[f64]) -> Option<f64> {
    assert_eq!(left.len(), right.len(), "paired values");
    if left.iter().chain(right).any(|value| value.is_nan()) {
        return None;
    }
    let (mut balance, mut untied_left, mut untied_right) = (0i64, 0u64, 0u64);
    for i in 0..left.len() {
        for j in 0..i {
            let (a, b) = (sign(left[i], left[j]), sign(right[i], right[j]));
            balance += a * b;
            untied_left += a.unsigned_abs();
            untied_right += b.unsigned_abs();
        }
    }
    let untied = (untied_left as f64 * untied_right as f64).sqrt();
    (untied > 0.0).then(|| balance as f64 / untied)
}

fn sign(a: f64, b: f64) -> i64 {
    i64::from(a > b) - i64::from(a < b)
}

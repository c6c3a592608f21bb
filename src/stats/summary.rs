//! One sample in a few numbers. Must not know what the numbers mean.

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample variance, n − 1 in the denominator; `None` of fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values)?;
    let sum: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some(sum / (values.len() - 1) as f64)
}

/// Standard deviation, n − 1 in the denominator; `None` of fewer than two values.
pub fn std_dev(values: &[f64]) -> Option<f64> {
    variance(values).map(f64::sqrt)
}

/// Standard error of the mean; `None` of fewer than two values.
pub fn std_error(values: &[f64]) -> Option<f64> {
    std_dev(values).map(|std_dev| std_dev / (values.len() as f64).sqrt())
}

/// The quantile at `share` (0..=1) of ascending values, linear between neighbours
/// (Hyndman and Fan's type 7, numpy's default); `None` of nothing.
pub fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    let fraction = place - below as f64;
    Some(ascending[below] + fraction * (ascending[above] - ascending[below]))
}

//! Many tests at once: adjusted p-values. Must not know what was tested.

use super::params::Adjustment;

/// Adjusted p-values, in the order given.
pub fn adjust(p_values: &[f64], adjustment: Adjustment) -> Vec<f64> {
    match adjustment {
        Adjustment::Holm => holm(p_values),
        Adjustment::Bh => benjamini_hochberg(p_values),
        Adjustment::None => p_values.to_vec(),
    }
}

/// Holm's step-down adjustment (1979): holds the chance of any false positive.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len();
    let mut adjusted = vec![0.0; m];
    let mut so_far = 0.0f64;
    for (rank, &at) in ascending(p_values).iter().enumerate() {
        so_far = so_far.max((m - rank) as f64 * p_values[at]).min(1.0);
        adjusted[at] = so_far;
    }
    adjusted
}

/// Benjamini and Hochberg's step-up adjustment (1995): holds the expected share of false
/// positives among the positives.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len();
    let mut adjusted = vec![0.0; m];
    let mut so_far = 1.0f64;
    for (rank, &at) in ascending(p_values).iter().enumerate().rev() {
        so_far = so_far.min(m as f64 / (rank + 1) as f64 * p_values[at]);
        adjusted[at] = so_far;
    }
    adjusted
}

/// Places of the p-values from the smallest up.
fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

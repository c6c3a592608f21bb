//! Tests of paired differences against zero. Two-sided throughout.
//! Must not know what was paired.

use super::{student, summary};
use statrs::distribution::{ContinuousCDF, Normal};

/// Two-sided p-value of Student's t on paired differences; `None` of fewer than two pairs.
/// Differences that are all zero are no evidence (1); all the same and not zero, infinite evidence (0).
pub fn paired_t(differences: &[f64]) -> Option<f64> {
    let mean = summary::mean(differences)?;
    let std_error = summary::std_error(differences)?;
    if std_error == 0.0 {
        return Some(if mean == 0.0 { 1.0 } else { 0.0 });
    }
    let t = mean / std_error;
    Some(student::two_sided(t, (differences.len() - 1) as f64)).filter(|p| p.is_finite())
}

/// Pairs up to which the signed-rank distribution is counted out, as in scipy.
const N_EXACT: usize = 50;

/// Two-sided p-value of Wilcoxon's signed ranks; `None` without pairs.
///
/// Zero differences are dropped (Wilcoxon's own treatment). Exact for up to 50 pairs without
/// ties or zeros; else the normal approximation with mean ranks for ties and the tie
/// correction of the variance, without continuity correction.
pub fn wilcoxon(differences: &[f64]) -> Option<f64> {
    if differences.is_empty() || differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let mut nonzero: Vec<f64> = differences.iter().copied().filter(|&difference| difference != 0.0).collect();
    let n = nonzero.len();
    if n == 0 {
        return Some(1.0);
    }
    nonzero.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let (mut rank_sum_positive, mut tie_term) = (0.0, 0.0);
    let mut from = 0;
    while from < n {
        let to = from + nonzero[from..].partition_point(|value| value.abs() == nonzero[from].abs());
        let rank = (from + to + 1) as f64 / 2.0;
        let n_tied = (to - from) as f64;
        tie_term += n_tied * (n_tied * n_tied - 1.0);
        rank_sum_positive += rank * nonzero[from..to].iter().filter(|&&value| value > 0.0).count() as f64;
        from = to;
    }
    if n == differences.len() && n <= N_EXACT && tie_term == 0.0 {
        return Some(exact_signed_rank(n, rank_sum_positive as usize));
    }
    let n = n as f64;
    let mean = n * (n + 1.0) / 4.0;
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - tie_term / 2.0) / 24.0;
    let z = (rank_sum_positive - mean) / variance.sqrt();
    Some((2.0 * Normal::standard().cdf(-z.abs())).min(1.0))
}

/// Two-sided p-value of a sum of positive ranks when every sign is a fair coin.
fn exact_signed_rank(n: usize, rank_sum: usize) -> f64 {
    let total = n * (n + 1) / 2;
    // Number of subsets of 1..=n with every possible sum; below 2^50, hence exact in f64.
    let mut n_subsets = vec![0.0f64; total + 1];
    n_subsets[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..=total).rev() {
            n_subsets[sum] += n_subsets[sum - rank];
        }
    }
    let tail: f64 = n_subsets[..=rank_sum.min(total - rank_sum)].iter().sum();
    (2.0 * tail / (n as f64).exp2()).min(1.0)
}

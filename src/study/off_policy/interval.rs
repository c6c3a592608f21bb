//! Values that are sums of ratios of sums, with intervals from their influence functions: what every estimator of
//! this study comes down to. Rows of one cluster are one witness. Must not know propensities or policies.

use crate::stats::student::critical;
use statrs::distribution::{ContinuousCDF, Normal};

/// More skewness counts as this: the inverse of the transformation is all but vertical beyond.
const SKEWNESS_MAX: f64 = 0.4;

/// One row of a ratio: what it adds above and below the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Whose row it is, `0..n_clusters`.
    pub cluster: u32,
    /// Added to the numerator.
    pub numerator: f64,
    /// Added to the denominator.
    pub denominator: f64,
}

/// One ratio of sums, and its weight in the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    /// The factor it is multiplied by; those of a value's ratios mostly sum to 1.
    pub share: f64,
    /// Its rows.
    pub terms: Vec<Term>,
}

/// A value, how sure it is, and how many witnesses stand behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The value.
    pub value: f64,
    /// Its standard error; not a number of fewer than two clusters.
    pub std_error: f64,
    /// Skewness of the value itself: Σ influence³ / (Σ influence²)^1.5 over clusters.
    pub skewness: f64,
    /// Clusters with at least one row.
    pub n_clusters: usize,
}

/// What is said where nothing can be.
pub const NOTHING: Measured =
    Measured { value: f64::NAN, std_error: f64::NAN, skewness: f64::NAN, n_clusters: 0 };

/// Σ share · (Σ numerator / Σ denominator) over the ratios.
///
/// The standard error is that of the linearised value (delta method): a cluster's influence is
/// Σ share · Σ (numerator − ratio · denominator) / Σ denominator over its rows, and the variance is
/// G / (G − 1) · Σ influence² (Cameron and Miller 2015, Journal of Human Resources 50, equation 10, for means).
/// `None` where a denominator is 0 or a value is not finite.
pub fn measure(ratios: &[Ratio], n_clusters: usize) -> Option<Measured> {
    let mut influence = vec![0.0f64; n_clusters];
    let mut is_seen = vec![false; n_clusters];
    let mut value = 0.0;
    for ratio in ratios.iter().filter(|ratio| ratio.share != 0.0) {
        let below: f64 = ratio.terms.iter().map(|term| term.denominator).sum();
        let above: f64 = ratio.terms.iter().map(|term| term.numerator).sum();
        let found = above / below;
        if !found.is_finite() {
            return None;
        }
        value += ratio.share * found;
        for term in &ratio.terms {
            is_seen[term.cluster as usize] = true;
            influence[term.cluster as usize] +=
                ratio.share * (term.numerator - found * term.denominator) / below;
        }
    }
    let n = is_seen.iter().filter(|&&seen| seen).count();
    let squares: f64 = influence.iter().map(|x| x * x).sum();
    let cubes: f64 = influence.iter().map(|x| x * x * x).sum();
    let std_error = if n < 2 { f64::NAN } else { (squares * n as f64 / (n as f64 - 1.0)).sqrt() };
    let skewness = if squares > 0.0 { cubes / squares.powf(1.5) } else { 0.0 };
    (n > 0).then_some(Measured { value, std_error, skewness, n_clusters: n })
}

/// A mean over rows: one ratio with denominator 1 a row.
pub fn mean_ratio(clusters: impl Iterator<Item = u32>, values: impl Iterator<Item = f64>) -> Ratio {
    let terms = clusters.zip(values);
    let terms = terms.map(|(cluster, numerator)| Term { cluster, numerator, denominator: 1.0 });
    Ratio { share: 1.0, terms: terms.collect() }
}

impl Measured {
    /// The interval by Student's t with a degree of freedom less than there are clusters, with skewness taken out by
    /// Hall's transformation (1992, Journal of the Royal Statistical Society B 54, the cubic that is
    /// monotone): weights have long tails to the right, and so has the error of what they make. More skewness than 0.4,
    /// beyond which the inverse runs away, counts as that. `None` without a standard error.
    pub fn interval(&self, confidence: f64) -> Option<(f64, f64)> {
        self.interval_around(confidence, 0.0)
    }

    /// The interval of a value that may be off by up to `bias` either way: as much wider as keeps the
    /// coverage of a normal value whatever the bias is (Armstrong and Kolesár 2020, Quantitative Economics 11: the quantile
    /// of a folded normal).
    pub fn interval_around(&self, confidence: f64, bias: f64) -> Option<(f64, f64)> {
        if !self.std_error.is_finite() {
            return None;
        }
        if self.std_error == 0.0 {
            return Some((self.value - bias, self.value + bias));
        }
        let t = critical(self.n_clusters as f64 - 1.0, 1.0 - confidence)?;
        let normal = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
        let wider = folded_quantile(confidence, bias / self.std_error) - normal;
        let (below, above) = (unskewed(t, self.skewness), -unskewed(-t, self.skewness));
        Some((self.value - self.std_error * (below + wider), self.value + self.std_error * (above + wider)))
    }
}

/// The studentised value that Hall's transformation g(T) = T + aT²/3 + a²T³/27 + a/6 takes to `z`.
fn unskewed(z: f64, a: f64) -> f64 {
    if a.abs() < 1e-9 {
        return z;
    }
    let a = a.clamp(-SKEWNESS_MAX, SKEWNESS_MAX);
    3.0 / a * ((1.0 + a * (z - a / 6.0)).cbrt() - 1.0)
}

/// The c with P(|Z + t| ≤ c) = confidence, by bisection.
fn folded_quantile(confidence: f64, t: f64) -> f64 {
    let normal = Normal::standard();
    let covered = |c: f64| normal.cdf(c - t) - normal.cdf(-c - t);
    let (mut low, mut high) = (0.0, t.abs() + 10.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if covered(middle) < confidence { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_without_clusters_has_the_textbook_interval() {
        let values = [1.0, 4.0, 2.0, 8.0, 5.0];
        let ratio = mean_ratio(0..5, values.into_iter());
        let found = measure(&[ratio], 5).expect("measured");
        // Σ (x − 4)³ / (Σ (x − 4)²)^1.5.
        assert!((found.skewness - 30.0 / 30.0f64.powf(1.5)).abs() < 1e-12);
        let found = Measured { skewness: 0.0, ..found };
        // scipy.stats.t.interval(.95, 4, 4, scipy.stats.sem([1, 4, 2, 8, 5])).
        let (low, high) = found.interval(0.95).expect("interval");
        assert_eq!(found.value, 4.0);
        assert!((found.std_error - 1.224744871391589).abs() < 1e-12);
        assert!((low - 0.5995631).abs() < 1e-6 && (high - 7.4004369).abs() < 1e-6, "{low} {high}");
    }

    #[test]
    fn rows_of_one_cluster_are_one_witness() {
        let twice = |rows: usize| {
            let values = (0..rows * 50).map(|k| ((k / rows * 37) % 11) as f64);
            measure(&[mean_ratio((0..rows * 50).map(|k| (k / rows) as u32), values)], 50).expect("measured")
        };
        let (once, thrice) = (twice(1), twice(3));
        assert!((once.value - thrice.value).abs() < 1e-12);
        assert!((once.std_error - thrice.std_error).abs() < 1e-12);
    }

    #[test]
    fn the_longer_tail_has_the_longer_side() {
        // g as written down is undone.
        for a in [-0.3, 0.01, 0.4] {
            for z in [-2.0, 0.3, 1.96] {
                let t = unskewed(z, a);
                assert!((t + a * t * t / 3.0 + a * a * t * t * t / 27.0 + a / 6.0 - z).abs() < 1e-9);
            }
        }
        let found = Measured { value: 0.0, std_error: 1.0, skewness: 0.3, n_clusters: 1000 };
        let (low, high) = found.interval(0.95).expect("interval");
        assert!(high > 2.0 && -low < 1.9, "{low} {high}");
    }

    #[test]
    fn what_may_be_off_is_surer_with_a_wider_interval() {
        let found = Measured { value: 0.0, std_error: 1.0, skewness: 0.0, n_clusters: 1_000_000 };
        let half = |bias: f64| found.interval_around(0.95, bias).expect("interval").1;
        assert!((half(0.0) - 1.959964).abs() < 1e-5);
        // numpy.sqrt(scipy.stats.ncx2.ppf(.95, 1, t²)) at t = 1 and 2.
        assert!((half(1.0) - 2.646146).abs() < 1e-5 && (half(2.0) - 3.644854).abs() < 1e-5);
        assert_eq!(measure(&[], 3), None);
        let empty = Ratio { share: 1.0, terms: vec![Term { cluster: 0, numerator: 1.0, denominator: 0.0 }] };
        assert_eq!(measure(&[empty], 1), None);
    }
}

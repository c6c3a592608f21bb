//! Differences between arms that do not share their people: Welch's test, agents that stand for one person,
//! and how many people a difference needs.
//! Must not know what the samples are.

use super::bootstrap::{Quantity, Table};
use super::estimate::{Estimate, satterthwaite};
use super::params::StatsParams;
use super::power::{noncentrality, smallest};
use super::summary;
use crate::rng::Streams;
use std::collections::BTreeMap;

/// Two-sided p-value of Welch's t (unequal variances, Welch–Satterthwaite degrees of freedom);
/// `None` when a sample has fewer than two values.
pub fn welch(left: &[f64], right: &[f64]) -> Option<f64> {
    difference(left, right)?.p_value()
}

/// The mean on the right less that on the left, variances unequal (Welch 1947); `None` when a sample has
/// fewer than two values.
pub fn difference(left: &[f64], right: &[f64]) -> Option<Estimate> {
    let part =
        |values: &[f64]| Some((summary::variance(values)? / values.len() as f64, values.len() as f64 - 1.0));
    let (part_left, part_right) = (part(left)?, part(right)?);
    Some(Estimate {
        difference: summary::mean(right)? - summary::mean(left)?,
        std_error: (part_left.0 + part_right.0).sqrt(),
        degrees: satterthwaite(part_left, part_right),
    })
}

/// A sample in which some values come from the same person: one cluster number a value.
#[derive(Clone, Copy, Debug)]
pub struct Clustered<'a> {
    /// The values.
    pub values: &'a [f64],
    /// Whose each is; numbers need not be without gaps.
    pub clusters: &'a [u32],
}

impl Clustered<'_> {
    /// Sum and count of the values of each cluster, in the order of their numbers.
    ///
    /// # Panics
    /// When there are not as many cluster numbers as values.
    fn sums(&self) -> BTreeMap<u32, (f64, f64)> {
        assert_eq!(self.values.len(), self.clusters.len(), "one cluster a value");
        let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
        for (&value, &cluster) in self.values.iter().zip(self.clusters) {
            let sum = sums.entry(cluster).or_default();
            sum.0 += value;
            sum.1 += 1.0;
        }
        sums
    }

    /// Mean, variance of the mean and its degrees of freedom: clusters are independent, values in one are not
    /// (Liang and Zeger 1986, with the factor G / (G − 1)). `None` of fewer than two clusters.
    fn mean(&self) -> Option<(f64, (f64, f64))> {
        let sums = self.sums();
        let n_clusters = sums.len() as f64;
        if sums.len() < 2 {
            return None;
        }
        let n: f64 = sums.values().map(|sum| sum.1).sum();
        let mean = sums.values().map(|sum| sum.0).sum::<f64>() / n;
        let squares: f64 = sums.values().map(|&(sum, count)| (sum - mean * count).powi(2)).sum();
        let variance = n_clusters / (n_clusters - 1.0) * squares / (n * n);
        Some((mean, (variance, n_clusters - 1.0)))
    }
}

/// [`difference`] where values of one cluster are not independent; no cluster may have values on both sides
/// (pair those instead). `None` when a side has fewer than two clusters.
pub fn clustered_difference(left: Clustered<'_>, right: Clustered<'_>) -> Option<Estimate> {
    let ((mean_left, part_left), (mean_right, part_right)) = (left.mean()?, right.mean()?);
    Some(Estimate {
        difference: mean_right - mean_left,
        std_error: (part_left.0 + part_right.0).sqrt(),
        degrees: satterthwaite(part_left, part_right),
    })
}

/// The bootstrap interval of the mean on the right less that on the left: whole clusters are resampled, both
/// sides in one urn, so that how many fall to each side varies as it does when people are dealt by chance.
/// `None` when a side is empty, or empty in most replicates.
pub fn bootstrap_interval(
    left: Clustered<'_>,
    right: Clustered<'_>,
    params: &StatsParams,
    streams: &Streams,
) -> Option<(f64, f64)> {
    let (of_left, of_right) = (left.sums(), right.sums());
    let (n_left, n) = (of_left.len() as u32, of_left.len() + of_right.len());
    let mut table = Table::new(n);
    let mut columns = |sums: &BTreeMap<u32, (f64, f64)>, first: u32| {
        let subjects: Vec<u32> = (first..first + sums.len() as u32).collect();
        let totals = table.by_unit(&subjects, sums.values().map(|sum| sum.0));
        let counts = table.by_unit(&subjects, sums.values().map(|sum| sum.1));
        (table.add(totals), table.add(counts))
    };
    let (baseline, arm) = (columns(&of_left, 0), columns(&of_right, n_left));
    let replicates = table.resample(params.n_bootstrap as usize, streams);
    replicates.interval(Quantity::Difference { baseline, arm }, params.confidence, params.method)
}

/// The smallest true difference that two arms of these sizes and standard deviations find at two-sided level
/// `alpha` with probability `power` (Welch's test, noncentral t). `None` of fewer than two people an arm or where
/// the parameters allow none.
pub fn minimum_detectable_effect(left: (u64, f64), right: (u64, f64), alpha: f64, power: f64) -> Option<f64> {
    let ((n_left, sd_left), (n_right, sd_right)) = (left, right);
    let is_possible = n_left >= 2 && n_right >= 2 && sd_left.is_finite() && sd_right.is_finite();
    if !(is_possible && alpha > 0.0 && alpha < power && power < 1.0) {
        return None;
    }
    let part = |n: u64, sd: f64| (sd * sd / n as f64, n as f64 - 1.0);
    let (part_left, part_right) = (part(n_left, sd_left), part(n_right, sd_right));
    let std_error = (part_left.0 + part_right.0).sqrt();
    if std_error == 0.0 {
        return Some(0.0);
    }
    Some(noncentrality(satterthwaite(part_left, part_right), alpha, power)? * std_error)
}

/// People an arm needs, both arms alike in size, to find a true difference `effect` at two-sided level `alpha`
/// with probability `power`; `None` where no number up to 2^40 does.
pub fn agents_needed(effect: f64, sd_left: f64, sd_right: f64, alpha: f64, power: f64) -> Option<u64> {
    smallest(|n| {
        minimum_detectable_effect((n, sd_left), (n, sd_right), alpha, power)
            .is_some_and(|found| found <= effect.abs())
    })
}

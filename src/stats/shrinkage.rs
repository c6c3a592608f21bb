//! Does an effect differ from group to group, and how large is it in each? Effects with standard errors in,
//! effects pulled towards what they have in common out. Must not know what the groups are.
//!
//! The model is normal-normal: the true effects of the groups are drawn from N(μ, τ²), each is seen with its own standard
//! error. Cochran's Q tests τ² = 0. τ² itself is estimated by DerSimonian and Laird's moments (1986) or by restricted maximum
//! likelihood. With the three to ten groups of an experiment τ² is hardly known, and intervals that take one estimate for
//! the truth are too short (Morris 1983 widens them by a term that needs more than three groups). So the shrunken
//! effects and their intervals are averaged over τ instead, weighted by how well each explains the effects, with a flat prior on
//! τ (Gelman 2006; Gelman et al. 2013, §5.4: proper from three groups on).

use super::summary::quantile;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

/// The effect in one group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupEffect {
    /// The estimated effect.
    pub effect: f64,
    /// Its standard error, above 0.
    pub std_error: f64,
}

/// How much the effects differ beyond their standard errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heterogeneity {
    /// Cochran's Q: squared deviations from the common effect, in variances.
    pub q: f64,
    /// P-value of no differences: χ² with one degree of freedom less than groups.
    pub p_value: f64,
    /// Variance of the true effects between groups, by DerSimonian and Laird's moments.
    pub tau_squared_dl: f64,
    /// The same by restricted maximum likelihood.
    pub tau_squared_reml: f64,
    /// The share of the variation of the estimates that is between groups (I²: Higgins and Thompson 2002).
    pub i_squared: f64,
}

/// A group's effect pulled towards the others'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shrunk {
    /// The effect: its posterior mean.
    pub effect: f64,
    /// Interval, lower end.
    pub low: f64,
    /// Interval, upper end.
    pub high: f64,
}

/// Whether the effects differ; `None` of fewer than two groups, or where a standard error is not above 0 and finite.
pub fn heterogeneity(groups: &[GroupEffect]) -> Option<Heterogeneity> {
    if groups.len() < 2 || !are_usable(groups) {
        return None;
    }
    let degrees = groups.len() as f64 - 1.0;
    let (mean, precision) = common(groups, 0.0);
    let q: f64 = groups.iter().map(|group| ((group.effect - mean) / group.std_error).powi(2)).sum();
    let squares: f64 = groups.iter().map(|group| group.std_error.powi(-4)).sum();
    let tau_squared_dl = ((q - degrees) / (precision - squares / precision)).max(0.0);
    let p_value = ChiSquared::new(degrees).ok()?.sf(q);
    let i_squared = if q > 0.0 { ((q - degrees) / q).max(0.0) } else { 0.0 };
    Some(Heterogeneity { q, p_value, tau_squared_dl, tau_squared_reml: reml(groups), i_squared })
}

/// The effects of the groups, each pulled towards what they have in common, with intervals of this coverage. `None`
/// of fewer than three groups, or where a standard error is not above 0 and finite.
pub fn shrink(groups: &[GroupEffect], confidence: f64) -> Option<Vec<Shrunk>> {
    if groups.len() < 3 || !are_usable(groups) || !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let posterior = posterior_of_tau(groups);
    let shrunk = |group: &GroupEffect| {
        // Given τ, the effect is normal; over τ a mixture of those.
        let parts: Vec<(f64, f64, f64)> = posterior
            .iter()
            .map(|&(tau, weight)| {
                let (mean, precision) = common(groups, tau * tau);
                let variance = group.std_error * group.std_error;
                let pull = variance / (variance + tau * tau);
                let sd = (variance * (1.0 - pull) + pull * pull / precision).sqrt();
                (weight, group.effect + pull * (mean - group.effect), sd)
            })
            .collect();
        let tail = (1.0 - confidence) / 2.0;
        Shrunk {
            effect: parts.iter().map(|(weight, mean, _)| weight * mean).sum(),
            low: mixture_quantile(&parts, tail),
            high: mixture_quantile(&parts, 1.0 - tail),
        }
    };
    Some(groups.iter().map(shrunk).collect())
}

fn are_usable(groups: &[GroupEffect]) -> bool {
    groups
        .iter()
        .all(|group| group.effect.is_finite() && group.std_error.is_finite() && group.std_error > 0.0)
}

/// The common effect with its precision, where effects vary by τ² between groups.
fn common(groups: &[GroupEffect], tau_squared: f64) -> (f64, f64) {
    let weight = |group: &GroupEffect| 1.0 / (group.std_error * group.std_error + tau_squared);
    let precision: f64 = groups.iter().map(weight).sum();
    let sum: f64 = groups.iter().map(|group| weight(group) * group.effect).sum();
    (sum / precision, precision)
}

/// ln of the restricted likelihood of τ², up to a constant.
fn ln_restricted(groups: &[GroupEffect], tau_squared: f64) -> f64 {
    let (mean, precision) = common(groups, tau_squared);
    let term = |group: &GroupEffect| {
        let variance = group.std_error * group.std_error + tau_squared;
        -0.5 * (variance.ln() + (group.effect - mean).powi(2) / variance)
    };
    groups.iter().map(term).sum::<f64>() - 0.5 * precision.ln()
}

/// The size of τ that these effects could have: their range and the largest standard error together.
fn tau_scale(groups: &[GroupEffect]) -> f64 {
    let mut effects: Vec<f64> = groups.iter().map(|group| group.effect).collect();
    effects.sort_by(f64::total_cmp);
    let range = quantile(&effects, 1.0).zip(quantile(&effects, 0.0)).map_or(0.0, |(high, low)| high - low);
    let largest = groups.iter().map(|group| group.std_error).fold(0.0, f64::max);
    range + largest
}

/// τ² of the greatest restricted likelihood: the best of a grid in τ, then golden sections around it.
fn reml(groups: &[GroupEffect]) -> f64 {
    const N_GRID: usize = 200;
    let scale = tau_scale(groups) * 3.0;
    let at = |nth: f64| (scale * nth / N_GRID as f64).powi(2);
    let value = |nth: f64| ln_restricted(groups, at(nth));
    let best =
        (0..=N_GRID).map(|nth| nth as f64).max_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap_or(0.0);
    let (mut low, mut high) = ((best - 1.0).max(0.0), best + 1.0);
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    for _ in 0..60 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if value(a) < value(b) { low = a } else { high = b }
    }
    let found = 0.5 * (low + high);
    if value(0.0) >= value(found) { 0.0 } else { at(found) }
}

/// Values of τ with their posterior weights (they sum to 1), flat prior. A grid that is dense near 0 and reaches far,
/// since with three groups the tail falls only as 1/τ².
fn posterior_of_tau(groups: &[GroupEffect]) -> Vec<(f64, f64)> {
    const N_GRID: usize = 400;
    let scale = tau_scale(groups);
    // τ = scale · x / (1 − x): dτ = scale / (1 − x)² dx, midpoints of equal steps in x.
    let point = |nth: usize| {
        let x = (nth as f64 + 0.5) / N_GRID as f64;
        let tau = scale * x / (1.0 - x);
        (tau, ln_restricted(groups, tau * tau) - 2.0 * (1.0 - x).ln())
    };
    let points: Vec<(f64, f64)> = (0..N_GRID).map(point).collect();
    let greatest = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = points.iter().map(|point| (point.1 - greatest).exp()).sum();
    points.into_iter().map(|(tau, ln_weight)| (tau, (ln_weight - greatest).exp() / total)).collect()
}

/// The quantile of a mixture of (weight, mean, standard deviation), by bisection.
fn mixture_quantile(parts: &[(f64, f64, f64)], share: f64) -> f64 {
    let normal = Normal::standard();
    let cdf =
        |x: f64| parts.iter().map(|(weight, mean, sd)| weight * normal.cdf((x - mean) / sd)).sum::<f64>();
    let low = parts.iter().map(|(_, mean, sd)| mean - 12.0 * sd).fold(f64::INFINITY, f64::min);
    let high = parts.iter().map(|(_, mean, sd)| mean + 12.0 * sd).fold(f64::NEG_INFINITY, f64::max);
    let (mut low, mut high) = (low, high);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if cdf(middle) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{ChaCha8Rng, Purpose, Streams};
    use rand::RngExt;
    use statrs::distribution::{Binomial, DiscreteCDF};

    fn normal(luck: &mut ChaCha8Rng) -> f64 {
        let (radius, turn): (f64, f64) = (luck.random(), luck.random());
        (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    }

    /// Three tiers, of which nobody knows how much they differ: the intervals cover what they say, and the effects are
    /// nearer to the truth than the estimates are.
    #[test]
    fn of_three_groups_the_intervals_cover_and_the_effects_are_nearer_to_the_truth() {
        let streams = Streams::new(6);
        for (nth, tau) in [0.0, 0.05, 0.3].into_iter().enumerate() {
            let (n_trials, mut n_covered, mut of_seen, mut of_shrunk) = (150u64, 0, 0.0, 0.0);
            for trial in 0..n_trials {
                let luck = &mut streams.stream(Purpose::Sequential, nth as u32, trial, 0);
                let truths: Vec<f64> = (0..3).map(|_| 0.2 + tau * normal(luck)).collect();
                let std_errors = [0.05, 0.08, 0.12];
                let seen = |(truth, std_error): (&f64, f64)| GroupEffect {
                    effect: truth + std_error * normal(luck),
                    std_error,
                };
                let groups: Vec<GroupEffect> = truths.iter().zip(std_errors).map(seen).collect();
                let shrunk = shrink(&groups, 0.95).expect("three groups");
                for ((truth, group), shrunk) in truths.iter().zip(&groups).zip(&shrunk) {
                    n_covered += u64::from((shrunk.low..=shrunk.high).contains(truth));
                    of_seen += (group.effect - truth).powi(2);
                    of_shrunk += (shrunk.effect - truth).powi(2);
                }
            }
            // Three intervals of one trial depend on each other: the bound is that of as many trials.
            let least = 3 * Binomial::new(0.95, n_trials).expect("a distribution").inverse_cdf(0.001);
            assert!(n_covered >= least, "tau {tau}: {n_covered} of {}", 3 * n_trials);
            assert!(of_shrunk < of_seen, "tau {tau}: {of_shrunk} {of_seen}");
        }
    }
}

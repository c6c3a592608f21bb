//! How small an effect a paired comparison can find, and how many pairs an effect needs.
//! Power is that of the two-sided paired t-test, from the noncentral t distribution.
//! Must not know what is compared.

use super::student::{DEGREES_NORMAL, critical};
use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::gamma::ln_gamma;

/// The smallest true mean difference that `n` pairs with this standard deviation of their
/// differences find at two-sided level `alpha` with probability `power`; `None` of fewer than two
/// pairs, or where the parameters allow none.
pub fn minimum_detectable_effect(n: u64, std_dev: f64, alpha: f64, power: f64) -> Option<f64> {
    if n < 2 || !std_dev.is_finite() || !(alpha > 0.0 && alpha < power && power < 1.0) {
        return None;
    }
    Some(noncentrality(n as f64 - 1.0, alpha, power)? * std_dev / (n as f64).sqrt())
}

/// The number of pairs with this standard deviation of their differences that find a true mean
/// difference `effect` at two-sided level `alpha` with probability `power`; `None` where no number up to 2^40 does.
pub fn pairs_needed(effect: f64, std_dev: f64, alpha: f64, power: f64) -> Option<u64> {
    smallest(|n| {
        minimum_detectable_effect(n, std_dev, alpha, power).is_some_and(|found| found <= effect.abs())
    })
}

/// The smallest number from 2 that is enough, where every greater one is too; `None` where none up to 2^40 is.
pub(super) fn smallest(enough: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut too_few, mut needed) = (1u64, 2u64);
    while !enough(needed) {
        if needed >= 1 << 40 {
            return None;
        }
        too_few = needed;
        needed *= 2;
    }
    while needed - too_few > 1 {
        let middle = too_few + (needed - too_few) / 2;
        if enough(middle) { needed = middle } else { too_few = middle }
    }
    Some(needed)
}

/// Power of the two-sided t-test with these degrees of freedom and noncentrality.
pub fn t_test_power(degrees: f64, noncentrality: f64, alpha: f64) -> Option<f64> {
    Some(power_beyond(critical(degrees, alpha)?, degrees, noncentrality))
}

/// The noncentrality at which the two-sided t-test with these degrees of freedom has this power.
///
/// Power grows with noncentrality from `alpha` to 1: secant steps, kept inside a shrinking bracket.
pub(super) fn noncentrality(degrees: f64, alpha: f64, power: f64) -> Option<f64> {
    let critical = critical(degrees, alpha)?;
    let excess = |noncentrality: f64| power_beyond(critical, degrees, noncentrality) - power;
    let (mut low, mut high) = (0.0, critical + Normal::standard().inverse_cdf(power));
    let mut excess_high = excess(high);
    while excess_high < 0.0 {
        if high > 1e6 {
            return None;
        }
        low = high;
        high *= 2.0;
        excess_high = excess(high);
    }
    let (mut before, mut last) = ((low, excess(low)), (high, excess_high));
    for _ in 0..100 {
        let secant = last.0 - last.1 * (last.0 - before.0) / (last.1 - before.1);
        let next = if secant > low && secant < high { secant } else { 0.5 * (low + high) };
        (before, last) = (last, (next, excess(next)));
        if last.1 < 0.0 {
            low = next
        } else {
            high = next
        }
        if last.1.abs() < 1e-14 || (last.0 - before.0).abs() < 1e-13 * next {
            break;
        }
    }
    Some(last.0)
}

/// Probability that noncentral t is at least as far from 0 as `critical`.
///
/// |T| > c where T = (Z + δ) / √(V / ν): the average over V ~ χ²(ν) of a normal probability.
/// With V = ν·s², s has a smooth, narrow density around 1, easily integrated.
fn power_beyond(critical: f64, degrees: f64, noncentrality: f64) -> f64 {
    let normal = Normal::standard();
    let beyond =
        |s: f64| normal.cdf(noncentrality - critical * s) + normal.cdf(-noncentrality - critical * s);
    if degrees >= DEGREES_NORMAL {
        return beyond(1.0);
    }
    let log_norm = (2.0f64).ln() + degrees / 2.0 * (degrees / 2.0).ln() - ln_gamma(degrees / 2.0);
    let density = |s: f64| (log_norm + (degrees - 1.0) * s.ln() - degrees * s * s / 2.0).exp();
    let half_width = 10.0 / (2.0 * degrees).sqrt();
    integrate(|s| density(s) * beyond(s), (1.0 - half_width).max(0.0), 1.0 + half_width)
}

/// Five-point Gauss–Legendre quadrature over 60 equal panels.
fn integrate(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const N_PANELS: usize = 60;
    /// (node, weight) on [-1, 1]; the mirrored nodes have the same weights.
    const OUTER: (f64, f64) = (0.906_179_845_938_664, 0.236_926_885_056_189_1);
    const INNER: (f64, f64) = (0.538_469_310_105_683_1, 0.478_628_670_499_366_5);
    const CENTRE: f64 = 0.568_888_888_888_888_9;
    let half = (high - low) / N_PANELS as f64 / 2.0;
    let panel = |nth: usize| {
        let middle = low + (2 * nth + 1) as f64 * half;
        let pair = |(node, weight): (f64, f64)| weight * (f(middle - node * half) + f(middle + node * half));
        half * (pair(OUTER) + pair(INNER) + CENTRE * f(middle))
    };
    (0..N_PANELS).map(panel).sum()
}

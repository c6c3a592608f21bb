//! Which of several independent normal draws is the highest, and with which probability. Must not know what is drawn for.
//!
//! The probability of draw i is ∫ φ((x − μ_i) / σ_i) / σ_i · Π_j Φ((x − μ_j) / σ_j) dx over all others j, by Simpson's rule on
//! one grid. So that the grid stays small, a deviation narrower than a 480th of it counts as that wide.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};

/// Grid points a standard deviation of the surest draw.
const POINTS_PER_DEVIATION: f64 = 4.0;
/// Fewest intervals of the grid; even, as Simpson's rule wants it.
const N_INTERVALS_MIN: usize = 128;
/// Standard deviations around the means that the grid covers.
const REACH: f64 = 7.0;
/// Widths of the surest draw that the grid has at most.
const N_WIDTHS_MAX: f64 = 480.0;

/// Normal draws, tabulated.
pub struct Posterior {
    /// Simpson weight times density, draw by draw and point by point.
    densities: Vec<Vec<f64>>,
    /// Logarithm of the distribution function, likewise.
    log_below: Vec<Vec<f64>>,
}

impl Posterior {
    /// Of these means and standard deviations (above 0), as many of each.
    pub fn new(means: &[f64], deviations: &[f64]) -> Self {
        assert_eq!(means.len(), deviations.len(), "a deviation for every mean");
        let around = || means.iter().copied().zip(deviations.iter().copied());
        let low = around().map(|(mean, deviation)| mean - REACH * deviation).fold(f64::INFINITY, f64::min);
        let high =
            around().map(|(mean, deviation)| mean + REACH * deviation).fold(f64::NEG_INFINITY, f64::max);
        let narrowest = (high - low) / N_WIDTHS_MAX;
        let draws: Vec<(f64, f64)> =
            around().map(|(mean, deviation)| (mean, deviation.max(narrowest))).collect();
        let surest = draws.iter().map(|(_, deviation)| *deviation).fold(f64::INFINITY, f64::min);
        let (low, high) = (low - REACH * surest, high + REACH * surest);
        let n = ((high - low) / surest * POINTS_PER_DEVIATION).ceil() as usize;
        let n = n.max(N_INTERVALS_MIN).next_multiple_of(2);
        let grid = Grid { low, step: (high - low) / n as f64, n };
        let normal = Normal::standard();
        let density = |&(mean, deviation): &(f64, f64)| {
            grid.table(|at, x| grid.simpson(at) * normal.pdf((x - mean) / deviation) / deviation)
        };
        // Far below its mean a distribution function is 0, and its logarithm would poison sums.
        let log_below = |&(mean, deviation): &(f64, f64)| {
            grid.table(|_, x| normal.cdf((x - mean) / deviation).max(f64::MIN_POSITIVE).ln())
        };
        Posterior {
            densities: draws.iter().map(density).collect(),
            log_below: draws.iter().map(log_below).collect(),
        }
    }

    /// The probability of each draw to be the highest of those that take part (at least one does): 0 for the
    /// others, 1 in all.
    pub fn highest(&self, takes_part: &[bool]) -> Vec<f64> {
        let mut all_below = vec![0.0; self.log_below.first().map_or(0, Vec::len)];
        for (log_below, _) in self.log_below.iter().zip(takes_part).filter(|(_, part)| **part) {
            all_below.iter_mut().zip(log_below).for_each(|(sum, log)| *sum += log);
        }
        let highest = |at: usize| -> f64 {
            let points = self.densities[at].iter().zip(&self.log_below[at]).zip(&all_below);
            // Others below: the product over all, less one's own factor.
            points.map(|((density, own), all)| density * (all - own).exp()).sum()
        };
        let mut found: Vec<f64> =
            takes_part.iter().enumerate().map(|(at, &part)| if part { highest(at) } else { 0.0 }).collect();
        let sum: f64 = found.iter().sum();
        found.iter_mut().for_each(|p| *p /= sum);
        found
    }
}

/// `n + 1` points in even steps.
struct Grid {
    low: f64,
    step: f64,
    n: usize,
}

impl Grid {
    fn table(&self, of: impl Fn(usize, f64) -> f64) -> Vec<f64> {
        (0..=self.n).map(|at| of(at, self.low + at as f64 * self.step)).collect()
    }

    fn simpson(&self, at: usize) -> f64 {
        let weight = match at {
            0 => 1.0,
            _ if at == self.n => 1.0,
            _ if at % 2 == 1 => 4.0,
            _ => 2.0,
        };
        weight * self.step / 3.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn two_draws_have_the_textbook_probability() {
        let found = Posterior::new(&[1.0, -1.0], &[0.5, 1.2]).highest(&[true, true]);
        // Φ(2 / √(0.5² + 1.2²)).
        assert!((found[0] - Normal::standard().cdf(2.0 / 1.3)).abs() < 1e-8);
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn probabilities_are_how_often_a_draw_is_the_highest() {
        let (means, deviations) = ([1.2, 0.8, -0.3, -1.7], [0.05, 1.0, 0.4, 2.0]);
        let takes_part = [true, true, false, true];
        let found = Posterior::new(&means, &deviations).highest(&takes_part);
        let mut rng = Streams::new(3).stream(Purpose::Explore, 0, 0, 0);
        let mut counts = [0u32; 4];
        const N: u32 = 100_000;
        for _ in 0..N {
            let draw = |at: usize| {
                let z: f64 = StandardNormal.sample(&mut rng);
                means[at] + deviations[at] * z
            };
            let draws: Vec<f64> = (0..4).map(draw).collect();
            let part = (0..4).filter(|&at| takes_part[at]);
            counts[part.max_by(|&a, &b| draws[a].total_cmp(&draws[b])).expect("some take part")] += 1;
        }
        for (count, p) in counts.iter().zip(&found) {
            // Five standard deviations of a binomial share.
            let bound = 5.0 * (p * (1.0 - p) / f64::from(N)).sqrt();
            assert!((f64::from(*count) / f64::from(N) - p).abs() <= bound, "{counts:?} {found:?}");
        }
    }

    #[test]
    fn however_sure_or_unsure_they_are_there_is_a_probability() {
        for deviations in [[1e-9, 1e-9, 1e-9], [1e-9, 1.0, 100.0], [100.0, 100.0, 1e-6], [1e-4, 30.0, 1e-4]] {
            let posterior = Posterior::new(&[2.0, 0.0, -2.0], &deviations);
            for missing in 0..7u32 {
                let takes_part: Vec<bool> = (0..3).map(|at| missing >> at & 1 == 0).collect();
                let found = posterior.highest(&takes_part);
                assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{deviations:?} {found:?}");
                assert!(found.iter().zip(&takes_part).all(|(p, part)| *p >= 0.0 && (*part || *p == 0.0)));
            }
        }
        assert!(Posterior::new(&[2.0, 0.0], &[1e-9, 1e-9]).highest(&[true, true])[0] > 1.0 - 1e-12);
    }
}

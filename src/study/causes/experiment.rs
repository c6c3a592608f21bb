//! What exposure causes, from an experiment that raised some units at random: Wald's estimator (Wald 1940; Angrist,
//! Imbens and Rubin, JASA 1996), the effect of being raised on the outcome by the effect of being raised on exposure.
//!
//! Units are compared with themselves: what changed from the arm without the experiment to the arm with it, so that all
//! that makes units differ anyway falls out, and raised units are then compared with the others. Intervals resample
//! units. Must not know what the units are.

use crate::rng::Streams;
use crate::stats::bootstrap::{Column, Quantity, Replicates, Table};
use crate::stats::params::StatsParams;
use crate::stats::summary::quantile;

/// What changed for one unit between the two arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Whether it was raised.
    pub is_raised: bool,
    /// Its exposure with the experiment less without.
    pub exposure: f64,
    /// Its outcome, likewise.
    pub outcome: f64,
}

/// A value with its interval, and in every replicate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Percentile interval over units.
    pub ci: (f64, f64),
}

impl Estimate {
    /// Whether the interval excludes 0.
    pub fn is_shown(&self) -> bool {
        self.ci.0 > 0.0 || self.ci.1 < 0.0
    }
}

/// What an experiment says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Raised units.
    pub n_raised: usize,
    /// The others.
    pub n_others: usize,
    /// How much more the exposure of raised units changed than that of others.
    pub exposure: Estimate,
    /// The effect of a unit of exposure on the outcome; `None` where exposure was not shown to change.
    pub per_exposure: Option<Estimate>,
}

/// What this experiment says; `None` without units of both kinds.
pub fn effect(changes: &[Change], params: &StatsParams, streams: &Streams) -> Option<Effect> {
    let n_raised = changes.iter().filter(|change| change.is_raised).count();
    if n_raised < 2 || changes.len() < n_raised + 2 {
        return None;
    }
    let groups = Groups::of(changes, params, streams);
    let exposure = groups.estimate(|of| of.exposure, params.confidence)?;
    let per_exposure = groups.estimate(|of| of.outcome / of.exposure, params.confidence);
    Some(Effect {
        n_raised,
        n_others: changes.len() - n_raised,
        exposure,
        per_exposure: per_exposure.filter(|_| exposure.is_shown()),
    })
}

/// Raised less others.
#[derive(Clone, Copy)]
struct Gap {
    exposure: f64,
    outcome: f64,
}

/// The two kinds of unit, resampled.
struct Groups {
    replicates: Replicates,
    /// Exposure of the raised and of the others, outcome likewise, each by its number of units.
    means: [Quantity; 4],
}

impl Groups {
    fn of(changes: &[Change], params: &StatsParams, streams: &Streams) -> Self {
        let subjects: Vec<u32> = (0..changes.len() as u32).collect();
        let mut table = Table::new(changes.len());
        let mut column = |value: &dyn Fn(&Change) -> f64, raised: bool| -> Column {
            let of = |change: &Change| if change.is_raised == raised { value(change) } else { 0.0 };
            let values = table.by_unit(&subjects, changes.iter().map(of));
            table.add(values)
        };
        let mut mean = |value: &dyn Fn(&Change) -> f64, raised: bool| {
            Quantity::Ratio(column(value, raised), column(&|_| 1.0, raised))
        };
        let (exposure, outcome) = (|change: &Change| change.exposure, |change: &Change| change.outcome);
        let means =
            [mean(&exposure, true), mean(&exposure, false), mean(&outcome, true), mean(&outcome, false)];
        Groups { replicates: table.resample(params.n_bootstrap as usize, streams), means }
    }

    /// A function of the gap between the two kinds; `None` where it is undefined, or in more than half of the replicates.
    fn estimate(&self, of: impl Fn(Gap) -> f64, confidence: f64) -> Option<Estimate> {
        let gap = |means: [f64; 4]| Gap { exposure: means[0] - means[1], outcome: means[2] - means[3] };
        let value = of(gap(self.means.map(|mean| self.replicates.value(mean))));
        let by_mean = self.means.map(|mean| self.replicates.replicate_values(mean));
        let n = by_mean[0].len();
        let replicates = (0..n).map(|nth| of(gap([0, 1, 2, 3].map(|mean: usize| by_mean[mean][nth]))));
        let mut replicates: Vec<f64> = replicates.filter(|value| value.is_finite()).collect();
        if !value.is_finite() || replicates.len() * 2 < n {
            return None;
        }
        replicates.sort_by(f64::total_cmp);
        let tail = (1.0 - confidence) / 2.0;
        Some(Estimate { value, ci: (quantile(&replicates, tail)?, quantile(&replicates, 1.0 - tail)?) })
    }
}

/// `a` less `b`, with an interval from theirs (MOVER; Zou and Donner, Statistics in Medicine 2008) that takes them for
/// independent: too wide where both rest on the same units.
pub fn difference(a: Estimate, b: Estimate) -> Estimate {
    let value = a.value - b.value;
    let below = ((a.value - a.ci.0).powi(2) + (b.ci.1 - b.value).powi(2)).sqrt();
    let above = ((a.ci.1 - a.value).powi(2) + (b.value - b.ci.0).powi(2)).sqrt();
    Estimate { value, ci: (value - below, value + above) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use crate::stats::assignment::treated;
    use rand::RngExt;

    /// Units whose outcome is `slope` times the exposure that being raised gives, plus what they would have anyway, on
    /// which their exposure depends too.
    fn world(seed: u64, slope: f64, gain: f64) -> Vec<Change> {
        let streams = Streams::new(seed);
        let raised = treated(400, 0.5, Purpose::Boost, &streams);
        let mut luck = streams.stream(Purpose::Synthesis, 0, 0, 0);
        let change = |is_raised| {
            let hidden = luck.random::<f64>() - 0.5;
            let lift = if is_raised { gain } else { -gain } * luck.random::<f64>();
            let exposure = lift + 0.2 * hidden;
            Change { is_raised, exposure, outcome: slope * lift + 2.0 * hidden + 0.1 * luck.random::<f64>() }
        };
        raised.into_iter().map(change).collect()
    }

    #[test]
    fn what_is_caused_is_found_where_regression_would_be_misled() {
        let params = StatsParams { n_bootstrap: 500, ..StatsParams::default() };
        let mut n_covered = 0;
        for seed in 0..60 {
            let changes = world(seed, 0.5, 0.3);
            let found = effect(&changes, &params, &Streams::new(seed)).expect("both kinds");
            assert_eq!(found.n_raised + found.n_others, 400);
            assert!(found.exposure.is_shown() && found.exposure.value > 0.0);
            let per_exposure = found.per_exposure.expect("exposure changed");
            // The exact exposure effect of raised against others is the lift; hidden differences cancel on average.
            n_covered += u32::from(per_exposure.ci.0 <= 0.5 && 0.5 <= per_exposure.ci.1);
            let sums = changes.iter().fold((0.0, 0.0), |(xy, xx), change| {
                (xy + change.exposure * change.outcome, xx + change.exposure * change.exposure)
            });
            assert!(sums.0 / sums.1 > 0.9, "regression is misled");
        }
        // A binomial of 60 and .95 is below 51 once in a thousand times.
        assert!(n_covered >= 51, "{n_covered}");
    }

    #[test]
    fn an_experiment_that_moved_nothing_measures_nothing() {
        let params = StatsParams { n_bootstrap: 300, ..StatsParams::default() };
        let found = effect(&world(1, 0.5, 0.0), &params, &Streams::new(1)).expect("both kinds");
        assert!(!found.exposure.is_shown() && found.per_exposure.is_none(), "{found:?}");
        let still = vec![Change { is_raised: false, exposure: 0.0, outcome: 0.0 }; 9];
        assert_eq!(effect(&still, &params, &Streams::new(1)), None);
        assert_eq!(effect(&[], &params, &Streams::new(1)), None);
    }

    #[test]
    fn the_interval_of_a_difference_is_movers() {
        // Zou and Donner 2008, equation 9, worked by hand: 3 and 4 below make 5, 4 and 3 above make 5.
        let a = Estimate { value: 10.0, ci: (7.0, 14.0) };
        let b = Estimate { value: 2.0, ci: (-1.0, 6.0) };
        assert_eq!(difference(a, b), Estimate { value: 8.0, ci: (3.0, 13.0) });
    }
}

//! `thompson`: Thompson sampling (Thompson 1933; Chapelle and Li 2011) over the head of another arm's list, with a normal
//! posterior of how good each item is: its mean is the wrapped arm's score, standardised over the pool, its standard
//! deviation `scale / √(1 + n / prior_count)`, where n is how many people have the item in training. From round to
//! round n grows with what agents watched, so that what is shown often comes to be known.
//!
//! Every place has a draw of its own for every item that is left, and the highest is shown. The probability of
//! an item is then ∫ φ((x − μ_i) / σ_i) / σ_i · Π_j Φ((x − μ_j) / σ_j) dx over those left, by Simpson's rule on a fixed
//! grid of the pool. Must not know what agents feel about items.

use super::super::wrapping::Inner;
use super::super::{
    About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind, Surroundings, Trainer,
    Training, model_file,
};
use super::{Drawer, Explorer, Exploring, N_CANDIDATES, Pool, check_shared};
use crate::id::ItemId;
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};
use std::path::Path;

const NAME: &str = "thompson";

/// Settings of `thompson`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ThompsonParams {
    /// The arm from whose lists is drawn; must be given.
    pub wraps: String,
    /// Standard deviation of how good an item is that nobody has, in standard deviations of scores over the pool,
    /// 0.01..=100.
    pub scale: f64,
    /// How many people must have an item for the variance to be half of that, 0.1..=1000000.
    pub prior_count: f64,
    /// Items from the head of the list that are drawn from, 2..=1000.
    pub n_candidates: u32,
    /// Whether it is asked again on every page; as the arm that it wraps, where this is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapts: Option<bool>,
}

impl Default for ThompsonParams {
    fn default() -> Self {
        ThompsonParams {
            wraps: String::new(),
            scale: 1.0,
            prior_count: 20.0,
            n_candidates: N_CANDIDATES,
            adapts: None,
        }
    }
}

impl ThompsonParams {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        check_shared(at, &self.wraps, self.n_candidates)?;
        within(at, "scale", self.scale, 0.01, 100.0)?;
        within(at, "prior_count", self.prior_count, 0.1, 1e6)
    }
}

/// The kind `thompson`.
pub struct Thompson;

impl RecommenderKind for Thompson {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "another arm's list with items that few people have tried out more often, by Thompson sampling",
            source: "Chapelle and Li, NIPS 2011",
            needs: Needs::Arm,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(ThompsonParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: ThompsonParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(Checked { params }))
    }

    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, seed, n_items): (ThompsonParams, u64, usize) = model_file::read_header(dir, NAME)?;
        let bad = |complaint: Complaint| model_file::bad(&dir.join("model.json"), complaint.to_string());
        params.check("model").map_err(bad)?;
        model_file::check_n_items(dir, n_items)?;
        let counts = model_file::read_ids(&dir.join("counts.npy"), Some(n_items), u32::MAX)?;
        let inner = Inner::load(dir, around, params.n_candidates, params.adapts)?;
        Ok(Box::new(Exploring { inner, by: Box::new(Fitted { params, seed, counts }), seed }))
    }
}

/// Checked settings.
struct Checked {
    params: ThompsonParams,
}

impl Trainer for Checked {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, seed) = (self.params.clone(), context.streams.seed());
        let counts = training.train.item_counts();
        let inner = Inner::fitted(NAME, &params.wraps, context, params.n_candidates, params.adapts)?;
        Ok(Box::new(Exploring { inner, by: Box::new(Fitted { params, seed, counts }), seed }))
    }

    fn wraps(&self) -> Option<&str> {
        Some(&self.params.wraps)
    }
}

struct Fitted {
    params: ThompsonParams,
    seed: u64,
    /// People that have each item in training.
    counts: Vec<u32>,
}

impl Explorer for Fitted {
    fn prepare(&self, pool: Pool) -> Box<dyn Drawer> {
        let deviation = |item: &ItemId| {
            let n = self.counts.get(item.idx()).copied().unwrap_or(0);
            self.params.scale / (1.0 + f64::from(n) / self.params.prior_count).sqrt()
        };
        let deviations: Vec<f64> = pool.items.iter().map(deviation).collect();
        Box::new(Posterior::new(pool, &deviations))
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &(&self.params, self.seed, self.counts.len()))?;
        model_file::write_ids(&dir.join("counts.npy"), &self.counts)
    }
}

/// Grid points a standard deviation of the surest item.
const POINTS_PER_DEVIATION: f64 = 4.0;
/// Fewest and most intervals of the grid; both even, as Simpson's rule wants it.
const N_INTERVALS: (usize, usize) = (128, 2048);
/// Standard deviations around the means that the grid covers.
const REACH: f64 = 7.0;

/// Normal posteriors of a pool, tabulated.
struct Posterior {
    pool: Pool,
    /// Simpson weight times density, item by item and point by point.
    densities: Vec<Vec<f64>>,
    /// Logarithm of the distribution function, likewise.
    log_below: Vec<Vec<f64>>,
}

impl Posterior {
    fn new(pool: Pool, deviations: &[f64]) -> Self {
        let normal = Normal::standard();
        let around = || pool.values.iter().zip(deviations);
        let low = around().map(|(mean, deviation)| mean - REACH * deviation).fold(f64::INFINITY, f64::min);
        let high =
            around().map(|(mean, deviation)| mean + REACH * deviation).fold(f64::NEG_INFINITY, f64::max);
        let surest = deviations.iter().copied().fold(f64::INFINITY, f64::min);
        let wanted = ((high - low) / surest * POINTS_PER_DEVIATION).ceil() as usize;
        let n = wanted.clamp(N_INTERVALS.0, N_INTERVALS.1).next_multiple_of(2);
        let step = (high - low) / n as f64;
        let simpson = |at: usize| match at {
            0 => 1.0,
            _ if at == n => 1.0,
            _ if at % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let table = |of: &dyn Fn(usize, f64) -> f64, (mean, deviation): (&f64, &f64)| -> Vec<f64> {
            (0..=n).map(|at| of(at, (low + at as f64 * step - mean) / deviation)).collect()
        };
        let density =
            |deviation: f64| move |at: usize, z: f64| simpson(at) * normal.pdf(z) / deviation * step / 3.0;
        // Beyond 37 standard deviations the distribution function is 0, and its logarithm would poison sums.
        let log_below = |_: usize, z: f64| normal.cdf(z).max(f64::MIN_POSITIVE).ln();
        Posterior {
            densities: around().map(|item| table(&density(*item.1), item)).collect(),
            log_below: around().map(|item| table(&log_below, item)).collect(),
            pool,
        }
    }
}

impl Drawer for Posterior {
    fn pool(&self) -> &Pool {
        &self.pool
    }

    fn next(&self, is_left: &[bool]) -> Vec<f64> {
        let mut all_below = vec![0.0; self.log_below.first().map_or(0, Vec::len)];
        for (log_below, _) in self.log_below.iter().zip(is_left).filter(|(_, left)| **left) {
            all_below.iter_mut().zip(log_below).for_each(|(sum, log)| *sum += log);
        }
        let highest = |at: usize| -> f64 {
            let points = self.densities[at].iter().zip(&self.log_below[at]).zip(&all_below);
            // Others below: the product over all, less one's own factor.
            points.map(|((density, own), all)| density * (all - own).exp()).sum()
        };
        let mut next: Vec<f64> =
            is_left.iter().enumerate().map(|(at, &left)| if left { highest(at) } else { 0.0 }).collect();
        let sum: f64 = next.iter().sum();
        next.iter_mut().for_each(|p| *p /= sum);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn two_items_have_the_textbook_probability() {
        let posterior = Posterior::new(toy::pool(&[3.0, 1.0]), &[0.5, 1.2]);
        toy::check_distribution(&posterior);
        // Means 1 and -1: Φ(2 / √(0.5² + 1.2²)).
        let expected = Normal::standard().cdf(2.0 / 1.3);
        assert!((posterior.next(&[true, true])[0] - expected).abs() < 1e-8);
    }

    #[test]
    fn probabilities_are_how_often_a_draw_is_the_highest() {
        let deviations = [0.05, 1.0, 0.4, 2.0];
        let posterior = Posterior::new(toy::pool(&[4.0, 3.5, 2.0, 0.0]), &deviations);
        toy::check_distribution(&posterior);
        let is_left = [true, true, false, true];
        let next = posterior.next(&is_left);
        let mut rng = Streams::new(3).stream(Purpose::Explore, 0, 0, 0);
        let mut counts = [0u32; 4];
        const N: u32 = 100_000;
        for _ in 0..N {
            let draw = |at: usize| {
                let z: f64 = StandardNormal.sample(&mut rng);
                posterior.pool.values[at] + deviations[at] * z
            };
            let draws: Vec<f64> = (0..4).map(draw).collect();
            let left = (0..4).filter(|&at| is_left[at]);
            counts[left.max_by(|&a, &b| draws[a].total_cmp(&draws[b])).expect("some are left")] += 1;
        }
        for (count, p) in counts.iter().zip(&next) {
            // Five standard deviations of a binomial share.
            let bound = 5.0 * (p * (1.0 - p) / f64::from(N)).sqrt();
            assert!((f64::from(*count) / f64::from(N) - p).abs() <= bound, "{counts:?} {next:?}");
        }
    }

    #[test]
    fn what_fewer_people_have_is_tried_out_more() {
        let params = ThompsonParams { wraps: "mf".to_owned(), ..ThompsonParams::default() };
        let chance = |n: u32| {
            let mut counts = vec![10_000; 14];
            counts[13] = n;
            let fitted = Fitted { params: params.clone(), seed: 0, counts };
            fitted.prepare(toy::pool(&[3.0, 2.0, 1.5, 1.0])).next(&[true; 4])[3]
        };
        // The best is 2.7 deviations of the pool ahead: Φ(−2.7) where nobody has the last, all but nothing where many do.
        assert!(chance(0) > 0.002 && chance(0) > chance(50) && chance(50) > chance(10_000));
        assert!(chance(10_000) < 1e-9);
    }

    #[test]
    fn settings_out_of_bounds_are_told() {
        let told = |toml: &str| {
            let table = toml.parse().expect("test TOML");
            Thompson.check("arms.x", &table).err().map(|c| c.to_string()).unwrap_or_default()
        };
        assert_eq!(told("wraps = \"mf\"\nscale = 0.2"), "");
        assert!(told("").starts_with("arms.x.wraps is missing"));
        assert_eq!(told("wraps = \"mf\"\nscale = 0.0"), "arms.x.scale is 0, must be 0.01..=100");
        assert_eq!(
            told("wraps = \"mf\"\nprior_count = 0.0"),
            "arms.x.prior_count is 0, must be 0.1..=1000000"
        );
    }
}

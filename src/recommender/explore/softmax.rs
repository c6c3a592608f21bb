//! `softmax`: every place is drawn from a softmax over how good the wrapped arm finds what is left, so that a list is a
//! Plackett–Luce draw (Luce 1959; Plackett 1975): the policy that off-policy evaluation of lists is mostly studied with.
//! Scores are standardised over the pool, so that a temperature means the same whatever the arm: two items a standard
//! deviation apart have odds of exp(1 / temperature). Must not know what scores mean.

use super::super::wrapping::Inner;
use super::super::{
    About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind, Surroundings, Trainer,
    Training, model_file,
};
use super::{Drawer, Explorer, Exploring, N_CANDIDATES, Pool, check_shared};
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

const NAME: &str = "softmax";

/// Settings of `softmax`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SoftmaxParams {
    /// The arm from whose lists is drawn; must be given.
    pub wraps: String,
    /// How far the draw strays from the order of the list, 0.001..=1000: two items whose scores are a standard deviation
    /// (over the pool) apart have odds of exp(1 / temperature).
    pub temperature: f64,
    /// Items from the head of the list that are drawn from, 2..=1000.
    pub n_candidates: u32,
    /// Whether it is asked again on every page; as the arm that it wraps, where this is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapts: Option<bool>,
}

impl Default for SoftmaxParams {
    fn default() -> Self {
        SoftmaxParams { wraps: String::new(), temperature: 0.5, n_candidates: N_CANDIDATES, adapts: None }
    }
}

impl SoftmaxParams {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        check_shared(at, &self.wraps, self.n_candidates)?;
        within(at, "temperature", self.temperature, 0.001, 1000.0)
    }
}

/// The kind `softmax`.
pub struct Softmax;

impl RecommenderKind for Softmax {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "lists drawn place by place from a softmax over the scores at the head of another arm's list",
            source: "Plackett 1975, Applied Statistics 24",
            needs: Needs::Arm,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(SoftmaxParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: SoftmaxParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(Checked { params }))
    }

    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, seed): (SoftmaxParams, u64) = model_file::read_header(dir, NAME)?;
        let bad = |complaint: Complaint| model_file::bad(&dir.join("model.json"), complaint.to_string());
        params.check("model").map_err(bad)?;
        let inner = Inner::load(dir, around, params.n_candidates, params.adapts)?;
        Ok(Box::new(Exploring { inner, by: Box::new(Fitted { params, seed }), seed }))
    }
}

/// Checked settings.
struct Checked {
    params: SoftmaxParams,
}

impl Trainer for Checked {
    fn fit(
        &self,
        _: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, seed) = (self.params.clone(), context.streams.seed());
        let inner = Inner::fitted(NAME, &params.wraps, context, params.n_candidates, params.adapts)?;
        Ok(Box::new(Exploring { inner, by: Box::new(Fitted { params, seed }), seed }))
    }

    fn wraps(&self) -> Option<&str> {
        Some(&self.params.wraps)
    }
}

struct Fitted {
    params: SoftmaxParams,
    seed: u64,
}

impl Explorer for Fitted {
    fn prepare(&self, pool: Pool) -> Box<dyn Drawer> {
        let odds = |value: &f64| (value - pool.values[0]) / self.params.temperature;
        Box::new(Luce { logits: pool.values.iter().map(odds).collect(), pool })
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &(&self.params, self.seed))
    }
}

struct Luce {
    logits: Vec<f64>,
    pool: Pool,
}

impl Drawer for Luce {
    fn pool(&self) -> &Pool {
        &self.pool
    }

    fn next(&self, is_left: &[bool]) -> Vec<f64> {
        let left = self.logits.iter().zip(is_left).filter(|(_, left)| **left);
        let highest = left.map(|(logit, _)| *logit).fold(f64::NEG_INFINITY, f64::max);
        let odds = |(logit, left): (&f64, &bool)| if *left { (logit - highest).exp() } else { 0.0 };
        let mut next: Vec<f64> = self.logits.iter().zip(is_left).map(odds).collect();
        let sum: f64 = next.iter().sum();
        next.iter_mut().for_each(|p| *p /= sum);
        next
    }
}

/// How places are filled at this temperature, for the tests of what all explorers share.
#[cfg(test)]
pub(super) fn tests_support(temperature: f64) -> impl Explorer {
    Fitted { params: SoftmaxParams { temperature, ..SoftmaxParams::default() }, seed: 0 }
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    fn drawer(temperature: f64, scores: &[f32]) -> Box<dyn Drawer> {
        tests_support(temperature).prepare(toy::pool(scores))
    }

    #[test]
    fn odds_are_those_of_the_temperature_whatever_the_scale_of_scores() {
        toy::check_distribution(&*drawer(0.7, &[9.0, 7.0, 3.0, 2.0]));
        for scale in [1.0, 100.0, 1e-3] {
            // Two items are two standard deviations apart.
            let next = drawer(0.5, &[3.0 * scale, 1.0 * scale]).next(&[true, true]);
            assert!((next[0] / next[1] - 4.0f64.exp()).abs() < 1e-3, "{next:?}");
        }
        let three = drawer(0.7, &[9.0, 7.0, 2.0]);
        let (all, two) = (three.next(&[true; 3]), three.next(&[false, true, true]));
        assert!((all[1] / all[2] - two[1] / two[2]).abs() < 1e-9, "odds do not depend on what else is left");
    }

    #[test]
    fn extreme_temperatures_are_the_list_and_a_shuffle() {
        let scores = [5.0, 4.0, 1.0];
        assert!(drawer(0.001, &scores).next(&[true; 3])[0] > 1.0 - 1e-9);
        assert!(drawer(0.001, &scores).next(&[false, false, true])[2] == 1.0);
        assert!(drawer(1000.0, &scores).next(&[true; 3]).iter().all(|p| (p - 1.0 / 3.0).abs() < 2e-3));
    }

    #[test]
    fn settings_out_of_bounds_are_told() {
        let told = |toml: &str| {
            let table = toml.parse().expect("test TOML");
            Softmax.check("arms.x", &table).err().map(|c| c.to_string()).unwrap_or_default()
        };
        assert_eq!(told("wraps = \"mf\"\ntemperature = 0.2"), "");
        assert!(told("").starts_with("arms.x.wraps is missing"));
        let bound = "arms.x.temperature is 0, must be 0.001..=1000";
        assert_eq!(told("wraps = \"mf\"\ntemperature = 0.0"), bound);
    }
}

//! `epsilon_greedy`: the best item that is left, but with probability epsilon any of the pool (Sutton and Barto 2018,
//! section 2.2). Must not know how good items are beyond their order.

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

const NAME: &str = "epsilon_greedy";

/// Settings of `epsilon_greedy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EpsilonGreedyParams {
    /// The arm from whose lists is drawn; must be given.
    pub wraps: String,
    /// Probability, place by place, that any of the pool is shown rather than the best that is left, 0..=1.
    pub epsilon: f64,
    /// Items from the head of the list that are drawn from, 2..=1000.
    pub n_candidates: u32,
    /// Whether it is asked again on every page; as the arm that it wraps, where this is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapts: Option<bool>,
}

impl Default for EpsilonGreedyParams {
    fn default() -> Self {
        EpsilonGreedyParams { wraps: String::new(), epsilon: 0.1, n_candidates: N_CANDIDATES, adapts: None }
    }
}

impl EpsilonGreedyParams {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        check_shared(at, &self.wraps, self.n_candidates)?;
        within(at, "epsilon", self.epsilon, 0.0, 1.0)
    }
}

/// The kind `epsilon_greedy`.
pub struct EpsilonGreedy;

impl RecommenderKind for EpsilonGreedy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "another arm's list, but place by place with a small probability anything from its head",
            source: "Sutton and Barto 2018, section 2.2",
            needs: Needs::Arm,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(EpsilonGreedyParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: EpsilonGreedyParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(Checked { params }))
    }

    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, seed): (EpsilonGreedyParams, u64) = model_file::read_header(dir, NAME)?;
        let bad = |complaint: Complaint| model_file::bad(&dir.join("model.json"), complaint.to_string());
        params.check("model").map_err(bad)?;
        let inner = Inner::load(dir, around, params.n_candidates, params.adapts)?;
        Ok(Box::new(Exploring { inner, by: Box::new(Fitted { params, seed }), seed }))
    }
}

/// Checked settings.
struct Checked {
    params: EpsilonGreedyParams,
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
    params: EpsilonGreedyParams,
    seed: u64,
}

impl Explorer for Fitted {
    fn prepare(&self, pool: Pool) -> Box<dyn Drawer> {
        Box::new(Greedy { epsilon: self.params.epsilon, pool })
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &(&self.params, self.seed))
    }
}

struct Greedy {
    epsilon: f64,
    pool: Pool,
}

impl Drawer for Greedy {
    fn pool(&self) -> &Pool {
        &self.pool
    }

    fn next(&self, is_left: &[bool]) -> Vec<f64> {
        let n_left = is_left.iter().filter(|&&left| left).count();
        let any = self.epsilon / n_left as f64;
        let mut next: Vec<f64> = is_left.iter().map(|&left| if left { any } else { 0.0 }).collect();
        if let Some(best) = is_left.iter().position(|&left| left) {
            next[best] += 1.0 - self.epsilon;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn the_best_that_is_left_has_all_but_epsilon() {
        let greedy = Greedy { epsilon: 0.3, pool: toy::pool(&[4.0, 3.0, 1.0]) };
        toy::check_distribution(&greedy);
        let close = |found: Vec<f64>, expected: [f64; 3]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        close(greedy.next(&[true, true, true]), [0.8, 0.1, 0.1]);
        close(greedy.next(&[false, true, true]), [0.0, 0.85, 0.15]);
        close(greedy.next(&[false, false, true]), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn settings_out_of_bounds_are_told() {
        let told = |toml: &str| {
            let table = toml.parse().expect("test TOML");
            EpsilonGreedy.check("arms.x", &table).err().map(|c| c.to_string()).unwrap_or_default()
        };
        assert_eq!(told("wraps = \"mf\"\nepsilon = 0.2\nadapts = true"), "");
        assert!(told("").starts_with("arms.x.wraps is missing"));
        assert_eq!(told("wraps = \"mf\"\nepsilon = 1.5"), "arms.x.epsilon is 1.5, must be 0..=1");
        assert_eq!(told("wraps = \"mf\"\nn_candidates = 1"), "arms.x.n_candidates is 1, must be 2..=1000");
    }
}

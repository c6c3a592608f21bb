//! `thompson`: Thompson sampling (Thompson 1933; Chapelle and Li 2011) over the head of another arm's list, with a normal
//! posterior of how good each item is: its mean is the wrapped arm's score, standardised over the pool, its standard
//! deviation `scale / √(1 + n / prior_count)`, where n is how many people have the item in training. From round to
//! round n grows with what agents watched, so that what is shown often comes to be known.
//!
//! Every place has a draw of its own for every item that is left, and the highest is shown. The probability of
//! an item is then that of the highest of independent normal draws ([`posterior`](super::posterior)). Must not know what
//! agents feel about items.

use super::super::wrapping::Inner;
use super::super::{
    About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind, Surroundings, Trainer,
    Training, model_file,
};
use super::posterior::Posterior;
use super::{Drawer, Explorer, Exploring, N_CANDIDATES, Pool, check_shared};
use crate::id::ItemId;
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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
        Box::new(Believed { posterior: Posterior::new(&pool.values, &deviations), pool })
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &(&self.params, self.seed, self.counts.len()))?;
        model_file::write_ids(&dir.join("counts.npy"), &self.counts)
    }
}

/// A pool with its posteriors.
struct Believed {
    pool: Pool,
    posterior: Posterior,
}

impl Drawer for Believed {
    fn pool(&self) -> &Pool {
        &self.pool
    }

    fn next(&self, is_left: &[bool]) -> Vec<f64> {
        self.posterior.highest(is_left)
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

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

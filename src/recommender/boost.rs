//! `boost`: a randomised experiment on exposure. A keyed-random share of the catalogue stands some places higher in
//! another arm's lists than it would; everything else is as in that arm.
//!
//! Who is raised is decided by the run's seed and the item alone ([`is_treated`], purpose `Boost`): not by the arm, the
//! round, the person or anything that is known of the item. What raised items gain on others is therefore caused by the
//! places they were raised by, and differences between the two kinds of item cannot be confounded by quality or
//! popularity: an instrument for exposure (Angrist, Imbens and Rubin, JASA 1996). Which items are raised is for whoever
//! reads the experiment to draw again from the same key. Nothing is learnt; must not know what becomes of exposure.

use super::rank::reciprocal_ranks;
use super::wrapping::{self, Inner, Rerank, Reranked};
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use crate::id::ItemId;
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{self, Complaint, within};
use crate::stats::assignment::is_treated;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

const NAME: &str = "boost";

/// Settings of `boost`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BoostParams {
    /// The arm whose lists are changed; must be given.
    pub wraps: String,
    /// Share of the catalogue that is raised, 0.05..=0.95.
    pub share: f64,
    /// Places that a raised item goes up by, 1..=500.
    pub by: u32,
    /// Items from the head of the list among which places change, 2..=1000; more than `by` and what is asked for makes no
    /// difference.
    pub n_candidates: u32,
}

impl Default for BoostParams {
    fn default() -> Self {
        BoostParams { wraps: String::new(), share: 0.5, by: 10, n_candidates: 100 }
    }
}

impl BoostParams {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        wrapping::check_wraps(at, &self.wraps)?;
        within(at, "share", self.share, 0.05, 0.95)?;
        within(at, "by", self.by, 1, 500)?;
        within(at, "n_candidates", self.n_candidates, 2, 1000)
    }
}

/// The kind `boost`.
pub struct Boost;

impl RecommenderKind for Boost {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "an experiment: a random share of the items stands higher in another arm's lists, to measure what \
                      exposure causes",
            source: "Angrist, Imbens and Rubin, JASA 1996 (the design)",
            needs: Needs::Arm,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(BoostParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: BoostParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(Checked { params }))
    }

    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let saved: Saved = model_file::read_header(dir, NAME)?;
        let bad = |complaint: Complaint| model_file::bad(&dir.join("model.json"), complaint.to_string());
        saved.params.check("model").map_err(bad)?;
        let inner = Inner::load(dir, around, saved.params.n_candidates, None)?;
        Ok(Box::new(Reranked { inner, by: Box::new(Fitted { saved }) }))
    }
}

/// Checked settings.
struct Checked {
    params: BoostParams,
}

impl Trainer for Checked {
    fn fit(
        &self,
        _: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let params = self.params.clone();
        let inner = Inner::fitted(NAME, &params.wraps, context, params.n_candidates, None)?;
        let saved = Saved { params, seed: context.streams.seed() };
        Ok(Box::new(Reranked { inner, by: Box::new(Fitted { saved }) }))
    }

    fn wraps(&self) -> Option<&str> {
        Some(&self.params.wraps)
    }
}

/// What `model.json` holds: all that it takes to draw the raised items again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Saved {
    params: BoostParams,
    seed: u64,
}

/// The settings and the seed, which decide which items are raised.
struct Fitted {
    saved: Saved,
}

impl Fitted {
    fn is_raised(&self, item: ItemId) -> bool {
        let streams = Streams::new(self.saved.seed);
        is_treated(u64::from(item.0), self.saved.params.share, Purpose::Boost, &streams)
    }
}

impl Rerank for Fitted {
    fn rerank(&self, request: &Request<'_>, list: Ranked) -> Ranked {
        let n_pool = list.items.len().min(self.saved.params.n_candidates as usize);
        let mut items = list.items;
        // Raised items go up by so many places, and stand before the one whose place they take.
        let by = i64::from(self.saved.params.by);
        let key = |at: usize| {
            let raised = self.is_raised(items[at]);
            (if raised { at as i64 - by } else { at as i64 }, !raised, at)
        };
        let mut order: Vec<(i64, bool, usize)> = (0..n_pool).map(key).collect();
        order.sort_unstable();
        let head: Vec<_> = order.iter().map(|&(_, _, at)| items[at]).collect();
        items[..n_pool].copy_from_slice(&head);
        items.truncate(request.n);
        let scores = reciprocal_ranks(items.len());
        Ranked::plain(items, scores)
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &self.saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;

    fn fitted(by: u32, n_candidates: u32) -> Fitted {
        let params = BoostParams { wraps: "mf".into(), by, n_candidates, ..BoostParams::default() };
        Fitted { saved: Saved { params, seed: 3 } }
    }

    /// The answer to a request for `n` of the items 0, 1, 2, …, 39 in this order.
    fn answer(fitted: &Fitted, n: usize) -> Vec<u32> {
        let items: Vec<ItemId> = (0..40).map(ItemId).collect();
        let list = Ranked::plain(items, vec![0.0; 40]);
        let request =
            Request { user: UserId(0), luck: 0, round: 0, page: 1, n, known: &[], shown: &[], feedback: &[] };
        let answer = fitted.rerank(&request, list);
        assert!(answer.scores.is_sorted_by(|a, b| a > b) && answer.scores.len() == answer.items.len());
        answer.items.iter().map(|item| item.0).collect()
    }

    #[test]
    fn raised_items_gain_places_and_both_kinds_keep_their_order() {
        let fitted = fitted(6, 40);
        let raised = |item: &u32| fitted.is_raised(ItemId(*item));
        let whole = answer(&fitted, 40);
        let place = |item: u32| whole.iter().position(|&other| other == item).expect("in the list");
        for kind in [true, false] {
            let of_kind: Vec<u32> = whole.iter().copied().filter(|item| raised(item) == kind).collect();
            assert!(of_kind.is_sorted() && of_kind.len() > 10, "{of_kind:?}");
        }
        for item in 0..40u32 {
            let (before, after) = (item as usize, place(item));
            assert!(if raised(&item) { after <= before } else { after >= before }, "{item} at {after}");
            // Nobody gains more than that: those between keep the order they have among themselves.
            assert!(after + 6 >= before, "{item} at {after}");
        }
        let n_raised = |items: &[u32]| items.iter().filter(|item| raised(item)).count();
        assert!(n_raised(&whole[..10]) > n_raised(&(0..10).collect::<Vec<_>>()));
    }

    #[test]
    fn the_head_of_a_long_list_is_the_short_one_and_what_lies_behind_the_pool_stays() {
        let fitted = fitted(6, 20);
        let long = answer(&fitted, 40);
        assert_eq!(answer(&fitted, 8), long[..8]);
        assert_eq!(long[20..], (20..40).collect::<Vec<u32>>());
        let mut all = long;
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<u32>>());
    }

    #[test]
    fn settings_out_of_bounds_are_refused_by_name() {
        let told = |toml: &str| {
            let table: toml::Table = toml.parse().expect("test TOML");
            Boost.check("arms.b", &table).err().expect("refused").to_string()
        };
        assert!(told("share = 0.5").starts_with("arms.b.wraps is missing"));
        assert!(told("wraps = \"mf\"\nshare = 1.0").starts_with("arms.b.share is 1"));
        assert!(told("wraps = \"mf\"\nby = 0").starts_with("arms.b.by is 0"));
        assert!(told("wraps = \"mf\"\nby = 2\nn_candidate = 3").contains("n_candidates"));
    }
}

//! `popular`: the items with the most training interactions, the same list for everybody.
//!
//! With `window < 1` only the newest interactions count, which is what a "trending now"
//! shelf shows. The window is cut by the interactions' own order over all users: it means
//! recency where that order is a timestamp. Interactions as new as the oldest one inside
//! the window count too, so data without an order count whole. It must not know who asks.

use super::rank::{TopN, top_n};
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use crate::dataset::Interactions;
use crate::id::UserId;
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The kind `popular`.
pub struct Popular;

const NAME: &str = "popular";

/// Hyper-parameters.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// Share of the interactions that counts, newest first: above 0, up to 1 (all of them).
    window: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params { window: 1.0 }
    }
}

/// Fitted: the counts, and the catalogue in the order they give.
struct Fitted {
    params: Params,
    counts: Vec<f32>,
    ranking: Ranked,
}

impl RecommenderKind for Popular {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "the items with the most interactions, all time or in a recent window",
            source: "the usual baseline",
            needs: Needs::Interactions,
            folds_in: false,
            cold_items: ColdItems::Unknown,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: Params = params::parse(at, params)?;
        params::within(at, "window", params.window, 1e-6, 1.0)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, n_items): (Params, usize) = model_file::read_header(dir, NAME)?;
        let counts = model_file::read_vector(&dir.join("counts.npy"), n_items)?;
        Ok(Box::new(Fitted::new(params, counts)))
    }
}

impl Trainer for Params {
    fn fit(
        &self,
        training: &Training<'_>,
        _context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        Ok(Box::new(Fitted::new(*self, recent_counts(training.train, self.window))))
    }
}

/// Interactions of every item among the newest `window` share of them.
fn recent_counts(train: &Interactions, window: f64) -> Vec<f32> {
    let n_counted = ((train.len() as f64 * window).ceil() as usize).min(train.len());
    let mut oldest = i64::MIN;
    if n_counted > 0 && n_counted < train.len() {
        let mut order = train.order.clone();
        oldest = *order.select_nth_unstable_by(n_counted - 1, |a, b| b.cmp(a)).1;
    }
    let mut counts = vec![0f32; train.matrix.n_cols];
    for (&item, &order) in train.matrix.indices.iter().zip(&train.order) {
        if order >= oldest {
            counts[item as usize] += 1.0;
        }
    }
    counts
}

impl Fitted {
    fn new(params: Params, counts: Vec<f32>) -> Self {
        let everything = Request {
            user: UserId(0),
            luck: 0,
            round: 0,
            page: 1,
            n: counts.len(),
            known: &[],
            shown: &[],
            feedback: &[],
        };
        let ranking = top_n(&everything, &mut counts.clone(), &mut TopN::new());
        Fitted { params, counts, ranking }
    }

    fn answer(&self, request: &Request<'_>) -> Ranked {
        let best = self.ranking.items.iter().zip(&self.ranking.scores);
        let (items, scores) = best
            .filter(|(item, _)| {
                request.known.binary_search(&item.0).is_err() && !request.shown.contains(item)
            })
            .take(request.n)
            .unzip();
        Ranked::plain(items, scores)
    }
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(requests.iter().map(|request| self.answer(request)).collect())
    }

    fn adapts_in_session(&self) -> bool {
        false
    }

    fn answers_alike(&self) -> bool {
        true
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &(self.params, self.counts.len()))?;
        model_file::write_vector(&dir.join("counts.npy"), &self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Interaction;
    use crate::id::ItemId;

    fn train(order_of: impl Fn(u32) -> i64) -> Interactions {
        // Item 0 is liked by users 0..6, item 1 by users 4..8, item 2 by nobody.
        let pair = |user: u32, item| Interaction {
            user: UserId(user),
            item: ItemId(item),
            rating: 1.0,
            order: order_of(user),
        };
        let mut pairs: Vec<Interaction> =
            (0..6).map(|u| pair(u, 0)).chain((4..8).map(|u| pair(u, 1))).collect();
        pairs.sort_by_key(|x| x.user);
        Interactions::from_sorted(8, 3, &pairs)
    }

    #[test]
    fn the_window_keeps_the_newest_and_all_that_are_as_new() {
        let by_user = train(i64::from);
        assert_eq!(recent_counts(&by_user, 1.0), [6.0, 4.0, 0.0]);
        // 40 % of ten: the newest four are those of users 7, 6, and the two of user 5.
        assert_eq!(recent_counts(&by_user, 0.4), [1.0, 3.0, 0.0]);
        assert_eq!(recent_counts(&by_user, 0.3), [1.0, 3.0, 0.0]);
        assert_eq!(recent_counts(&by_user, 0.2), [0.0, 2.0, 0.0]);
        assert_eq!(recent_counts(&train(|_| 0), 0.2), [6.0, 4.0, 0.0]);
    }
}

//! `random`: every item not excluded is equally likely at every rank. The floor that
//! anything worth running must beat.
//!
//! Its luck is keyed by (fit seed, round, the request's `luck`, page): the same request
//! is answered the same way in any batch, on any thread, after any save and load, and two
//! pages draw independently. It must not learn anything.

use super::rank::rank_rows;
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, model_file,
};
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{self, Complaint};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The kind `random`.
pub struct Random;

const NAME: &str = "random";

/// No hyper-parameters.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {}

/// What is saved: who draws, and how many items there are.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Fitted {
    seed: u64,
    n_items: u32,
}

impl RecommenderKind for Random {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "items drawn at random, without repeats",
            source: "the usual floor",
            needs: Needs::Nothing,
            folds_in: false,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        params::parse::<Params>(at, params)?;
        Ok(Box::new(Params {}))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let fitted: Fitted = model_file::read_header(dir, NAME)?;
        model_file::check_n_items(dir, fitted.n_items as usize)?;
        Ok(Box::new(fitted))
    }
}

impl Trainer for Params {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        Ok(Box::new(Fitted { seed: context.streams.seed(), n_items: training.n_items() as u32 }))
    }
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let streams = Streams::new(self.seed);
        Ok(rank_rows(self.n_items as usize, requests, |request, scores| {
            let mut rng = streams.stream(Purpose::Recommend, request.round, request.luck, request.page);
            scores.iter_mut().for_each(|score| *score = rng.random());
        }))
    }

    fn adapts_in_session(&self) -> bool {
        false
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;

    fn list(seed: u64, luck: u64, round: u32, page: u32) -> Vec<u32> {
        let request =
            Request { user: UserId(3), luck, round, page, n: 20, known: &[], shown: &[], feedback: &[] };
        let lists = Fitted { seed, n_items: 1000 }.recommend(&[request]).expect("never fails");
        lists[0].items.iter().map(|item| item.0).collect()
    }

    #[test]
    fn luck_round_page_and_seed_each_change_the_draw() {
        let first = list(1, 2, 3, 4);
        assert_eq!(first, list(1, 2, 3, 4));
        for other in [list(9, 2, 3, 4), list(1, 9, 3, 4), list(1, 2, 9, 4), list(1, 2, 3, 9)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn every_item_is_equally_likely() {
        let request = |luck| Request {
            user: UserId(0),
            luck,
            round: 0,
            page: 1,
            n: 2,
            known: &[0],
            shown: &[],
            feedback: &[],
        };
        let requests: Vec<Request<'_>> = (0..4000).map(request).collect();
        let mut counts = [0u32; 5];
        for list in (Fitted { seed: 1, n_items: 5 }).recommend(&requests).expect("never fails") {
            list.items.iter().for_each(|item| counts[item.idx()] += 1);
        }
        assert_eq!(counts[0], 0);
        // 2,000 expected each; five standard deviations of Binomial(4000, 1/2) are 158.
        assert!(counts[1..].iter().all(|count| count.abs_diff(2000) < 158), "{counts:?}");
    }
}

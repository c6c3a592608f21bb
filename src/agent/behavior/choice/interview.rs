//! Step 6, what do I say afterwards: a score 1..=10 as an ordered logit of how the session went.

use super::logit::ordered_level;
use super::reflection::by_page;
use super::view::{Outcome, Person, Remembered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coefficients of the interview score, in logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interview {
    /// Ascending cuts between the scores 1|2 to 9|10.
    pub cuts: [f64; 9],
    /// By activity tier (rows) and page of the exit (from 1; further pages repeat the last).
    pub by_page: [Vec<f64>; 3],
    /// Added by diversity tier.
    pub by_diversity: [f64; 3],
    /// Per unit of the latest satisfaction, which is 0..=1, above one half.
    pub latest: f64,
    /// Per unit of the remembered satisfaction, which is 0..=1, above one half.
    pub overall: f64,
    /// Per unit of the share of all shown that fitted.
    pub fitting: f64,
    /// Per unit of the share of all shown that was watched.
    pub watched: f64,
    /// Per rating point of the mean rating given.
    pub rating: f64,
}

impl Interview {
    /// Utility of a session that ended on `page`.
    pub fn utility(&self, person: Person, page: u32, remembered: Remembered, outcome: Outcome) -> f64 {
        by_page(&self.by_page[person.activity], page)
            + self.by_diversity[person.diversity]
            + self.latest * (remembered.latest - 0.5)
            + self.overall * (remembered.overall - 0.5)
            + self.fitting * outcome.fitting
            + self.watched * outcome.watched
            + self.rating * outcome.rating
    }

    /// The score 1..=10 that uniform luck on 0..1 comes to.
    pub fn score(&self, utility: f64, luck: f64) -> u8 {
        1 + ordered_level(&self.cuts, utility, luck) as u8
    }
}

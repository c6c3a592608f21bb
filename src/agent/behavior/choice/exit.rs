//! Step 5, next page or exit: a discrete-time hazard (Cox 1972; Singer & Willett 1993).
//!
//! Fatigue is put on the scale of this hazard: a fatigue of .3 means that somebody with neither
//! good nor bad feelings leaves now with probability .3. Reflection writes it down, deciding
//! reads it from memory; who remembers nothing decides on every page as on the first.

use super::logit::{log_odds, logistic};
use super::reflection::by_page;
use super::view::{Person, Remembered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coefficients of the exit hazard, in logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// Tiredness by activity tier (rows) and page (from 1; further pages repeat the last): the log-odds of
    /// fatigue.
    pub tiredness: [Vec<f64>; 3],
    /// Added by diversity tier.
    pub by_diversity: [f64; 3],
    /// Per unit of the latest satisfaction, which is 0..=1, above one half.
    pub latest: f64,
    /// Per unit of the remembered satisfaction, which is 0..=1, above one half.
    pub overall: f64,
}

impl Exit {
    /// Fatigue 0..=1 after this page.
    pub fn fatigue(&self, person: Person, page: u32) -> f64 {
        logistic(by_page(&self.tiredness[person.activity], page))
    }

    /// Utility of leaving.
    pub fn utility(&self, person: Person, remembered: Remembered) -> f64 {
        let fatigue = remembered.fatigue.unwrap_or_else(|| self.fatigue(person, 1));
        log_odds(fatigue)
            + self.by_diversity[person.diversity]
            + self.latest * (remembered.latest - 0.5)
            + self.overall * (remembered.overall - 0.5)
    }
}

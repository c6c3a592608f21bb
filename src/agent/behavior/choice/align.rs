//! Step 1, does it fit my taste: a slot is looked at or not, and what is looked at fits or not.
//!
//! The position-based model of examination (Richardson, Dominowska & Ragno 2007; Chuklin, Markov &
//! de Rijke 2015, §3.2): P(fits) = examination(slot) · logistic(utility). Language models also
//! answer more kindly for what stands first, whatever it is: that part is `by_slot`.

use super::logit::logistic;
use super::view::{Person, Prospect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coefficients of examination and alignment, in logits unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Align {
    /// Probability that a slot is looked at, from the top; further slots repeat the last.
    pub examination: Vec<f64>,
    /// Intercept.
    pub intercept: f64,
    /// Per standard deviation of affinity.
    pub taste: f64,
    /// Per standard deviation of general quality.
    pub quality: f64,
    /// Per standard deviation of log popularity.
    pub popularity: f64,
    /// Added by slot, from the top; further slots repeat the last.
    pub by_slot: Vec<f64>,
    /// Added by diversity tier.
    pub by_diversity: [f64; 3],
}

impl Align {
    /// Probability that this slot (from 0) is looked at.
    pub fn looks(&self, slot: usize) -> f64 {
        repeated(&self.examination, slot, 1.0)
    }

    /// Utility of finding that an item fits, once looked at.
    pub fn utility(&self, person: Person, item: Prospect) -> f64 {
        self.intercept
            + self.taste * item.taste
            + self.quality * item.quality
            + self.popularity * item.popularity
            + repeated(&self.by_slot, item.slot, 0.0)
            + self.by_diversity[person.diversity]
            + item.nudge
    }

    /// Probability that an item is looked at and found to fit.
    pub fn probability(&self, person: Person, item: Prospect) -> f64 {
        self.looks(item.slot) * logistic(self.utility(person, item))
    }
}

/// The entry of a slot; further slots repeat the last.
pub(super) fn repeated(by_slot: &[f64], slot: usize, none: f64) -> f64 {
    by_slot.get(slot).or(by_slot.last()).copied().unwrap_or(none)
}

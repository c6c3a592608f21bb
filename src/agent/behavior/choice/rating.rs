//! Step 3, how do I rate what I watched: an ordered logit (McCullagh 1980) of own taste, of what
//! everybody thinks, weighed by conformity, and of how lenient the person is.

use super::logit::ordered_level;
use super::view::{Person, Prospect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coefficients of rating, in logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rating {
    /// Ascending cuts between ratings 1|2, 2|3, 3|4, 4|5.
    pub cuts: [f64; 4],
    /// Per standard deviation of the agent's own affinity, by conformity tier.
    pub taste_by_conformity: [f64; 3],
    /// Per standard deviation of general quality, by conformity tier.
    pub quality_by_conformity: [f64; 3],
    /// Per standard deviation of log popularity.
    pub popularity: f64,
    /// Per rating point of the person's leniency.
    pub leniency: f64,
}

impl Rating {
    /// Utility of an item that was watched.
    pub fn utility(&self, person: Person, item: Prospect) -> f64 {
        self.taste_by_conformity[person.conformity] * item.taste
            + self.quality_by_conformity[person.conformity] * item.quality
            + self.popularity * item.popularity
            + self.leniency * person.leniency
    }

    /// The rating 1..=5 that uniform luck on 0..1 comes to.
    pub fn rate(&self, person: Person, item: Prospect, luck: f64) -> u8 {
        1 + ordered_level(&self.cuts, self.utility(person, item), luck) as u8
    }
}

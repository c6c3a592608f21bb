//! Step 4, how do I feel: whether the agent looks back with a good feeling, a logit of what the
//! latest page was like, of the feeling before it, and of how long the session has lasted.

use super::view::{Outcome, Person};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coefficients of reflection; utilities are in logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reflection {
    /// Importance that must have accumulated in memory before the agent reflects.
    pub threshold: f64,
    /// A good feeling, by activity tier (rows) and page (from 1; further pages repeat the last).
    pub by_page: [Vec<f64>; 3],
    /// Added by diversity tier.
    pub by_diversity: [f64; 3],
    /// Per unit of the satisfaction before, which is 0..=1, above one half.
    pub before: f64,
    /// Per unit of the share of the page that fitted.
    pub fitting: f64,
    /// Per unit of the share of the page that was watched.
    pub watched: f64,
    /// Per rating point of the page's mean rating.
    pub rating: f64,
}

impl Reflection {
    /// Utility of a good feeling after `page`; `before` is the satisfaction until then, 0..=1.
    pub fn utility(&self, person: Person, page: u32, before: f64, outcome: Outcome) -> f64 {
        by_page(&self.by_page[person.activity], page)
            + self.by_diversity[person.diversity]
            + self.before * (before - 0.5)
            + self.fitting * outcome.fitting
            + self.watched * outcome.watched
            + self.rating * outcome.rating
    }
}

/// The entry of a page, from 1; further pages repeat the last.
pub(super) fn by_page(row: &[f64], page: u32) -> f64 {
    row.get(page.saturating_sub(1) as usize).or(row.last()).copied().unwrap_or(0.0)
}

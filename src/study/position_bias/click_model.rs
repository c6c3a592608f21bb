//! What a click model is: fitted to pages, it gives probabilities of what is watched on others.
//! Must not know any one model.
//!
//! Models are compared by what they say of people they were not fitted on, so a fitted model answers
//! three questions: how likely is this page as it was, how likely is each slot watched on its own
//! (perplexity, Dupret and Piwowarski 2008), and how likely is it watched when nothing above it was, which
//! every model answers, also those that allow one watch a page.

use super::pages::{Page, Pages};

/// Probabilities are kept this far from 0 and 1, where logarithms end.
const CERTAINTY_MARGIN: f64 = 1e-9;

/// A model that can be fitted.
pub trait ClickModel: Sync {
    /// Its name in tables.
    fn name(&self) -> &'static str;
    /// Fits it; `weights[person]` says how often a person's pages count (0 leaves them out).
    fn fit(&self, pages: &Pages, weights: &[f64]) -> Box<dyn FittedClickModel>;
}

/// A model with its numbers.
pub trait FittedClickModel: Send + Sync {
    /// ln P(exactly these slots are watched); −∞ where the model says that it cannot happen.
    fn log_likelihood(&self, page: Page<'_>) -> f64;
    /// P(watched), slot by slot, whatever happens elsewhere on the page.
    fn marginals(&self, kinds: &[u32]) -> Vec<f64>;
    /// P(watched, given that nothing above it was), slot by slot.
    fn hazards(&self, kinds: &[u32]) -> Vec<f64>;
}

/// The attractiveness that every kind starts from: so many exposures without position effects, of which this
/// share was watched. Kinds that were hardly shown stay near it (a Beta prior), so that fits converge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Pseudo-exposures, above 0.
    pub strength: f64,
    /// Share of them watched, between 0 and 1.
    pub share: f64,
}

impl Prior {
    /// The prior around the share watched on these pages.
    pub fn around(pages: &Pages, weights: &[f64], strength: f64) -> Self {
        Prior { strength, share: inside(pages.watch_rate(weights)) }
    }

    /// Attractiveness after so many (expected) exposures and watches.
    pub fn share_of(self, watched: f64, exposed: f64) -> f64 {
        inside((watched + self.strength * self.share) / (exposed + self.strength))
    }
}

/// The probability, kept away from certainty.
pub fn inside(probability: f64) -> f64 {
    probability.clamp(CERTAINTY_MARGIN, 1.0 - CERTAINTY_MARGIN)
}

/// ln P of independent answers with these probabilities.
pub fn independent(probabilities: &[f64], watched: &[bool]) -> f64 {
    let one = |(&p, &watched): (&f64, &bool)| if watched { p.ln() } else { (-p).ln_1p() };
    probabilities.iter().zip(watched).map(one).sum()
}

/// ln P(the first watch is where it was, or there is none), from the hazards.
pub fn first_watch(hazards: &[f64], watched: &[bool]) -> f64 {
    let first = watched.iter().position(|&watched| watched);
    let n_seen = first.map_or(watched.len(), |at| at + 1);
    let of_first =
        |(at, &p): (usize, &f64)| if Some(at) == first { inside(p).ln() } else { (-inside(p)).ln_1p() };
    hazards[..n_seen].iter().enumerate().map(of_first).sum()
}

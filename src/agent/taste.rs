//! Taste: how much an agent likes an item, as the experiment's truth.
//!
//! Every source of taste is one file below and answers with raw values; they are put on one scale:
//! normal scores (van der Waerden) over random (user, item) pairs. A behaviour need not know where
//! taste came from, and 2 always means "better liked than 98 % of the catalogue by anybody".
//! Recommenders never see any of this.
//!
//! A simulated truth is somebody's model, and whoever resembles it wins: [`TasteSource::statement`]
//! says for every source what that means, and run folder and report repeat it.

mod content;
mod contrast;
mod factors;
mod held_out;
mod hybrid;
mod latent;
mod observed;
pub mod questions;
mod scale;
mod solve;
mod text;
mod truth;

use crate::dataset::{Dataset, Interactions, Split};
use crate::id::{ItemId, UserId};
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use scale::Scale;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::sync::Arc;

/// Where taste comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TasteSource {
    /// `truth` where the dataset has one, else `latent`.
    #[default]
    Auto,
    /// The latent truth of a synthetic world.
    Truth,
    /// Genres, years and words of what the person met, weighted by ratings, plus the item's general quality.
    Content,
    /// A factor model fitted apart from every arm, on all interactions, held-out ones included.
    Latent,
    /// Factor models, item content and popularity, weighed by how well they tell what people chose.
    Hybrid,
    /// The truth set: what was held out of training and liked, against everything else.
    HeldOut,
    /// What people truly said, where the dataset has ratings that no recommender may learn from.
    Observed,
}

/// Which interactions taste is built from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TasteEvidence {
    /// All of them, held-out ones included: taste is the truth of the experiment.
    #[default]
    All,
    /// The training part alone: taste knows no more than a recommender may, as a fair test of
    /// taste against what was held out demands.
    Train,
}

impl TasteEvidence {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            TasteEvidence::All => "all",
            TasteEvidence::Train => "train",
        }
    }
}

impl TasteSource {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            TasteSource::Auto => "auto",
            TasteSource::Truth => "truth",
            TasteSource::Content => "content",
            TasteSource::Latent => "latent",
            TasteSource::Hybrid => "hybrid",
            TasteSource::HeldOut => "held_out",
            TasteSource::Observed => "observed",
        }
    }

    /// `Auto` decided for this dataset.
    pub fn resolve(self, dataset: &Dataset) -> TasteSource {
        match self {
            TasteSource::Auto if dataset.truth.is_some() => TasteSource::Truth,
            TasteSource::Auto => TasteSource::Latent,
            decided => decided,
        }
    }

    /// What an owner must know before believing a verdict: one sentence on what the agents' taste
    /// is, from what it was made, and whom it favours.
    pub fn statement(self, evidence: TasteEvidence) -> String {
        let seen = match evidence {
            TasteEvidence::All => "all interactions, held-out ones included",
            TasteEvidence::Train => "the training interactions alone",
        };
        match self {
            TasteSource::Auto => format!("taste is the dataset's own truth, or latent from {seen}"),
            TasteSource::Truth => "taste is the truth the synthetic world was made from, which no arm was \
                                   fitted to; factor models can represent it exactly"
                .to_owned(),
            TasteSource::Content => format!(
                "taste is content: genres, years and words of the items in {seen}, and the items' general quality; \
                 an arm that ranks by item text is favoured"
            ),
            TasteSource::Latent => format!(
                "taste is latent: a factor model fitted apart from every arm on {seen}; \
                 an arm of the same family is favoured"
            ),
            TasteSource::Hybrid => format!(
                "taste is hybrid: factor models, item content and popularity blended on {seen}; an arm of \
                 any of these families is favoured"
            ),
            TasteSource::HeldOut => "taste is held_out: what was held out of training and liked counts, and \
                                     everything else is disliked alike, unseen favourites too; an arm that \
                                     ranks what people are known to meet, popular items first, is favoured"
                .to_owned(),
            TasteSource::Observed => "taste is observed: what people truly said, where it is known; agents know \
                                      the truth, so the run checks whether pages, agents and statistics order \
                                      arms as the truth does, not whether agents guess people"
                .to_owned(),
        }
    }
}

/// How much a person likes an item in the units of its source: only the order matters.
trait RawTaste: Debug + Send + Sync {
    fn raw(&self, user: UserId, item: ItemId) -> f32;
}

/// What a source of taste may look at.
struct Basis<'a> {
    dataset: &'a Dataset,
    split: &'a Split,
    /// The interactions that are evidence.
    interactions: Interactions,
    streams: Streams,
}

/// Everybody's taste for everything.
#[derive(Clone, Debug)]
pub struct Taste {
    raw: Arc<dyn RawTaste>,
    scale: Scale,
}

/// Taste could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TasteError {
    /// `truth` was asked of a dataset that has none.
    #[error("taste is \"truth\", but the dataset {0} has no latent truth; use \"latent\" or \"content\"")]
    NoTruth(String),
    /// `content` was asked of a dataset without genres and words.
    #[error(
        "taste is \"content\", but the items of the dataset {0} have neither genres nor text; use \"latent\""
    )]
    NoContent(String),
    /// `held_out` was asked of a split that holds nothing out.
    #[error("taste is \"held_out\", but the split of the dataset {0} holds nothing out; use another split")]
    NothingHeldOut(String),
    /// `observed` was asked of a dataset without observed truth.
    #[error("taste is \"observed\", but the dataset {0} has no observed truth; use \"latent\"")]
    NothingObserved(String),
}

impl Taste {
    /// Builds the taste of a dataset's people.
    pub fn build(
        dataset: &Dataset,
        split: &Split,
        source: TasteSource,
        evidence: TasteEvidence,
        streams: Streams,
    ) -> Result<Taste, TasteError> {
        let interactions = match evidence {
            TasteEvidence::All => dataset.all(),
            TasteEvidence::Train => split.train.clone(),
        };
        let basis = Basis { dataset, split, interactions, streams };
        let raw: Arc<dyn RawTaste> = match source.resolve(dataset) {
            TasteSource::Truth => Arc::new(truth::of(dataset)?),
            TasteSource::Content => Arc::new(content::build(&basis)?),
            TasteSource::Latent | TasteSource::Auto => Arc::new(latent::fit(&basis)),
            TasteSource::Hybrid => Arc::new(hybrid::fit(&basis)),
            // Two values have exact scores of their own.
            TasteSource::HeldOut => return held_out::build(&basis),
            // Scored by itself, over the known cells alone.
            TasteSource::Observed => {
                return Ok(Taste { raw: Arc::new(observed::of(dataset)?), scale: Scale::default() });
            }
        };
        Ok(Taste::standardised(raw, dataset, streams))
    }

    /// How much the user likes the item, as a normal score over random pairs.
    pub fn affinity(&self, user: UserId, item: ItemId) -> f32 {
        self.scale.score(self.raw.raw(user, item))
    }

    /// The taste on the scale of normal scores over random pairs.
    fn standardised(raw: Arc<dyn RawTaste>, dataset: &Dataset, streams: Streams) -> Taste {
        const N_PAIRS: usize = 1 << 16;
        let (n_users, n_items) = (dataset.n_users() as u32, dataset.n_items() as u32);
        if n_users == 0 || n_items == 0 {
            return Taste { raw, scale: Scale::default() };
        }
        let mut rng = streams.stream(Purpose::Population, 2, 0, 0);
        let mut draw = || (UserId(rng.random_range(0..n_users)), ItemId(rng.random_range(0..n_items)));
        let mut sample: Vec<f32> = (0..N_PAIRS).map(|_| draw()).map(|(u, i)| raw.raw(u, i)).collect();
        sample.sort_by(f32::total_cmp);
        Taste { raw, scale: Scale::from_sorted(&sample) }
    }
}

#[cfg(test)]
mod tests;

//! `alpharec`: a recommender without ids, on what item text means.
//!
//! Sheng, Zhang, Zhang, Chen, Wang and Chua, "Language representations can be what recommenders need:
//! findings and potentials", ICLR 2025. An item is the vector of its text, a user the mean of the items
//! they have; one perceptron maps both, light graph convolution smooths them, users and items are
//! scored by their cosine, and InfoNCE with a temperature trains the perceptron (their section 3 gives the
//! four parts in this order). Nothing is learned per item or user, so both can be new.
//!
//! Deviations: every item that somebody has and the user does not is a negative, instead of some that are drawn (one
//! product scores them all, see [`contrast`](super::training::contrast)); a step takes some users with all
//! of their items, instead of some interactions; AdamW with a step length that falls linearly. The graph does not
//! reach an item that nobody has, so its vector would lack what smoothing gives all others, and it would hardly ever
//! make it into a list: it is given the mean of what smoothing gave the items whose text is nearest
//! (`cold_neighbors`, 0 for the paper's own). Setting
//! `hidden_size = 0`, `n_layers = 0` and `loss = "bpr"` takes the parts away again, for ablations.

mod learner;

use super::fitted::Fitted;
use super::text_towers::TextTowers;
use super::training::schedule::{Schedule, train};
use super::{About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind};
use super::{Surroundings, Trainer, Training};
use crate::encoder::library;
use crate::scenario::params::{self, Complaint, within};
use learner::AlphaLearner;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name in a scenario.
const NAME: &str = "alpharec";

/// Steps of an epoch where no batch size is given.
const STEPS_PER_EPOCH: usize = 4;

/// What training makes small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Every positive against all that the user does not have.
    #[default]
    Infonce,
    /// Every positive against one item that the user does not have, drawn anew every epoch.
    Bpr,
}

/// Hyper-parameters of `alpharec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlphaRecParams {
    /// Which encoder makes vectors of item text: a table of `[encoders]`.
    pub encoder: String,
    /// Numbers in a user's or an item's vector, 1..=4096.
    pub embedding_size: u32,
    /// Width of the perceptron's hidden layer, 0..=8192; 0 for a linear map; without it, half of a text vector.
    pub hidden_size: Option<u32>,
    /// Steps of propagation over the graph, 0..=10.
    pub n_layers: u32,
    /// What training makes small.
    pub loss: Loss,
    /// τ: cosines are divided by it, 0.001..=10.
    pub temperature: f64,
    /// Passes over the users at most, 1..=100000.
    pub epochs: u32,
    /// Users a step, 1..=1000000; without it a quarter of the users, but from 256 to 2048 (a step maps and smooths
    /// everybody, so its cost hardly depends on it).
    pub batch_size: Option<u32>,
    /// Step length of AdamW, 1e-6..=10; it falls linearly, to nothing after the last epoch.
    pub learning_rate: f64,
    /// Decay of the perceptron's weights (decoupled), 0..=10.
    pub reg: f64,
    /// Epochs between two validations, 1..=100000.
    pub eval_every: u32,
    /// Validations without a new best before training stops, 1..=100000.
    pub patience: u32,
    /// An item that nobody has in training is smoothed as so many items of the nearest text are, in the mean,
    /// 0..=1000.
    pub cold_neighbors: u32,
    /// Whether what is watched in a session changes its next page.
    pub fold_in: bool,
    /// Seed of its own; without it the scenario's seed decides.
    pub seed: Option<u64>,
}

impl Default for AlphaRecParams {
    fn default() -> Self {
        AlphaRecParams {
            encoder: library::DEFAULT.to_owned(),
            embedding_size: 64,
            hidden_size: None,
            n_layers: 2,
            loss: Loss::Infonce,
            temperature: 0.2,
            epochs: 200,
            batch_size: None,
            learning_rate: 0.002,
            reg: 0.0,
            eval_every: 5,
            patience: 10,
            cold_neighbors: 10,
            fold_in: false,
            seed: None,
        }
    }
}

impl AlphaRecParams {
    fn schedule(&self) -> Schedule {
        Schedule { epochs: self.epochs, eval_every: self.eval_every, patience: self.patience }
    }

    /// Users a step, of so many.
    fn batch_size(&self, n_users: usize) -> usize {
        self.batch_size.map_or((n_users / STEPS_PER_EPOCH).clamp(256, 2048), |size| size as usize)
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "embedding_size", self.embedding_size, 1, 4096)?;
        within(at, "hidden_size", self.hidden_size.unwrap_or(0), 0, 8192)?;
        within(at, "n_layers", self.n_layers, 0, 10)?;
        within(at, "temperature", self.temperature, 0.001, 10.0)?;
        within(at, "batch_size", self.batch_size.unwrap_or(1), 1, 1_000_000)?;
        within(at, "learning_rate", self.learning_rate, 1e-6, 10.0)?;
        within(at, "reg", self.reg, 0.0, 10.0)?;
        within(at, "cold_neighbors", self.cold_neighbors, 0, 1000)?;
        self.schedule().check(at)
    }
}

/// The kind `alpharec`.
pub struct AlphaRec;

impl RecommenderKind for AlphaRec {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "AlphaRec: item text through a perceptron and the user-item graph, without ids",
            source: "Sheng et al., ICLR 2025",
            needs: Needs::Text,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(AlphaRecParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: AlphaRecParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        Fitted::load(NAME, dir, |params: &AlphaRecParams| TextTowers::load(dir, params.fold_in))
    }
}

impl Trainer for AlphaRecParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let encoded = training.item_vectors(&self.encoder, context)?;
        let mut learner = AlphaLearner::new(self, &training.train.matrix, &encoded.vectors, context);
        train(NAME, self, &encoded.hash(), &mut learner, self.schedule(), training, context)?;
        let towers = TextTowers::new(learner.finish(training), self.fold_in);
        Ok(Fitted::boxed(NAME, self.clone(), towers))
    }

    fn encoder(&self) -> Option<&str> {
        Some(&self.encoder)
    }
}

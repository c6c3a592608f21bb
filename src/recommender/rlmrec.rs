//! `rlmrec`: LightGCN whose vectors are aligned with what text says of users and items.
//!
//! Ren, Wei, Xia, Su, Cheng, Wang, Yin and Huang, "Representation learning with large language models for
//! recommendation", WWW 2024. Beside the ranking loss, the mutual information between a node's vector and
//! its profile's is raised by InfoNCE (their equation 5):
//!
//! - `con`, contrastive alignment: a perceptron maps the profile into the space of the vectors, and each
//!   vector is told from all other profiles of its side (equations 6 and 7);
//! - `gen`, generative alignment: some nodes lose their ego vector to one shared mask token, the graph has
//!   to make up for it, and a perceptron maps what comes out into the space of the profiles (equations 8 and 9).
//!
//! Deviations: profiles are what the encoder makes of the items' text, and a user's is the encoded
//! `user_profiles` of the data or, by default, the mean of their items (the paper has a language model write
//! both); by default items alone are aligned, since a mean of item texts adds nothing to them, and telling people
//! apart by it cost accuracy; in a step so many nodes are aligned as `n_aligned` says, drawn from the batch; the step length falls
//! linearly. Scores stay inner products, text is needed at fitting only.

mod learner;

use super::dense::Matrix;
use super::factors::Factors;
use super::fitted::Fitted;
use super::text_towers::mean_rows;
use super::training::gcn::{Gcn, GcnSettings};
use super::training::init::{pad, padded};
use super::training::schedule::{Schedule, train};
use super::{About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind};
use super::{Surroundings, Trainer, Training};
use crate::encoder::library;
use crate::scenario::params::{self, Complaint, within};
use learner::RlmLearner;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name in a scenario.
const NAME: &str = "rlmrec";

/// How vectors and profiles are aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Contrastive: profiles are mapped to vectors.
    #[default]
    Con,
    /// Generative: vectors of masked nodes are mapped to profiles.
    Gen,
}

/// Which nodes are aligned with their profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aligned {
    /// Users and items, as in the paper.
    Both,
    /// Items alone.
    #[default]
    Items,
    /// Users alone.
    Users,
}

/// What stands for a user's profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserText {
    /// The mean of the vectors of the items they have in training.
    #[default]
    Items,
    /// What a language model wrote of them: `[profiles] users` of the scenario.
    Profiles,
}

/// Hyper-parameters of `rlmrec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RlmRecParams {
    /// Which encoder makes vectors of text: a table of `[encoders]`.
    pub encoder: String,
    /// How vectors and profiles are aligned.
    pub variant: Variant,
    /// What stands for a user's profile.
    pub user_text: UserText,
    /// Which nodes are aligned with their profiles.
    pub aligned: Aligned,
    /// Weight of the alignment beside the ranking loss, 0..=100.
    pub alignment: f64,
    /// τ of the alignment: cosines are divided by it, 0.001..=10.
    pub temperature: f64,
    /// Nodes of each side that a step aligns at most, 1..=100000.
    pub n_aligned: u32,
    /// Share of the nodes that a step masks, with `gen`, 0.001..=0.9.
    pub mask_ratio: f64,
    /// Numbers in a user's or an item's vector, 1..=4096.
    pub embedding_size: u32,
    /// Steps of propagation over the graph, 0..=10.
    pub n_layers: u32,
    /// Passes over the training interactions at most, 1..=100000.
    pub epochs: u32,
    /// Samples a step, 1..=10000000; without it, such that an epoch has 20 steps.
    pub batch_size: Option<u32>,
    /// Step length of Adam, 1e-6..=10; it falls linearly, to nothing after the last epoch.
    pub learning_rate: f64,
    /// L2 on the ego vectors of the samples, 0..=1.
    pub reg: f64,
    /// Standard deviation of the first vectors, 0..=10.
    pub init_std: f64,
    /// Epochs between two validations, 1..=100000.
    pub eval_every: u32,
    /// Validations without a new best before training stops, 1..=100000.
    pub patience: u32,
    /// Seed of its own; without it the scenario's seed decides.
    pub seed: Option<u64>,
}

impl Default for RlmRecParams {
    fn default() -> Self {
        RlmRecParams {
            encoder: library::DEFAULT.to_owned(),
            variant: Variant::Con,
            user_text: UserText::Items,
            aligned: Aligned::Items,
            alignment: 0.1,
            temperature: 0.2,
            n_aligned: 512,
            mask_ratio: 0.1,
            embedding_size: 64,
            n_layers: 2,
            epochs: 200,
            batch_size: None,
            learning_rate: 0.01,
            reg: 0.005,
            init_std: 0.1,
            eval_every: 5,
            patience: 10,
            seed: None,
        }
    }
}

impl RlmRecParams {
    fn settings(&self) -> GcnSettings {
        let RlmRecParams { embedding_size, n_layers, epochs, batch_size, .. } = *self;
        let RlmRecParams { learning_rate, reg, init_std, seed, .. } = *self;
        GcnSettings { embedding_size, n_layers, epochs, batch_size, learning_rate, reg, init_std, seed }
    }

    fn schedule(&self) -> Schedule {
        Schedule { epochs: self.epochs, eval_every: self.eval_every, patience: self.patience }
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "alignment", self.alignment, 0.0, 100.0)?;
        within(at, "temperature", self.temperature, 0.001, 10.0)?;
        within(at, "n_aligned", self.n_aligned, 1, 100_000)?;
        within(at, "mask_ratio", self.mask_ratio, 0.001, 0.9)?;
        if self.user_text == UserText::Profiles && self.aligned == Aligned::Items {
            let bound = "\"both\" or \"users\" where user_text is \"profiles\"";
            return Err(Complaint::out_of_range(format!("{at}.aligned"), "\"items\"", bound));
        }
        self.settings().check(at)?;
        self.schedule().check(at)
    }
}

/// The kind `rlmrec`.
pub struct RlmRec;

impl RecommenderKind for RlmRec {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "RLMRec: LightGCN aligned with what text says of users and items; needs a refit to learn \
                      from a session",
            source: "Ren et al., WWW 2024",
            needs: Needs::Text,
            folds_in: false,
            cold_items: ColdItems::Unknown,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(RlmRecParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: RlmRecParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        Fitted::<RlmRecParams, _>::load(NAME, dir, |_| Factors::load(dir))
    }
}

impl Trainer for RlmRecParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let items = training.item_vectors(&self.encoder, context)?;
        let users = self.user_vectors(training, &items.vectors, context)?;
        let gcn = Gcn::new(self.settings(), &training.train.matrix, context);
        let mut learner = RlmLearner::new(self.clone(), gcn, &users, &items.vectors);
        train(NAME, self, &items.hash(), &mut learner, self.schedule(), training, context)?;
        Ok(Fitted::boxed(NAME, self.clone(), learner.finish(training)))
    }

    fn encoder(&self) -> Option<&str> {
        Some(&self.encoder)
    }
}

impl RlmRecParams {
    /// One profile vector a user.
    fn user_vectors(
        &self,
        training: &Training<'_>,
        items: &Matrix,
        context: &FitContext<'_>,
    ) -> Result<Matrix, RecommendError> {
        if self.user_text == UserText::Items {
            let stride = padded(items.n_cols);
            let rows = mean_rows(&training.train.matrix, &pad(&items.data, items.n_cols), stride);
            let rows = super::training::init::unpad(&rows, items.n_cols);
            return Ok(Matrix::new(training.n_users(), items.n_cols, rows));
        }
        let profiles = training.user_profiles.ok_or_else(|| RecommendError::BadTraining {
            problem: "user_text is \"profiles\", but the scenario names no file in profiles.users".to_owned(),
        })?;
        let encoders = &context.around.encoders;
        let users = encoders.texts(&self.encoder, "users", training.users, profiles, context.progress)?;
        Ok(users.vectors.clone())
    }
}

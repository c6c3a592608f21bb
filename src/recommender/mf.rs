//! Matrix factorisation by stochastic gradient descent: the score of an item for a user
//! is the inner product of their vectors.
//!
//! `loss = "bpr"` is Bayesian personalised ranking (Rendle, Freudenthaler, Gantner and
//! Schmidt-Thieme, UAI 2009): criterion BPR-Opt of their section 4.1, the steps of
//! LearnBPR (their figure 4), negatives uniform over what the user does not have.
//! `loss = "pointwise"` is binary cross-entropy on the same positives with
//! `n_negatives` sampled negatives each. Added here: the step length falls linearly, and
//! steps run in parallel on disjoint blocks of users and items
//! ([`training::blocks`](super::training::blocks)). `reg` was chosen between what
//! Agent4Rec's split (0.03) and MovieLens-1M (0.01) like best. New behaviour changes nothing before a refit.

use super::dense::Matrix;
use super::factors::Factors;
use super::fitted::Fitted;
use super::training::blocks::{Blocks, Meeting};
use super::training::init::{TableKey, normal, padded, unpad};
use super::training::negatives::Seen;
use super::training::schedule::{Learner, Schedule, train};
use super::training::sgd::{Objective, Step, descend};
use super::training::validation::Holdout;
use super::{
    About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind, Surroundings,
};
use super::{Trainer, Training};
use crate::dataset::sparse::Csr;
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name in a scenario.
const NAME: &str = "mf";

/// What a sample costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Bayesian personalised ranking: positives above negatives.
    Bpr,
    /// Binary cross-entropy: positives up, sampled negatives down.
    Pointwise,
}

/// Hyper-parameters of `mf`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MfParams {
    /// Numbers in a user's or an item's vector, 1..=4096.
    pub embedding_size: u32,
    /// What a sample costs: `bpr` or `pointwise`.
    pub loss: Loss,
    /// Negatives a positive, 1..=100 (`bpr` always takes one).
    pub n_negatives: u32,
    /// Passes over the training interactions at most, 1..=100000.
    pub epochs: u32,
    /// First step length of gradient descent, 1e-6..=10; it falls linearly, to nothing after the last epoch.
    pub learning_rate: f64,
    /// Weight decay a sample, 0..=1.
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

impl Default for MfParams {
    fn default() -> Self {
        MfParams {
            embedding_size: 64,
            loss: Loss::Bpr,
            n_negatives: 4,
            epochs: 100,
            learning_rate: 0.05,
            reg: 0.02,
            init_std: 0.1,
            eval_every: 5,
            patience: 10,
            seed: None,
        }
    }
}

impl MfParams {
    fn schedule(&self) -> Schedule {
        Schedule { epochs: self.epochs, eval_every: self.eval_every, patience: self.patience }
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "embedding_size", self.embedding_size, 1, 4096)?;
        within(at, "n_negatives", self.n_negatives, 1, 100)?;
        within(at, "learning_rate", self.learning_rate, 1e-6, 10.0)?;
        within(at, "reg", self.reg, 0.0, 1.0)?;
        within(at, "init_std", self.init_std, 0.0, 10.0)?;
        self.schedule().check(at)
    }
}

/// The kind `mf`.
pub struct Mf;

impl RecommenderKind for Mf {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "matrix factorisation: user and item vectors by stochastic gradient descent on \
                      sampled pairs; needs a refit to learn from a session",
            source: "BPR: Rendle et al., UAI 2009",
            needs: Needs::Interactions,
            folds_in: false,
            cold_items: ColdItems::Unknown,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(MfParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: MfParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        Fitted::<MfParams, _>::load(NAME, dir, |_| Factors::load(dir))
    }
}

impl Trainer for MfParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let mut learner = MfLearner::new(self, &training.train.matrix, context);
        train(NAME, self, "", &mut learner, self.schedule(), training, context)?;
        let width = self.embedding_size as usize;
        let users = Matrix::new(training.n_users(), width, unpad(&learner.users, width));
        let items = Matrix::new(training.n_items(), width, unpad(&learner.items, width));
        let factors = Factors::new(users, items, None, training.train);
        Ok(Fitted::boxed(NAME, self.clone(), factors))
    }
}

/// Vectors in training, rows padded for the kernels.
struct MfLearner<'a> {
    users: Vec<f32>,
    items: Vec<f32>,
    blocks: Blocks<'a>,
    seen: Seen<'a>,
    n_pairs: usize,
    epochs: u32,
    objective: Objective,
    step: Step,
}

impl<'a> MfLearner<'a> {
    fn new(params: &MfParams, train: &'a Csr, context: &FitContext<'_>) -> Self {
        let streams = params.seed.map_or(context.streams, |seed| context.streams.with_seed(seed));
        let width = params.embedding_size as usize;
        let key = |table| TableKey { streams, round: context.round, table };
        MfLearner {
            users: normal(key(0), train.n_rows, width, params.init_std as f32),
            items: normal(key(1), train.n_cols, width, params.init_std as f32),
            blocks: Blocks::new(train, streams, context.round),
            seen: Seen::new(train),
            n_pairs: train.nnz(),
            epochs: params.epochs,
            objective: match params.loss {
                Loss::Bpr => Objective::Pairwise,
                Loss::Pointwise => Objective::Pointwise,
            },
            step: Step {
                stride: padded(width),
                learning_rate: params.learning_rate as f32,
                reg: params.reg as f32,
                n_negatives: params.n_negatives,
            },
        }
    }
}

impl Learner for MfLearner<'_> {
    fn epoch(&mut self, epoch: u32) -> f64 {
        let MfLearner { users, items, blocks, seen, step, objective, n_pairs, .. } = self;
        let left = 1.0 - (epoch - 1) as f32 / self.epochs as f32;
        let step = &Step { learning_rate: step.learning_rate * left, ..*step };
        let work = |meeting: Meeting<'_>| descend(*objective, meeting, seen, *step);
        blocks.epoch(epoch, step.stride, users, items, work) / (*n_pairs).max(1) as f64
    }

    fn validate(&mut self, holdout: &Holdout<'_>) -> f64 {
        holdout.recall_of_factors(&self.users, &self.items, self.step.stride)
    }

    fn state(&mut self) -> Vec<&mut Vec<f32>> {
        vec![&mut self.users, &mut self.items]
    }

    fn n_model_tables(&self) -> usize {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::super::training::toy;
    use super::*;

    fn params(toml: &str) -> Result<MfParams, Complaint> {
        let params: MfParams = params::parse("arms.mf", &toml.parse().expect("test TOML"))?;
        params.check("arms.mf").map(|()| params)
    }

    #[test]
    fn both_losses_tell_two_tastes_apart() {
        for loss in ["bpr", "pointwise"] {
            let fit = toy::fit(&params(&format!("loss = \"{loss}\"\nepochs = 30")).expect("valid"), 1);
            assert!(fit.share_of_own_taste > 0.97, "{loss}: {}", fit.share_of_own_taste);
            let losses: Vec<f64> =
                fit.curve.iter().filter(|p| p.measure == "loss").map(|p| p.value).collect();
            assert!(losses[losses.len() - 1] < 0.7 * losses[0], "{loss}: {losses:?}");
        }
    }

    #[test]
    fn one_thread_and_two_give_the_same_bits() {
        for loss in ["bpr", "pointwise"] {
            let params =
                params(&format!("loss = \"{loss}\"\nepochs = 7\nembedding_size = 20")).expect("valid");
            assert_eq!(toy::fit(&params, 1).files, toy::fit(&params, 2).files, "{loss}");
        }
    }

    #[test]
    fn its_state_is_all_a_resumed_run_needs() {
        let (train, _) = toy::interactions();
        let p = params("epochs = 3").expect("valid");
        toy::assert_resumes(|| MfLearner::new(&p, &train.matrix, &toy::context()));
    }

    #[test]
    fn a_seed_of_its_own_replaces_the_scenarios() {
        let own = |seed: &str| {
            toy::fit(&params(&format!("epochs = 2\n{seed}")).expect("valid"), 1).files["users.npy"].clone()
        };
        assert_eq!(own("seed = 5"), own("seed = 5"));
        assert_ne!(own("seed = 5"), own(""));
    }

    #[test]
    fn divergence_and_bad_parameters_are_named() {
        let wild =
            params("learning_rate = 10.0\nreg = 1.0\ninit_std = 10.0\nepochs = 50").expect("in bounds");
        let error = toy::try_fit(&wild, 1).err().expect("diverges").to_string();
        assert!(error.starts_with("training diverged in epoch"), "{error}");
        let complain = |toml| params(toml).expect_err("refused").to_string();
        assert_eq!(complain("embedding_size = 0"), "arms.mf.embedding_size is 0, must be 1..=4096");
        assert_eq!(complain("learning_rate = nan"), "arms.mf.learning_rate is NaN, must be 0.000001..=10");
        assert_eq!(complain("patience = 0"), "arms.mf.patience is 0, must be 1..=100000");
        assert!(complain("loss = \"hinge\"").starts_with("arms.mf.loss: unknown variant `hinge`"));
    }
}

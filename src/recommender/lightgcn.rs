//! LightGCN: user and item vectors smoothed over the graph of who has what.
//!
//! He, Deng, Wang, Li, Zhang and Wang, SIGIR 2020: light graph convolution (their
//! equation 3, as matrices 7), layers combined with weights `1 / (K + 1)` (equation 4, as
//! matrices 8), trained by BPR with L2 on the ego vectors (equation 15). Added here: the
//! learning rate falls linearly. Defaults were chosen on Agent4Rec's validation set. New behaviour changes nothing before a refit.
//!
//! The parts are in [`training::graph`](super::training::graph) and [`training::gcn`](super::training::gcn).

use super::factors::Factors;
use super::fitted::Fitted;
use super::training::adam::Rate;
use super::training::bpr::Triple;
use super::training::gcn::{Gcn, GcnSettings};
use super::training::schedule::{Learner, Schedule, train};
use super::training::validation::Holdout;
use super::{
    About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind, Surroundings,
};
use super::{Trainer, Training};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name in a scenario.
const NAME: &str = "lightgcn";

/// Hyper-parameters of `lightgcn`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LightGcnParams {
    /// Numbers in a user's or an item's vector, 1..=4096.
    pub embedding_size: u32,
    /// Steps of propagation over the graph, 0..=10.
    pub n_layers: u32,
    /// Passes over the training interactions at most, 1..=100000.
    pub epochs: u32,
    /// Samples a step, 1..=10000000; without it, such that an epoch has 20 steps (a step costs
    /// a pass over the whole graph, so the work grows no faster than the data).
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

impl Default for LightGcnParams {
    fn default() -> Self {
        LightGcnParams {
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

impl LightGcnParams {
    fn settings(&self) -> GcnSettings {
        let LightGcnParams { embedding_size, n_layers, epochs, batch_size, .. } = *self;
        let LightGcnParams { learning_rate, reg, init_std, seed, .. } = *self;
        GcnSettings { embedding_size, n_layers, epochs, batch_size, learning_rate, reg, init_std, seed }
    }

    fn schedule(&self) -> Schedule {
        Schedule { epochs: self.epochs, eval_every: self.eval_every, patience: self.patience }
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        self.settings().check(at)?;
        self.schedule().check(at)
    }
}

/// The kind `lightgcn`.
pub struct LightGcn;

impl RecommenderKind for LightGcn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "LightGCN: vectors smoothed over the user-item graph; needs a refit to learn from a \
                      session",
            source: "He et al., SIGIR 2020",
            needs: Needs::Interactions,
            folds_in: false,
            cold_items: ColdItems::Unknown,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(LightGcnParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: LightGcnParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        Fitted::<LightGcnParams, _>::load(NAME, dir, |_| Factors::load(dir))
    }
}

impl Trainer for LightGcnParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let mut learner = GcnLearner(Gcn::new(self.settings(), &training.train.matrix, context));
        train(NAME, self, "", &mut learner, self.schedule(), training, context)?;
        let factors = learner.0.factors(training);
        Ok(Fitted::boxed(NAME, self.clone(), factors))
    }
}

/// Ego vectors in training.
struct GcnLearner<'a>(Gcn<'a>);

impl GcnLearner<'_> {
    /// Fills the gradient with that of the batch's mean loss; returns the summed ranking loss.
    fn differentiate(&mut self, triples: &[Triple]) -> f64 {
        self.0.forward();
        let loss = self.0.bpr(triples);
        self.0.backward(triples.len());
        loss
    }
}

impl Learner for GcnLearner<'_> {
    fn epoch(&mut self, epoch: u32) -> f64 {
        let samples = self.0.samples(epoch);
        let learning_rate = self.0.learning_rate(epoch);
        let mut loss = 0.0;
        for (step, batch) in samples.batches() {
            loss += self.differentiate(batch);
            self.0.step(Rate::of_step(learning_rate, step));
        }
        loss / samples.len().max(1) as f64
    }

    fn validate(&mut self, holdout: &Holdout<'_>) -> f64 {
        self.0.validate(holdout)
    }

    fn state(&mut self) -> Vec<&mut Vec<f32>> {
        self.0.state().into()
    }

    fn n_model_tables(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::super::training::bpr::sample_epoch;
    use super::super::training::negatives::Seen;
    use super::super::training::toy;
    use super::*;
    use crate::dataset::sparse::Csr;
    use crate::rng::{Purpose, Streams};

    fn params(toml: &str) -> LightGcnParams {
        let params: LightGcnParams =
            params::parse("arms.gcn", &toml.parse().expect("test TOML")).expect("valid parameters");
        params.check("arms.gcn").map(|()| params).expect("in range")
    }

    /// The batch's mean loss in double precision, straight from the paper's equations.
    fn plain_loss(p: &LightGcnParams, train: &Csr, ego: &[f64], stride: usize, batch: &[Triple]) -> f64 {
        let by_item = train.transpose();
        let n_users = train.n_rows;
        let mut layer = ego.to_vec();
        let mut sum = ego.to_vec();
        for _ in 0..p.n_layers {
            let mut next = vec![0f64; ego.len()];
            for user in 0..n_users {
                for &item in train.row(user).0 {
                    let degrees = train.row(user).0.len() * by_item.row(item as usize).0.len();
                    let (u, i) = (user * stride, (n_users + item as usize) * stride);
                    for k in 0..stride {
                        next[u + k] += layer[i + k] / (degrees as f64).sqrt();
                        next[i + k] += layer[u + k] / (degrees as f64).sqrt();
                    }
                }
            }
            sum.iter_mut().zip(&next).for_each(|(sum, next)| *sum += next);
            layer = next;
        }
        let scale = f64::from(p.n_layers + 1);
        let mut loss = 0.0;
        for t in batch {
            let row = |node: usize| node * stride..(node + 1) * stride;
            let (u, i, j) =
                (row(t.user as usize), row(n_users + t.pos as usize), row(n_users + t.neg as usize));
            let x: f64 = (0..stride)
                .map(|k| sum[u.start + k] * (sum[i.start + k] - sum[j.start + k]) / (scale * scale))
                .sum();
            let squares: f64 = [u, i, j].into_iter().flatten().map(|at| ego[at] * ego[at]).sum();
            loss += (1.0 + (-x).exp()).ln() + p.reg / 2.0 * squares;
        }
        loss / batch.len() as f64
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (train, _) = toy::interactions();
        let seen = Seen::new(&train.matrix);
        for n_layers in 0..=3 {
            let p = params(&format!("n_layers = {n_layers}\nembedding_size = 5\nreg = 0.3\ninit_std = 0.7"));
            let mut learner = GcnLearner(Gcn::new(p.settings(), &train.matrix, &toy::context()));
            let batch = &sample_epoch(&train.matrix, &seen, Streams::new(4), 0, 1)[..90];
            learner.differentiate(batch);
            let ego: Vec<f64> = learner.0.ego.iter().map(|&x| f64::from(x)).collect();
            let mut rng = Streams::new(5).stream(Purpose::Noise, 0, 0, 0);
            let largest = learner.0.gradient.iter().fold(0f32, |a, g| a.max(g.abs()));
            for _ in 0..60 {
                let at = super::super::training::negatives::below(&mut rng, ego.len() as u32) as usize;
                let (mut up, mut down) = (ego.clone(), ego.clone());
                up[at] += 1e-5;
                down[at] -= 1e-5;
                let loss = |ego: &[f64]| plain_loss(&p, &train.matrix, ego, 8, batch);
                let slope = (loss(&up) - loss(&down)) / 2e-5;
                let error = (f64::from(learner.0.gradient[at]) - slope).abs();
                assert!(error < 1e-5 * f64::from(largest) + 1e-7, "{n_layers} layers, {at}: off by {error}");
            }
        }
    }

    #[test]
    fn tells_two_tastes_apart_with_the_same_bits_on_one_thread_and_two() {
        let p = params("epochs = 20\nbatch_size = 500\nembedding_size = 20");
        let (one, two) = (toy::fit(&p, 1), toy::fit(&p, 2));
        assert_eq!(one.files, two.files);
        assert!(one.share_of_own_taste > 0.97, "{}", one.share_of_own_taste);
    }

    #[test]
    fn its_state_is_all_a_resumed_run_needs() {
        let (train, _) = toy::interactions();
        let p = params("epochs = 3\nembedding_size = 8\nbatch_size = 300");
        toy::assert_resumes(|| GcnLearner(Gcn::new(p.settings(), &train.matrix, &toy::context())));
    }
}

//! `mult_vae`: a variational autoencoder with a multinomial likelihood.
//!
//! Liang, Krishnan, Hoffman and Jebara, "Variational Autoencoders for Collaborative
//! Filtering", WWW 2018: multinomial likelihood, KL term with a weight β that grows from 0
//! to `beta`, the network 600-200-600 with tanh, dropout .5 on the L2-normalised input, one
//! sample of z a user, z = μ at serving time. Added here: the learning rate falls linearly.
//! Other defaults were chosen on Agent4Rec's validation set. The network itself is in
//! [`mult_vae_network`](super::mult_vae_network).
//!
//! People are folded in by running their items through the network: nothing is learned per
//! person, so what is watched in a session counts at once where `fold_in` says so.

use super::history::History;
use super::model_file;
use super::mult_vae_network::{Batch, Shape, Weights, Workspace};
use super::rank::rank_blocks;
use super::training::adam::{Decay, Moments, Rate};
use super::training::init::padded;
use super::training::negatives::shuffle;
use super::training::schedule::{Learner, Schedule, train};
use super::training::validation::Holdout;
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Surroundings,
};
use super::{Request, Trainer, Training};
use crate::dataset::sparse::Csr;
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{self, Complaint, within};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name in a scenario.
const NAME: &str = "mult_vae";

/// Requests scored by one pass through the network, always in this shape.
const BLOCK: usize = 32;

/// Hyper-parameters of `mult_vae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MultVaeParams {
    /// Width of the two hidden layers, 1..=8192.
    pub hidden_size: u32,
    /// Width of the latent layer, 1..=8192.
    pub embedding_size: u32,
    /// Share of the input items left out at each step, 0..=0.95.
    pub dropout: f64,
    /// Final weight of the KL term, 0..=10.
    pub beta: f64,
    /// Epochs in which the weight of the KL term grows from 0 to `beta`, 0..=100000.
    pub anneal_epochs: u32,
    /// Passes over the users at most, 1..=100000.
    pub epochs: u32,
    /// Users a step, 1..=100000.
    pub batch_size: u32,
    /// Step length of Adam, 1e-6..=10; it falls linearly, to nothing after the last epoch.
    pub learning_rate: f64,
    /// L2 on the weights, 0..=1.
    pub reg: f64,
    /// Epochs between two validations, 1..=100000.
    pub eval_every: u32,
    /// Validations without a new best before training stops, 1..=100000.
    pub patience: u32,
    /// Whether what is watched in a session changes its next page.
    pub fold_in: bool,
    /// Seed of its own; without it the scenario's seed decides.
    pub seed: Option<u64>,
}

impl Default for MultVaeParams {
    fn default() -> Self {
        MultVaeParams {
            hidden_size: 600,
            embedding_size: 200,
            dropout: 0.5,
            beta: 0.2,
            anneal_epochs: 40,
            epochs: 60,
            batch_size: 128,
            learning_rate: 0.001,
            reg: 0.0,
            eval_every: 2,
            patience: 10,
            fold_in: false,
            seed: None,
        }
    }
}

impl MultVaeParams {
    fn schedule(&self) -> Schedule {
        Schedule { epochs: self.epochs, eval_every: self.eval_every, patience: self.patience }
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "hidden_size", self.hidden_size, 1, 8192)?;
        within(at, "embedding_size", self.embedding_size, 1, 8192)?;
        within(at, "dropout", self.dropout, 0.0, 0.95)?;
        within(at, "beta", self.beta, 0.0, 10.0)?;
        within(at, "anneal_epochs", self.anneal_epochs, 0, 100_000)?;
        within(at, "batch_size", self.batch_size, 1, 100_000)?;
        within(at, "learning_rate", self.learning_rate, 1e-6, 10.0)?;
        within(at, "reg", self.reg, 0.0, 1.0)?;
        self.schedule().check(at)
    }

    /// Weight of the KL term after so many epochs.
    fn beta_after(&self, epochs: f64) -> f32 {
        let grown = if self.anneal_epochs == 0 { 1.0 } else { epochs / f64::from(self.anneal_epochs) };
        (self.beta * grown.min(1.0)) as f32
    }
}

/// The kind `mult_vae`.
pub struct MultVae;

impl RecommenderKind for MultVae {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "a variational autoencoder with a multinomial likelihood",
            source: "Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018",
            needs: Needs::Interactions,
            folds_in: true,
            cold_items: ColdItems::Unknown,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(MultVaeParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: MultVaeParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let (params, n_items): (MultVaeParams, u32) = model_file::read_header(dir, NAME)?;
        let path = dir.join("model.json");
        params.check("model").map_err(|complaint| model_file::bad(&path, complaint.to_string()))?;
        let n_items = n_items as usize;
        let shape = Shape {
            n_items,
            hidden: padded(params.hidden_size as usize),
            latent: padded(params.embedding_size as usize),
        };
        let mut weights = Weights { shape, tables: Default::default() };
        for (number, len) in Weights::lens(shape).into_iter().enumerate() {
            weights.tables[number] = model_file::read_vector(&dir.join(table_file(number)), len)?;
        }
        let history = History::load(dir, n_items)?;
        Ok(Box::new(Fitted { params, popularity: history.popularity(), history, weights }))
    }
}

/// The file of one table of the network.
fn table_file(number: usize) -> String {
    let layer = number / 2 + 1;
    if number.is_multiple_of(2) { format!("weight_{layer}.npy") } else { format!("bias_{layer}.npy") }
}

impl Trainer for MultVaeParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let mut learner = VaeLearner::new(self, &training.train.matrix, context);
        train(NAME, self, "", &mut learner, self.schedule(), training, context)?;
        let history = History::new(training.train);
        let popularity = history.popularity();
        Ok(Box::new(Fitted { params: self.clone(), popularity, history, weights: learner.weights }))
    }
}

/// The network in training.
struct VaeLearner<'a> {
    params: MultVaeParams,
    train: &'a Csr,
    streams: Streams,
    round: u32,
    weights: Weights,
    gradients: Weights,
    moments: [Moments; 8],
    workspace: Workspace,
    /// Users with training items.
    users: Vec<u32>,
}

impl<'a> VaeLearner<'a> {
    fn new(params: &MultVaeParams, train: &'a Csr, context: &FitContext<'_>) -> Self {
        let streams = params.seed.map_or(context.streams, |seed| context.streams.with_seed(seed));
        let (hidden, latent) = (params.hidden_size as usize, params.embedding_size as usize);
        let weights = Weights::init(train.n_cols, hidden, latent, streams, context.round);
        let users = (0..train.n_rows as u32).filter(|&user| !train.row(user as usize).0.is_empty());
        VaeLearner {
            params: params.clone(),
            train,
            streams,
            round: context.round,
            gradients: Weights::zeros(weights.shape),
            moments: Weights::lens(weights.shape).map(Moments::zeros),
            workspace: Workspace::default(),
            users: users.collect(),
            weights,
        }
    }

    /// The inputs of some users in one epoch. A user's dropout and noise depend on user and
    /// epoch alone, not on the batch.
    fn batch(&self, users: &[u32], epoch: u32) -> Batch<'a> {
        let width = self.params.embedding_size as usize;
        let mut batch = Batch { noise: vec![0.0; users.len() * padded(width)], ..Batch::default() };
        batch.input.indptr.push(0);
        for (&user, noise) in users.iter().zip(batch.noise.chunks_exact_mut(padded(width))) {
            let items = self.train.row(user as usize).0;
            let mut rng = self.streams.stream(Purpose::Noise, self.round, u64::from(user), epoch);
            let share = 1.0 / ((1.0 - self.params.dropout) * (items.len() as f64).sqrt());
            for &item in items {
                if rng.random::<f64>() >= self.params.dropout {
                    batch.input.indices.push(item);
                    batch.input.values.push(share as f32);
                }
            }
            batch.input.indptr.push(batch.input.indices.len());
            noise[..width].fill_with(|| StandardNormal.sample(&mut rng));
            batch.histories.push(items);
        }
        batch
    }
}

impl Learner for VaeLearner<'_> {
    fn epoch(&mut self, epoch: u32) -> f64 {
        let mut users = self.users.clone();
        shuffle(&mut users, &mut self.streams.stream(Purpose::Training, self.round, 0, epoch));
        let before = f64::from(epoch - 1);
        let rate = (self.params.learning_rate * (1.0 - before / f64::from(self.params.epochs))) as f32;
        let batch_size = self.params.batch_size as usize;
        let n_batches = users.len().div_ceil(batch_size);
        let mut loss = 0.0;
        for (number, users) in users.chunks(batch_size).enumerate() {
            let batch = self.batch(users, epoch);
            let beta = self.params.beta_after(before + number as f64 / n_batches as f64);
            loss += self.workspace.differentiate(&self.weights, &batch, beta, &mut self.gradients);
            let t = u64::from(epoch - 1) * n_batches as u64 + number as u64 + 1;
            let tables = self.weights.tables.iter_mut().zip(&self.gradients.tables);
            for (table, ((weights, gradient), moments)) in tables.zip(&mut self.moments).enumerate() {
                let decay = if table % 2 == 0 { Decay::L2(self.params.reg as f32) } else { Decay::None };
                moments.step(weights, gradient, Rate::of_step(rate, t), decay);
            }
        }
        loss / users.len().max(1) as f64
    }

    fn validate(&mut self, holdout: &Holdout<'_>) -> f64 {
        holdout.recall(|users, scores| {
            let histories: Vec<&[u32]> = users.iter().map(|&user| self.train.row(user as usize).0).collect();
            self.weights.scores(&histories, scores);
        })
    }

    fn state(&mut self) -> Vec<&mut Vec<f32>> {
        let moments = self.moments.iter_mut().flat_map(|m| [&mut m.first, &mut m.second]);
        self.weights.tables.iter_mut().chain(moments).collect()
    }

    fn n_model_tables(&self) -> usize {
        self.weights.tables.len()
    }
}

/// The fitted network and what everybody had in training.
struct Fitted {
    params: MultVaeParams,
    history: History,
    popularity: Vec<f32>,
    weights: Weights,
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let n_items = self.history.n_items();
        Ok(rank_blocks(n_items, BLOCK, requests, |block, scores| {
            let histories: Vec<_> =
                block.iter().map(|request| self.history.with_session(request, self.params.fold_in)).collect();
            let histories: Vec<&[u32]> = histories.iter().map(|items| &**items).collect();
            self.weights.scores(&histories, scores);
            for (row, items) in scores.chunks_exact_mut(n_items.max(1)).zip(&histories) {
                if items.is_empty() {
                    row.copy_from_slice(&self.popularity);
                }
            }
        }))
    }

    fn adapts_in_session(&self) -> bool {
        self.params.fold_in
    }

    fn answers_alike(&self) -> bool {
        true
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &(&self.params, self.history.n_items() as u32))?;
        for (number, table) in self.weights.tables.iter().enumerate() {
            model_file::write_vector(&dir.join(table_file(number)), table)?;
        }
        self.history.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::training::negatives::below;
    use super::super::training::toy;
    use super::*;

    fn params(toml: &str) -> MultVaeParams {
        let params: MultVaeParams =
            params::parse("arms.vae", &toml.parse().expect("test TOML")).expect("valid parameters");
        params.check("arms.vae").map(|()| params).expect("in range")
    }

    /// The batch's mean loss in double precision, straight from the formulas of the network.
    fn plain_loss(shape: Shape, tables: &[Vec<f64>], batch: &Batch<'_>, beta: f64) -> f64 {
        let Shape { n_items, hidden, latent } = shape;
        let [w1, b1, w2, b2, w3, b3, w4, b4] = tables else { panic!("eight tables") };
        let mut loss = 0.0;
        for (user, items) in batch.histories.iter().enumerate() {
            let input = batch.input.indptr[user]..batch.input.indptr[user + 1];
            let h: Vec<f64> = (0..hidden)
                .map(|k| {
                    let sum: f64 = input
                        .clone()
                        .map(|at| {
                            let item = batch.input.indices[at] as usize;
                            f64::from(batch.input.values[at]) * w1[item * hidden + k]
                        })
                        .sum();
                    (sum + b1[k]).tanh()
                })
                .collect();
            let stat = |k: usize| b2[k] + (0..hidden).map(|j| h[j] * w2[j * 2 * latent + k]).sum::<f64>();
            let (mean, spread): (Vec<f64>, Vec<f64>) =
                ((0..latent).map(stat).collect(), (latent..2 * latent).map(stat).collect());
            let noise = |k: usize| f64::from(batch.noise[user * latent + k]);
            let z: Vec<f64> = (0..latent).map(|k| mean[k] + noise(k) * (spread[k] / 2.0).exp()).collect();
            let g: Vec<f64> = (0..hidden)
                .map(|k| (b3[k] + (0..latent).map(|j| z[j] * w3[j * hidden + k]).sum::<f64>()).tanh())
                .collect();
            let logits: Vec<f64> = (0..n_items)
                .map(|i| b4[i] + (0..hidden).map(|k| g[k] * w4[i * hidden + k]).sum::<f64>())
                .collect();
            let log_sum = logits.iter().map(|x| x.exp()).sum::<f64>().ln();
            loss += items.iter().map(|&item| log_sum - logits[item as usize]).sum::<f64>();
            let divergence: f64 =
                (0..latent).map(|k| mean[k].powi(2) + spread[k].exp() - 1.0 - spread[k]).sum();
            loss += beta * divergence / 2.0;
        }
        loss / batch.histories.len() as f64
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (train, _) = toy::interactions();
        let p = params("hidden_size = 11\nembedding_size = 5");
        let mut learner = VaeLearner::new(&p, &train.matrix, &toy::context());
        let users: Vec<u32> = (0..21).collect();
        let batch = learner.batch(&users, 1);
        let beta = 0.7f32;
        let loss = learner.workspace.differentiate(&learner.weights, &batch, beta, &mut learner.gradients);
        let shape = learner.weights.shape;
        let tables: Vec<Vec<f64>> =
            learner.weights.tables.iter().map(|t| t.iter().map(|&x| f64::from(x)).collect()).collect();
        let plain = |tables: &[Vec<f64>]| plain_loss(shape, tables, &batch, f64::from(beta));
        assert!((loss / 21.0 - plain(&tables)).abs() < 1e-4, "{} {}", loss / 21.0, plain(&tables));
        let mut rng = Streams::new(5).stream(Purpose::Noise, 0, 0, 0);
        for (number, gradient) in learner.gradients.tables.iter().enumerate() {
            let largest = gradient.iter().fold(0f32, |largest, g| largest.max(g.abs()));
            assert!(largest > 0.0, "table {number} gets a gradient");
            for _ in 0..30 {
                let at = below(&mut rng, gradient.len() as u32) as usize;
                let moved = |by: f64| {
                    let mut tables = tables.clone();
                    tables[number][at] += by;
                    plain(&tables)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let error = (f64::from(gradient[at]) - slope).abs();
                assert!(error < 1e-4 * f64::from(largest), "table {number}, {at}: {} {slope}", gradient[at]);
            }
        }
        // The padding (widths 11 and 5 in 16 and 8) neither moves nor is moved.
        let [w1, b1, ..] = &learner.gradients.tables;
        assert!(w1.chunks_exact(16).all(|row| row[11..] == [0.0; 5]) && b1[11..] == [0.0; 5]);
    }

    #[test]
    fn tells_two_tastes_apart_with_the_same_bits_on_one_thread_and_two() {
        let p = params(
            "epochs = 30\nbatch_size = 30\nhidden_size = 30\nembedding_size = 10\nlearning_rate = 0.01",
        );
        let (one, two) = (toy::fit(&p, 1), toy::fit(&p, 2));
        assert_eq!(one.files, two.files);
        assert!(one.share_of_own_taste > 0.97, "{}", one.share_of_own_taste);
    }

    #[test]
    fn its_state_is_all_a_resumed_run_needs() {
        let (train, _) = toy::interactions();
        let p = params("epochs = 3\nhidden_size = 12\nembedding_size = 6\nbatch_size = 50\nreg = 0.01");
        toy::assert_resumes(|| VaeLearner::new(&p, &train.matrix, &toy::context()));
    }

    #[test]
    fn the_kl_weight_grows_to_its_end() {
        let p = params("beta = 0.4\nanneal_epochs = 10");
        assert_eq!([0.0, 5.0, 10.0, 99.0].map(|epochs| p.beta_after(epochs)), [0.0, 0.2, 0.4, 0.4]);
        assert_eq!(params("anneal_epochs = 0").beta_after(0.0), 0.2);
    }

    #[test]
    fn dropout_leaves_out_its_share_and_keeps_the_expected_input() {
        let (train, _) = toy::interactions();
        let learner =
            VaeLearner::new(&params("dropout = 0.25\nhidden_size = 8"), &train.matrix, &toy::context());
        let batch = learner.batch(&(0..100).collect::<Vec<u32>>(), 1);
        let n: usize = batch.histories.iter().map(|items| items.len()).sum();
        let kept = batch.input.indices.len() as f64 / n as f64;
        // 2,200 draws: three standard errors are 2.8 %.
        assert!((kept - 0.75).abs() < 0.028, "{kept}");
        let items = batch.histories[0].len() as f32;
        assert!((batch.input.values[0] - 1.0 / (0.75 * items.sqrt())).abs() < 1e-6);
        assert_eq!(batch.input.indices, learner.batch(&(0..100).collect::<Vec<u32>>(), 1).input.indices);
    }
}

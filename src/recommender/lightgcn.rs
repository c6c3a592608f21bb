//! LightGCN: user and item vectors smoothed over the graph of who has what.
//!
//! He, Deng, Wang, Li, Zhang and Wang, SIGIR 2020: light graph convolution (their
//! equation 3, as matrices 7), layers combined with weights `1 / (K + 1)` (equation 4, as
//! matrices 8), trained by BPR with L2 on the ego vectors (equation 15). Added here: the
//! learning rate falls linearly. Defaults were chosen on Agent4Rec's validation set. New behaviour changes nothing before a refit.
//!
//! With `A` the symmetrically normalised adjacency matrix, the final vectors are `P E` for
//! ego vectors `E` and `P = (I + A + … + A^K) / (K + 1)`. `P` is symmetric, so the gradient
//! with respect to `E` is `P` applied to the gradient with respect to `P E`. That one is itself a
//! sparse matrix (four entries a sample) times `P E`: forward and backward are products of
//! the same form, parallel over rows, with no sum across threads.

use super::dense::Matrix;
use super::factors::Factors;
use super::training::adam::{Moments, Rate};
use super::training::bpr::{self, Triple, sample_epoch};
use super::training::checkpoint::Fingerprint;
use super::training::init::{TableKey, normal, pad, padded, unpad};
use super::training::negatives::Seen;
use super::training::schedule::{Learner, Schedule, run};
use super::training::spmm::SparseRows;
use super::training::validation::Holdout;
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Surroundings,
};
use super::{Request, Trainer, Training, model_file};
use crate::dataset::sparse::Csr;
use crate::rng::Streams;
use crate::scenario::params::{self, Complaint, within};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name in a scenario.
const NAME: &str = "lightgcn";

/// Steps of an epoch where no batch size is given…
const STEPS_PER_EPOCH: usize = 20;
/// …unless batches would become smaller than this.
const BATCH_SIZE_MIN: usize = 256;

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
    fn schedule(&self) -> Schedule {
        Schedule { epochs: self.epochs, eval_every: self.eval_every, patience: self.patience }
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "embedding_size", self.embedding_size, 1, 4096)?;
        within(at, "n_layers", self.n_layers, 0, 10)?;
        within(at, "batch_size", self.batch_size.unwrap_or(1), 1, 10_000_000)?;
        within(at, "learning_rate", self.learning_rate, 1e-6, 10.0)?;
        within(at, "reg", self.reg, 0.0, 1.0)?;
        within(at, "init_std", self.init_std, 0.0, 10.0)?;
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
        let params = model_file::read_header(dir, NAME)?;
        Ok(Box::new(FittedLightGcn { params, factors: Factors::load(dir)? }))
    }
}

impl Trainer for LightGcnParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let holdout = Holdout::new(training.train, training.valid);
        let mut learner = GcnLearner::new(self, &training.train.matrix, context);
        let fingerprint = Fingerprint {
            kind: NAME,
            params: serde_json::to_string(self).unwrap_or_default(),
            train: training.train,
            valid: training.valid,
        };
        run(NAME, &mut learner, self.schedule(), holdout.as_ref(), fingerprint, context)?;
        learner.propagate_ego();
        let width = self.embedding_size as usize;
        let (users, items) = learner.smooth.split_at(training.n_users() * padded(width));
        let users = Matrix::new(training.n_users(), width, unpad(users, width));
        let items = Matrix::new(training.n_items(), width, unpad(items, width));
        let factors = Factors::new(users, items, None, training.train);
        Ok(Box::new(FittedLightGcn { params: self.clone(), factors }))
    }
}

/// The normalised adjacency matrix of users (first) and items: `1 / sqrt(d_u d_i)` where user
/// `u` with `d_u` items has item `i` with `d_i` users.
fn normalised_graph(train: &Csr) -> SparseRows {
    let by_item = train.transpose();
    let n_users = train.n_rows as u32;
    let weight = |user: u32, item: u32| {
        let degrees = train.row(user as usize).0.len() * by_item.row(item as usize).0.len();
        (1.0 / (degrees as f64).sqrt()) as f32
    };
    let mut graph = SparseRows { indptr: vec![0], ..SparseRows::default() };
    for user in 0..n_users {
        for &item in train.row(user as usize).0 {
            graph.indices.push(n_users + item);
            graph.values.push(weight(user, item));
        }
        graph.indptr.push(graph.indices.len());
    }
    for item in 0..train.n_cols as u32 {
        for &user in by_item.row(item as usize).0 {
            graph.indices.push(user);
            graph.values.push(weight(user, item));
        }
        graph.indptr.push(graph.indices.len());
    }
    graph
}

/// Ego vectors in training. Rows of all tables: users, then items, padded for the kernels.
struct GcnLearner<'a> {
    params: LightGcnParams,
    train: &'a Csr,
    graph: SparseRows,
    seen: Seen<'a>,
    streams: Streams,
    round: u32,
    stride: usize,
    ego: Vec<f32>,
    moments: Moments,
    /// `P E`: the vectors that score.
    smooth: Vec<f32>,
    /// Loss gradient with respect to `smooth`.
    pull: Vec<f32>,
    /// Loss gradient with respect to `ego`.
    gradient: Vec<f32>,
    /// Between two layers.
    spare: Vec<f32>,
    batch: BatchMatrix,
}

/// One batch as a sparse matrix over the rows of the tables: the gradient with respect to the
/// vectors that score is this matrix times those vectors.
#[derive(Default)]
struct BatchMatrix {
    /// Two entries a sample in the user's row, one in each of the items'.
    rows: SparseRows,
    /// Next free entry of every row, while filling.
    next: Vec<usize>,
}

impl BatchMatrix {
    fn fill(&mut self, triples: &[Triple], slopes: &[f32], n_users: usize, n_rows: usize) {
        let node = |item: u32| n_users + item as usize;
        let SparseRows { indptr, indices, values } = &mut self.rows;
        indptr.clear();
        indptr.resize(n_rows + 1, 0);
        for triple in triples {
            indptr[triple.user as usize + 1] += 2;
            indptr[node(triple.pos) + 1] += 1;
            indptr[node(triple.neg) + 1] += 1;
        }
        for row in 0..n_rows {
            indptr[row + 1] += indptr[row];
        }
        self.next.clone_from(indptr);
        indices.resize(4 * triples.len(), 0);
        values.resize(4 * triples.len(), 0.0);
        let mut put = |row: usize, column: usize, value: f32| {
            let at = self.next[row];
            indices[at] = column as u32;
            values[at] = value;
            self.next[row] += 1;
        };
        for (triple, &slope) in triples.iter().zip(slopes) {
            let (user, pos, neg) = (triple.user as usize, node(triple.pos), node(triple.neg));
            put(user, pos, slope);
            put(user, neg, -slope);
            put(pos, user, slope);
            put(neg, user, -slope);
        }
    }

    /// In how many samples of the batch the row stands.
    fn n_samples(&self, row: usize, n_users: usize) -> usize {
        let n_entries = self.rows.indptr[row + 1] - self.rows.indptr[row];
        if row < n_users { n_entries / 2 } else { n_entries }
    }
}

impl<'a> GcnLearner<'a> {
    fn new(params: &LightGcnParams, train: &'a Csr, context: &FitContext<'_>) -> Self {
        let streams = params.seed.map_or(context.streams, |seed| context.streams.with_seed(seed));
        let width = params.embedding_size as usize;
        let key = TableKey { streams, round: context.round, table: 0 };
        let ego = normal(key, train.n_rows + train.n_cols, width, params.init_std as f32);
        let zeros = vec![0f32; ego.len()];
        GcnLearner {
            params: params.clone(),
            train,
            graph: normalised_graph(train),
            seen: Seen::new(train),
            streams,
            round: context.round,
            stride: padded(width),
            moments: Moments::zeros(ego.len()),
            smooth: zeros.clone(),
            pull: zeros.clone(),
            gradient: zeros.clone(),
            spare: zeros,
            batch: BatchMatrix::default(),
            ego,
        }
    }

    fn n_nodes(&self) -> usize {
        self.train.n_rows + self.train.n_cols
    }

    /// `smooth = P · ego`.
    fn propagate_ego(&mut self) {
        let GcnLearner { graph, params, stride, ego, smooth, spare, .. } = self;
        propagate(graph, params.n_layers, *stride, ego, smooth, spare);
    }

    /// Fills `gradient` with that of the batch's mean loss; returns the summed BPR loss.
    fn differentiate(&mut self, triples: &[Triple]) -> f64 {
        self.propagate_ego();
        let (n_users, n_nodes, stride) = (self.train.n_rows, self.n_nodes(), self.stride);
        let mut slopes = vec![0f32; triples.len()];
        let (users, items) = self.smooth.split_at(n_users * stride);
        let loss = bpr::slopes(triples, users, items, stride, &mut slopes);
        self.batch.fill(triples, &slopes, n_users, n_nodes);
        let share = 1.0 / triples.len() as f32;
        self.batch.rows.multiply(&mut self.pull, &self.smooth, None, share, stride);
        let GcnLearner { graph, params, pull, gradient, spare, .. } = self;
        propagate(graph, params.n_layers, stride, pull, gradient, spare);
        let reg = self.params.reg as f32 * share;
        let batch = &self.batch;
        self.gradient
            .par_chunks_exact_mut(stride)
            .zip(self.ego.par_chunks_exact(stride))
            .enumerate()
            .for_each(|(row, (gradient, ego))| {
                let reg = reg * batch.n_samples(row, n_users) as f32;
                gradient.iter_mut().zip(ego).for_each(|(gradient, ego)| *gradient += reg * ego);
            });
        loss
    }
}

/// `to = P · from` by Horner's rule: `(from + A (from + A (…))) / (K + 1)`.
fn propagate(
    graph: &SparseRows,
    n_layers: u32,
    stride: usize,
    from: &[f32],
    to: &mut Vec<f32>,
    spare: &mut Vec<f32>,
) {
    if n_layers == 0 {
        return to.copy_from_slice(from);
    }
    let scale = |layer| if layer == n_layers { 1.0 / (n_layers + 1) as f32 } else { 1.0 };
    graph.multiply(to, from, Some(from), scale(1), stride);
    for layer in 2..=n_layers {
        std::mem::swap(to, spare);
        graph.multiply(to, spare, Some(from), scale(layer), stride);
    }
}

/// Ego vectors trained elsewhere, propagated `n_layers` steps over the graph of a training set and
/// averaged: the vectors that score.
///
/// # Panics
/// When there is not one row a user and one an item, all of one width.
pub(super) fn propagated(train: &Csr, users: &Matrix, items: &Matrix, n_layers: u32) -> (Matrix, Matrix) {
    assert_eq!((users.n_rows, items.n_rows), (train.n_rows, train.n_cols), "one row a user, one an item");
    assert_eq!(users.n_cols, items.n_cols, "users and items share one space");
    let width = users.n_cols;
    let ego = [pad(&users.data, width), pad(&items.data, width)].concat();
    let (mut smooth, mut spare) = (vec![0f32; ego.len()], vec![0f32; ego.len()]);
    propagate(&normalised_graph(train), n_layers, padded(width), &ego, &mut smooth, &mut spare);
    let (users, items) = smooth.split_at(train.n_rows * padded(width));
    (
        Matrix::new(train.n_rows, width, unpad(users, width)),
        Matrix::new(train.n_cols, width, unpad(items, width)),
    )
}

impl Learner for GcnLearner<'_> {
    fn epoch(&mut self, epoch: u32) -> f64 {
        let triples = sample_epoch(self.train, &self.seen, self.streams, self.round, epoch);
        let left = 1.0 - (epoch - 1) as f32 / self.params.epochs as f32;
        let learning_rate = self.params.learning_rate as f32 * left;
        let automatic = triples.len().div_ceil(STEPS_PER_EPOCH).max(BATCH_SIZE_MIN);
        let batch_size = self.params.batch_size.map_or(automatic, |size| size as usize);
        let n_batches = triples.len().div_ceil(batch_size) as u64;
        let mut loss = 0.0;
        for (number, batch) in triples.chunks(batch_size).enumerate() {
            loss += self.differentiate(batch);
            let t = u64::from(epoch - 1) * n_batches + number as u64 + 1;
            self.moments.step(&mut self.ego, &self.gradient, Rate::of_step(learning_rate, t), 0.0);
        }
        loss / triples.len().max(1) as f64
    }

    fn validate(&mut self, holdout: &Holdout<'_>) -> f64 {
        self.propagate_ego();
        let (users, items) = self.smooth.split_at(self.train.n_rows * self.stride);
        holdout.recall_of_factors(users, items, self.stride)
    }

    fn state(&mut self) -> Vec<&mut Vec<f32>> {
        vec![&mut self.ego, &mut self.moments.first, &mut self.moments.second]
    }

    fn n_model_tables(&self) -> usize {
        1
    }
}

/// Propagated vectors and what they were fitted with.
struct FittedLightGcn {
    params: LightGcnParams,
    factors: Factors,
}

impl Recommender for FittedLightGcn {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(self.factors.recommend(requests))
    }

    fn adapts_in_session(&self) -> bool {
        false
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &self.params)?;
        self.factors.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::training::toy;
    use super::*;
    use crate::rng::Purpose;

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
            let mut learner = GcnLearner::new(&p, &train.matrix, &toy::context());
            let batch = &sample_epoch(&train.matrix, &seen, Streams::new(4), 0, 1)[..90];
            learner.differentiate(batch);
            let ego: Vec<f64> = learner.ego.iter().map(|&x| f64::from(x)).collect();
            let mut rng = Streams::new(5).stream(Purpose::Noise, 0, 0, 0);
            let largest = learner.gradient.iter().fold(0f32, |a, g| a.max(g.abs()));
            for _ in 0..60 {
                let at = super::super::training::negatives::below(&mut rng, ego.len() as u32) as usize;
                let (mut up, mut down) = (ego.clone(), ego.clone());
                up[at] += 1e-5;
                down[at] -= 1e-5;
                let loss = |ego: &[f64]| plain_loss(&p, &train.matrix, ego, 8, batch);
                let slope = (loss(&up) - loss(&down)) / 2e-5;
                let error = (f64::from(learner.gradient[at]) - slope).abs();
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
        toy::assert_resumes(|| GcnLearner::new(&p, &train.matrix, &toy::context()));
    }

    #[test]
    fn propagation_is_the_mean_of_the_layers() {
        // One user with two items: A e_u = (e_i + e_j) / √2, A e_i = e_u / √2.
        let train = Csr::new(1, 2, vec![0, 2], vec![0, 1], vec![1.0; 2]);
        let graph = normalised_graph(&train);
        let ego: Vec<f32> = [1.0f32, 2.0, 4.0].iter().flat_map(|&x| [x; 8]).collect();
        let (mut to, mut spare) = (vec![0f32; 24], vec![0f32; 24]);
        propagate(&graph, 2, 8, &ego, &mut to, &mut spare);
        let h = 0.5f32.sqrt();
        let first = [6.0 * h, h, h];
        let second = [h * (first[1] + first[2]), h * first[0], h * first[0]];
        for row in 0..3 {
            let expected = ([1.0, 2.0, 4.0][row] + first[row] + second[row]) / 3.0;
            assert!((to[row * 8] - expected).abs() < 1e-6, "{row}: {} {expected}", to[row * 8]);
        }
    }
}

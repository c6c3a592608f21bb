//! Ego vectors on a graph, trained by Bayesian personalised ranking: what LightGCN and whatever adds a loss
//! of its own to it share.
//!
//! A step is [`Gcn::forward`] (vectors that score), [`Gcn::bpr`] (their loss gradient in [`Gcn::pull`], to which
//! others may add), [`Gcn::backward`] and [`Gcn::step`]. The gradient of the ranking loss is a sparse matrix
//! (four entries a sample) times the vectors that score, so forward and backward are products of the same
//! form, parallel over rows, with no sum across threads. Must not know what is added.

use super::adam::{Decay, Moments, Rate};
use super::bpr::{self, Triple, sample_epoch};
use super::graph::{normalised_graph, propagate};
use super::init::{TableKey, normal, padded, unpad};
use super::negatives::Seen;
use super::spmm::SparseRows;
use super::validation::Holdout;
use crate::dataset::sparse::Csr;
use crate::recommender::dense::Matrix;
use crate::recommender::factors::Factors;
use crate::recommender::{FitContext, Training};
use crate::scenario::params::{Complaint, within};
use rayon::prelude::*;

/// Steps of an epoch where no batch size is given…
const STEPS_PER_EPOCH: usize = 20;
/// …unless batches would become smaller than this.
const BATCH_SIZE_MIN: usize = 256;

/// How vectors are made and trained; the names are those of the models' hyper-parameters.
#[derive(Clone, Copy, Debug)]
pub struct GcnSettings {
    /// Numbers in a vector.
    pub embedding_size: u32,
    /// Steps of propagation.
    pub n_layers: u32,
    /// Passes over the training interactions at most.
    pub epochs: u32,
    /// Samples a step; without it, such that an epoch has 20 steps.
    pub batch_size: Option<u32>,
    /// Step length of Adam in the first epoch; it falls linearly, to nothing after the last.
    pub learning_rate: f64,
    /// L2 on the ego vectors of the samples.
    pub reg: f64,
    /// Standard deviation of the first vectors.
    pub init_std: f64,
    /// Seed of its own.
    pub seed: Option<u64>,
}

impl GcnSettings {
    /// Checks all but the epochs, which belong to the schedule; `at` is the dotted path of the parameters.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "embedding_size", self.embedding_size, 1, 4096)?;
        within(at, "n_layers", self.n_layers, 0, 10)?;
        within(at, "batch_size", self.batch_size.unwrap_or(1), 1, 10_000_000)?;
        within(at, "learning_rate", self.learning_rate, 1e-6, 10.0)?;
        within(at, "reg", self.reg, 0.0, 1.0)?;
        within(at, "init_std", self.init_std, 0.0, 10.0)
    }
}

/// Ego vectors in training. Rows of all tables: users, then items, padded for the kernels.
pub struct Gcn<'a> {
    settings: GcnSettings,
    train: &'a Csr,
    graph: SparseRows,
    seen: Seen<'a>,
    /// Randomness of the fit.
    pub streams: crate::rng::Streams,
    /// Feedback round.
    pub round: u32,
    stride: usize,
    /// The vectors that are learned.
    pub ego: Vec<f32>,
    moments: Moments,
    /// `P E`: the vectors that score.
    pub smooth: Vec<f32>,
    /// Loss gradient with respect to `smooth`.
    pub pull: Vec<f32>,
    /// Loss gradient with respect to `ego`.
    pub gradient: Vec<f32>,
    /// Between two layers.
    spare: Vec<f32>,
    batch: BatchMatrix,
}

/// The samples of one epoch, and the steps they make.
pub struct Epoch {
    triples: Vec<Triple>,
    batch_size: usize,
    epoch: u32,
}

impl Epoch {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.triples.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.triples.is_empty()
    }

    /// The samples of every step, and the number of the step in the whole training, from 1.
    pub fn batches(&self) -> impl Iterator<Item = (u64, &[Triple])> {
        let n_batches = self.triples.len().div_ceil(self.batch_size) as u64;
        let first = u64::from(self.epoch - 1) * n_batches + 1;
        self.triples.chunks(self.batch_size).enumerate().map(move |(k, batch)| (first + k as u64, batch))
    }
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

impl<'a> Gcn<'a> {
    /// Vectors before training.
    pub fn new(settings: GcnSettings, train: &'a Csr, context: &FitContext<'_>) -> Self {
        let streams = settings.seed.map_or(context.streams, |seed| context.streams.with_seed(seed));
        let width = settings.embedding_size as usize;
        let key = TableKey { streams, round: context.round, table: 0 };
        let ego = normal(key, train.n_rows + train.n_cols, width, settings.init_std as f32);
        let zeros = vec![0f32; ego.len()];
        Gcn {
            settings,
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

    /// Length of a padded row.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Users: the first rows of every table.
    pub fn n_users(&self) -> usize {
        self.train.n_rows
    }

    /// Users and items.
    pub fn n_nodes(&self) -> usize {
        self.train.n_rows + self.train.n_cols
    }

    /// Draws the samples of an epoch, from 1.
    pub fn samples(&self, epoch: u32) -> Epoch {
        let triples = sample_epoch(self.train, &self.seen, self.streams, self.round, epoch);
        let automatic = triples.len().div_ceil(STEPS_PER_EPOCH).max(BATCH_SIZE_MIN);
        let batch_size = self.settings.batch_size.map_or(automatic, |size| size as usize);
        Epoch { triples, batch_size, epoch }
    }

    /// The step length in an epoch, from 1.
    pub fn learning_rate(&self, epoch: u32) -> f32 {
        let left = 1.0 - (epoch - 1) as f32 / self.settings.epochs as f32;
        self.settings.learning_rate as f32 * left
    }

    /// `smooth = P · ego`.
    pub fn forward(&mut self) {
        let Gcn { graph, settings, stride, ego, smooth, spare, .. } = self;
        propagate(graph, settings.n_layers, *stride, ego, smooth, spare);
    }

    /// Fills `pull` with the gradient of the batch's mean ranking loss; returns its sum.
    pub fn bpr(&mut self, triples: &[Triple]) -> f64 {
        let (n_users, n_nodes, stride) = (self.train.n_rows, self.n_nodes(), self.stride);
        let mut slopes = vec![0f32; triples.len()];
        let (users, items) = self.smooth.split_at(n_users * stride);
        let loss = bpr::slopes(triples, users, items, stride, &mut slopes);
        self.batch.fill(triples, &slopes, n_users, n_nodes);
        let share = 1.0 / triples.len() as f32;
        self.batch.rows.multiply(&mut self.pull, &self.smooth, None, share, stride);
        loss
    }

    /// Fills `gradient` from `pull` and the L2 term of the batch that [`Gcn::bpr`] was given.
    pub fn backward(&mut self, n_triples: usize) {
        let (n_users, stride) = (self.train.n_rows, self.stride);
        let Gcn { graph, settings, pull, gradient, spare, .. } = self;
        propagate(graph, settings.n_layers, stride, pull, gradient, spare);
        let reg = self.settings.reg as f32 / n_triples as f32;
        let batch = &self.batch;
        self.gradient
            .par_chunks_exact_mut(stride)
            .zip(self.ego.par_chunks_exact(stride))
            .enumerate()
            .for_each(|(row, (gradient, ego))| {
                let reg = reg * batch.n_samples(row, n_users) as f32;
                gradient.iter_mut().zip(ego).for_each(|(gradient, ego)| *gradient += reg * ego);
            });
    }

    /// Moves the ego vectors against `gradient`.
    pub fn step(&mut self, rate: Rate) {
        self.moments.step(&mut self.ego, &self.gradient, rate, Decay::None);
    }

    /// recall@20 of the vectors that score.
    pub fn validate(&mut self, holdout: &Holdout<'_>) -> f64 {
        self.forward();
        let (users, items) = self.smooth.split_at(self.train.n_rows * self.stride);
        holdout.recall_of_factors(users, items, self.stride)
    }

    /// The ego vectors, then what the optimiser remembers of them.
    pub fn state(&mut self) -> [&mut Vec<f32>; 3] {
        [&mut self.ego, &mut self.moments.first, &mut self.moments.second]
    }

    /// The vectors that score, as they are served.
    pub fn factors(mut self, training: &Training<'_>) -> Factors {
        self.forward();
        let width = self.settings.embedding_size as usize;
        let (users, items) = self.smooth.split_at(training.n_users() * self.stride);
        let users = Matrix::new(training.n_users(), width, unpad(users, width));
        let items = Matrix::new(training.n_items(), width, unpad(items, width));
        Factors::new(users, items, None, training.train)
    }
}

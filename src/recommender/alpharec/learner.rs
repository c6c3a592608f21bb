//! The perceptron of `alpharec` in training: forward over the graph, the losses, their gradients.

use super::{AlphaRecParams, Loss};
use crate::dataset::sparse::Csr;
use crate::recommender::dense::{Matrix, dot};
use crate::recommender::factors::Factors;
use crate::recommender::history::History;
use crate::recommender::text_towers::{Parts, mean_rows};
use crate::recommender::training::adam::{Decay, Rate};
use crate::recommender::training::contrast::{Contrast, Workspace};
use crate::recommender::training::cosine;
use crate::recommender::training::graph::{normalised_graph, propagate};
use crate::recommender::training::init::{pad, padded, unpad};
use crate::recommender::training::mlp::{Mlp, Shape};
use crate::recommender::training::negatives::{Seen, below, shuffle};
use crate::recommender::training::schedule::Learner;
use crate::recommender::training::spmm::SparseRows;
use crate::recommender::training::validation::Holdout;
use crate::recommender::{FitContext, Training};
use crate::rng::{Purpose, Streams};
use rayon::prelude::*;

/// How often a negative is drawn before the user is taken to have (nearly) everything.
const TRIES_MAX: usize = 64;

/// The perceptron in training. Rows of all tables: users, then items, padded for the kernels.
pub(super) struct AlphaLearner<'a> {
    params: AlphaRecParams,
    train: &'a Csr,
    graph: SparseRows,
    seen: Seen<'a>,
    /// Items that somebody has, ascending. The others are no negatives: they could never be positives, and their
    /// text would be learned to be bad.
    warm: Vec<u32>,
    /// `train` with items by their place in `warm`, row for row.
    own: Vec<u32>,
    streams: Streams,
    round: u32,
    stride: usize,
    /// Text of items, and its mean over the items of every user.
    text: Vec<f32>,
    text_stride: usize,
    mlp: Mlp,
    /// What the perceptron makes of the text.
    ego: Vec<f32>,
    /// Smoothed over the graph, then scaled to length 1: the vectors that score.
    unit: Vec<f32>,
    /// Lengths before.
    norms: Vec<f32>,
    /// Loss gradients with respect to `unit`, then to what it was made from; and to `ego`.
    d_unit: Vec<f32>,
    d_ego: Vec<f32>,
    /// Between two layers.
    spare: Vec<f32>,
    contrast: Workspace,
    /// Users with training items.
    users: Vec<u32>,
}

impl<'a> AlphaLearner<'a> {
    pub(super) fn new(
        params: &AlphaRecParams,
        train: &'a Csr,
        items: &Matrix,
        context: &FitContext<'_>,
    ) -> Self {
        let streams = params.seed.map_or(context.streams, |seed| context.streams.with_seed(seed));
        let shape = Shape {
            input: items.n_cols,
            hidden: params.hidden_size.map_or(items.n_cols.div_ceil(2), |size| size as usize),
            output: params.embedding_size as usize,
        };
        let text_stride = padded(items.n_cols);
        let item_text = pad(&items.data, items.n_cols);
        let text = [mean_rows(train, &item_text, text_stride), item_text].concat();
        let stride = padded(shape.output);
        let n_nodes = train.n_rows + train.n_cols;
        let zeros = vec![0f32; n_nodes * stride];
        let users = (0..train.n_rows as u32).filter(|&user| !train.row(user as usize).0.is_empty());
        let (warm, own) = warm_items(train);
        AlphaLearner {
            warm,
            own,
            params: params.clone(),
            train,
            graph: normalised_graph(train),
            seen: Seen::new(train),
            streams,
            round: context.round,
            stride,
            text,
            text_stride,
            mlp: Mlp::new(shape, streams, context.round, 0),
            ego: zeros.clone(),
            unit: zeros.clone(),
            norms: vec![0.0; n_nodes],
            d_unit: zeros.clone(),
            d_ego: zeros.clone(),
            spare: zeros,
            contrast: Workspace::default(),
            users: users.collect(),
        }
    }

    /// From text to the vectors that score.
    fn forward(&mut self) {
        self.mlp.forward(&self.text, &mut self.ego);
        let AlphaLearner { graph, params, stride, ego, unit, spare, norms, .. } = self;
        propagate(graph, params.n_layers, *stride, ego, unit, spare);
        cosine::normalise(unit, norms, *stride);
    }

    /// Leaves the gradient of these users' mean loss a positive in the perceptron; returns the summed loss.
    fn differentiate(&mut self, users: &[u32], epoch: u32) -> f64 {
        self.forward();
        let (stride, n_users) = (self.stride, self.train.n_rows);
        let row = |user: u32| user as usize * stride..(user as usize + 1) * stride;
        let anchors: Vec<f32> = users.iter().flat_map(|&user| &self.unit[row(user)]).copied().collect();
        let items = |user: u32| {
            let indptr = &self.train.indptr[user as usize..];
            &self.own[indptr[0]..indptr[1]]
        };
        let n_positives: usize = users.iter().map(|&user| items(user).len()).sum();
        let scale = 1.0 / n_positives.max(1) as f32;
        let ones = vec![1f32; users.iter().map(|&user| items(user).len()).max().unwrap_or(0)];
        let positives: Vec<(&[u32], &[f32])> =
            users.iter().map(|&user| (items(user), &ones[..items(user).len()])).collect();
        let node = |item: u32| (n_users + item as usize) * stride..(n_users + item as usize + 1) * stride;
        let candidates: Vec<f32> =
            self.warm.iter().flat_map(|&item| &self.unit[node(item)]).copied().collect();
        let batch = Contrast {
            anchors: &anchors,
            candidates: &candidates,
            stride,
            temperature: self.params.temperature as f32,
            positives: &positives,
            bias: None,
        };
        let loss = match self.params.loss {
            Loss::Infonce => self.contrast.differentiate(&batch, scale),
            Loss::Bpr => self.contrast.differentiate_with(&batch, |anchor, row| {
                let user = users[anchor];
                let mut rng = self.streams.stream(Purpose::Noise, self.round, u64::from(user), epoch);
                pairwise(row, items(user), scale, || {
                    (0..TRIES_MAX)
                        .map(|_| below(&mut rng, self.warm.len() as u32))
                        .find(|&place| !self.seen.has(user, self.warm[place as usize]))
                })
            }),
        };
        self.d_unit.fill(0.0);
        for (&item, gradient) in self.warm.iter().zip(self.contrast.d_candidates.chunks_exact(stride)) {
            self.d_unit[node(item)].copy_from_slice(gradient);
        }
        for (&user, gradient) in users.iter().zip(self.contrast.d_anchors.chunks_exact(stride)) {
            self.d_unit[row(user)].copy_from_slice(gradient);
        }
        cosine::backward(&mut self.d_unit, &self.unit, &self.norms, stride);
        propagate(&self.graph, self.params.n_layers, stride, &self.d_unit, &mut self.d_ego, &mut self.spare);
        self.mlp.backward(&self.text, &self.d_ego);
        loss
    }

    /// What is served.
    pub(super) fn finish(mut self, training: &Training<'_>) -> Parts {
        self.forward();
        self.smooth_cold_items();
        let (n_users, n_items, width) =
            (self.train.n_rows, self.train.n_cols, self.params.embedding_size as usize);
        let (users, items) = self.unit.split_at(n_users * self.stride);
        let users = Matrix::new(n_users, width, unpad(users, width));
        let items = Matrix::new(n_items, width, unpad(items, width));
        Parts {
            factors: Factors::new(users, items, None, training.train),
            history: History::new(training.train),
            carry: (self.params.n_layers > 0).then(|| (self.carry(), self.params.n_layers)),
            text: self.text.split_off(n_users * self.text_stride),
            people: self.mlp,
        }
    }

    /// Gives items that nobody has the mean of what smoothing gave the items of the nearest text; ties go to the
    /// lower number.
    fn smooth_cold_items(&mut self) {
        let (n_users, n_items, stride) = (self.train.n_rows, self.train.n_cols, self.stride);
        let mut is_warm = vec![false; n_items];
        self.train.indices.iter().for_each(|&item| is_warm[item as usize] = true);
        let n_neighbors =
            (self.params.cold_neighbors as usize).min(is_warm.iter().filter(|warm| **warm).count());
        if self.params.n_layers == 0 || n_neighbors == 0 {
            return;
        }
        let text = &self.text[n_users * self.text_stride..];
        let text_of = |item: usize| &text[item * self.text_stride..][..self.text_stride];
        let own = 1.0 / (self.params.n_layers + 1) as f32;
        let smoothed = |cold: usize| -> Vec<f32> {
            let likeness = |&item: &u32| (dot(text_of(cold), text_of(item as usize)), item as usize);
            let mut near: Vec<(f32, usize)> = self.warm.iter().map(likeness).collect();
            near.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let ego = |item: usize| &self.ego[(n_users + item) * stride..][..stride];
            let mut vector: Vec<f32> = ego(cold).iter().map(|x| own * x).collect();
            for &(_, item) in &near[..n_neighbors] {
                let norm = self.norms[n_users + item];
                let unit = &self.unit[(n_users + item) * stride..][..stride];
                for k in 0..stride {
                    vector[k] += (norm * unit[k] - own * ego(item)[k]) / n_neighbors as f32;
                }
            }
            vector
        };
        let cold: Vec<usize> =
            (0..n_items).filter(|&item| self.warm.binary_search(&(item as u32)).is_err()).collect();
        let vectors: Vec<Vec<f32>> = cold.par_iter().map(|&item| smoothed(item)).collect();
        for (item, mut vector) in cold.into_iter().zip(vectors) {
            cosine::normalise(&mut vector, &mut [0.0], stride);
            self.unit[(n_users + item) * stride..][..stride].copy_from_slice(&vector);
        }
    }

    /// What an item adds to the layers of whoever has it: its own layers but the last, summed, over the root of
    /// how many have it.
    fn carry(&self) -> Vec<f32> {
        let mut sum = self.ego.clone();
        let mut next = vec![0f32; sum.len()];
        // Horner's rule, as in `propagate`, for the sum of all layers but the last.
        for _ in 1..self.params.n_layers {
            self.graph.multiply(&mut next, &sum, Some(&self.ego), 1.0, self.stride);
            std::mem::swap(&mut sum, &mut next);
        }
        let mut carry = sum.split_off(self.train.n_rows * self.stride);
        let mut counts = vec![0u32; self.train.n_cols];
        self.train.indices.iter().for_each(|&item| counts[item as usize] += 1);
        for (row, &count) in carry.chunks_exact_mut(self.stride).zip(&counts) {
            let share = 1.0 / (count.max(1) as f32).sqrt();
            row.iter_mut().for_each(|x| *x *= share);
        }
        carry
    }
}

/// The items that somebody has, ascending; and every stored interaction's place in them.
fn warm_items(train: &Csr) -> (Vec<u32>, Vec<u32>) {
    let mut warm = train.indices.clone();
    warm.sort_unstable();
    warm.dedup();
    let mut places = vec![0u32; train.n_cols];
    warm.iter().enumerate().for_each(|(place, &item)| places[item as usize] = place as u32);
    let own = train.indices.iter().map(|&item| places[item as usize]).collect();
    (warm, own)
}

/// Turns scores into the gradient of `scale` times `-Σ ln σ(s_p − s_n)`, one drawn negative a positive; returns
/// the loss.
fn pairwise(row: &mut [f32], positives: &[u32], scale: f32, mut draw: impl FnMut() -> Option<u32>) -> f64 {
    let mut loss = 0.0;
    let mut slopes: Vec<(u32, f32)> = Vec::with_capacity(2 * positives.len());
    for &positive in positives {
        let Some(negative) = draw() else { continue };
        let odds = f64::from(row[negative as usize] - row[positive as usize]).exp();
        loss += odds.ln_1p();
        let slope = scale * (odds / (1.0 + odds)) as f32;
        slopes.extend([(positive, -slope), (negative, slope)]);
    }
    row.fill(0.0);
    slopes.into_iter().for_each(|(item, slope)| row[item as usize] += slope);
    loss
}

impl Learner for AlphaLearner<'_> {
    fn epoch(&mut self, epoch: u32) -> f64 {
        let mut users = self.users.clone();
        shuffle(&mut users, &mut self.streams.stream(Purpose::Training, self.round, 0, epoch));
        let left = 1.0 - f64::from(epoch - 1) / f64::from(self.params.epochs);
        let learning_rate = (self.params.learning_rate * left) as f32;
        let batch_size = self.params.batch_size(users.len());
        let n_batches = users.len().div_ceil(batch_size) as u64;
        let mut loss = 0.0;
        for (number, users) in users.chunks(batch_size).enumerate() {
            loss += self.differentiate(users, epoch);
            let step = u64::from(epoch - 1) * n_batches + number as u64 + 1;
            self.mlp.step(Rate::of_step(learning_rate, step), Decay::Decoupled(self.params.reg as f32));
        }
        loss / self.train.nnz().max(1) as f64
    }

    fn validate(&mut self, holdout: &Holdout<'_>) -> f64 {
        self.forward();
        let (users, items) = self.unit.split_at(self.train.n_rows * self.stride);
        holdout.recall_of_factors(users, items, self.stride)
    }

    fn state(&mut self) -> Vec<&mut Vec<f32>> {
        let (tables, moments) = self.mlp.state();
        tables.into_iter().chain(moments).collect()
    }

    fn n_model_tables(&self) -> usize {
        self.mlp.tables().len()
    }
}

#[cfg(test)]
mod tests;

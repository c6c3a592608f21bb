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

use super::dense::{Matrix, dot};
use super::factors::Factors;
use super::history::History;
use super::text_towers::{Parts, TextTowers, mean_rows};
use super::training::adam::{Decay, Rate};
use super::training::checkpoint::Fingerprint;
use super::training::contrast::{Contrast, Workspace};
use super::training::cosine;
use super::training::graph::{normalised_graph, propagate};
use super::training::init::{pad, padded, unpad};
use super::training::mlp::{Mlp, Shape};
use super::training::negatives::{Seen, below, shuffle};
use super::training::schedule::{Learner, Schedule, run};
use super::training::spmm::SparseRows;
use super::training::validation::Holdout;
use super::{About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind};
use super::{Request, Surroundings, Trainer, Training, model_file};
use crate::dataset::sparse::Csr;
use crate::encoder::library;
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{self, Complaint, within};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name in a scenario.
const NAME: &str = "alpharec";

/// Steps of an epoch where no batch size is given.
const STEPS_PER_EPOCH: usize = 4;

/// How often a negative is drawn before the user is taken to have (nearly) everything.
const TRIES_MAX: usize = 64;

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
        let params: AlphaRecParams = model_file::read_header(dir, NAME)?;
        let towers = TextTowers::load(dir, params.fold_in)?;
        Ok(Box::new(Fitted { params, towers }))
    }
}

impl Trainer for AlphaRecParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let encoded = training.item_vectors(&self.encoder, context)?;
        let holdout = Holdout::new(training.train, training.valid);
        let mut learner = AlphaLearner::new(self, &training.train.matrix, &encoded.vectors, context);
        let fingerprint = Fingerprint {
            kind: NAME,
            params: format!("{} {}", serde_json::to_string(self).unwrap_or_default(), encoded.hash()),
            train: training.train,
            valid: training.valid,
        };
        run(NAME, &mut learner, self.schedule(), holdout.as_ref(), fingerprint, context)?;
        let towers = TextTowers::new(learner.finish(training), self.fold_in);
        Ok(Box::new(Fitted { params: self.clone(), towers }))
    }

    fn encoder(&self) -> Option<&str> {
        Some(&self.encoder)
    }
}

/// The perceptron in training. Rows of all tables: users, then items, padded for the kernels.
struct AlphaLearner<'a> {
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
    fn new(params: &AlphaRecParams, train: &'a Csr, items: &Matrix, context: &FitContext<'_>) -> Self {
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
    fn finish(mut self, training: &Training<'_>) -> Parts {
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

/// The fitted model.
struct Fitted {
    params: AlphaRecParams,
    towers: TextTowers,
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(self.towers.recommend(requests))
    }

    fn adapts_in_session(&self) -> bool {
        self.towers.folds_in()
    }

    fn answers_alike(&self) -> bool {
        true
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &self.params)?;
        self.towers.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::training::toy;
    use super::*;
    use crate::id::{ItemId, UserId};
    use crate::recommender::Feedback;
    use rand::RngExt;

    fn params(toml: &str) -> AlphaRecParams {
        let params: AlphaRecParams =
            params::parse("arms.a", &toml.parse().expect("test TOML")).expect("valid parameters");
        params.check("arms.a").map(|()| params).expect("in range")
    }

    /// A vector an item at random.
    fn items(width: usize) -> Matrix {
        let mut rng = Streams::new(8).stream(Purpose::Synthesis, 0, 0, 0);
        let data = (0..toy::N_ITEMS * width).map(|_| rng.random::<f32>() - 0.5).collect();
        Matrix::new(toy::N_ITEMS, width, data)
    }

    /// The batch's mean InfoNCE loss in double precision, straight from the equations; one linear layer.
    fn plain_loss(p: &AlphaRecParams, train: &Csr, items: &Matrix, weights: &[f64], users: &[u32]) -> f64 {
        let (wide, stride) = (items.n_cols, padded(p.embedding_size as usize));
        let by_item = train.transpose();
        let map = |text: &[f64]| -> Vec<f64> {
            (0..stride).map(|k| (0..wide).map(|j| text[j] * weights[j * stride + k]).sum()).collect()
        };
        let text = |item: u32| items.row(item as usize).iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let mean = |user: usize| {
            let own = train.row(user).0;
            let mut mean = vec![0f64; wide];
            own.iter().for_each(|&item| {
                mean.iter_mut().zip(text(item)).for_each(|(m, x)| *m += x / own.len() as f64)
            });
            mean
        };
        let mut layer: Vec<Vec<f64>> = (0..train.n_rows).map(|user| map(&mean(user))).collect();
        layer.extend((0..train.n_cols as u32).map(|item| map(&text(item))));
        let mut sum = layer.clone();
        for _ in 0..p.n_layers {
            let mut next = vec![vec![0f64; stride]; layer.len()];
            for user in 0..train.n_rows {
                for &item in train.row(user).0 {
                    let node = train.n_rows + item as usize;
                    let degrees = train.row(user).0.len() * by_item.row(item as usize).0.len();
                    for k in 0..stride {
                        next[user][k] += layer[node][k] / (degrees as f64).sqrt();
                        next[node][k] += layer[user][k] / (degrees as f64).sqrt();
                    }
                }
            }
            sum.iter_mut().flatten().zip(next.iter().flatten()).for_each(|(sum, x)| *sum += x);
            layer = next;
        }
        let cosine = |a: &[f64], b: &[f64]| {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let (mut loss, mut n) = (0.0, 0.0);
        for &user in users {
            let own = train.row(user as usize).0;
            let odds = |item: u32| {
                (cosine(&sum[user as usize], &sum[train.n_rows + item as usize]) / p.temperature).exp()
            };
            let is_negative = |item: &u32| train.indices.contains(item) && !own.contains(item);
            let negatives: f64 = (0..train.n_cols as u32).filter(is_negative).map(odds).sum();
            for &item in own {
                loss -= (odds(item) / (odds(item) + negatives)).ln();
                n += 1.0;
            }
        }
        loss / n
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (train, _) = toy::interactions();
        let items = items(9);
        for n_layers in 0..=2 {
            let p = params(&format!(
                "embedding_size = 5\nhidden_size = 0\nn_layers = {n_layers}\ntemperature = 0.3"
            ));
            let mut learner = AlphaLearner::new(&p, &train.matrix, &items, &toy::context());
            let users = [3, 40, 41, 77];
            let n_positives: usize = users.iter().map(|&user| train.matrix.row(user as usize).0.len()).sum();
            let loss = learner.differentiate(&users, 1) / n_positives as f64;
            let weights: Vec<f64> = learner.mlp.tables()[0].iter().map(|&x| f64::from(x)).collect();
            let plain = |weights: &[f64]| plain_loss(&p, &train.matrix, &items, weights, &users);
            assert!((loss - plain(&weights)).abs() < 1e-4, "{n_layers} layers: {loss} {}", plain(&weights));
            for at in (0..9 * 8).step_by(3).filter(|at| at % 8 < 5) {
                let (mut up, mut down) = (weights.clone(), weights.clone());
                up[at] += 1e-5;
                down[at] -= 1e-5;
                let slope = (plain(&up) - plain(&down)) / 2e-5;
                let found = f64::from(learner.mlp.gradients()[0][at]);
                assert!((found - slope).abs() < 1e-4, "{n_layers} layers, {at}: {found} {slope}");
            }
        }
    }

    #[test]
    fn the_pairwise_loss_is_that_of_its_formula() {
        let scores = [0.4f32, -0.3, 0.9, 0.1];
        let mut row = scores;
        let mut drawn = [1u32, 3].into_iter();
        let loss = pairwise(&mut row, &[0, 2], 0.5, || drawn.next());
        let term = |p: usize, n: usize| (1.0 + f64::from(scores[n] - scores[p]).exp()).ln();
        assert!((loss - term(0, 1) - term(2, 3)).abs() < 1e-6);
        let share = |p: usize, n: usize| 0.5 / (1.0 + (scores[p] - scores[n]).exp());
        for (found, expected) in row.iter().zip([-share(0, 1), share(0, 1), -share(2, 3), share(2, 3)]) {
            assert!((found - expected).abs() < 1e-6, "{row:?}");
        }
    }

    #[test]
    fn tells_two_tastes_apart_with_the_same_bits_on_one_thread_and_two() {
        for more in ["", "\nloss = \"bpr\"\nn_layers = 0"] {
            let p = params(&format!(
                "epochs = 30\nbatch_size = 50\nembedding_size = 20\nlearning_rate = 0.01{more}"
            ));
            let (one, two) = (toy::fit(&p, 1), toy::fit(&p, 2));
            assert_eq!(one.files, two.files);
            assert!(one.share_of_own_taste > 0.97, "{more}: {}", one.share_of_own_taste);
        }
    }

    #[test]
    fn its_state_is_all_a_resumed_run_needs() {
        let (train, _) = toy::interactions();
        let items = items(9);
        let p = params("epochs = 3\nembedding_size = 8\nbatch_size = 50");
        toy::assert_resumes(|| AlphaLearner::new(&p, &train.matrix, &items, &toy::context()));
    }

    #[test]
    fn folding_in_a_history_gives_the_vector_of_somebody_who_has_it() {
        // A stranger who watches what user 4 has in training is scored as user 4 is.
        let (train, _) = toy::interactions();
        for n_layers in 0..=3 {
            let p = params(&format!("epochs = 5\nembedding_size = 8\nfold_in = true\nn_layers = {n_layers}"));
            let model = toy::fit(&p, 1).model;
            let own = train.items_of(UserId(4));
            let watched: Vec<Feedback> = own
                .iter()
                .map(|&item| Feedback { item: ItemId(item), page: 1, watched: true, rating: None })
                .collect();
            let known = toy::request(&train, 4, 20);
            let stranger = Request { user: UserId(5000), known: own, feedback: &watched, ..known };
            let lists = model.recommend(&[known, stranger]).expect("lists");
            for (a, b) in lists[0].scores.iter().zip(&lists[1].scores) {
                assert!((a - b).abs() < 1e-5, "{n_layers} layers: {a} {b}");
            }
            assert_eq!(lists[0].items[..5], lists[1].items[..5]);
        }
    }

    #[test]
    fn an_item_that_nobody_has_is_ranked_by_its_text() {
        // The last item has no interactions; its words are those of odd items.
        let (train, _) = toy::interactions();
        let cold = ItemId(toy::N_ITEMS as u32 - 1);
        let p = params("epochs = 30\nembedding_size = 16\nlearning_rate = 0.01");
        let model = toy::fit(&p, 1).model;
        let requests: Vec<Request<'_>> =
            (0..20).map(|user| toy::request(&train, user, toy::N_ITEMS)).collect();
        let lists = model.recommend(&requests).expect("lists");
        for (request, list) in requests.iter().zip(lists) {
            let place = list.items.iter().position(|&item| item == cold).expect("ranked");
            let is_high = place < list.items.len() / 2;
            assert_eq!(
                is_high,
                request.user.0 % 2 == cold.0 % 2,
                "user {} has it at {place}",
                request.user.0
            );
        }
    }
}

//! `two_tower`: one perceptron for people, one for items, both on item text, met by cosine.
//!
//! Yi, Yang, Hong, Cheng, Heldt, Kumthekar, Zhao, Wei and Chi, "Sampling-bias-corrected neural modeling for
//! large corpus item recommendations", RecSys 2019: a softmax over the items of the batch (their equation 2) whose
//! logits are corrected by how likely an item is to be in a batch (section 3.2), with normalised outputs and a
//! temperature (section 4.3). The tower of people takes the mean text of the items they have, without the
//! one to be told; nothing is learned per item or user, so both can be new.
//!
//! Deviations: item frequencies are counted, not estimated from a stream; other items of the batch that the
//! user has are left out of the softmax; AdamW with a step length that falls linearly.

use super::dense::Matrix;
use super::factors::Factors;
use super::fitted::Fitted;
use super::history::History;
use super::text_towers::{Parts, TextTowers, mean_rows};
use super::training::adam::{Decay, Rate};
use super::training::contrast::{Contrast, Workspace};
use super::training::cosine;
use super::training::init::{pad, padded, unpad};
use super::training::mlp::{Mlp, Shape};
use super::training::negatives::shuffle;
use super::training::schedule::{Learner, Schedule, train};
use super::training::validation::Holdout;
use super::{About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind};
use super::{Surroundings, Trainer, Training};
use crate::dataset::sparse::Csr;
use crate::encoder::library;
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name in a scenario.
const NAME: &str = "two_tower";

/// Stands for an item that is not in the batch.
const ABSENT: u32 = u32::MAX;

/// Hyper-parameters of `two_tower`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TwoTowerParams {
    /// Which encoder makes vectors of item text: a table of `[encoders]`.
    pub encoder: String,
    /// Numbers in a user's or an item's vector, 1..=4096.
    pub embedding_size: u32,
    /// Width of the hidden layer of both towers, 0..=8192; 0 for linear maps; without it, half of a text vector.
    pub hidden_size: Option<u32>,
    /// τ: cosines are divided by it, 0.001..=10.
    pub temperature: f64,
    /// Passes over the training interactions at most, 1..=100000.
    pub epochs: u32,
    /// Interactions a step, and so the items an interaction is told from, 2..=100000.
    pub batch_size: u32,
    /// Step length of AdamW, 1e-6..=10; it falls linearly, to nothing after the last epoch.
    pub learning_rate: f64,
    /// Decay of the weights (decoupled), 0..=10.
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

impl Default for TwoTowerParams {
    fn default() -> Self {
        TwoTowerParams {
            encoder: library::DEFAULT.to_owned(),
            embedding_size: 64,
            hidden_size: None,
            temperature: 0.1,
            epochs: 60,
            batch_size: 2048,
            learning_rate: 0.002,
            reg: 0.0,
            eval_every: 2,
            patience: 10,
            fold_in: false,
            seed: None,
        }
    }
}

impl TwoTowerParams {
    fn schedule(&self) -> Schedule {
        Schedule { epochs: self.epochs, eval_every: self.eval_every, patience: self.patience }
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "embedding_size", self.embedding_size, 1, 4096)?;
        within(at, "hidden_size", self.hidden_size.unwrap_or(0), 0, 8192)?;
        within(at, "temperature", self.temperature, 0.001, 10.0)?;
        within(at, "batch_size", self.batch_size, 2, 100_000)?;
        within(at, "learning_rate", self.learning_rate, 1e-6, 10.0)?;
        within(at, "reg", self.reg, 0.0, 10.0)?;
        self.schedule().check(at)
    }
}

/// The kind `two_tower`.
pub struct TwoTower;

impl RecommenderKind for TwoTower {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "two towers on item text, trained by a softmax over the batch",
            source: "Yi et al., RecSys 2019",
            needs: Needs::Text,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(TwoTowerParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: TwoTowerParams = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        Fitted::load(NAME, dir, |params: &TwoTowerParams| TextTowers::load(dir, params.fold_in))
    }
}

impl Trainer for TwoTowerParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let encoded = training.item_vectors(&self.encoder, context)?;
        let mut learner = TowerLearner::new(self, &training.train.matrix, &encoded.vectors, context);
        train(NAME, self, &encoded.hash(), &mut learner, self.schedule(), training, context)?;
        let towers = TextTowers::new(learner.finish(training), self.fold_in);
        Ok(Fitted::boxed(NAME, self.clone(), towers))
    }

    fn encoder(&self) -> Option<&str> {
        Some(&self.encoder)
    }
}

/// Both towers in training.
struct TowerLearner<'a> {
    params: TwoTowerParams,
    train: &'a Csr,
    streams: Streams,
    round: u32,
    stride: usize,
    /// Item text, rows padded.
    text: Vec<f32>,
    text_stride: usize,
    /// Its mean over the items of every user, rows padded.
    means: Vec<f32>,
    people: Mlp,
    items: Mlp,
    contrast: Workspace,
    /// Training interactions of every item.
    counts: Vec<u32>,
    /// Where every item stands in the batch.
    places: Vec<u32>,
}

impl<'a> TowerLearner<'a> {
    fn new(params: &TwoTowerParams, train: &'a Csr, items: &Matrix, context: &FitContext<'_>) -> Self {
        let streams = params.seed.map_or(context.streams, |seed| context.streams.with_seed(seed));
        let shape = Shape {
            input: items.n_cols,
            hidden: params.hidden_size.map_or(items.n_cols.div_ceil(2), |size| size as usize),
            output: params.embedding_size as usize,
        };
        let mut counts = vec![0u32; train.n_cols];
        train.indices.iter().for_each(|&item| counts[item as usize] += 1);
        let (text, text_stride) = (pad(&items.data, items.n_cols), padded(items.n_cols));
        TowerLearner {
            means: mean_rows(train, &text, text_stride),
            params: params.clone(),
            train,
            streams,
            round: context.round,
            stride: padded(shape.output),
            text,
            text_stride,
            people: Mlp::new(shape, streams, context.round, 0),
            items: Mlp::new(shape, streams, context.round, 10),
            contrast: Workspace::default(),
            counts,
            places: vec![ABSENT; train.n_cols],
        }
    }

    fn text_of(&self, item: u32) -> &[f32] {
        &self.text[item as usize * self.text_stride..][..self.text_stride]
    }

    /// The mean text of what each pair's user has besides the pair's item; of the item itself where there is
    /// nothing else.
    fn histories(&self, pairs: &[(u32, u32)]) -> Vec<f32> {
        let mut rows = vec![0f32; pairs.len() * self.text_stride];
        for (row, &(user, item)) in rows.chunks_exact_mut(self.text_stride).zip(pairs) {
            let n = self.train.row(user as usize).0.len() as f32;
            let mean = &self.means[user as usize * self.text_stride..][..self.text_stride];
            if n < 2.0 {
                row.copy_from_slice(mean);
                continue;
            }
            let share = 1.0 / (n - 1.0);
            let parts = mean.iter().zip(self.text_of(item));
            row.iter_mut().zip(parts).for_each(|(to, (mean, x))| *to = share * (n * mean - x));
        }
        rows
    }

    /// Leaves the gradients of the batch's mean loss in both towers; returns the summed loss.
    fn differentiate(&mut self, pairs: &[(u32, u32)]) -> f64 {
        let stride = self.stride;
        let mut batch_items: Vec<u32> = pairs.iter().map(|&(_, item)| item).collect();
        batch_items.sort_unstable();
        batch_items.dedup();
        batch_items.iter().enumerate().for_each(|(at, &item)| self.places[item as usize] = at as u32);
        let histories = self.histories(pairs);
        let texts: Vec<f32> = batch_items.iter().flat_map(|&item| self.text_of(item)).copied().collect();
        let (mut anchors, mut anchor_norms) = (vec![0f32; pairs.len() * stride], vec![0f32; pairs.len()]);
        self.people.forward(&histories, &mut anchors);
        cosine::normalise(&mut anchors, &mut anchor_norms, stride);
        let (mut targets, mut target_norms) =
            (vec![0f32; batch_items.len() * stride], vec![0f32; batch_items.len()]);
        self.items.forward(&texts, &mut targets);
        cosine::normalise(&mut targets, &mut target_norms, stride);
        let lists: Vec<(Vec<u32>, Vec<f32>)> = pairs.iter().map(|&pair| self.positives(pair)).collect();
        let positives: Vec<(&[u32], &[f32])> =
            lists.iter().map(|(list, weights)| (&list[..], &weights[..])).collect();
        let n_pairs = self.train.nnz() as f32;
        let bias: Vec<f32> =
            batch_items.iter().map(|&item| (n_pairs / self.counts[item as usize] as f32).ln()).collect();
        let batch = Contrast {
            anchors: &anchors,
            candidates: &targets,
            stride,
            temperature: self.params.temperature as f32,
            positives: &positives,
            bias: Some(&bias),
        };
        let loss = self.contrast.differentiate(&batch, 1.0 / pairs.len() as f32);
        cosine::backward(&mut self.contrast.d_anchors, &anchors, &anchor_norms, stride);
        self.people.backward(&histories, &self.contrast.d_anchors);
        cosine::backward(&mut self.contrast.d_candidates, &targets, &target_norms, stride);
        self.items.backward(&texts, &self.contrast.d_candidates);
        batch_items.iter().for_each(|&item| self.places[item as usize] = ABSENT);
        loss
    }

    /// What of the batch the pair's user has, ascending by place: the pair's item weighs 1, all others nothing.
    fn positives(&self, (user, item): (u32, u32)) -> (Vec<u32>, Vec<f32>) {
        let own = self.train.row(user as usize).0.iter();
        let present = own.filter(|&&other| self.places[other as usize] != ABSENT);
        present.map(|&other| (self.places[other as usize], f32::from(other == item))).unzip()
    }

    /// The vectors of all users and items.
    fn vectors(&mut self) -> (Vec<f32>, Vec<f32>) {
        let mut users = vec![0f32; self.train.n_rows * self.stride];
        let mut items = vec![0f32; self.train.n_cols * self.stride];
        self.people.forward(&self.means, &mut users);
        self.items.forward(&self.text, &mut items);
        cosine::normalise(&mut users, &mut vec![0f32; self.train.n_rows], self.stride);
        cosine::normalise(&mut items, &mut vec![0f32; self.train.n_cols], self.stride);
        (users, items)
    }

    /// What is served.
    fn finish(mut self, training: &Training<'_>) -> Parts {
        let (users, items) = self.vectors();
        let width = self.params.embedding_size as usize;
        let users = Matrix::new(self.train.n_rows, width, unpad(&users, width));
        let items = Matrix::new(self.train.n_cols, width, unpad(&items, width));
        Parts {
            factors: Factors::new(users, items, None, training.train),
            history: History::new(training.train),
            carry: None,
            text: self.text,
            people: self.people,
        }
    }
}

impl Learner for TowerLearner<'_> {
    fn epoch(&mut self, epoch: u32) -> f64 {
        let users = 0..self.train.n_rows as u32;
        let mut pairs: Vec<(u32, u32)> = users
            .flat_map(|user| self.train.row(user as usize).0.iter().map(move |&item| (user, item)))
            .collect();
        shuffle(&mut pairs, &mut self.streams.stream(Purpose::Training, self.round, 0, epoch));
        let left = 1.0 - f64::from(epoch - 1) / f64::from(self.params.epochs);
        let learning_rate = (self.params.learning_rate * left) as f32;
        let batch_size = self.params.batch_size as usize;
        let n_batches = pairs.len().div_ceil(batch_size) as u64;
        let decay = Decay::Decoupled(self.params.reg as f32);
        let mut loss = 0.0;
        for (number, batch) in pairs.chunks(batch_size).enumerate() {
            loss += self.differentiate(batch);
            let rate = Rate::of_step(learning_rate, u64::from(epoch - 1) * n_batches + number as u64 + 1);
            self.people.step(rate, decay);
            self.items.step(rate, decay);
        }
        loss / pairs.len().max(1) as f64
    }

    fn validate(&mut self, holdout: &Holdout<'_>) -> f64 {
        let (users, items) = self.vectors();
        holdout.recall_of_factors(&users, &items, self.stride)
    }

    fn state(&mut self) -> Vec<&mut Vec<f32>> {
        let (people, people_moments) = self.people.state();
        let (items, items_moments) = self.items.state();
        people.into_iter().chain(items).chain(people_moments).chain(items_moments).collect()
    }

    fn n_model_tables(&self) -> usize {
        self.people.tables().len() + self.items.tables().len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::training::toy;
    use super::*;
    use rand::RngExt;

    fn params(toml: &str) -> TwoTowerParams {
        let params: TwoTowerParams =
            params::parse("arms.t", &toml.parse().expect("test TOML")).expect("valid parameters");
        params.check("arms.t").map(|()| params).expect("in range")
    }

    fn items(width: usize) -> Matrix {
        let mut rng = Streams::new(8).stream(Purpose::Synthesis, 0, 0, 0);
        let data = (0..toy::N_ITEMS * width).map(|_| rng.random::<f32>() - 0.5).collect();
        Matrix::new(toy::N_ITEMS, width, data)
    }

    /// The batch's mean loss in double precision, straight from the equations; linear towers.
    fn plain_loss(
        p: &TwoTowerParams,
        train: &Csr,
        items: &Matrix,
        towers: [&[f64]; 2],
        pairs: &[(u32, u32)],
    ) -> f64 {
        let stride = padded(p.embedding_size as usize);
        let through = |weights: &[f64], text: &[f64]| -> Vec<f64> {
            let y: Vec<f64> = (0..stride)
                .map(|k| text.iter().enumerate().map(|(j, x)| x * weights[j * stride + k]).sum())
                .collect();
            let norm = y.iter().map(|y| y * y).sum::<f64>().sqrt();
            y.into_iter().map(|y| y / norm).collect()
        };
        let text = |item: u32| items.row(item as usize).iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let count = |item: u32| train.indices.iter().filter(|&&other| other == item).count() as f64;
        let mut batch: Vec<u32> = pairs.iter().map(|pair| pair.1).collect();
        batch.sort_unstable();
        batch.dedup();
        let mut loss = 0.0;
        for &(user, item) in pairs {
            let own = train.row(user as usize).0;
            let mut mean = vec![0f64; items.n_cols];
            for &other in own.iter().filter(|&&other| other != item) {
                mean.iter_mut().zip(text(other)).for_each(|(m, x)| *m += x / (own.len() - 1) as f64);
            }
            let person = through(towers[0], &mean);
            let odds = |item: u32| {
                let vector = through(towers[1], &text(item));
                let cosine: f64 = person.iter().zip(&vector).map(|(a, b)| a * b).sum();
                (cosine / p.temperature - (count(item) / train.nnz() as f64).ln()).exp()
            };
            let others: f64 =
                batch.iter().filter(|other| !own.contains(other)).map(|&other| odds(other)).sum();
            loss -= (odds(item) / (odds(item) + others)).ln();
        }
        loss / pairs.len() as f64
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (train, _) = toy::interactions();
        let items = items(9);
        let p = params("embedding_size = 5\nhidden_size = 0\ntemperature = 0.3");
        let mut learner = TowerLearner::new(&p, &train.matrix, &items, &toy::context());
        let pairs: Vec<(u32, u32)> = [2usize, 9, 9, 30, 51]
            .iter()
            .enumerate()
            .map(|(k, &user)| (user as u32, train.matrix.row(user).0[k]))
            .collect();
        let loss = learner.differentiate(&pairs) / pairs.len() as f64;
        let wide = |table: &[f32]| table.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let (people, goods) = (wide(&learner.people.tables()[0]), wide(&learner.items.tables()[0]));
        let plain =
            |people: &[f64], goods: &[f64]| plain_loss(&p, &train.matrix, &items, [people, goods], &pairs);
        assert!((loss - plain(&people, &goods)).abs() < 1e-4, "{loss}");
        for at in (0..9 * 8).step_by(3).filter(|at| at % 8 < 5) {
            for tower in 0..2 {
                let nudged = |by: f64| {
                    let mut towers = [people.clone(), goods.clone()];
                    towers[tower][at] += by;
                    plain(&towers[0], &towers[1])
                };
                let slope = (nudged(1e-5) - nudged(-1e-5)) / 2e-5;
                let mlp = if tower == 0 { &learner.people } else { &learner.items };
                let found = f64::from(mlp.gradients()[0][at]);
                assert!((found - slope).abs() < 1e-4, "tower {tower}, {at}: {found} {slope}");
            }
        }
        assert!(learner.places.iter().all(|&place| place == ABSENT), "the next batch starts clean");
    }

    #[test]
    fn tells_two_tastes_apart_with_the_same_bits_on_one_thread_and_two() {
        let p = params("epochs = 20\nbatch_size = 300\nembedding_size = 20\nlearning_rate = 0.01");
        let (one, two) = (toy::fit(&p, 1), toy::fit(&p, 2));
        assert_eq!(one.files, two.files);
        assert!(one.share_of_own_taste > 0.97, "{}", one.share_of_own_taste);
    }

    #[test]
    fn its_state_is_all_a_resumed_run_needs() {
        let (train, _) = toy::interactions();
        let items = items(9);
        let p = params("epochs = 3\nembedding_size = 8\nbatch_size = 300");
        toy::assert_resumes(|| TowerLearner::new(&p, &train.matrix, &items, &toy::context()));
    }
}

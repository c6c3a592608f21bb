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

use super::dense::Matrix;
use super::factors::Factors;
use super::text_towers::mean_rows;
use super::training::adam::{Decay, Moments, Rate};
use super::training::bpr::Triple;
use super::training::checkpoint::Fingerprint;
use super::training::contrast::{Contrast, Workspace};
use super::training::cosine;
use super::training::gcn::{Gcn, GcnSettings};
use super::training::init::{pad, padded};
use super::training::mlp::{Mlp, Shape};
use super::training::negatives::shuffle;
use super::training::schedule::{Learner, Schedule, run};
use super::training::validation::Holdout;
use super::{About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind};
use super::{Request, Surroundings, Trainer, Training, model_file};
use crate::encoder::library;
use crate::rng::Purpose;
use crate::scenario::params::{self, Complaint, within};
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
        let params = model_file::read_header(dir, NAME)?;
        Ok(Box::new(Fitted { params, factors: Factors::load(dir)? }))
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
        let holdout = Holdout::new(training.train, training.valid);
        let gcn = Gcn::new(self.settings(), &training.train.matrix, context);
        let mut learner = RlmLearner::new(self.clone(), gcn, &users, &items.vectors);
        let fingerprint = Fingerprint {
            kind: NAME,
            params: format!("{} {}", serde_json::to_string(self).unwrap_or_default(), items.hash()),
            train: training.train,
            valid: training.valid,
        };
        run(NAME, &mut learner, self.schedule(), holdout.as_ref(), fingerprint, context)?;
        Ok(Box::new(Fitted { params: self.clone(), factors: learner.gcn.factors(training) }))
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

/// LightGCN and the alignment in training. Sides are users and items, in this order.
struct RlmLearner<'a> {
    params: RlmRecParams,
    gcn: Gcn<'a>,
    /// Profiles of users, then items: rows padded, of length 1.
    profiles: Vec<f32>,
    profile_stride: usize,
    /// Between profiles and vectors, the same for both sides: it ties their spaces together.
    mlp: Mlp,
    contrast: Workspace,
    /// What stands for the ego vector of a masked node, with `gen`; and what its optimiser remembers.
    mask: Vec<f32>,
    mask_moments: Moments,
    /// Ego vectors of the masked nodes, while they are away.
    away: Vec<f32>,
}

impl<'a> RlmLearner<'a> {
    /// # Panics
    /// When profiles of users and items have different widths.
    fn new(params: RlmRecParams, gcn: Gcn<'a>, users: &Matrix, items: &Matrix) -> Self {
        assert_eq!(users.n_cols, items.n_cols, "profiles share one space");
        let (wide, narrow) = (users.n_cols, params.embedding_size as usize);
        let mut profiles = [pad(&users.data, wide), pad(&items.data, wide)].concat();
        cosine::normalise(&mut profiles, &mut vec![0.0; users.n_rows + items.n_rows], padded(wide));
        // As wide as the mean of what goes in and what comes out, as in the authors' program.
        let hidden = (wide + narrow).div_ceil(2);
        let (input, output) = match params.variant {
            Variant::Con => (wide, narrow),
            Variant::Gen => (narrow, wide),
        };
        let stride = gcn.stride();
        RlmLearner {
            params,
            profiles,
            profile_stride: padded(wide),
            mlp: Mlp::new(Shape { input, hidden, output }, gcn.streams, gcn.round, 10),
            contrast: Workspace::default(),
            mask: vec![0.0; stride],
            mask_moments: Moments::zeros(stride),
            away: Vec::new(),
            gcn,
        }
    }

    /// Where the rows of a side begin and end.
    fn rows_of_side(&self, side: usize) -> std::ops::Range<usize> {
        [0..self.gcn.n_users(), self.gcn.n_users()..self.gcn.n_nodes()][side].clone()
    }

    /// One step but for moving: gradients of the batch's mean ranking loss plus the weighted alignment.
    /// Returns the summed ranking loss plus the alignment's share of it. `nodes` are the rows to align, by side,
    /// ascending.
    fn differentiate(&mut self, triples: &[Triple], nodes: &[Vec<u32>; 2]) -> f64 {
        if self.params.variant == Variant::Gen {
            self.put_masks(nodes);
        }
        self.gcn.forward();
        let ranking = self.gcn.bpr(triples);
        let alignment = match self.params.variant {
            Variant::Con => self.align(nodes),
            Variant::Gen => self.reconstruct(nodes),
        };
        self.gcn.backward(triples.len());
        ranking + self.params.alignment * alignment * triples.len() as f64
    }

    /// Contrastive alignment: adds the weighted gradient of each side's mean InfoNCE to the pull on the vectors
    /// of these rows, and leaves that of the perceptron in it; returns the sum of the two means.
    fn align(&mut self, nodes: &[Vec<u32>; 2]) -> f64 {
        let stride = self.gcn.stride();
        let n_nodes = self.gcn.n_nodes();
        let (mut targets, mut target_norms) = (vec![0f32; n_nodes * stride], vec![0f32; n_nodes]);
        self.mlp.forward(&self.profiles, &mut targets);
        cosine::normalise(&mut targets, &mut target_norms, stride);
        let mut d_targets = vec![0f32; n_nodes * stride];
        let mut loss = 0.0;
        for (side, nodes) in nodes.iter().enumerate().filter(|(_, nodes)| !nodes.is_empty()) {
            let mut anchors = take(&self.gcn.smooth, nodes, stride);
            let mut norms = vec![0f32; nodes.len()];
            cosine::normalise(&mut anchors, &mut norms, stride);
            let rows = self.rows_of_side(side);
            let range = rows.start * stride..rows.end * stride;
            loss += self.contrast_side(&anchors, &targets[range.clone()], stride, nodes, rows.start);
            d_targets[range].copy_from_slice(&self.contrast.d_candidates);
            cosine::backward(&mut self.contrast.d_anchors, &anchors, &norms, stride);
            put(&mut self.gcn.pull, nodes, stride, &self.contrast.d_anchors);
        }
        cosine::backward(&mut d_targets, &targets, &target_norms, stride);
        self.mlp.backward(&self.profiles, &d_targets);
        loss
    }

    /// Generative alignment: the same with the perceptron on the side of the vectors.
    fn reconstruct(&mut self, nodes: &[Vec<u32>; 2]) -> f64 {
        let (stride, wide) = (self.gcn.stride(), self.profile_stride);
        let all = nodes.concat();
        let vectors = take(&self.gcn.smooth, &all, stride);
        let (mut anchors, mut norms) = (vec![0f32; all.len() * wide], vec![0f32; all.len()]);
        self.mlp.forward(&vectors, &mut anchors);
        cosine::normalise(&mut anchors, &mut norms, wide);
        let mut d_anchors = Vec::with_capacity(anchors.len());
        let mut loss = 0.0;
        for (side, own) in nodes.iter().enumerate().filter(|(_, own)| !own.is_empty()) {
            let rows = self.rows_of_side(side);
            let profiles = std::mem::take(&mut self.profiles);
            let anchors = &anchors[d_anchors.len()..][..own.len() * wide];
            loss += self.contrast_side(
                anchors,
                &profiles[rows.start * wide..rows.end * wide],
                wide,
                own,
                rows.start,
            );
            self.profiles = profiles;
            d_anchors.extend_from_slice(&self.contrast.d_anchors);
        }
        cosine::backward(&mut d_anchors, &anchors, &norms, wide);
        self.mlp.backward(&vectors, &d_anchors);
        let mut d_vectors = vec![0f32; vectors.len()];
        self.mlp.backward_input(&d_anchors, &mut d_vectors);
        put(&mut self.gcn.pull, &all, stride, &d_vectors);
        loss
    }

    /// Tells every anchor's own candidate from the others of its side; leaves the weighted gradients in the
    /// workspace and returns the mean loss. `first` is the row of the first candidate.
    fn contrast_side(
        &mut self,
        anchors: &[f32],
        candidates: &[f32],
        stride: usize,
        nodes: &[u32],
        first: usize,
    ) -> f64 {
        let places: Vec<u32> = nodes.iter().map(|&node| node - first as u32).collect();
        let ones = vec![1f32; nodes.len()];
        let positives: Vec<(&[u32], &[f32])> = places.chunks(1).zip(ones.chunks(1)).collect();
        let temperature = self.params.temperature as f32;
        let batch = Contrast { anchors, candidates, stride, temperature, positives: &positives, bias: None };
        let share = 1.0 / nodes.len() as f32;
        f64::from(share) * self.contrast.differentiate(&batch, share * self.params.alignment as f32)
    }

    fn put_masks(&mut self, nodes: &[Vec<u32>; 2]) {
        let stride = self.gcn.stride();
        self.away.clear();
        for &row in nodes.iter().flatten() {
            let ego = &mut self.gcn.ego[row as usize * stride..][..stride];
            self.away.extend_from_slice(ego);
            ego.copy_from_slice(&self.mask);
        }
    }

    /// The ego vectors of masked nodes come back, and their gradients go to the mask.
    fn take_masks(&mut self, nodes: &[Vec<u32>; 2], rate: Rate) {
        let stride = self.gcn.stride();
        let mut sum = vec![0f32; stride];
        for (&row, away) in nodes.iter().flatten().zip(self.away.chunks_exact(stride)) {
            let range = row as usize * stride..(row as usize + 1) * stride;
            self.gcn.ego[range.clone()].copy_from_slice(away);
            let gradient = &mut self.gcn.gradient[range];
            sum.iter_mut().zip(gradient.iter()).for_each(|(sum, g)| *sum += g);
            gradient.fill(0.0);
        }
        self.mask_moments.step(&mut self.mask, &sum, rate, Decay::None);
    }

    /// Which rows a step aligns, by side: the batch's nodes, or with `gen` a share of all.
    fn nodes(&self, triples: &[Triple], step: u64) -> [Vec<u32>; 2] {
        let mut rng = self.gcn.streams.stream(Purpose::Noise, self.gcn.round, step, 0);
        let n_users = self.gcn.n_users() as u32;
        let n_max = self.params.n_aligned as usize;
        [0, 1].map(|side| {
            let left_out = [Aligned::Items, Aligned::Users][side];
            if self.params.aligned == left_out {
                return Vec::new();
            }
            let mut nodes: Vec<u32> = match (self.params.variant, side) {
                (Variant::Gen, side) => self.rows_of_side(side).map(|row| row as u32).collect(),
                (Variant::Con, 0) => triples.iter().map(|triple| triple.user).collect(),
                (Variant::Con, _) => {
                    triples.iter().flat_map(|triple| [n_users + triple.pos, n_users + triple.neg]).collect()
                }
            };
            nodes.sort_unstable();
            nodes.dedup();
            let n = match self.params.variant {
                Variant::Con => n_max,
                Variant::Gen => ((nodes.len() as f64 * self.params.mask_ratio).ceil() as usize).min(n_max),
            };
            if nodes.len() > n {
                shuffle(&mut nodes, &mut rng);
                nodes.truncate(n);
                nodes.sort_unstable();
            }
            nodes
        })
    }
}

/// Copies of these rows.
fn take(table: &[f32], rows: &[u32], stride: usize) -> Vec<f32> {
    rows.iter().flat_map(|&row| &table[row as usize * stride..][..stride]).copied().collect()
}

/// Adds to these rows.
fn put(table: &mut [f32], rows: &[u32], stride: usize, values: &[f32]) {
    for (&row, values) in rows.iter().zip(values.chunks_exact(stride)) {
        table[row as usize * stride..][..stride].iter_mut().zip(values).for_each(|(to, x)| *to += x);
    }
}

impl Learner for RlmLearner<'_> {
    fn epoch(&mut self, epoch: u32) -> f64 {
        let samples = self.gcn.samples(epoch);
        let learning_rate = self.gcn.learning_rate(epoch);
        let mut loss = 0.0;
        for (step, batch) in samples.batches() {
            let nodes = self.nodes(batch, step);
            loss += self.differentiate(batch, &nodes);
            let rate = Rate::of_step(learning_rate, step);
            if self.params.variant == Variant::Gen {
                self.take_masks(&nodes, rate);
            }
            self.gcn.step(rate);
            self.mlp.step(rate, Decay::None);
        }
        loss / samples.len().max(1) as f64
    }

    fn validate(&mut self, holdout: &Holdout<'_>) -> f64 {
        self.gcn.validate(holdout)
    }

    fn state(&mut self) -> Vec<&mut Vec<f32>> {
        let mut state: Vec<&mut Vec<f32>> = self.gcn.state().into();
        let (tables, moments) = self.mlp.state();
        state.extend(tables.into_iter().chain(moments));
        state.extend([&mut self.mask, &mut self.mask_moments.first, &mut self.mask_moments.second]);
        state
    }

    fn n_model_tables(&self) -> usize {
        1
    }
}

/// Propagated vectors and what they were fitted with.
struct Fitted {
    params: RlmRecParams,
    factors: Factors,
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(self.factors.recommend(requests))
    }

    fn adapts_in_session(&self) -> bool {
        false
    }

    fn answers_alike(&self) -> bool {
        true
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
    use crate::rng::Streams;
    use rand::RngExt;

    fn params(toml: &str) -> RlmRecParams {
        let params: RlmRecParams =
            params::parse("arms.r", &toml.parse().expect("test TOML")).expect("valid parameters");
        params.check("arms.r").map(|()| params).expect("in range")
    }

    fn draw(n_rows: usize, width: usize, luck: u64) -> Matrix {
        let mut rng = Streams::new(luck).stream(Purpose::Synthesis, 0, 0, 0);
        Matrix::new(n_rows, width, (0..n_rows * width).map(|_| rng.random::<f32>() - 0.5).collect())
    }

    /// The mean InfoNCE of the given nodes against all profiles of their side, in double precision. `left` and
    /// `right` are the two sides of the cosine, already mapped.
    fn plain_alignment(left: &[Vec<f64>], right: &[Vec<f64>], nodes: &[u32], temperature: f64) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let odds = |a: &[f64], b: &[f64]| (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt() / temperature).exp();
        let term = |(left, &node): (&Vec<f64>, &u32)| {
            let all: f64 = right.iter().map(|right| odds(left, right)).sum();
            -(odds(left, &right[node as usize]) / all).ln()
        };
        left.iter().zip(nodes).map(term).sum::<f64>() / nodes.len() as f64
    }

    /// Every row through a perceptron, in double precision.
    fn through(mlp: &Mlp, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let shape = mlp.shape();
        let wide = |table: &[f32]| table.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let tables: Vec<Vec<f64>> = mlp.tables().iter().map(|table| wide(table)).collect();
        let layer = |x: &[f64], weights: &[f64], bias: &[f64], width: usize| -> Vec<f64> {
            (0..width)
                .map(|k| {
                    bias[k]
                        + x.iter().enumerate().map(|(j, x)| x * weights[j * padded(width) + k]).sum::<f64>()
                })
                .collect()
        };
        let one = |row: &Vec<f64>| {
            let mut hidden = layer(row, &tables[0], &tables[1], shape.hidden);
            hidden.iter_mut().for_each(|h| *h = h.max(0.01 * *h));
            layer(&hidden, &tables[2], &tables[3], shape.output)
        };
        rows.iter().map(one).collect()
    }

    /// Mean ranking loss plus weighted alignment at these ego vectors, in double precision. Layers none: vectors
    /// score as they are, since propagation has its own test.
    fn plain_loss(learner: &RlmLearner<'_>, ego: &[f64], triples: &[Triple], nodes: &[Vec<u32>; 2]) -> f64 {
        let stride = learner.gcn.stride();
        let width = learner.params.embedding_size as usize;
        let row = |node: usize| ego[node * stride..node * stride + width].to_vec();
        let n_users = learner.gcn.n_users();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let ranking = |t: &Triple| {
            let (user, pos, neg) =
                (row(t.user as usize), row(n_users + t.pos as usize), row(n_users + t.neg as usize));
            (1.0 + (dot(&user, &neg) - dot(&user, &pos)).exp()).ln()
        };
        let mut loss = triples.iter().map(ranking).sum::<f64>() / triples.len() as f64;
        for (side, nodes) in nodes.iter().enumerate() {
            let rows = learner.rows_of_side(side);
            let vectors: Vec<Vec<f64>> = nodes.iter().map(|&node| row(node as usize)).collect();
            let profile =
                |row: usize| learner.profiles[row * 8..][..6].iter().map(|&x| f64::from(x)).collect();
            let profiles: Vec<Vec<f64>> = rows.clone().map(profile).collect();
            let places: Vec<u32> = nodes.iter().map(|&node| node - rows.start as u32).collect();
            let temperature = learner.params.temperature;
            loss += learner.params.alignment
                * match learner.params.variant {
                    Variant::Con => {
                        plain_alignment(&vectors, &through(&learner.mlp, &profiles), &places, temperature)
                    }
                    Variant::Gen => {
                        plain_alignment(&through(&learner.mlp, &vectors), &profiles, &places, temperature)
                    }
                };
        }
        loss
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (train, _) = toy::interactions();
        for variant in ["con", "gen"] {
            let p = params(&format!(
                "variant = \"{variant}\"\naligned = \"both\"\nn_layers = 0\nembedding_size = 5\nreg = 0.0\ninit_std = 0.7\nalignment = 0.8\n\
                 temperature = 0.4\nn_aligned = 20"
            ));
            let gcn = Gcn::new(p.settings(), &train.matrix, &toy::context());
            let (users, items) = (draw(toy::N_USERS, 6, 1), draw(toy::N_ITEMS, 6, 2));
            let mut learner = RlmLearner::new(p, gcn, &users, &items);
            learner.mask = vec![0.3, -0.2, 0.5, 0.1, -0.4, 0.0, 0.0, 0.0];
            let samples = learner.gcn.samples(1);
            let (_, batch) = samples.batches().next().expect("a batch");
            let batch = &batch[..60];
            let nodes = learner.nodes(batch, 1);
            let found = learner.differentiate(batch, &nodes) / batch.len() as f64;
            let ego: Vec<f64> = learner.gcn.ego.iter().map(|&x| f64::from(x)).collect();
            let plain = |ego: &[f64]| plain_loss(&learner, ego, batch, &nodes);
            assert!((found / plain(&ego) - 1.0).abs() < 1e-5, "{variant}: {found} {}", plain(&ego));
            let aligned =
                nodes.iter().flat_map(|nodes| &nodes[..4]).map(|&row| row as usize * 8 + row as usize % 5);
            let of_batch = batch.iter().take(6).map(|t| t.user as usize * 8 + 1);
            for at in aligned.chain(of_batch) {
                let (mut up, mut down) = (ego.clone(), ego.clone());
                up[at] += 1e-5;
                down[at] -= 1e-5;
                let slope = (plain(&up) - plain(&down)) / 2e-5;
                let gradient = f64::from(learner.gcn.gradient[at]);
                assert!((gradient - slope).abs() < 1e-5, "{variant}, {at}: {gradient} {slope}");
            }
        }
    }

    #[test]
    fn masked_vectors_come_back_as_they_were_and_do_not_move() {
        let (train, _) = toy::interactions();
        let p = params("variant = \"gen\"\naligned = \"both\"\nembedding_size = 5");
        let gcn = Gcn::new(p.settings(), &train.matrix, &toy::context());
        let (users, items) = (draw(toy::N_USERS, 6, 1), draw(toy::N_ITEMS, 6, 2));
        let mut learner = RlmLearner::new(p, gcn, &users, &items);
        let before = learner.gcn.ego.clone();
        let samples = learner.gcn.samples(1);
        let (step, batch) = samples.batches().next().expect("a batch");
        let nodes = learner.nodes(batch, step);
        learner.differentiate(batch, &nodes);
        assert_ne!(learner.gcn.ego, before, "masks are on");
        learner.take_masks(&nodes, Rate::of_step(0.01, 1));
        assert_eq!(learner.gcn.ego, before);
        assert!(nodes.iter().flatten().all(|&row| learner.gcn.gradient[row as usize * 8..][..8] == [0.0; 8]));
        assert!(learner.mask.iter().any(|&x| x != 0.0), "the mask is learned");
    }

    #[test]
    fn tells_two_tastes_apart_with_the_same_bits_on_one_thread_and_two() {
        for variant in ["con", "gen"] {
            let p = params(&format!(
                "variant = \"{variant}\"\nalignment = 0.01\nepochs = 20\nbatch_size = 500\nembedding_size = 20"
            ));
            let (one, two) = (toy::fit(&p, 1), toy::fit(&p, 2));
            assert_eq!(one.files, two.files);
            assert!(one.share_of_own_taste > 0.97, "{variant}: {}", one.share_of_own_taste);
        }
    }

    #[test]
    fn its_state_is_all_a_resumed_run_needs() {
        let (train, _) = toy::interactions();
        for variant in ["con", "gen"] {
            let p = params(&format!(
                "variant = \"{variant}\"\naligned = \"both\"\nepochs = 3\nembedding_size = 8\nbatch_size = 300"
            ));
            toy::assert_resumes(|| {
                let gcn = Gcn::new(p.settings(), &train.matrix, &toy::context());
                RlmLearner::new(p.clone(), gcn, &draw(toy::N_USERS, 6, 1), &draw(toy::N_ITEMS, 6, 2))
            });
        }
    }

    #[test]
    fn profiles_that_are_not_there_are_missed() {
        let told = toy::try_fit(&params("user_text = \"profiles\"\naligned = \"both\""), 1)
            .err()
            .expect("no profiles")
            .to_string();
        assert!(told.contains("profiles.users"), "{told}");
    }
}

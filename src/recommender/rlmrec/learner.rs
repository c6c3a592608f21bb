//! LightGCN and the alignment of `rlmrec` in training. Sides are users and items, in this order.

use super::{Aligned, RlmRecParams, Variant};
use crate::recommender::Training;
use crate::recommender::dense::Matrix;
use crate::recommender::factors::Factors;
use crate::recommender::training::adam::{Decay, Moments, Rate};
use crate::recommender::training::bpr::Triple;
use crate::recommender::training::contrast::{Contrast, Workspace};
use crate::recommender::training::cosine;
use crate::recommender::training::gcn::Gcn;
use crate::recommender::training::init::{pad, padded};
use crate::recommender::training::mlp::{Mlp, Shape};
use crate::recommender::training::negatives::shuffle;
use crate::recommender::training::schedule::Learner;
use crate::recommender::training::validation::Holdout;
use crate::rng::Purpose;

/// LightGCN and the alignment in training. Sides are users and items, in this order.
pub(super) struct RlmLearner<'a> {
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
    pub(super) fn new(params: RlmRecParams, gcn: Gcn<'a>, users: &Matrix, items: &Matrix) -> Self {
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

    /// What was learned, ready to serve.
    pub(super) fn finish(self, training: &Training<'_>) -> Factors {
        self.gcn.factors(training)
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

#[cfg(test)]
mod tests;

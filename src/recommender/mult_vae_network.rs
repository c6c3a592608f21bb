//! The network of `mult_vae`: forward, backward, scores. Written out layer by layer,
//! without a tape.
//!
//! With x a user's items (0/1), x̂ = x / |x| after dropout, and all products row-wise:
//!
//! ```text
//! h = tanh(x̂ W1 + b1)   (μ | ln σ²) = h W2 + b2   z = μ + ε σ
//! g = tanh(z W3 + b3)   logits = g W4ᵀ + b4
//! loss = -Σ_i x_i ln softmax(logits)_i + β KL(N(μ, σ²) ‖ N(0, 1))
//! ```
//!
//! Activations are computed in [`CHUNKS`] fixed parts of the batch, weight gradients in parts of their
//! own rows: no sum depends on the number of threads. Sizes are padded to whole lanes; padding starts
//! at zero and has zero gradients, so it stays. Must not know epochs or optimisers.

use super::dense::{View, multiply};
use super::training::CHUNKS;
use super::training::activations::{softmax, tanh};
use super::training::init::{TableKey, normal, padded, xavier_std};
use super::training::layers::{column_sums, fill_rows, transposed_product};
use super::training::spmm::SparseRows;
use crate::rng::Streams;
use rayon::prelude::*;

/// Sizes of the layers, padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Items: the width of input and output.
    pub n_items: usize,
    /// Width of both hidden layers.
    pub hidden: usize,
    /// Width of the latent layer.
    pub latent: usize,
}

/// The weights, or gradients or moments of the same shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Sizes.
    pub shape: Shape,
    /// W1, `n_items × hidden`; b1; W2, `hidden × 2 latent`; b2; W3, `latent × hidden`; b3; W4,
    /// `n_items × hidden`; b4.
    pub tables: [Vec<f32>; 8],
}

impl Weights {
    /// How long every table is.
    pub fn lens(shape: Shape) -> [usize; 8] {
        let Shape { n_items, hidden, latent } = shape;
        [
            n_items * hidden,
            hidden,
            hidden * 2 * latent,
            2 * latent,
            latent * hidden,
            hidden,
            n_items * hidden,
            n_items,
        ]
    }

    /// Everything zero.
    pub fn zeros(shape: Shape) -> Self {
        Weights { shape, tables: Weights::lens(shape).map(|len| vec![0.0; len]) }
    }

    /// Normal draws with Glorot's spread, for layers of these unpadded widths; biases zero.
    pub fn init(n_items: usize, hidden: usize, latent: usize, streams: Streams, round: u32) -> Self {
        let draw = |table: u64, n_rows: usize, width: usize| {
            normal(TableKey { streams, round, table }, n_rows, width, xavier_std(n_rows, width))
        };
        let shape = Shape { n_items, hidden: padded(hidden), latent: padded(latent) };
        let mut weights = Weights::zeros(shape);
        let [w1, _, w2, _, w3, _, w4, _] = &mut weights.tables;
        *w1 = draw(0, n_items, hidden);
        let (means, spreads) = (draw(1, hidden, latent), draw(2, hidden, latent));
        let halves = means.chunks_exact(shape.latent).zip(spreads.chunks_exact(shape.latent));
        for (row, (mean, spread)) in w2.chunks_exact_mut(2 * shape.latent).zip(halves) {
            row[..shape.latent].copy_from_slice(mean);
            row[shape.latent..].copy_from_slice(spread);
        }
        let decode = draw(3, latent, hidden);
        w3[..decode.len()].copy_from_slice(&decode);
        *w4 = draw(4, n_items, hidden);
        weights
    }

    /// Logits of up to as many histories as `out` has rows of `n_items`, without noise (z = μ). Every
    /// product has the shape that `out` gives it, whatever the histories.
    pub fn scores(&self, histories: &[&[u32]], out: &mut [f32]) {
        let Shape { n_items, hidden, latent } = self.shape;
        let n_rows = out.len() / n_items.max(1);
        let [w1, b1, ..] = &self.tables;
        let mut h = vec![0f32; n_rows * hidden];
        for (row, items) in h.chunks_exact_mut(hidden).zip(histories) {
            let share = 1.0 / (items.len().max(1) as f32).sqrt();
            for &item in *items {
                let from = &w1[item as usize * hidden..][..hidden];
                row.iter_mut().zip(from).for_each(|(to, from)| *to += share * from);
            }
            row.iter_mut().zip(b1).for_each(|(to, bias)| *to += bias);
        }
        tanh(&mut h);
        let mut stats = vec![0f32; n_rows * 2 * latent];
        self.encode(n_rows, &h, &mut stats);
        let mut z = vec![0f32; n_rows * latent];
        for (z, stats) in z.chunks_exact_mut(latent).zip(stats.chunks_exact(2 * latent)) {
            z.copy_from_slice(&stats[..latent]);
        }
        self.decode(n_rows, &z, &mut h, out);
    }

    /// `stats = h W2 + b2`.
    fn encode(&self, n_rows: usize, h: &[f32], stats: &mut [f32]) {
        let Shape { hidden, latent, .. } = self.shape;
        let [_, _, w2, b2, ..] = &self.tables;
        fill_rows(stats, b2);
        let weights = View::new(w2, hidden, 2 * latent, 2 * latent);
        multiply(stats, 2 * latent, 1.0, 1.0, View::new(h, n_rows, hidden, hidden), weights);
    }

    /// `g = tanh(z W3 + b3)`, `logits = g W4ᵀ + b4`.
    fn decode(&self, n_rows: usize, z: &[f32], g: &mut [f32], logits: &mut [f32]) {
        let Shape { n_items, hidden, latent } = self.shape;
        let [.., w3, b3, w4, b4] = &self.tables;
        fill_rows(g, b3);
        let weights = View::new(w3, latent, hidden, hidden);
        multiply(g, hidden, 1.0, 1.0, View::new(z, n_rows, latent, latent), weights);
        tanh(g);
        fill_rows(logits, b4);
        let weights = View::new(w4, n_items, hidden, hidden).t();
        multiply(logits, n_items, 1.0, 1.0, View::new(g, n_rows, hidden, hidden), weights);
    }
}

/// One batch of users: what goes in.
#[derive(Clone, Debug, Default)]
pub struct Batch<'a> {
    /// Every user's items.
    pub histories: Vec<&'a [u32]>,
    /// x̂ after dropout, one row a user.
    pub input: SparseRows,
    /// ε, one padded row of `latent` a user, zero in the padding.
    pub noise: Vec<f32>,
}

/// Activations and their gradients, kept between batches for their memory.
#[derive(Default)]
pub struct Workspace {
    h: Vec<f32>,
    stats: Vec<f32>,
    z: Vec<f32>,
    g: Vec<f32>,
    /// Logits, then probabilities, then the loss gradient by the logits.
    logits: Vec<f32>,
    d_h: Vec<f32>,
    d_stats: Vec<f32>,
    d_g: Vec<f32>,
    transposed: SparseRows,
}

/// The rows of one chunk of the batch.
struct Chunk<'a> {
    histories: &'a [&'a [u32]],
    noise: &'a [f32],
    h: &'a mut [f32],
    stats: &'a mut [f32],
    z: &'a mut [f32],
    g: &'a mut [f32],
    logits: &'a mut [f32],
    d_h: &'a mut [f32],
    d_stats: &'a mut [f32],
    d_g: &'a mut [f32],
}

impl Workspace {
    /// Writes the gradient of the batch's mean loss with respect to every weight; returns the summed loss.
    pub fn differentiate(
        &mut self,
        weights: &Weights,
        batch: &Batch<'_>,
        beta: f32,
        to: &mut Weights,
    ) -> f64 {
        let Shape { n_items, hidden, latent } = weights.shape;
        let n_rows = batch.histories.len();
        for (table, width) in [
            (&mut self.h, hidden),
            (&mut self.stats, 2 * latent),
            (&mut self.z, latent),
            (&mut self.g, hidden),
            (&mut self.logits, n_items),
            (&mut self.d_h, hidden),
            (&mut self.d_stats, 2 * latent),
            (&mut self.d_g, hidden),
        ] {
            table.resize(n_rows * width, 0.0);
        }
        batch.input.multiply(&mut self.h, &weights.tables[0], None, 1.0, hidden);
        let share = 1.0 / n_rows.max(1) as f32;
        let losses: Vec<f64> = self
            .chunks(weights.shape, batch)
            .into_par_iter()
            .map(|chunk| chunk.forward_and_back(weights, beta, share))
            .collect();
        self.weight_gradients(weights.shape, batch, to);
        losses.iter().sum()
    }

    fn chunks<'a>(&'a mut self, shape: Shape, batch: &'a Batch<'_>) -> Vec<Chunk<'a>> {
        let Shape { n_items, hidden, latent } = shape;
        let rows = batch.histories.len().div_ceil(CHUNKS).max(1);
        let mut noise = batch.noise.chunks(rows * latent);
        let mut h = self.h.chunks_mut(rows * hidden);
        let mut stats = self.stats.chunks_mut(rows * 2 * latent);
        let mut z = self.z.chunks_mut(rows * latent);
        let mut g = self.g.chunks_mut(rows * hidden);
        let mut logits = self.logits.chunks_mut((rows * n_items).max(1));
        let mut d_h = self.d_h.chunks_mut(rows * hidden);
        let mut d_stats = self.d_stats.chunks_mut(rows * 2 * latent);
        let mut d_g = self.d_g.chunks_mut(rows * hidden);
        let chunk = |histories| Chunk {
            histories,
            noise: noise.next().unwrap_or_default(),
            h: h.next().unwrap_or_default(),
            stats: stats.next().unwrap_or_default(),
            z: z.next().unwrap_or_default(),
            g: g.next().unwrap_or_default(),
            logits: logits.next().unwrap_or_default(),
            d_h: d_h.next().unwrap_or_default(),
            d_stats: d_stats.next().unwrap_or_default(),
            d_g: d_g.next().unwrap_or_default(),
        };
        batch.histories.chunks(rows).map(chunk).collect()
    }

    fn weight_gradients(&mut self, shape: Shape, batch: &Batch<'_>, to: &mut Weights) {
        let Shape { n_items, hidden, latent } = shape;
        let [w1, b1, w2, b2, w3, b3, w4, b4] = &mut to.tables;
        batch.input.transpose_into(n_items, &mut self.transposed);
        self.transposed.multiply(w1, &self.d_h, None, 1.0, hidden);
        column_sums(b1, &self.d_h);
        transposed_product(w2, (&self.h, hidden), (&self.d_stats, 2 * latent));
        column_sums(b2, &self.d_stats);
        transposed_product(w3, (&self.z, latent), (&self.d_g, hidden));
        column_sums(b3, &self.d_g);
        transposed_product(w4, (&self.logits, n_items), (&self.g, hidden));
        column_sums(b4, &self.logits);
    }
}

impl Chunk<'_> {
    /// From `h` before its bias to `d_h`; returns the summed loss. `share` weighs one user.
    fn forward_and_back(self, weights: &Weights, beta: f32, share: f32) -> f64 {
        let Shape { n_items, hidden, latent } = weights.shape;
        let [_, b1, w2, _, w3, _, w4, _] = &weights.tables;
        let n_rows = self.histories.len();
        for row in self.h.chunks_exact_mut(hidden) {
            row.iter_mut().zip(b1).for_each(|(to, bias)| *to += bias);
        }
        tanh(self.h);
        weights.encode(n_rows, self.h, self.stats);
        let latents = self.stats.chunks_exact(2 * latent).zip(self.noise.chunks_exact(latent));
        for (z, (stats, noise)) in self.z.chunks_exact_mut(latent).zip(latents) {
            for k in 0..latent {
                z[k] = stats[k] + noise[k] * (0.5 * stats[latent + k]).exp();
            }
        }
        weights.decode(n_rows, self.z, self.g, self.logits);
        let mut loss = 0.0;
        for (row, items) in self.logits.chunks_exact_mut(n_items).zip(self.histories) {
            loss += multinomial(row, items, share);
        }
        let d_logits = View::new(self.logits, n_rows, n_items, n_items);
        multiply(self.d_g, hidden, 0.0, 1.0, d_logits, View::new(w4, n_items, hidden, hidden));
        back_through_tanh(self.d_g, self.g);
        // The left half of d_stats first holds dz = dμ; the right half is made from it.
        let d_g = View::new(self.d_g, n_rows, hidden, hidden);
        multiply(self.d_stats, 2 * latent, 0.0, 1.0, d_g, View::new(w3, latent, hidden, hidden).t());
        let rows = self.d_stats.chunks_exact_mut(2 * latent).zip(self.stats.chunks_exact(2 * latent));
        for ((d_stats, stats), noise) in rows.zip(self.noise.chunks_exact(latent)) {
            loss += f64::from(beta) * latent_gradient(d_stats, stats, noise, beta * share);
        }
        let d_stats = View::new(self.d_stats, n_rows, 2 * latent, 2 * latent);
        let weights = View::new(w2, hidden, 2 * latent, 2 * latent).t();
        multiply(self.d_h, hidden, 0.0, 1.0, d_stats, weights);
        back_through_tanh(self.d_h, self.h);
        loss
    }
}

/// Turns a row of logits into the gradient of `share` times the multinomial loss; returns the loss.
fn multinomial(row: &mut [f32], items: &[u32], share: f32) -> f64 {
    let logits: f64 = items.iter().map(|&item| f64::from(row[item as usize])).sum();
    let n = items.len() as f32;
    let loss = f64::from(n) * softmax(row) - logits;
    row.iter_mut().for_each(|p| *p *= n * share);
    items.iter().for_each(|&item| row[item as usize] -= share);
    loss
}

/// From dz (left half) to (dμ | d ln σ²) with the gradient of `beta` times the KL divergence; returns
/// the divergence.
fn latent_gradient(d_stats: &mut [f32], stats: &[f32], noise: &[f32], beta: f32) -> f64 {
    let latent = noise.len();
    let (d_mean, d_spread) = d_stats.split_at_mut(latent);
    let (mean, spread) = stats.split_at(latent);
    let mut divergence = 0.0;
    for k in 0..latent {
        let deviation = (0.5 * spread[k]).exp();
        let variance = deviation * deviation;
        divergence += f64::from(0.5 * (mean[k] * mean[k] + variance - 1.0 - spread[k]));
        d_spread[k] = 0.5 * (d_mean[k] * noise[k] * deviation + beta * (variance - 1.0));
        d_mean[k] += beta * mean[k];
    }
    divergence
}

/// Multiplies by the derivative of tanh, given its values.
fn back_through_tanh(gradient: &mut [f32], values: &[f32]) {
    gradient.iter_mut().zip(values).for_each(|(gradient, value)| *gradient *= 1.0 - value * value);
}

//! InfoNCE: an anchor's positives are told from everything else by softmax over scaled inner products.
//!
//! van den Oord, Li and Vinyals, "Representation learning with contrastive predictive coding", 2018,
//! equation 4. An anchor may have several positives; each is contrasted with all candidates that are none of
//! them, never with another positive:
//!
//! ```text
//! s_j = a · c_j / τ + b_j
//! loss = -Σ_p w_p ln( e^{s_p} / (e^{s_p} + Σ_{j ∉ positives} e^{s_j}) )
//! ```
//!
//! All negatives are used, so one product a batch scores every pair and the positives of an anchor cost next
//! to nothing. A positive of weight 0 is a candidate that is left out for this anchor. Anchors are
//! cut into fixed parts and every candidate's gradient is summed in anchor order: the same bits at any
//! number of threads. Must not know what anchors and candidates are.

use super::kernels::{exp, has_avx2};
use super::layers::transposed_product;
use crate::recommender::dense::{View, multiply};
use rayon::prelude::*;

/// Anchors that a thread scores at once.
const ROWS: usize = 32;

/// One batch: what is contrasted with what.
#[derive(Clone, Copy, Debug)]
pub struct Contrast<'a> {
    /// Padded rows of `stride`, one an anchor.
    pub anchors: &'a [f32],
    /// Padded rows of `stride`, one a candidate.
    pub candidates: &'a [f32],
    /// Length of a row.
    pub stride: usize,
    /// τ.
    pub temperature: f32,
    /// Every anchor's positives: candidates, ascending, and their weights.
    pub positives: &'a [(&'a [u32], &'a [f32])],
    /// `b`, one a candidate, where there is one.
    pub bias: Option<&'a [f32]>,
}

/// Memory kept between batches.
#[derive(Default)]
pub struct Workspace {
    /// Scores, then the loss gradient with respect to them.
    scores: Vec<f32>,
    /// Gradient with respect to the anchors.
    pub d_anchors: Vec<f32>,
    /// Gradient with respect to the candidates.
    pub d_candidates: Vec<f32>,
}

impl Workspace {
    /// Fills both gradients with those of `scale` times the loss; returns the loss itself.
    ///
    /// # Panics
    /// When the shapes do not fit, or a positive is no candidate.
    pub fn differentiate(&mut self, batch: &Contrast<'_>, scale: f32) -> f64 {
        self.differentiate_with(batch, |anchor, row| {
            let (positives, weights) = batch.positives[anchor];
            contrast(row, positives, weights, batch.bias, scale)
        })
    }

    /// The same for another loss: `loss` turns the scores of an anchor, given by its number, into their
    /// gradient and returns the loss.
    pub fn differentiate_with(
        &mut self,
        batch: &Contrast<'_>,
        loss: impl Fn(usize, &mut [f32]) -> f64 + Sync,
    ) -> f64 {
        let Contrast { anchors, candidates, stride, temperature, positives, .. } = *batch;
        let (n_anchors, n_candidates) = (anchors.len() / stride, candidates.len() / stride);
        assert_eq!(positives.len(), n_anchors, "one list of positives an anchor");
        assert!(batch.bias.is_none_or(|bias| bias.len() == n_candidates), "one bias a candidate");
        self.scores.resize(n_anchors * n_candidates, 0.0);
        self.d_anchors.resize(anchors.len(), 0.0);
        self.d_candidates.resize(candidates.len(), 0.0);
        if n_anchors == 0 || n_candidates == 0 {
            self.d_anchors.fill(0.0);
            self.d_candidates.fill(0.0);
            return 0.0;
        }
        let sharp = 1.0 / temperature;
        let tables = self.scores.par_chunks_mut(ROWS * n_candidates);
        let losses: Vec<f64> = anchors
            .par_chunks(ROWS * stride)
            .zip(tables.zip(self.d_anchors.par_chunks_mut(ROWS * stride)))
            .enumerate()
            .map(|(part, (anchors, (scores, d_anchors)))| {
                let n_rows = anchors.len() / stride;
                let rows = View::new(anchors, n_rows, stride, stride);
                let columns = View::new(candidates, n_candidates, stride, stride);
                multiply(scores, n_candidates, 0.0, sharp, rows, columns.t());
                let rows = scores.chunks_exact_mut(n_candidates).enumerate();
                let sum = rows.map(|(at, row)| loss(part * ROWS + at, row)).sum();
                let slopes = View::new(scores, n_rows, n_candidates, n_candidates);
                multiply(d_anchors, stride, 0.0, sharp, slopes, columns);
                sum
            })
            .collect();
        transposed_product(&mut self.d_candidates, (&self.scores, n_candidates), (anchors, stride));
        self.d_candidates.par_chunks_mut(1 << 14).for_each(|part| part.iter_mut().for_each(|x| *x *= sharp));
        losses.iter().sum()
    }
}

/// Turns a row of scores into the gradient of `scale` times its loss; returns the loss.
fn contrast(row: &mut [f32], positives: &[u32], weights: &[f32], bias: Option<&[f32]>, scale: f32) -> f64 {
    if let Some(bias) = bias {
        row.iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
    }
    let own: Vec<f32> = positives.iter().map(|&positive| row[positive as usize]).collect();
    // Out of the way of the sum over negatives.
    positives.iter().for_each(|&positive| row[positive as usize] = f32::NEG_INFINITY);
    let largest = row.iter().fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most });
    let negatives = exponentials(row, largest);
    // How far the negatives together stand above a score: minus infinity where there are none.
    let level =
        if largest == f32::NEG_INFINITY { f64::NEG_INFINITY } else { f64::from(largest) + negatives.ln() };
    let mut loss = 0f64;
    let mut share = 0f64;
    for ((&positive, &score), &weight) in positives.iter().zip(&own).zip(weights) {
        let gap = level - f64::from(score);
        let missing = 1.0 / (1.0 + (-gap).exp());
        let weight = f64::from(weight);
        row[positive as usize] = 0.0;
        if weight > 0.0 {
            loss += weight * (gap.max(0.0) + (-gap.abs()).exp().ln_1p());
            share += weight * missing / negatives.max(f64::MIN_POSITIVE);
            row[positive as usize] = (-weight * missing) as f32 * scale;
        }
    }
    spread(row, positives, share as f32 * scale);
    loss
}

/// Turns scores into `e^(score − largest)`, minus infinity into 0; returns their sum.
fn exponentials(row: &mut [f32], largest: f32) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[expect(unsafe_code, reason = "calls a function compiled for AVX2 and FMA")]
        // SAFETY: the instructions it needs were just found on this machine.
        return unsafe { exponentials_avx2(row, largest) };
    }
    exponentials_with::<false>(row, largest)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn exponentials_avx2(row: &mut [f32], largest: f32) -> f64 {
    exponentials_with::<true>(row, largest)
}

#[inline(always)]
fn exponentials_with<const FMA: bool>(row: &mut [f32], largest: f32) -> f64 {
    // Sixteen running sums, so that the order of addition is fixed and vectorises.
    let mut sums = [0f32; 16];
    let (lanes, rest) = row.as_chunks_mut::<16>();
    for lane in lanes {
        for k in 0..16 {
            let odds = exp::<FMA>(lane[k] - largest);
            lane[k] = if lane[k] == f32::NEG_INFINITY { 0.0 } else { odds };
            sums[k] += lane[k];
        }
    }
    let mut sum: f64 = 0.0;
    for x in rest {
        *x = if *x == f32::NEG_INFINITY { 0.0 } else { exp::<FMA>(*x - largest) };
        sum += f64::from(*x);
    }
    sum + sums.iter().map(|&x| f64::from(x)).sum::<f64>()
}

/// Scales every negative, leaving the positives, which have their gradient already.
fn spread(row: &mut [f32], positives: &[u32], share: f32) {
    let mut first = 0;
    for &positive in positives {
        row[first..positive as usize].iter_mut().for_each(|x| *x *= share);
        first = positive as usize + 1;
    }
    row[first..].iter_mut().for_each(|x| *x *= share);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;

    /// The loss in double precision, straight from its formula.
    fn plain_loss(batch: &Contrast<'_>, anchors: &[f64], candidates: &[f64]) -> f64 {
        let stride = batch.stride;
        let mut loss = 0.0;
        for (anchor, (positives, weights)) in anchors.chunks_exact(stride).zip(batch.positives) {
            let score = |(at, candidate): (usize, &[f64])| {
                let dot: f64 = anchor.iter().zip(candidate).map(|(a, c)| a * c).sum();
                dot / f64::from(batch.temperature) + batch.bias.map_or(0.0, |bias| f64::from(bias[at]))
            };
            let scores: Vec<f64> = candidates.chunks_exact(stride).enumerate().map(score).collect();
            let is_negative = |at: &usize| !positives.contains(&(*at as u32));
            let negatives: f64 = (0..scores.len()).filter(is_negative).map(|at| scores[at].exp()).sum();
            for (&positive, &weight) in positives.iter().zip(*weights) {
                let odds = scores[positive as usize].exp();
                loss -= f64::from(weight) * (odds / (odds + negatives)).ln();
            }
        }
        loss
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mut rng = Streams::new(2).stream(Purpose::Noise, 0, 0, 0);
        let mut draw = |n: usize| (0..n).map(|_| rng.random::<f32>() - 0.5).collect::<Vec<f32>>();
        // More anchors than a part, more candidates than one block of the exponentials.
        let (stride, n_anchors, n_candidates) = (8, 37, 43);
        let (anchors, candidates, bias) =
            (draw(n_anchors * stride), draw(n_candidates * stride), draw(n_candidates));
        let lists: Vec<(Vec<u32>, Vec<f32>)> = (0..n_anchors as u32)
            .map(|k| match k % 3 {
                0 => (vec![k], vec![1.0]),
                1 => (vec![0, 7, 16, 42], vec![0.5, 0.0, 2.0, 1.0]),
                _ => (vec![], vec![]),
            })
            .collect();
        let positives: Vec<(&[u32], &[f32])> = lists.iter().map(|(p, w)| (&p[..], &w[..])).collect();
        for bias in [None, Some(&bias[..])] {
            let batch = Contrast {
                anchors: &anchors,
                candidates: &candidates,
                stride,
                temperature: 0.2,
                positives: &positives,
                bias,
            };
            let mut workspace = Workspace::default();
            let loss = workspace.differentiate(&batch, 0.25);
            let wide = |rows: &[f32]| rows.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
            let (a, c) = (wide(&anchors), wide(&candidates));
            assert!((loss / plain_loss(&batch, &a, &c) - 1.0).abs() < 1e-5);
            for at in (0..a.len()).step_by(5) {
                let (mut up, mut down) = (a.clone(), a.clone());
                (up[at], down[at]) = (a[at] + 1e-5, a[at] - 1e-5);
                let slope = (plain_loss(&batch, &up, &c) - plain_loss(&batch, &down, &c)) / 2e-5 * 0.25;
                assert!((f64::from(workspace.d_anchors[at]) - slope).abs() < 2e-5, "anchor number {at}");
            }
            for at in (0..c.len()).step_by(5) {
                let (mut up, mut down) = (c.clone(), c.clone());
                (up[at], down[at]) = (c[at] + 1e-5, c[at] - 1e-5);
                let slope = (plain_loss(&batch, &a, &up) - plain_loss(&batch, &a, &down)) / 2e-5 * 0.25;
                assert!(
                    (f64::from(workspace.d_candidates[at]) - slope).abs() < 2e-5,
                    "candidate number {at}"
                );
            }
        }
    }

    #[test]
    fn scores_far_apart_neither_overflow_nor_divide_by_zero() {
        let anchors = [1.0f32, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let candidates: Vec<f32> =
            [1000.0f32, -1000.0, 0.0].iter().flat_map(|&x| [x, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).collect();
        for (list, weights) in
            [(vec![1u32], vec![1.0f32]), (vec![0, 1, 2], vec![0.0; 3]), (vec![0, 1, 2], vec![1.0; 3])]
        {
            let positives = [(&list[..], &weights[..])];
            let batch = Contrast {
                anchors: &anchors,
                candidates: &candidates,
                stride: 8,
                temperature: 0.1,
                positives: &positives,
                bias: None,
            };
            let mut workspace = Workspace::default();
            assert!(workspace.differentiate(&batch, 1.0).is_finite(), "{list:?} {weights:?}");
            assert!(workspace.d_candidates.iter().chain(&workspace.d_anchors).all(|x| x.is_finite()));
        }
    }
}

//! Mini-batches for Bayesian personalised ranking: every positive pair once an epoch in
//! random order, each with a negative the user does not have.
//!
//! Draws are keyed by round, chunk and epoch; the number of chunks is fixed. Must not know models.

use super::CHUNKS;
use super::kernels::{LogSum, dot_difference, exp, has_avx2, share};
use super::negatives::{Seen, below, shuffle};
use crate::dataset::sparse::Csr;
use crate::rng::{Purpose, Streams};
use rayon::prelude::*;

/// A user, an item they have, and one they do not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triple {
    /// The user.
    pub user: u32,
    /// The positive item.
    pub pos: u32,
    /// The negative item.
    pub neg: u32,
}

/// The key subject of the order of an epoch, apart from those of the chunks.
const ORDER: u64 = u64::MAX;

/// Draws the samples of one epoch. Users who have every item have no negative and are left out.
pub fn sample_epoch(train: &Csr, seen: &Seen<'_>, streams: Streams, round: u32, epoch: u32) -> Vec<Triple> {
    let n_items = train.n_cols as u32;
    let mut triples: Vec<Triple> = (0..train.n_rows)
        .filter(|&user| train.row(user).0.len() < train.n_cols)
        .flat_map(|user| train.row(user).0.iter().map(move |&pos| Triple { user: user as u32, pos, neg: 0 }))
        .collect();
    shuffle(&mut triples, &mut streams.stream(Purpose::Training, round, ORDER, epoch));
    let chunk_len = triples.len().div_ceil(CHUNKS).max(1);
    triples.par_chunks_mut(chunk_len).enumerate().for_each(|(chunk, triples)| {
        let mut rng = streams.stream(Purpose::Training, round, chunk as u64, epoch);
        for triple in triples {
            triple.neg = loop {
                let item = below(&mut rng, n_items);
                if !seen.has(triple.user, item) {
                    break item;
                }
            };
        }
    });
    triples
}

/// Samples a thread takes at once.
const PART: usize = 512;

/// Scores every sample by the inner products of padded rows: writes `−σ(−x)`, the derivative
/// of the loss `−ln σ(x)` by the difference `x = x_ui − x_uj`, and returns the summed loss.
///
/// # Panics
/// When there is not one slope a sample.
pub fn slopes(triples: &[Triple], users: &[f32], items: &[f32], stride: usize, slopes: &mut [f32]) -> f64 {
    assert_eq!(triples.len(), slopes.len(), "one slope a sample");
    let losses: Vec<f64> = triples
        .par_chunks(PART)
        .zip(slopes.par_chunks_mut(PART))
        .map(|(triples, slopes)| part_slopes(triples, users, items, stride, slopes))
        .collect();
    losses.iter().sum()
}

fn part_slopes(triples: &[Triple], users: &[f32], items: &[f32], stride: usize, slopes: &mut [f32]) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[expect(unsafe_code, reason = "calls a function compiled for AVX2 and FMA")]
        // SAFETY: the instructions it needs were just found on this machine.
        return unsafe { part_slopes_avx2(triples, users, items, stride, slopes) };
    }
    part_slopes_with::<false>(triples, users, items, stride, slopes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn part_slopes_avx2(
    triples: &[Triple],
    users: &[f32],
    items: &[f32],
    stride: usize,
    slopes: &mut [f32],
) -> f64 {
    part_slopes_with::<true>(triples, users, items, stride, slopes)
}

#[inline(always)]
fn part_slopes_with<const FMA: bool>(
    triples: &[Triple],
    users: &[f32],
    items: &[f32],
    stride: usize,
    slopes: &mut [f32],
) -> f64 {
    let row = |at: u32| at as usize * stride..(at as usize + 1) * stride;
    let mut loss = LogSum::default();
    for (triple, slope) in triples.iter().zip(slopes) {
        let user = &users[row(triple.user)];
        let (pos, neg) = (&items[row(triple.pos)], &items[row(triple.neg)]);
        let odds = exp::<FMA>(-dot_difference::<FMA>(user, pos, neg));
        loss.add(odds);
        *slope = -share(odds);
    }
    loss.finish()
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn every_positive_comes_once_with_a_true_negative_and_epochs_differ() {
        let (train, _) = toy::interactions();
        let seen = Seen::new(&train.matrix);
        let sample = |epoch| sample_epoch(&train.matrix, &seen, Streams::new(1), 0, epoch);
        let first = sample(1);
        let mut pairs: Vec<(u32, u32)> = first.iter().map(|t| (t.user, t.pos)).collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), train.len());
        assert!(first.iter().all(|t| seen.has(t.user, t.pos) && !seen.has(t.user, t.neg)));
        assert_eq!(first, sample(1));
        assert_ne!(first, sample(2));
    }
}

//! From scores to ranked lists: masking, partial selection, the one tie-break.
//!
//! Every score-based recommender ends here, so that equal scores are broken the same
//! way everywhere: **the higher score first; of equal scores the lower [`ItemId`]; what
//! is not a number never ranks**. Nothing here may know where scores come from.
//!
//! Three ways in, by what a model can produce cheaply:
//! [`top_n`] for one row, [`rank_rows`] for models that score one request at a time,
//! [`rank_blocks`] for models that score a block of requests at once (a forward pass).
//! Factor models are served by [`Factors`](super::factors::Factors), which feeds
//! [`TopN`] tile by tile and never holds a whole score row.

use super::{Ranked, Request};
use crate::id::ItemId;
use rayon::prelude::*;
use std::cmp::Ordering;

/// A score no item can rank with: written over what is excluded.
pub const EXCLUDED: f32 = f32::NAN;

/// Scores looked at in one step of [`TopN::offer`]; a multiple of every vector width.
const STRIDE: usize = 32;

/// Strides whose best scores are compared before any of them is gone through.
const GROUP: usize = 64;

/// The best `n` of a stream of scores, kept by partial selection.
///
/// Scores arrive in ascending item order. The best scores of the first strides give a bar: where `n` strides reach it,
/// no worse score can be among the best `n`. From then on a stride is gone through only if something in it is above
/// the bar. Candidates gather in a buffer a few times `n` long; whenever it is full the best `n` are selected and the
/// worst of them becomes the bar. A later item must beat the bar strictly: on equal scores the earlier, lower id stays.
#[derive(Debug, Default)]
pub struct TopN {
    n: usize,
    bar: f32,
    kept: Vec<(f32, u32)>,
}

impl TopN {
    /// A selector of nothing; [`TopN::reset`] gives it its size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything and selects the best `n` from now on.
    pub fn reset(&mut self, n: usize) {
        self.n = n;
        self.bar = f32::NEG_INFINITY;
        self.kept.clear();
    }

    /// Takes in the scores of the items `first_item, first_item + 1, …`.
    pub fn offer(&mut self, first_item: u32, scores: &[f32]) {
        if self.n == 0 {
            return;
        }
        let mut item = first_item;
        for group in scores.chunks(GROUP * STRIDE) {
            if self.bar == f32::NEG_INFINITY {
                self.raise_bar(group);
            }
            for stride in group.chunks(STRIDE) {
                // While the bar is down everything that is a number is a candidate, even -inf.
                if self.bar == f32::NEG_INFINITY {
                    self.take(item, stride, |score, _| !score.is_nan());
                } else if any_above(stride, self.bar) {
                    self.take(item, stride, |score, bar| score > bar);
                }
                item = item.wrapping_add(stride.len() as u32);
            }
        }
    }

    /// The list, best first. The selector is empty afterwards.
    pub fn finish(&mut self) -> Ranked {
        keep_best(&mut self.kept, self.n);
        self.kept.sort_unstable_by(best_first);
        let items = self.kept.iter().map(|&(_, item)| ItemId(item)).collect();
        let ranked = Ranked::plain(items, self.kept.iter().map(|&(score, _)| score).collect());
        self.kept.clear();
        ranked
    }

    /// Buffer length at which the best `n` are selected: long enough to make selection rare.
    fn capacity(&self) -> usize {
        self.n.saturating_mul(2).saturating_add(4 * STRIDE)
    }

    /// Puts the bar just below the `n`th best of the strides' best scores, if so many strides have one.
    fn raise_bar(&mut self, group: &[f32]) {
        let mut tops = [f32::NEG_INFINITY; GROUP];
        let mut n_tops = 0;
        for stride in group.chunks(STRIDE) {
            tops[n_tops] = highest(stride);
            n_tops += usize::from(tops[n_tops] > f32::NEG_INFINITY);
        }
        if self.n <= n_tops {
            let (_, nth, _) = tops[..n_tops].select_nth_unstable_by(self.n - 1, |a, b| b.total_cmp(a));
            self.bar = nth.next_down();
        }
    }

    /// Takes the scores of one stride that are good, given the bar. Which they are is found for all of them first, so
    /// that no branch hangs on a single score.
    fn take(&mut self, first_item: u32, scores: &[f32], good: impl Fn(f32, f32) -> bool) {
        if self.kept.len().saturating_add(scores.len()) > self.capacity() && self.kept.len() > self.n {
            keep_best(&mut self.kept, self.n);
            self.bar = self.kept.iter().fold(f32::INFINITY, |bar, &(score, _)| bar.min(score));
        }
        let bar = self.bar;
        let mut found =
            scores.iter().enumerate().fold(0u32, |found, (at, &s)| found | u32::from(good(s, bar)) << at);
        while found != 0 {
            let at = found.trailing_zeros();
            self.kept.push((scores[at as usize], first_item + at));
            found &= found - 1;
        }
    }
}

/// Keeps the best `n` of some (score, item) pairs, in no particular order; no score may be NaN.
pub fn keep_best(candidates: &mut Vec<(f32, u32)>, n: usize) {
    if n > 0 && n < candidates.len() {
        candidates.select_nth_unstable_by(n - 1, best_first);
    }
    candidates.truncate(n);
}

/// Whether any of the scores is above the bar; written without an early exit so that it vectorises.
fn any_above(scores: &[f32], bar: f32) -> bool {
    scores.iter().fold(false, |any, &score| any | (score > bar))
}

/// The highest of some scores, -inf where none is a number; in lanes, so that it vectorises.
fn highest(scores: &[f32]) -> f32 {
    let higher = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; 8];
    let eights = scores.chunks_exact(lanes.len());
    let rest = eights.remainder().iter();
    for eight in eights {
        for (lane, &score) in lanes.iter_mut().zip(eight) {
            *lane = higher(*lane, score);
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| higher(a, b))
}

/// The order of ranked lists. Scores here are never NaN, and -0 equals 0.
fn best_first(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1))
}

/// Writes [`EXCLUDED`] over the scores of the request's `known` and `shown` items, where
/// `scores` are those of the items `first_item, first_item + 1, …`.
pub fn exclude(request: &Request<'_>, first_item: u32, scores: &mut [f32]) {
    let start = request.known.partition_point(|&item| item < first_item);
    for &item in &request.known[start..] {
        let Some(score) = scores.get_mut((item - first_item) as usize) else { break };
        *score = EXCLUDED;
    }
    for &ItemId(item) in request.shown {
        if let Some(score) = item.checked_sub(first_item).and_then(|at| scores.get_mut(at as usize)) {
            *score = EXCLUDED;
        }
    }
}

/// The request's best items by one row of scores, one score an item.
///
/// `scores` is overwritten where items are excluded; items past its end do not exist.
pub fn top_n(request: &Request<'_>, scores: &mut [f32], top: &mut TopN) -> Ranked {
    exclude(request, 0, scores);
    top.reset(request.n.min(scores.len()));
    top.offer(0, scores);
    top.finish()
}

/// Ranks for a model that scores one request at a time.
///
/// `fill` writes every one of `n_items` scores of a request into a row that still holds
/// those of another; requests are spread over the threads, and no row knows of another.
pub fn rank_rows(
    n_items: usize,
    requests: &[Request<'_>],
    fill: impl Fn(&Request<'_>, &mut [f32]) + Sync,
) -> Vec<Ranked> {
    rank_blocks(n_items, 1, requests, |block, row| fill(&block[0], row))
}

/// Ranks for a model that scores `block_size` requests at a time.
///
/// `fill` gets up to `block_size` requests and a row-major `block_size × n_items` buffer
/// that holds old numbers; it writes one row a request. The buffer is whole even where
/// requests are fewer, so that `fill` can run its kernels with one shape always: a kernel
/// may round differently for another shape, and then the answer for a request would
/// depend on what else is in the batch.
pub fn rank_blocks(
    n_items: usize,
    block_size: usize,
    requests: &[Request<'_>],
    fill: impl Fn(&[Request<'_>], &mut [f32]) + Sync,
) -> Vec<Ranked> {
    assert!(block_size > 0, "a block holds at least one request");
    requests
        .par_chunks(block_size)
        .map_init(
            || (vec![0f32; block_size * n_items], TopN::new()),
            |(scores, top), block| {
                if block.iter().all(|request| request.n == 0) {
                    return vec![Ranked::default(); block.len()];
                }
                fill(block, scores);
                let row = |at: usize| at * n_items..(at + 1) * n_items;
                block.iter().enumerate().map(|(at, r)| top_n(r, &mut scores[row(at)], top)).collect()
            },
        )
        .collect::<Vec<Vec<Ranked>>>()
        .into_iter()
        .flatten()
        .collect()
}

/// The scores of a list that comes without: 1, 1/2, 1/3, …
pub fn reciprocal_ranks(n: usize) -> Vec<f32> {
    (1..=n).map(|rank| 1.0 / rank as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;

    fn request<'a>(n: usize, known: &'a [u32], shown: &'a [ItemId]) -> Request<'a> {
        Request { user: UserId(0), luck: 0, round: 0, page: 1, n, known, shown, feedback: &[] }
    }

    fn ranked(scores: &[f32], n: usize, known: &[u32], shown: &[ItemId]) -> Vec<u32> {
        let mut scores = scores.to_vec();
        let list = top_n(&request(n, known, shown), &mut scores, &mut TopN::new());
        list.items.iter().map(|item| item.0).collect()
    }

    /// The definition, by a full sort.
    fn slow(scores: &[f32], n: usize, known: &[u32], shown: &[ItemId]) -> Vec<u32> {
        let excluded = |i: &u32| known.contains(i) || shown.contains(&ItemId(*i));
        let mut all: Vec<(f32, u32)> = (0..scores.len() as u32)
            .filter(|i| !excluded(i) && !scores[*i as usize].is_nan())
            .map(|i| (scores[i as usize], i))
            .collect();
        all.sort_by(best_first);
        all.iter().take(n).map(|&(_, i)| i).collect()
    }

    #[test]
    fn ties_go_to_the_lower_id_and_nan_never_ranks() {
        let nan = f32::NAN;
        assert_eq!(ranked(&[1.0, nan, 2.0, 1.0, 2.0], 9, &[], &[]), [2, 4, 0, 3]);
        assert_eq!(ranked(&[0.0, -0.0, 0.0], 2, &[], &[]), [0, 1]);
        assert_eq!(ranked(&[f32::NEG_INFINITY, nan, f32::INFINITY], 3, &[], &[]), [2, 0]);
        assert_eq!(ranked(&[f32::NEG_INFINITY; 200], 3, &[1], &[]), [0, 2, 3]);
        assert_eq!(ranked(&[], 3, &[], &[]), [0u32; 0]);
        assert_eq!(ranked(&[1.0], 0, &[], &[]), [0u32; 0]);
    }

    #[test]
    fn excluded_items_never_rank_even_past_the_catalogue() {
        assert_eq!(ranked(&[3.0, 2.0, 1.0], 3, &[0, 7], &[ItemId(2), ItemId(9)]), [1]);
        assert_eq!(ranked(&[3.0, 2.0], usize::MAX, &[], &[]), [0, 1]);
    }

    #[test]
    fn scores_may_come_in_pieces_of_any_size() {
        let mut rng = Streams::new(6).stream(Purpose::Evaluation, 0, 0, 0);
        let scores: Vec<f32> = (0..9000).map(|_| rng.random_range(0..2000) as f32).collect();
        for n in [1, 20, 63, 64, 65, 700] {
            let whole = ranked(&scores, n, &[], &[]);
            for size in [1, 31, 33, 1000, 2048, 2049] {
                let mut top = TopN::new();
                top.reset(n);
                for (at, piece) in scores.chunks(size).enumerate() {
                    top.offer((at * size) as u32, piece);
                }
                let pieced: Vec<u32> = top.finish().items.iter().map(|item| item.0).collect();
                assert_eq!(pieced, whole, "n {n}, pieces of {size}");
            }
        }
    }

    #[test]
    fn partial_selection_equals_the_full_sort() {
        let mut rng = Streams::new(5).stream(Purpose::Evaluation, 0, 0, 0);
        for case in 0..300 {
            // Mostly less than a group of strides, sometimes several.
            let n_items = rng.random_range(if case % 50 == 0 { 2000..6000 } else { 1..700usize });
            // Few distinct values, so that ties are everywhere.
            let n_levels = if case % 2 == 0 { 5 } else { 1000 };
            let scores: Vec<f32> = (0..n_items)
                .map(|_| match rng.random_range(0..=n_levels) {
                    0 => f32::NAN,
                    1 => f32::NEG_INFINITY,
                    2 if case % 3 == 0 => f32::INFINITY,
                    3 => -0.0,
                    4 => 0.0,
                    level => level as f32 - 500.0,
                })
                .collect();
            let known: Vec<u32> = (0..n_items as u32).filter(|_| rng.random_range(0..4) == 0).collect();
            let shown: Vec<ItemId> = (0..5).map(|_| ItemId(rng.random_range(0..n_items as u32))).collect();
            for n in [1, 4, 20, 300, 1000] {
                assert_eq!(
                    ranked(&scores, n, &known, &shown),
                    slow(&scores, n, &known, &shown),
                    "case {case}, n {n}"
                );
            }
        }
    }

    #[test]
    fn tiles_give_the_list_of_the_whole_row() {
        let mut rng = Streams::new(6).stream(Purpose::Evaluation, 0, 0, 0);
        let scores: Vec<f32> = (0..500).map(|_| rng.random_range(0..40) as f32).collect();
        let known: Vec<u32> = (0..500).step_by(3).collect();
        let shown = [ItemId(499), ItemId(1), ItemId(100)];
        let request = request(17, &known, &shown);
        let whole = top_n(&request, &mut scores.clone(), &mut TopN::new());
        for tile in [1, 7, 64, 499] {
            let mut top = TopN::new();
            top.reset(17);
            for (at, part) in scores.chunks(tile).enumerate() {
                let first = (at * tile) as u32;
                let mut part = part.to_vec();
                exclude(&request, first, &mut part);
                top.offer(first, &part);
            }
            assert_eq!(top.finish(), whole, "tile {tile}");
        }
    }
}

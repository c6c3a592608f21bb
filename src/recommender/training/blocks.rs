//! Stochastic gradient descent in parallel without races: users and items are cut into
//! blocks, and in every sub-epoch each user block works with an item block of its own
//! (the stratification of Gemulla et al., KDD 2011, here for sampled negatives too).
//!
//! Parameters of a sub-epoch's blocks are disjoint, so plain sequential updates inside a block
//! give the same bits at any number of threads. Items are dealt to blocks anew every
//! epoch, so over epochs every pair of items can meet. Must not know the loss.

use super::negatives::shuffle;
use crate::dataset::sparse::Csr;
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use rayon::prelude::*;

/// Blocks of a large data set; more would only cost barriers.
const BLOCKS_MAX: usize = 8;

/// Users or items a block must have before another block is worth it: negatives come from
/// the positive's own block, and a small block would have few of them.
const PER_BLOCK_MIN: usize = 48;

/// The key subject of the deal of items, apart from those of the blocks.
const DEAL: u64 = u64::MAX;

/// How users are cut into blocks, and what one epoch needs.
pub struct Blocks<'a> {
    train: &'a Csr,
    /// Start of every user block, and the end of the last.
    user_starts: Vec<usize>,
    streams: Streams,
    round: u32,
}

/// One user block meeting one item block.
pub struct Meeting<'a> {
    /// First user of the block.
    pub user_start: usize,
    /// Rows of the block's users.
    pub users: &'a mut [f32],
    /// Rows of the block's items, in `item_ids` order.
    pub items: &'a mut [f32],
    /// Which item each row of `items` is.
    pub item_ids: &'a [u32],
    /// Positive pairs in random order: user counted from `user_start`, row of `items`.
    pub pairs: &'a [(u32, u32)],
    /// Randomness of this meeting.
    pub rng: ChaCha8Rng,
}

impl<'a> Blocks<'a> {
    /// Cuts the users so that every block has about the same number of interactions.
    pub fn new(train: &'a Csr, streams: Streams, round: u32) -> Self {
        let n_blocks = (train.n_rows.min(train.n_cols) / PER_BLOCK_MIN).clamp(1, BLOCKS_MAX);
        let mut user_starts = vec![0usize];
        for block in 1..n_blocks {
            let goal = train.nnz() * block / n_blocks;
            let start = train.indptr.partition_point(|&at| at < goal).min(train.n_rows);
            user_starts.push(start.max(user_starts[block - 1]));
        }
        user_starts.push(train.n_rows);
        Blocks { train, user_starts, streams, round }
    }

    fn n_blocks(&self) -> usize {
        self.user_starts.len() - 1
    }

    /// Runs one epoch: every positive pair once, `work` called for every meeting.
    /// `users` and `items` are row-major with rows of `stride`. Returns the sum of what `work` returns.
    pub fn epoch(
        &self,
        epoch: u32,
        stride: usize,
        users: &mut [f32],
        items: &mut [f32],
        work: impl Fn(Meeting<'_>) -> f64 + Sync,
    ) -> f64 {
        let n_blocks = self.n_blocks();
        let (order, starts) = self.deal(epoch);
        let mut dealt = vec![0f32; items.len()];
        dealt.par_chunks_exact_mut(stride).zip(&order).for_each(|(to, &item)| {
            to.copy_from_slice(&items[item as usize * stride..][..stride]);
        });
        let buckets = self.buckets(&order, &starts);
        let mut total = 0.0;
        for step in 0..n_blocks {
            let mut meetings = Vec::with_capacity(n_blocks);
            let mut item_blocks: Vec<Option<&mut [f32]>> =
                cut(&mut dealt, &starts, stride).into_iter().map(Some).collect();
            for (block, rows) in cut(users, &self.user_starts, stride).into_iter().enumerate() {
                let other = (block + step) % n_blocks;
                if let Some(items) = item_blocks[other].take() {
                    meetings.push((block, other, rows, items));
                }
            }
            let losses: Vec<f64> = meetings
                .into_par_iter()
                .map(|(block, other, users, items)| {
                    let mut rng = self.stream((block * n_blocks + other) as u64, epoch);
                    let mut pairs = buckets[block][other].clone();
                    shuffle(&mut pairs, &mut rng);
                    work(Meeting {
                        user_start: self.user_starts[block],
                        users,
                        items,
                        item_ids: &order[starts[other]..starts[other + 1]],
                        pairs: &pairs,
                        rng,
                    })
                })
                .collect();
            total += losses.iter().sum::<f64>();
        }
        for (row, &item) in dealt.chunks_exact(stride).zip(&order) {
            items[item as usize * stride..][..stride].copy_from_slice(row);
        }
        total
    }

    fn stream(&self, subject: u64, epoch: u32) -> ChaCha8Rng {
        self.streams.stream(Purpose::Training, self.round, subject, epoch)
    }

    /// The items in this epoch's random order, and where every block of them starts.
    fn deal(&self, epoch: u32) -> (Vec<u32>, Vec<usize>) {
        let n_items = self.train.n_cols;
        let mut order: Vec<u32> = (0..n_items as u32).collect();
        shuffle(&mut order, &mut self.stream(DEAL, epoch));
        let starts = (0..=self.n_blocks()).map(|block| n_items * block / self.n_blocks()).collect();
        (order, starts)
    }

    /// The positive pairs of every (user block, item block), in the pairs' form of [`Meeting`].
    fn buckets(&self, order: &[u32], starts: &[usize]) -> Vec<Vec<Vec<(u32, u32)>>> {
        let mut place = vec![(0u32, 0u32); order.len()];
        for (block, range) in starts.windows(2).enumerate() {
            for (row, &item) in order[range[0]..range[1]].iter().enumerate() {
                place[item as usize] = (block as u32, row as u32);
            }
        }
        self.user_starts
            .par_windows(2)
            .map(|range| {
                let expected = (self.train.indptr[range[1]] - self.train.indptr[range[0]]) / self.n_blocks();
                let mut buckets = vec![Vec::with_capacity(expected + expected / 8); self.n_blocks()];
                for user in range[0]..range[1] {
                    for &item in self.train.row(user).0 {
                        let (block, row) = place[item as usize];
                        buckets[block as usize].push(((user - range[0]) as u32, row));
                    }
                }
                buckets
            })
            .collect()
    }
}

/// Cuts a table of rows at the given rows.
fn cut<'t>(table: &'t mut [f32], starts: &[usize], stride: usize) -> Vec<&'t mut [f32]> {
    let mut rest = table;
    let mut parts = Vec::with_capacity(starts.len() - 1);
    for range in starts.windows(2) {
        let (part, tail) = rest.split_at_mut((range[1] - range[0]) * stride);
        parts.push(part);
        rest = tail;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn an_epoch_meets_every_positive_once_and_leaves_rows_in_their_place() {
        let (train, _) = toy::interactions();
        let blocks = Blocks::new(&train.matrix, Streams::new(1), 0);
        assert_eq!(blocks.n_blocks(), 2, "the toy world is large enough for two blocks");
        // Every row holds its own number; whoever meets it adds 1,000 to its second place.
        let rows = |n: usize| (0..n).flat_map(|row| [row as f32, 0.0]).collect::<Vec<f32>>();
        let (mut users, mut items) = (rows(toy::N_USERS), rows(toy::N_ITEMS));
        let met = Mutex::new(Vec::new());
        let total = blocks.epoch(1, 2, &mut users, &mut items, |meeting| {
            for &(user, row) in meeting.pairs {
                let (user, row) = (user as usize, row as usize);
                let item = meeting.item_ids[row];
                assert_eq!(meeting.users[2 * user], (meeting.user_start + user) as f32);
                assert_eq!(meeting.items[2 * row], item as f32);
                meeting.items[2 * row + 1] += 1000.0;
                met.lock().expect("no panic").push(((meeting.user_start + user) as u32, item));
            }
            meeting.pairs.len() as f64
        });
        assert_eq!(total, train.len() as f64);
        let mut met = met.into_inner().expect("no panic");
        met.sort_unstable();
        let all = (0..toy::N_USERS as u32)
            .flat_map(|user| train.items_of(crate::id::UserId(user)).iter().map(move |&item| (user, item)));
        assert!(met.into_iter().eq(all));
        for (item, count) in train.item_counts().into_iter().enumerate() {
            assert_eq!(items[2 * item..2 * item + 2], [item as f32, 1000.0 * count as f32]);
        }
    }
}

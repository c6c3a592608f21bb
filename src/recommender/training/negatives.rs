//! Negative samples: items drawn uniformly from those a user does not have in training.
//! Must not know what is done with them.

use crate::dataset::sparse::Csr;
use rand::Rng;

/// Beyond this many bytes the membership table gives way to looking in the row.
const TABLE_BYTES_MAX: usize = 64 << 20;

/// Items a user must have, in the mean, for the table to be worth it. Below, most of the table
/// is zeros, and the bit of a random pair lies in memory that no cache holds; a signature and
/// a short row do lie in one.
const TABLE_MEAN_MIN: usize = 32;

/// How often a draw is repeated before the user is taken to have (nearly) everything.
const TRIES_MAX: u32 = 64;

/// Answers whether a user has an item in training.
pub struct Seen<'a> {
    train: &'a Csr,
    /// One bit a pair, rows padded to words; where that would be too large or too sparse, one
    /// word a user instead, the signature: bit `item % 64` of every item they have.
    bits: Vec<u64>,
    /// 0 with signatures.
    words_per_row: usize,
}

impl<'a> Seen<'a> {
    /// The membership test of this training matrix.
    pub fn new(train: &'a Csr) -> Self {
        let words_per_row = train.n_cols.div_ceil(64);
        let fits = train.n_rows * words_per_row <= TABLE_BYTES_MAX / 8;
        let words_per_row =
            if fits && train.nnz() >= train.n_rows * TABLE_MEAN_MIN { words_per_row } else { 0 };
        let mut bits = vec![0u64; train.n_rows * words_per_row.max(1)];
        for user in 0..train.n_rows {
            for &item in train.row(user).0 {
                let word = if words_per_row > 0 { user * words_per_row + item as usize / 64 } else { user };
                bits[word] |= 1u64 << (item % 64);
            }
        }
        Seen { train, bits, words_per_row }
    }

    /// Whether the user has the item.
    #[inline]
    pub fn has(&self, user: u32, item: u32) -> bool {
        let bit = |word: usize| self.bits[word] >> (item % 64) & 1 == 1;
        if self.words_per_row > 0 {
            return bit(user as usize * self.words_per_row + item as usize / 64);
        }
        // The signature says no for most of what the user does not have.
        bit(user as usize) && self.train.row(user as usize).0.binary_search(&item).is_ok()
    }

    /// A position in `candidates` whose item the user does not have, uniformly;
    /// `None` for a user who seems to have them all.
    #[inline]
    pub fn draw(&self, user: u32, candidates: &[u32], rng: &mut impl Rng) -> Option<u32> {
        for _ in 0..TRIES_MAX {
            let at = below(rng, candidates.len() as u32);
            if !self.has(user, candidates[at as usize]) {
                return Some(at);
            }
        }
        None
    }
}

/// A number in `0..n`, uniform to within 2⁻³² · n (Lemire 2019 without the rejection step).
#[inline]
pub fn below(rng: &mut impl Rng, n: u32) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(n)) >> 32) as u32
}

/// Puts a slice in random order (Fisher–Yates).
pub fn shuffle<T>(slice: &mut [T], rng: &mut impl Rng) {
    for last in (1..slice.len()).rev() {
        slice.swap(last, below(rng, last as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};

    #[test]
    fn negatives_are_uniform_over_what_the_user_does_not_have() {
        let train = Csr::new(2, 5, vec![0, 2, 7], vec![1, 3, 0, 1, 2, 3, 4], vec![1.0; 7]);
        let seen = Seen::new(&train);
        let mut rng = Streams::new(1).stream(Purpose::Training, 0, 0, 0);
        let mut counts = [0u32; 5];
        for _ in 0..3000 {
            counts[seen.draw(0, &[0, 1, 2, 3, 4], &mut rng).expect("three are free") as usize] += 1;
        }
        assert_eq!((counts[1], counts[3]), (0, 0));
        for item in [0, 2, 4] {
            assert!((900..1100).contains(&counts[item]), "{counts:?}");
        }
        assert_eq!(seen.draw(1, &[0, 1, 2, 3, 4], &mut rng), None, "user 1 has everything");
    }
    #[test]
    fn membership_is_that_of_the_rows_with_a_table_and_with_signatures() {
        // Rows of 100, 40 and no items: dense enough for a table; then with many empty rows, too sparse.
        for n_empty in [1, 50] {
            let rows = [(0..300).step_by(3).collect::<Vec<u32>>(), (200..240).collect()];
            let mut indptr = vec![0, 100, 140];
            indptr.resize(3 + n_empty, 140);
            let train = Csr::new(2 + n_empty, 300, indptr, rows.concat(), vec![1.0; 140]);
            let seen = Seen::new(&train);
            assert_eq!(seen.words_per_row > 0, n_empty == 1);
            for item in 0..300 {
                assert_eq!(seen.has(0, item), item % 3 == 0);
                assert_eq!(seen.has(1, item), (200..240).contains(&item));
                assert!(!seen.has(2, item));
            }
        }
    }
}

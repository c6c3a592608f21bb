//! Initial parameters, keyed by the run's seed, the round and the table's number.
//! Must not know what a table is for.

use crate::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};

/// Lanes of the kernels: rows are padded with zeros to a multiple of it.
pub const LANES: usize = 8;

/// The length of a padded row of `width` numbers.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// Whose randomness, which round, which table of the model: the key of one table's draws.
#[derive(Clone, Copy, Debug)]
pub struct TableKey {
    /// Streams of the fit.
    pub streams: Streams,
    /// Feedback round.
    pub round: u32,
    /// Number of the table within its model.
    pub table: u64,
}

/// A table of `n_rows` padded rows, `width` normal draws each with this standard deviation;
/// the padding is zero.
pub fn normal(key: TableKey, n_rows: usize, width: usize, std: f32) -> Vec<f32> {
    let mut rng = key.streams.stream(Purpose::Init, key.round, key.table, 0);
    let mut table = vec![0f32; n_rows * padded(width)];
    for row in table.chunks_exact_mut(padded(width)) {
        for value in &mut row[..width] {
            let draw: f32 = StandardNormal.sample(&mut rng);
            *value = draw * std;
        }
    }
    table
}

/// The standard deviation of Glorot and Bengio's (2010) initialisation, their equation 12
/// with a normal in place of the uniform: `sqrt(2 / (fan_in + fan_out))`.
pub fn xavier_std(fan_in: usize, fan_out: usize) -> f32 {
    (2.0 / (fan_in + fan_out).max(1) as f32).sqrt()
}

/// A table of rows of `width` numbers with every row padded by zeros.
pub fn pad(table: &[f32], width: usize) -> Vec<f32> {
    let mut wide = vec![0f32; table.len() / width.max(1) * padded(width)];
    for (wide, row) in wide.chunks_exact_mut(padded(width).max(1)).zip(table.chunks_exact(width.max(1))) {
        wide[..width].copy_from_slice(row);
    }
    wide
}

/// The padded table without its padding.
pub fn unpad(table: &[f32], width: usize) -> Vec<f32> {
    table.chunks_exact(padded(width)).flat_map(|row| &row[..width]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draws_have_the_asked_spread_and_the_padding_is_zero() {
        let key = TableKey { streams: Streams::new(3), round: 0, table: 1 };
        let table = normal(key, 2000, 5, 0.1);
        assert!(table.chunks_exact(8).all(|row| row[5..] == [0.0; 3]));
        let values = unpad(&table, 5);
        let variance = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
        // 10,000 draws: the standard error of the variance is 1.4 %.
        assert!((variance - 0.01).abs() < 0.0006, "{variance}");
        assert_eq!(pad(&values, 5), table);
        assert_ne!(values, unpad(&normal(TableKey { table: 2, ..key }, 2000, 5, 0.1), 5));
    }
}

//! Bootstrap intervals of ratios of sums and of their paired differences.
//!
//! Subjects (agents, users) are resampled whole, with the same luck for every column of numbers,
//! so that intervals are clustered by subject and differences are paired. More than
//! [`N_SUBJECTS_MAX`] subjects are first pooled at random into [`N_BUCKETS`] buckets, and buckets are
//! resampled instead: buckets of independent subjects are themselves independent and alike, so the
//! variance is the same, at a cost that no longer grows (Chamandy et al. 2012).
//! Sums run in a fixed order: the same bits at any thread count and vector width.
//! Must not know what the numbers mean.

use super::params::IntervalMethod;
use super::summary::quantile;
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::HashMap;

/// Most subjects that are resampled one by one.
pub const N_SUBJECTS_MAX: usize = 10_000;
/// Buckets that more subjects than that are pooled into.
pub const N_BUCKETS: usize = 4096;

/// Replicates of one chunk of work; part of the random key, so never a matter of threads.
const REPLICATES_PER_CHUNK: usize = 32;
/// Units and columns of one tile: rows of a tile and the sums of a chunk stay in the cache.
const UNITS_PER_TILE: usize = 64;
const COLUMNS_PER_TILE: usize = 64;

/// A column of numbers, one a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Column(usize);

/// What is estimated, in terms of sums of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Σ numerator / Σ denominator.
    Ratio(Column, Column),
    /// The second ratio minus the first.
    Difference {
        /// Numerator and denominator of what is subtracted.
        baseline: (Column, Column),
        /// Numerator and denominator of what it is subtracted from.
        arm: (Column, Column),
    },
}

/// The numbers to be resampled together.
pub struct Table {
    n_units: usize,
    /// The unit of every subject.
    unit_of: Vec<u32>,
    columns: Vec<Vec<f64>>,
    /// Columns by a hash of their bits: equal columns are kept once.
    known: HashMap<u64, Vec<usize>>,
}

impl Table {
    /// A table over subjects `0..n_subjects`, without columns.
    pub fn new(n_subjects: usize) -> Self {
        let pooled = n_subjects > N_SUBJECTS_MAX;
        let unit_of = |subject: usize| {
            if pooled { (mix(subject as u64) % N_BUCKETS as u64) as u32 } else { subject as u32 }
        };
        Table {
            n_units: if pooled { N_BUCKETS } else { n_subjects },
            unit_of: (0..n_subjects).map(unit_of).collect(),
            columns: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// The column that holds `values[k]` for subject `subjects[k]` and 0 for all others, by unit.
    ///
    /// # Panics
    /// When there are not as many values as subjects, or a subject is out of range.
    pub fn by_unit(&self, subjects: &[u32], values: impl ExactSizeIterator<Item = f64>) -> Vec<f64> {
        assert_eq!(subjects.len(), values.len(), "one value a subject");
        let mut column = vec![0.0; self.n_units];
        for (&subject, value) in subjects.iter().zip(values) {
            column[self.unit_of[subject as usize] as usize] += value;
        }
        column
    }

    /// Adds a column made by [`Table::by_unit`], or finds its twin.
    ///
    /// # Panics
    /// When it does not have a value for every unit.
    pub fn add(&mut self, column: Vec<f64>) -> Column {
        assert_eq!(column.len(), self.n_units, "one value a unit");
        let hash = column.iter().fold(0u64, |hash, value| mix(hash ^ value.to_bits()));
        let twins = self.known.entry(hash).or_default();
        let equal = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
        if let Some(&at) = twins.iter().find(|&&at| equal(&self.columns[at], &column)) {
            return Column(at);
        }
        twins.push(self.columns.len());
        self.columns.push(column);
        Column(self.columns.len() - 1)
    }

    /// Resamples the units `n_replicates` times.
    pub fn resample(self, n_replicates: usize, streams: &Streams) -> Replicates {
        let n_columns = self.columns.len();
        let tiles = Tiles::new(&self.columns, self.n_units);
        let n_chunks = n_replicates.div_ceil(REPLICATES_PER_CHUNK);
        let chunks: Vec<Vec<f64>> = (0..n_chunks)
            .into_par_iter()
            .map(|chunk| {
                let first = chunk * REPLICATES_PER_CHUNK;
                let n_here = REPLICATES_PER_CHUNK.min(n_replicates - first);
                let weights = draw_weights(self.n_units, n_here, chunk as u64, streams);
                tiles.weighted_sums(&weights, n_here)
            })
            .collect();
        let mut sums = vec![Vec::with_capacity(n_replicates); n_columns];
        for (column, sums) in sums.iter_mut().enumerate() {
            for chunk in &chunks {
                sums.extend(chunk.chunks_exact(n_columns).map(|replicate| replicate[column]));
            }
        }
        let totals = self.columns.iter().map(|column| column.iter().sum()).collect();
        Replicates { columns: self.columns, totals, sums }
    }
}

/// A well-mixed 64-bit hash (the finaliser of SplitMix64).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// How often every unit is drawn in every replicate of a chunk, `n_replicates × n_units`.
fn draw_weights(n_units: usize, n_replicates: usize, chunk: u64, streams: &Streams) -> Vec<f64> {
    let mut generator = streams.stream(Purpose::Bootstrap, 0, chunk, 0);
    let mut weights = vec![0.0; n_replicates * n_units];
    for replicate in weights.chunks_exact_mut(n_units.max(1)) {
        for _ in 0..n_units {
            replicate[generator.random_range(0..n_units as u32) as usize] += 1.0;
        }
    }
    weights
}

/// The columns cut into tiles of some units by some columns, row-major within a tile.
struct Tiles {
    n_units: usize,
    n_columns: usize,
    /// For every block of columns, the rows of all units.
    blocks: Vec<Vec<f64>>,
}

impl Tiles {
    fn new(columns: &[Vec<f64>], n_units: usize) -> Self {
        let blocks = columns
            .chunks(COLUMNS_PER_TILE)
            .map(|block| (0..n_units).flat_map(|unit| block.iter().map(move |column| column[unit])).collect())
            .collect();
        Tiles { n_units, n_columns: columns.len(), blocks }
    }

    /// Σ over units of weight · value, for every replicate and column: `n_replicates × n_columns`.
    fn weighted_sums(&self, weights: &[f64], n_replicates: usize) -> Vec<f64> {
        let mut sums = vec![0.0; n_replicates * self.n_columns];
        for (nth, block) in self.blocks.iter().enumerate() {
            let first = nth * COLUMNS_PER_TILE;
            let width = COLUMNS_PER_TILE.min(self.n_columns - first);
            for tile in (0..self.n_units).step_by(UNITS_PER_TILE) {
                for replicate in 0..n_replicates {
                    let sums = &mut sums[replicate * self.n_columns + first..][..width];
                    for unit in tile..(tile + UNITS_PER_TILE).min(self.n_units) {
                        let weight = weights[replicate * self.n_units + unit];
                        if weight != 0.0 {
                            let row = &block[unit * width..][..width];
                            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
                        }
                    }
                }
            }
        }
        sums
    }
}

/// The columns of a [`Table`] with their sums in every replicate.
pub struct Replicates {
    columns: Vec<Vec<f64>>,
    totals: Vec<f64>,
    /// For every column, its sum in every replicate.
    sums: Vec<Vec<f64>>,
}

impl Replicates {
    /// The value of a quantity over all units; not finite where it is undefined.
    pub fn value(&self, quantity: Quantity) -> f64 {
        evaluate(quantity, |column| self.totals[column.0])
    }

    /// The quantity in every replicate, in an order that is the same for all quantities; not finite where
    /// it is undefined.
    pub fn replicate_values(&self, quantity: Quantity) -> Vec<f64> {
        let n_replicates = self.sums.first().map_or(0, Vec::len);
        (0..n_replicates).map(|nth| evaluate(quantity, |column| self.sums[column.0][nth])).collect()
    }

    /// The interval of a quantity; `None` where it is undefined, or undefined in more than half
    /// of the replicates (those where it is undefined are left out).
    pub fn interval(
        &self,
        quantity: Quantity,
        confidence: f64,
        method: IntervalMethod,
    ) -> Option<(f64, f64)> {
        let value = self.value(quantity);
        if !value.is_finite() {
            return None;
        }
        let n_replicates = self.sums.first().map_or(0, Vec::len);
        let mut replicates: Vec<f64> = (0..n_replicates)
            .map(|replicate| evaluate(quantity, |column| self.sums[column.0][replicate]))
            .filter(|value| value.is_finite())
            .collect();
        if replicates.is_empty() || replicates.len() * 2 < n_replicates {
            return None;
        }
        replicates.sort_by(f64::total_cmp);
        let tail = (1.0 - confidence) / 2.0;
        let (low, high) = match method {
            IntervalMethod::Percentile => (tail, 1.0 - tail),
            IntervalMethod::Bca => {
                let jackknife = self.jackknife(quantity);
                bca_levels(value, &replicates, &jackknife, tail).unwrap_or((tail, 1.0 - tail))
            }
        };
        Some((quantile(&replicates, low)?, quantile(&replicates, high)?))
    }

    /// The quantity with each unit left out in turn, where that is defined.
    fn jackknife(&self, quantity: Quantity) -> Vec<f64> {
        let n_units = self.columns.first().map_or(0, Vec::len);
        (0..n_units)
            .map(|unit| evaluate(quantity, |column| self.totals[column.0] - self.columns[column.0][unit]))
            .filter(|value| value.is_finite())
            .collect()
    }
}

/// The quantity where the columns sum to what `sum` says.
fn evaluate(quantity: Quantity, sum: impl Fn(Column) -> f64) -> f64 {
    let ratio = |(numerator, denominator): (Column, Column)| sum(numerator) / sum(denominator);
    match quantity {
        Quantity::Ratio(numerator, denominator) => ratio((numerator, denominator)),
        Quantity::Difference { baseline, arm } => ratio(arm) - ratio(baseline),
    }
}

/// The levels at which BCa reads the replicates (Efron and Tibshirani 1993, equations 14.9, 14.10,
/// 14.14, 14.15): bias correction from the share of replicates below the value (ties count half),
/// acceleration from the jackknife. `None` where the correction is infinite.
fn bca_levels(value: f64, ascending: &[f64], jackknife: &[f64], tail: f64) -> Option<(f64, f64)> {
    let normal = Normal::standard();
    let n_below = ascending.partition_point(|&replicate| replicate < value);
    let n_not_above = ascending.partition_point(|&replicate| replicate <= value);
    let share = (n_below + n_not_above) as f64 / (2 * ascending.len()) as f64;
    if !(share > 0.0 && share < 1.0) {
        return None;
    }
    let bias = normal.inverse_cdf(share);
    let mean = jackknife.iter().sum::<f64>() / jackknife.len().max(1) as f64;
    let (squares, cubes) = jackknife.iter().fold((0.0, 0.0), |(squares, cubes), left_out| {
        let distance = mean - left_out;
        (squares + distance * distance, cubes + distance * distance * distance)
    });
    let acceleration = if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 };
    let level = |z: f64| {
        let shifted = bias + z;
        normal.cdf(bias + shifted / (1.0 - acceleration * shifted))
    };
    let z = normal.inverse_cdf(tail);
    Some((level(z), level(-z))).filter(|(low, high)| low.is_finite() && high.is_finite())
}

//! How sure the found causes are: rows are drawn anew, the search is repeated, and what comes back how often is counted.
//! Must not know what rows and variables are.

use super::lingam::{Model, discover};
use super::observations::{CausesError, Observations};
use super::prior::Prior;
use crate::rng::{Purpose, Streams};
use crate::stats::summary::quantile;
use rand::RngExt;
use rayon::prelude::*;

/// What resampling says of one ordered pair of variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The cause.
    pub from: usize,
    /// The effect.
    pub to: usize,
    /// The direct effect found in all rows; 0 where there is no edge.
    pub coefficient: f64,
    /// Percentile interval of the direct effect; resamples without the edge count as 0.
    pub coefficient_ci: Option<(f64, f64)>,
    /// The effect along all paths found in all rows.
    pub total_effect: f64,
    /// Its interval, likewise.
    pub total_effect_ci: Option<(f64, f64)>,
    /// Share of resamples that have the edge.
    pub share_of_edge: f64,
    /// Share of resamples that have the edge the other way round.
    pub share_reversed: f64,
    /// Share of resamples in which the cause comes before the effect, edge or not.
    pub share_before: f64,
}

/// A model with its stability.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// The model of all rows.
    pub model: Model,
    /// Every ordered pair, by cause and then by effect.
    pub pairs: Vec<Pair>,
    /// Resamples that could be searched.
    pub n_resamples: u32,
    /// Resamples that could not: a variable did not vary in them, say.
    pub n_failed: u32,
    /// Share of resamples with exactly the order of all rows.
    pub share_of_order: f64,
}

impl Stability {
    /// What is known of this pair.
    pub fn pair(&self, from: usize, to: usize) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.from == from && pair.to == to)
    }
}

/// Finds the model, then searches again in `n_resamples` resamples of the rows.
///
/// # Errors
/// As [`discover`], for the model of all rows; resamples that cannot be searched are counted.
pub fn stability(
    seen: &Observations,
    prior: &Prior,
    n_resamples: u32,
    confidence: f64,
    streams: &Streams,
) -> Result<Stability, CausesError> {
    let model = discover(seen, prior)?;
    let found: Vec<Option<Model>> = (0..n_resamples)
        .into_par_iter()
        .map(|nth| discover(&seen.resampled(&draw(seen.n_rows(), nth, streams)).ok()?, prior).ok())
        .collect();
    let found: Vec<Model> = found.into_iter().flatten().collect();
    let n = seen.n_variables();
    let pairs = (0..n).flat_map(|from| (0..n).map(move |to| (from, to))).filter(|(from, to)| from != to);
    let n_same = found.iter().filter(|other| other.order == model.order).count();
    Ok(Stability {
        pairs: pairs.map(|(from, to)| pair(&model, &found, from, to, confidence)).collect(),
        n_resamples: found.len() as u32,
        n_failed: n_resamples - found.len() as u32,
        share_of_order: n_same as f64 / found.len().max(1) as f64,
        model,
    })
}

/// As many rows as there are, drawn with replacement.
fn draw(n_rows: usize, nth: u32, streams: &Streams) -> Vec<u32> {
    let mut generator = streams.stream(Purpose::Causes, 0, u64::from(nth), 0);
    (0..n_rows).map(|_| generator.random_range(0..n_rows as u32)).collect()
}

fn pair(model: &Model, found: &[Model], from: usize, to: usize, confidence: f64) -> Pair {
    let share = |is: &dyn Fn(&Model) -> bool| {
        found.iter().filter(|model| is(model)).count() as f64 / found.len().max(1) as f64
    };
    let interval = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let tail = (1.0 - confidence) / 2.0;
        Some((quantile(&values, tail)?, quantile(&values, 1.0 - tail)?))
    };
    let place = |model: &Model, variable| model.order.iter().position(|&at| at == variable);
    Pair {
        from,
        to,
        coefficient: model.coefficient(from, to),
        coefficient_ci: interval(found.iter().map(|model| model.coefficient(from, to)).collect()),
        total_effect: model.total_effects().of(from, to),
        total_effect_ci: interval(found.iter().map(|model| model.total_effects().of(from, to)).collect()),
        share_of_edge: share(&|model| model.coefficient(from, to) != 0.0),
        share_reversed: share(&|model| model.coefficient(to, from) != 0.0),
        share_before: share(&|model| place(model, from) < place(model, to)),
    }
}

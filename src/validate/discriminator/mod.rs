//! Can a classifier tell simulated sessions from recorded ones? A classifier two-sample test
//! (Lopez-Paz and Oquab 2017): area under the curve .5 where it cannot.
//!
//! Every person stands on both sides, with its recorded session and a simulated one, so that tiers
//! alone tell nothing. People are dealt into folds whole: no classifier is asked about
//! somebody it was trained on. Areas are means over folds and over repetitions of the simulation.

pub mod auc;
pub mod boosting;
pub mod features;
pub mod logistic;
#[cfg(test)]
mod tests;

use crate::report::estimate::Estimate;
use crate::rng::{Purpose, Streams};
use crate::stats::summary::quantile;
use auc::{Scored, auc};
use boosting::{Boosting, BoostingParams};
use logistic::Logistic;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Folds of the cross-validation.
pub const N_FOLDS: usize = 5;
/// Repetitions of the simulation that are held against the reference.
pub const N_REPETITIONS_MAX: usize = 5;
/// Draws of people behind an interval.
const N_DRAWS: u64 = 200;

/// The kinds of classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classifier {
    /// Logistic regression with a ridge.
    Logistic,
    /// Gradient-boosted trees.
    Boosting,
}

impl Classifier {
    /// Every kind.
    pub const ALL: [Classifier; 2] = [Classifier::Logistic, Classifier::Boosting];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Classifier::Logistic => "logistic",
            Classifier::Boosting => "boosted_trees",
        }
    }

    /// Scores of `asked` after training on `rows`.
    fn scores(self, rows: &[&[f64]], labels: &[bool], asked: &[&[f64]]) -> Vec<f64> {
        match self {
            Classifier::Logistic => {
                let model = Logistic::fit(rows, labels);
                asked.iter().map(|row| model.score(row)).collect()
            }
            Classifier::Boosting => {
                let model = Boosting::fit(rows, labels, BoostingParams::default());
                asked.iter().map(|row| model.score(row)).collect()
            }
        }
    }
}

/// One side: one row of features a person.
pub type Rows = Vec<Vec<f64>>;

/// A person's two scores in one repetition, out of the fold it was held out with.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    real: f64,
    simulated: f64,
}

/// The area under the curve of a classifier that tells each person's row in `real` from its row in
/// each of `simulated`; `None` where there are fewer people than two a fold. The interval comes from
/// drawing people again.
///
/// # Panics
/// When a side does not have one row a person.
pub fn discriminate(
    classifier: Classifier,
    real: &Rows,
    simulated: &[Rows],
    confidence: f64,
    streams: Streams,
) -> Option<Estimate> {
    let n = real.len();
    if n < 2 * N_FOLDS || simulated.is_empty() {
        return None;
    }
    assert!(simulated.iter().all(|rows| rows.len() == n), "one row a person on either side");
    let folds = folds(n, streams);
    let jobs: Vec<(usize, usize)> =
        (0..simulated.len()).flat_map(|r| (0..N_FOLDS).map(move |fold| (r, fold))).collect();
    let scored: Vec<Vec<(usize, Pair)>> = jobs
        .par_iter()
        .map(|&(r, fold)| held_out_scores(classifier, real, &simulated[r], &folds, fold))
        .collect();
    let mut pairs = vec![vec![Pair::default(); n]; simulated.len()];
    for (&(r, _), scored) in jobs.iter().zip(scored) {
        scored.into_iter().for_each(|(person, pair)| pairs[r][person] = pair);
    }
    let value = area(&pairs, &folds, &vec![1.0; n])?;
    let mut drawn: Vec<f64> = (0..N_DRAWS)
        .into_par_iter()
        .filter_map(|draw| {
            let mut rng = streams.stream(Purpose::Validation, 3, draw, 0);
            let mut weights = vec![0.0; n];
            (0..n).for_each(|_| weights[rng.random_range(0..n)] += 1.0);
            area(&pairs, &folds, &weights)
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let at = |share| quantile(&drawn, share).unwrap_or(value);
    Some(Estimate { value, low: at(tail), high: at(1.0 - tail), n: n as u64 })
}

/// The fold of each person.
fn folds(n: usize, streams: Streams) -> Vec<usize> {
    let mut folds: Vec<usize> = (0..n).map(|k| k % N_FOLDS).collect();
    folds.shuffle(&mut streams.stream(Purpose::Validation, 4, 0, 0));
    folds
}

/// Trains without one fold and scores its people.
fn held_out_scores(
    classifier: Classifier,
    real: &Rows,
    simulated: &Rows,
    folds: &[usize],
    fold: usize,
) -> Vec<(usize, Pair)> {
    let people = |held_out: bool| (0..real.len()).filter(move |&k| (folds[k] == fold) == held_out);
    let (mut rows, mut labels): (Vec<&[f64]>, Vec<bool>) = (Vec::new(), Vec::new());
    for k in people(false) {
        rows.extend([&real[k][..], &simulated[k][..]]);
        labels.extend([true, false]);
    }
    let asked: Vec<&[f64]> = people(true).flat_map(|k| [&real[k][..], &simulated[k][..]]).collect();
    let scores = classifier.scores(&rows, &labels, &asked);
    let pair = |two: &[f64]| Pair { real: two[0], simulated: two[1] };
    people(true).zip(scores.chunks_exact(2).map(pair)).collect()
}

/// Mean area over repetitions and folds, people counting by their weights.
fn area(pairs: &[Vec<Pair>], folds: &[usize], weights: &[f64]) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for pairs in pairs {
        for fold in 0..N_FOLDS {
            let mut cases = Vec::new();
            let mut weight_here = 0.0;
            for ((pair, &of), &weight) in pairs.iter().zip(folds).zip(weights) {
                if of == fold && weight > 0.0 {
                    weight_here += weight;
                    cases.push(Scored { score: pair.real, positive: true, weight });
                    cases.push(Scored { score: pair.simulated, positive: false, weight });
                }
            }
            if let Some(area) = auc(cases) {
                sum += weight_here * area;
                total += weight_here;
            }
        }
    }
    (total > 0.0).then(|| sum / total)
}

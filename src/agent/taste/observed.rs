//! Observed taste: what people truly said of each item, where the dataset knows it.
//!
//! Scores are van der Waerden's over the known cells, ties sharing their middle rank. A cell that is
//! not known is answered by the person's and the item's leaning in the known ones, shrunk by
//! [`PRIOR_CELLS`]: to simulate nothing but truth, show only what is known
//! (`session.candidates = "observed"`). Agents then know the truth, so such a run checks whether pages,
//! agents and statistics order arms as the truth does; it says nothing of how well agents guess people.

use super::{RawTaste, TasteError};
use crate::dataset::Dataset;
use crate::dataset::sparse::Csr;
use crate::id::{ItemId, UserId};
use statrs::distribution::{ContinuousCDF, Normal};

/// Known cells' worth of doubt about a person's or an item's leaning.
const PRIOR_CELLS: f64 = 5.0;

/// True affinities as normal scores.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    /// User × item, the scores of the known cells.
    scores: Csr,
    people: Vec<f32>,
    items: Vec<f32>,
}

/// The observed taste of a dataset's people.
pub(super) fn of(dataset: &Dataset) -> Result<Observed, TasteError> {
    let known = dataset.observed.as_ref().filter(|known| known.matrix.nnz() > 0);
    let known = known.ok_or_else(|| TasteError::NothingObserved(dataset.source.clone()))?;
    let mut scores = known.matrix.clone();
    scores.values = normal_scores(&scores.values);
    let mean = scores.values.iter().map(|&s| f64::from(s)).sum::<f64>() / scores.nnz() as f64;
    let by_item = scores.transpose();
    let items: Vec<f32> = (0..by_item.n_rows)
        .map(|item| leaning(by_item.row(item).1.iter().map(|&s| f64::from(s) - mean)) as f32)
        .collect();
    let people = (0..scores.n_rows)
        .map(|user| {
            let (own, values) = scores.row(user);
            let beyond = own.iter().zip(values);
            let beyond = beyond.map(|(&item, &s)| f64::from(s) - mean - f64::from(items[item as usize]));
            (mean + leaning(beyond)) as f32
        })
        .collect();
    Ok(Observed { scores, people, items })
}

impl RawTaste for Observed {
    /// How much the user likes the item, as a normal score over the known cells.
    fn raw(&self, user: UserId, item: ItemId) -> f32 {
        let (items, scores) = self.scores.row(user.idx());
        match items.binary_search(&item.0) {
            Ok(at) => scores[at],
            Err(_) => self.people[user.idx()] + self.items[item.idx()],
        }
    }
}

/// A mean shrunk towards 0.
fn leaning(values: impl Iterator<Item = f64>) -> f64 {
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    sum / (n + PRIOR_CELLS)
}

/// The normal quantile of every value's middle rank.
fn normal_scores(values: &[f32]) -> Vec<f32> {
    let normal = Normal::standard();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut scores = vec![0.0; values.len()];
    let mut n_below = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let middle = n_below as f64 + tied.len() as f64 / 2.0;
        let score = normal.inverse_cdf(middle / values.len() as f64) as f32;
        tied.iter().for_each(|&at| scores[at] = score);
        n_below += tied.len();
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_quantile_of_their_middle_rank() {
        // scipy.stats.norm.ppf([.2, .5, .7, .9]) by the middle of 4, 2, 2 and 2 of 10 values.
        let values = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0];
        let scores = normal_scores(&values);
        let expected = [-0.841_621_2, -0.841_621_2, -0.841_621_2, -0.841_621_2, 0.0, 0.0];
        let expected = expected.into_iter().chain([0.524_400_5, 0.524_400_5, 1.281_551_6, 1.281_551_6]);
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-6, "{scores:?}");
        }
    }
}

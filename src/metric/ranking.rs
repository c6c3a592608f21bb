//! Accuracy of one ranked list: where in it the relevant items stand. Shared by the pages
//! of a session and by offline evaluation. Must not know who ranked, or for whom.

use super::{Gathering, Measure, Measured};
use crate::id::AgentId;

/// The six measures of a ranked list cut at `k`, in the order of [`Accuracy::values`].
pub static MEASURES: [Measure; 6] = [
    Measure {
        name: "precision",
        unit: "share",
        better: Some(true),
        about: "held-out items among the first k, over k",
    },
    Measure {
        name: "recall",
        unit: "share",
        better: Some(true),
        about: "held-out items among the first k, over all held-out items",
    },
    Measure {
        name: "hit_rate",
        unit: "share",
        better: Some(true),
        about: "share of people with a held-out item among the first k",
    },
    Measure {
        name: "ndcg",
        unit: "share",
        better: Some(true),
        about: "discounted cumulative gain of the first k, binary, over its best possible value",
    },
    Measure {
        name: "mrr",
        unit: "share",
        better: Some(true),
        about: "1 / place of the first held-out item, 0 when it is not among the first k",
    },
    Measure {
        name: "map",
        unit: "share",
        better: Some(true),
        about: "precision at every held-out item among the first k, summed, over min(k, held-out items)",
    },
];

/// Accuracy of one list at one cutoff.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    /// Relevant items among the first k, over k.
    pub precision: f64,
    /// Relevant items among the first k, over all relevant ones.
    pub recall: f64,
    /// Whether there is a relevant item among the first k.
    pub hit_rate: f64,
    /// Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002), gain 1 for a
    /// relevant item, the ideal list having min(k, relevant items) of them in front.
    pub ndcg: f64,
    /// Reciprocal place of the first relevant item.
    pub mrr: f64,
    /// Average precision, over min(k, relevant items).
    pub map: f64,
}

impl Accuracy {
    /// Accuracy at cutoff `k` of a list told as its 0-based places of relevant items, ascending.
    ///
    /// # Panics
    /// When `k` or `n_relevant` is 0: such a list has no accuracy, leave it out.
    pub fn at(k: usize, hits: &[usize], n_relevant: usize) -> Self {
        assert!(k > 0 && n_relevant > 0, "accuracy needs a cutoff and a relevant item");
        let hits = &hits[..hits.partition_point(|&place| place < k)];
        let n_ideal = k.min(n_relevant);
        let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
        // Folds from 0, since the sum of nothing is −0.
        let gained = hits.iter().fold(0.0, |sum, &place| sum + gain(place));
        let ideal: f64 = (0..n_ideal).map(gain).sum();
        let precisions = hits
            .iter()
            .enumerate()
            .fold(0.0, |sum, (nth, &place)| sum + (nth + 1) as f64 / (place + 1) as f64);
        Accuracy {
            precision: hits.len() as f64 / k as f64,
            recall: hits.len() as f64 / n_relevant as f64,
            hit_rate: if hits.is_empty() { 0.0 } else { 1.0 },
            ndcg: gained / ideal,
            mrr: hits.first().map_or(0.0, |&place| 1.0 / (place + 1) as f64),
            map: precisions / n_ideal as f64,
        }
    }

    /// The six values in the order of [`MEASURES`].
    pub fn values(&self) -> [f64; 6] {
        [self.precision, self.recall, self.hit_rate, self.ndcg, self.mrr, self.map]
    }
}

/// Accuracies of many people at one cutoff.
#[derive(Clone, Debug, Default)]
pub struct AccuracySample {
    samples: [Gathering; 6],
}

impl AccuracySample {
    /// Adds one person.
    pub fn push(&mut self, who: AgentId, accuracy: &Accuracy) {
        for (sample, value) in self.samples.iter_mut().zip(accuracy.values()) {
            sample.push(who, value);
        }
    }

    /// The six measures at cutoff `k`.
    pub fn finish(self, k: usize) -> Vec<Measured> {
        MEASURES.iter().zip(self.samples).map(|(measure, sample)| measure.at(k, sample)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_worked_out_by_hand() {
        // Ranked: miss hit miss hit, 3 relevant. DCG = 1/log2 3 + 1/log2 5, ideal = 1 + 1/log2 3 + 1/log2 4.
        let accuracy = Accuracy::at(4, &[1, 3, 6], 3);
        let log2 = |x: f64| x.log2();
        assert_eq!(accuracy.precision, 0.5);
        assert_eq!(accuracy.recall, 2.0 / 3.0);
        assert_eq!(accuracy.hit_rate, 1.0);
        assert_eq!(accuracy.mrr, 0.5);
        assert!((accuracy.map - (0.5 + 0.5) / 3.0).abs() < 1e-15);
        let ndcg = (1.0 / log2(3.0) + 1.0 / log2(5.0)) / (1.0 + 1.0 / log2(3.0) + 0.5);
        assert!((accuracy.ndcg - ndcg).abs() < 1e-15);
        assert_eq!(Accuracy::at(1, &[1, 3, 6], 3), Accuracy::default());
        assert_eq!(Accuracy::at(2, &[0, 1], 2).values(), [1.0; 6]);
    }
}

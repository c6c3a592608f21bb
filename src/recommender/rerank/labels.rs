//! What each item is labelled with (its genres, or how popular it is), kept inside a model that needs it to answer.
//! Must not know what labels mean.

use super::super::{RecommendError, Training, model_file};
use crate::id::ItemId;
use std::path::Path;

/// The labels of every item, ascending.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    n_labels: usize,
    /// Start of every item's labels, and the end of the last.
    starts: Vec<usize>,
    labels: Vec<u32>,
}

impl Labels {
    /// One list of labels an item, ascending, each below `n_labels`.
    pub fn new<'a, L: IntoIterator<Item = u32> + 'a>(n_labels: usize, of: impl Iterator<Item = L>) -> Self {
        let (mut starts, mut labels) = (vec![0], Vec::new());
        for item in of {
            labels.extend(item);
            starts.push(labels.len());
        }
        assert!(labels.iter().all(|&label| (label as usize) < n_labels), "labels are below {n_labels}");
        Labels { n_labels, starts, labels }
    }

    /// The genres of the catalogue.
    pub fn genres(training: &Training<'_>) -> Self {
        let of = |item: &crate::dataset::Item| item.genres.iter().map(|genre| u32::from(genre.0)).collect();
        Labels::new::<Vec<u32>>(training.genres.len(), training.catalogue.iter().map(of))
    }

    /// How many labels there are.
    pub fn n_labels(&self) -> usize {
        self.n_labels
    }

    /// The labels of an item; none for one that is not in the catalogue.
    pub fn of(&self, item: ItemId) -> &[u32] {
        match self.starts.get(item.idx()..).unwrap_or_default() {
            [start, end, ..] => &self.labels[*start..*end],
            _ => &[],
        }
    }

    /// Writes `label_counts.npy` (one an item) and `labels.npy`.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let counts: Vec<u32> = self.starts.windows(2).map(|w| (w[1] - w[0]) as u32).collect();
        model_file::write_ids(&dir.join("label_counts.npy"), &counts)?;
        model_file::write_ids(&dir.join("labels.npy"), &self.labels)
    }

    /// Reads what [`Labels::save`] wrote, of `n_labels` in all.
    pub fn load(dir: &Path, n_labels: usize) -> Result<Self, RecommendError> {
        let counts = model_file::read_ids(&dir.join("label_counts.npy"), None, u32::MAX)?;
        let n_pairs = counts.iter().map(|&count| count as usize).sum();
        let path = dir.join("labels.npy");
        let bound = u32::try_from(n_labels).unwrap_or(u32::MAX);
        let labels = model_file::read_ids(&path, Some(n_pairs), bound)?;
        let mut starts = vec![0usize];
        for count in counts {
            let start = starts[starts.len() - 1];
            let end = start + count as usize;
            if !labels[start..end].is_sorted_by(|a, b| a < b) {
                let problem = format!("labels of item {} must ascend", starts.len() - 1);
                return Err(model_file::bad(&path, problem));
            }
            starts.push(end);
        }
        Ok(Labels { n_labels, starts, labels })
    }
}

/// Jaccard similarity of two ascending lists; 0 where both are empty.
pub fn jaccard(a: &[u32], b: &[u32]) -> f32 {
    let (mut left, mut right, mut n_common) = (0, 0, 0usize);
    while left < a.len() && right < b.len() {
        match a[left].cmp(&b[right]) {
            std::cmp::Ordering::Less => left += 1,
            std::cmp::Ordering::Greater => right += 1,
            std::cmp::Ordering::Equal => (left, right, n_common) = (left + 1, right + 1, n_common + 1),
        }
    }
    let n_all = a.len() + b.len() - n_common;
    if n_all == 0 { 0.0 } else { n_common as f32 / n_all as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jaccard_is_shared_over_all() {
        assert_eq!(jaccard(&[1, 2, 5], &[2, 5, 9]), 0.5);
        assert_eq!(jaccard(&[1], &[1]), 1.0);
        assert_eq!(jaccard(&[1], &[]), 0.0);
        assert_eq!(jaccard(&[], &[]), 0.0);
    }

    #[test]
    fn labels_round_trip_and_what_is_broken_is_refused() {
        let labels = Labels::new(4, [vec![0, 3], vec![], vec![2]].into_iter());
        assert_eq!([0, 1, 2, 3].map(|item| labels.of(ItemId(item))), [&[0, 3][..], &[], &[2], &[]]);
        let dir = tempfile::tempdir().expect("a temporary folder");
        labels.save(dir.path()).expect("written");
        assert_eq!(Labels::load(dir.path(), 4).expect("read"), labels);
        assert!(Labels::load(dir.path(), 3).is_err(), "label 3 of 3");
        model_file::write_ids(&dir.path().join("labels.npy"), &[3, 0, 2]).expect("written");
        assert!(Labels::load(dir.path(), 4).is_err(), "labels that do not ascend");
        model_file::write_ids(&dir.path().join("labels.npy"), &[0, 3]).expect("written");
        assert!(Labels::load(dir.path(), 4).is_err(), "a label is missing");
    }
}

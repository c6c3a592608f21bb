//! Item text as vectors: tf-idf of the words of title and summary, projected at random.
//!
//! A random projection keeps inner products up to an error of about one over the root of its
//! width (Achlioptas, "Database-friendly random projections", JCSS 2003: entries ±1), needs no
//! fit and gives the same bits anywhere. Must not know who likes what.

use crate::dataset::Item;
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Width of the vectors.
pub(super) const WIDTH: usize = 128;

/// Words that stand in more of the items than this say nothing.
const SHARE_MAX: f64 = 0.2;

/// One unit vector an item, `n_items × WIDTH`; zeros where an item has no telling word. `None`
/// where no item has one.
pub(super) fn vectors(catalogue: &[Item], streams: Streams) -> Option<Vec<f32>> {
    let texts: Vec<BTreeSet<String>> = catalogue.par_iter().map(words).collect();
    let mut n_with: BTreeMap<&str, usize> = BTreeMap::new();
    for word in texts.iter().flatten() {
        *n_with.entry(word).or_default() += 1;
    }
    // A word of one item likens it to nothing.
    let n_max = (SHARE_MAX * catalogue.len() as f64) as usize;
    n_with.retain(|_, n| (2..=n_max).contains(n));
    if n_with.is_empty() {
        return None;
    }
    let idf = |n: usize| (catalogue.len() as f32 / n as f32).ln();
    let words: BTreeMap<&str, (u64, f32)> =
        n_with.into_iter().enumerate().map(|(k, (word, n))| (word, (k as u64, idf(n)))).collect();
    let signs: Vec<u128> = (0..words.len() as u64)
        .map(|word| streams.stream(Purpose::Taste, 0, word, 0).random::<u128>())
        .collect();
    let vector = |text: &BTreeSet<String>| {
        let mut vector = vec![0f32; WIDTH];
        for &(word, idf) in text.iter().filter_map(|word| words.get(word.as_str())) {
            for (bit, x) in vector.iter_mut().enumerate() {
                *x += if signs[word as usize] >> bit & 1 == 1 { idf } else { -idf };
            }
        }
        normalise(&mut vector);
        vector
    };
    Some(texts.par_iter().map(vector).collect::<Vec<_>>().concat())
}

/// The different words of an item, in lower case; its year and words of one or two letters are none.
fn words(item: &Item) -> BTreeSet<String> {
    let text = [item.title.as_str(), item.summary.as_deref().unwrap_or_default()].join(" ").to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric());
    let telling = |word: &&str| word.chars().count() > 2 && !word.chars().all(|c| c.is_ascii_digit());
    words.filter(telling).map(str::to_owned).collect()
}

/// Scales a vector to length 1; zeros stay.
pub(super) fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x /= norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(title: &str, summary: &str) -> Item {
        Item { title: title.to_owned(), summary: Some(summary.to_owned()), ..Item::default() }
    }

    #[test]
    fn items_with_common_words_are_alike() {
        let mut catalogue: Vec<Item> =
            (0..40).map(|k| item(&format!("Film {k}"), &format!("about thing{} today", k / 2))).collect();
        catalogue[0] = item("Robots (1999)", "A detective hunts robots in rain-soaked Tokyo.");
        catalogue[1] = item("Night Rain", "In Tokyo, a DETECTIVE follows robots.");
        catalogue[2] = Item::default();
        let vectors = vectors(&catalogue, Streams::new(1)).expect("words");
        let dot = |a: usize, b: usize| -> f32 {
            let row = |k: usize| &vectors[k * WIDTH..][..WIDTH];
            row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum()
        };
        assert!((dot(0, 0) - 1.0).abs() < 1e-5);
        assert!(dot(0, 1) > 0.7, "{}", dot(0, 1));
        assert!(dot(0, 9).abs() < 0.4, "{}", dot(0, 9));
        assert_eq!(dot(2, 2), 0.0);
    }

    #[test]
    fn without_telling_words_there_are_no_vectors() {
        assert!(vectors(&[item("1", "a"), item("2", "b")], Streams::new(1)).is_none());
    }
}

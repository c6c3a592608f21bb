//! `tfidf_svd`: latent semantic analysis.
//!
//! Words weigh tf-idf (the logarithm of how often a word stands in the text, plus one, times the logarithm of
//! how rare it is), and the entries' rows are projected on the first singular vectors of the whole matrix
//! (Deerwester, Dumais, Furnas, Landauer and Harshman, "Indexing by latent semantic analysis", JASIS 1990),
//! so that the same texts give the same bits on one machine. Must not know who uses the vectors.

use super::svd::{self, Sparse};
use super::{EncodeError, Encoder, EncoderKind, EncoderPlan, Entry, Identity};
use crate::progress::Progress;
use crate::recommender::dense::Matrix;
use crate::rng::Streams;
use crate::scenario::params::{self, Complaint, within};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The start of the decomposition is the same in every run: encodings have no luck.
const SEED: u64 = 0;

/// Settings of `tfidf_svd`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TfidfSvdParams {
    /// Numbers in a vector, 1..=1024; fewer where there are fewer words or entries.
    pub dimension: u32,
    /// A word must stand in so many entries at least, 1..=1000000.
    pub min_entries: u32,
    /// A word that stands in a larger share of the entries (and in more than `min_entries`) says nothing, 0..=1.
    pub max_share: f64,
}

impl Default for TfidfSvdParams {
    fn default() -> Self {
        TfidfSvdParams { dimension: 128, min_entries: 2, max_share: 0.5 }
    }
}

/// The kind `tfidf_svd`.
pub struct TfidfSvd;

impl EncoderKind for TfidfSvd {
    fn name(&self) -> &'static str {
        "tfidf_svd"
    }

    fn about(&self) -> &'static str {
        "latent semantic analysis of the texts at hand; needs no model"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(TfidfSvdParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn EncoderPlan>, Complaint> {
        let params: TfidfSvdParams = params::parse(at, table)?;
        within(at, "dimension", params.dimension, 1, 1024)?;
        within(at, "min_entries", params.min_entries, 1, 1_000_000)?;
        within(at, "max_share", params.max_share, 0.0, 1.0)?;
        Ok(Box::new(params))
    }
}

impl EncoderPlan for TfidfSvdParams {
    fn start(&self, _base_dir: &Path) -> Result<Box<dyn Encoder>, EncodeError> {
        Ok(Box::new(self.clone()))
    }
}

impl Encoder for TfidfSvdParams {
    fn identity(&self) -> Identity {
        Identity::WholeSet
    }

    fn encode(&self, entries: &[Entry<'_>], progress: &dyn Progress) -> Result<Matrix, EncodeError> {
        progress.begin("decompose", 0);
        let (vectors, _) = svd::truncated(&self.weigh(entries), self.dimension as usize, Streams::new(SEED));
        progress.end();
        if vectors.n_cols == 0 {
            return Err(EncodeError::Failed {
                encoder: "tfidf_svd".to_owned(),
                problem: self.complaint(entries),
            });
        }
        Ok(vectors)
    }
}

impl TfidfSvdParams {
    /// One row an entry, of length 1 where it has a telling word; one column a telling word, in
    /// alphabetical order.
    fn weigh(&self, entries: &[Entry<'_>]) -> Sparse {
        let texts: Vec<BTreeMap<String, u32>> = entries.par_iter().map(|entry| words(entry.text)).collect();
        let mut n_with: BTreeMap<&str, u32> = BTreeMap::new();
        for word in texts.iter().flat_map(BTreeMap::keys) {
            *n_with.entry(word).or_default() += 1;
        }
        n_with.retain(|_, n| (self.min_entries..=self.entries_max(entries.len())).contains(n));
        // Counted as if there were one entry more, so that a word of all entries weighs more than nothing.
        let idf = |n: u32| ((entries.len() as f64 + 1.0) / f64::from(n)).ln();
        let columns: BTreeMap<&str, (u32, f64)> =
            n_with.into_iter().enumerate().map(|(col, (word, n))| (word, (col as u32, idf(n)))).collect();
        let row = |text: &BTreeMap<String, u32>| {
            let weight = |(word, &n): (&String, &u32)| {
                let &(col, idf) = columns.get(word.as_str())?;
                Some((col, (1.0 + f64::from(n).ln()) * idf))
            };
            let row: Vec<(u32, f64)> = text.iter().filter_map(weight).collect();
            let norm = row.iter().map(|(_, x)| x * x).sum::<f64>().sqrt();
            row.into_iter().map(|(col, x)| (col, (x / norm) as f32)).collect()
        };
        Sparse { n_cols: columns.len(), rows: texts.par_iter().map(row).collect() }
    }

    /// The most entries that a telling word stands in. Never so few that none could.
    fn entries_max(&self, n_entries: usize) -> u32 {
        ((self.max_share * n_entries as f64) as u32).max(self.min_entries)
    }

    fn complaint(&self, entries: &[Entry<'_>]) -> String {
        format!(
            "no word of three letters or more stands in {} to {} of the {} texts (min_entries, max_share), expected \
             at least one; the first text is {:?}",
            self.min_entries,
            self.entries_max(entries.len()),
            entries.len(),
            entries.first().map(|entry| entry.text.chars().take(80).collect::<String>()).unwrap_or_default(),
        )
    }
}

/// The words of a text, in lower case, and how often each stands there; numbers and words of one or two
/// letters are none.
fn words(text: &str) -> BTreeMap<String, u32> {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric());
    let telling = |word: &&str| word.chars().count() > 2 && !word.chars().all(|c| c.is_ascii_digit());
    let mut counts = BTreeMap::new();
    for word in words.filter(telling) {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Quiet;

    fn encode(params: &TfidfSvdParams, texts: &[&str]) -> Result<Matrix, EncodeError> {
        let entries: Vec<Entry<'_>> = texts.iter().map(|&text| Entry { id: "x", text }).collect();
        params.encode(&entries, &Quiet)
    }

    /// Texts of a few subjects with a vocabulary each, and of one subject's twin words.
    fn subjects() -> Vec<String> {
        let subjects = [
            ["robots", "detective", "rain", "tokyo", "neon"],
            ["wedding", "bride", "cake", "mother", "dress"],
            ["horse", "sheriff", "saloon", "desert", "train"],
            ["ghost", "house", "cellar", "candle", "scream"],
        ];
        let text = |at: usize| {
            let words = subjects[at % 4];
            format!("The {} and the {} of number{at}", words[at / 4 % 5], words[(at / 4 + 1 + at / 20) % 5])
        };
        (0..80).map(text).collect()
    }

    fn cosine(vectors: &Matrix, a: usize, b: usize) -> f64 {
        let dot = |a: usize, b: usize| -> f64 {
            vectors.row(a).iter().zip(vectors.row(b)).map(|(x, y)| f64::from(x * y)).sum()
        };
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn texts_of_one_subject_are_alike_even_without_a_common_word() {
        let texts = subjects();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = encode(&TfidfSvdParams { dimension: 4, max_share: 0.3, ..Default::default() }, &texts);
        let vectors = vectors.expect("words");
        assert_eq!((vectors.n_rows, vectors.n_cols), (80, 4));
        // Robots and detective; rain and tokyo: no word in common but "the" and "and", which all have.
        assert!(texts[0].contains("robots and the detective") && texts[8].contains("rain and the tokyo"));
        assert!(cosine(&vectors, 0, 8) > 0.9, "{}", cosine(&vectors, 0, 8));
        assert!(cosine(&vectors, 0, 1).abs() < 0.1, "{}", cosine(&vectors, 0, 1));
    }

    #[test]
    fn one_thread_and_two_give_the_same_bits() {
        let texts = subjects();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let on = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads");
            let vectors = pool.install(|| encode(&TfidfSvdParams::default(), &texts)).expect("words");
            vectors.data.iter().map(|x| x.to_bits()).collect::<Vec<u32>>()
        };
        assert_eq!(on(1), on(2));
    }

    #[test]
    fn a_text_without_telling_words_is_a_row_of_zeros_and_few_words_a_small_dimension() {
        let vectors =
            encode(&TfidfSvdParams::default(), &["Red red shoes", "1999 by me", "red SHOES", "unique"]);
        let vectors = vectors.expect("two words");
        assert_eq!((vectors.n_rows, vectors.n_cols), (4, 2));
        assert!(vectors.row(1).iter().chain(vectors.row(3)).all(|&x| x == 0.0));
        assert!(cosine(&vectors, 0, 2) > 0.9);
    }

    #[test]
    fn without_any_telling_word_the_error_says_what_was_looked_for() {
        let told = encode(&TfidfSvdParams::default(), &["one", "two", "three"]).expect_err("no word twice");
        let told = told.to_string();
        assert!(told.contains("stands in 2 to 2 of the 3 texts") && told.contains("\"one\""), "{told}");
        assert!(encode(&TfidfSvdParams::default(), &[]).is_err());
    }
}

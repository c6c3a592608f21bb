//! The encoders of a scenario at work: texts in, checked unit vectors out, each set computed once a run
//! and each text of a costly encoder once for all runs. Must not know who uses the vectors.

use super::cache::{self, Cache};
use super::template::{self, Template};
use super::{EncodeError, Encoder, EncoderPlan, Entry, Identity};
use crate::dataset::{Item, Vocabulary};
use crate::digest::hex;
use crate::progress::Progress;
use crate::recommender::dense::Matrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The encoder that there always is; a scenario may say what it is.
pub const DEFAULT: &str = "default";

/// Entries encoded between two writes to the cache: what a killed run loses at most.
const BATCH: usize = 256;

/// What stands for an entry of which nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The mean of the others.
    #[default]
    Mean,
    /// Zeros.
    Zero,
    /// Nothing: it is an error that names the entry.
    Refuse,
}

/// One encoder of a scenario, checked.
pub struct EncoderSpec {
    /// Its name.
    pub name: String,
    /// The text of an item.
    pub template: Template,
    /// What stands for an item without text.
    pub missing: Missing,
    /// What encodes.
    pub plan: Box<dyn EncoderPlan>,
}

/// Vectors of one set of entries.
#[derive(Debug)]
pub struct Encoded {
    /// One row an entry, of length 1, or zeros.
    pub vectors: Matrix,
    /// What is to be said of them.
    pub report: EncodingReport,
}

impl Encoded {
    /// SHA-256 of the vectors, in hex.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        self.vectors.data.iter().for_each(|x| hash.update(x.to_le_bytes()));
        hex(hash.finalize())
    }
}

/// How an encoding went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EncodingReport {
    /// The encoder's name in the scenario.
    pub encoder: String,
    /// What was encoded: `items`, `users`.
    pub what: String,
    /// Entries.
    pub n_entries: u64,
    /// Entries of which nothing is said, or nothing that the encoder knows.
    pub n_missing: u64,
    /// Entries whose vectors were in the cache.
    pub n_cached: u64,
    /// Numbers in a vector.
    pub dimension: u64,
    /// Smallest length of a vector before it was scaled to 1, missing ones aside.
    pub norm_min: f64,
    /// Mean length.
    pub norm_mean: f64,
    /// Largest length.
    pub norm_max: f64,
    /// How long it took.
    pub seconds: f64,
}

/// The encoders of a run.
pub struct Encoders {
    specs: Arc<Vec<EncoderSpec>>,
    base_dir: PathBuf,
    cache_dir: Option<PathBuf>,
    done: Mutex<BTreeMap<[u8; 32], Arc<Encoded>>>,
}

impl Encoders {
    /// These encoders; what they compute is kept in `cache_dir`, where there is one.
    pub fn new(specs: Arc<Vec<EncoderSpec>>, base_dir: &Path, cache_dir: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Encoders { specs, base_dir: base_dir.to_owned(), cache_dir, done: Mutex::default() })
    }

    /// The default encoder alone, as it is where a scenario says nothing; keeps nothing.
    pub fn plain() -> Arc<Self> {
        let spec = EncoderSpec {
            name: DEFAULT.to_owned(),
            template: Template::new("text", template::DEFAULT).expect("the default template"),
            missing: Missing::default(),
            plan: Box::new(super::tfidf_svd::TfidfSvdParams::default()),
        };
        Encoders::new(Arc::new(vec![spec]), Path::new("."), None)
    }

    /// One unit vector an item, by the encoder of this name.
    pub fn items(
        &self,
        name: &str,
        ids: &Vocabulary,
        catalogue: &[Item],
        genres: &Vocabulary,
        progress: &dyn Progress,
    ) -> Result<Arc<Encoded>, EncodeError> {
        let texts = self.spec(name)?.template.texts(catalogue, genres);
        let texts = texts.map_err(|problem| failed(name, problem))?;
        self.texts(name, "items", ids, &texts, progress)
    }

    /// One unit vector a text, by the encoder of this name; `what` says what the texts are.
    ///
    /// # Panics
    /// When there is not one text an id.
    pub fn texts(
        &self,
        name: &str,
        what: &str,
        ids: &Vocabulary,
        texts: &[Option<String>],
        progress: &dyn Progress,
    ) -> Result<Arc<Encoded>, EncodeError> {
        assert_eq!(ids.len(), texts.len(), "one text an id");
        let key = set_key(name, what, ids, texts);
        if let Some(known) = self.done().get(&key) {
            return Ok(known.clone());
        }
        let began = Instant::now();
        let spec = self.spec(name)?;
        let encoder = spec.plan.start(&self.base_dir)?;
        let mut encoded = self.encode((spec, encoder.as_ref()), what, ids, texts, progress)?;
        encoded.report.what = what.to_owned();
        encoded.report.seconds = began.elapsed().as_secs_f64();
        let encoded = Arc::new(encoded);
        self.done().insert(key, encoded.clone());
        Ok(encoded)
    }

    /// How every encoding of this run went, by encoder and what was encoded.
    pub fn reports(&self) -> Vec<EncodingReport> {
        let mut reports: Vec<EncodingReport> =
            self.done().values().map(|encoded| encoded.report.clone()).collect();
        reports.sort_by(|a, b| (&a.encoder, &a.what).cmp(&(&b.encoder, &b.what)));
        reports
    }

    fn done(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], Arc<Encoded>>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spec(&self, name: &str) -> Result<&EncoderSpec, EncodeError> {
        let spec = self.specs.iter().find(|spec| spec.name == name);
        spec.ok_or_else(|| failed(name, "there is no such table in [encoders]".to_owned()))
    }

    fn encode(
        &self,
        (spec, encoder): (&EncoderSpec, &dyn Encoder),
        what: &str,
        ids: &Vocabulary,
        texts: &[Option<String>],
        progress: &dyn Progress,
    ) -> Result<Encoded, EncodeError> {
        let identity = encoder.identity();
        let is_asked = |at: &usize| texts[*at].is_some() || identity == Identity::ById;
        let asked: Vec<usize> = (0..texts.len()).filter(is_asked).collect();
        let entries: Vec<Entry<'_>> = asked
            .iter()
            .map(|&at| Entry { id: ids.raw(at as u32), text: texts[at].as_deref().unwrap_or_default() })
            .collect();
        if entries.is_empty() {
            return Err(failed(&spec.name, "no entry has any text, expected at least one".to_owned()));
        }
        let (rows, n_cached) = match (identity, &self.cache_dir) {
            (Identity::PerText(identity), Some(dir)) => {
                through_cache(encoder, &identity, &mut Cache::open(dir)?, &entries, progress)?
            }
            (Identity::ById, _) => (encoder.find(what, &entries)?, 0),
            _ => (encoder.encode(&entries, progress)?, 0),
        };
        check_shape(&spec.name, &rows, &entries)?;
        let mut vectors = Matrix::zeros(texts.len(), rows.n_cols);
        for (row, &at) in asked.iter().enumerate() {
            vectors.row_mut(at).copy_from_slice(rows.row(row));
        }
        let mut report = EncodingReport {
            encoder: spec.name.clone(),
            n_entries: texts.len() as u64,
            n_cached,
            dimension: rows.n_cols as u64,
            ..EncodingReport::default()
        };
        normalise(&mut vectors, &mut report);
        fill_missing(spec, &mut vectors, ids)?;
        Ok(Encoded { vectors, report })
    }
}

/// What tells sets of entries apart.
fn set_key(name: &str, what: &str, ids: &Vocabulary, texts: &[Option<String>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [name, what] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    for (id, text) in ids.all().iter().zip(texts) {
        for part in [id.as_str(), text.as_deref().unwrap_or_default()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

/// The rows of all entries, those not in the cache computed and kept batch by batch; and how many were there.
fn through_cache(
    encoder: &dyn Encoder,
    identity: &str,
    cache: &mut Cache,
    entries: &[Entry<'_>],
    progress: &dyn Progress,
) -> Result<(Matrix, u64), EncodeError> {
    let key = cache::key(identity);
    let mut rows: Vec<Option<Vec<f32>>> = Vec::with_capacity(entries.len());
    for entry in entries {
        rows.push(cache.get(&key, entry.text)?);
    }
    let absent: Vec<usize> = (0..rows.len()).filter(|&at| rows[at].is_none()).collect();
    progress.begin("encode", absent.len() as u64);
    for batch in absent.chunks(BATCH) {
        progress.go_on()?;
        let asked: Vec<Entry<'_>> = batch.iter().map(|&at| entries[at]).collect();
        let found = encoder.encode(&asked, progress)?;
        check_shape(identity, &found, &asked)?;
        cache.put(&key, asked.iter().enumerate().map(|(row, entry)| (entry.text, found.row(row))))?;
        for (row, &at) in batch.iter().enumerate() {
            rows[at] = Some(found.row(row).to_vec());
        }
        progress.advance(batch.len() as u64, "");
    }
    progress.end();
    let n_cached = (entries.len() - absent.len()) as u64;
    let rows: Vec<Vec<f32>> = rows.into_iter().flatten().collect();
    let width = rows.first().map_or(0, Vec::len);
    if let Some(other) = rows.iter().find(|row| row.len() != width) {
        let problem = format!("vectors of {width} and of {} numbers, expected one width", other.len());
        return Err(failed(identity, problem));
    }
    Ok((Matrix::new(rows.len(), width, rows.concat()), n_cached))
}

/// Refuses what is not one finite row an entry.
fn check_shape(name: &str, rows: &Matrix, entries: &[Entry<'_>]) -> Result<(), EncodeError> {
    if rows.n_rows != entries.len() || rows.n_cols == 0 {
        let problem = format!(
            "gave {} rows of {} numbers for {} texts, expected one row each",
            rows.n_rows,
            rows.n_cols,
            entries.len()
        );
        return Err(failed(name, problem));
    }
    let broken = (0..rows.n_rows).find(|&row| rows.row(row).iter().any(|x| !x.is_finite()));
    match broken {
        Some(row) => Err(failed(name, format!("the vector of {:?} is not finite", entries[row].id))),
        None => Ok(()),
    }
}

/// Scales every row to length 1 and notes what the lengths were.
fn normalise(vectors: &mut Matrix, report: &mut EncodingReport) {
    let (mut min, mut max, mut sum) = (f64::INFINITY, 0f64, 0f64);
    for row in 0..vectors.n_rows {
        let row = vectors.row_mut(row);
        let norm = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if norm > 0.0 {
            row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
            (min, max, sum) = (min.min(norm), max.max(norm), sum + norm);
        } else {
            report.n_missing += 1;
        }
    }
    let n_known = report.n_entries - report.n_missing;
    if n_known > 0 {
        (report.norm_min, report.norm_mean, report.norm_max) = (min, sum / n_known as f64, max);
    }
}

/// Puts what the encoder's `missing` says into rows of zeros.
fn fill_missing(spec: &EncoderSpec, vectors: &mut Matrix, ids: &Vocabulary) -> Result<(), EncodeError> {
    let is_zero = |row: &[f32]| row.iter().all(|&x| x == 0.0);
    let empty: Vec<usize> = (0..vectors.n_rows).filter(|&row| is_zero(vectors.row(row))).collect();
    let Some(&first) = empty.first() else { return Ok(()) };
    match spec.missing {
        Missing::Zero => {}
        Missing::Refuse => {
            let problem = format!(
                "{} of {} entries have no text that it knows, the first is {:?}; missing = \"mean\" or \"zero\" lets \
                 them pass",
                empty.len(),
                vectors.n_rows,
                ids.raw(first as u32)
            );
            return Err(failed(&spec.name, problem));
        }
        Missing::Mean => {
            let mut mean = vec![0f64; vectors.n_cols];
            for row in 0..vectors.n_rows {
                mean.iter_mut().zip(vectors.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let norm = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
            if norm > 0.0 {
                for row in empty {
                    vectors.row_mut(row).iter_mut().zip(&mean).for_each(|(x, sum)| *x = (sum / norm) as f32);
                }
            }
        }
    }
    Ok(())
}

fn failed(encoder: &str, problem: String) -> EncodeError {
    EncodeError::Failed { encoder: encoder.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Quiet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Encodes a text as (length, number of `a`) and counts what it is asked.
    struct Lengths(Arc<AtomicUsize>);

    impl Encoder for Lengths {
        fn identity(&self) -> Identity {
            Identity::PerText("lengths".to_owned())
        }

        fn encode(&self, entries: &[Entry<'_>], _progress: &dyn Progress) -> Result<Matrix, EncodeError> {
            self.0.fetch_add(entries.len(), Ordering::SeqCst);
            let length = |text: &str| if text == "nan" { f32::NAN } else { text.len() as f32 };
            let row = |entry: &Entry<'_>| [length(entry.text), entry.text.matches('a').count() as f32 / 0.5];
            Ok(Matrix::new(entries.len(), 2, entries.iter().flat_map(row).collect()))
        }
    }

    struct Plan(Arc<AtomicUsize>);

    impl EncoderPlan for Plan {
        fn start(&self, _base_dir: &Path) -> Result<Box<dyn Encoder>, EncodeError> {
            Ok(Box::new(Lengths(self.0.clone())))
        }
    }

    fn encoders(missing: Missing, cache: Option<&Path>) -> (Arc<Encoders>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let spec = EncoderSpec {
            name: "lengths".to_owned(),
            template: Template::new("text", template::DEFAULT).expect("the default"),
            missing,
            plan: Box::new(Plan(asked.clone())),
        };
        (Encoders::new(Arc::new(vec![spec]), Path::new("."), cache.map(Path::to_owned)), asked)
    }

    fn ids(n: usize) -> Vocabulary {
        let mut ids = Vocabulary::new();
        (0..n).for_each(|id| _ = ids.intern(&format!("id{id}")));
        ids
    }

    fn texts(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| template::clean(text)).collect()
    }

    #[test]
    fn rows_have_length_one_and_the_report_says_what_they_had() {
        let (encoders, _) = encoders(Missing::Mean, None);
        let found = encoders.texts("lengths", "items", &ids(3), &texts(&["xaax", "", "xxx"]), &Quiet);
        let found = found.expect("encoded");
        let root = 0.5f32.sqrt();
        assert_eq!(found.vectors.row(0), [root, root]);
        assert_eq!(found.vectors.row(2), [1.0, 0.0]);
        let mean = (1.0 + root, root);
        let norm = (mean.0 * mean.0 + mean.1 * mean.1).sqrt();
        assert!((found.vectors.row(1)[0] - mean.0 / norm).abs() < 1e-6);
        let report = &encoders.reports()[0];
        assert_eq!((report.n_entries, report.n_missing, report.dimension, report.norm_min), (3, 1, 2, 3.0));
        assert!((report.norm_max - 32f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn a_text_is_encoded_once_for_all_runs_and_a_set_once_a_run() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let run = |said: &[&str]| {
            let (encoders, asked) = encoders(Missing::Zero, Some(dir.path()));
            let once = encoders.texts("lengths", "items", &ids(said.len()), &texts(said), &Quiet);
            let once = once.expect("encoded");
            let twice = encoders.texts("lengths", "items", &ids(said.len()), &texts(said), &Quiet);
            assert!(Arc::ptr_eq(&once, &twice.expect("encoded")));
            (once.vectors.clone(), asked.load(Ordering::SeqCst), once.report.n_cached)
        };
        let (first, n_asked, n_cached) = run(&["abc", "de"]);
        assert_eq!((n_asked, n_cached), (2, 0));
        let (second, n_asked, n_cached) = run(&["de", "new", "abc"]);
        assert_eq!((n_asked, n_cached), (1, 2));
        assert_eq!(second.row(2), first.row(0));
    }

    #[test]
    fn an_encoder_that_looks_up_is_asked_about_those_without_text_too() {
        struct Known;
        impl EncoderPlan for Known {
            fn start(&self, _base_dir: &Path) -> Result<Box<dyn Encoder>, EncodeError> {
                Ok(Box::new(Known))
            }
        }
        impl Encoder for Known {
            fn identity(&self) -> Identity {
                Identity::ById
            }
            fn encode(&self, entries: &[Entry<'_>], _progress: &dyn Progress) -> Result<Matrix, EncodeError> {
                self.find("items", entries)
            }
            fn find(&self, what: &str, entries: &[Entry<'_>]) -> Result<Matrix, EncodeError> {
                assert_eq!(what, "items");
                let row = |entry: &Entry<'_>| f32::from(entry.id == "id1") * 2.0;
                Ok(Matrix::new(entries.len(), 1, entries.iter().map(row).collect()))
            }
        }
        let spec = EncoderSpec {
            name: "known".to_owned(),
            template: Template::new("text", template::DEFAULT).expect("the default"),
            missing: Missing::Zero,
            plan: Box::new(Known),
        };
        let encoders = Encoders::new(Arc::new(vec![spec]), Path::new("."), None);
        let found = encoders.texts("known", "items", &ids(3), &texts(&["a", "", ""]), &Quiet).expect("found");
        assert_eq!((found.vectors.data.as_slice(), found.report.n_missing), (&[0.0, 1.0, 0.0][..], 2));
    }

    #[test]
    fn what_cannot_be_used_is_told_by_name() {
        let refuse = |said: &[&str]| {
            let (encoders, _) = encoders(Missing::Refuse, None);
            let told = encoders.texts("lengths", "items", &ids(said.len()), &texts(said), &Quiet);
            told.expect_err("refused").to_string()
        };
        assert!(refuse(&["a", "", ""]).contains("2 of 3 entries have no text"));
        assert!(refuse(&["a", "", ""]).contains("id1"));
        assert!(refuse(&["a", "nan"]).contains("the vector of \"id1\" is not finite"));
        assert!(refuse(&["", ""]).contains("no entry has any text"));
        let (encoders, _) = encoders(Missing::Mean, None);
        let told = encoders.texts("minilm", "items", &ids(1), &texts(&["a"]), &Quiet).expect_err("unknown");
        assert!(told.to_string().contains("encoder minilm: there is no such table"));
    }
}

//! Checkpoints: the whole state of a training run in one file, written atomically, read
//! back only by a run with the same parameters, data, seed and round.
//!
//! Layout: magic, length of a JSON header (u64), the header, then all tables as f32, all
//! little-endian. Must not know models.

use super::schedule::{Best, Learner};
use crate::dataset::Interactions;
use crate::digest::hex;
use crate::files;
use crate::recommender::{CurvePoint, FitContext, RecommendError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"WTCKPT01";

/// The file of a run: named by its hash, so that several runs can share a folder.
fn path_of(dir: &Path, hash: &str) -> PathBuf {
    dir.join(format!("training-{}.ckpt", &hash[..hash.len().min(16)]))
}

/// What must be equal for a checkpoint to be resumed.
pub struct Fingerprint<'a> {
    /// Kind of recommender.
    pub kind: &'a str,
    /// All hyper-parameters, as JSON.
    pub params: String,
    /// Training interactions.
    pub train: &'a Interactions,
    /// Validation interactions.
    pub valid: &'a Interactions,
}

impl Fingerprint<'_> {
    /// A digest of everything that decides the course of training.
    pub fn hash(&self, context: &FitContext<'_>) -> String {
        let mut digest = Sha256::new();
        digest.update(format!("{} {} {} ", env!("CARGO_PKG_VERSION"), self.kind, self.params));
        digest.update(context.streams.seed().to_le_bytes());
        digest.update(context.round.to_le_bytes());
        for part in [self.train, self.valid] {
            digest.update((part.matrix.n_rows as u64).to_le_bytes());
            digest.update((part.matrix.n_cols as u64).to_le_bytes());
            for row in 0..part.matrix.n_rows {
                let (columns, values) = part.matrix.row(row);
                digest.update((columns.len() as u64).to_le_bytes());
                columns.iter().for_each(|column| digest.update(column.to_le_bytes()));
                values.iter().for_each(|value| digest.update(value.to_le_bytes()));
            }
        }
        hex(digest.finalize())
    }
}

/// The state of training after an epoch.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The last finished epoch.
    pub epoch: u32,
    /// [`Learner::state`].
    pub tables: Vec<Vec<f32>>,
    /// The best model so far.
    pub best: Best,
    /// The learning curve so far.
    pub curve: Vec<CurvePoint>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    hash: String,
    epoch: u32,
    best_value: f64,
    best_epoch: u32,
    curve: Vec<CurvePoint>,
    table_lens: Vec<u64>,
    best_lens: Vec<u64>,
}

impl Checkpoint {
    /// Writes the file whole or not at all.
    pub fn write(&self, dir: &Path, hash: &str) -> Result<(), RecommendError> {
        let path = path_of(dir, hash);
        let io = |source| RecommendError::Io { path: path.clone(), source };
        let lens = |tables: &[Vec<f32>]| tables.iter().map(|table| table.len() as u64).collect();
        let header = Header {
            hash: hash.to_owned(),
            epoch: self.epoch,
            best_value: self.best.value,
            best_epoch: self.best.epoch,
            curve: self.curve.clone(),
            table_lens: lens(&self.tables),
            best_lens: lens(&self.best.tables),
        };
        let header = serde_json::to_vec(&header).map_err(|error| io(error.into()))?;
        std::fs::create_dir_all(dir).map_err(io)?;
        let mut file = files::temporary_beside(&path).map_err(io)?;
        {
            let mut out = std::io::BufWriter::new(file.as_file_mut());
            out.write_all(MAGIC).map_err(io)?;
            out.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
            out.write_all(&header).map_err(io)?;
            for value in self.tables.iter().chain(&self.best.tables).flatten() {
                out.write_all(&value.to_le_bytes()).map_err(io)?;
            }
            out.flush().map_err(io)?;
        }
        file.as_file().sync_all().map_err(io)?;
        files::persist(file, &path).map_err(io)
    }

    /// Reads the checkpoint of this hash; `None` when there is none, it belongs to another
    /// run, or it is damaged: training then starts from the beginning.
    pub fn read(dir: &Path, hash: &str) -> Option<Checkpoint> {
        let bytes = std::fs::read(path_of(dir, hash)).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (len, rest) = rest.split_first_chunk::<8>()?;
        let (header, values) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        let header: Header = serde_json::from_slice(header).ok()?;
        let (values, tail) = values.as_chunks::<4>();
        let mut all = header.table_lens.iter().chain(&header.best_lens);
        let expected = all.try_fold(0u64, |sum, len| sum.checked_add(*len))?;
        if header.hash != hash || !tail.is_empty() || expected != values.len() as u64 {
            return None;
        }
        let mut values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let mut take = |lens: &[u64]| -> Vec<Vec<f32>> {
            lens.iter().map(|&len| values.by_ref().take(len as usize).collect()).collect()
        };
        let tables = take(&header.table_lens);
        let best =
            Best { value: header.best_value, epoch: header.best_epoch, tables: take(&header.best_lens) };
        Some(Checkpoint { epoch: header.epoch, tables, best, curve: header.curve })
    }

    /// Puts the tables back; `false` (and nothing changed) when their shapes differ.
    pub fn restore_into(&self, learner: &mut dyn Learner) -> bool {
        let n_model = learner.n_model_tables();
        let mut state = learner.state();
        let fits = state.len() == self.tables.len()
            && state.iter().zip(&self.tables).all(|(to, from)| to.len() == from.len())
            && (self.best.epoch == 0 || self.best.tables.len() == n_model)
            && state.iter().zip(&self.best.tables).all(|(to, from)| to.len() == from.len());
        if fits {
            state.iter_mut().zip(&self.tables).for_each(|(to, from)| to.clone_from(from));
        }
        fits
    }

    /// Removes the file of a finished training, if there is one.
    pub fn remove(dir: &Path, hash: &str) {
        // A leftover would only be ignored or resumed to the same end.
        let _ = std::fs::remove_file(path_of(dir, hash));
    }
}

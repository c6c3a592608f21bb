//! Fitted models that several processes share: each is fitted once, by whoever comes first, and kept in a folder named
//! by the hash of all that decides it. Only models that learn from interactions alone are kept, since what else
//! decides a model (text, servers, programs) is not all in the scenario. Must not know how models are fitted.

use super::RunError;
use super::fit::{Fitted, FittedOn};
use super::folder::ModelFolder;
use crate::digest::hex;
use crate::files;
use crate::recommender::{CurvePoint, Needs, Surroundings};
use crate::scenario::Arm;
use crate::scenario::file::ScenarioFile;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// Where models are kept, for the arms of one scenario.
#[derive(Clone, Copy, Debug)]
pub struct ModelStore<'a> {
    /// Which folder.
    pub dir: &'a Path,
    /// The scenario, as resolved.
    pub scenario: &'a ScenarioFile,
}

/// The place of one model, which no other process fills as long as this lives.
pub struct Place {
    path: PathBuf,
    _lock: File,
}

impl ModelStore<'_> {
    /// The place of an arm's model on this data; `None` for models that are not kept. Waits while another process
    /// fits the same model.
    pub fn place(&self, arm: &Arm, fitted_on: &FittedOn) -> Result<Option<Place>, RunError> {
        if arm.kind.about().needs != Needs::Interactions {
            return Ok(None);
        }
        let io = |source| RunError::Io { path: self.dir.to_owned(), source };
        std::fs::create_dir_all(self.dir).map_err(io)?;
        let key = self.key(arm, fitted_on);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.dir.join(format!("{key}.lock")))
            .map_err(io)?;
        lock.lock().map_err(io)?;
        Ok(Some(Place { path: self.dir.join(key), _lock: lock }))
    }

    /// SHA-256 of all that decides the model.
    fn key(&self, arm: &Arm, fitted_on: &FittedOn) -> String {
        let parameters = self.scenario.arms.get(&arm.name).map(toml::Value::to_string).unwrap_or_default();
        let mut hash = Sha256::new();
        for part in [
            env!("CARGO_PKG_VERSION"),
            &fitted_on.kind,
            &parameters,
            &self.scenario.seed.to_string(),
            &fitted_on.dataset_hash,
            &fitted_on.split_hash,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hex(hash.finalize())
    }
}

impl Place {
    /// The model that is kept here, if there is one.
    pub fn load(&self, arm: &Arm, around: &Surroundings) -> Result<Option<Fitted>, RunError> {
        let curve = self.path.join(CURVE);
        if !curve.is_file() {
            return Ok(None);
        }
        let failed = |source| RunError::Recommend { arm: arm.name.clone(), source };
        let text = std::fs::read(&curve).map_err(|source| RunError::Io { path: curve.clone(), source })?;
        let points: Vec<CurvePoint> = serde_json::from_slice(&text).map_err(|error| {
            failed(crate::recommender::RecommendError::BadModel {
                path: curve.clone(),
                problem: error.to_string(),
            })
        })?;
        Ok(Some((arm.kind.load(&self.path, around).map_err(failed)?, points)))
    }

    /// Keeps a model here.
    pub fn keep(&self, arm: &Arm, fitted_on: &FittedOn, fitted: &Fitted) -> Result<(), RunError> {
        ModelFolder::create(&self.path, true)?.fill(|dir| {
            let (model, curve) = fitted;
            let saved = model.save(dir);
            saved.map_err(|source| RunError::Recommend { arm: arm.name.clone(), source })?;
            let write = |name: &str, text: Vec<u8>| {
                let path = dir.join(name);
                files::write_whole(&path, &text).map_err(|source| RunError::Io { path, source })
            };
            write(super::fit::FITTED_ON, serde_json::to_vec_pretty(fitted_on).expect("plain data is JSON"))?;
            write(CURVE, serde_json::to_vec_pretty(curve).expect("plain data is JSON"))
        })?;
        Ok(())
    }
}

/// The learning curves of a kept model.
const CURVE: &str = "curve.json";

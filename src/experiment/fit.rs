//! One arm's model: fitted on a split, saved, or loaded from where it was saved.
//! Must not know agents.

use super::RunError;
use super::folder::ModelFolder;
use super::model_store::ModelStore;
use crate::dataset::{Dataset, Split};
use crate::digest::hex;
use crate::progress::Progress;
use crate::recommender::without::{ColdRule, Without, cold_items};
use crate::recommender::{CurvePoint, FitContext, RecommendError, Recommender};
use crate::recommender::{Surroundings, Training, Wrapped};
use crate::rng::Streams;
use crate::scenario::Arm;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The file beside a model that says what it was fitted on.
pub(super) const FITTED_ON: &str = "fitted_on.json";

/// What a model was fitted on, kept beside it as `fitted_on.json`: a model that meets other data
/// is refused before it can rank items that are not what it takes them for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOn {
    /// Kind of recommender.
    pub kind: String,
    /// Content hash of the dataset.
    pub dataset_hash: String,
    /// Hash of the training and validation sets: a model that has seen what is now held out
    /// must not be judged on it.
    pub split_hash: String,
}

/// SHA-256 over who has what in training and validation.
pub(super) fn split_hash(split: &Split) -> String {
    let mut hash = Sha256::new();
    for part in [&split.train, &split.valid] {
        hash.update((part.len() as u64).to_le_bytes());
        part.matrix.indptr.iter().for_each(|&start| hash.update((start as u64).to_le_bytes()));
        part.matrix.indices.iter().for_each(|item| hash.update(item.to_le_bytes()));
    }
    hex(hash.finalize())
}

/// What a recommender may learn from this split.
pub fn training<'a>(dataset: &'a Dataset, split: &'a Split) -> Training<'a> {
    Training {
        train: &split.train,
        valid: &split.valid,
        catalogue: &dataset.catalogue,
        users: &dataset.users,
        items: &dataset.items,
        genres: &dataset.genres,
        has_ratings: dataset.rating_range.is_some(),
        user_profiles: dataset.user_profiles.as_deref(),
    }
}

/// What fitting the arms of a scenario takes.
pub struct Workshop<'a> {
    /// All arms: one may wrap another.
    pub arms: &'a [Arm],
    /// The data.
    pub dataset: &'a Dataset,
    /// The run's randomness.
    pub streams: Streams,
    /// Encoders and language models.
    pub around: &'a Surroundings,
    /// Where training may leave checkpoints.
    pub checkpoints: Option<&'a Path>,
    /// Where models of the first round are kept and found.
    pub models: Option<ModelStore<'a>>,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

/// A fitted model and its learning curve.
pub type Fitted = (Box<dyn Recommender>, Vec<CurvePoint>);

impl Workshop<'_> {
    /// Fits the arm on this split, or loads its model; where the arm says so, what comes never ranks
    /// items that nobody has in training.
    pub fn fit(&self, split: &Split, arm: &Arm, round: u32) -> Result<Fitted, RunError> {
        let (model, curve) = self.fit_whole(split, arm, round)?;
        if self.excludes_cold_items(arm) {
            return Ok((Box::new(Without::new(model, cold_items(&split.train))), curve));
        }
        Ok((model, curve))
    }

    /// Whether the arm, or one that it wraps, leaves cold items out: a wrapped arm that is saved inside
    /// another is no longer told.
    fn excludes_cold_items(&self, arm: &Arm) -> bool {
        arm.cold_items == ColdRule::Exclude
            || self.wrapped_by(arm).is_some_and(|inner| self.excludes_cold_items(inner))
    }

    /// The arm whose lists this one reorders.
    fn wrapped_by(&self, arm: &Arm) -> Option<&Arm> {
        let name = arm.trainer.wraps()?;
        self.arms.iter().find(|other| other.name == name)
    }

    fn fit_whole(&self, split: &Split, arm: &Arm, round: u32) -> Result<Fitted, RunError> {
        let Some(store) = self.models.filter(|_| round == 0 && arm.model.is_none()) else {
            return self.fit_anew(split, arm, round);
        };
        let fitted_on = FittedOn {
            kind: arm.kind.name().to_owned(),
            dataset_hash: self.dataset.content_hash(),
            split_hash: split_hash(split),
        };
        let Some(place) = store.place(arm, &fitted_on)? else { return self.fit_anew(split, arm, round) };
        if let Some(kept) = place.load(arm, self.around)? {
            return Ok(kept);
        }
        let fitted = self.fit_anew(split, arm, round)?;
        place.keep(arm, &fitted_on, &fitted)?;
        Ok(fitted)
    }

    fn fit_anew(&self, split: &Split, arm: &Arm, round: u32) -> Result<Fitted, RunError> {
        let failed = |source| RunError::Recommend { arm: arm.name.clone(), source };
        if let Some(dir) = &arm.model {
            return Ok((load(self, split, arm, dir).map_err(failed)?, Vec::new()));
        }
        let wrapped = match self.wrapped_by(arm) {
            Some(inner) => Some(Wrapped { kind: inner.kind, model: self.fit(split, inner, round)?.0.into() }),
            None => None,
        };
        let checkpoint_dir = self.checkpoints.map(|dir| dir.join(&arm.name));
        if let Some(path) = &checkpoint_dir {
            std::fs::create_dir_all(path).map_err(|source| RunError::Io { path: path.clone(), source })?;
        }
        let mut context = FitContext {
            around: self.around.clone(),
            arm: &arm.name,
            wrapped,
            round,
            checkpoint_dir,
            ..FitContext::plain(self.streams, self.progress)
        };
        self.progress.go_on()?;
        self.progress.begin(&format!("fit {}", arm.name), 0);
        let fitted = arm.trainer.fit(&training(self.dataset, split), &mut context);
        self.progress.end();
        Ok((fitted.map_err(failed)?, context.curve))
    }
}

fn load(
    workshop: &Workshop<'_>,
    split: &Split,
    arm: &Arm,
    dir: &Path,
) -> Result<Box<dyn Recommender>, RecommendError> {
    let path = dir.join(FITTED_ON);
    let bad = |problem| RecommendError::BadModel { path: path.clone(), problem };
    let bytes = crate::intake::bytes(&path, crate::intake::WRITTEN_BYTES_MAX)
        .map_err(|source| RecommendError::Io { path: path.clone(), source })?;
    let fitted_on: FittedOn = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    if fitted_on.kind != arm.kind.name() {
        return Err(bad(format!("kind is {:?}, the arm expects {:?}", fitted_on.kind, arm.kind.name())));
    }
    let hash = workshop.dataset.content_hash();
    if fitted_on.dataset_hash != hash {
        return Err(bad(format!("fitted on dataset {}, this one is {hash}", fitted_on.dataset_hash)));
    }
    if fitted_on.split_hash != split_hash(split) {
        let problem = "fitted on another split of this dataset; use the seed and [split] it was fitted with";
        return Err(bad(problem.to_owned()));
    }
    arm.kind.load(dir, workshop.around)
}

/// Fits every arm of a scenario and saves each model in a folder of its own below `out`.
pub fn fit_and_save(
    scenario: &crate::scenario::Scenario,
    options: &super::RunOptions<'_>,
) -> Result<Vec<std::path::PathBuf>, RunError> {
    let (dataset, split) = super::prepare::load(scenario, options.base_dir, options.progress)?;
    let dataset_hash = dataset.content_hash();
    let llm = super::client(scenario, options);
    let workshop = Workshop {
        arms: &scenario.arms,
        dataset: &dataset,
        streams: Streams::new(scenario.file.seed),
        around: &super::surroundings(scenario, options.base_dir, &llm),
        checkpoints: options.checkpoints,
        models: None,
        progress: options.progress,
    };
    let mut saved = Vec::new();
    // Every folder first: nothing is fitted for a place that is taken.
    let folders: Result<Vec<ModelFolder>, RunError> = scenario
        .arms
        .iter()
        .map(|arm| ModelFolder::create(&options.out.join(&arm.name), options.replaces()))
        .collect();
    for (arm, folder) in scenario.arms.iter().zip(folders?) {
        let (model, _) = workshop.fit(&split, arm, 0)?;
        let fitted_on = FittedOn {
            kind: arm.kind.name().to_owned(),
            dataset_hash: dataset_hash.clone(),
            split_hash: split_hash(&split),
        };
        let text = serde_json::to_vec_pretty(&fitted_on).expect("plain data is JSON");
        saved.push(folder.fill(|dir| {
            model.save(dir).map_err(|source| RunError::Recommend { arm: arm.name.clone(), source })?;
            let path = dir.join(FITTED_ON);
            crate::files::write_whole(&path, &text).map_err(|source| RunError::Io { path, source })
        })?);
    }
    Ok(saved)
}

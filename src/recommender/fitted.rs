//! A fitted model whose scores come out of one part (factors, towers on text): what it was fitted with, and that
//! part. Must not know how it was fitted.

use super::factors::Factors;
use super::text_towers::TextTowers;
use super::{Ranked, RecommendError, Recommender, Request, model_file};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// What ranks.
pub trait Scores: Send + Sync + Sized {
    /// One list a request.
    fn recommend(&self, requests: &[Request<'_>]) -> Vec<Ranked>;

    /// Whether what is watched in a session changes its next page.
    fn folds_in(&self) -> bool;

    /// Writes everything but the model's own header.
    fn save(&self, dir: &Path) -> Result<(), RecommendError>;
}

impl Scores for Factors {
    fn recommend(&self, requests: &[Request<'_>]) -> Vec<Ranked> {
        self.recommend(requests)
    }

    fn folds_in(&self) -> bool {
        false
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        self.save(dir)
    }
}

impl Scores for TextTowers {
    fn recommend(&self, requests: &[Request<'_>]) -> Vec<Ranked> {
        self.recommend(requests)
    }

    fn folds_in(&self) -> bool {
        self.folds_in()
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        self.save(dir)
    }
}

/// A model of a kind. Its answers are the same for whoever asks, and alike for all agents of one person.
pub struct Fitted<P, S> {
    kind: &'static str,
    params: P,
    scores: S,
}

impl<P: Serialize + DeserializeOwned + Send + Sync + 'static, S: Scores + 'static> Fitted<P, S> {
    /// The model, ready to serve.
    pub fn boxed(kind: &'static str, params: P, scores: S) -> Box<dyn Recommender> {
        Box::new(Fitted { kind, params, scores })
    }

    /// Reads what [`Recommender::save`] wrote; `scores` reads the part that ranks, given the parameters.
    pub fn load(
        kind: &'static str,
        dir: &Path,
        scores: impl FnOnce(&P) -> Result<S, RecommendError>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let params: P = model_file::read_header(dir, kind)?;
        let scores = scores(&params)?;
        Ok(Fitted::boxed(kind, params, scores))
    }
}

impl<P: Serialize + Send + Sync, S: Scores> Recommender for Fitted<P, S> {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(self.scores.recommend(requests))
    }

    fn adapts_in_session(&self) -> bool {
        self.scores.folds_in()
    }

    fn answers_alike(&self) -> bool {
        true
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, self.kind, &self.params)?;
        self.scores.save(dir)
    }
}

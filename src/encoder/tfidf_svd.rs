//! `tfidf_svd`: latent semantic analysis.
//!
//! Words weigh tf-idf, and the entries' rows are projected on the first singular vectors of the
//! whole matrix (Deerwester, Dumais, Furnas, Landauer and Harshman, "Indexing by latent semantic
//! analysis", JASIS 1990). The decomposition is randomised subspace iteration (Halko, Martinsson and
//! Tropp, SIAM Review 2011, algorithms 4.4 and 5.1) from a fixed start, so that the same texts give the
//! same bits on one machine. Must not know who uses the vectors.

use super::{EncodeError, Encoder, EncoderKind, EncoderPlan, Entry, Identity};
use crate::progress::Progress;
use crate::recommender::dense::Matrix;
use crate::scenario::params::{self, Complaint, within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Settings of `tfidf_svd`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TfidfSvdParams {
    /// Numbers in a vector, 1..=1024; fewer where there are fewer words or entries.
    pub dimension: u32,
    /// A word must stand in so many entries at least, 1..=1000000.
    pub min_entries: u32,
    /// A word that stands in a larger share of the entries says nothing, 0..=1.
    pub max_share: f64,
}

impl Default for TfidfSvdParams {
    fn default() -> Self {
        TfidfSvdParams { dimension: 128, min_entries: 2, max_share: 0.2 }
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

    fn encode(&self, _entries: &[Entry<'_>], _progress: &dyn Progress) -> Result<Matrix, EncodeError> {
        Err(EncodeError::Failed { encoder: "tfidf_svd".to_owned(), problem: "not written yet".to_owned() })
    }
}

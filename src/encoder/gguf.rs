//! `gguf`: sentence embeddings by a model in this process, through llama.cpp. Only the settings live here; what
//! computes lives in the modules below, which exist with the cargo feature `llama`.
//!
//! A text becomes tokens, the tokens become vectors that have looked at the whole text, and their mean (or the one of
//! the marker in front) is the text's vector: Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, section 3. Rows are
//! as pooled, not scaled. What a text's row is depends on the other texts of its batch in the last digits only.
//!
//! Must not know who uses the vectors.

#[cfg(feature = "llama")]
pub mod batches;
#[cfg(feature = "llama")]
pub mod model;

use super::{EncoderKind, EncoderPlan};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first one, of the marker that stands before every text.
    Cls,
    /// The last one; for models of which a token sees only those before it.
    Last,
    /// As the file says.
    #[default]
    Model,
}

/// Settings of `gguf`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GgufParams {
    /// The model: a GGUF file.
    pub path: String,
    /// How the vectors of a text's tokens become one: `mean`, `cls`, `last`, or `model`, which does what the
    /// file says.
    #[serde(default)]
    pub pooling: Pooling,
    /// Tokens of a text that are read, markers included, 8..=8192; the rest is cut off. No more than the model was
    /// trained on.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: u32,
    /// Tokens computed at once by a worker, 16..=16384; a longer text makes a batch of its own. A GPU wants more than
    /// the default.
    #[serde(default = "default_batch_tokens")]
    pub batch_tokens: u32,
    /// Threads, each with a context of its own, 0..=1024; 0 takes as many as everything else.
    #[serde(default)]
    pub n_workers: u32,
    /// Layers that run on the GPU, where the build has one, 0..=10000.
    #[serde(default)]
    pub gpu_layers: u32,
}

fn default_max_tokens() -> u32 {
    256
}

/// Every token of a batch is held against every other, of whatever text, so large batches waste work on a CPU.
fn default_batch_tokens() -> u32 {
    128
}

impl GgufParams {
    /// The defaults, with this model.
    pub fn new(path: impl Into<String>) -> Self {
        GgufParams {
            path: path.into(),
            pooling: Pooling::default(),
            max_tokens: default_max_tokens(),
            batch_tokens: default_batch_tokens(),
            n_workers: 0,
            gpu_layers: 0,
        }
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        if self.path.trim().is_empty() {
            return Err(Complaint::out_of_range(format!("{at}.path"), "empty", "the path of a GGUF file"));
        }
        params::within(at, "max_tokens", self.max_tokens, 8, 8192)?;
        params::within(at, "batch_tokens", self.batch_tokens, 16, 16_384)?;
        params::within(at, "n_workers", self.n_workers, 0, 1024)?;
        params::within(at, "gpu_layers", self.gpu_layers, 0, 10_000)
    }
}

/// The kind `gguf`.
pub struct Gguf;

impl EncoderKind for Gguf {
    fn name(&self) -> &'static str {
        "gguf"
    }

    fn about(&self) -> &'static str {
        "sentence embeddings by a GGUF model in this process, through llama.cpp (builds with the cargo feature `llama`)"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(GgufParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn EncoderPlan>, Complaint> {
        let params: GgufParams = params::parse_with(at, table, &[("path", "a GGUF file")])?;
        params.check(at)?;
        plan(at, params)
    }
}

#[cfg(feature = "llama")]
fn plan(_at: &str, params: GgufParams) -> Result<Box<dyn EncoderPlan>, Complaint> {
    Ok(Box::new(model::Plan::new(params)))
}

#[cfg(not(feature = "llama"))]
fn plan(at: &str, _params: GgufParams) -> Result<Box<dyn EncoderPlan>, Complaint> {
    Err(Complaint::out_of_range(
        format!("{at}.kind"),
        "\"gguf\", which this build lacks",
        "another encoder, or build with `cargo build --release --features llama` (needs cmake and libclang)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(toml: &str) -> String {
        let table: toml::Table = toml.parse().expect("test TOML");
        Gguf.check("encoders.x", &table).err().map_or_else(String::new, |complaint| complaint.to_string())
    }

    #[test]
    fn settings_are_checked_before_the_build_is() {
        assert_eq!(complaint(""), "encoders.x.path is missing: a GGUF file");
        assert!(complaint("pth = \"a.gguf\"").contains("did you mean `path`?"));
        assert!(complaint("path = \" \"").contains("encoders.x.path is empty"));
        let with = |line: &str| complaint(&format!("path = \"a.gguf\"\n{line}"));
        assert_eq!(with("max_tokens = 7"), "encoders.x.max_tokens is 7, must be 8..=8192");
        assert_eq!(with("batch_tokens = 1"), "encoders.x.batch_tokens is 1, must be 16..=16384");
        assert!(with("pooling = \"max\"").contains("unknown variant `max`"), "{}", with("pooling = \"max\""));
        assert!(with("n_worker = 1").contains("did you mean `n_workers`?"));
    }

    #[test]
    #[cfg(not(feature = "llama"))]
    fn a_build_without_it_says_how_to_get_it() {
        let told = complaint("path = \"a.gguf\"");
        assert!(told.contains("this build lacks") && told.contains("--features llama"), "{told}");
    }

    #[test]
    #[cfg(feature = "llama")]
    fn good_settings_make_a_plan() {
        assert_eq!(complaint("path = \"a.gguf\"\npooling = \"cls\"\nn_workers = 2"), "");
    }
}

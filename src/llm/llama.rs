//! Backend `llama`: any GGUF model, in this process, through llama.cpp. Only its settings live here; what runs it
//! lives in the modules below, which exist with the cargo feature `llama`.
//!
//! How it works. Each worker is one thread with one context of its own and one compute thread (several such contexts
//! beat one context of several threads); all share the weights. A worker batches continuously: in every turn
//! each of its sequences that is writing adds one token, those still reading add a chunk of their prompt, one call
//! computes them all, and one token is drawn for each. What a prompt begins with is computed once: a sequence that
//! another prompt left behind is cut back to what both share, and the state of finished prompts is kept in memory
//! for those who begin alike, on any worker.
//!
//! What is promised. A reply under a shape parses, unless `max_tokens` cut it. Luck comes from the request's seed
//! alone. Bits are not promised: logits differ in the fifth digit with what else is in the batch, so a draw
//! can flip; repeating a run exactly is the tape's business.
//!
//! Must not know what prompts are about.

#[cfg(feature = "llama")]
pub mod engine;
pub mod gguf;
#[cfg(feature = "llama")]
mod lanes;
#[cfg(feature = "llama")]
pub(crate) mod library;
#[cfg(feature = "llama")]
mod prompt;
#[cfg(feature = "llama")]
mod queue;
#[cfg(feature = "llama")]
mod sample;
#[cfg(feature = "llama")]
mod store;
#[cfg(feature = "llama")]
mod template;
#[cfg(feature = "llama")]
mod worker;

#[cfg(feature = "llama")]
pub use engine::Engine;
#[cfg(feature = "llama")]
pub use library::backend;

use crate::llm::{BackendKind, BackendPlan};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind `llama`.
pub struct Llama;

/// Settings of a model in this process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LlamaParams {
    /// The model: a GGUF file.
    pub path: String,
    /// Tokens of prompt and reply together that a sequence holds; no more than the model was trained on, unless
    /// `beyond_trained` says so.
    #[serde(default = "default_context_tokens")]
    pub context_tokens: u32,
    /// Whether prompts may be longer than the model was trained on; what it writes then is worth less.
    #[serde(default)]
    pub beyond_trained: bool,
    /// Sequences a worker computes at once. Each takes the memory of `context_tokens`.
    #[serde(default = "default_n_sequences")]
    pub n_sequences: u32,
    /// Prompts a worker keeps the state of, beyond those at work, for agents that come back.
    #[serde(default = "default_n_parked")]
    pub n_parked: u32,
    /// Threads, each with sequences of its own; 0 takes one a core.
    #[serde(default)]
    pub n_workers: u32,
    /// Layers that run on the GPU, where the build has one.
    #[serde(default)]
    pub gpu_layers: u32,
    /// Tokens computed in one turn of a worker, writing and reading together.
    #[serde(default = "default_batch_tokens")]
    pub batch_tokens: u32,
    /// What the model is called; the file's name if not given. A hash of the file is added to it.
    #[serde(default)]
    pub name: Option<String>,
}

fn default_context_tokens() -> u32 {
    2048
}

fn default_n_sequences() -> u32 {
    16
}

fn default_n_parked() -> u32 {
    16
}

fn default_batch_tokens() -> u32 {
    512
}

impl LlamaParams {
    /// The defaults, with this model.
    pub fn new(path: impl Into<String>) -> Self {
        LlamaParams {
            path: path.into(),
            context_tokens: default_context_tokens(),
            beyond_trained: false,
            n_sequences: default_n_sequences(),
            n_parked: default_n_parked(),
            n_workers: 0,
            gpu_layers: 0,
            batch_tokens: default_batch_tokens(),
            name: None,
        }
    }

    /// Refuses values outside their bounds.
    ///
    /// # Errors
    /// The first setting that is wrong, at its dotted path below `at`.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        if self.path.trim().is_empty() {
            return Err(Complaint::out_of_range(format!("{at}.path"), "empty", "the path of a GGUF file"));
        }
        params::within(at, "context_tokens", self.context_tokens, 64, 1 << 20)?;
        // llama.cpp has at most 256 sequences in a context.
        params::within(at, "n_sequences", self.n_sequences, 1, 256)?;
        params::within(at, "n_parked", self.n_parked, 1, 65_536)?;
        params::within(at, "n_workers", self.n_workers, 0, 1024)?;
        params::within(at, "gpu_layers", self.gpu_layers, 0, 10_000)?;
        params::within(at, "batch_tokens", self.batch_tokens, 16, 16_384)?;
        match &self.name {
            Some(name)
                if name.trim().is_empty() || name.len() > 200 || name.chars().any(char::is_control) =>
            {
                Err(Complaint::out_of_range(
                    format!("{at}.name"),
                    format!("{name:?}"),
                    "1 to 200 printable characters",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl BackendKind for Llama {
    fn name(&self) -> &'static str {
        "llama"
    }

    fn about(&self) -> &'static str {
        "any GGUF model in this process, through llama.cpp (builds with the cargo feature `llama`)"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(LlamaParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn BackendPlan>, Complaint> {
        let params: LlamaParams = params::parse_with(at, table, &[("path", "a GGUF file")])?;
        params.check(at)?;
        plan(at, params)
    }
}

#[cfg(feature = "llama")]
fn plan(_at: &str, params: LlamaParams) -> Result<Box<dyn BackendPlan>, Complaint> {
    Ok(Box::new(engine::Plan::new(params)))
}

#[cfg(not(feature = "llama"))]
fn plan(at: &str, _params: LlamaParams) -> Result<Box<dyn BackendPlan>, Complaint> {
    Err(Complaint::out_of_range(
        format!("{at}.backend"),
        "\"llama\", which this build lacks",
        "another backend, or build with `cargo build --release --features llama` (needs cmake and libclang)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(toml: &str) -> String {
        let table: toml::Table = toml.parse().expect("test TOML");
        Llama.check("llm.small", &table).err().map_or_else(String::new, |complaint| complaint.to_string())
    }

    #[test]
    fn settings_are_checked_before_the_build_is() {
        assert_eq!(complaint(""), "llm.small.path is missing: a GGUF file");
        assert!(complaint("pth = \"a.gguf\"").contains("did you mean `path`?"));
        assert!(complaint("path = \" \"").contains("llm.small.path is empty"));
        let with = |line: &str| complaint(&format!("path = \"a.gguf\"\n{line}"));
        assert_eq!(with("n_sequences = 0"), "llm.small.n_sequences is 0, must be 1..=256");
        assert_eq!(with("context_tokens = 63"), "llm.small.context_tokens is 63, must be 64..=1048576");
        assert!(with("n_parked = 0").contains("must be 1..=65536"));
        assert!(with("batch_tokens = 1").contains("must be 16..=16384"));
        assert!(with("name = \"\"").contains("1 to 200 printable characters"));
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
        assert_eq!(complaint("path = \"a.gguf\"\nn_workers = 2"), "");
    }
}

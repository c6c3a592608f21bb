//! `openai`: any server that speaks the chat-completions protocol (vLLM, SGLang, llama-server, Ollama,
//! the hosted ones), asked over HTTP with bounded concurrency, limits a minute, timeouts and bounded
//! retries. It returns the words as they came: whether they fit their shape, what is on the tape and
//! what may be spent is decided above. Must not know what requests are about.
//!
//! One call flows through the files in this order: `settings` are checked into a plan, the plan reads
//! the key (`crate::secret`) and starts a `backend`; a request is written as JSON (`wire`, `structured`),
//! admitted (`limits`), sent (`post`), judged (`verdict`) and, where that helps, sent again (`retry`).
//! What is asked of the same servers outside of any conversation takes the shorter way of `exchange`.

mod backend;
mod exchange;
mod limits;
pub mod post;
mod retry;
mod settings;
mod structured;
mod tokens;
pub mod verdict;
pub mod wire;

pub use exchange::Exchange;
pub use settings::{MaxTokensField, OpenAiSettings, StructuredOutput};

use super::{Backend, BackendKind, BackendPlan, LlmError, Price};
use crate::scenario::params::Complaint;
use crate::secret::Secret;
use std::path::Path;
use std::sync::Arc;

/// The kind `openai`.
pub struct OpenAi;

impl BackendKind for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn about(&self) -> &'static str {
        "any server with the chat-completions protocol, over HTTP"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(OpenAiSettings)
    }

    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn BackendPlan>, Complaint> {
        let settings = OpenAiSettings::checked(at, params)?;
        Ok(Box::new(Plan { settings }))
    }
}

/// The key that the settings name, if any.
fn key(settings: &OpenAiSettings) -> Result<Option<Secret>, LlmError> {
    let key = settings.key_env.as_deref().map(Secret::from_env).transpose();
    key.map_err(|error| LlmError::Stop(error.to_string()))
}

/// Checked settings.
struct Plan {
    settings: OpenAiSettings,
}

impl BackendPlan for Plan {
    fn price(&self) -> Price {
        self.settings.price()
    }

    fn statement(&self) -> String {
        self.settings.statement()
    }

    /// Reads the key and makes the client; the server is not contacted.
    fn start(&self, _base_dir: &Path) -> Result<Arc<dyn Backend>, LlmError> {
        Ok(Arc::new(backend::OpenAiBackend::new(self.settings.clone())?))
    }
}

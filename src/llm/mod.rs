//! How text is made: requests, replies, and the backends that answer them.
//!
//! A [`ChatRequest`] goes through the [`client`], which looks on the [`tape`] first, keeps the
//! [`budget`], asks a [`Backend`], and has every reply on the tape before anybody uses it.
//! Nothing here may know agents, recommenders or what a prompt is about.

pub mod account;
pub mod budget;
pub mod client;
pub mod fence;
pub mod llama;
pub mod openai;
pub mod plan;
pub mod shape;
pub mod tape;
pub mod words;

use crate::scenario::params::Complaint;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

/// Who speaks in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The rules of the game.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// How a reply is drawn from the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 takes the likeliest token every time.
    pub temperature: f32,
    /// Nucleus: the smallest set of tokens with this probability together; 1 switches it off.
    pub top_p: f32,
    /// Tokens a reply has at most.
    pub max_tokens: u32,
    /// The luck of this request, from the agent's own stream.
    pub seed: u64,
}

/// What is asked of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The conversation so far, the question last; laid out from least to most changing.
    pub messages: Vec<Message>,
    /// How the reply is drawn.
    pub sampling: Sampling,
    /// What the reply must look like; `None` for free text.
    pub shape: Option<Arc<shape::Shape>>,
    /// Whose request this is, in words that are the same in every run (`agent 17, round 0, page 2, decide`).
    /// Part of the tape's key, so that two who ask the same have their own luck.
    pub stream: String,
    /// Requests of one speaker carry the same number: they begin alike, and a backend may keep what it has
    /// computed of the beginning. Never part of the key.
    pub speaker: u64,
}

/// Tokens of one reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// How many of them were not computed again.
    pub cached_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// `max_tokens` was reached.
    Length,
}

/// What a model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatReply {
    /// The words.
    pub text: String,
    /// Why they ended.
    pub finish: Finish,
    /// What they took.
    pub usage: Usage,
    /// From sending to the last byte of the attempt that succeeded, in milliseconds.
    pub latency_ms: u32,
    /// Attempts that failed before.
    pub n_retries: u32,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LlmError {
    /// Every attempt failed; the agent's step fails, the run goes on.
    #[error("no reply after {n_attempts} attempts: {last}")]
    Exhausted {
        /// Attempts made.
        n_attempts: u32,
        /// What the last one met.
        last: String,
    },
    /// The backend will not answer this request, however often it is sent; the agent's step fails.
    #[error("refused: {0}")]
    Refused(String),
    /// The request does not fit into the model's context; the agent's step fails.
    #[error(
        "a prompt of {prompt_tokens} tokens and a reply of up to {max_tokens} do not fit into {context_tokens}"
    )]
    TooLong {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens kept for the reply.
        max_tokens: u32,
        /// Tokens the model holds.
        context_tokens: u32,
    },
    /// What was said cannot be understood, and was not repaired; the agent's step fails.
    #[error("the reply cannot be understood: {0}")]
    Unreadable(String),
    /// Nothing will answer any more; the run stops, and can go on later from its tape.
    #[error("{0}")]
    Stop(String),
}

impl LlmError {
    /// Whether the run has to stop, as against one agent's step failing.
    pub fn stops_run(&self) -> bool {
        matches!(self, LlmError::Stop(_))
    }
}

/// A reply on its way.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<ChatReply, LlmError>> + Send + 'a>>;

/// Something that answers requests: a server, or a model in this process.
///
/// Its futures run on the client's runtime; long computation belongs on threads of its own.
pub trait Backend: Send + Sync {
    /// The model, as it stands in the tape's key: another model must have another name.
    fn model(&self) -> &str;
    /// Answers a request, retrying as its own settings say.
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Pending<'a>;
    /// Tokens of a text: exact where the tokenizer is at hand, else not too few.
    fn count_tokens(&self, text: &str) -> u32;
    /// Tokens of prompt and reply together that the model holds.
    fn context_tokens(&self) -> u32;
    /// Requests that it can make use of at once; more wait at the client, first come, first served. A backend
    /// that chooses for itself whom to take next wants more than it works on.
    fn n_slots(&self) -> usize;
}

/// What tokens cost, in US dollars a million.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Tokens read and computed.
    pub prompt: f64,
    /// Tokens read from a cache.
    pub cached: f64,
    /// Tokens written.
    pub completion: f64,
}

impl Price {
    /// What this much costs, in US dollars.
    pub fn of(&self, usage: Usage) -> f64 {
        let fresh = usage.prompt_tokens.saturating_sub(usage.cached_tokens) as f64;
        (fresh * self.prompt
            + usage.cached_tokens as f64 * self.cached
            + usage.completion_tokens as f64 * self.completion)
            / 1e6
    }
}

/// A backend whose settings have been checked, not started yet.
pub trait BackendPlan: Send + Sync {
    /// What its tokens cost.
    fn price(&self) -> Price;
    /// What it is, in words, for manifest and report; never a key.
    fn statement(&self) -> String;
    /// Whether asking it costs nothing but time here: it may then be tried out.
    fn is_local(&self) -> bool {
        false
    }
    /// Starts it. Relative paths start at `base_dir`.
    fn start(&self, base_dir: &Path) -> Result<Arc<dyn Backend>, LlmError>;
}

/// A kind of backend: one unit struct a file, one entry in the list of kinds.
pub trait BackendKind: Sync {
    /// Its name in a scenario: `backend = "openai"`.
    fn name(&self) -> &'static str;
    /// One line.
    fn about(&self) -> &'static str;
    /// JSON Schema of its settings.
    fn params_schema(&self) -> schemars::Schema;
    /// Checks the settings found at the dotted path `at` (the key `backend` already removed).
    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn BackendPlan>, Complaint>;
}

/// Every backend, in alphabetical order.
pub static ALL: &[&dyn BackendKind] = &[&llama::Llama, &openai::OpenAi];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn BackendKind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_have_their_own_price() {
        let price = Price { prompt: 2.0, cached: 0.5, completion: 8.0 };
        let usage = Usage { prompt_tokens: 1_000_000, cached_tokens: 400_000, completion_tokens: 250_000 };
        assert!((price.of(usage) - (0.6 * 2.0 + 0.4 * 0.5 + 0.25 * 8.0)).abs() < 1e-12);
    }
}

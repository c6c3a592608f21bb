//! llama.cpp itself: one initialisation a process, its log silenced, contexts made one at a time.
//! Must not know what is computed.

use crate::llm::LlmError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The library, started when it is first wanted and kept to the end of the process.
///
/// # Errors
/// If llama.cpp cannot start.
pub fn backend() -> Result<&'static LlamaBackend, LlmError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let started = BACKEND.get_or_init(|| {
        // Before the start, which talks already.
        send_logs_to_tracing(LogOptions::default().with_logs_enabled(false));
        LlamaBackend::init().map_err(|error| error.to_string())
    });
    started.as_ref().map_err(|error| LlmError::Stop(format!("llama.cpp does not start: {error}")))
}

/// Loads the weights of a file that has been looked at already.
///
/// # Errors
/// If llama.cpp refuses the file.
pub fn load(path: &Path, gpu_layers: u32) -> Result<LlamaModel, LlmError> {
    let params = LlamaModelParams::default().with_n_gpu_layers(gpu_layers);
    LlamaModel::load_from_file(backend()?, path, &params).map_err(|error| {
        LlmError::Stop(format!(
            "{}: llama.cpp cannot load it ({error}), expected the GGUF file of a language model it knows",
            path.display()
        ))
    })
}

/// What a context holds.
#[derive(Clone, Copy, Debug)]
pub struct ContextSize {
    /// Tokens a sequence holds.
    pub context_tokens: u32,
    /// Sequences.
    pub n_sequences: u32,
    /// Tokens of one turn.
    pub batch_tokens: u32,
}

/// A context of one compute thread.
///
/// # Errors
/// If llama.cpp cannot make it, most likely for want of memory.
pub fn context<'m>(model: &'m LlamaModel, size: ContextSize) -> Result<LlamaContext<'m>, LlmError> {
    let n_total = size.context_tokens.saturating_mul(size.n_sequences);
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(n_total))
        .with_n_batch(size.batch_tokens)
        .with_n_ubatch(size.batch_tokens.min(512))
        .with_n_seq_max(size.n_sequences)
        .with_n_threads(1)
        .with_n_threads_batch(1)
        .with_no_perf(true)
        // Each sequence has memory of its own; a shared one is slower the more sequences there are.
        .with_kv_unified(false);
    make(model, params).map_err(|problem| {
        LlmError::Stop(format!(
            "llama.cpp cannot make a context of {} sequences of {} tokens ({problem}): lower context_tokens or n_sequences",
            size.n_sequences, size.context_tokens
        ))
    })
}

/// A context of one compute thread that gives one vector a sequence, of up to `n_sequences` in a batch of up to
/// `batch_tokens`.
///
/// # Errors
/// If llama.cpp cannot make it, most likely for want of memory.
pub fn embedding_context(
    model: &LlamaModel,
    batch_tokens: u32,
    n_sequences: u32,
    pooling: LlamaPoolingType,
) -> Result<LlamaContext<'_>, LlmError> {
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(batch_tokens))
        .with_n_batch(batch_tokens)
        // A model that looks ahead computes a batch in one go or not at all.
        .with_n_ubatch(batch_tokens)
        .with_n_seq_max(n_sequences)
        .with_n_threads(1)
        .with_n_threads_batch(1)
        .with_no_perf(true)
        .with_embeddings(true)
        .with_pooling_type(pooling)
        // It would round keys and values to half precision, differently for every batch.
        .with_flash_attention_policy(llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED)
        // Models that remember share one memory of a batch's size among its sequences.
        .with_kv_unified(true);
    make(model, params).map_err(|problem| {
        LlmError::Stop(format!(
            "llama.cpp cannot make a context of {batch_tokens} tokens ({problem}): lower batch_tokens or n_workers"
        ))
    })
}

fn make(model: &LlamaModel, params: LlamaContextParams) -> Result<LlamaContext<'_>, String> {
    // Making a context writes into the model, so never two at a time.
    static MAKING: Mutex<()> = Mutex::new(());
    let backend = backend().map_err(|error| error.to_string())?;
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    model.new_context(backend, params).map_err(|error| error.to_string())
}

//! The model as a backend: starts the workers, turns conversations into jobs and what was written into replies.
//! Must not know how workers compute.

use super::LlamaParams;
use super::gguf;
use super::library;
use super::prompt::Vocabulary;
use super::queue::{Form, Job, Queue, Written};
use super::store::{Store, Token};
use super::template::Template;
use super::worker::{Shared, Worker};
use crate::llm::{
    Backend, BackendPlan, ChatReply, ChatRequest, Finish, LlmError, Message, Pending, Price, Sampling, Usage,
};
use llama_cpp_2::model::LlamaModel;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::oneshot;

/// Requests that wait in the engine's own queue, where it can choose among them.
const N_WAITING_MAX: usize = 4096;

/// A model that is not started yet.
pub struct Plan {
    params: LlamaParams,
}

impl Plan {
    /// A plan with settings that were checked.
    pub fn new(params: LlamaParams) -> Self {
        Plan { params }
    }
}

impl BackendPlan for Plan {
    fn price(&self) -> Price {
        Price::default()
    }

    fn statement(&self) -> String {
        let LlamaParams { path, context_tokens, n_sequences, .. } = &self.params;
        let workers = match self.params.n_workers {
            0 => "a worker a core".to_owned(),
            n => format!("{n} workers"),
        };
        format!(
            "llama.cpp in this process: {path}, {workers} of {n_sequences} sequences of {context_tokens} tokens"
        )
    }

    fn is_local(&self) -> bool {
        true
    }

    fn start(&self, base_dir: &Path) -> Result<Arc<dyn Backend>, LlmError> {
        Ok(Arc::new(Engine::start(&self.params, base_dir)?))
    }
}

/// A model at work. Dropping it ends its threads.
pub struct Engine {
    shared: Arc<Shared>,
    template: Template,
    name: String,
    n_slots: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Loads a model and starts its workers. A relative path starts at `base_dir`.
    ///
    /// # Errors
    /// `Stop`, naming the file, if it is not a whole GGUF file of a model that writes, or memory does not suffice.
    pub fn start(params: &LlamaParams, base_dir: &Path) -> Result<Self, LlmError> {
        let path = base_dir.join(&params.path);
        let head = gguf::look_at(&path)
            .map_err(|error| LlmError::Stop(format!("the model {}: {error}", path.display())))?;
        let model = library::load(&path, params.gpu_layers)?;
        if model.n_vocab() < 1 || model.n_ctx_train() < 1 {
            return Err(LlmError::Stop(format!("the model {}: has no vocabulary", path.display())));
        }
        let file_name =
            || path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = format!("{}#{}", params.name.clone().unwrap_or_else(file_name), head.hash);
        let n_workers = match params.n_workers {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
            n => n as usize,
        };
        let shared = Arc::new(Shared {
            vocabulary: Vocabulary::new(&model),
            queue: Queue::new(n_workers),
            store: Store::new(n_workers * (params.n_sequences + params.n_parked) as usize),
            context_tokens: match params.beyond_trained {
                true => params.context_tokens,
                false => params.context_tokens.min(model.n_ctx_train()),
            },
            n_sequences: params.n_sequences,
            batch_tokens: params.batch_tokens,
            model,
        });
        let template = template(&shared.model);
        let n_slots = n_workers * params.n_sequences as usize;
        let mut engine = Engine { shared, template, name, n_slots, threads: Vec::new() };
        engine.start_workers(n_workers)?;
        Ok(engine)
    }

    fn start_workers(&mut self, n_workers: usize) -> Result<(), LlmError> {
        let (ready, started) = mpsc::channel();
        for number in 0..n_workers {
            let (shared, ready) = (self.shared.clone(), ready.clone());
            let work = move || run_worker(&shared, number, &ready);
            let thread = std::thread::Builder::new().name(format!("llama-{number}")).spawn(work);
            self.threads
                .push(thread.map_err(|error| LlmError::Stop(format!("no thread for a model: {error}")))?);
        }
        drop(ready);
        for _ in 0..n_workers {
            let ended = |_| LlmError::Stop("a worker of llama.cpp ended before it began".to_owned());
            started.recv().map_err(ended)??;
        }
        Ok(())
    }

    /// The prompt of a conversation, as the model's tokens.
    ///
    /// # Errors
    /// `Refused` if the model's chat template does not take the conversation.
    pub fn prompt_tokens(&self, messages: &[Message]) -> Result<Vec<i32>, LlmError> {
        let laid = self.template.lay(messages).map_err(LlmError::Refused)?;
        Ok(self.shared.vocabulary.prompt(&self.shared.model, &laid))
    }

    /// Goes on with a bare text, without a conversation around it. `speaker` as in a request.
    ///
    /// # Errors
    /// As [`Backend::complete`].
    pub async fn complete_text(
        &self,
        text: &str,
        sampling: Sampling,
        speaker: u64,
    ) -> Result<ChatReply, LlmError> {
        let prompt = self.shared.vocabulary.text(&self.shared.model, text);
        self.submit(prompt, sampling, None, speaker).await
    }

    async fn submit(
        &self,
        prompt: Vec<Token>,
        sampling: Sampling,
        form: Option<Form>,
        speaker: u64,
    ) -> Result<ChatReply, LlmError> {
        let begun = Instant::now();
        let prompt_tokens = u32::try_from(prompt.len()).unwrap_or(u32::MAX);
        let context_tokens = self.shared.context_tokens;
        if prompt_tokens.saturating_add(sampling.max_tokens) > context_tokens {
            return Err(LlmError::TooLong { prompt_tokens, max_tokens: sampling.max_tokens, context_tokens });
        }
        if prompt.is_empty() || sampling.max_tokens == 0 {
            return Err(LlmError::Refused(format!(
                "a prompt of {prompt_tokens} tokens and a reply of up to {}: both must be 1 at least",
                sampling.max_tokens
            )));
        }
        let (reply, written) = oneshot::channel();
        let prompt: Arc<[Token]> = prompt.into();
        self.shared.queue.push(Job { prompt, form, sampling, speaker, reply, n_passed: 0 })?;
        let ended = |_| LlmError::Stop("the workers of llama.cpp have ended".to_owned());
        let Written { bytes, n_tokens, n_cached, complete } = written.await.map_err(ended)??;
        Ok(ChatReply {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            finish: if complete { Finish::Stop } else { Finish::Length },
            usage: Usage {
                prompt_tokens: u64::from(prompt_tokens),
                cached_tokens: u64::from(n_cached),
                completion_tokens: u64::from(n_tokens),
            },
            latency_ms: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX),
            n_retries: 0,
        })
    }
}

/// The chat template of a model's file.
fn template(model: &LlamaModel) -> Template {
    let source = model.chat_template(None).ok().and_then(|template| template.to_string().ok());
    let vocab = model.vocab();
    let text = |token: llama_cpp_2::token::LlamaToken| {
        let found = (token.0 >= 0).then(|| vocab.text(token)).flatten();
        found.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    };
    Template::new(source, text(vocab.bos()), text(vocab.eos()))
}

/// The life of a worker's thread. However it ends, nobody is left waiting.
fn run_worker(shared: &Shared, number: usize, ready: &mpsc::Sender<Result<(), LlmError>>) {
    let life = catch_unwind(AssertUnwindSafe(|| match Worker::new(shared, number) {
        Ok(mut worker) => {
            // The engine may have given up meanwhile.
            let _ = ready.send(Ok(()));
            worker.run();
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }));
    if let Err(panic) = life {
        let told = panic.downcast_ref::<String>().map(String::as_str);
        let told = told.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
        shared.queue.close(LlmError::Stop(format!("a worker of llama.cpp broke: {told}")));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.queue.close(LlmError::Stop("the model was shut down".to_owned()));
        for thread in self.threads.drain(..) {
            // A worker that broke has said so already.
            let _ = thread.join();
        }
    }
}

impl Backend for Engine {
    fn model(&self) -> &str {
        &self.name
    }

    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Pending<'a> {
        Box::pin(async move {
            let prompt = self.prompt_tokens(&request.messages)?;
            let form = request
                .shape
                .as_ref()
                .map(|shape| Form { grammar: shape.grammar(), closing_tokens: shape.closing_bytes() });
            let mut reply = self.submit(prompt, request.sampling, form, request.speaker).await?;
            if request.shape.is_none() {
                // Many vocabularies begin every word with its space.
                reply.text = reply.text.trim().to_owned();
            }
            Ok(reply)
        })
    }

    fn count_tokens(&self, text: &str) -> u32 {
        let n = self.shared.model.vocab().tokenize(text.as_bytes(), false, false).len();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    fn context_tokens(&self) -> u32 {
        self.shared.context_tokens
    }

    /// Many more than it computes at once: it takes those first whose beginning it has.
    fn n_slots(&self) -> usize {
        self.n_slots + N_WAITING_MAX
    }
}

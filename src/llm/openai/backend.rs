//! The backend: one call from its slot to its reply, attempt after attempt, and when the whole backend
//! gives up. Must not know the protocol's JSON, nor how an answer is judged.

use super::limits::Limits;
use super::post::Post;
use super::retry::{Who, asked_pause};
use super::settings::OpenAiSettings;
use super::structured::Ways;
use super::verdict::{Failure, Reply, judge};
use super::{tokens, wire};
use crate::llm::{Backend, ChatReply, ChatRequest, LlmError, Pending, Usage};
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

/// A server, ready to be asked.
pub struct OpenAiBackend {
    settings: OpenAiSettings,
    /// The model with whatever in `extra` makes it another one.
    model: String,
    extra: Map<String, Value>,
    post: Post,
    ways: Ways,
    /// One permit an attempt on its way.
    slots: Semaphore,
    /// Where the time of `limits` begins.
    start: Instant,
    limits: Mutex<Limits>,
    health: Health,
}

impl OpenAiBackend {
    /// Reads the key and makes the client; nothing is sent.
    ///
    /// # Errors
    /// `Stop` where the key or the certificates of the system are missing.
    pub fn new(settings: OpenAiSettings) -> Result<Self, LlmError> {
        let key = super::key(&settings)?;
        let post = Post::new(&settings, settings.completions_url(), key)
            .map_err(|problem| LlmError::Stop(format!("no HTTP client: {problem}")))?;
        let extra = wire::extra_json(&settings.extra)
            .map_err(|path| LlmError::Stop(format!("extra.{path} is not a finite number")))?;
        let model = match extra.is_empty() {
            true => settings.model.clone(),
            false => format!("{} {}", settings.model, Value::Object(extra.clone())),
        };
        Ok(OpenAiBackend {
            model,
            extra,
            post,
            ways: Ways::new(settings.structured),
            slots: Semaphore::new(settings.max_in_flight as usize),
            start: Instant::now(),
            limits: Mutex::new(Limits::new(settings.requests_per_minute, settings.tokens_per_minute)),
            health: Health::new(settings.failures_in_a_row_max),
            settings,
        })
    }

    /// Attempts until there is a reply, or will be none: at most `retries_max` further ones after attempts
    /// that failed, and one for each weaker way of asking for a shape.
    async fn ask(&self, request: &ChatRequest) -> Result<ChatReply, LlmError> {
        let n_prompt = tokens::guess_prompt(&request.messages);
        let n_expected = u64::from(n_prompt) + u64::from(request.sampling.max_tokens);
        let mut way = self.ways.first();
        let (mut n_sent, mut n_failed) = (0, 0);
        loop {
            let slot = self.admitted(n_expected).await;
            self.health.check()?;
            let body = wire::body(&self.settings, &self.extra, request, way);
            let attempt = judge(self.post.send(body).await);
            drop(slot);
            n_sent += 1;
            match attempt {
                Ok(reply) => {
                    if request.shape.is_some() {
                        self.ways.answered(way);
                    }
                    self.health.succeeded();
                    return Ok(self.finished(reply, n_prompt, n_expected, n_sent - 1));
                }
                Err(Failure::Refused { perhaps_shape: true, .. })
                    if request.shape.is_some() && self.ways.weaker(way).is_some() =>
                {
                    way = self.ways.weaker(way).unwrap_or(way);
                }
                Err(Failure::Again { cause, asked_wait, unsent }) => {
                    if unsent {
                        self.with_limits(|limits, now| limits.correct(now, n_expected, 0));
                    }
                    let pause = self.pause(request, n_failed, asked_wait);
                    n_failed += 1;
                    let last = if pause.is_some() {
                        cause
                    } else {
                        format!("{cause}, and a wait beyond retry_after_ms_max")
                    };
                    match pause.filter(|_| n_failed <= self.settings.retries_max) {
                        Some(pause) => sleep(pause).await,
                        None => return self.failed(LlmError::Exhausted { n_attempts: n_sent, last }, ""),
                    }
                }
                Err(Failure::Refused { cause, told, .. }) => {
                    // The server chose the name in it.
                    let cause = self.post.fit_to_show(&cause);
                    return self.failed(LlmError::Refused(cause), &told);
                }
                Err(Failure::Stop { cause, told }) => {
                    return Err(self.health.stop(self.post.with_words(&cause, &told)));
                }
            }
        }
    }

    /// Waits for a slot, and until the limits and the server allow a request of so many tokens.
    async fn admitted(&self, n_tokens: u64) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed; were it, going on without a slot would harm nobody here.
        let slot = self.slots.acquire().await.ok();
        let mut wait = self.with_limits(|limits, now| limits.take(now, n_tokens).max(limits.held(now)));
        while !wait.is_zero() {
            sleep(wait).await;
            wait = self.with_limits(|limits, now| limits.held(now));
        }
        slot
    }

    /// The pause after the failure number `k` (the first is 0); `None` where the server wants more than is
    /// granted. What it asks for holds for everybody, so that nobody else runs into the same refusal.
    fn pause(&self, request: &ChatRequest, k: u32, asked_wait: Option<Duration>) -> Option<Duration> {
        let who = Who { seed: request.sampling.seed, name: &request.stream };
        let pause = asked_pause(&self.settings, who, k, asked_wait)?;
        if let Some(asked) = asked_wait {
            self.with_limits(|limits, now| limits.hold_until(now.saturating_add(asked)));
        }
        Some(pause)
    }

    /// A reply with what it took, counted here where the server did not.
    fn finished(&self, reply: Reply, n_prompt: u32, n_expected: u64, n_retries: u32) -> ChatReply {
        let prompt_tokens = reply.counted.prompt.unwrap_or(n_prompt.into());
        let usage = Usage {
            prompt_tokens,
            cached_tokens: reply.counted.cached.unwrap_or(0).min(prompt_tokens),
            completion_tokens: reply.counted.completion.unwrap_or_else(|| tokens::guess(&reply.text).into()),
        };
        let n_used = usage.prompt_tokens + usage.completion_tokens;
        self.with_limits(|limits, now| limits.correct(now, n_expected, n_used));
        let latency_ms = u32::try_from(reply.latency.as_millis()).unwrap_or(u32::MAX);
        ChatReply { text: self.post.scrubbed(reply.text), finish: reply.finish, usage, latency_ms, n_retries }
    }

    /// A call that failed for good: its own error, or the end where too many did in a row.
    fn failed(&self, error: LlmError, told: &str) -> Result<ChatReply, LlmError> {
        let in_words = self.post.with_words(&error.to_string(), told);
        Err(self.health.failed(&in_words).unwrap_or(error))
    }

    fn with_limits<T>(&self, use_them: impl FnOnce(&mut Limits, Duration) -> T) -> T {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        use_them(&mut limits, self.start.elapsed())
    }
}

impl Backend for OpenAiBackend {
    fn model(&self) -> &str {
        &self.model
    }

    fn complete<'a>(&'a self, request: &'a ChatRequest) -> Pending<'a> {
        Box::pin(self.ask(request))
    }

    fn count_tokens(&self, text: &str) -> u32 {
        tokens::guess(text)
    }

    fn context_tokens(&self) -> u32 {
        self.settings.context_tokens
    }

    fn n_slots(&self) -> usize {
        self.settings.max_in_flight as usize
    }
}

/// Whether it makes sense to go on asking.
struct Health {
    in_a_row_max: u32,
    /// Calls that failed for good since the last that succeeded.
    in_a_row: AtomicU32,
    /// Why nothing is asked any more.
    stopped: OnceLock<String>,
}

impl Health {
    fn new(in_a_row_max: u32) -> Self {
        Health { in_a_row_max, in_a_row: AtomicU32::new(0), stopped: OnceLock::new() }
    }

    /// Fails once the backend has given up.
    fn check(&self) -> Result<(), LlmError> {
        self.stopped.get().map_or(Ok(()), |reason| Err(LlmError::Stop(reason.clone())))
    }

    fn succeeded(&self) {
        self.in_a_row.store(0, Ordering::SeqCst);
    }

    /// Gives up; the first reason stays.
    fn stop(&self, reason: String) -> LlmError {
        LlmError::Stop(self.stopped.get_or_init(|| reason).clone())
    }

    /// Counts a call that failed for good; the end where that was one too many.
    fn failed(&self, last: &str) -> Option<LlmError> {
        let n = self.in_a_row.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        (n >= self.in_a_row_max)
            .then(|| self.stop(format!("{} calls in a row failed, the last: {last}", self.in_a_row_max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_stop_and_a_success_between_starts_again() {
        let health = Health::new(3);
        assert_eq!((health.failed("a"), health.failed("b")), (None, None));
        health.succeeded();
        assert_eq!((health.failed("a"), health.failed("b")), (None, None));
        assert_eq!(health.check(), Ok(()));
        let stop = LlmError::Stop("3 calls in a row failed, the last: c".to_owned());
        assert_eq!(health.failed("c"), Some(stop.clone()));
        assert_eq!(health.check(), Err(stop.clone()));
        assert_eq!(health.stop("later".to_owned()), stop, "the first reason stays");
    }
}

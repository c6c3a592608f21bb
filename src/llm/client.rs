//! The way to language models: tape first, then budget, then backend, then tape again, and only
//! then the reply. Starts models and opens the tape when they are first needed. Must not know what
//! is asked.

use super::account::{Ledger, Slips};
use super::budget::Purse;
use super::plan::LlmPlan;
use super::tape::{Key, Outcome, Tape, TapeMode};
use super::{Backend, ChatReply, ChatRequest, Finish, LlmError, Message, Price, Role, Usage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Characters of a reply that a repair turn repeats to the model.
const REPEATED_CHARS_MAX: usize = 2000;

/// How long a run that ends waits for what is under way.
const CLOSING_MAX: Duration = Duration::from_secs(60);

/// Threads that wait for replies.
const N_RUNTIME_THREADS: usize = 2;

/// Where replies are kept, and how the tape is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapePlace {
    /// The file.
    pub path: PathBuf,
    /// How it is used.
    pub mode: TapeMode,
}

/// The way to the language models of one run.
pub struct Client {
    plan: Arc<LlmPlan>,
    base_dir: PathBuf,
    place: Option<TapePlace>,
    tape: OnceLock<Result<Arc<Tape>, LlmError>>,
    runtime: Mutex<Option<Runtime>>,
    models: Mutex<BTreeMap<String, Arc<Model>>>,
    purse: Purse,
    ledger: Mutex<Ledger>,
    is_stopped: AtomicBool,
    n_in_flight: AtomicUsize,
}

/// A model that has been started.
pub struct Model {
    name: String,
    backend: Arc<dyn Backend>,
    price: Price,
    slots: Semaphore,
}

impl Model {
    /// Its name in the scenario.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What answers.
    pub fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    /// What its tokens cost.
    pub fn price(&self) -> Price {
        self.price
    }
}

/// Who asks: the model, and the arm that the call is booked on.
#[derive(Clone)]
pub struct Caller {
    /// Whom.
    pub model: Arc<Model>,
    /// For which arm, or other purpose.
    pub arm: Arc<str>,
}

impl Client {
    /// A client for these models, with nothing opened or started yet. Without a tape nothing is kept.
    pub fn new(plan: Arc<LlmPlan>, base_dir: &Path, place: Option<TapePlace>) -> Arc<Client> {
        Arc::new(Client {
            purse: Purse::new(plan.budget),
            plan,
            base_dir: base_dir.to_owned(),
            place,
            tape: OnceLock::new(),
            runtime: Mutex::new(None),
            models: Mutex::default(),
            ledger: Mutex::default(),
            is_stopped: AtomicBool::new(false),
            n_in_flight: AtomicUsize::new(0),
        })
    }

    /// A client that knows no model.
    pub fn none() -> Arc<Client> {
        Client::new(Arc::new(LlmPlan::default()), Path::new("."), None)
    }

    /// Puts a model in the place of the one that the plan would start, for models that live in this process.
    pub fn install(&self, name: &str, backend: Arc<dyn Backend>, price: Price) {
        let slots = Semaphore::new(backend.n_slots().min(Semaphore::MAX_PERMITS));
        let model = Model { name: name.to_owned(), backend, price, slots };
        lock(&self.models).insert(name.to_owned(), Arc::new(model));
    }

    /// The model of this name, started if it has not been.
    pub fn model(&self, name: &str) -> Result<Arc<Model>, LlmError> {
        if let Some(model) = lock(&self.models).get(name) {
            return Ok(model.clone());
        }
        let plan = self.plan.model(name);
        let plan = plan.ok_or_else(|| LlmError::Stop(format!("there is no model {name:?} in llm.models")))?;
        let backend = plan.backend.start(&self.base_dir)?;
        self.install(name, backend, plan.backend.price());
        self.model(name)
    }

    /// Opens the tape, where there is one.
    pub fn tape(&self) -> Result<Option<&Arc<Tape>>, LlmError> {
        let Some(place) = &self.place else { return Ok(None) };
        let open = || Ok(Arc::new(Tape::open(&place.path, place.mode)?));
        self.tape.get_or_init(open).as_ref().map(Some).map_err(Clone::clone)
    }

    /// Runs a conversation beside everything else.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), LlmError> {
        let mut runtime = lock(&self.runtime);
        if runtime.is_none() {
            let builder = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(N_RUNTIME_THREADS)
                .thread_name("llm")
                .enable_all()
                .build();
            *runtime =
                Some(builder.map_err(|error| LlmError::Stop(format!("no threads to wait on: {error}")))?);
        }
        if let Some(runtime) = runtime.as_ref() {
            runtime.spawn(work);
        }
        Ok(())
    }

    /// One reply: from the tape where it holds it, else from the model, and then on the tape before it is
    /// handed on.
    pub async fn ask(&self, caller: &Caller, request: &ChatRequest) -> Result<ChatReply, LlmError> {
        let key = Key::of(caller.model.backend.model(), request);
        if let Some(tape) = self.tape()?
            && let Some(known) = tape.look_up(&key, request)?
        {
            return self.replay(caller, known);
        }
        let model = &caller.model;
        let _slot = model.slots.acquire().await.map_err(|_| stopped())?;
        if self.is_stopped.load(Ordering::SeqCst) {
            return Err(stopped());
        }
        let at_most = Usage {
            prompt_tokens: u64::from(prompt_tokens(model.backend.as_ref(), request)),
            cached_tokens: 0,
            completion_tokens: u64::from(request.sampling.max_tokens),
        };
        let reservation = self.purse.reserve(at_most, model.price).await.inspect_err(|_| self.stop())?;
        if self.is_stopped.load(Ordering::SeqCst) {
            self.purse.settle(reservation, Usage::default(), model.price);
            return Err(stopped());
        }
        let _flight = InFlight::begin(&self.n_in_flight);
        let answer = model.backend.complete(request).await;
        let taken = answer.as_ref().map_or_else(|_| Usage::default(), |reply| reply.usage);
        self.purse.settle(reservation, taken, model.price);
        let outcome = Outcome::of(answer).inspect_err(|_| self.stop())?;
        let kept = self.keep(key, caller, request, outcome).await.inspect_err(|_| self.stop())?;
        self.book(caller, &kept, false);
        kept.into_answer()
    }

    /// The value that a reply of the request's shape holds: where it has another shape, the model is told what
    /// was wrong and asked again, as often as the scenario allows.
    pub async fn converse(&self, caller: &Caller, mut request: ChatRequest) -> Result<Value, LlmError> {
        let (stream, shape) = (request.stream.clone(), request.shape.clone());
        let read = |text: &str| match &shape {
            Some(shape) => shape.read(text),
            None => Err("no shape was asked for".to_owned()),
        };
        for n_repairs in 0.. {
            let reply = self.ask(caller, &request).await?;
            let problem = match (read(&reply.text), reply.finish) {
                (Ok(understood), _) => return Ok(understood),
                (Err(_), Finish::Length) => "the reply was cut short, it must be briefer".to_owned(),
                (Err(problem), Finish::Stop) => problem,
            };
            if n_repairs == self.plan.repairs_max {
                self.account(caller, |account| account.n_failures += 1);
                return Err(LlmError::Unreadable(problem));
            }
            self.account(caller, |account| account.n_repairs += 1);
            let said: String = reply.text.chars().take(REPEATED_CHARS_MAX).collect();
            let plea = format!(
                "That cannot be used: {problem}. Answer once more, with nothing but the JSON that was asked for."
            );
            request.messages.push(Message { role: Role::Assistant, content: said });
            request.messages.push(Message { role: Role::User, content: plea });
            request.stream = format!("{stream}, repair {}", n_repairs + 1);
        }
        unreachable!("the last repair returns")
    }

    /// Notes what was wrong with a reply that was used all the same.
    pub fn slipped(&self, caller: &Caller, slips: Slips) {
        self.account(caller, |account| account.slips.add(slips));
    }

    /// What was asked so far, by arm and model.
    pub fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }

    /// The same in a few words, for a progress line.
    pub fn remark(&self) -> String {
        lock(&self.ledger).remark()
    }

    /// Has nothing more sent; what is under way still comes and goes on the tape.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
    }

    /// Ends it all: waits until what is under way is on the tape, or has taken a minute more, as calls do
    /// that are between two attempts.
    pub fn close(&self) {
        self.stop();
        let begun = Instant::now();
        while self.n_in_flight.load(Ordering::SeqCst) > 0 && begun.elapsed() < CLOSING_MAX {
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    fn replay(&self, caller: &Caller, known: Outcome) -> Result<ChatReply, LlmError> {
        self.book(caller, &known, true);
        if let Outcome::Reply(reply) = &known {
            self.purse.count(reply.usage, caller.model.price);
        }
        known.into_answer()
    }

    /// Makes the outcome durable; what comes back is what the tape holds.
    async fn keep(
        &self,
        key: Key,
        caller: &Caller,
        request: &ChatRequest,
        outcome: Outcome,
    ) -> Result<Outcome, LlmError> {
        match self.tape()? {
            Some(tape) => Ok(tape.keep(key, caller.model.backend.model(), request, outcome).await?),
            None => Ok(outcome),
        }
    }

    fn book(&self, caller: &Caller, outcome: &Outcome, is_replayed: bool) {
        self.account(caller, |account| match outcome {
            Outcome::Reply(reply) => {
                account.reply(reply.usage, reply.latency_ms, reply.n_retries, is_replayed)
            }
            Outcome::Failed { .. } => account.n_failures += 1,
        });
    }

    fn account(&self, caller: &Caller, change: impl FnOnce(&mut super::account::Account)) {
        change(lock(&self.ledger).account(&caller.arm, &caller.model.name, caller.model.price));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
    }
}

/// Tokens of a whole prompt, with a little for what frames the messages.
pub fn prompt_tokens(backend: &dyn Backend, request: &ChatRequest) -> u32 {
    const FRAME_TOKENS: u32 = 8;
    let of = |message: &Message| backend.count_tokens(&message.content).saturating_add(FRAME_TOKENS);
    request.messages.iter().map(of).fold(FRAME_TOKENS, u32::saturating_add)
}

fn stopped() -> LlmError {
    LlmError::Stop("the run is being stopped".to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a call while it is under way.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn begin(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        InFlight(counter)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

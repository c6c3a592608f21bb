//! One worker: a thread, a context, and the turns in which it computes its sequences together.
//! Must not know conversations.

use super::lanes::{self, Lane, Part, WORTH_COPYING};
use super::library::{self, ContextSize};
use super::prompt::Vocabulary;
use super::queue::{Job, Queue, Suits, Written};
use super::sample::{Drawer, Grammars, Scratch};
use super::store::{Store, Token, shared_prefix};
use crate::llm::LlmError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::{LlamaStateSeqFlags, SeqState};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What the workers of a model share.
pub struct Shared {
    /// The weights.
    pub model: LlamaModel,
    /// Its vocabulary, looked through.
    pub vocabulary: Vocabulary,
    /// What is to be done.
    pub queue: Queue,
    /// What was computed.
    pub store: Store<SeqState>,
    /// Tokens a sequence holds.
    pub context_tokens: u32,
    /// Sequences of a worker.
    pub n_sequences: u32,
    /// Tokens read in a turn.
    pub batch_tokens: u32,
}

/// A reply in the making.
struct Work {
    reply: oneshot::Sender<Result<Written, LlmError>>,
    speaker: u64,
    max_tokens: u32,
    drawer: Drawer,
    has_grammar: bool,
    /// When no more than these are left of `max_tokens`, texts come to an end.
    closing_tokens: u32,
    written: Written,
    /// Drawn, and not computed yet.
    next: Option<Token>,
}

/// A worker at its place.
pub struct Worker<'s> {
    number: usize,
    shared: &'s Shared,
    context: LlamaContext<'s>,
    batch: LlamaBatch<'static>,
    lanes: Vec<Lane>,
    /// By lane.
    works: Vec<Option<Work>>,
    grammars: Grammars,
    scratch: Scratch,
}

impl<'s> Worker<'s> {
    /// A worker with an empty context.
    ///
    /// # Errors
    /// If the context cannot be made.
    pub fn new(shared: &'s Shared, number: usize) -> Result<Self, LlmError> {
        let n_batch = shared.batch_tokens + shared.n_sequences;
        let size = ContextSize {
            context_tokens: shared.context_tokens,
            n_sequences: shared.n_sequences,
            batch_tokens: n_batch,
        };
        let n_lanes = shared.n_sequences as usize;
        Ok(Worker {
            number,
            shared,
            context: library::context(&shared.model, size)?,
            batch: LlamaBatch::new(n_batch as usize, 1),
            lanes: (0..n_lanes).map(|_| Lane::default()).collect(),
            works: (0..n_lanes).map(|_| None).collect(),
            grammars: Grammars::default(),
            scratch: Scratch::default(),
        })
    }

    /// Works until the queue is closed.
    pub fn run(&mut self) {
        loop {
            let is_idle = self.works.iter().all(Option::is_none);
            if is_idle && !self.shared.queue.wait() || self.shared.queue.is_closed() {
                return;
            }
            self.forget_the_gone();
            self.admit();
            self.turn();
        }
    }

    /// Stops writing what nobody waits for.
    fn forget_the_gone(&mut self) {
        for lane in 0..self.works.len() {
            if self.works[lane].as_ref().is_some_and(|work| work.reply.is_closed()) {
                self.works[lane] = None;
                self.lanes[lane].prompt = None;
                self.shared.queue.done(self.number);
            }
        }
    }

    /// Takes as many jobs as there are idle sequences.
    fn admit(&mut self) {
        while self.works.iter().any(Option::is_none) {
            let (lanes, store) = (&self.lanes, &self.shared.store);
            let Some(job) = self.shared.queue.take(self.number, |job| suits(lanes, store, job)) else {
                return;
            };
            self.start(job);
        }
    }

    /// Gives a job a sequence that begins like its prompt.
    fn start(&mut self, job: Job) {
        let grammar =
            job.form.as_ref().map(|form| self.grammars.start(&self.shared.model, &form.grammar)).transpose();
        let grammar = match grammar {
            Ok(grammar) => grammar,
            Err(problem) => {
                return self.refuse(job, format!("llama.cpp does not take the grammar: {problem}"));
            }
        };
        let Some((lane, n_held)) = lanes::place(&self.lanes, &job.prompt) else {
            return self.refuse(job, "no sequence is free".to_owned());
        };
        let n_cached = self.bring_back(lane, &job.prompt, n_held);
        self.works[lane] = Some(Work {
            reply: job.reply,
            speaker: job.speaker,
            max_tokens: job.sampling.max_tokens,
            has_grammar: grammar.is_some(),
            closing_tokens: job.form.as_ref().map_or(0, |form| form.closing_tokens),
            drawer: Drawer::new(&job.sampling, grammar),
            written: Written { bytes: Vec::new(), n_tokens: 0, n_cached: n_cached as u32, complete: false },
            next: None,
        });
        self.lanes[lane].prompt = Some(job.prompt);
    }

    fn refuse(&self, job: Job, why: String) {
        self.shared.queue.done(self.number);
        // Who has gone away needs no answer.
        let _ = job.reply.send(Err(LlmError::Refused(why)));
    }

    /// Makes a sequence hold as much of a prompt as is known anywhere, and nothing else; answers how many tokens.
    fn bring_back(&mut self, lane: usize, prompt: &[Token], n_held: usize) -> usize {
        let mut n_shared = n_held;
        if let Some((state, tokens, n_stored)) = self.shared.store.longest(prompt)
            && n_stored > n_held + WORTH_COPYING
        {
            if self.context.state_seq_set(&state, lane as i32).is_ok() {
                self.lanes[lane].held = tokens.to_vec();
                n_shared = n_stored;
            } else {
                self.cut(lane, 0);
                n_shared = 0;
            }
        }
        // The last token is always computed, so that there is something to draw from.
        self.cut(lane, n_shared.min(prompt.len() - 1));
        self.lanes[lane].held.len()
    }

    /// Makes a sequence forget all but its first `n` tokens, or everything where the model can forget nothing less.
    fn cut(&mut self, lane: usize, n: usize) {
        let sequence = Some(lane as u32);
        let was_cut =
            n > 0 && matches!(self.context.clear_kv_cache_seq(sequence, Some(n as u32), None), Ok(true));
        if was_cut {
            self.lanes[lane].held.truncate(n);
        } else {
            // A whole sequence can always be forgotten.
            let _ = self.context.clear_kv_cache_seq(sequence, None, None);
            self.lanes[lane].held.clear();
        }
    }

    /// Computes one turn and draws a token wherever there is something to draw from.
    fn turn(&mut self) {
        let parts = lanes::turn(&self.lanes, self.shared.batch_tokens as usize);
        if parts.is_empty() {
            return;
        }
        let asked = match self.compute(&parts) {
            Ok(asked) => asked,
            Err(problem) => return self.fail(&problem),
        };
        for (lane, part) in parts {
            if part == Part::Fill {
                let n_held = self.lanes[lane].held.len();
                self.cut(lane, n_held);
            }
        }
        for (lane, row) in asked {
            if self.works[lane].as_ref().is_some_and(|work| work.next.is_none()) {
                self.keep(lane);
            }
            self.write(lane, row);
        }
    }

    /// Computes the parts; answers the sequences that have something to draw from, with their place in the batch.
    fn compute(&mut self, parts: &[(usize, Part)]) -> Result<Vec<(usize, i32)>, String> {
        self.batch.clear();
        let mut asked = Vec::new();
        for (lane, part) in parts {
            let held = &self.lanes[*lane].held;
            let one;
            let (tokens, ends): (&[Token], bool) = match (part, &self.lanes[*lane].prompt) {
                (Part::Read(n), Some(prompt)) => {
                    (&prompt[held.len()..held.len() + n], held.len() + n == prompt.len())
                }
                (Part::Write, _) => {
                    one = [self.works[*lane].as_ref().and_then(|work| work.next).unwrap_or(0)];
                    (&one, true)
                }
                _ if held.len() < self.shared.context_tokens as usize => {
                    one = [held.last().copied().unwrap_or(0)];
                    (&one, false)
                }
                _ => continue,
            };
            for (k, token) in tokens.iter().enumerate() {
                let is_asked = ends && k + 1 == tokens.len();
                let position = (held.len() + k) as i32;
                self.batch
                    .add(LlamaToken(*token), position, &[*lane as i32], is_asked)
                    .map_err(|error| error.to_string())?;
            }
            if ends {
                asked.push((*lane, self.batch.n_tokens() - 1));
            }
        }
        self.context.decode(&mut self.batch).map_err(|error| error.to_string())?;
        for (lane, part) in parts {
            let Lane { held, prompt } = &mut self.lanes[*lane];
            match (part, prompt, &self.works[*lane]) {
                (Part::Read(n), Some(prompt), _) => held.extend(&prompt[held.len()..held.len() + n]),
                (Part::Write, _, Some(work)) => held.extend(work.next),
                _ => {}
            }
        }
        Ok(asked)
    }

    /// Keeps the state of a prompt that was just read to its end, if there is anything new in it.
    fn keep(&self, lane: usize) {
        let (Some(prompt), Some(work)) = (&self.lanes[lane].prompt, &self.works[lane]) else { return };
        if prompt.len() <= self.shared.store.shared_with(prompt) + WORTH_COPYING {
            return;
        }
        if let Ok(state) = self.context.state_seq_get(lane as i32, LlamaStateSeqFlags::empty()) {
            self.shared.store.put(work.speaker, prompt.clone(), Arc::new(state));
        }
    }

    /// Draws the next token of a reply from a row of the batch, and sends the reply if that ends it.
    fn write(&mut self, lane: usize, row: i32) {
        let vocabulary = &self.shared.vocabulary;
        let Some(work) = &mut self.works[lane] else { return };
        let logits = self.context.get_logits_ith(row);
        let is_ending = work.max_tokens - work.written.n_tokens <= work.closing_tokens;
        let quote = vocabulary.quote.filter(|_| is_ending).filter(|quote| work.drawer.may_be(*quote));
        let next = quote.or_else(|| work.drawer.next(logits, vocabulary, &mut self.scratch));
        let end = match next {
            // In a vocabulary without an end nothing is left to say when the grammar is content.
            None if work.has_grammar && vocabulary.ends.is_empty() => Some(Ok(true)),
            None => Some(Err(LlmError::Exhausted {
                n_attempts: 1,
                last: "the model has no next token to offer".to_owned(),
            })),
            Some(token) if vocabulary.ends.binary_search(&token).is_ok() => Some(Ok(true)),
            Some(token) => {
                work.next = Some(token);
                work.written.n_tokens += 1;
                work.push(&self.shared.model, vocabulary, token)
            }
        };
        if let Some(end) = end {
            self.finish(lane, end);
        }
    }

    /// Sends the reply of a sequence, whole or cut, or what went wrong.
    fn finish(&mut self, lane: usize, end: Result<bool, LlmError>) {
        self.lanes[lane].prompt = None;
        if let Some(work) = self.works[lane].take() {
            self.shared.queue.done(self.number);
            let reply = end.map(|complete| Written { complete, ..work.written });
            // Who has gone away needs no answer.
            let _ = work.reply.send(reply);
        }
    }

    /// Answers everybody at work with an error, and forgets all that the sequences hold.
    fn fail(&mut self, problem: &str) {
        for lane in 0..self.works.len() {
            let last = format!("llama.cpp cannot compute: {problem}");
            self.finish(lane, Err(LlmError::Exhausted { n_attempts: 1, last }));
            self.cut(lane, 0);
        }
    }
}

impl Work {
    /// Adds a token to the reply; answers how it ended, if it did.
    fn push(
        &mut self,
        model: &LlamaModel,
        vocabulary: &Vocabulary,
        token: Token,
    ) -> Option<Result<bool, LlmError>> {
        // Room first: the call writes into what is there.
        self.written.bytes.reserve(32);
        model.vocab().token_to_piece_into(LlamaToken(token), &mut self.written.bytes, false, None);
        if let Err(problem) = self.drawer.accept(token) {
            return Some(Err(LlmError::Unreadable(problem)));
        }
        // A closed bracket or quote that may be the end is the end; a number could still go on.
        let is_closed = self.has_grammar && matches!(self.written.bytes.last(), Some(b'}' | b']' | b'"'));
        if is_closed && self.drawer.may_end(vocabulary) {
            return Some(Ok(true));
        }
        (self.written.n_tokens >= self.max_tokens).then_some(Ok(false))
    }
}

/// How well a job suits a worker; none if another sequence is computing what it needs.
fn suits(lanes: &[Lane], store: &Store<SeqState>, job: &Job) -> Option<Suits> {
    let idle = lanes.iter().filter(|lane| lane.prompt.is_none());
    let held = idle.map(|lane| shared_prefix(&lane.held, &job.prompt)).max().unwrap_or(0);
    let n_known = held.max(store.shared_with(&job.prompt));
    (!lanes::coming(lanes, &job.prompt, n_known)).then(|| (store.knows(job.speaker), n_known))
}

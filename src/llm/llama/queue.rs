//! Requests on their way to a worker. Must not know how they are computed.
//!
//! Workers take what suits them best, each no more than its fair share of all there is to do, so that none is
//! idle while another is full.

use super::store::Token;
use crate::llm::{LlmError, Sampling};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What a worker made of a request.
#[derive(Debug)]
pub struct Written {
    /// The reply, as bytes of the tokens.
    pub bytes: Vec<u8>,
    /// Tokens of the reply.
    pub n_tokens: u32,
    /// Tokens of the prompt that were not computed again.
    pub n_cached: u32,
    /// Whether it ended by itself.
    pub complete: bool,
}

/// What a reply is held to.
pub struct Form {
    /// GBNF.
    pub grammar: String,
    /// Tokens that surely suffice to bring a reply to its end, wherever it stands, if its texts end at once.
    pub closing_tokens: u32,
}

/// A request, as tokens.
pub struct Job {
    /// What is read; not empty.
    pub prompt: Arc<[Token]>,
    /// What the reply is held to.
    pub form: Option<Form>,
    /// How it is drawn.
    pub sampling: Sampling,
    /// Whose it is.
    pub speaker: u64,
    /// Where the reply goes.
    pub reply: oneshot::Sender<Result<Written, LlmError>>,
    /// How often another was preferred to it.
    pub n_passed: u32,
}

/// How well a job suits a worker: whether its speaker is known, and tokens that need not be computed.
pub type Suits = (bool, usize);

struct State {
    waiting: VecDeque<Job>,
    /// Jobs at work, by worker.
    n_busy: Vec<usize>,
    /// Set when no more jobs are taken.
    closed: Option<LlmError>,
}

/// The jobs nobody works at yet.
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// After so many others a job's turn has come, whatever suits better.
const N_PASSED_MAX: u32 = 64;
/// How far into the queue a worker looks.
const N_SEEN_MAX: usize = 128;

impl Queue {
    /// An open queue for so many workers.
    pub fn new(n_workers: usize) -> Self {
        let state = State { waiting: VecDeque::new(), n_busy: vec![0; n_workers], closed: None };
        Queue { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between statements, whatever panicked elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    ///
    /// # Errors
    /// If the queue is closed.
    pub fn push(&self, job: Job) -> Result<(), LlmError> {
        let mut state = self.lock();
        if let Some(why) = &state.closed {
            return Err(why.clone());
        }
        state.waiting.push_back(job);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes the job that suits a worker best, if there is one and it has not its fair share yet. `suits` answers none
    /// for a job that should wait.
    pub fn take(&self, worker: usize, suits: impl Fn(&Job) -> Option<Suits>) -> Option<Job> {
        let mut state = self.lock();
        // Nobody waits for these any more.
        state.waiting.retain(|job| !job.reply.is_closed());
        let n_all = state.waiting.len() + state.n_busy.iter().sum::<usize>();
        if state.n_busy[worker] >= n_all.div_ceil(state.n_busy.len()) {
            return None;
        }
        let mut best: Option<(usize, Suits)> = None;
        for (k, job) in state.waiting.iter().take(N_SEEN_MAX).enumerate() {
            let Some(found) = suits(job) else { continue };
            if job.n_passed >= N_PASSED_MAX {
                best = Some((k, found));
                break;
            }
            if best.is_none_or(|(_, most)| found > most) {
                best = Some((k, found));
            }
        }
        let (k, _) = best?;
        state.waiting.iter_mut().take(k).for_each(|job| job.n_passed += 1);
        state.n_busy[worker] += 1;
        state.waiting.remove(k)
    }

    /// Says that a worker is done with a job it took.
    pub fn done(&self, worker: usize) {
        let mut state = self.lock();
        state.n_busy[worker] = state.n_busy[worker].saturating_sub(1);
    }

    /// Waits until there is a job; `false` when there will be none.
    pub fn wait(&self) -> bool {
        let mut state = self.lock();
        while state.waiting.is_empty() && state.closed.is_none() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.closed.is_none()
    }

    /// Whether no more jobs are taken.
    pub fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// Takes no more jobs, and answers those that wait with `why`.
    pub fn close(&self, why: LlmError) {
        let mut state = self.lock();
        let waiting = std::mem::take(&mut state.waiting);
        state.closed.get_or_insert(why.clone());
        drop(state);
        self.changed.notify_all();
        for job in waiting {
            // Who has gone away needs no answer.
            let _ = job.reply.send(Err(why.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reply = oneshot::Receiver<Result<Written, LlmError>>;

    fn job(speaker: u64) -> (Job, Reply) {
        let (reply, receiver) = oneshot::channel();
        let sampling = Sampling { temperature: 0.0, top_p: 1.0, max_tokens: 1, seed: 0 };
        (Job { prompt: [1].into(), form: None, sampling, speaker, reply, n_passed: 0 }, receiver)
    }

    fn filled(queue: &Queue, speakers: std::ops::Range<u64>) -> Vec<Reply> {
        let push = |speaker| {
            let (job, reply) = job(speaker);
            queue.push(job).expect("open");
            reply
        };
        speakers.map(push).collect()
    }

    #[test]
    fn the_best_suited_comes_first_and_nobody_waits_for_ever() {
        let queue = Queue::new(1);
        let _replies = filled(&queue, 0..200);
        let suits = |job: &Job| (job.speaker != 1).then_some((job.speaker == 7, job.speaker as usize % 100));
        let order: Vec<u64> = (0..70).filter_map(|_| queue.take(0, suits)).map(|job| job.speaker).collect();
        assert_eq!(order[..3], [7, 99, 98]);
        assert!(order.contains(&0), "passed over 64 times: {order:?}");
        assert!(!order.contains(&1));
    }

    #[test]
    fn workers_share_and_the_gone_are_forgotten() {
        let queue = Queue::new(2);
        let mut replies = filled(&queue, 0..7);
        drop(replies.pop());
        let take = |worker| queue.take(worker, |_| Some((false, 0))).is_some();
        assert_eq!((0..6).filter(|_| take(0)).count(), 3);
        assert_eq!((0..6).filter(|_| take(1)).count(), 3);
        queue.done(1);
        let _more = filled(&queue, 0..1);
        assert!(!take(0) && take(1));
    }

    #[test]
    fn closing_answers_everybody() {
        let queue = Queue::new(1);
        let mut replies = filled(&queue, 0..2);
        queue.close(LlmError::Stop("over".into()));
        assert!(!queue.wait());
        for reply in &mut replies {
            assert!(matches!(reply.try_recv(), Ok(Err(LlmError::Stop(_)))));
        }
        assert!(queue.push(job(1).0).is_err());
    }
}

//! The half of a conversation that does not depend on how bytes travel: questions are put into
//! messages, answers are checked list by list, and what fails is tried again, a bounded number
//! of times. Must not know HTTP or processes.
//!
//! Two kinds of trouble are told apart. A list that breaks the rules concerns one request. An
//! answer that cannot be used at all ([`Fault`]) concerns the batch, and where no answer comes in
//! time, everybody: asking on would cost a timeout for each of them.

use super::super::rank::reciprocal_ranks;
use super::super::{Ranked, RecommendError, Request};
use super::protocol::{Answer, Body, CatalogueItem, Message, Past, Question, Seen, VERSION};
use super::roster::Roster;
use crate::id::ItemId;
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Unusable answers in a row, to single requests, after which nobody else is asked.
const UNUSABLE_IN_A_ROW_MAX: usize = 16;

/// The first pause before a retry; every further one is about twice as long.
const PAUSE_MS: u64 = 50;

/// The longest pause before a retry.
const PAUSE_MS_MAX: u64 = 2000;

/// The subject of the stream that pauses are drawn from; no agent has this number.
const PAUSE_SUBJECT: u64 = u64::MAX;

/// Bytes of foreign text that an error quotes.
const QUOTE_BYTES_MAX: usize = 400;

/// Why there is no usable answer.
#[derive(Debug)]
pub enum Fault {
    /// Nobody is there, or nobody answers in time: asking on is of no use.
    Silent(String),
    /// There was something, but no usable answer to this message.
    Unusable(String),
}

/// How messages travel.
pub trait Transport: Send {
    /// Sends a message, one line without its end, and waits for the whole answer.
    fn exchange(&mut self, message: &[u8], timeout: Duration) -> Result<Vec<u8>, Fault>;
    /// Ends the connection after a failure: whoever answers next must be greeted again.
    fn hang_up(&mut self);
}

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Requests in a message at most.
    pub batch_size: usize,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long the answer to the greeting may take.
    pub start_timeout: Duration,
    /// Further tries after a failure.
    pub retries: u32,
    /// Where the lengths of pauses come from.
    pub streams: Streams,
}

/// A recommender in another process.
pub struct Remote {
    roster: Roster,
    settings: Settings,
    line: Mutex<Line>,
}

struct Line {
    transport: Box<dyn Transport>,
    /// The number of the last message.
    id: u64,
    greeted: bool,
}

/// One entry a request: its list, or what is wrong with it.
type Lists = Vec<Result<Ranked, String>>;

impl Remote {
    /// Connects and greets; `name` is what an error calls the recommender.
    pub fn connect(
        name: &str,
        roster: Roster,
        settings: Settings,
        transport: Box<dyn Transport>,
    ) -> Result<Self, RecommendError> {
        let line = Mutex::new(Line { transport, id: 0, greeted: false });
        let remote = Remote { roster, settings, line };
        match remote.ask(&[], settings.retries) {
            Ok(_) => Ok(remote),
            Err(Fault::Silent(cause) | Fault::Unusable(cause)) => {
                Err(RecommendError::ForeignStart { recommender: name.to_owned(), cause })
            }
        }
    }

    /// What the recommender is told.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// One list a request, or the first failure.
    pub fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let mut all = Vec::with_capacity(requests.len());
        for batch in requests.chunks(self.settings.batch_size) {
            let lists = self.ask(batch, self.settings.retries).map_err(|fault| {
                let (Fault::Silent(cause) | Fault::Unusable(cause)) = fault;
                self.failure(&batch[0], &in_batch(cause, batch.len()))
            })?;
            for (request, list) in batch.iter().zip(lists) {
                all.push(list.map_err(|cause| self.failure(request, &cause))?);
            }
        }
        Ok(all)
    }

    /// One list or failure a request. An answer that cannot be used is followed by asking the batch
    /// one by one; where that fails `UNUSABLE_IN_A_ROW_MAX` times in a row, or no answer comes in
    /// time, the rest fails without being asked.
    pub fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        let mut all = Vec::with_capacity(requests.len());
        let mut given_up: Option<String> = None;
        let mut n_unusable = 0;
        let mut settle = |batch: &[Request<'_>], retries: u32, given_up: &mut Option<String>| {
            let fault = match self.ask(batch, retries) {
                Ok(lists) => {
                    n_unusable = 0;
                    return Some(lists);
                }
                Err(fault) => fault,
            };
            match fault {
                Fault::Silent(cause) => *given_up = Some(cause),
                Fault::Unusable(_) if batch.len() > 1 => return None,
                Fault::Unusable(cause) => {
                    n_unusable += 1;
                    if n_unusable >= UNUSABLE_IN_A_ROW_MAX {
                        let times = format!("; given up after {n_unusable} unusable answers in a row");
                        *given_up = Some(cause + &times);
                    } else {
                        return Some(vec![Err(cause)]);
                    }
                }
            }
            None
        };
        for batch in requests.chunks(self.settings.batch_size) {
            let mut lists = Lists::new();
            if given_up.is_none() {
                match settle(batch, self.settings.retries, &mut given_up) {
                    Some(whole) => lists = whole,
                    None => {
                        for one in batch.chunks(1) {
                            if given_up.is_none() {
                                lists.extend(settle(one, 0, &mut given_up).unwrap_or_default());
                            }
                        }
                    }
                }
            }
            let cause = given_up.clone().unwrap_or_default();
            lists.resize_with(batch.len(), || Err(cause.clone()));
            let named = batch.iter().zip(lists);
            all.extend(named.map(|(request, list)| list.map_err(|cause| self.failure(request, &cause))));
        }
        all
    }

    fn failure(&self, request: &Request<'_>, cause: &str) -> RecommendError {
        let user = self.roster.name_of(request.user);
        RecommendError::Foreign { user, page: request.page, cause: cause.to_owned() }
    }

    /// Asks about one batch (none at all: only greets), again where something is wrong.
    fn ask(&self, batch: &[Request<'_>], retries: u32) -> Result<Lists, Fault> {
        // A panic of another thread cannot leave the line half-changed in a way that matters: the
        // number of a message only grows.
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let key = batch.first().map_or((0, 0), |request| (request.round, request.page));
        let mut pauses = self.settings.streams.stream(Purpose::Recommend, key.0, PAUSE_SUBJECT, key.1);
        let mut tries = 0;
        loop {
            let outcome = self.attempt(&mut line, batch);
            tries += 1;
            let is_good = outcome.as_ref().is_ok_and(|lists| lists.iter().all(Result::is_ok));
            if is_good || tries > retries {
                return tried(outcome, tries);
            }
            if outcome.is_err() {
                let pause = (PAUSE_MS << (tries - 1).min(16)).min(PAUSE_MS_MAX);
                std::thread::sleep(Duration::from_millis(pauses.random_range(pause / 2..=pause * 3 / 2)));
            }
        }
    }

    /// Asks once.
    fn attempt(&self, line: &mut Line, batch: &[Request<'_>]) -> Result<Lists, Fault> {
        let outcome = self.greet(line).and_then(|()| {
            // Where nothing is left to recommend there is nothing to ask.
            let wanted: Vec<usize> = batch.iter().map(|request| self.n_expected(request)).collect();
            let open: Vec<usize> = (0..batch.len()).filter(|&at| wanted[at] > 0).collect();
            let mut lists: Lists = batch.iter().map(|_| Ok(Ranked::default())).collect();
            if open.is_empty() {
                return Ok(lists);
            }
            let questions = open.iter().map(|&at| self.question(&batch[at], wanted[at])).collect();
            let answer = line.exchange(Body::Recommend { requests: questions }, self.settings.timeout)?;
            let found = answer.lists.ok_or_else(|| {
                Fault::Unusable("answer has no `lists`, expected one list a request".to_owned())
            })?;
            if found.len() != open.len() {
                let counts = format!("answer has {} lists, expected {}", found.len(), open.len());
                return Err(Fault::Unusable(counts));
            }
            for (&at, list) in open.iter().zip(&found) {
                lists[at] = self.check(&batch[at], wanted[at], list);
            }
            Ok(lists)
        });
        if outcome.is_err() {
            line.transport.hang_up();
            line.greeted = false;
        }
        outcome
    }

    fn greet(&self, line: &mut Line) -> Result<(), Fault> {
        if line.greeted {
            return Ok(());
        }
        let items = self.roster.catalogue();
        let items = items.map(|(item, title, n_train)| CatalogueItem { item, title, n_train }).collect();
        line.exchange(Body::Hello { items }, self.settings.start_timeout)?;
        line.greeted = true;
        Ok(())
    }

    /// How long the list must be: `n`, or whatever the catalogue still has.
    fn n_expected(&self, request: &Request<'_>) -> usize {
        let n_items = self.roster.n_items();
        let mut shown: Vec<u32> = request.shown.iter().map(|item| item.0).collect();
        shown.sort_unstable();
        shown.dedup();
        let is_new = |&&item: &&u32| (item as usize) < n_items && request.known.binary_search(&item).is_err();
        let n_known = request.known.partition_point(|&item| (item as usize) < n_items);
        request.n.min(n_items.saturating_sub(n_known + shown.iter().filter(is_new).count()))
    }

    fn question<'a>(&'a self, request: &Request<'a>, n: usize) -> Question<'a> {
        let raw = |item: u32| self.roster.item(item);
        let known = request.known.iter().copied();
        let shown = request.shown.iter().map(|item| item.0);
        let is_new = |item: &u32| request.known.binary_search(item).is_err();
        let seen = request.feedback.iter().filter_map(|feedback| {
            let item = raw(feedback.item.0)?;
            let (page, watched, rating) = (feedback.page, feedback.watched, feedback.rating);
            Some(Seen { item, page, watched, rating })
        });
        Question {
            user: self.roster.user(request.user),
            round: request.round,
            page: request.page,
            luck: request.luck,
            n: n as u64,
            history: self.roster.history(request.user).map(|(item, rating)| Past { item, rating }).collect(),
            exclude: known.chain(shown.filter(is_new)).filter_map(raw).collect(),
            session: seen.collect(),
        }
    }

    /// A list as it may be shown, or what is wrong with it. Scores are reciprocal ranks: lists come
    /// without scores.
    fn check(&self, request: &Request<'_>, n: usize, list: &[String]) -> Result<Ranked, String> {
        let mut places: HashMap<ItemId, usize> = HashMap::with_capacity(list.len());
        let mut items = Vec::with_capacity(list.len());
        for (at, raw) in list.iter().enumerate() {
            let place = at + 1;
            let item = self.roster.find(raw).ok_or_else(|| {
                format!("item {} at place {place} is unknown, expected ids of the catalogue", quote(raw))
            })?;
            if request.known.binary_search(&item.0).is_ok() {
                return Err(format!(
                    "item {} at place {place} is excluded: the user already has it",
                    quote(raw)
                ));
            }
            if request.shown.contains(&item) {
                return Err(format!(
                    "item {} at place {place} is excluded: this session has shown it",
                    quote(raw)
                ));
            }
            if let Some(first) = places.insert(item, place) {
                return Err(format!(
                    "item {} stands at places {first} and {place}, expected once",
                    quote(raw)
                ));
            }
            items.push(item);
        }
        if items.len() != n {
            return Err(format!("list has {} items, expected {n}", items.len()));
        }
        let scores = reciprocal_ranks(items.len());
        Ok(Ranked::plain(items, scores))
    }
}

impl Line {
    /// Sends one message and reads the envelope of its answer.
    fn exchange(&mut self, body: Body<'_>, timeout: Duration) -> Result<Answer, Fault> {
        self.id += 1;
        let message = Message { protocol: VERSION, id: self.id, body };
        let message = serde_json::to_vec(&message).map_err(|error| Fault::Unusable(error.to_string()))?;
        let bytes = self.transport.exchange(&message, timeout)?;
        self.read(&bytes).map_err(Fault::Unusable)
    }

    fn read(&self, bytes: &[u8]) -> Result<Answer, String> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| format!("answer is not UTF-8 from byte {} on", error.valid_up_to()))?;
        let answer: Answer = serde_json::from_str(text)
            .map_err(|error| format!("answer is not as expected: {error}; it begins {}", quote(text)))?;
        if answer.protocol != VERSION {
            return Err(format!("answer is of protocol {}, expected {VERSION}", answer.protocol));
        }
        if answer.id != self.id {
            return Err(format!("answer is to message {}, expected {}", answer.id, self.id));
        }
        match answer.error {
            Some(words) => Err(format!("it reports an error: {}", quote(&words))),
            None => Ok(answer),
        }
    }
}

/// The outcome with the number of tries told in what failed.
fn tried(outcome: Result<Lists, Fault>, tries: u32) -> Result<Lists, Fault> {
    let tell = |cause: String| if tries > 1 { format!("{cause}; tried {tries} times") } else { cause };
    match outcome {
        Ok(lists) => Ok(lists.into_iter().map(|list| list.map_err(tell)).collect()),
        Err(Fault::Silent(cause)) => Err(Fault::Silent(tell(cause))),
        Err(Fault::Unusable(cause)) => Err(Fault::Unusable(tell(cause))),
    }
}

fn in_batch(cause: String, n: usize) -> String {
    match n {
        1 => cause,
        _ => format!("{cause}; so with all {n} users of this batch"),
    }
}

/// Foreign text as an error shows it: quoted, on one line, not too much of it.
pub fn quote(text: &str) -> String {
    let mut end = text.len().min(QUOTE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let dots = if end < text.len() { "…" } else { "" };
    format!("{:?}{dots}", &text[..end])
}

//! The tape: every outcome of every call to a language model, durable before anybody uses it.
//! A run that was killed replays what it has paid for, and ends as if nothing had happened.
//! Must not know backends, retries, money, or what a prompt is about.
//!
//! # The file
//!
//! A tape is one SQLite file (`application_id` 0x57544150, "WTAP"; `user_version` 1, the format), kept in
//! WAL mode with `synchronous = FULL` while somebody writes, and an ordinary single file at rest. Any tool
//! that opens SQLite reads it. While it is open, reach it through SQLite only: another way of opening the
//! file inside the same process would drop SQLite's locks when it closes.
//!
//! Table `calls`, a row a request:
//!
//! | column | type | what it holds |
//! |---|---|---|
//! | `call` | integer | number of the row, growing in the order of writing, never used again |
//! | `key` | blob | 32 bytes, SHA-256 of what was asked (see [`Key`]); unique |
//! | `model` | text | the model's name |
//! | `stream` | text | whose request it was, `agent 17, round 0, page 2, decide` |
//! | `sampling` | text | JSON: `temperature`, `top_p`, `max_tokens`, `seed` (up to 64 bits: read it as text) |
//! | `messages` | text | JSON: `[{"role": "system", "text": 1}, …]`, `text` being a row of `texts` |
//! | `shape` | integer | row of `texts` with the JSON Schema asked for; null for free text |
//! | `reply` | text | what the model said; null where it failed for good |
//! | `finish` | text | `stop` or `length` |
//! | `prompt_tokens`, `cached_tokens`, `completion_tokens` | integer | what the reply took |
//! | `latency_ms`, `n_retries` | integer | of the attempt that succeeded; attempts that failed before |
//! | `failure` | text | `exhausted`, `refused` or `too_long`; null where there is a reply |
//! | `failure_detail` | text | JSON: what the error says, see [`Failure`] |
//! | `created_at` | integer | seconds since 1970 (UTC); in no key |
//!
//! Table `texts`, a row a text, since prompts begin alike: `text` (integer), `hash` (blob, SHA-256 of the
//! content, unique), `content` (text). The view `conversations` puts both together: `call`, `stream`,
//! `position` from 0, `role`, `content`. All that one agent was told and said:
//!
//! ```sql
//! SELECT c.call, c.position, c.role, c.content, calls.reply
//! FROM conversations AS c JOIN calls USING (call)
//! WHERE c.stream LIKE 'agent 17, %' ORDER BY c.call, c.position;
//! ```
//!
//! # Who wins
//!
//! Several runs, in one process or in many, may share a tape. Of two replies to one request the first
//! written stands and is what [`Tape::keep`] gives to both; a reply takes the place of a failure, a failure
//! never that of a reply. What a run may see of what was there before it is its [`TapeMode`].

mod call;
mod compact;
mod error;
mod file;
mod key;
mod lines;
mod list;
mod outcome;
mod rows;
mod summary;
mod writer;

pub use call::Call;
pub use compact::{Compacted, Compaction, compact};
pub use error::TapeError;
pub use key::Key;
pub use lines::{Imported, export, import};
pub use list::Filter;
pub use outcome::{Failure, Outcome};
pub use summary::{Summary, summarise};

use super::{ChatRequest, LlmError};
use rows::Standing;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use writer::Writer;

/// The tape's name in a run folder.
pub const FILE_NAME: &str = "tape.sqlite";

/// Connections that look things up; a lookup takes microseconds, so few serve many threads.
const N_READERS: usize = 4;

/// What a run takes from the tape, and what it asks again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TapeMode {
    /// Asks everything again and writes over what was there when the run began.
    Record,
    /// Takes everything from the tape; what is not there stops the run.
    Replay,
    /// Takes replies from the tape, and asks for what is missing or has only failed before.
    #[default]
    Auto,
}

impl TapeMode {
    /// All of them.
    pub const ALL: [TapeMode; 3] = [TapeMode::Record, TapeMode::Replay, TapeMode::Auto];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TapeMode::Record => "record",
            TapeMode::Replay => "replay",
            TapeMode::Auto => "auto",
        }
    }

    /// What stands on the tape for a run that began after row `since` was written.
    fn standing(self, since: i64) -> Standing {
        match self {
            TapeMode::Record => Standing { replies_after: since, failures_after: since },
            TapeMode::Replay => Standing::EVERYTHING,
            TapeMode::Auto => Standing { replies_after: 0, failures_after: since },
        }
    }
}

impl FromStr for TapeMode {
    type Err = TapeError;

    fn from_str(text: &str) -> Result<Self, TapeError> {
        let mode = TapeMode::ALL.into_iter().find(|mode| mode.name() == text);
        mode.ok_or_else(|| TapeError::UnknownMode(text.to_owned()))
    }
}

/// An open tape; shared by reference between all who ask.
#[derive(Debug)]
pub struct Tape {
    path: PathBuf,
    mode: TapeMode,
    standing: Standing,
    readers: Vec<Mutex<Connection>>,
    next_reader: AtomicUsize,
    /// `None` in replay, and while the tape is being closed.
    writer: Option<Writer>,
}

impl Tape {
    /// Opens the tape at `path`; [`TapeMode::Replay`] opens it for reading and wants it to exist, the others
    /// create it, and the folders above it, where it is missing.
    ///
    /// # Errors
    /// The file is no tape, of a newer format, damaged, locked for longer than a minute, or out of reach.
    pub fn open(path: &Path, mode: TapeMode) -> Result<Self, TapeError> {
        let (since, writer) = match mode {
            TapeMode::Replay => (0, None),
            TapeMode::Record | TapeMode::Auto => {
                let connection = file::open_for_writing(path)?;
                let since = rows::last_call(&connection).map_err(|e| TapeError::of(path, &e))?;
                let standing = mode.standing(since);
                (since, Some(Writer::start(path.to_owned(), connection, standing)?))
            }
        };
        let open = || file::open_for_reading(path).map(Mutex::new);
        Ok(Tape {
            path: path.to_owned(),
            mode,
            standing: mode.standing(since),
            readers: (0..N_READERS).map(|_| open()).collect::<Result<_, _>>()?,
            next_reader: AtomicUsize::new(0),
            writer,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is taken from it.
    pub fn mode(&self) -> TapeMode {
        self.mode
    }

    /// What the tape has for this run: in [`TapeMode::Record`] only what was written since it was opened, in
    /// [`TapeMode::Auto`] such failures and every reply, in [`TapeMode::Replay`] everything. Takes microseconds.
    ///
    /// # Errors
    /// The file is damaged or out of reach.
    pub fn find(&self, key: &Key) -> Result<Option<Outcome>, TapeError> {
        let held = rows::find(&self.reader(), key).map_err(|e| TapeError::of(&self.path, &e))?;
        Ok(held.filter(|held| self.standing.holds(held)).map(|held| held.outcome))
    }

    /// [`Tape::find`] for a request, as a client needs it: in [`TapeMode::Replay`] what is missing stops the run.
    ///
    /// # Errors
    /// [`LlmError::Stop`] that names the stream and the tape, or says what is wrong with the tape.
    pub fn look_up(&self, key: &Key, request: &ChatRequest) -> Result<Option<Outcome>, LlmError> {
        match self.find(key)? {
            None if self.mode == TapeMode::Replay => {
                Err(TapeError::NotTaped { path: self.path.clone(), stream: request.stream.clone() }.into())
            }
            found => Ok(found),
        }
    }

    /// Puts an outcome on the tape, and returns, once it is durable, what the tape holds for this request:
    /// the outcome given, or that of another run that was first. `key` must be [`Key::of`] `model` and `request`.
    /// Waits while the queue is full. What has been queued is written even if nobody waits for it any more.
    ///
    /// # Errors
    /// The tape was opened for reading, the sampling is not finite, or the file cannot be written.
    pub async fn keep(
        &self,
        key: Key,
        model: &str,
        request: &ChatRequest,
        outcome: Outcome,
    ) -> Result<Outcome, TapeError> {
        debug_assert_eq!(key, Key::of(model, request), "the key of another request");
        let Some(writer) = &self.writer else {
            return Err(TapeError::ReadOnly { path: self.path.clone() });
        };
        writer.keep(Call::new(key, model, request, outcome)?).await
    }

    /// The calls that the filter lets through, in stream order: numbers inside a stream's name count as
    /// numbers, so that agent 2 comes before agent 17. All of them are held in memory: filter large tapes.
    ///
    /// # Errors
    /// The file is damaged or out of reach.
    pub fn calls(&self, filter: &Filter) -> Result<Vec<Call>, TapeError> {
        list::calls(&self.reader(), filter).map_err(|e| TapeError::of(&self.path, &e))
    }

    /// A connection that nobody uses, or the next in turn.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let first = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let at = |k: usize| &self.readers[(first + k) % N_READERS];
        (0..N_READERS)
            .find_map(|k| at(k).try_lock().ok())
            .unwrap_or_else(|| at(0).lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Tape {
    /// Writes what is queued, and leaves a single file when nobody else has it open.
    fn drop(&mut self) {
        self.readers.clear();
        self.writer.take();
    }
}

#[cfg(test)]
mod tests;

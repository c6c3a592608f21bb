//! A tape as text: one JSON object a line and call, keys in a fixed order, lines sorted by key, so that
//! equal tapes give equal bytes. Must not know tables.
//!
//! `{"key": 64 hexadecimal digits, "model": …, "stream": …, "sampling": {"temperature", "top_p",
//! "max_tokens", "seed"}, "messages": [{"role", "content"}, …], "shape": JSON Schema or null, then either
//! "reply": {"text", "finish", "usage": {"prompt_tokens", "cached_tokens", "completion_tokens"},
//! "latency_ms", "n_retries"} or "failure": {"kind", "detail"}, "created_at": seconds since 1970}`

use super::call::SamplingJson;
use super::key::canonical;
use super::rows::{self, Fate, Standing};
use super::{Call, Failure, Key, Outcome, TapeError, file};
use crate::llm::{ChatReply, Message, Sampling};
use rusqlite::TransactionBehavior;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// A longer line is no call.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// A line as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the keys of a call")]
struct LineIn {
    key: String,
    model: String,
    stream: String,
    sampling: Sampling,
    messages: Vec<Message>,
    shape: Option<Value>,
    reply: Option<ChatReply>,
    failure: Option<Failure>,
    created_at: u64,
}

/// A line as it is written: the same fields, in this order.
#[derive(Serialize)]
struct LineOut<'a> {
    key: String,
    model: &'a str,
    stream: &'a str,
    sampling: SamplingJson,
    messages: &'a [Message],
    shape: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<&'a ChatReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
    created_at: u64,
}

/// Writes every call of a tape as lines; gives their number. Others may go on writing to the tape.
///
/// # Errors
/// There is no tape, it is damaged (each call must still have the key of what it asks), or `out` fails.
pub fn export(tape: &Path, out: &mut dyn Write) -> Result<u64, TapeError> {
    let of = |error: rusqlite::Error| TapeError::of(tape, &error);
    let out_failed = |source| TapeError::Out { source: Arc::new(source) };
    let connection = file::open_for_reading(tape)?;
    let mut select =
        connection.prepare(&format!("SELECT {} FROM calls ORDER BY key", rows::columns())).map_err(of)?;
    let mut calls = select.query([]).map_err(of)?;
    let mut n_calls = 0;
    while let Some(row) = calls.next().map_err(of)? {
        let call = rows::read(&connection, row).map_err(of)?;
        if call.key != call.key_of_content() {
            let problem = format!("call {} asks something else than its key says", call.key);
            return Err(of(rows::damaged(problem)));
        }
        let mut line = line(&call).map_err(|error| of(rows::damaged(error.to_string())))?;
        line.push(b'\n');
        out.write_all(&line).map_err(out_failed)?;
        n_calls += 1;
    }
    out.flush().map_err(out_failed)?;
    Ok(n_calls)
}

fn line(call: &Call) -> Result<Vec<u8>, serde_json::Error> {
    let (reply, failure) = match &call.outcome {
        Outcome::Reply(reply) => (Some(reply), None),
        Outcome::Failed { cause } => (None, Some(cause)),
    };
    serde_json::to_vec(&LineOut {
        key: call.key.to_string(),
        model: &call.model,
        stream: &call.stream,
        sampling: SamplingJson::from(&call.sampling),
        messages: &call.messages,
        shape: call.shape.as_deref().map(serde_json::from_str).transpose()?,
        reply,
        failure,
        created_at: call.created_at,
    })
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Calls in the file.
    pub n_calls: u64,
    /// How many of them the tape did not have.
    pub n_new: u64,
    /// How many of them were replies where the tape had a failure.
    pub n_replies_for_failures: u64,
}

/// Puts the calls of a file of lines on a tape, all of them or none; the tape is made where it is missing.
/// What the tape holds stands, but for a failure that the file has a reply for.
///
/// # Errors
/// Names the file, the line, the value and what was expected: a line is no such object, or its key is not
/// that of what it asks. Else the tape cannot be opened or written.
pub fn import(tape: &Path, lines: &Path) -> Result<Imported, TapeError> {
    let of = |error: rusqlite::Error| TapeError::of(tape, &error);
    if !tape.exists() {
        // A bad file leaves no empty tape behind.
        for_each_call(lines, |_| Ok(()))?;
    }
    let mut connection = file::open_for_writing(tape)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(of)?;
    let mut imported = Imported::default();
    for_each_call(lines, |call| {
        imported.n_calls += 1;
        match rows::put(&transaction, &call, Standing::EVERYTHING).map_err(of)?.1 {
            Fate::New => imported.n_new += 1,
            Fate::Replaced => imported.n_replies_for_failures += 1,
            Fate::Stood => {}
        }
        Ok(())
    })?;
    transaction.commit().map_err(of)?;
    file::close(connection);
    Ok(imported)
}

/// Calls `take` with the call of every line that is not blank.
fn for_each_call(path: &Path, mut take: impl FnMut(Call) -> Result<(), TapeError>) -> Result<(), TapeError> {
    let io = |source: io::Error| TapeError::io(path, source);
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let n_read = file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes).map_err(io)?;
        if n_read == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let whole = bytes.ends_with(b"\n") || (n_read as u64) < LINE_BYTES_MAX;
        let call = if whole { call(&bytes) } else { Err(format!("longer than {LINE_BYTES_MAX} bytes")) };
        take(call.map_err(|problem| TapeError::BadLine { path: path.to_owned(), line, problem })?)?;
    }
    Ok(())
}

/// The call of a line, or what is wrong with it.
fn call(bytes: &[u8]) -> Result<Call, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("{error}, expected UTF-8"))?;
    let line: LineIn = serde_json::from_str(text).map_err(|error| match error.to_string() {
        // The parser counts the lines of what it is given, which is one.
        words if error.line() == 1 => words.replacen(" at line 1 column ", ", column ", 1),
        words => words,
    })?;
    let outcome = match (line.reply, line.failure) {
        (Some(reply), None) => Outcome::Reply(reply),
        (None, Some(cause)) => Outcome::Failed { cause },
        (Some(_), Some(_)) => return Err("both reply and failure, expected one of them".to_owned()),
        (None, None) => return Err("neither reply nor failure, expected one of them".to_owned()),
    };
    let call = Call {
        key: line.key.parse()?,
        model: line.model,
        stream: line.stream,
        sampling: line.sampling,
        messages: line.messages,
        shape: line.shape.as_ref().map(canonical),
        outcome,
        created_at: line.created_at,
    };
    check(&call)?;
    Ok(call)
}

fn check(call: &Call) -> Result<(), String> {
    let mut counts = vec![("created_at", call.created_at)];
    if let Outcome::Reply(ChatReply { usage, .. }) = &call.outcome {
        counts.push(("prompt_tokens", usage.prompt_tokens));
        counts.push(("cached_tokens", usage.cached_tokens));
        counts.push(("completion_tokens", usage.completion_tokens));
    }
    if let Some((name, value)) = counts.into_iter().find(|(_, value)| i64::try_from(*value).is_err()) {
        return Err(format!("{name} is {value}, expected at most {}", i64::MAX));
    }
    let expected: Key = call.key_of_content();
    if call.key != expected {
        return Err(format!("key is {}, expected {expected} from what the line asks", call.key));
    }
    Ok(())
}

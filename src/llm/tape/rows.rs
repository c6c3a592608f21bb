//! Calls as rows: written by the rule of who wins, looked up by key, read whole. Must not know threads.

use super::call::SamplingJson;
use super::{Call, Failure, Key, Outcome};
use crate::llm::{ChatReply, Finish, Message, Role, Usage};
use rusqlite::types::{FromSql, FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a run takes as given: rows written after these stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Replies in later rows than this stand.
    pub replies_after: i64,
    /// Failures in later rows than this stand, where no reply comes.
    pub failures_after: i64,
}

impl Standing {
    /// Whatever is there stands.
    pub const EVERYTHING: Standing = Standing { replies_after: 0, failures_after: 0 };

    /// Whether a row counts as being there.
    pub fn holds(&self, held: &Held) -> bool {
        let after = if held.outcome.is_reply() { self.replies_after } else { self.failures_after };
        held.call > after
    }
}

/// An outcome on the tape, and the number of its row.
#[derive(Debug)]
pub(super) struct Held {
    pub call: i64,
    pub outcome: Outcome,
}

/// A message as it stands in the column `messages`.
#[derive(Serialize, Deserialize)]
struct MessageRow {
    role: Role,
    text: i64,
}

/// Number of the last row ever written; 0 when there was none.
pub(super) fn last_call(connection: &Connection) -> rusqlite::Result<i64> {
    let last = "SELECT seq FROM sqlite_sequence WHERE name = 'calls'";
    Ok(connection.query_row(last, [], |row| row.get(0)).optional()?.unwrap_or(0))
}

const OUTCOME: &str = "reply, finish, prompt_tokens, cached_tokens, completion_tokens, latency_ms, \
                       n_retries, failure, failure_detail";

/// What the tape holds for a key.
pub(super) fn find(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Held>> {
    let mut select =
        connection.prepare_cached(&format!("SELECT {OUTCOME}, call FROM calls WHERE key = ?1"))?;
    select.query_row([key.bytes()], |row| Ok(Held { outcome: outcome(row)?, call: row.get(9)? })).optional()
}

/// What became of a call that was put on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing was there.
    New,
    /// What was there stood.
    Stood,
    /// What was there gave way.
    Replaced,
}

/// Writes a call unless what is there wins, and gives what is there afterwards; within a transaction.
pub(super) fn put(
    connection: &Connection,
    call: &Call,
    standing: Standing,
) -> rusqlite::Result<(Outcome, Fate)> {
    let Some(held) = find(connection, &call.key)? else {
        write(connection, call, &call.outcome)?;
        return Ok((call.outcome.clone(), Fate::New));
    };
    match (held.outcome.is_reply(), call.outcome.is_reply()) {
        (true, true) | (false, false) if standing.holds(&held) => Ok((held.outcome, Fate::Stood)),
        (true, false) => {
            if !standing.holds(&held) {
                // Asked again in vain: the old reply stands, and from now on for this run too.
                write(connection, call, &held.outcome)?;
            }
            Ok((held.outcome, Fate::Stood))
        }
        _ => {
            write(connection, call, &call.outcome)?;
            Ok((call.outcome.clone(), Fate::Replaced))
        }
    }
}

/// Writes a row with this outcome, in the place of one with the same key.
fn write(connection: &Connection, call: &Call, outcome: &Outcome) -> rusqlite::Result<()> {
    let messages = call
        .messages
        .iter()
        .map(|message| Ok(MessageRow { role: message.role, text: text_row(connection, &message.content)? }))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let shape = call.shape.as_deref().map(|shape| text_row(connection, shape)).transpose()?;
    let (reply, failure) = match outcome {
        Outcome::Reply(reply) => (Some(reply), None),
        Outcome::Failed { cause } => (None, Some(cause)),
    };
    let n = |value: Option<u64>| value.map(to_integer).transpose();
    let usage = reply.map(|reply| reply.usage);
    connection
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO calls (key, model, stream, sampling, messages, shape, {OUTCOME}, \
             created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        ))?
        .execute(params![
            call.key.bytes(),
            call.model,
            call.stream,
            SamplingJson::text(&call.sampling).map_err(to_sql)?,
            serde_json::to_string(&messages).map_err(to_sql)?,
            shape,
            reply.map(|reply| &reply.text),
            reply.map(|reply| finish_name(reply.finish)),
            n(usage.map(|usage| usage.prompt_tokens))?,
            n(usage.map(|usage| usage.cached_tokens))?,
            n(usage.map(|usage| usage.completion_tokens))?,
            reply.map(|reply| reply.latency_ms),
            reply.map(|reply| reply.n_retries),
            failure.map(Failure::kind),
            failure.map(detail).transpose().map_err(to_sql)?,
            to_integer(call.created_at)?,
        ])?;
    Ok(())
}

/// The row of a text, which is there once however often it is said.
fn text_row(connection: &Connection, content: &str) -> rusqlite::Result<i64> {
    let hash: [u8; 32] = Sha256::digest(content).into();
    let known = connection
        .prepare_cached("SELECT text FROM texts WHERE hash = ?1")?
        .query_row([hash], |row| row.get(0))
        .optional()?;
    if let Some(row) = known {
        return Ok(row);
    }
    connection
        .prepare_cached("INSERT INTO texts (hash, content) VALUES (?1, ?2)")?
        .execute(params![hash, content])?;
    Ok(connection.last_insert_rowid())
}

/// The columns that [`read`] takes, from `calls`.
pub(super) fn columns() -> String {
    format!("{OUTCOME}, key, model, stream, sampling, messages, shape, created_at")
}

/// A whole call from a row of [`columns`]; its texts come over the same connection.
pub(super) fn read(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Call> {
    let text = |row: i64| -> rusqlite::Result<String> {
        connection
            .prepare_cached("SELECT content FROM texts WHERE text = ?1")?
            .query_row([row], |row| row.get(0))
            .optional()?
            .ok_or_else(|| damaged(format!("no row {row} in texts")))
    };
    let messages: Vec<MessageRow> = json(row, 13)?;
    Ok(Call {
        outcome: outcome(row)?,
        key: Key::from_bytes(row.get(9)?),
        model: row.get(10)?,
        stream: row.get(11)?,
        sampling: json(row, 12)?,
        messages: messages
            .into_iter()
            .map(|message| Ok(Message { role: message.role, content: text(message.text)? }))
            .collect::<rusqlite::Result<_>>()?,
        shape: row.get::<_, Option<i64>>(14)?.map(text).transpose()?,
        created_at: count(row, 15)?,
    })
}

/// The outcome from the columns of [`OUTCOME`], which come first.
fn outcome(row: &Row<'_>) -> rusqlite::Result<Outcome> {
    if let Some(kind) = row.get::<_, Option<String>>(7)? {
        let cause = serde_json::json!({"kind": kind, "detail": json::<serde_json::Value>(row, 8)?});
        return match serde_json::from_value(cause) {
            Ok(cause) => Ok(Outcome::Failed { cause }),
            Err(error) => Err(damaged(format!("failure {kind:?}: {error}"))),
        };
    }
    Ok(Outcome::Reply(ChatReply {
        text: row.get(0)?,
        finish: row.get::<_, FinishColumn>(1)?.0,
        usage: Usage {
            prompt_tokens: count(row, 2)?,
            cached_tokens: count(row, 3)?,
            completion_tokens: count(row, 4)?,
        },
        latency_ms: row.get(5)?,
        n_retries: row.get(6)?,
    }))
}

fn finish_name(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

struct FinishColumn(Finish);

impl FromSql for FinishColumn {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> Result<Self, FromSqlError> {
        match value.as_str()? {
            "stop" => Ok(FinishColumn(Finish::Stop)),
            "length" => Ok(FinishColumn(Finish::Length)),
            other => Err(FromSqlError::Other(format!("finish is {other:?}, expected stop or length").into())),
        }
    }
}

/// What a failure says, without its kind.
fn detail(failure: &Failure) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_value(failure)?["detail"].to_string())
}

fn json<T: for<'de> Deserialize<'de>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| damaged(format!("{error} in {text:?}")))
}

/// A count that was written by [`to_integer`].
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn to_integer(value: u64) -> rusqlite::Result<i64> {
    i64::try_from(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn to_sql(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

/// Content that no version of this program wrote.
pub(super) fn damaged(problem: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, problem.into())
}

#[cfg(test)]
mod names {
    use super::super::key::role_name;
    use super::*;

    #[test]
    fn roles_are_called_alike_in_keys_and_in_files() {
        for role in [Role::System, Role::User, Role::Assistant] {
            assert_eq!(serde_json::json!(role), role_name(role));
        }
        for finish in [Finish::Stop, Finish::Length] {
            assert_eq!(serde_json::json!(finish), finish_name(finish));
        }
    }
}

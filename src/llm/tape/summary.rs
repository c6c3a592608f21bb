//! A tape in numbers. Must not know how they are shown, nor what anything costs.

use super::{TapeError, file};
use crate::llm::Usage;
use rusqlite::Connection;
use std::path::Path;

/// What is on a tape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls, however they ended.
    pub n_calls: u64,
    /// Calls that ended with a reply.
    pub n_replies: u64,
    /// Kinds of failures and how many calls ended with each, in alphabetical order.
    pub failures: Vec<(String, u64)>,
    /// Models and their calls, in alphabetical order.
    pub models: Vec<(String, u64)>,
    /// Attempts that failed before a reply came.
    pub n_retries: u64,
    /// Tokens of all replies.
    pub usage: Usage,
    /// Different texts in messages and shapes; each is kept once.
    pub n_texts: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Counts what is on a tape.
///
/// # Errors
/// There is no tape, or it is damaged or out of reach.
pub fn summarise(path: &Path) -> Result<Summary, TapeError> {
    let connection = file::open_for_reading(path)?;
    let counted = count(&connection).map_err(|error| TapeError::of(path, &error))?;
    Ok(Summary { bytes: file::bytes(path), ..counted })
}

fn count(connection: &Connection) -> rusqlite::Result<Summary> {
    let groups = |column: &str| {
        connection
            .prepare(&format!(
                "SELECT {column}, count(*) FROM calls WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1"
            ))?
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
            .collect::<rusqlite::Result<Vec<(String, u64)>>>()
    };
    let totals = "SELECT count(*), count(reply), total(n_retries), total(prompt_tokens),
                  total(cached_tokens), total(completion_tokens), (SELECT count(*) FROM texts) FROM calls";
    connection.query_row(totals, [], |row| {
        let n = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        // `sum` fails where it overflows; a double is exact far beyond any real tape.
        let total = |column| row.get::<_, f64>(column).map(|total| total as u64);
        Ok(Summary {
            n_calls: n(0)?,
            n_replies: n(1)?,
            failures: groups("failure")?,
            models: groups("model")?,
            n_retries: total(2)?,
            usage: Usage { prompt_tokens: total(3)?, cached_tokens: total(4)?, completion_tokens: total(5)? },
            n_texts: n(6)?,
            bytes: 0,
        })
    })
}

//! Making a tape small: what nobody needs goes, and the space it took with it. Must not know runs.

use super::{Key, TapeError, file};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeSet;
use std::path::Path;

/// What may go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compaction<'a> {
    /// Calls that failed for good; they will be asked again.
    pub drop_failures: bool,
    /// With the keys that a finished run used, every other call.
    pub used: Option<&'a BTreeSet<Key>>,
}

/// What went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Calls dropped.
    pub n_calls: u64,
    /// Texts dropped, since no call says them any more.
    pub n_texts: u64,
    /// Bytes on disk before.
    pub bytes_before: u64,
    /// Bytes on disk after.
    pub bytes_after: u64,
}

/// Drops what may go, then texts that no call says any more, and gives the space back to the disk. Needs as
/// much free space as the tape takes, for a while, and the tape to itself.
///
/// # Errors
/// There is no tape, somebody has it open for longer than a minute, or it cannot be written.
pub fn compact(path: &Path, compaction: &Compaction<'_>) -> Result<Compacted, TapeError> {
    let of = |error: rusqlite::Error| TapeError::of(path, &error);
    // Telling first that there is none keeps one from being made.
    drop(file::open_for_reading(path)?);
    let mut connection = file::open_for_writing(path)?;
    let bytes_before = file::bytes(path);
    let (n_calls, n_texts) = drop_rows(&mut connection, compaction).map_err(of)?;
    connection.execute_batch("VACUUM").map_err(of)?;
    file::close(connection);
    Ok(Compacted { n_calls, n_texts, bytes_before, bytes_after: file::bytes(path) })
}

fn drop_rows(connection: &mut Connection, compaction: &Compaction<'_>) -> rusqlite::Result<(u64, u64)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut n_calls = 0;
    if compaction.drop_failures {
        n_calls += transaction.execute("DELETE FROM calls WHERE failure IS NOT NULL", [])?;
    }
    if let Some(used) = compaction.used {
        transaction.execute_batch("CREATE TEMP TABLE used (key BLOB PRIMARY KEY) WITHOUT ROWID")?;
        let mut insert = transaction.prepare("INSERT INTO used VALUES (?1)")?;
        for key in used {
            insert.execute([key.bytes()])?;
        }
        drop(insert);
        n_calls += transaction.execute("DELETE FROM calls WHERE key NOT IN (SELECT key FROM used)", [])?;
        transaction.execute_batch("DROP TABLE used")?;
    }
    let n_texts = transaction.execute(
        "DELETE FROM texts WHERE text NOT IN (
             SELECT json_extract(message.value, '$.text') FROM calls, json_each(calls.messages) AS message
             UNION SELECT shape FROM calls WHERE shape IS NOT NULL)",
        [],
    )?;
    transaction.commit()?;
    Ok((n_calls as u64, n_texts as u64))
}

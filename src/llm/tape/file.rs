//! Opening the tape's file: making it, telling it from other files, reading it where nothing can be written.
//! Must not know what calls are.

use super::TapeError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// "WTAP": what tells a tape from any other SQLite file.
const APPLICATION_ID: i64 = 0x5754_4150;
/// The newest format known, `user_version` of the file.
const FORMAT: i64 = 1;
/// How long to wait for others who hold the file. An import or a compaction of a large tape takes seconds.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often to look whether they still do. SQLite's own waiting grows to a tenth of a second, in which a busy
/// writer takes the file again and again, and others starve.
const LOCK_POLL: Duration = Duration::from_micros(500);
/// Bytes of a page: prompts of some kilobytes leave little of it empty.
const PAGE_BYTES: i64 = 16384;
/// Bytes of the smallest page, and so of the smallest database.
const PAGE_BYTES_MIN: u64 = 512;
/// Statements that a connection keeps prepared.
const N_STATEMENTS: usize = 32;

const TABLES: &str = "
CREATE TABLE texts (
    text INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE calls (
    call INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    model TEXT NOT NULL,
    stream TEXT NOT NULL,
    sampling TEXT NOT NULL,
    messages TEXT NOT NULL,
    shape INTEGER,
    reply TEXT,
    finish TEXT,
    prompt_tokens INTEGER,
    cached_tokens INTEGER,
    completion_tokens INTEGER,
    latency_ms INTEGER,
    n_retries INTEGER,
    failure TEXT,
    failure_detail TEXT,
    created_at INTEGER NOT NULL,
    CHECK ((reply IS NULL) <> (failure IS NULL))
) STRICT;
CREATE INDEX calls_by_stream ON calls (stream);
CREATE VIEW conversations AS
    SELECT calls.call AS call, calls.stream AS stream, message.key AS position,
           json_extract(message.value, '$.role') AS role, texts.content AS content
    FROM calls, json_each(calls.messages) AS message
    JOIN texts ON texts.text = json_extract(message.value, '$.text');
";

/// Opens the tape for reading and writing, making it, and the folders above it, where it is missing.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, TapeError> {
    create_parents(path)?;
    let deadline = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match try_open_for_writing(path) {
            // SQLite does not wait while another process changes the journal mode.
            Err(TapeError::Locked { .. }) if Instant::now() < deadline => sleep(Duration::from_millis(5)),
            opened => return opened,
        }
    }
}

fn try_open_for_writing(path: &Path) -> Result<Connection, TapeError> {
    let of = |error: rusqlite::Error| TapeError::of(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, flags)?;
    // Nothing of a file that is no tape may change.
    if identify(&connection, path)? == Content::Nothing {
        connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(of)?;
    }
    if let Some(found) = ask_for_wal(&connection).map_err(of)? {
        return Err(TapeError::NoWal { path: path.to_owned(), found });
    }
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON").map_err(of)?;
    make_tables(&mut connection, path)?;
    // Whoever closed the tape in between may have changed the mode back; from the first read on nobody can.
    match ask_for_wal(&connection).map_err(of)? {
        Some(_) => Err(TapeError::Locked { path: path.to_owned() }),
        None => Ok(connection),
    }
}

/// Switches to WAL; the mode that stays where it cannot be had.
fn ask_for_wal(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    Ok((mode != "wal").then_some(mode))
}

/// Makes the tables of a new tape, in one transaction, unless somebody else just did.
fn make_tables(connection: &mut Connection, path: &Path) -> Result<(), TapeError> {
    let of = |error: rusqlite::Error| TapeError::of(path, &error);
    if identify(connection, path)? == Content::Tape {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(of)?;
    if identify(&transaction, path)? == Content::Nothing {
        transaction.execute_batch(TABLES).map_err(of)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(of)?;
        transaction.pragma_update(None, "user_version", FORMAT).map_err(of)?;
    }
    transaction.commit().map_err(of)
}

/// Opens the tape for reading only; it must exist.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, TapeError> {
    if !path.exists() {
        return Err(TapeError::Missing { path: path.to_owned() });
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let connection = match schema_version(&connection) {
        Err(error) if needs_shared_memory(&error) && nothing_in_wal(path) => connect_unchanging(path)?,
        _ => connection,
    };
    match identify(&connection, path)? {
        Content::Tape => Ok(connection),
        Content::Nothing => {
            Err(TapeError::NotATape { path: path.to_owned(), problem: "the file is empty".to_owned() })
        }
    }
}

/// A run that was killed leaves a tape in WAL mode, whose readers want to make a file beside it.
fn needs_shared_memory(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn nothing_in_wal(path: &Path) -> bool {
    std::fs::metadata(wal_of(path)).map_or(true, |wal| wal.len() == 0)
}

/// Opens a file in a folder where nobody can write, so that it will not change either.
fn connect_unchanging(path: &Path) -> Result<Connection, TapeError> {
    let mut address = String::from("file:");
    for byte in plain(path).as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                address.push(char::from(*byte));
            }
            other => address.push_str(&format!("%{other:02x}")),
        }
    }
    address.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    connect(Path::new(&address), flags)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, TapeError> {
    // SQLite takes a shorter file for an empty one and would write over it.
    if let Ok(1..PAGE_BYTES_MIN) = std::fs::metadata(path).map(|file| file.len()) {
        let problem = format!("shorter than {PAGE_BYTES_MIN} bytes");
        return Err(TapeError::NotATape { path: path.to_owned(), problem });
    }
    let name = if flags.contains(OpenFlags::SQLITE_OPEN_URI) { path.to_owned() } else { plain(path) };
    // Every connection is used by one thread at a time.
    let mut since = Instant::now();
    let wait = move |n_waits: i32| {
        if n_waits == 0 {
            since = Instant::now();
        }
        sleep(LOCK_POLL);
        since.elapsed() < LOCK_WAIT_MAX
    };
    let connection = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|mut connection| connection.busy_handler(Some(wait)).map(|()| connection))
        .map_err(|error| TapeError::of(path, &error))?;
    connection.set_prepared_statement_cache_capacity(N_STATEMENTS);
    Ok(connection)
}

/// Names such as `:memory:` mean something to SQLite; behind a folder they do not.
fn plain(path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) }
}

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Tape,
    /// A new file, or one whose maker was killed before the tables were there.
    Nothing,
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "schema_version", |row| row.get(0))
}

/// Tells a tape, or nothing, from any other file.
fn identify(connection: &Connection, path: &Path) -> Result<Content, TapeError> {
    let of = |error: rusqlite::Error| TapeError::of(path, &error);
    let pragma =
        |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(of);
    let is_not = |problem: String| Err(TapeError::NotATape { path: path.to_owned(), problem });
    let (application, format) = (pragma("application_id")?, pragma("user_version")?);
    let n_tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(of)?;
    match (application, format) {
        (0, 0) if n_tables == 0 => Ok(Content::Nothing),
        (APPLICATION_ID, FORMAT) => Ok(Content::Tape),
        (APPLICATION_ID, found) if found > FORMAT => {
            Err(TapeError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        (APPLICATION_ID, found) => is_not(format!("format is {found}, expected 1..={FORMAT}")),
        (found, _) => {
            is_not(format!("a database with application_id {found:#x}, expected {APPLICATION_ID:#x}"))
        }
    }
}

/// Leaves one ordinary file behind when nobody else has the tape open; otherwise the others will.
pub(super) fn close(connection: Connection) {
    // Whatever fails here costs nothing: what was kept is durable, in the file or in the WAL beside it.
    let _ = connection.busy_timeout(Duration::ZERO);
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let _ = connection.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()));
}

/// Bytes of the tape on disk.
pub(super) fn bytes(path: &Path) -> u64 {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    length(path) + length(&wal_of(path))
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    PathBuf::from(name)
}

/// Makes the folders above a file, durable like what will be in it.
fn create_parents(path: &Path) -> Result<(), TapeError> {
    let missing: Vec<&Path> = path
        .ancestors()
        .skip(1)
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    let Some(nearest) = missing.first() else { return Ok(()) };
    std::fs::create_dir_all(nearest).map_err(|source| TapeError::io(nearest, source))?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        // Not every system lets a folder be synced; then there is nothing more to do.
        let _ = std::fs::File::open(parent).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

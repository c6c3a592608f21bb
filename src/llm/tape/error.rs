//! What can be wrong with a tape. Must not know who asked.

use crate::llm::LlmError;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the tape could not be used. Cheap to clone: one failed write is told to all who waited for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TapeError {
    /// Nothing is there.
    #[error("{}: there is no tape", .path.display())]
    Missing {
        /// The path given.
        path: PathBuf,
    },
    /// Another kind of file.
    #[error("{}: not a tape ({problem})", .path.display())]
    NotATape {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        problem: String,
    },
    /// Written by a later version of this program.
    #[error("{}: a tape of format {found}, this version knows formats up to {known}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest one known.
        known: i64,
    },
    /// Bytes of the file are damaged.
    #[error("{}: the tape is damaged ({problem})", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was met.
        problem: String,
    },
    /// Somebody else holds the file for longer than anyone should.
    #[error("{}: the tape is locked by another process", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file system cannot share memory between processes, as network file systems often cannot.
    #[error("{}: this file system cannot hold a tape (journal mode is {found}, expected wal)", .path.display())]
    NoWal {
        /// The file.
        path: PathBuf,
        /// The journal mode that was to be had.
        found: String,
    },
    /// SQLite met something else: no permission, no space, a failing disk.
    #[error("{}: {problem}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        problem: String,
    },
    /// A file or folder beside the tape.
    #[error("{}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// What takes an export.
    #[error("the export cannot be written")]
    Out {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A write to a tape that was opened for replay.
    #[error("{}: the tape was opened for replay, nothing is written to it", .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// A replay asks for what is not there.
    #[error(
        "{}: nothing on the tape for \"{stream}\"; the scenario or the model has changed, \
         or the tape ends before", .path.display()
    )]
    NotTaped {
        /// The file.
        path: PathBuf,
        /// Whose request it was.
        stream: String,
    },
    /// A request that cannot be written down.
    #[error("{field} is {value}, must be finite")]
    NotFinite {
        /// The field of the sampling.
        field: &'static str,
        /// Its value.
        value: f32,
    },
    /// A line of an import.
    #[error("{}, line {line}: {problem}", .path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What stands there, and what was expected.
        problem: String,
    },
    /// The thread that writes has ended.
    #[error("{}: the tape is closed", .path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// No such mode.
    #[error("tape mode is \"{0}\", expected one of: record, replay, auto")]
    UnknownMode(String),
}

impl TapeError {
    /// What SQLite's error means for the tape at `path`.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> TapeError {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, SqlInputError, Utf8Error,
        };
        let path = path.to_owned();
        let problem = match error {
            rusqlite::Error::SqliteFailure(_, Some(words)) => words.clone(),
            SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        match (error.sqlite_error_code(), error) {
            (Some(ErrorCode::NotADatabase), _) => TapeError::NotATape { path, problem },
            (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => TapeError::Locked { path },
            // Every statement is ours: one that does not fit the tables says that these are not what they were.
            (Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown | ErrorCode::TypeMismatch), _)
            | (_, SqlInputError { .. } | FromSqlConversionFailure(..) | IntegralValueOutOfRange(..))
            | (_, InvalidColumnType(..) | Utf8Error(..)) => TapeError::Damaged { path, problem },
            _ => TapeError::Sqlite { path, problem },
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> TapeError {
        TapeError::Io { path: path.to_owned(), source: Arc::new(source) }
    }

    /// Whether what was given is wrong, as against work that failed.
    pub fn is_bad_input(&self) -> bool {
        use TapeError::{BadLine, Damaged, Io, Missing, Newer, NotATape, UnknownMode};
        match self {
            Missing { .. } | NotATape { .. } | Newer { .. } | Damaged { .. } | BadLine { .. } => true,
            UnknownMode(_) => true,
            Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

impl From<TapeError> for LlmError {
    /// Without its tape a run stops: nothing may be used that is not on it.
    fn from(error: TapeError) -> LlmError {
        match &error {
            TapeError::Io { source, .. } => LlmError::Stop(format!("{error}: {source}")),
            _ => LlmError::Stop(error.to_string()),
        }
    }
}

//! Vectors that were computed before, found again by what was encoded and with what: one SQLite file,
//! keyed by the hashes of encoder identity and text. Losing it costs time, never results.
//! Must not know encoders.

use super::EncodeError;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment variable that says where the cache is; empty switches it off.
pub const VARIABLE: &str = "WINDTUNNEL_CACHE";

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where vectors are kept.
pub struct Cache {
    path: PathBuf,
    connection: Connection,
}

/// The folder that vectors are kept in: `$WINDTUNNEL_CACHE`, else `windtunnel` in the user's cache folder.
/// `None` where there is no place for one or the variable is empty.
pub fn default_dir() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os(VARIABLE) {
        return (!dir.is_empty()).then(|| PathBuf::from(dir));
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(user.join("windtunnel"))
}

/// The key of an encoder's vectors.
pub fn key(identity: &str) -> [u8; 32] {
    Sha256::digest(identity).into()
}

impl Cache {
    /// Opens the cache in this folder, which is made if need be.
    pub fn open(dir: &Path) -> Result<Self, EncodeError> {
        std::fs::create_dir_all(dir).map_err(|source| EncodeError::Io { path: dir.to_owned(), source })?;
        let path = dir.join("vectors.sqlite");
        let open = || {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(PATIENCE)?;
            connection.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
                 CREATE TABLE IF NOT EXISTS vectors (
                     encoder BLOB NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL,
                     PRIMARY KEY (encoder, text)) WITHOUT ROWID;",
            )?;
            Ok(connection)
        };
        match open() {
            Ok(connection) => Ok(Cache { path, connection }),
            Err(error) => Err(told(&path, &error)),
        }
    }

    /// The vector of a text, if it is known; one that cannot be right counts as unknown.
    pub fn get(&self, encoder: &[u8; 32], text: &str) -> Result<Option<Vec<f32>>, EncodeError> {
        let text: [u8; 32] = Sha256::digest(text).into();
        let find = || {
            let mut statement = self
                .connection
                .prepare_cached("SELECT vector FROM vectors WHERE encoder = ?1 AND text = ?2")?;
            statement.query_row(params![encoder, text], |row| row.get::<_, Vec<u8>>(0)).optional()
        };
        let bytes = find().map_err(|error| told(&self.path, &error))?;
        Ok(bytes.and_then(|bytes| {
            let (numbers, rest) = bytes.as_chunks::<4>();
            let vector: Vec<f32> = numbers.iter().map(|&number| f32::from_le_bytes(number)).collect();
            (rest.is_empty() && !vector.is_empty() && vector.iter().all(|x| x.is_finite())).then_some(vector)
        }))
    }

    /// Keeps the vectors of some texts, all or none.
    pub fn put<'t>(
        &mut self,
        encoder: &[u8; 32],
        vectors: impl Iterator<Item = (&'t str, &'t [f32])>,
    ) -> Result<(), EncodeError> {
        let keep = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            for (text, vector) in vectors {
                let text: [u8; 32] = Sha256::digest(text).into();
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO vectors VALUES (?1, ?2, ?3)")?
                    .execute(params![encoder, text, bytes])?;
            }
            transaction.commit()
        };
        keep(&mut self.connection).map_err(|error| told(&self.path, &error))
    }
}

fn told(path: &Path, error: &rusqlite::Error) -> EncodeError {
    EncodeError::BadFile { path: path.to_owned(), problem: format!("{error}; it can be deleted at no loss") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_by_encoder_and_text_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (one, other) = (key("one"), key("other"));
        let mut cache = Cache::open(dir.path()).expect("opened");
        cache.put(&one, [("a", &[1.0f32, -2.5][..]), ("b", &[0.0, 3.0])].into_iter()).expect("kept");
        drop(cache);
        let cache = Cache::open(dir.path()).expect("opened again");
        assert_eq!(cache.get(&one, "a").expect("read"), Some(vec![1.0, -2.5]));
        assert_eq!(cache.get(&one, "c").expect("read"), None);
        assert_eq!(cache.get(&other, "a").expect("read"), None);
    }

    #[test]
    fn a_broken_file_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("vectors.sqlite"), b"this is no database, by no means at all")
            .expect("written");
        let told = Cache::open(dir.path()).err().expect("no database").to_string();
        assert!(told.contains("vectors.sqlite") && told.contains("deleted at no loss"), "{told}");
    }
}

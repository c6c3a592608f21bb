//! One process a run folder: an advisory lock on a file in it, which the system releases when its holder dies,
//! however it dies. Must not know what a run is.
//!
//! The file is removed at the end while it is still locked, so whoever opened it in that moment holds a lock on
//! nothing; hence a lock counts only if the file that it is on is still the one that stands there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The name of the file.
pub const FILE_NAME: &str = ".windtunnel-lock";

/// How often a file that vanishes under the lock is tried again.
const TRIES_MAX: u32 = 100;

/// A folder that is this process's alone until this is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

/// What came of asking for it.
#[derive(Debug)]
pub enum Asked {
    /// It is ours.
    Ours(Lock),
    /// Another process has it: its number, where it can be read.
    Taken(Option<u32>),
}

impl Lock {
    /// Asks for the folder, which must exist. Where the file system knows no locks, everybody gets it.
    pub fn ask(folder: &Path) -> io::Result<Asked> {
        let path = folder.join(FILE_NAME);
        for _ in 0..TRIES_MAX {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Asked::Taken(holder(&mut file))),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if !stands_at(&file, &path) {
                continue;
            }
            // Only for whoever is refused: a lock without a number is as good.
            let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
            return Ok(Asked::Ours(Lock { path, file }));
        }
        Err(io::Error::other("its lock vanishes whenever it is taken"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only what stands there is ours; one that stays is free as soon as the file is closed.
        if stands_at(&self.file, &self.path) && cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The number of the process that wrote into the file.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether this open file is the one that now stands at the path.
#[cfg(unix)]
fn stands_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |data: std::fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => of(open) == of(there),
        _ => false,
    }
}

/// Elsewhere the file is never removed.
#[cfg(not(unix))]
fn stands_at(_file: &File, _path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(folder: &Path) -> Lock {
        match Lock::ask(folder).expect("an answer") {
            Asked::Ours(lock) => lock,
            Asked::Taken(holder) => panic!("taken by {holder:?}"),
        }
    }

    #[test]
    fn one_at_a_time_and_gone_in_the_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let lock = ours(dir.path());
        // Locks belong to open files, so a process refuses itself too.
        let Asked::Taken(Some(pid)) = Lock::ask(dir.path()).expect("an answer") else {
            panic!("it is taken, and tells by whom");
        };
        assert_eq!(pid, std::process::id());
        drop(lock);
        assert!(!dir.path().join(FILE_NAME).exists() || cfg!(not(unix)));
        drop(ours(dir.path()));
    }

    #[test]
    fn what_a_dead_process_left_is_taken_over() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join(FILE_NAME), "4000000000\n").expect("written");
        let lock = ours(dir.path());
        let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).expect("there");
        assert_eq!(text.trim(), std::process::id().to_string());
        drop(lock);
    }

    #[test]
    fn many_in_turn_are_never_two_at_once() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let dir = tempfile::tempdir().expect("a folder");
        let (inside, n_got) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        if let Asked::Ours(lock) = Lock::ask(dir.path()).expect("an answer") {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                            n_got.fetch_add(1, Ordering::SeqCst);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
        assert!(n_got.load(Ordering::SeqCst) > 0);
    }
}

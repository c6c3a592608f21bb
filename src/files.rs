//! Files that appear whole or not at all: written beside their place, made durable,
//! then moved into it. Must not know what is in them.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How the names of temporary files begin.
pub const TEMPORARY_PREFIX: &str = ".windtunnel-";
/// How the names of temporary files end.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// Writes `bytes` to `path` so that a reader, or a killed run, sees the old file or the new one, never a part.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// The same with what `fill` writes, for files that would be a burden in memory.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = Unfinished::create(path)?;
    fill(&mut file)?;
    file.finish()
}

/// A file that is being written beside its place; dropped unfinished, it leaves nothing.
pub struct Unfinished {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Unfinished {
    /// Begins the file that will stand at `path` once it is finished.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 16, temporary_beside(path)?);
        Ok(Unfinished { path: path.to_owned(), file })
    }

    /// Makes it durable and moves it into its place.
    pub fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        persist(file, &self.path)
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A temporary file in the folder of `path`, removed when it is dropped unpersisted.
pub fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY_PREFIX).suffix(TEMPORARY_SUFFIX).tempfile_in(folder_of(path))
}

/// Moves a finished temporary file into place, readable like any other file.
pub fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    make_place_durable(path)
}

/// Moves a finished folder into place, where nothing stands.
pub fn persist_folder(folder: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(folder, path)?;
    make_place_durable(path)
}

/// Has the folder of `path` remember across a loss of power what was moved into it.
///
/// A folder that may be written to but not read cannot be asked to, and some file systems do not offer it: what was
/// moved is in its place all the same.
#[cfg(unix)]
fn make_place_durable(path: &Path) -> io::Result<()> {
    let Ok(folder) = std::fs::File::open(folder_of(path)) else { return Ok(()) };
    match folder.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        done => done,
    }
}

/// Elsewhere folders cannot be opened as files.
#[cfg(not(unix))]
fn make_place_durable(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// The folder that a path is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        write_whole(&path, b"old").expect("written");
        let failed = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("full"))
        });
        assert_eq!(failed.expect_err("failed").to_string(), "full");
        assert_eq!(std::fs::read(&path).expect("there"), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1, "no temporary file");
        assert!(write_whole(&dir.path().join("missing/file"), b"x").is_err());
        assert!(write_whole(&path.join("below"), b"x").is_err(), "below a file");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let (there, link) = (dir.path().join("there"), dir.path().join("link"));
        for exists in [true, false] {
            match exists {
                true => std::fs::write(&there, "kept").expect("written"),
                false => std::fs::remove_file(&there).expect("removed"),
            }
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&there, &link).expect("a link");
            write_whole(&link, b"new").expect("written");
            assert!(!link.is_symlink());
            assert_eq!(std::fs::read(&link).expect("there"), b"new");
            assert_eq!(std::fs::read(&there).ok().as_deref(), exists.then_some(&b"kept"[..]));
        }
    }
}

//! A zip archive of one folder, unpacked whole or not at all, and never outside its place.
//! Must not know where the archive came from.

use super::{FetchError, io_at};
use crate::progress::Progress;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::{Component, Path};
use zip::ZipArchive;

/// More entries than any archive of ours has.
const ENTRIES_MAX: usize = 10_000;
/// More bytes than any archive of ours holds.
const UNPACKED_BYTES_MAX: u64 = 8 << 30;

/// Unpacks the one folder `name` of the archive as `out_dir/name`.
pub(super) fn unpack(
    file: impl Read + Seek,
    name: &str,
    out_dir: &Path,
    progress: &dyn Progress,
) -> Result<(), FetchError> {
    let bad = |problem: String| FetchError::BadArchive { archive: format!("{name}.zip"), problem };
    let mut archive = ZipArchive::new(file).map_err(|e| bad(format!("is no zip archive: {e}")))?;
    if archive.len() > ENTRIES_MAX {
        return Err(bad(format!("holds {} entries, expected at most {ENTRIES_MAX}", archive.len())));
    }
    // Beside the target, so that the last step is a rename within one file system.
    let scratch = tempfile::Builder::new().prefix(&format!(".{name}-")).tempdir_in(out_dir);
    let scratch = scratch.map_err(io_at(out_dir))?;
    progress.begin("unpacking", archive.len() as u64);
    let mut n_bytes_left = UNPACKED_BYTES_MAX;
    for k in 0..archive.len() {
        let mut entry = archive.by_index(k).map_err(|e| bad(format!("entry {k} cannot be read: {e}")))?;
        let shown = String::from_utf8_lossy(entry.name_raw()).escape_debug().to_string();
        let path = entry.enclosed_name().filter(|path| is_inside(path, name));
        let Some(path) = path.filter(|_| !entry.is_symlink()) else {
            return Err(bad(format!("entry `{shown}` does not belong into the folder {name}")));
        };
        let target = scratch.path().join(path);
        if entry.is_dir() {
            std::fs::create_dir_all(&target).map_err(io_at(&target))?;
        } else {
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent).map_err(io_at(parent))?;
            }
            let mut out = File::create_new(&target).map_err(io_at(&target))?;
            let mut limited = (&mut entry).take(n_bytes_left + 1);
            let n = std::io::copy(&mut limited, &mut out).map_err(|e| match e.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                    bad(format!("entry `{shown}` cannot be unpacked: {e}"))
                }
                _ => io_at(&target)(e),
            })?;
            n_bytes_left = n_bytes_left
                .checked_sub(n)
                .ok_or_else(|| bad(format!("unpacks to more than {UNPACKED_BYTES_MAX} bytes")))?;
        }
        progress.advance(1, "");
    }
    progress.end();
    let (from, to) = (scratch.path().join(name), out_dir.join(name));
    if !from.is_dir() {
        return Err(bad(format!("holds no folder {name}")));
    }
    std::fs::rename(&from, &to).map_err(io_at(&to))
}

/// Whether a path lies in the folder `name`, or is it.
fn is_inside(path: &Path, name: &str) -> bool {
    let mut parts = path.components();
    parts.next() == Some(Component::Normal(name.as_ref())) && parts.all(|c| matches!(c, Component::Normal(_)))
}

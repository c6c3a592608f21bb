//! Files from outside, read within bounds: whatever stands at a path, a reader takes no more of it than it
//! has use for. Must not know what is in them.

pub(crate) mod batches;
pub(crate) mod records;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most that a file may hold which a person writes (scenarios, parameters), bytes.
pub(crate) const WRITTEN_BYTES_MAX: u64 = 1 << 20;

/// The most that a file may hold which a program writes and which is read as a whole, bytes.
pub(crate) const MADE_BYTES_MAX: u64 = 1 << 30;

/// The whole file, if it is no longer than `bytes_max`. The length is found by reading: devices and pipes tell none.
pub(crate) fn bytes(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let problem = format!("it is longer than {bytes_max} bytes, the most that such a file may have");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(bytes)
}

/// The same as text.
pub(crate) fn text(path: &Path, bytes_max: u64) -> io::Result<String> {
    String::from_utf8(bytes(path, bytes_max)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("byte {at} is not UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_allowed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a");
        std::fs::write(&path, b"abc\xff").expect("written");
        assert_eq!(bytes(&path, 4).expect("short enough"), b"abc\xff");
        assert!(bytes(&path, 3).expect_err("too long").to_string().contains("longer than 3 bytes"));
        assert_eq!(text(&path, 4).expect_err("no text").to_string(), "byte 3 is not UTF-8");
        assert!(bytes(dir.path(), 4).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_has_no_end_is_refused() {
        assert!(bytes(Path::new("/dev/zero"), 1000).is_err());
    }
}

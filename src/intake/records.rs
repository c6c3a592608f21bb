//! A bound on rows of delimited files: an open quote makes the rest of a file one cell, and a cell is held in memory.
//! Must not know what rows hold.

use std::io::{self, Read};

/// The longest row, bytes.
pub(crate) const RECORD_BYTES_MAX: u64 = 16 << 20;

/// A reader that fails where more than [`RECORD_BYTES_MAX`] is read between two rows; [`Bounded::begin`] says where one
/// begins.
pub(crate) struct Bounded<R> {
    inner: R,
    n_read: u64,
}

impl<R: Read> Bounded<R> {
    /// Reads from `inner`.
    pub fn new(inner: R) -> Self {
        Bounded { inner, n_read: 0 }
    }

    /// A row begins; what is read ahead of it counts for the row before.
    pub fn begin(&mut self) {
        self.n_read = 0;
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.n_read += n as u64;
        if self.n_read > RECORD_BYTES_MAX + buffer.len() as u64 {
            let problem = format!("a row is longer than {RECORD_BYTES_MAX} bytes; is a quote left open?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_pass_and_long_rows_do_not() {
        let endless = || io::repeat(b'x').take(3 * RECORD_BYTES_MAX);
        let mut one = Bounded::new(endless());
        assert!(io::copy(&mut one, &mut io::sink()).is_err());
        let mut many = Bounded::new(endless());
        let mut buffer = vec![0; 1 << 20];
        let mut n_read = 0;
        while let n @ 1.. = many.read(&mut buffer).expect("short rows") {
            n_read += n as u64;
            many.begin();
        }
        assert_eq!(n_read, 3 * RECORD_BYTES_MAX);
    }
}

//! Rows of a text file as bytes, and what a bad one costs: streaming, line numbers,
//! BOM, CRLF, and the cells in them. Must not know what the cells mean.

use super::{DatasetError, LoadReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A line longer than this is no row of a table.
const LINE_BYTES_MAX: usize = 1 << 20;
/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// How much of a bad cell an error repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// What to do with a malformed row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// Stop, and say which row and why.
    #[default]
    Error,
    /// Leave it out and count it.
    Skip,
}

/// One cell that is not what it should be. Boxed where it is returned: it is rare and large.
#[derive(Debug)]
pub(crate) struct BadCell {
    column: u32,
    value: String,
    expected: String,
}

impl BadCell {
    /// The cell at the 0-based `column` holds `value` where `expected` should stand.
    pub fn new(column: usize, value: &[u8], expected: impl Into<String>) -> Box<Self> {
        let lossy = String::from_utf8_lossy(value);
        let mut value: String = lossy.chars().take(SHOWN_CHARS_MAX).collect();
        if value.len() < lossy.len() {
            value.push('…');
        }
        Box::new(BadCell { column: column as u32 + 1, value, expected: expected.into() })
    }

    /// As an error of the row at `line` (from 1) of a file.
    pub fn at(self, path: &Path, line: u64) -> DatasetError {
        DatasetError::BadRow {
            path: path.to_owned(),
            line,
            column: self.column,
            value: self.value,
            expected: self.expected,
        }
    }
}

impl OnBadRow {
    /// Stops with the error, or counts the row as skipped.
    pub(crate) fn settle(
        self,
        bad: BadCell,
        path: &Path,
        line: u64,
        report: &mut LoadReport,
    ) -> Result<(), DatasetError> {
        match self {
            OnBadRow::Error => Err(bad.at(path, line)),
            OnBadRow::Skip => {
                report.n_skipped += 1;
                Ok(())
            }
        }
    }
}

/// Opens a text file: a byte-order mark is passed over, what is plainly no text is refused.
pub(crate) fn open_text(path: &Path) -> Result<Box<dyn Read>, DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_owned(), source };
    let bad = |problem: &str| DatasetError::BadFile { path: path.to_owned(), problem: problem.to_owned() };
    let mut file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(bad("is a folder, expected a file"));
    }
    let mut head = Vec::with_capacity(4);
    (&mut file).take(4).read_to_end(&mut head).map_err(io)?;
    match head.as_slice() {
        [0x1f, 0x8b, ..] => return Err(bad("is gzip-compressed, expected plain text; unpack it first")),
        [b'P', b'K', 3, 4] => return Err(bad("is a zip archive, expected plain text; unpack it first")),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(bad("is UTF-16 text, expected UTF-8")),
        [0xef, 0xbb, 0xbf, ..] => drop(head.drain(..3)),
        _ => {}
    }
    Ok(Box::new(Cursor::new(head).chain(file)))
}

/// The size of a file, or 0 where the system does not tell.
pub(crate) fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// The rows of a file, one after the other, without their line ends; blank lines are passed over.
pub(crate) struct Rows {
    path: PathBuf,
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    /// What of the buffer is read but not yet handed out.
    pending: Range<usize>,
    at_end: bool,
    line: u64,
    n_bytes: u64,
}

impl Rows {
    /// The rows of the file at `path`.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        Ok(Rows {
            path: path.to_owned(),
            reader: open_text(path)?,
            buffer: vec![0; CHUNK_BYTES],
            pending: 0..0,
            at_end: false,
            line: 0,
            n_bytes: 0,
        })
    }

    /// Which file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line of the latest row, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many bytes have been handed out.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<&[u8]>, DatasetError> {
        loop {
            let Some(range) = self.next_line()? else { return Ok(None) };
            self.line += 1;
            self.n_bytes += range.len() as u64 + 1;
            let end = if self.buffer[range.clone()].ends_with(b"\r") { range.end - 1 } else { range.end };
            if self.buffer[range.start..end].iter().any(|b| !b.is_ascii_whitespace()) {
                return Ok(Some(&self.buffer[range.start..end]));
            }
        }
    }

    /// Where in the buffer the next line stands, its `\n` left off.
    fn next_line(&mut self) -> Result<Option<Range<usize>>, DatasetError> {
        let mut n_scanned = 0;
        loop {
            let Range { start, end } = self.pending;
            if let Some(n) = self.buffer[start + n_scanned..end].iter().position(|&b| b == b'\n') {
                let stop = start + n_scanned + n;
                self.pending.start = stop + 1;
                return Ok(Some(start..stop));
            }
            if self.at_end {
                self.pending = end..end;
                return Ok((start < end).then_some(start..end));
            }
            n_scanned = end - start;
            self.fill()?;
        }
    }

    /// Reads more behind what is pending, which moves to the front.
    fn fill(&mut self) -> Result<(), DatasetError> {
        self.buffer.copy_within(self.pending.clone(), 0);
        self.pending = 0..self.pending.len();
        if self.pending.end == self.buffer.len() {
            if self.buffer.len() >= LINE_BYTES_MAX {
                let problem =
                    format!("line {} is longer than {LINE_BYTES_MAX} bytes, expected a table", self.line + 1);
                return Err(DatasetError::BadFile { path: self.path.clone(), problem });
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let n = loop {
            match self.reader.read(&mut self.buffer[self.pending.end..]) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let n = n.map_err(|source| DatasetError::Io { path: self.path.clone(), source })?;
        self.at_end = n == 0;
        self.pending.end += n;
        Ok(())
    }
}

/// The cells of a row between separators of one or more bytes.
pub(crate) struct Cells<'a> {
    rest: Option<&'a [u8]>,
    separator: &'a [u8],
}

impl<'a> Cells<'a> {
    /// Cuts `row` at every `separator`.
    ///
    /// # Panics
    /// When the separator is empty.
    pub fn new(row: &'a [u8], separator: &'a [u8]) -> Self {
        assert!(!separator.is_empty(), "a separator has at least one byte");
        Cells { rest: Some(row), separator }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let row = self.rest?;
        let (&first, more) = self.separator.split_first()?;
        let mut from = 0;
        while let Some(n) = row[from..].iter().position(|&b| b == first) {
            let at = from + n;
            if row[at + 1..].starts_with(more) {
                self.rest = Some(&row[at + self.separator.len()..]);
                return Some(&row[..at]);
            }
            from = at + 1;
        }
        self.rest = None;
        Some(row)
    }
}

/// The row's cells, when there are exactly `n_columns`.
pub(crate) fn cells_exactly<'a>(
    row: &'a [u8],
    separator: &'a [u8],
    n_columns: usize,
) -> Result<Vec<&'a [u8]>, Box<BadCell>> {
    let cells: Vec<&[u8]> = Cells::new(row, separator).collect();
    if cells.len() == n_columns {
        Ok(cells)
    } else {
        Err(wrong_width(row, separator, cells.len(), n_columns))
    }
}

/// A row of `found` cells where there should be `n_columns`.
pub(crate) fn wrong_width(row: &[u8], separator: &[u8], found: usize, n_columns: usize) -> Box<BadCell> {
    let separator = String::from_utf8_lossy(separator).replace('\t', "a tab");
    let expected = format!("{n_columns} columns separated by {separator}, there are {found}");
    BadCell::new(found.min(n_columns).saturating_sub(1), row, expected)
}

/// A finite number, as a rating is written.
pub(crate) fn number(cell: &[u8]) -> Option<f32> {
    match cell {
        [d @ b'0'..=b'9'] => Some(f32::from(d - b'0')),
        [d @ b'0'..=b'9', b'.', t @ b'0'..=b'9'] => {
            Some((f32::from(d - b'0') * 10.0 + f32::from(t - b'0')) / 10.0)
        }
        _ => std::str::from_utf8(cell).ok()?.trim().parse().ok().filter(|x: &f32| x.is_finite()),
    }
}

/// A moment in seconds, whole or with a fraction, which is dropped.
pub(crate) fn moment(cell: &[u8]) -> Option<i64> {
    if !cell.is_empty() && cell.len() <= 18 && cell.iter().all(u8::is_ascii_digit) {
        return Some(cell.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')));
    }
    let text = std::str::from_utf8(cell).ok()?.trim();
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    let seconds: f64 = text.parse().ok()?;
    // Past 2^53 a double no longer counts in whole seconds.
    (seconds.abs() < 9.0e15).then(|| seconds.floor() as i64)
}

/// Text in UTF-8, blanks around it cut off.
pub(crate) fn utf8(cell: &[u8], column: usize) -> Result<&str, Box<BadCell>> {
    std::str::from_utf8(cell).map(str::trim).map_err(|_| BadCell::new(column, cell, "UTF-8 text"))
}

/// The year in the last brackets of a title: "Heat (1995)".
pub(crate) fn year_in_title(title: &str) -> Option<u16> {
    let open = title.rfind('(')?;
    let digits = title.get(open + 1..open + 5)?;
    let closes = title[open + 5..].starts_with([')', '-', '–']);
    (closes && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn rows_of(bytes: &[u8]) -> Vec<(u64, String)> {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.write_all(bytes).expect("written");
        let mut rows = Rows::open(file.path()).expect("opened");
        let mut all = Vec::new();
        while let Some(row) = rows.next().expect("read") {
            let row = String::from_utf8_lossy(row).into_owned();
            all.push((rows.line(), row));
        }
        all
    }

    #[test]
    fn bom_crlf_blank_lines_and_a_missing_last_newline_are_all_one() {
        let plain = [(1, "a".to_owned()), (3, "b".to_owned())];
        for bytes in ["a\n\nb\n", "a\r\n\r\nb\r\n", "\u{feff}a\n \nb", "a\n\t\nb\n\n\n"] {
            assert_eq!(rows_of(bytes.as_bytes()), plain, "{bytes:?}");
        }
        assert_eq!(rows_of(b""), []);
    }

    #[test]
    fn rows_across_chunk_borders_stay_whole() {
        let long = "x".repeat(CHUNK_BYTES - 3);
        let text = format!("{long}\nshort\n{long}{long}\nlast");
        let lengths: Vec<usize> = rows_of(text.as_bytes()).iter().map(|(_, row)| row.len()).collect();
        assert_eq!(lengths, [long.len(), 5, 2 * long.len(), 4]);
    }

    #[test]
    fn cells_are_cut_at_whole_separators_only() {
        let cut = |row: &'static str, by: &'static str| {
            Cells::new(row.as_bytes(), by.as_bytes()).map(|c| String::from_utf8_lossy(c)).collect::<Vec<_>>()
        };
        assert_eq!(cut("1::2:3::", "::"), ["1", "2:3", ""]);
        assert_eq!(cut("a\t\tb", "\t"), ["a", "", "b"]);
        assert_eq!(cut("", ","), [""]);
    }

    #[test]
    fn numbers_moments_and_years() {
        assert_eq!(number(b"4"), Some(4.0));
        assert_eq!(number(b"3.5"), Some(3.5));
        assert_eq!(number(b" -9.96 "), Some(-9.96));
        for bad in ["", "x", "nan", "inf", "1e39", "4,5", "\u{665}"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(moment(b"978300760"), Some(978300760));
        assert_eq!(moment(b"-7"), Some(-7));
        assert_eq!(moment(b"9.7830076e8"), Some(978300760));
        for bad in ["", "noon", "nan", "1e300", "99999999999999999999"] {
            assert_eq!(moment(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(year_in_title("Heat (1995)"), Some(1995));
        assert_eq!(year_in_title("Fawlty Towers (1975-1979)"), Some(1975));
        assert_eq!(year_in_title("Shall We Dance? (Shall We Dansu?) (1996) "), Some(1996));
        for bad in ["Moonlight", "(19)", "Odd (12345)", "Ü (", "(é199)"] {
            assert_eq!(year_in_title(bad), None, "{bad}");
        }
    }
}

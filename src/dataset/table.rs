//! Small tables in real CSV, with quotes and line breaks in cells: items, plots, personas;
//! and any delimited file. Must not know what the columns mean.

use super::DatasetError;
use super::rows::{self, BadCell, open_text};
use crate::intake::records::Bounded;
use crate::report::visible::{clipped, visible};
use csv::ByteRecord;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Characters of the names of columns that an error repeats.
const COLUMNS_CHARS_MAX: usize = 400;

/// A delimited file, row by row.
pub(crate) struct Table {
    path: PathBuf,
    reader: csv::Reader<Bounded<Box<dyn Read>>>,
    record: ByteRecord,
    header: Vec<String>,
    n_columns: usize,
    delimiter: u8,
}

/// One row of a [`Table`].
pub(crate) struct Record<'a> {
    /// Line on which it starts, from 1.
    pub line: u64,
    /// How many bytes of the file lie before it.
    pub n_bytes: u64,
    cells: &'a ByteRecord,
    n_columns: usize,
    delimiter: u8,
}

impl Table {
    /// Opens a delimited file; with `has_header`, its first row names the columns.
    pub fn open(path: &Path, delimiter: u8, has_header: bool) -> Result<Self, DatasetError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(256 << 10)
            .from_reader(Bounded::new(open_text(path)?));
        let mut header = Vec::new();
        if has_header {
            let mut first = ByteRecord::new();
            if !reader.read_byte_record(&mut first).map_err(|e| io_error(path, 1, e))? {
                let problem = "is empty, expected a header row".to_owned();
                return Err(DatasetError::BadFile { path: path.to_owned(), problem });
            }
            for (column, cell) in first.iter().enumerate() {
                header.push(rows::utf8(cell, column).map_err(|bad| bad.at(path, 1))?.to_owned());
            }
        }
        let n_columns = header.len();
        Ok(Table { path: path.to_owned(), reader, record: ByteRecord::new(), header, n_columns, delimiter })
    }

    /// Which file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a column, empty where there is no header.
    pub fn name(&self, column: usize) -> &str {
        self.header.get(column).map_or("", String::as_str)
    }

    /// The 0-based place of a column.
    ///
    /// # Errors
    /// When the header does not name it.
    pub fn column(&self, name: &str) -> Result<usize, DatasetError> {
        self.find(&[name]).ok_or_else(|| DatasetError::BadFile {
            path: self.path.clone(),
            problem: format!(
                "has no column `{name}`; its columns are {}",
                clipped(&visible(&self.header.join(", ")), COLUMNS_CHARS_MAX)
            ),
        })
    }

    /// The column with the first of these names that any column has, letter case aside.
    pub fn find(&self, names: &[&str]) -> Option<usize> {
        let place = |is_it: &dyn Fn(&str) -> bool| self.header.iter().position(|h| is_it(h));
        names.iter().find_map(|name| {
            place(&|header| header == *name).or_else(|| place(&|header| header.eq_ignore_ascii_case(name)))
        })
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, DatasetError> {
        let line = self.reader.position().line();
        if !self.reader.read_byte_record(&mut self.record).map_err(|e| io_error(&self.path, line, e))? {
            return Ok(None);
        }
        self.reader.get_mut().begin();
        if self.n_columns == 0 {
            self.n_columns = self.record.len();
        }
        let (line, n_bytes) = self.record.position().map_or((0, 0), |p| (p.line(), p.byte()));
        let Table { record, n_columns, delimiter, .. } = self;
        Ok(Some(Record { line, n_bytes, cells: record, n_columns: *n_columns, delimiter: *delimiter }))
    }
}

impl<'a> Record<'a> {
    /// Checks that the row has as many cells as the header, or as the first row.
    pub fn check_width(&self) -> Result<(), Box<BadCell>> {
        if self.cells.len() == self.n_columns {
            return Ok(());
        }
        let row = self.cells.iter().collect::<Vec<_>>().join(&self.delimiter);
        Err(rows::wrong_width(&row, &[self.delimiter], self.cells.len(), self.n_columns))
    }

    /// The bytes of a cell with its place.
    pub fn cell(&self, column: usize) -> (usize, &'a [u8]) {
        (column, self.cells.get(column).unwrap_or_default())
    }

    /// A cell that must be there, with its place; `column` may come from outside.
    pub fn need(&self, column: usize) -> Result<(usize, &'a [u8]), Box<BadCell>> {
        match self.cells.get(column) {
            Some(cell) => Ok((column, cell)),
            None => {
                let last = self.cells.len().saturating_sub(1);
                let expected = format!("at least {} columns, there are {}", column + 1, self.cells.len());
                Err(BadCell::new(last, self.cells.get(last).unwrap_or_default(), expected))
            }
        }
    }

    /// A cell as text, blanks around it cut off.
    pub fn text(&self, column: usize) -> Result<&'a str, Box<BadCell>> {
        rows::utf8(self.cell(column).1, column)
    }
}

/// With byte records of flexible length only the system can fail, or a row that begins at `line` be too long.
fn io_error(path: &Path, line: u64, error: csv::Error) -> DatasetError {
    let source = match error.into_kind() {
        csv::ErrorKind::Io(source) if source.kind() == std::io::ErrorKind::InvalidData => {
            let problem = format!("line {line}: {source}");
            return DatasetError::BadFile { path: path.to_owned(), problem };
        }
        csv::ErrorKind::Io(source) => source,
        other => std::io::Error::other(format!("{other:?}")),
    };
    DatasetError::Io { path: path.to_owned(), source }
}

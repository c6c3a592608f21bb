//! The one fast reader of rating rows: cells by place, ids and numbers straight from
//! bytes, no allocation a row. Must not know which format it reads.

use super::DatasetError;
use super::assemble::Assembly;
use super::rows::{self, BadCell, Cells, OnBadRow, Rows};
use crate::progress::Progress;

/// How often progress is told, in rows.
const ROWS_A_STEP: u64 = 1 << 16;

/// What one column of a rating file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    User = 0,
    Item = 1,
    Rating = 2,
    Moment = 3,
    Other = 4,
}

/// What raw ids must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdForm {
    /// Digits only.
    Whole,
    /// Any text.
    Token,
}

/// How the rows of a rating file are built.
pub(crate) struct Layout<'a> {
    pub separator: &'a [u8],
    /// One a column, in file order.
    pub columns: Vec<Role>,
    pub ids: IdForm,
    /// The lowest and highest rating allowed; `None` allows every finite one.
    pub bounds: Option<(f32, f32)>,
}

/// Reads all rows left in `rows` into the assembly. Where no column tells the moment, the row number stands for it.
pub(crate) fn read(
    rows: &mut Rows,
    layout: &Layout<'_>,
    on_bad_row: OnBadRow,
    assembly: &mut Assembly,
    progress: &dyn Progress,
) -> Result<(), DatasetError> {
    let n_bytes = rows::file_bytes(rows.path());
    let name = rows.path().file_name().map_or_else(Default::default, |n| n.to_string_lossy().into_owned());
    // Rows of rating files are some 20 bytes long; a wrong guess costs only a move.
    assembly.reserve(usize::try_from(n_bytes / 20).unwrap_or(0).min(1 << 26));
    progress.begin(&format!("reading {name}"), n_bytes);
    let mut n_told = rows.n_bytes();
    while let Some(row) = rows.next()? {
        assembly.report.n_rows += 1;
        if let Err(bad) = read_row(row, layout, assembly) {
            on_bad_row.settle(*bad, rows.path(), rows.line(), &mut assembly.report)?;
        }
        if assembly.report.n_rows.is_multiple_of(ROWS_A_STEP) {
            progress.go_on()?;
            progress.advance(rows.n_bytes() - n_told, "");
            n_told = rows.n_bytes();
        }
    }
    progress.advance(rows.n_bytes() - n_told, "");
    progress.end();
    Ok(())
}

/// Takes one row in, or says which cell is bad.
fn read_row(row: &[u8], layout: &Layout<'_>, assembly: &mut Assembly) -> Result<(), Box<BadCell>> {
    let mut cells: [(usize, &[u8]); 5] = [(0, b""); 5];
    let mut n_cells = 0;
    for cell in Cells::new(row, layout.separator) {
        if let Some(&role) = layout.columns.get(n_cells) {
            cells[role as usize] = (n_cells, cell);
        }
        n_cells += 1;
    }
    if n_cells != layout.columns.len() {
        return Err(rows::wrong_width(row, layout.separator, n_cells, layout.columns.len()));
    }
    let has = |role| layout.columns.contains(&role);
    let rating = match has(Role::Rating) {
        true => rating(cells[Role::Rating as usize], layout.bounds)?,
        false => 1.0,
    };
    let order = match has(Role::Moment) {
        true => {
            let (column, cell) = cells[Role::Moment as usize];
            rows::moment(unquoted(cell))
                .ok_or_else(|| BadCell::new(column, cell, "a timestamp in seconds"))?
        }
        false => assembly.report.n_rows as i64,
    };
    // Checked last, so that a row that is left out leaves no id behind.
    let user = id(cells[Role::User as usize], "a user id", layout.ids)?;
    let item = id(cells[Role::Item as usize], "an item id", layout.ids)?;
    let user = assembly.users.intern(user).ok_or_else(|| bad_id(cells[Role::User as usize], "a user id"))?;
    let item = assembly.items.intern(item).ok_or_else(|| bad_id(cells[Role::Item as usize], "an item id"))?;
    assembly.interaction(user, item, rating, order);
    Ok(())
}

/// A rating within its bounds.
pub(crate) fn rating(
    (column, cell): (usize, &[u8]),
    bounds: Option<(f32, f32)>,
) -> Result<f32, Box<BadCell>> {
    let found = rows::number(unquoted(cell));
    match (found, bounds) {
        (Some(rating), Some((low, high))) if (low..=high).contains(&rating) => Ok(rating),
        (Some(rating), None) => Ok(rating),
        (_, Some((low, high))) => Err(BadCell::new(column, cell, format!("a rating from {low} to {high}"))),
        (None, None) => Err(BadCell::new(column, cell, "a rating, a finite number")),
    }
}

fn id<'a>((column, cell): (usize, &'a [u8]), what: &str, form: IdForm) -> Result<&'a [u8], Box<BadCell>> {
    let raw = unquoted(cell).trim_ascii();
    if form == IdForm::Whole && (raw.is_empty() || !raw.iter().all(u8::is_ascii_digit)) {
        return Err(BadCell::new(column, cell, format!("{what}, a whole number")));
    }
    Ok(raw)
}

/// A cell that is no id.
pub(crate) fn bad_id((column, cell): (usize, &[u8]), what: &str) -> Box<BadCell> {
    BadCell::new(column, cell, format!("{what}, 1 to 256 bytes of UTF-8 text"))
}

/// A cell without the quotes some exporters put around everything.
fn unquoted(cell: &[u8]) -> &[u8] {
    match cell {
        [b'"', inner @ .., b'"'] => inner,
        _ => cell,
    }
}

//! Every plot of the report: one function a plot, one entry in [`ALL`].
//!
//! A plot is drawn from a [`Report`] alone and comes with the table of
//! what it shows. It must not read files nor know the page it will stand on.

pub(crate) mod arms;
mod curves;
mod distribution;
mod diversity;
mod forest;
mod genres;
mod lorenz;
mod pages;
pub(crate) mod study;
mod text_bought;
mod tiers;

use super::Report;
use super::sketch::{SMALL, Sheet};
use super::svg::Drawing;

/// A plot as it was drawn, and the same as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Plotted {
    /// The picture.
    pub drawing: Drawing,
    /// The numbers in it.
    pub table: DataTable,
}

/// A table of finished cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataTable {
    /// Column headings.
    pub columns: Vec<String>,
    /// How many columns from the left are text; the others are numbers.
    pub n_text: usize,
    /// Cells, row by row, as many as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl DataTable {
    /// An empty table with these columns, the first `n_text` of them text.
    pub fn new<S: Into<String>>(n_text: usize, columns: impl IntoIterator<Item = S>) -> Self {
        DataTable { columns: columns.into_iter().map(Into::into).collect(), n_text, rows: Vec::new() }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// When it has not as many cells as the table has columns.
    pub fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.columns.len(), "a row must fill its table");
        self.rows.push(row);
    }
}

/// A kind of plot.
pub struct PlotKind {
    /// Its file name without `.svg`.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// One sentence on how to read it.
    pub help: &'static str,
    /// Draws it; `None` where a run has nothing of the kind.
    pub draw: fn(&Report) -> Option<Plotted>,
}

/// The plot that stands with what text bought, not among the others.
pub const OF_TEXT: &str = text_bought::TEXT_BOUGHT.name;

/// Every plot, in reading order.
pub static ALL: &[PlotKind] = &[
    text_bought::TEXT_BOUGHT,
    forest::DIFFERENCES,
    distribution::SATISFACTION,
    pages::SURVIVAL,
    pages::WATCH_BY_SLOT,
    pages::WATCH_BY_PAGE,
    distribution::RATINGS,
    pages::MOOD,
    diversity::DIVERSITY,
    lorenz::LORENZ,
    genres::GENRES,
    tiers::TIERS,
    curves::ROUNDS,
    curves::LEARNING,
];

/// A drawing in place of a plot that has no data.
fn nothing(reason: &str, table: DataTable) -> Option<Plotted> {
    Some(Plotted { drawing: Sheet::empty(&super::font::fitted(reason, SMALL, 400.0)), table })
}

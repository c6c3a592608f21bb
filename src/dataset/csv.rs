//! Any delimited file of interactions, its columns named in the scenario, and beside it
//! perhaps a file of items. Must not know any particular dataset.

use super::assemble::{Assembly, ItemText};
use super::movielens::require_path;
use super::rows::{self, BadCell, OnBadRow};
use super::table::{Record, Table};
use super::{Dataset, DatasetError, LoadContext, Source, SourceKind, ratings};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `source = "csv"`.
pub struct Csv;

/// A column, by its name in the header or its place from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Column {
    Number(u32),
    Name(String),
}

/// Where interactions stand, and in which columns.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The file of interactions, one a row.
    path: PathBuf,
    /// The byte between two cells.
    #[serde(default = "comma")]
    delimiter: String,
    /// Whether the first row names the columns.
    #[serde(default = "yes")]
    header: bool,
    /// Column of user ids.
    #[serde(default = "user_id")]
    user: Column,
    /// Column of item ids.
    #[serde(default = "item_id")]
    item: Column,
    /// Column of ratings; without it only the fact of interaction is known.
    #[serde(default)]
    rating: Option<Column>,
    /// Column of timestamps in seconds; without it the row number stands for the moment.
    #[serde(default)]
    timestamp: Option<Column>,
    /// Lowest and highest rating; without it those observed.
    #[serde(default)]
    rating_range: Option<(f32, f32)>,
    /// A file that tells about items.
    #[serde(default)]
    items: Option<ItemParams>,
    /// What to do with a malformed row.
    #[serde(default)]
    on_bad_row: OnBadRow,
}

/// Where item texts stand, and in which columns.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemParams {
    /// The file, one item a row.
    pub(super) path: PathBuf,
    /// The byte between two cells.
    #[serde(default = "comma")]
    delimiter: String,
    /// Whether the first row names the columns.
    #[serde(default = "yes")]
    header: bool,
    /// Column of item ids.
    #[serde(default = "item_id")]
    id: Column,
    /// Column of titles; without it the id is the title.
    #[serde(default)]
    title: Option<Column>,
    /// Column of genres or categories.
    #[serde(default)]
    genres: Option<Column>,
    /// What stands between two genres in their column.
    #[serde(default = "bar")]
    genre_separator: String,
    /// Column of years; without it the year in brackets at the end of the title, if there is one.
    #[serde(default)]
    year: Option<Column>,
    /// Column of texts of a sentence or two.
    #[serde(default)]
    summary: Option<Column>,
}

fn comma() -> String {
    ",".to_owned()
}

fn bar() -> String {
    "|".to_owned()
}

fn yes() -> bool {
    true
}

fn user_id() -> Column {
    Column::Name("user_id".to_owned())
}

fn item_id() -> Column {
    Column::Name("item_id".to_owned())
}

impl SourceKind for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "any delimited file of interactions, columns named in the scenario, with an optional file of items"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Source>, Complaint> {
        require_path(at, table, "the file of interactions")?;
        if let Some(toml::Value::Table(items)) = table.get("items") {
            ItemParams::checked(&format!("{at}.items"), items)?;
        }
        let params: Params = params::parse(at, table)?;
        params.check(at)?;
        Ok(Box::new(params))
    }
}

/// The one byte of a delimiter.
fn delimiter_byte(at: &str, delimiter: &str) -> Result<u8, Complaint> {
    match delimiter.as_bytes() {
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => {
            let bound = "one ASCII character, no quote and no line break";
            Err(Complaint::out_of_range(format!("{at}.delimiter"), format!("{delimiter:?}"), bound))
        }
    }
}

/// Complains about a column that cannot be found in any file.
fn check_column(path: String, column: Option<&Column>, has_header: bool) -> Result<(), Complaint> {
    match column {
        Some(Column::Number(0)) => Err(Complaint::out_of_range(path, 0, "a column number from 1, or a name")),
        Some(Column::Name(name)) if !has_header => Err(Complaint::out_of_range(
            path,
            format!("{name:?}"),
            "a column number where there is no header",
        )),
        _ => Ok(()),
    }
}

impl Params {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        delimiter_byte(at, &self.delimiter)?;
        let columns = [
            ("user", Some(&self.user)),
            ("item", Some(&self.item)),
            ("rating", self.rating.as_ref()),
            ("timestamp", self.timestamp.as_ref()),
        ];
        for (name, column) in columns {
            check_column(format!("{at}.{name}"), column, self.header)?;
        }
        match self.rating_range {
            Some((low, high)) if !(low.is_finite() && high.is_finite() && low < high) => {
                let bound = "two finite numbers, the lower one first";
                Err(Complaint::out_of_range(format!("{at}.rating_range"), format!("[{low}, {high}]"), bound))
            }
            _ => Ok(()),
        }
    }
}

impl ItemParams {
    /// The parameters found at the dotted path `at`.
    pub(super) fn checked(at: &str, table: &toml::Table) -> Result<Self, Complaint> {
        require_path(at, table, "the file of items")?;
        let params: ItemParams = params::parse(at, table)?;
        params.check(at).map(|()| params)
    }

    fn check(&self, at: &str) -> Result<(), Complaint> {
        delimiter_byte(at, &self.delimiter)?;
        let columns = [
            ("id", Some(&self.id)),
            ("title", self.title.as_ref()),
            ("genres", self.genres.as_ref()),
            ("year", self.year.as_ref()),
            ("summary", self.summary.as_ref()),
        ];
        for (name, column) in columns {
            check_column(format!("{at}.{name}"), column, self.header)?;
        }
        if self.genre_separator.is_empty() {
            return Err(Complaint::out_of_range(
                format!("{at}.genre_separator"),
                "\"\"",
                "one character or more",
            ));
        }
        Ok(())
    }
}

/// The 0-based place of a column.
fn place(table: &Table, column: &Column) -> Result<usize, DatasetError> {
    match column {
        Column::Number(number) => Ok(*number as usize - 1),
        Column::Name(name) => table.column(name),
    }
}

fn place_of(table: &Table, column: Option<&Column>) -> Result<Option<usize>, DatasetError> {
    column.map(|column| place(table, column)).transpose()
}

impl Source for Params {
    fn load(&self, context: &LoadContext<'_>) -> Result<Dataset, DatasetError> {
        let path = context.base_dir.join(&self.path);
        let mut assembly = Assembly::default();
        self.read_interactions(&path, &mut assembly, context)?;
        if let Some(items) = &self.items {
            items.read(&context.base_dir.join(&items.path), self.on_bad_row, &mut assembly)?;
        }
        let rating_range = match (&self.rating, self.rating_range) {
            (None, _) => None,
            (Some(_), None) => assembly.observed_range(),
            (Some(_), given) => given,
        };
        assembly.finish("csv", &path, rating_range)
    }
}

/// Which columns of the file of interactions hold what.
struct Places {
    user: usize,
    item: usize,
    rating: Option<usize>,
    timestamp: Option<usize>,
}

impl Params {
    fn read_interactions(
        &self,
        path: &Path,
        assembly: &mut Assembly,
        context: &LoadContext<'_>,
    ) -> Result<(), DatasetError> {
        let mut table = Table::open(path, self.delimiter.as_bytes()[0], self.header)?;
        let places = Places {
            user: place(&table, &self.user)?,
            item: place(&table, &self.item)?,
            rating: place_of(&table, self.rating.as_ref())?,
            timestamp: place_of(&table, self.timestamp.as_ref())?,
        };
        let n_bytes = rows::file_bytes(path);
        context.progress.begin("reading interactions", n_bytes);
        let mut n_told = 0;
        while let Some(record) = table.next()? {
            assembly.report.n_rows += 1;
            let (line, n_read) = (record.line, record.n_bytes);
            if let Err(bad) = self.take(&record, &places, assembly) {
                self.on_bad_row.settle(*bad, path, line, &mut assembly.report)?;
            }
            if n_read >= n_told + (1 << 20) {
                context.progress.go_on()?;
                context.progress.advance(n_read - n_told, "");
                n_told = n_read;
            }
        }
        context.progress.advance(n_bytes.saturating_sub(n_told), "");
        context.progress.end();
        Ok(())
    }

    fn take(
        &self,
        record: &Record<'_>,
        places: &Places,
        assembly: &mut Assembly,
    ) -> Result<(), Box<BadCell>> {
        record.check_width()?;
        let rating = match places.rating {
            Some(column) => ratings::rating(record.need(column)?, self.rating_range)?,
            None => 1.0,
        };
        let order = match places.timestamp {
            Some(column) => {
                let cell = record.need(column)?;
                rows::moment(cell.1).ok_or_else(|| BadCell::new(column, cell.1, "a timestamp in seconds"))?
            }
            None => assembly.report.n_rows as i64,
        };
        let (user, item) = (record.need(places.user)?, record.need(places.item)?);
        let user = assembly.users.intern(user.1).ok_or_else(|| ratings::bad_id(user, "a user id"))?;
        let item = assembly.items.intern(item.1).ok_or_else(|| ratings::bad_id(item, "an item id"))?;
        assembly.interaction(user, item, rating, order);
        Ok(())
    }
}

impl ItemParams {
    /// Reads what the file tells about items.
    pub(super) fn read(
        &self,
        path: &Path,
        on_bad_row: OnBadRow,
        assembly: &mut Assembly,
    ) -> Result<(), DatasetError> {
        let mut table = Table::open(path, self.delimiter.as_bytes()[0], self.header)?;
        let id = place(&table, &self.id)?;
        let title = place_of(&table, self.title.as_ref())?;
        let genres = place_of(&table, self.genres.as_ref())?;
        let year = place_of(&table, self.year.as_ref())?;
        let summary = place_of(&table, self.summary.as_ref())?;
        while let Some(record) = table.next()? {
            let line = record.line;
            let mut take = || {
                record.check_width()?;
                let text_of = |column: Option<usize>| match column {
                    Some(column) => record.need(column).and_then(|(at, cell)| rows::utf8(cell, at)),
                    None => Ok(""),
                };
                let raw = record.need(id)?;
                let title = match text_of(title)? {
                    "" => rows::utf8(raw.1, raw.0)?,
                    title => title,
                };
                let year = match text_of(year)? {
                    "" => rows::year_in_title(title),
                    cell => Some(whole_year(cell).ok_or_else(|| {
                        BadCell::new(year.unwrap_or(0), cell.as_bytes(), "a year from 1 to 9999, or nothing")
                    })?),
                };
                let genres = text_of(genres)?.split(&self.genre_separator).map(str::trim);
                let text = ItemText {
                    title: title.to_owned(),
                    year,
                    genres: genres.filter(|g| !g.is_empty()).map(str::to_owned).collect(),
                    summary: Some(text_of(summary)?.to_owned()),
                    mean_rating: None,
                };
                let item = assembly.items.intern(raw.1).ok_or_else(|| ratings::bad_id(raw, "an item id"))?;
                match assembly.item(item, text) {
                    true => Ok(()),
                    false => Err(BadCell::new(id, raw.1, "an item id that no row above has")),
                }
            };
            if let Err(bad) = take() {
                on_bad_row.settle(*bad, path, line, &mut assembly.report)?;
            }
        }
        Ok(())
    }
}

/// A year, also as exporters of tables with gaps write it: "1995.0".
fn whole_year(cell: &str) -> Option<u16> {
    cell.strip_suffix(".0").unwrap_or(cell).parse().ok().filter(|year| (1..=9999).contains(year))
}

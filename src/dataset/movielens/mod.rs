//! The MovieLens datasets in every form they are published in, told apart by the files
//! present; one file a form. Must not know anything beyond what those files say.

mod atomic;
mod dat;
mod latest;
mod tab;

use super::assemble::{Assembly, ItemText};
use super::rows::{self, BadCell, OnBadRow};
use super::table::Table;
use super::{Dataset, DatasetError, LoadContext, Source, SourceKind};
use crate::progress::Progress;
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `source = "movielens"`.
pub struct MovieLens;

/// What a scenario may say about a MovieLens folder.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The folder that holds the files.
    path: PathBuf,
    /// The form of the files; found out from their names where it is not given.
    #[serde(default)]
    format: Option<Format>,
    /// A CSV file with a text an item, relative to `path`; it needs a column of item ids
    /// (`movieId`, `movie_id`, `item_id`…) and one of texts (`overview`, `summary`, `plot`…).
    #[serde(default)]
    summaries: Option<PathBuf>,
    /// What to do with a malformed row.
    #[serde(default)]
    on_bad_row: OnBadRow,
}

/// The forms MovieLens comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// `ratings.dat`, `movies.dat`, `users.dat`: ml-1m and ml-10m.
    Dat,
    /// `u.data`, `u.item`, `u.user`, `u.genre`: ml-100k.
    Tab,
    /// `*.inter`, `*.item`, `*.user` with typed headers: RecBole's atomic files.
    Atomic,
    /// `ratings.csv`, `movies.csv`: ml-latest, ml-latest-small, ml-20m, ml-25m, ml-32m.
    Latest,
}

impl SourceKind for MovieLens {
    fn name(&self) -> &'static str {
        "movielens"
    }

    fn about(&self) -> &'static str {
        "a MovieLens folder: ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, ml-latest or atomic files"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Source>, Complaint> {
        require_path(at, table, "the folder that holds the MovieLens files")?;
        Ok(Box::new(params::parse::<Params>(at, table)?))
    }
}

/// Complains when the key `path` is missing or empty.
pub(super) fn require_path(at: &str, table: &toml::Table, expected: &str) -> Result<(), Complaint> {
    match table.get("path") {
        Some(toml::Value::String(path)) if path.is_empty() => {
            Err(Complaint::out_of_range(format!("{at}.path"), "\"\"", expected))
        }
        Some(_) => Ok(()),
        None => Err(Complaint::Missing { path: format!("{at}.path"), expected: expected.to_owned() }),
    }
}

/// What every form's reader works with.
struct Reading<'a> {
    folder: &'a Path,
    on_bad_row: OnBadRow,
    progress: &'a dyn Progress,
    assembly: Assembly,
}

impl Source for Params {
    fn load(&self, context: &LoadContext<'_>) -> Result<Dataset, DatasetError> {
        let folder = context.base_dir.join(&self.path);
        let format = match self.format {
            Some(format) => format,
            None => detect(&folder)?,
        };
        let mut reading = Reading {
            folder: &folder,
            on_bad_row: self.on_bad_row,
            progress: context.progress,
            assembly: Assembly::default(),
        };
        let rating_range = match format {
            Format::Dat => dat::read(&mut reading)?,
            Format::Tab => tab::read(&mut reading)?,
            Format::Atomic => atomic::read(&mut reading)?,
            Format::Latest => latest::read(&mut reading)?,
        };
        if let Some(file) = &self.summaries {
            reading.summaries(&folder.join(file))?;
        }
        reading.assembly.finish("movielens", &folder, rating_range)
    }
}

/// The form of the files in a folder.
fn detect(folder: &Path) -> Result<Format, DatasetError> {
    let entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(|source| DatasetError::Io { path: folder.to_owned(), source })?;
    let names: Vec<String> = entries.iter().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let has = |name: &str| names.iter().any(|n| n == name);
    if has("ratings.dat") {
        return Ok(Format::Dat);
    }
    if has("u.data") {
        return Ok(Format::Tab);
    }
    if names.iter().any(|n| n.ends_with(".inter")) {
        return Ok(Format::Atomic);
    }
    if has("ratings.csv") {
        return Ok(Format::Latest);
    }
    let problem = "holds no MovieLens data, expected ratings.dat, u.data, *.inter or ratings.csv";
    Err(DatasetError::BadFile { path: folder.to_owned(), problem: problem.to_owned() })
}

impl Reading<'_> {
    /// Reads every row of `table`, leaving out bad ones if that is the rule.
    fn each_record(
        &mut self,
        table: &mut Table,
        mut take: impl FnMut(&mut Assembly, &super::table::Record<'_>) -> Result<(), Box<BadCell>>,
    ) -> Result<(), DatasetError> {
        let path = table.path().to_owned();
        while let Some(record) = table.next()? {
            let taken = record.check_width().and_then(|()| take(&mut self.assembly, &record));
            if let Err(bad) = taken {
                self.on_bad_row.settle(*bad, &path, record.line, &mut self.assembly.report)?;
            }
        }
        Ok(())
    }

    /// Reads every line of a small text file whose whole text may be Latin-1.
    fn each_old_line(
        &mut self,
        path: &Path,
        mut take: impl FnMut(&mut Assembly, &str) -> Result<(), Box<BadCell>>,
    ) -> Result<(), DatasetError> {
        let mut lines = Vec::new();
        let mut file = rows::Rows::open(path)?;
        while let Some(row) = file.next()? {
            let row = row.to_vec();
            lines.push((file.line(), row));
        }
        // The publisher's older files are Latin-1; copies of them are often UTF-8. One line tells.
        let is_utf8 = lines.iter().all(|(_, row)| std::str::from_utf8(row).is_ok());
        for (line, row) in lines {
            let text = match is_utf8 {
                true => String::from_utf8_lossy(&row).into_owned(),
                false => row.iter().map(|&b| char::from(b)).collect(),
            };
            if let Err(bad) = take(&mut self.assembly, &text) {
                self.on_bad_row.settle(*bad, path, line, &mut self.assembly.report)?;
            }
        }
        Ok(())
    }

    /// Gives items their texts from a CSV file with an id and a text column.
    fn summaries(&mut self, path: &Path) -> Result<(), DatasetError> {
        let mut table = Table::open(path, b',', true)?;
        let lacks = |what: &str, names: &[&str]| DatasetError::BadFile {
            path: path.to_owned(),
            problem: format!("has no column of {what}, expected one named {}", names.join(", ")),
        };
        const IDS: &[&str] = &["movieId", "movie_id", "item_id", "id", "item"];
        const TEXTS: &[&str] = &["summary", "overview", "plot", "description", "text"];
        let id = table.find(IDS).ok_or_else(|| lacks("item ids", IDS))?;
        let text = table.find(TEXTS).ok_or_else(|| lacks("texts", TEXTS))?;
        let mut n_matched = 0;
        self.each_record(&mut table, |assembly, record| {
            let summary = record.text(text)?;
            if let Some(item) = assembly.items.get(record.cell(id).1) {
                assembly.summary(item, summary.to_owned());
                n_matched += 1;
            }
            Ok(())
        })?;
        if n_matched == 0 {
            let column = table.name(id);
            let problem = format!("no id in its column `{column}` is an item of the data");
            return Err(DatasetError::BadFile { path: path.to_owned(), problem });
        }
        Ok(())
    }
}

/// The number of an item id.
fn intern_item(assembly: &mut Assembly, cell: (usize, &[u8])) -> Result<u32, Box<BadCell>> {
    assembly.items.intern(cell.1).ok_or_else(|| super::ratings::bad_id(cell, "an item id"))
}

/// The number of a user id.
fn intern_user(assembly: &mut Assembly, cell: (usize, &[u8])) -> Result<u32, Box<BadCell>> {
    assembly.users.intern(cell.1).ok_or_else(|| super::ratings::bad_id(cell, "a user id"))
}

/// Adds what is told about an item, once.
fn add_item(assembly: &mut Assembly, cell: (usize, &[u8]), text: ItemText) -> Result<(), Box<BadCell>> {
    if text.title.is_empty() {
        return Err(BadCell::new(cell.0 + 1, b"", "a title"));
    }
    let item = intern_item(assembly, cell)?;
    match assembly.item(item, text) {
        true => Ok(()),
        false => Err(BadCell::new(cell.0, cell.1, "an item id that no row above has")),
    }
}

/// Genre names cut at `separator`, without the words that mean none.
fn genres(cell: &str, separator: char) -> Vec<String> {
    let means_none = |name: &str| ["(no genres listed)", "unknown"].contains(&name);
    cell.split(separator)
        .map(str::trim)
        .filter(|g| !g.is_empty() && !means_none(g))
        .map(str::to_owned)
        .collect()
}

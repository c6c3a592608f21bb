//! Coat (Schnabel et al., ICML 2016): 290 shoppers, 300 coats; 24 coats a shopper chose and rated,
//! and 16 others drawn at random and rated too. Recommenders learn from the chosen ones alone,
//! as a shop would; the random ones are the truth. Must not know what either is used for.
//!
//! Files of blank-separated numbers, one line a shopper, one column a coat, 0 for not rated:
//! `train.ascii` (chosen), `test.ascii` (at random); and flags named by a `*_map.txt` of
//! `group:value` lines: `item_features.ascii`, `user_features.ascii`. No file holds ids, so
//! shoppers and coats are called by line and column, from 1.

use super::assemble::{Assembly, ItemText};
use super::movielens::require_path;
use super::observed::ObservedRatings;
use super::rows::{self, BadCell, Rows};
use super::{Dataset, DatasetError, LoadContext, Source, SourceKind};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `source = "coat"`.
pub struct Coat;

/// Lowest and highest rating.
const BOUNDS: (f32, f32) = (1.0, 5.0);
/// The group of flags that says something about the shop, not about the coat.
const FRONT_PAGE: &str = "onfrontpage";

/// Where the folder is, and what counts as an interaction.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The folder that holds `train.ascii` and `test.ascii`.
    path: PathBuf,
    /// The lowest rating that makes a chosen coat an interaction: most recommenders take every
    /// interaction as a sign of liking, and shoppers rated what they chose whether they liked it
    /// or not. 1 keeps them all; 4 is what counts as liked elsewhere, too.
    #[serde(default = "min_rating")]
    min_rating: f32,
}

fn min_rating() -> f32 {
    4.0
}

impl SourceKind for Coat {
    fn name(&self) -> &'static str {
        "coat"
    }

    fn about(&self) -> &'static str {
        "coats that shoppers chose and rated, and true ratings of coats drawn at random (ICML 2016)"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Source>, Complaint> {
        require_path(at, table, "the folder that holds train.ascii and test.ascii")?;
        let checked: Params = params::parse(at, table)?;
        params::within(at, "min_rating", checked.min_rating, BOUNDS.0, BOUNDS.1)?;
        Ok(Box::new(checked))
    }
}

impl Source for Params {
    fn load(&self, context: &LoadContext<'_>) -> Result<Dataset, DatasetError> {
        let folder = context.base_dir.join(&self.path);
        context.progress.begin("reading coat", 0);
        let chosen = Ratings::read(&folder.join("train.ascii"), None)?;
        let shape = (chosen.rows.len(), chosen.n_columns);
        let random = Ratings::read(&folder.join("test.ascii"), Some(shape))?;
        let mut assembly = Assembly::default();
        self.add_chosen(&chosen, &mut assembly);
        read_coats(&folder, chosen.n_columns, &mut assembly)?;
        read_shoppers(&folder, chosen.rows.len(), &mut assembly)?;
        let mut dataset = assembly.finish("coat", &folder, Some(BOUNDS))?;
        let row_of = |raw: &str| -> &[(u32, f32)] {
            let line: Option<usize> = raw.parse().ok();
            line.and_then(|line| random.rows.get(line - 1)).map_or(&[], Vec::as_slice)
        };
        let about = "ratings of coats drawn at random for each shopper".to_owned();
        dataset.observed = Some(ObservedRatings::by_raw_user(&dataset, row_of, self.min_rating, about));
        context.progress.end();
        Ok(dataset)
    }
}

impl Params {
    /// Interactions, one for every chosen coat that was rated well enough.
    fn add_chosen(&self, chosen: &Ratings, assembly: &mut Assembly) {
        for column in 0..chosen.n_columns {
            assembly.items.intern_nth(column);
        }
        for (line, row) in chosen.rows.iter().enumerate() {
            let user = assembly.users.intern_nth(line);
            for &(item, rating) in row {
                assembly.report.n_rows += 1;
                if rating >= self.min_rating {
                    assembly.interaction(user, item, rating, i64::from(item));
                }
            }
        }
    }
}

/// A matrix of ratings, row by row: (column, rating) of what was rated, columns ascending.
struct Ratings {
    n_columns: usize,
    rows: Vec<Vec<(u32, f32)>>,
}

impl Ratings {
    /// Reads a matrix of this shape, or of any.
    fn read(path: &Path, shape: Option<(usize, usize)>) -> Result<Self, DatasetError> {
        let mut ratings = Ratings { n_columns: shape.map_or(0, |(_, n)| n), rows: Vec::new() };
        each_row(path, shape.map(|(n, _)| n), |cells| {
            if ratings.n_columns == 0 {
                ratings.n_columns = cells.len();
            }
            check_width(cells, ratings.n_columns)?;
            let mut row = Vec::new();
            for (column, cell) in cells.iter().enumerate() {
                match rows::number(cell) {
                    Some(0.0) => {}
                    Some(rating) if (BOUNDS.0..=BOUNDS.1).contains(&rating) => {
                        row.push((column as u32, rating))
                    }
                    _ => {
                        let expected = format!("a rating from {} to {}, or 0 for none", BOUNDS.0, BOUNDS.1);
                        return Err(BadCell::new(column, cell, expected));
                    }
                }
            }
            ratings.rows.push(row);
            Ok(())
        })?;
        Ok(ratings)
    }
}

/// Hands every line's cells over; lines stand for people or things, so none may be blank, and
/// there must be `n_rows` of them where that is known.
fn each_row(
    path: &Path,
    n_rows: Option<usize>,
    mut take: impl FnMut(&[&[u8]]) -> Result<(), Box<BadCell>>,
) -> Result<(), DatasetError> {
    let mut file = Rows::open(path)?;
    let mut n = 0;
    while let Some(row) = file.next()? {
        n += 1;
        let cells: Vec<&[u8]> = row.split(u8::is_ascii_whitespace).filter(|cell| !cell.is_empty()).collect();
        let taken = take(&cells);
        let line = file.line();
        if line != n {
            return Err(BadCell::new(0, b"", "no blank line: lines are counted").at(path, n));
        }
        taken.map_err(|bad| bad.at(path, line))?;
    }
    match n_rows {
        Some(n_rows) if n_rows as u64 != n => Err(DatasetError::BadFile {
            path: path.to_owned(),
            problem: format!("has {n} lines, expected {n_rows}, as the files beside it say"),
        }),
        _ => Ok(()),
    }
}

fn check_width(cells: &[&[u8]], n_columns: usize) -> Result<(), Box<BadCell>> {
    if cells.len() == n_columns {
        return Ok(());
    }
    Err(rows::wrong_width(&cells.join(&b' '), b"blanks", cells.len(), n_columns))
}

/// One flag of a feature file: its group and what it says.
struct Flag {
    group: String,
    value: String,
}

impl Flag {
    /// Its name where the group is not told beside it.
    fn alone(&self) -> String {
        match self.value.as_str() {
            "other" | "yes" | "no" => format!("{} {}", self.group, self.value),
            telling => telling.to_owned(),
        }
    }
}

/// The flags that are set, line by line; `None` where there is no such file.
fn read_flags(folder: &Path, name: &str, n_rows: usize) -> Result<Option<FlagRows>, DatasetError> {
    let path = folder.join(format!("{name}.ascii"));
    if !path.exists() {
        return Ok(None);
    }
    let flags = read_flag_names(&folder.join(format!("{name}_map.txt")))?;
    let mut set = Vec::new();
    each_row(&path, Some(n_rows), |cells| {
        check_width(cells, flags.len())?;
        let mut row = Vec::new();
        for (column, cell) in cells.iter().enumerate() {
            match *cell {
                b"1" => row.push(column),
                b"0" => {}
                other => return Err(BadCell::new(column, other, "0 or 1")),
            }
        }
        set.push(row);
        Ok(())
    })?;
    Ok(Some(FlagRows { flags, set }))
}

/// The flags of a file and, line by line, which are set.
struct FlagRows {
    flags: Vec<Flag>,
    set: Vec<Vec<usize>>,
}

fn read_flag_names(path: &Path) -> Result<Vec<Flag>, DatasetError> {
    let mut file = Rows::open(path)?;
    let mut flags = Vec::new();
    while let Some(row) = file.next()? {
        let named = rows::utf8(row, 0).and_then(|text| match text.split_once(':') {
            Some((group, value)) if !group.is_empty() && !value.is_empty() => {
                Ok(Flag { group: group.to_owned(), value: value.to_owned() })
            }
            _ => Err(BadCell::new(0, row, "group:value")),
        });
        let line = file.line();
        flags.push(named.map_err(|bad| bad.at(path, line))?);
    }
    Ok(flags)
}

/// Tells about the coats: what is worn by whom, its cut and its colour are genres and title.
fn read_coats(folder: &Path, n_coats: usize, assembly: &mut Assembly) -> Result<(), DatasetError> {
    let known = read_flags(folder, "item_features", n_coats)?;
    for coat in 0..n_coats {
        let item = assembly.items.intern_nth(coat);
        let mut text = ItemText { title: format!("coat {}", coat + 1), ..ItemText::default() };
        if let Some(FlagRows { flags, set }) = &known {
            let own: Vec<&Flag> = set[coat].iter().map(|&k| &flags[k]).collect();
            text.genres = own.iter().filter(|f| f.group != FRONT_PAGE).map(|f| f.alone()).collect();
            if !text.genres.is_empty() {
                text.title = format!("coat {}: {}", coat + 1, text.genres.join(", "));
            }
            let told: Vec<String> = own.iter().map(|f| format!("{}: {}", f.group, f.value)).collect();
            text.summary = Some(told.join("; "));
        }
        assembly.item(item, text);
    }
    Ok(())
}

/// Tells about the shoppers, one attribute a group of flags.
fn read_shoppers(folder: &Path, n_shoppers: usize, assembly: &mut Assembly) -> Result<(), DatasetError> {
    let Some(FlagRows { flags, set }) = read_flags(folder, "user_features", n_shoppers)? else {
        return Ok(());
    };
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for flag in &flags {
        if !groups.iter().any(|(group, _)| *group == flag.group) {
            groups.push((&flag.group, assembly.attribute_column(&flag.group)));
        }
    }
    for (shopper, row) in set.iter().enumerate() {
        let user = assembly.users.intern_nth(shopper);
        for flag in row.iter().map(|&k| &flags[k]) {
            let column = groups.iter().find(|(group, _)| *group == flag.group).map(|(_, column)| *column);
            column.into_iter().for_each(|column| assembly.attribute(column, user, flag.value.clone()));
        }
    }
    Ok(())
}

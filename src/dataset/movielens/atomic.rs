//! RecBole's atomic files: `NAME.inter`, `NAME.item`, `NAME.user`, cells between tabs,
//! a header of `name:type` pairs. Without a rating column, only the fact of interaction is known.

use super::super::assemble::ItemText;
use super::super::ratings::{self, IdForm, Layout, Role};
use super::super::rows::{self, Rows};
use super::{Reading, add_item, genres, intern_user};
use crate::dataset::DatasetError;
use std::path::{Path, PathBuf};

const TAB: &[u8] = b"\t";

/// Reads the folder; answers the rating range.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Option<(f32, f32)>, DatasetError> {
    let inter = find_inter(reading.folder)?;
    let mut file = Rows::open(&inter)?;
    let names = header(&mut file)?;
    let columns: Vec<Role> = names.iter().map(|name| role(name)).collect();
    for (role, name) in [(Role::User, "user_id"), (Role::Item, "item_id")] {
        if columns.iter().filter(|c| **c == role).count() != 1 {
            return Err(no_column(&inter, name, &names));
        }
    }
    let has_ratings = columns.contains(&Role::Rating);
    let layout = Layout { separator: TAB, columns, ids: IdForm::Token, bounds: None };
    ratings::read(&mut file, &layout, reading.on_bad_row, &mut reading.assembly, reading.progress)?;
    let items = inter.with_extension("item");
    if items.exists() {
        read_items(reading, &items)?;
    }
    let users = inter.with_extension("user");
    if users.exists() {
        read_users(reading, &users)?;
    }
    Ok(reading.assembly.observed_range().filter(|_| has_ratings))
}

/// The one `.inter` file of the folder.
fn find_inter(folder: &Path) -> Result<PathBuf, DatasetError> {
    let io = |source| DatasetError::Io { path: folder.to_owned(), source };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>())
        .map_err(io)?;
    found.retain(|path| path.extension().is_some_and(|x| x == "inter"));
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => {
            let problem = format!("holds {} .inter files, expected exactly one", found.len());
            Err(DatasetError::BadFile { path: folder.to_owned(), problem })
        }
    }
}

/// The column names of the first row, their types cut off.
fn header(file: &mut Rows) -> Result<Vec<String>, DatasetError> {
    let path = file.path().to_owned();
    let Some(row) = file.next()? else {
        let problem = "is empty, expected a header row like `user_id:token\titem_id:token`".to_owned();
        return Err(DatasetError::BadFile { path, problem });
    };
    rows::Cells::new(row, TAB)
        .enumerate()
        .map(|(column, cell)| {
            let cell = rows::utf8(cell, column).map_err(|bad| bad.at(&path, 1))?;
            Ok(cell.split(':').next().unwrap_or_default().to_owned())
        })
        .collect()
}

fn role(name: &str) -> Role {
    match name {
        "user_id" => Role::User,
        "item_id" => Role::Item,
        "rating" => Role::Rating,
        "timestamp" => Role::Moment,
        _ => Role::Other,
    }
}

fn no_column(path: &Path, name: &str, names: &[String]) -> DatasetError {
    let problem = format!("expected one column `{name}`; its columns are {}", names.join(", "));
    DatasetError::BadFile { path: path.to_owned(), problem }
}

/// Hands every row of a side file to `take`.
fn each_row(
    reading: &mut Reading<'_>,
    file: &mut Rows,
    n_columns: usize,
    mut take: impl FnMut(&mut Reading<'_>, &[&[u8]]) -> Result<(), Box<rows::BadCell>>,
) -> Result<(), DatasetError> {
    let path = file.path().to_owned();
    while let Some(row) = file.next()? {
        let taken = rows::cells_exactly(row, TAB, n_columns).and_then(|cells| take(reading, &cells));
        if let Err(bad) = taken {
            let line = file.line();
            reading.on_bad_row.settle(*bad, &path, line, &mut reading.assembly.report)?;
        }
    }
    Ok(())
}

fn read_items(reading: &mut Reading<'_>, path: &Path) -> Result<(), DatasetError> {
    let mut file = Rows::open(path)?;
    let names = header(&mut file)?;
    let find = |known: &[&str]| known.iter().find_map(|k| names.iter().position(|name| name == k));
    let id = find(&["item_id"]).ok_or_else(|| no_column(path, "item_id", &names))?;
    let title = find(&["movie_title", "title", "name", "item_name"]);
    let year = find(&["release_year", "year"]);
    let class = find(&["class", "genre", "genres", "categories", "category"]);
    let summary = find(&["summary", "description", "overview"]);
    each_row(reading, &mut file, names.len(), |reading, cells| {
        let cell = |column: Option<usize>| column.map(|c| rows::utf8(cells[c], c)).transpose();
        let title = cell(title)?.filter(|title| !title.is_empty());
        let title = match title {
            Some(title) => title,
            None => rows::utf8(cells[id], id)?,
        };
        let text = ItemText {
            title: title.to_owned(),
            year: cell(year)?.and_then(|year| year.parse().ok()).or_else(|| rows::year_in_title(title)),
            genres: cell(class)?.map(|class| genres(class, ' ')).unwrap_or_default(),
            summary: cell(summary)?.map(str::to_owned),
            mean_rating: None,
        };
        add_item(&mut reading.assembly, (id, cells[id]), text)
    })
}

fn read_users(reading: &mut Reading<'_>, path: &Path) -> Result<(), DatasetError> {
    let mut file = Rows::open(path)?;
    let names = header(&mut file)?;
    let id =
        names.iter().position(|name| name == "user_id").ok_or_else(|| no_column(path, "user_id", &names))?;
    let columns: Vec<Option<usize>> = names
        .iter()
        .enumerate()
        .map(|(k, name)| (k != id).then(|| reading.assembly.attribute_column(name)))
        .collect();
    each_row(reading, &mut file, names.len(), |reading, cells| {
        let user = intern_user(&mut reading.assembly, (id, cells[id]))?;
        for (k, column) in columns.iter().enumerate() {
            if let Some(column) = column {
                reading.assembly.attribute(*column, user, rows::utf8(cells[k], k)?.to_owned());
            }
        }
        Ok(())
    })
}

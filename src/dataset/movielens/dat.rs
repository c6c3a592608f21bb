//! ml-1m and ml-10m: `ratings.dat`, `movies.dat` and, for ml-1m, `users.dat`, cells
//! between double colons, titles in Latin-1.

use super::super::assemble::ItemText;
use super::super::ratings::{self, IdForm, Layout, Role};
use super::super::rows::{self, Rows};
use super::{Reading, add_item, genres, intern_user};
use crate::dataset::DatasetError;

const SEPARATOR: &[u8] = b"::";

/// What the occupation numbers of `users.dat` stand for, after the publisher's README.
const OCCUPATIONS: [&str; 21] = [
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
];

/// What the age numbers of `users.dat` stand for, likewise.
const AGES: [(&str, &str); 7] = [
    ("1", "under 18"),
    ("18", "18-24"),
    ("25", "25-34"),
    ("35", "35-44"),
    ("45", "45-49"),
    ("50", "50-55"),
    ("56", "56 or more"),
];

/// Reads the folder; answers the rating range.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Option<(f32, f32)>, DatasetError> {
    // ml-10m rates in halves from 0.5, ml-1m in whole numbers from 1.
    let bounds = (0.5, 5.0);
    let layout = Layout {
        separator: SEPARATOR,
        columns: vec![Role::User, Role::Item, Role::Rating, Role::Moment],
        ids: IdForm::Whole,
        bounds: Some(bounds),
    };
    let mut file = Rows::open(&reading.folder.join("ratings.dat"))?;
    ratings::read(&mut file, &layout, reading.on_bad_row, &mut reading.assembly, reading.progress)?;
    read_movies(reading)?;
    if reading.folder.join("users.dat").exists() {
        read_users(reading)?;
    }
    let has_halves = reading.assembly.observed_range().is_some_and(|(low, _)| low < 1.0);
    Ok(Some(if has_halves { bounds } else { (1.0, 5.0) }))
}

fn read_movies(reading: &mut Reading<'_>) -> Result<(), DatasetError> {
    let path = reading.folder.join("movies.dat");
    reading.each_old_line(&path, |assembly, line| {
        let cells = rows::cells_exactly(line.as_bytes(), SEPARATOR, 3)?;
        let title = rows::utf8(cells[1], 1)?;
        let text = ItemText {
            title: title.to_owned(),
            year: rows::year_in_title(title),
            genres: genres(rows::utf8(cells[2], 2)?, '|'),
            ..ItemText::default()
        };
        add_item(assembly, (0, cells[0]), text)
    })
}

fn read_users(reading: &mut Reading<'_>) -> Result<(), DatasetError> {
    let columns =
        ["gender", "age", "occupation", "zip_code"].map(|name| reading.assembly.attribute_column(name));
    let path = reading.folder.join("users.dat");
    reading.each_old_line(&path, |assembly, line| {
        let cells = rows::cells_exactly(line.as_bytes(), SEPARATOR, 5)?;
        let user = intern_user(assembly, (0, cells[0]))?;
        for (k, column) in columns.into_iter().enumerate() {
            let value = rows::utf8(cells[k + 1], k + 1)?;
            let meaning = match k {
                1 => AGES.iter().find(|(code, _)| *code == value).map(|(_, meaning)| *meaning),
                2 => value.parse().ok().and_then(|code: usize| OCCUPATIONS.get(code).copied()),
                _ => None,
            };
            assembly.attribute(column, user, meaning.unwrap_or(value).to_owned());
        }
        Ok(())
    })
}

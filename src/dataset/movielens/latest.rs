//! ml-latest, ml-latest-small, ml-20m, ml-25m, ml-32m: `ratings.csv` and `movies.csv`.
//! `links.csv` and `tags.csv` say nothing a recommender or an agent is shown and are not read.

use super::super::assemble::ItemText;
use super::super::ratings::{self, IdForm, Layout, Role};
use super::super::rows::{self, Rows};
use super::super::table::Table;
use super::{Reading, add_item, genres};
use crate::dataset::DatasetError;

/// Reads the folder; answers the rating range.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Option<(f32, f32)>, DatasetError> {
    let bounds = Some((0.5, 5.0));
    let mut file = Rows::open(&reading.folder.join("ratings.csv"))?;
    let columns = header(&mut file)?;
    let layout = Layout { separator: b",", columns, ids: IdForm::Whole, bounds };
    ratings::read(&mut file, &layout, reading.on_bad_row, &mut reading.assembly, reading.progress)?;
    read_movies(reading)?;
    Ok(bounds)
}

/// The roles of the columns of `ratings.csv`, from its first row.
fn header(file: &mut Rows) -> Result<Vec<Role>, DatasetError> {
    let path = file.path().to_owned();
    let bad = |problem: String| DatasetError::BadFile { path: path.clone(), problem };
    let Some(row) = file.next()? else {
        return Err(bad("is empty, expected a header row `userId,movieId,rating,timestamp`".to_owned()));
    };
    let names: Vec<String> = rows::Cells::new(row, b",")
        .map(|cell| String::from_utf8_lossy(cell).trim_matches(['"', ' ']).to_owned())
        .collect();
    let columns: Vec<Role> = names
        .iter()
        .map(|name| match name.as_str() {
            "userId" => Role::User,
            "movieId" => Role::Item,
            "rating" => Role::Rating,
            "timestamp" => Role::Moment,
            _ => Role::Other,
        })
        .collect();
    for (role, name) in [(Role::User, "userId"), (Role::Item, "movieId"), (Role::Rating, "rating")] {
        if columns.iter().filter(|c| **c == role).count() != 1 {
            return Err(bad(format!("expected one column `{name}`; its columns are {}", names.join(", "))));
        }
    }
    Ok(columns)
}

fn read_movies(reading: &mut Reading<'_>) -> Result<(), DatasetError> {
    let mut table = Table::open(&reading.folder.join("movies.csv"), b',', true)?;
    let (id, title, class) = (table.column("movieId")?, table.column("title")?, table.column("genres")?);
    reading.each_record(&mut table, |assembly, record| {
        let name = record.text(title)?;
        let text = ItemText {
            title: name.to_owned(),
            year: rows::year_in_title(name),
            genres: genres(record.text(class)?, '|'),
            ..ItemText::default()
        };
        add_item(assembly, record.cell(id), text)
    })
}

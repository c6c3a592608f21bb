//! ml-100k as published: `u.data` between tabs, `u.item`, `u.user` and `u.genre`
//! between bars, titles in Latin-1.

use super::super::assemble::ItemText;
use super::super::ratings::{self, IdForm, Layout, Role};
use super::super::rows::{self, BadCell, Rows};
use super::{Reading, add_item, intern_user};
use crate::dataset::DatasetError;

/// The columns of `u.item` before the genre flags: id, title, release, video release, address.
const N_BEFORE_FLAGS: usize = 5;

/// The genres behind the flags of `u.item`, where `u.genre` is missing; after the publisher's README.
const GENRES: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

/// Reads the folder; answers the rating range.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Option<(f32, f32)>, DatasetError> {
    let bounds = Some((1.0, 5.0));
    let layout = Layout {
        separator: b"\t",
        columns: vec![Role::User, Role::Item, Role::Rating, Role::Moment],
        ids: IdForm::Whole,
        bounds,
    };
    let mut file = Rows::open(&reading.folder.join("u.data"))?;
    ratings::read(&mut file, &layout, reading.on_bad_row, &mut reading.assembly, reading.progress)?;
    let genres = read_genres(reading)?;
    read_items(reading, &genres)?;
    if reading.folder.join("u.user").exists() {
        read_users(reading)?;
    }
    Ok(bounds)
}

/// The genre names in the order of the flags.
fn read_genres(reading: &mut Reading<'_>) -> Result<Vec<String>, DatasetError> {
    let path = reading.folder.join("u.genre");
    if !path.exists() {
        return Ok(GENRES.map(str::to_owned).to_vec());
    }
    let mut genres = Vec::new();
    reading.each_old_line(&path, |_, line| {
        let cells = rows::cells_exactly(line.as_bytes(), b"|", 2)?;
        if rows::utf8(cells[1], 1)?.parse() != Ok(genres.len()) {
            return Err(BadCell::new(1, cells[1], format!("{}, the number of the genre", genres.len())));
        }
        genres.push(rows::utf8(cells[0], 0)?.to_owned());
        Ok(())
    })?;
    Ok(genres)
}

fn read_items(reading: &mut Reading<'_>, genres: &[String]) -> Result<(), DatasetError> {
    let path = reading.folder.join("u.item");
    reading.each_old_line(&path, |assembly, line| {
        let cells = rows::cells_exactly(line.as_bytes(), b"|", N_BEFORE_FLAGS + genres.len())?;
        let title = rows::utf8(cells[1], 1)?;
        // "01-Jan-1995"
        let released = rows::utf8(cells[2], 2)?.rsplit('-').next().and_then(|year| year.parse().ok());
        let mut text = ItemText {
            title: title.to_owned(),
            year: released.or_else(|| rows::year_in_title(title)),
            ..ItemText::default()
        };
        for (k, genre) in genres.iter().enumerate() {
            match cells[N_BEFORE_FLAGS + k].trim_ascii() {
                b"1" if genre != "unknown" => text.genres.push(genre.clone()),
                b"0" | b"1" => {}
                other => return Err(BadCell::new(N_BEFORE_FLAGS + k, other, "0 or 1")),
            }
        }
        add_item(assembly, (0, cells[0]), text)
    })
}

fn read_users(reading: &mut Reading<'_>) -> Result<(), DatasetError> {
    let columns =
        ["age", "gender", "occupation", "zip_code"].map(|name| reading.assembly.attribute_column(name));
    let path = reading.folder.join("u.user");
    reading.each_old_line(&path, |assembly, line| {
        let cells = rows::cells_exactly(line.as_bytes(), b"|", 5)?;
        let user = intern_user(assembly, (0, cells[0]))?;
        for (k, column) in columns.into_iter().enumerate() {
            assembly.attribute(column, user, rows::utf8(cells[k + 1], k + 1)?.to_owned());
        }
        Ok(())
    })
}

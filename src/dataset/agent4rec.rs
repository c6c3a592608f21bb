//! The folder of the Agent4Rec paper (Zhang et al., SIGIR 2024): its split as lists of
//! items a user, the items' details, the users' traits and personas. Interactions carry
//! no ratings. Must not know its recorded runs or trained weights.

use super::assemble::{Assembly, ItemText};
use super::movielens::require_path;
use super::rows::{self, BadCell, OnBadRow, Rows};
use super::table::Table;
use super::{
    Dataset, DatasetError, Interaction, Interactions, LoadContext, PublishedPersona, Source, SourceKind,
    Split, ratings,
};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `source = "agent4rec"`.
pub struct Agent4Rec;

/// Where the folder is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The folder that holds `cf_data` and, for texts and personas, `simulation`.
    path: PathBuf,
    /// What to do with a malformed row of the lists or the item details.
    #[serde(default)]
    on_bad_row: OnBadRow,
}

/// The parts of the split, in the order in which a user's interactions are numbered.
const PARTS: [&str; 3] = ["train", "valid", "test"];
/// Every part's items come after all of those of the part before, in a user's own order.
const PART_STRIDE: i64 = 1 << 32;

impl SourceKind for Agent4Rec {
    fn name(&self) -> &'static str {
        "agent4rec"
    }

    fn about(&self) -> &'static str {
        "the split, item details, traits and personas of the Agent4Rec paper"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Source>, Complaint> {
        require_path(at, table, "the folder that holds cf_data")?;
        Ok(Box::new(params::parse::<Params>(at, table)?))
    }
}

impl Source for Params {
    fn load(&self, context: &LoadContext<'_>) -> Result<Dataset, DatasetError> {
        let folder = context.base_dir.join(&self.path);
        let mut assembly = Assembly::default();
        context.progress.begin("reading agent4rec", 3);
        for (part, name) in PARTS.iter().enumerate() {
            let path = folder.join("cf_data").join(format!("{name}.txt"));
            self.read_lists(&path, part as i64 * PART_STRIDE, &mut assembly)?;
            context.progress.advance(1, "");
        }
        context.progress.end();
        let simulation = folder.join("simulation");
        let details = simulation.join("movie_detail.csv");
        if details.exists() {
            self.read_details(&details, &mut assembly)?;
        }
        let mut dataset = assembly.finish("agent4rec", &folder, None)?;
        dataset.published_split = Some(published_split(&dataset));
        let (traits, personas) =
            (simulation.join("user_statistic.csv"), simulation.join("all_personas_like.csv"));
        if traits.exists() || personas.exists() {
            dataset.published_personas = Some(read_personas(&dataset, &traits, &personas)?);
        }
        Ok(dataset)
    }
}

/// The three parts, told apart by the orders their interactions were given.
fn published_split(dataset: &Dataset) -> Split {
    let part = |part: i64| {
        let own: Vec<Interaction> =
            dataset.interactions.iter().filter(|x| x.order / PART_STRIDE == part).copied().collect();
        Interactions::from_sorted(dataset.n_users(), dataset.n_items(), &own)
    };
    Split { train: part(0), valid: part(1), test: part(2) }
}

impl Params {
    /// Reads one part: a line holds a user and all of the user's items, in numbers between blanks.
    fn read_lists(&self, path: &Path, first_order: i64, assembly: &mut Assembly) -> Result<(), DatasetError> {
        let mut file = Rows::open(path)?;
        while let Some(row) = file.next()? {
            if let Err(bad) = read_list(row, first_order, assembly) {
                self.on_bad_row.settle(*bad, file.path(), file.line(), &mut assembly.report)?;
            }
        }
        Ok(())
    }

    fn read_details(&self, path: &Path, assembly: &mut Assembly) -> Result<(), DatasetError> {
        let mut table = Table::open(path, b',', true)?;
        let columns = ["movie_id", "title", "genres", "rating", "summary"];
        let [id, title, genres, rating, summary] = find_all(&table, columns)?;
        while let Some(record) = table.next()? {
            let line = record.line;
            let mut take = || {
                record.check_width()?;
                let name = record.text(title)?;
                if name.is_empty() {
                    return Err(BadCell::new(title, b"", "a title"));
                }
                let mean_rating = match record.text(rating)? {
                    "" => None,
                    _ => Some(ratings::rating(record.cell(rating), Some((0.0, 10.0)))?),
                };
                let text = ItemText {
                    title: name.to_owned(),
                    year: rows::year_in_title(name),
                    genres: record
                        .text(genres)?
                        .split('|')
                        .filter(|g| !g.is_empty())
                        .map(str::to_owned)
                        .collect(),
                    summary: Some(record.text(summary)?.to_owned()),
                    mean_rating,
                };
                let cell = record.cell(id);
                let item =
                    assembly.items.intern(cell.1).ok_or_else(|| ratings::bad_id(cell, "an item number"))?;
                if !assembly.item(item, text) {
                    return Err(BadCell::new(id, cell.1, "an item number that no row above has"));
                }
                Ok(())
            };
            if let Err(bad) = take() {
                self.on_bad_row.settle(*bad, path, line, &mut assembly.report)?;
            }
        }
        Ok(())
    }
}

/// Takes in one user's list, whole or not at all.
fn read_list(row: &[u8], first_order: i64, assembly: &mut Assembly) -> Result<(), Box<BadCell>> {
    let cells = || row.split(u8::is_ascii_whitespace).filter(|cell| !cell.is_empty()).enumerate();
    let what = |column| if column == 0 { "a user number" } else { "an item number" };
    if let Some((column, cell)) = cells().find(|(_, cell)| !is_number(cell)) {
        return Err(BadCell::new(column, cell, what(column)));
    }
    let mut user = None;
    for (column, cell) in cells() {
        let table = if column == 0 { &mut assembly.users } else { &mut assembly.items };
        let number = table.intern(cell).ok_or_else(|| ratings::bad_id((column, cell), what(column)))?;
        match user {
            None => user = Some(number),
            Some(user) => {
                assembly.report.n_rows += 1;
                assembly.interaction(user, number, 1.0, first_order + column as i64);
            }
        }
    }
    Ok(())
}

/// Whether a cell is a whole number that fits 64 bits for certain.
fn is_number(cell: &[u8]) -> bool {
    cell.len() <= 18 && cell.iter().all(u8::is_ascii_digit)
}

/// The places of columns by name.
fn find_all<const N: usize>(table: &Table, names: [&str; N]) -> Result<[usize; N], DatasetError> {
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(names) {
        *place = table.column(name)?;
    }
    Ok(places)
}

/// One persona a user: traits found by user id, tastes by the row, which counts users from 0.
fn read_personas(
    dataset: &Dataset,
    traits: &Path,
    personas: &Path,
) -> Result<Vec<PublishedPersona>, DatasetError> {
    let tiers = read_tiers(traits)?;
    let tastes = read_tastes(personas)?;
    let lacks = |path: &Path, raw: &str| DatasetError::BadFile {
        path: path.to_owned(),
        problem: format!("tells nothing of user {raw}, expected one row for every user of cf_data"),
    };
    (0..dataset.n_users())
        .map(|user| {
            let raw = dataset.users.raw(user as u32);
            let [activity, diversity, conformity] = *tiers.get(raw).ok_or_else(|| lacks(traits, raw))?;
            let row: Option<usize> = raw.parse().ok();
            let taste = row.and_then(|row| tastes.get(row)).ok_or_else(|| lacks(personas, raw))?;
            Ok(PublishedPersona { activity, diversity, conformity, taste: taste.clone() })
        })
        .collect()
}

/// The tiers of activity, diversity and conformity by raw user id. A persona with a hole
/// would be an invented one, so a bad row is an error whatever `on_bad_row` says.
fn read_tiers(path: &Path) -> Result<BTreeMap<String, [u8; 3]>, DatasetError> {
    let mut table = Table::open(path, b',', true)?;
    let [id, tiers @ ..] = find_all(&table, ["user_id", "activity", "diversity", "conformity"])?;
    let mut all = BTreeMap::new();
    while let Some(record) = table.next()? {
        let take = || {
            record.check_width()?;
            let mut own = [0; 3];
            for (tier, column) in own.iter_mut().zip(tiers) {
                let cell = record.text(column)?;
                *tier = cell
                    .parse()
                    .ok()
                    .filter(|tier| (1..=3).contains(tier))
                    .ok_or_else(|| BadCell::new(column, cell.as_bytes(), "a tier: 1, 2 or 3"))?;
            }
            Ok((record.text(id)?.to_owned(), own))
        };
        let (user, own) = take().map_err(|bad: Box<BadCell>| bad.at(path, record.line))?;
        all.insert(user, own);
    }
    Ok(all)
}

/// The sentences of taste, row by row.
fn read_tastes(path: &Path) -> Result<Vec<Vec<String>>, DatasetError> {
    let mut table = Table::open(path, b',', true)?;
    let taste = table.column("taste")?;
    let mut all = Vec::new();
    while let Some(record) = table.next()? {
        let text = record
            .check_width()
            .and_then(|()| record.text(taste))
            .map_err(|bad| bad.at(path, record.line))?;
        all.push(text.split('|').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect());
    }
    Ok(all)
}

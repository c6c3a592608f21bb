//! Jester (Goldberg et al., Information Retrieval 2001): jokes rated from -10 to 10. People who rated
//! every joke make a dense block, of which everything is known. Recommenders are given a random
//! sample of every person's cells, as if the rest had never been asked; the rest is the truth.
//! Must not know what either is used for.
//!
//! The folder holds one CSV file without a header, one line a person, one column a joke; a column of
//! counts before them and 99 for "not rated", as published, are understood. `jokes.json` maps the
//! jokes' numbers, from 1, to their texts. People are called by their line, from 1.

use super::assemble::{Assembly, ItemText};
use super::movielens::require_path;
use super::observed::ObservedRatings;
use super::rows::{self, BadCell, Cells, Rows};
use super::{Dataset, DatasetError, LoadContext, Source, SourceKind};
use crate::intake;
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{self, Complaint};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `source = "jester"`.
pub struct Jester;

/// Lowest and highest rating.
const BOUNDS: (f32, f32) = (-10.0, 10.0);
/// What stands in the files for "not rated".
const NOT_RATED: f32 = 99.0;
/// One person's (joke, rating).
type OwnRatings = Vec<(u32, f32)>;

/// Words of a joke in its title.
const TITLE_WORDS: usize = 8;

/// Where the folder is, and what recommenders may learn from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The folder that holds the ratings and, for texts, `jokes.json`.
    path: PathBuf,
    /// The file of ratings in it; its only `.csv` file where this is not given.
    #[serde(default)]
    ratings: Option<PathBuf>,
    /// The share of every person's ratings that is sampled for recommenders to learn from; the
    /// others are the truth. Which ones depends on the scenario's seed.
    #[serde(default = "observed_share")]
    observed_share: f64,
    /// The lowest rating that makes a sampled cell an interaction: most recommenders take every
    /// interaction as a sign of liking. -10 keeps them all.
    #[serde(default = "min_rating")]
    min_rating: f32,
}

fn observed_share() -> f64 {
    0.4
}

fn min_rating() -> f32 {
    2.5
}

impl SourceKind for Jester {
    fn name(&self) -> &'static str {
        "jester"
    }

    fn about(&self) -> &'static str {
        "jokes rated by people who rated them all; a sample is for recommenders, the rest is truth"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Source>, Complaint> {
        require_path(at, table, "the folder that holds the ratings")?;
        let checked: Params = params::parse(at, table)?;
        params::within(at, "min_rating", checked.min_rating, BOUNDS.0, BOUNDS.1)?;
        params::within(at, "observed_share", checked.observed_share, 0.01, 0.99)?;
        Ok(Box::new(checked))
    }
}

impl Source for Params {
    fn load(&self, context: &LoadContext<'_>) -> Result<Dataset, DatasetError> {
        let folder = context.base_dir.join(&self.path);
        context.progress.begin("reading jester", 0);
        let jokes = read_jokes(&folder.join("jokes.json"))?;
        let path = match &self.ratings {
            Some(file) => folder.join(file),
            None => only_csv(&folder)?,
        };
        let (people, n_jokes) = read_ratings(&path, (!jokes.is_empty()).then_some(jokes.len()))?;
        let mut assembly = Assembly::default();
        for joke in 0..n_jokes {
            let item = assembly.items.intern_nth(joke);
            assembly.item(item, told(joke + 1, jokes.get(joke)));
        }
        let truth = self.sample(people, context.streams, &mut assembly);
        let mut dataset = assembly.finish("jester", &folder, Some(BOUNDS))?;
        let row_of = |raw: &str| -> &[(u32, f32)] {
            let line: Option<usize> = raw.parse().ok();
            line.and_then(|line| truth.get(line - 1)).map_or(&[], Vec::as_slice)
        };
        let about = "ratings of the jokes that were not sampled for recommenders to learn from".to_owned();
        dataset.observed = Some(ObservedRatings::by_raw_user(&dataset, row_of, self.min_rating, about));
        context.progress.end();
        Ok(dataset)
    }
}

impl Params {
    /// Hands each person's sampled cells to the assembly; the others, ascending, come back.
    fn sample(&self, people: Vec<OwnRatings>, streams: Streams, assembly: &mut Assembly) -> Vec<OwnRatings> {
        let split = |(line, mut cells): (usize, OwnRatings)| {
            let user = assembly.users.intern_nth(line);
            cells.shuffle(&mut streams.stream(Purpose::ObservedSample, 0, line as u64, 0));
            let n_sampled = (cells.len() as f64 * self.observed_share).round() as usize;
            let mut truth = cells.split_off(n_sampled);
            for (item, rating) in cells {
                assembly.report.n_rows += 1;
                if rating >= self.min_rating {
                    assembly.interaction(user, item, rating, i64::from(item));
                }
            }
            truth.sort_unstable_by_key(|(item, _)| *item);
            truth
        };
        people.into_iter().enumerate().map(split).collect()
    }
}

/// The title and text of a joke.
fn told(number: usize, text: Option<&String>) -> ItemText {
    let Some(text) = text else {
        return ItemText { title: format!("joke {number}"), ..ItemText::default() };
    };
    let mut words = text.split_whitespace();
    let first: Vec<&str> = words.by_ref().take(TITLE_WORDS).collect();
    let more = if words.next().is_some() { " …" } else { "" };
    ItemText {
        title: format!("joke {number}: {}{more}", first.join(" ")),
        summary: Some(text.clone()),
        ..ItemText::default()
    }
}

/// The texts in order; none where there is no such file.
fn read_jokes(path: &Path) -> Result<Vec<String>, DatasetError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bad = |problem: String| DatasetError::BadFile { path: path.to_owned(), problem };
    let bytes = intake::bytes(path, intake::MADE_BYTES_MAX)
        .map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    let mut by_number: BTreeMap<String, String> = serde_json::from_slice(&bytes)
        .map_err(|error| bad(format!("is not an object of joke numbers and texts: {error}")))?;
    let mut jokes = Vec::new();
    while let Some(text) = by_number.remove(&(jokes.len() + 1).to_string()) {
        jokes.push(text);
    }
    match by_number.keys().next() {
        Some(odd) => Err(bad(format!("has a joke {odd:?}, expected numbers from 1 without a gap"))),
        None if jokes.is_empty() => Err(bad("holds no jokes, expected at least one".to_owned())),
        None => Ok(jokes),
    }
}

/// The one CSV file of a folder.
fn only_csv(folder: &Path) -> Result<PathBuf, DatasetError> {
    let entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(|source| DatasetError::Io { path: folder.to_owned(), source })?;
    let mut found: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    if found.len() == 1 {
        return Ok(found.remove(0));
    }
    let problem = format!("holds {} .csv files, expected one, or `ratings` to name it", found.len());
    Err(DatasetError::BadFile { path: folder.to_owned(), problem })
}

/// Every person's (joke, rating), jokes ascending, and how many jokes there are.
fn read_ratings(path: &Path, n_jokes: Option<usize>) -> Result<(Vec<OwnRatings>, usize), DatasetError> {
    let mut file = Rows::open(path)?;
    let mut people = Vec::new();
    let mut n_columns = None;
    while let Some(row) = file.next()? {
        let cells: Vec<&[u8]> = Cells::new(row, b",").collect();
        let n_expected = *n_columns.get_or_insert(match n_jokes {
            Some(n) if cells.len() == n + 1 => n + 1,
            Some(n) => n,
            None => cells.len(),
        });
        let read = read_person(row, &cells, n_expected, n_jokes.is_some_and(|n| n_expected == n + 1));
        let line = file.line();
        if line != people.len() as u64 + 1 {
            let bad = BadCell::new(0, b"", "no blank line: lines are counted");
            return Err(bad.at(path, people.len() as u64 + 1));
        }
        people.push(read.map_err(|bad| bad.at(path, line))?);
    }
    let n_jokes = n_jokes.or(n_columns).unwrap_or(0);
    Ok((people, n_jokes))
}

/// One person's ratings; the first cell is a count where `has_count`.
fn read_person(
    row: &[u8],
    cells: &[&[u8]],
    n_expected: usize,
    has_count: bool,
) -> Result<OwnRatings, Box<BadCell>> {
    if cells.len() != n_expected {
        return Err(rows::wrong_width(row, b",", cells.len(), n_expected));
    }
    let n_before = usize::from(has_count);
    let mut own = Vec::with_capacity(cells.len());
    for (column, cell) in cells.iter().enumerate().skip(n_before) {
        match rows::number(cell) {
            Some(NOT_RATED) => {}
            Some(rating) if (BOUNDS.0..=BOUNDS.1).contains(&rating) => {
                own.push(((column - n_before) as u32, rating));
            }
            _ => {
                let (low, high) = BOUNDS;
                let expected = format!("a rating from {low} to {high}, or {NOT_RATED} for none");
                return Err(BadCell::new(column, cell, expected));
            }
        }
    }
    Ok(own)
}

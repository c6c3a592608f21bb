//! Files of ready lists: text (`user item item …`, a line a user), CSV and Parquet (a row a user
//! and item). Users who are not in the dataset are passed over; items that are not in it are
//! errors. Must not know what the lists are used for.

use super::super::{RecommendError, model_file};
use super::bad;
use super::remote::quote;
use crate::columns::{ids, numbers, whole_numbers};
use crate::dataset::Vocabulary;
use crate::intake::batches::{check_size, guarded, guarded_batches};
use crate::intake::records::Bounded;
use crate::report::visible::visible;
use arrow_array::{Array, ArrayRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The longest line of a text file, bytes.
const LINE_BYTES_MAX: u64 = 1 << 26;

/// One list a user, in dense order.
#[derive(Clone, Debug, PartialEq)]
pub struct Lists {
    /// Start of every user's list, and the end of the last.
    pub starts: Vec<usize>,
    /// The items, best first.
    pub items: Vec<u32>,
    /// Their scores, where the file has some.
    pub scores: Option<Vec<f32>>,
}

impl Lists {
    /// Items and scores of a user; nothing for somebody without a list.
    pub fn of(&self, user: usize) -> (&[u32], Option<&[f32]>) {
        match self.starts.get(user..user + 2) {
            Some(&[start, end]) => (&self.items[start..end], self.scores.as_ref().map(|s| &s[start..end])),
            _ => (&[], self.scores.as_ref().map(|_| &[][..])),
        }
    }

    /// The first user whose list has an item twice, and the item; items are below `n_items`.
    pub fn repeated(&self, n_items: usize) -> Option<(usize, u32)> {
        let mut last_user = vec![usize::MAX; n_items];
        for user in 0..self.starts.len() - 1 {
            for &item in &self.items[self.starts[user]..self.starts[user + 1]] {
                if std::mem::replace(&mut last_user[item as usize], user) == user {
                    return Some((user, item));
                }
            }
        }
        None
    }
}

impl Lists {
    /// Writes the lists into the folder of a model.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let lengths: Vec<u32> = self.starts.windows(2).map(|w| (w[1] - w[0]) as u32).collect();
        model_file::write_ids(&dir.join("lengths.npy"), &lengths)?;
        model_file::write_ids(&dir.join("items.npy"), &self.items)?;
        match &self.scores {
            Some(scores) => model_file::write_vector(&dir.join("scores.npy"), scores),
            None => Ok(()),
        }
    }

    /// Reads what [`Lists::save`] wrote, for so many users and items.
    pub fn load(
        dir: &Path,
        n_users: usize,
        n_items: usize,
        has_scores: bool,
    ) -> Result<Self, RecommendError> {
        model_file::check_n_items(dir, n_items)?;
        let lengths = model_file::read_ids(&dir.join("lengths.npy"), Some(n_users), u32::MAX)?;
        let starts: Vec<usize> = std::iter::once(0)
            .chain(lengths.iter().scan(0, |end, &length| {
                *end += length as usize;
                Some(*end)
            }))
            .collect();
        let n_pairs = starts[starts.len() - 1];
        let items = model_file::read_ids(&dir.join("items.npy"), Some(n_pairs), n_items as u32)?;
        let path = dir.join("scores.npy");
        let scores = has_scores.then(|| model_file::read_vector(&path, n_pairs)).transpose()?;
        let lists = Lists { starts, items, scores };
        match lists.repeated(n_items) {
            Some(_) => Err(bad(&dir.join("items.npy"), "repeats an item within a list")),
            None => Ok(lists),
        }
    }
}

/// One row of a file: who, what, and what orders it.
struct Entry {
    user: u32,
    item: u32,
    rank: i64,
    score: Option<f32>,
}

/// Reads the lists of a file, by the end of its name.
pub fn read(path: &Path, users: &Vocabulary, items: &Vocabulary) -> Result<Lists, RecommendError> {
    let file = File::open(path).map_err(|source| RecommendError::Io { path: path.to_owned(), source })?;
    let extension = path.extension().map(|e| e.to_ascii_lowercase()).unwrap_or_default();
    let mut reader = Reading { path, users, items, entries: Vec::new() };
    match extension.to_str() {
        Some("csv") => reader.csv(file)?,
        Some("parquet") => reader.parquet(file)?,
        _ => reader.text(file)?,
    }
    reader.finish()
}

struct Reading<'a> {
    path: &'a Path,
    users: &'a Vocabulary,
    items: &'a Vocabulary,
    entries: Vec<Entry>,
}

impl Reading<'_> {
    fn bad(&self, place: &str, problem: impl std::fmt::Display) -> RecommendError {
        bad(self.path, format!("{place}: {problem}"))
    }

    fn io(&self, source: std::io::Error) -> RecommendError {
        RecommendError::Io { path: self.path.to_owned(), source }
    }

    /// Takes in one item of one user, unless the user is nobody's.
    fn take(
        &mut self,
        place: &str,
        user: &str,
        item: &str,
        order: (i64, Option<f32>),
    ) -> Result<(), RecommendError> {
        let Some(user) = self.users.get(user.trim()) else { return Ok(()) };
        let Some(item) = self.items.get(item.trim()) else {
            return Err(self.bad(place, format!("item {} is not in the dataset", quote(item))));
        };
        if order.1.is_some_and(|score| !score.is_finite()) {
            return Err(self.bad(place, "the score must be finite"));
        }
        self.entries.push(Entry { user, item, rank: order.0, score: order.1 });
        Ok(())
    }

    fn text(&mut self, file: File) -> Result<(), RecommendError> {
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        let mut seen = vec![false; self.users.len()];
        for number in 1u64.. {
            line.clear();
            let place = format!("line {number}");
            let n = (&mut file).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(|e| self.io(e))?;
            if n == 0 {
                break;
            }
            if n as u64 == LINE_BYTES_MAX {
                return Err(self.bad(&place, format!("is longer than {LINE_BYTES_MAX} bytes")));
            }
            let text = std::str::from_utf8(&line).map_err(|_| self.bad(&place, "is not UTF-8"))?;
            let mut cells = text.split_whitespace();
            let Some(user) = cells.next() else { continue };
            if let Some(dense) = self.users.get(user)
                && std::mem::replace(&mut seen[dense as usize], true)
            {
                return Err(self.bad(&place, format!("user {} has a list already", quote(user))));
            }
            for (rank, item) in cells.enumerate() {
                self.take(&place, user, item, (rank as i64, None))?;
            }
        }
        Ok(())
    }

    fn csv(&mut self, file: File) -> Result<(), RecommendError> {
        let mut rows = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(Bounded::new(file));
        let complain = |error: ::csv::Error| bad(self.path, error.to_string());
        let header = rows.headers().map_err(complain)?.clone();
        let column = |name: &str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
        let (Some(user), Some(item)) = (column("user"), column("item")) else {
            let found = visible(&header.iter().collect::<Vec<_>>().join(", "));
            return Err(bad(
                self.path,
                format!("has the columns {found}; expected user, item and, where known, rank or score"),
            ));
        };
        let (rank, score) = (column("rank"), column("score"));
        let mut row = ::csv::StringRecord::new();
        for number in 0i64.. {
            if !rows.read_record(&mut row).map_err(|error| bad(self.path, error.to_string()))? {
                break;
            }
            rows.get_mut().begin();
            let place = format!("line {}", row.position().map_or(0, ::csv::Position::line));
            let cell = |column: usize| row.get(column).unwrap_or_default();
            let rank = match rank {
                Some(column) => cell(column).parse().map_err(|_| {
                    self.bad(
                        &place,
                        format!("found {}, expected a rank, a whole number", quote(cell(column))),
                    )
                })?,
                None if score.is_some() => 0,
                None => number,
            };
            let score = match score {
                Some(column) => Some(cell(column).parse().map_err(|_| {
                    self.bad(&place, format!("found {}, expected a score, a number", quote(cell(column))))
                })?),
                None => None,
            };
            self.take(&place, cell(user), cell(item), (rank, score))?;
        }
        Ok(())
    }

    fn parquet(&mut self, file: File) -> Result<(), RecommendError> {
        let path = self.path.to_owned();
        let complain = |problem: String| bad(&path, format!("cannot be read as Parquet: {problem}"));
        let file_bytes = file.metadata().map_err(|source| self.io(source))?.len();
        let open = || {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            check_size(builder.metadata(), file_bytes)?;
            builder.with_batch_size(8192).build()
        };
        let reader = guarded(open).map_err(|e| complain(e.to_string()))?;
        let mut n_before = 0usize;
        for batch in guarded_batches(reader) {
            let batch = batch.map_err(|error| complain(error.to_string()))?;
            let column = |name: &str| batch.column_by_name(name);
            let (Some(users), Some(items)) = (column("user"), column("item")) else {
                return Err(bad(&path, "must have the columns user and item"));
            };
            let users = ids(users).ok_or_else(|| self.column("user", users, "text or whole numbers"))?;
            let items = ids(items).ok_or_else(|| self.column("item", items, "text or whole numbers"))?;
            let of = |name, read: fn(&ArrayRef) -> Option<Vec<f64>>, expected| match column(name) {
                Some(array) => read(array).map(Some).ok_or_else(|| self.column(name, array, expected)),
                None => Ok(None),
            };
            let ranks = of("rank", whole_numbers, "whole numbers")?;
            let scores = of("score", numbers, "numbers")?;
            for row in 0..batch.num_rows() {
                let rank = match &ranks {
                    Some(ranks) => ranks[row] as i64,
                    None if scores.is_some() => 0,
                    None => (n_before + row) as i64,
                };
                let score = scores.as_ref().map(|scores| scores[row] as f32);
                let place = format!("row {}", n_before + row + 1);
                self.take(&place, &users[row], &items[row], (rank, score))?;
            }
            n_before += batch.num_rows();
        }
        Ok(())
    }

    fn column(&self, name: &str, found: &ArrayRef, expected: &str) -> RecommendError {
        let nulls = if found.null_count() > 0 { " with nulls" } else { "" };
        let found = found.data_type();
        bad(self.path, format!("column `{name}` holds {found}{nulls}, must hold {expected} without nulls"))
    }

    /// Sorts everybody's entries: by rank, then by score, the highest first, then as they stood.
    fn finish(mut self) -> Result<Lists, RecommendError> {
        let score = |entry: &Entry| entry.score.unwrap_or(0.0);
        self.entries.sort_by(|a, b| {
            (a.user, a.rank).cmp(&(b.user, b.rank)).then_with(|| score(b).total_cmp(&score(a)))
        });
        let mut starts = vec![0usize; self.users.len() + 1];
        self.entries.iter().for_each(|entry| starts[entry.user as usize + 1] += 1);
        for user in 0..self.users.len() {
            starts[user + 1] += starts[user];
        }
        let items: Vec<u32> = self.entries.iter().map(|entry| entry.item).collect();
        let scores = self.entries.iter().map(|entry| entry.score).collect::<Option<Vec<f32>>>();
        let lists = Lists { starts, items, scores: scores.filter(|scores| !scores.is_empty()) };
        match lists.repeated(self.items.len()) {
            Some((user, item)) => {
                let (user, item) = (self.users.raw(user as u32), self.items.raw(item));
                Err(bad(
                    self.path,
                    format!("the list of user {} has item {} twice", quote(user), quote(item)),
                ))
            }
            None => Ok(lists),
        }
    }
}

//! Logs in the form of the Open Bandit Dataset (Saito, Aihara, Matsutani and Narita, NeurIPS 2021 datasets track): one
//! impression a row, with the probability of the item that was shown. Must not know how values are estimated.

use crate::intake::records::Bounded;
use csv::StringRecord;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Largest item number and position that are believed; more is taken for a broken file.
const NUMBER_MAX: u32 = 1_000_000;
/// Columns whose names begin so describe the person.
const PERSON: &str = "user_feature_";
/// Names under which the probability of the shown item is found: the files', and their documentation's.
const PROPENSITY: [&str; 2] = ["propensity_score", "action_prob"];
/// How much of a bad cell an error repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// One item shown at one position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impression {
    /// The page view it belongs to, dense from 0 in order of appearance: rows with the same time and person.
    pub view: u32,
    /// The item's number, as in the file.
    pub item: u32,
    /// The place of its position among all positions of the file, from 0.
    pub place: u32,
    /// 1 where it was clicked, else 0.
    pub click: f64,
    /// The probability with which the policy showed this item at this position.
    pub propensity: f64,
}

/// A log of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Which file.
    pub path: PathBuf,
    /// Its impressions, in the file's order.
    pub impressions: Vec<Impression>,
    /// The positions of the file, ascending.
    pub positions: Vec<u32>,
    /// What is known of the person of every page view: one number a feature, dense from 0 in order of appearance.
    pub person: Vec<Vec<u32>>,
    /// How many values every feature of people has.
    pub n_person_values: Vec<u32>,
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenBanditError {
    /// The file could not be opened.
    #[error("cannot read {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no log.
    #[error("{path}: {problem}")]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A cell is not what it should be.
    #[error("{path}, line {line}, column {column:?}: {value:?}, expected {expected}")]
    BadCell {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
}

/// Where the columns are.
struct Columns {
    time: usize,
    item: usize,
    position: usize,
    click: usize,
    propensity: usize,
    person: Vec<usize>,
}

/// Reads a log.
///
/// # Errors
/// When the file cannot be read, lacks a column or a row, or a cell is not what it should be.
pub fn read(path: &Path) -> Result<Log, OpenBanditError> {
    let file = File::open(path).map_err(|source| OpenBanditError::Io { path: path.to_owned(), source })?;
    let mut reader = csv::Reader::from_reader(Bounded::new(file));
    let header = reader.headers().map_err(|error| of_csv(path, error))?.clone();
    let columns = Columns::find(path, &header)?;
    let mut rows = Rows::default();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| of_csv(path, error))? {
        reader.get_mut().begin();
        let line = record.position().map_or(0, csv::Position::line);
        rows.take(&Cells { path, header: &header, record: &record, line }, &columns)?;
    }
    rows.finish(path)
}

fn of_csv(path: &Path, error: csv::Error) -> OpenBanditError {
    let line = error.position().map(|position| format!("line {}: ", position.line())).unwrap_or_default();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => OpenBanditError::Io { path: path.to_owned(), source },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => OpenBanditError::BadFile {
            path: path.to_owned(),
            problem: format!("{line}{len} cells, expected {expected_len} as in the header"),
        },
        csv::ErrorKind::Utf8 { .. } => {
            OpenBanditError::BadFile { path: path.to_owned(), problem: format!("{line}not UTF-8 text") }
        }
        kind => {
            OpenBanditError::BadFile { path: path.to_owned(), problem: format!("{line}not CSV: {kind:?}") }
        }
    }
}

impl Columns {
    fn find(path: &Path, header: &StringRecord) -> Result<Self, OpenBanditError> {
        let at = |names: &[&str]| {
            let found = header.iter().position(|name| names.contains(&name));
            found.ok_or_else(|| OpenBanditError::BadFile {
                path: path.to_owned(),
                problem: format!("no column {:?}, expected a log of the Open Bandit Dataset", names[0]),
            })
        };
        Ok(Columns {
            time: at(&["timestamp"])?,
            item: at(&["item_id"])?,
            position: at(&["position"])?,
            click: at(&["click"])?,
            propensity: at(&PROPENSITY)?,
            person: (0..header.len()).filter(|&at| header[at].starts_with(PERSON)).collect(),
        })
    }
}

/// The cells of one row.
struct Cells<'a> {
    path: &'a Path,
    header: &'a StringRecord,
    record: &'a StringRecord,
    line: u64,
}

impl Cells<'_> {
    fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    fn number(&self, column: usize) -> Result<u32, OpenBanditError> {
        let number = self.text(column).trim().parse().ok().filter(|&number: &u32| number <= NUMBER_MAX);
        number.ok_or_else(|| self.bad(column, "a whole number, 0..=1000000"))
    }

    fn real(
        &self,
        column: usize,
        is_good: impl Fn(f64) -> bool,
        expected: &'static str,
    ) -> Result<f64, OpenBanditError> {
        let number = self.text(column).trim().parse().ok().filter(|&number: &f64| is_good(number));
        number.ok_or_else(|| self.bad(column, expected))
    }

    fn bad(&self, column: usize, expected: &'static str) -> OpenBanditError {
        OpenBanditError::BadCell {
            path: self.path.to_owned(),
            line: self.line,
            column: self.header.get(column).unwrap_or_default().to_owned(),
            value: self.text(column).chars().take(SHOWN_CHARS_MAX).collect(),
            expected,
        }
    }
}

/// What has been read.
#[derive(Default)]
struct Rows {
    impressions: Vec<Impression>,
    person: Vec<Vec<u32>>,
    /// Page views by time and person.
    views: BTreeMap<Vec<String>, u32>,
    /// Values of every feature of people.
    values: Vec<BTreeMap<String, u32>>,
}

impl Rows {
    fn take(&mut self, cells: &Cells<'_>, columns: &Columns) -> Result<(), OpenBanditError> {
        let item = cells.number(columns.item)?;
        // A position is kept as it is until all are known.
        let place = cells.number(columns.position)?;
        let click = cells.real(columns.click, |x| x == 0.0 || x == 1.0, "0 or 1")?;
        let propensity = cells.real(
            columns.propensity,
            |x| x > 0.0 && x <= 1.0,
            "a probability, above 0 and at most 1",
        )?;
        let described = columns.person.iter().map(|&column| cells.text(column).to_owned());
        let mut key: Vec<String> = described.collect();
        self.values.resize(key.len(), BTreeMap::new());
        let person = key.iter().zip(&mut self.values).map(|(value, known)| intern(known, value)).collect();
        key.push(cells.text(columns.time).to_owned());
        let next = self.views.len() as u32;
        let view = *self.views.entry(key).or_insert(next);
        if view == next {
            self.person.push(person);
        }
        self.impressions.push(Impression { view, item, place, click, propensity });
        Ok(())
    }

    fn finish(mut self, path: &Path) -> Result<Log, OpenBanditError> {
        if self.impressions.is_empty() {
            let problem = "no row, expected one an impression".to_owned();
            return Err(OpenBanditError::BadFile { path: path.to_owned(), problem });
        }
        let mut positions: Vec<u32> = self.impressions.iter().map(|x| x.place).collect();
        positions.sort_unstable();
        positions.dedup();
        for impression in &mut self.impressions {
            impression.place = positions.partition_point(|&position| position < impression.place) as u32;
        }
        Ok(Log {
            path: path.to_owned(),
            impressions: self.impressions,
            positions,
            person: self.person,
            n_person_values: self.values.iter().map(|known| known.len() as u32).collect(),
        })
    }
}

fn intern(known: &mut BTreeMap<String, u32>, value: &str) -> u32 {
    if let Some(&number) = known.get(value) {
        return number;
    }
    let number = known.len() as u32;
    known.insert(value.to_owned(), number);
    number
}

impl Log {
    /// One more than the largest item number.
    pub fn n_items(&self) -> usize {
        self.impressions.iter().map(|x| x.item as usize + 1).max().unwrap_or(0)
    }
}

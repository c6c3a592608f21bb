//! `file`: vectors made elsewhere, found by raw id, in a `.npy` or Parquet file; and the same files written.
//!
//! Files come from strangers: whatever is wrong with one is told by file, row and what was expected.
//! Must not know who uses the vectors.

use super::{EncodeError, Encoder, EncoderKind, EncoderPlan, Entry, Identity};
use crate::columns;
use crate::dataset::Vocabulary;
use crate::files;
use crate::intake::batches::{check_size, guarded, guarded_batches};
use crate::intake::records::Bounded;
use crate::progress::Progress;
use crate::recommender::dense::Matrix;
use crate::recommender::{RecommendError, model_file};
use crate::scenario::params::{self, Complaint};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The longest line of a list of ids, bytes; a line may hold the text too.
const LINE_BYTES_MAX: u64 = 1 << 24;

/// Numbers that all vectors of a Parquet file hold at most: a few bytes of it can stand for very many.
const VALUES_MAX: usize = 1 << 31;

/// How the list of ids is called that is written beside vectors.
const IDS_EXTENSION: &str = "ids.jsonl";

/// Settings of `file`. `path` is needed; relative paths start at the folder the command is given in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FileParams {
    /// The vectors of items: `.npy` of 16-, 32- or 64-bit floats, one row each, or `.parquet`.
    pub path: PathBuf,
    /// Whose row of a `.npy` is which: a `.jsonl` with an `"id"` a line, a `.csv` with a column `id` (or the
    /// first), or text with one id a line. Without it, the file of the same name that ends in `.ids.jsonl`, if
    /// there is one; else the rows must be those of the whole dataset, in the order of `catalogue.parquet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<PathBuf>,
    /// Vectors of users, where an arm wants some: a file like `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_path: Option<PathBuf>,
    /// What `ids` is, for `users_path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_ids: Option<PathBuf>,
    /// The column of a Parquet file that holds the raw ids, as text or whole numbers.
    pub id_column: String,
    /// The column of a Parquet file that holds the vectors, as lists of numbers.
    pub vector_column: String,
}

impl Default for FileParams {
    fn default() -> Self {
        FileParams {
            path: PathBuf::new(),
            ids: None,
            users_path: None,
            users_ids: None,
            id_column: "id".to_owned(),
            vector_column: "vector".to_owned(),
        }
    }
}

/// The kind `file`.
pub struct FileVectors;

impl EncoderKind for FileVectors {
    fn name(&self) -> &'static str {
        "file"
    }

    fn about(&self) -> &'static str {
        "vectors made elsewhere, found by raw id in a .npy or Parquet file"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(FileParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn EncoderPlan>, Complaint> {
        let params: FileParams = params::parse(at, table)?;
        if params.path.as_os_str().is_empty() {
            let expected = "the .npy or .parquet file of the vectors".to_owned();
            return Err(Complaint::Missing { path: format!("{at}.path"), expected });
        }
        check_files(at, ("path", &params.path), ("ids", params.ids.as_ref()))?;
        let ids = ("users_ids", params.users_ids.as_ref());
        match &params.users_path {
            Some(path) => check_files(at, ("users_path", path), ids)?,
            None if params.users_ids.is_some() => {
                let expected = "the file that the ids in users_ids are for".to_owned();
                return Err(Complaint::Missing { path: format!("{at}.users_path"), expected });
            }
            None => {}
        }
        Ok(Box::new(params))
    }
}

/// Holds a file of vectors to its endings, and its list of ids to there being room for one.
fn check_files(at: &str, path: (&str, &Path), ids: (&str, Option<&PathBuf>)) -> Result<(), Complaint> {
    let refused = |key: &str, found: &Path, bound: &str| {
        Err(Complaint::out_of_range(
            format!("{at}.{key}"),
            format!("{:?}", found.display().to_string()),
            bound,
        ))
    };
    match (extension(path.1).as_str(), ids.1) {
        ("npy", _) | ("parquet", None) => Ok(()),
        ("parquet", Some(list)) => refused(ids.0, list, "absent: a Parquet file holds its ids in a column"),
        _ => refused(path.0, path.1, "a file that ends in .npy or .parquet"),
    }
}

impl EncoderPlan for FileParams {
    fn start(&self, base_dir: &Path) -> Result<Box<dyn Encoder>, EncodeError> {
        let listed = |ids: &Option<PathBuf>| ids.as_ref().map(|ids| base_dir.join(ids));
        let items = self.table(base_dir.join(&self.path), listed(&self.ids))?;
        let users = match &self.users_path {
            Some(path) => Some(self.table(base_dir.join(path), listed(&self.users_ids))?),
            None => None,
        };
        Ok(Box::new(Lookup { items, users }))
    }
}

impl FileParams {
    /// Reads a file of vectors, and the list of its ids.
    fn table(&self, path: PathBuf, listed: Option<PathBuf>) -> Result<Table, EncodeError> {
        let (rows, ids) = if extension(&path) == "parquet" {
            let (rows, ids) = self.parquet(&path)?;
            (rows, Some((path.clone(), ids)))
        } else {
            let rows = model_file::read_matrix(&path).map_err(of_model_file)?;
            let listed = listed.or_else(|| Some(ids_beside(&path)).filter(|beside| beside.is_file()));
            let ids = listed.map(|listed| read_ids(&listed).map(|ids| (listed, ids))).transpose()?;
            (rows, ids)
        };
        let row_of = ids.map(|(listed, ids)| index(&path, rows.n_rows, &listed, ids)).transpose()?;
        if rows.n_rows == 0 || rows.n_cols == 0 {
            return Err(bad(
                &path,
                format!("has shape [{}, {}], must hold vectors", rows.n_rows, rows.n_cols),
            ));
        }
        Ok(Table { path, rows, row_of })
    }
}

/// The files of an encoder, ready.
struct Lookup {
    items: Table,
    users: Option<Table>,
}

impl Encoder for Lookup {
    fn identity(&self) -> Identity {
        Identity::ById
    }

    fn encode(&self, entries: &[Entry<'_>], _progress: &dyn Progress) -> Result<Matrix, EncodeError> {
        self.items.of(entries)
    }

    fn find(&self, what: &str, entries: &[Entry<'_>]) -> Result<Matrix, EncodeError> {
        match (what, &self.users) {
            ("items", _) => self.items.of(entries),
            ("users", Some(users)) => users.of(entries),
            _ => {
                let problem =
                    format!("has vectors of items, and none of {what}; users_path names those of users");
                Err(bad(&self.items.path, problem))
            }
        }
    }
}

/// The vectors of one file.
struct Table {
    path: PathBuf,
    rows: Matrix,
    /// The row of each id; `None` where rows are in dense order.
    row_of: Option<BTreeMap<String, u32>>,
}

impl Table {
    /// One row an entry; zeros for those that the file does not have.
    fn of(&self, entries: &[Entry<'_>]) -> Result<Matrix, EncodeError> {
        let Some(row_of) = &self.row_of else {
            if self.rows.n_rows == entries.len() {
                return Ok(self.rows.clone());
            }
            let problem = format!(
                "has {} rows, must have {}, one for each of the dataset's ids; a list of ids may say to whom the rows \
                 belong",
                self.rows.n_rows,
                entries.len()
            );
            return Err(bad(&self.path, problem));
        };
        let mut vectors = Matrix::zeros(entries.len(), self.rows.n_cols);
        let mut n_known = 0;
        for (at, entry) in entries.iter().enumerate() {
            if let Some(&row) = row_of.get(entry.id) {
                vectors.row_mut(at).copy_from_slice(self.rows.row(row as usize));
                n_known += 1;
            }
        }
        if n_known == 0 {
            let first = row_of.keys().next().map_or("", String::as_str);
            let entry = entries.first().map_or("", |entry| entry.id);
            let problem = format!(
                "has no vector for any of the {} ids of the dataset, such as {entry:?}; it has ids such as {first:?}",
                entries.len()
            );
            return Err(bad(&self.path, problem));
        }
        Ok(vectors)
    }
}

/// The row of each id; refuses what is not one different id a row.
fn index(
    path: &Path,
    n_rows: usize,
    listed: &Path,
    ids: Vec<String>,
) -> Result<BTreeMap<String, u32>, EncodeError> {
    if ids.len() != n_rows {
        let problem =
            format!("has {} ids, must have {n_rows}, one for each row of {}", ids.len(), path.display());
        return Err(bad(listed, problem));
    }
    let mut row_of: BTreeMap<String, u32> = BTreeMap::new();
    for (row, id) in ids.into_iter().enumerate() {
        if let Some(first) = row_of.get(&id) {
            let problem = format!("row {}: id {id:?} stands in row {} already", row + 1, first + 1);
            return Err(bad(listed, problem));
        }
        row_of.insert(id, row as u32);
    }
    Ok(row_of)
}

/// The ids of a list, in its order.
fn read_ids(path: &Path) -> Result<Vec<String>, EncodeError> {
    let file = File::open(path).map_err(|source| io(path, source))?;
    match extension(path).as_str() {
        "csv" => csv_ids(path, file),
        "jsonl" => lines(path, file, json_id),
        _ => lines(path, file, |line| Ok(line.to_owned())),
    }
}

/// One id a line; empty lines are passed over.
fn lines(
    path: &Path,
    file: File,
    id_of: fn(&str) -> Result<String, String>,
) -> Result<Vec<String>, EncodeError> {
    let mut file = BufReader::new(file);
    let (mut ids, mut line) = (Vec::new(), Vec::new());
    for number in 1u64.. {
        line.clear();
        let complain = |problem: String| bad(path, format!("line {number}: {problem}"));
        let read = (&mut file).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        match read.map_err(|source| io(path, source))? as u64 {
            0 => break,
            LINE_BYTES_MAX => return Err(complain(format!("is longer than {LINE_BYTES_MAX} bytes"))),
            _ => {}
        }
        let text = std::str::from_utf8(&line).map_err(|_| complain("is not UTF-8".to_owned()))?.trim();
        if !text.is_empty() {
            ids.push(id_of(text).map_err(complain)?);
        }
    }
    Ok(ids)
}

/// The `"id"` of a line of JSON.
fn json_id(line: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Text(String),
        Number(i64),
    }
    #[derive(Deserialize)]
    struct Line {
        id: Id,
    }
    match serde_json::from_str(line) {
        Ok(Line { id: Id::Text(id) }) => Ok(id),
        Ok(Line { id: Id::Number(id) }) => Ok(id.to_string()),
        Err(error) => Err(format!("{error}; expected an object whose \"id\" is text or a whole number")),
    }
}

/// The column `id` of a CSV file, or the first where no column is called so.
fn csv_ids(path: &Path, file: File) -> Result<Vec<String>, EncodeError> {
    let reader =
        csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(Bounded::new(file));
    let (mut ids, mut column) = (Vec::new(), 0);
    let (mut rows, mut row) = (reader, csv::StringRecord::new());
    for number in 0u64.. {
        if !rows.read_record(&mut row).map_err(|error| bad(path, error.to_string()))? {
            break;
        }
        rows.get_mut().begin();
        let header = row.iter().position(|cell| cell.eq_ignore_ascii_case("id"));
        match (number, header) {
            (0, Some(at)) => column = at,
            _ => ids.push(row.get(column).unwrap_or_default().to_owned()),
        }
    }
    Ok(ids)
}

impl FileParams {
    /// The vectors and the ids of a Parquet file.
    fn parquet(&self, path: &Path) -> Result<(Matrix, Vec<String>), EncodeError> {
        let complain = |problem: String| bad(path, format!("cannot be read as Parquet: {problem}"));
        let file = File::open(path).map_err(|source| io(path, source))?;
        let file_bytes = file.metadata().map_err(|source| io(path, source))?.len();
        let open = || {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            check_size(builder.metadata(), file_bytes)?;
            builder.with_batch_size(1024).build()
        };
        let reader = guarded(open).map_err(|e| complain(e.to_string()))?;
        let (mut ids, mut width, mut data) = (Vec::new(), None, Vec::new());
        for batch in guarded_batches(reader) {
            let batch = batch.map_err(|error| complain(error.to_string()))?;
            let column = |name: &str| {
                let missing =
                    || bad(path, format!("has no column {name:?}; id_column and vector_column name them"));
                batch.column_by_name(name).ok_or_else(missing)
            };
            let (id, vector) = (column(&self.id_column)?, column(&self.vector_column)?);
            let expected = "text or whole numbers without nulls";
            ids.extend(columns::ids(id).ok_or_else(|| wrong_type(path, &self.id_column, id, expected))?);
            for row in 0..batch.num_rows() {
                let expected = "lists of numbers without nulls";
                let found = columns::list(vector, row)
                    .ok_or_else(|| wrong_type(path, &self.vector_column, vector, expected))?;
                let at = data.len() / width.unwrap_or(1).max(1) + 1;
                let n = *width.get_or_insert(found.len());
                if found.len() != n || data.len() + n > VALUES_MAX {
                    let problem = format!(
                        "row {at}: the vector has {} numbers, must have {n} like the first, and all together at most \
                         {VALUES_MAX}",
                        found.len()
                    );
                    return Err(bad(path, problem));
                }
                if let Some(x) = found.iter().find(|x| !(**x as f32).is_finite()) {
                    return Err(bad(path, format!("row {at}: the vector holds {x}, must be finite")));
                }
                data.extend(found.into_iter().map(|x| x as f32));
            }
        }
        Ok((Matrix::new(ids.len(), width.unwrap_or(0), data), ids))
    }
}

/// Where the ids of a `.npy` file's rows are written, and looked for where none are named.
pub fn ids_beside(path: &Path) -> PathBuf {
    path.with_extension(IDS_EXTENSION)
}

/// Writes vectors as `.npy` and the ids of its rows as the `.ids.jsonl` beside it, which is returned.
///
/// # Errors
/// When one of the files cannot be written.
///
/// # Panics
/// When there is not one row an id.
pub fn write(path: &Path, ids: &Vocabulary, vectors: &Matrix) -> Result<PathBuf, EncodeError> {
    assert_eq!(ids.len(), vectors.n_rows, "one row an id");
    let listed = ids_beside(path);
    let line = |id: &String| format!("{}\n", serde_json::json!({ "id": id }));
    let text: String = ids.all().iter().map(line).collect();
    model_file::write_matrix(path, vectors).map_err(of_model_file)?;
    files::write_whole(&listed, text.as_bytes()).map_err(|source| io(&listed, source))?;
    Ok(listed)
}

fn extension(path: &Path) -> String {
    path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn wrong_type(path: &Path, column: &str, found: &arrow_array::ArrayRef, expected: &str) -> EncodeError {
    let found = arrow_array::Array::data_type(found);
    bad(path, format!("column {column:?} holds {found}, or nulls, must hold {expected}"))
}

fn of_model_file(error: RecommendError) -> EncodeError {
    match error {
        RecommendError::Io { path, source } => EncodeError::Io { path, source },
        RecommendError::BadModel { path, problem } => EncodeError::BadFile { path, problem },
        other => EncodeError::Failed { encoder: "file".to_owned(), problem: other.to_string() },
    }
}

fn bad(path: &Path, problem: String) -> EncodeError {
    EncodeError::BadFile { path: path.to_owned(), problem }
}

fn io(path: &Path, source: std::io::Error) -> EncodeError {
    EncodeError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;

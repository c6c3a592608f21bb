//! Vectors from files, good and bad; the reference vectors where the real data are at hand.

use super::*;
use crate::progress::Quiet;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{ArrayRef, FixedSizeListArray, Int64Array, ListArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use std::sync::Arc;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn put(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).expect("written");
}

fn plan(toml: &str) -> Result<Box<dyn EncoderPlan>, String> {
    let table = toml.parse().expect("test TOML");
    FileVectors.check("encoders.x", &table).map_err(|complaint| complaint.to_string())
}

/// The vectors of these ids by a file encoder with these settings, started in this folder.
fn encode(dir: &Path, toml: &str, ids: &[&str]) -> Result<Matrix, String> {
    let encoder = plan(toml).expect("valid").start(dir).map_err(|error| error.to_string())?;
    let entries: Vec<Entry<'_>> = ids.iter().map(|&id| Entry { id, text: "" }).collect();
    encoder.encode(&entries, &Quiet).map_err(|error| error.to_string())
}

/// `a.npy` of three rows: [1, 2], [3, 4] and [5, 6].
fn three_rows(dir: &Path) {
    let rows = Matrix::new(3, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    model_file::write_matrix(&dir.join("a.npy"), &rows).expect("written");
}

fn parquet(dir: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(dir.join("a.parquet")).expect("made");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
}

fn lists(rows: &[&[f32]]) -> ArrayRef {
    let row = |row: &&[f32]| Some(row.iter().map(|&x| Some(x)).collect::<Vec<_>>());
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows.iter().map(row)))
}

#[test]
fn rows_are_found_by_id_in_every_form_of_list() {
    let dir = folder();
    three_rows(dir.path());
    put(
        dir.path(),
        "l.jsonl",
        "{\"id\": 7, \"text\": \"seven\"}\n{\"id\": \"b\"}\n\n{\"id\": \"unknown\"}\n",
    );
    put(dir.path(), "l.csv", "title,ID\n\"Seven, or so\",7\nB,b\nC,unknown\n");
    put(dir.path(), "plain.csv", "7\nb\nunknown\n");
    put(dir.path(), "l.txt", "7\r\nb\n unknown");
    for list in ["l.jsonl", "l.csv", "plain.csv", "l.txt"] {
        let found = encode(dir.path(), &format!("path = 'a.npy'\nids = '{list}'"), &["b", "missing", "7"]);
        assert_eq!(found.expect(list).data, [3.0, 4.0, 0.0, 0.0, 1.0, 2.0], "{list}");
    }
}

#[test]
fn without_ids_a_list_beside_the_file_counts_and_else_the_order_if_the_counts_agree() {
    let dir = folder();
    three_rows(dir.path());
    let encode = |ids: &[&str]| encode(dir.path(), "path = 'a.npy'", ids);
    assert_eq!(encode(&["x", "y", "z"]).expect("as many").row(2), [5.0, 6.0]);
    let told = encode(&["x", "y"]).expect_err("fewer");
    assert!(told.contains("a.npy: has 3 rows, must have 2") && told.contains("a list of ids"), "{told}");
    put(dir.path(), "a.ids.jsonl", "{\"id\": \"z\"}\n{\"id\": \"y\"}\n{\"id\": \"x\"}\n");
    assert_eq!(encode(&["x", "y"]).expect("by id").data, [5.0, 6.0, 3.0, 4.0]);
}

#[test]
fn users_have_a_file_of_their_own() {
    let dir = folder();
    three_rows(dir.path());
    let rows = Matrix::new(2, 1, vec![7.0, 8.0]);
    model_file::write_matrix(&dir.path().join("u.npy"), &rows).expect("written");
    put(dir.path(), "u.ids.jsonl", "{\"id\": \"x\"}\n{\"id\": \"y\"}\n");
    let find = |toml: &str, what: &str, ids: &[&str]| {
        let encoder = plan(toml).expect("valid").start(dir.path()).expect("read");
        let entries: Vec<Entry<'_>> = ids.iter().map(|&id| Entry { id, text: "" }).collect();
        encoder.find(what, &entries).map_err(|error| error.to_string())
    };
    let both = "path = 'a.npy'\nusers_path = 'u.npy'";
    assert_eq!(find(both, "users", &["y", "z"]).expect("known").data, [8.0, 0.0]);
    assert_eq!(find(both, "items", &["x", "y", "z"]).expect("known").row(1), [3.0, 4.0]);
    let told = find("path = 'a.npy'", "users", &["x", "y", "z"]).expect_err("none of users");
    assert!(told.contains("a.npy: has vectors of items, and none of users; users_path"), "{told}");
}

#[test]
fn what_is_written_is_read_again() {
    let dir = folder();
    let mut ids = Vocabulary::new();
    for id in ["2", "a \"quoted\" id", "10"] {
        ids.intern(id);
    }
    let vectors = Matrix::new(3, 2, vec![0.5, -1.0, 0.0, 0.0, 3.0, f32::MIN_POSITIVE]);
    let listed = write(&dir.path().join("v.npy"), &ids, &vectors).expect("written");
    assert_eq!(listed, dir.path().join("v.ids.jsonl"));
    let found = encode(dir.path(), "path = 'v.npy'", &["2", "a \"quoted\" id", "10"]);
    assert_eq!(found.expect("read"), vectors);
}

#[test]
fn lists_that_do_not_fit_are_told_by_file_and_row() {
    let dir = folder();
    three_rows(dir.path());
    for (name, text, expected) in [
        ("l.jsonl", "{\"id\": 1}\n{\"id\": 2}\n", "l.jsonl: has 2 ids, must have 3, one for each row of"),
        ("l.jsonl", "{\"id\": 1}\n{\"id\": 2}\n{\"id\": 1}\n", "row 3: id \"1\" stands in row 1 already"),
        ("l.jsonl", "{\"id\": 1}\n{\"id\": 2.5}\n", "l.jsonl: line 2: "),
        ("l.jsonl", "{\"item\": 1}\n", "line 1: missing field `id`"),
        ("l.jsonl", "{\"id\": 1", "line 1: EOF"),
        ("l.csv", "id,title\n1,a\n2\n", "l.csv: "),
        ("l.txt", "a\nb\n", "l.txt: has 2 ids"),
        ("l.txt", "x\ny\nz\n", "has no vector for any of the 1 ids of the dataset, such as \"1\"; it has"),
    ] {
        put(dir.path(), name, text);
        let told = encode(dir.path(), &format!("path = 'a.npy'\nids = '{name}'"), &["1"]);
        let told = told.expect_err("refused");
        assert!(told.contains(expected), "{text:?}: {told}");
    }
    std::fs::write(dir.path().join("l.txt"), b"a\nb\n\xff\n").expect("written");
    let told = encode(dir.path(), "path = 'a.npy'\nids = 'l.txt'", &["a"]).expect_err("refused");
    assert!(told.contains("line 3: is not UTF-8"), "{told}");
    let told = encode(dir.path(), "path = 'a.npy'\nids = 'none.txt'", &["a"]).expect_err("refused");
    assert!(told.contains("none.txt"), "{told}");
    put(dir.path(), "b.npy", "\u{93}NUMPY");
    assert!(encode(dir.path(), "path = 'b.npy'", &["a"]).expect_err("refused").contains("b.npy"));
    let rows = Matrix::zeros(2, 0);
    model_file::write_matrix(&dir.path().join("b.npy"), &rows).expect("written");
    assert!(encode(dir.path(), "path = 'b.npy'", &["a"]).expect_err("refused").contains("shape [2, 0]"));
}

#[test]
fn parquet_of_every_kind_of_list_is_read() {
    let dir = folder();
    let rows = [vec![1.0, 2.0], vec![3.0, 4.0]];
    let cells = || rows.iter().map(|row| Some(row.iter().map(|&x| Some(x)).collect::<Vec<Option<f64>>>()));
    let half = cells().map(|row| {
        let to_half =
            |x: Option<f64>| x.map(<Float16Type as arrow_array::ArrowPrimitiveType>::Native::from_f64);
        row.map(|row| row.into_iter().map(to_half).collect::<Vec<_>>())
    });
    let kinds: [ArrayRef; 4] = [
        lists(&[&[1.0, 2.0], &[3.0, 4.0]]),
        Arc::new(arrow_array::LargeListArray::from_iter_primitive::<Float64Type, _, _>(cells())),
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(cells(), 2)),
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float16Type, _, _>(half, 2)),
    ];
    for vectors in kinds {
        let ids = Arc::new(Int64Array::from(vec![7, 8]));
        parquet(dir.path(), vec![("asin", ids), ("embedding", vectors)]);
        let toml = "path = 'a.parquet'\nid_column = 'asin'\nvector_column = 'embedding'";
        let found = encode(dir.path(), toml, &["8", "9", "7"]).expect("read");
        assert_eq!(found.data, [3.0, 4.0, 0.0, 0.0, 1.0, 2.0]);
    }
}

#[test]
fn parquet_that_does_not_fit_is_told_by_column_and_row() {
    let dir = folder();
    let ids = || Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef;
    let told = || encode(dir.path(), "path = 'a.parquet'", &["a"]).expect_err("refused");
    parquet(dir.path(), vec![("id", ids()), ("vectors", lists(&[&[1.0], &[2.0]]))]);
    assert!(told().contains("a.parquet: has no column \"vector\""), "{}", told());
    parquet(dir.path(), vec![("id", ids()), ("vector", lists(&[&[1.0, 2.0], &[2.0]]))]);
    assert!(told().contains("row 2: the vector has 1 numbers, must have 2 like the first"), "{}", told());
    parquet(dir.path(), vec![("id", ids()), ("vector", lists(&[&[1.0], &[f32::NAN]]))]);
    assert!(told().contains("row 2: the vector holds NaN, must be finite"), "{}", told());
    parquet(dir.path(), vec![("id", ids()), ("vector", ids())]);
    assert!(
        told().contains("column \"vector\" holds Utf8, or nulls, must hold lists of numbers"),
        "{}",
        told()
    );
    let nulls = ListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(1.0)]), None]);
    parquet(dir.path(), vec![("id", ids()), ("vector", Arc::new(nulls))]);
    assert!(told().contains("must hold lists of numbers without nulls"), "{}", told());
    let twice = Arc::new(StringArray::from(vec!["a", "a"]));
    parquet(dir.path(), vec![("id", twice), ("vector", lists(&[&[1.0], &[2.0]]))]);
    assert!(told().contains("row 2: id \"a\" stands in row 1 already"), "{}", told());
    let whole = std::fs::read(dir.path().join("a.parquet")).expect("read");
    for len in (0..whole.len()).step_by(7) {
        std::fs::write(dir.path().join("a.parquet"), &whole[..len]).expect("written");
        assert!(told().contains("a.parquet: cannot be read as Parquet"), "{len}: {}", told());
    }
}

#[test]
fn settings_say_what_is_missing_or_does_not_go_together() {
    let told = |toml: &str| plan(toml).err().unwrap_or_default();
    assert!(told("").starts_with("encoders.x.path is missing"), "{}", told(""));
    let other = told("path = 'a.pt'");
    assert!(other.contains("encoders.x.path is \"a.pt\", must be a file that ends in .npy"), "{other}");
    let ids = told("path = 'a.parquet'\nids = 'b.txt'");
    assert!(ids.contains("encoders.x.ids is \"b.txt\", must be absent"), "{ids}");
    let users = told("path = 'a.npy'\nusers_ids = 'b.txt'");
    assert!(users.starts_with("encoders.x.users_path is missing"), "{users}");
    let users = told("path = 'a.npy'\nusers_path = 'b.parquet'\nusers_ids = 'b.txt'");
    assert!(users.contains("encoders.x.users_ids is \"b.txt\", must be absent"), "{users}");
}

/// all-MiniLM-L6-v2 over the titles and genres of MovieLens-1M, as its reference implementation gives them.
#[test]
fn the_reference_vectors_are_read() {
    let base = std::env::var("WINDTUNNEL_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").to_owned());
    let dir = Path::new(&base).join("minilm/ref");
    if !dir.exists() {
        eprintln!("SKIPPED: {} is not there; set WINDTUNNEL_DATA to the folder of real data", dir.display());
        return;
    }
    let toml = "path = 'ml1m_title_genres.f16.npy'\nids = 'ml1m_title_genres.texts.jsonl'";
    // Toy Story, Toy Story 2 and Psycho.
    let found = encode(&dir, toml, &["1", "3114", "no film", "1219"]).expect("read");
    assert_eq!((found.n_rows, found.n_cols), (4, 384));
    let dot = |a: usize, b: usize| crate::recommender::dense::dot(found.row(a), found.row(b));
    for film in [0, 1, 3] {
        assert!((dot(film, film) - 1.0).abs() < 2e-3, "{}", dot(film, film));
    }
    assert_eq!(dot(2, 2), 0.0);
    assert!(dot(0, 1) > 0.7 && dot(0, 1) > dot(0, 3) + 0.3, "{} {}", dot(0, 1), dot(0, 3));
}

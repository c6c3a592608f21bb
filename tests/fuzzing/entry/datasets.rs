//! Dataset sources. A file `params.toml` among the files sets parameters, but for paths.

use super::archive::{Folder, split};
use super::words;
use windtunnel::dataset::{self, Dataset, LoadContext};
use windtunnel::progress::Quiet;
use windtunnel::rng::Streams;

/// Reads a folder of MovieLens data in whatever form the names of its files say.
pub fn movielens(data: &[u8]) {
    read("movielens", data, "ratings.dat", "");
}

/// Reads the files of Agent4Rec.
pub fn agent4rec(data: &[u8]) {
    read("agent4rec", data, "cf_data/train.txt", "");
}

/// Reads the matrices of Coat Shopping.
pub fn coat(data: &[u8]) {
    read("coat", data, "train.ascii", "");
}

/// Reads the ratings of Jester.
pub fn jester(data: &[u8]) {
    read("jester", data, "ratings.csv", "");
}

/// Reads a file of sequences, and a table of items where there is one.
pub fn sequences(data: &[u8]) {
    read("sequences", data, "data", "path = 'data'\nitems = { path = 'items', title = 2 }");
}

/// Reads a delimited file, and a table of items where there is one.
pub fn csv(data: &[u8]) {
    let columns =
        "rating = 3\ntimestamp = 4\nuser = 1\nitem = 2\nitems = { path = 'items', id = 1, title = 2 }";
    read("csv", data, "data", &format!("path = 'data'\n{columns}"));
}

/// Reads with both rules for bad rows; with the parameters given, then with those of the input.
fn read(source: &str, data: &[u8], first: &str, params: &str) {
    let files = split(data, first);
    let folder = Folder::with(&files);
    for rule in ["error", "skip"] {
        let mut table: toml::Table = params.parse().expect("TOML");
        if let Some(given) = given(&files) {
            table.extend(given);
        }
        if matches!(source, "agent4rec" | "csv" | "movielens" | "sequences") {
            table.insert("on_bad_row".to_owned(), rule.into());
        }
        if !files.iter().any(|(name, _)| *name == "items") {
            table.remove("items");
        }
        let has_path = table.contains_key("path");
        if !has_path {
            table.insert("path".to_owned(), ".".into());
        }
        load(source, &table, &folder);
    }
}

/// Parameters that the input gives, none of which may name a file elsewhere.
fn given(files: &[(&str, &[u8])]) -> Option<toml::Table> {
    let (_, bytes) = files.iter().find(|(name, _)| *name == "params.toml")?;
    let mut table: toml::Table = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    for path in ["path", "ratings", "summaries", "jokes"] {
        table.remove(path);
    }
    if let Some(items) = table.get_mut("items").and_then(toml::Value::as_table_mut) {
        items.insert("path".to_owned(), "items".into());
    }
    Some(table)
}

fn load(source: &str, table: &toml::Table, folder: &Folder) {
    let kind = dataset::kind(source).expect("a source of this name");
    let source = match kind.check("dataset", table) {
        Ok(source) => source,
        Err(complaint) => return drop(words(&complaint)),
    };
    let context = LoadContext { base_dir: folder.path(), streams: Streams::new(1), progress: &Quiet };
    match source.load(&context) {
        Ok(data) => hold(&data),
        Err(error) => {
            let told = words(&error);
            assert!(!told.contains('\n'), "an error of one line, found {told:?}");
        }
    }
}

/// Holds what was read to the invariants of a dataset.
fn hold(data: &Dataset) {
    assert!(data.interactions.is_sorted_by(|a, b| (a.user, a.order, a.item) < (b.user, b.order, b.item)));
    let (n_users, n_items) = (data.n_users(), data.n_items());
    assert!(data.interactions.iter().all(|x| x.user.idx() < n_users && x.item.idx() < n_items));
    assert!(data.interactions.iter().all(|x| x.rating.is_finite()));
    assert_eq!(data.catalogue.len(), n_items);
    assert_eq!(data.all().len(), data.interactions.len(), "no repeated pair");
    if let Some(truth) = &data.observed {
        assert_eq!((truth.matrix.n_rows, truth.matrix.n_cols), (n_users, n_items));
    }
    if let Some(personas) = &data.published_personas {
        assert_eq!(personas.len(), n_users);
    }
    let _ = dataset::describe::describe(data).to_string();
    let _ = data.content_hash();
}

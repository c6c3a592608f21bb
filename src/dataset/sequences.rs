//! A file of sequences, as sequential recommenders keep them: a line a user, `user item item …`, oldest
//! first, between blanks; and beside it perhaps a table of items. Interactions carry no ratings.
//! Must not know any particular dataset.

use super::assemble::Assembly;
use super::csv::ItemParams;
use super::movielens::require_path;
use super::rows::{BadCell, OnBadRow, Rows};
use super::{Dataset, DatasetError, LoadContext, Source, SourceKind, ratings};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `source = "sequences"`.
pub struct Sequences;

/// Where the files are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The file of sequences.
    path: PathBuf,
    /// A file that tells about items, as for `csv`.
    #[serde(default)]
    items: Option<ItemParams>,
    /// What to do with a malformed row.
    #[serde(default)]
    on_bad_row: OnBadRow,
}

impl SourceKind for Sequences {
    fn name(&self) -> &'static str {
        "sequences"
    }

    fn about(&self) -> &'static str {
        "a line a user, `user item item …`, oldest first, with an optional file of items"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Source>, Complaint> {
        require_path(at, table, "the file of sequences")?;
        if let Some(toml::Value::Table(items)) = table.get("items") {
            ItemParams::checked(&format!("{at}.items"), items)?;
        }
        Ok(Box::new(params::parse::<Params>(at, table)?))
    }
}

impl Source for Params {
    fn load(&self, context: &LoadContext<'_>) -> Result<Dataset, DatasetError> {
        let path = context.base_dir.join(&self.path);
        let mut assembly = Assembly::default();
        let mut file = Rows::open(&path)?;
        context.progress.begin("reading sequences", 0);
        while let Some(row) = file.next()? {
            if let Err(bad) = read_sequence(row, &mut assembly) {
                self.on_bad_row.settle(*bad, file.path(), file.line(), &mut assembly.report)?;
            }
        }
        context.progress.end();
        if let Some(items) = &self.items {
            items.read(&context.base_dir.join(&items.path), self.on_bad_row, &mut assembly)?;
        }
        assembly.finish("sequences", &path, None)
    }
}

/// Takes in one user's sequence, whole or not at all. Of an item that comes again the last time counts.
fn read_sequence(row: &[u8], assembly: &mut Assembly) -> Result<(), Box<BadCell>> {
    let cells = || row.split(u8::is_ascii_whitespace).filter(|cell| !cell.is_empty()).enumerate();
    let what = |column| if column == 0 { "a user id" } else { "an item id" };
    if let Some((column, cell)) = cells().find(|(_, cell)| std::str::from_utf8(cell).is_err()) {
        return Err(BadCell::new(column, cell, what(column)));
    }
    if cells().count() == 1 {
        return Err(BadCell::new(1, b"", "an item id after the user's"));
    }
    let mut user = None;
    for (column, cell) in cells() {
        let table = if column == 0 { &mut assembly.users } else { &mut assembly.items };
        let number = table.intern(cell).ok_or_else(|| ratings::bad_id((column, cell), what(column)))?;
        match user {
            None => user = Some(number),
            Some(user) => {
                assembly.report.n_rows += 1;
                assembly.interaction(user, number, 1.0, column as i64);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Quiet;
    use crate::rng::Streams;
    use std::path::Path;

    fn load(dir: &Path, toml: &str) -> Result<Dataset, DatasetError> {
        let source = Sequences.check("dataset", &toml.parse().expect("test TOML")).expect("valid");
        source.load(&LoadContext { base_dir: dir, streams: Streams::new(1), progress: &Quiet })
    }

    #[test]
    fn lines_become_interactions_in_their_order_with_the_texts_of_the_items() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("s.txt"), "1 30 7 9\n\n2 9 30\n").expect("written");
        std::fs::write(
            dir.path().join("i.tsv"),
            "item_id\ttitle\tcategories\n7\tSoap\tBath|Hand\n9\tComb\t\n",
        )
        .expect("written");
        let toml = "path = \"s.txt\"\n[items]\npath = \"i.tsv\"\ndelimiter = \"\\t\"\ntitle = \"title\"\ngenres = \"categories\"";
        let dataset = load(dir.path(), toml).expect("read");
        let raw: Vec<(&str, &str)> = dataset
            .interactions
            .iter()
            .map(|x| (dataset.users.raw(x.user.0), dataset.items.raw(x.item.0)))
            .collect();
        assert_eq!(raw, [("1", "30"), ("1", "7"), ("1", "9"), ("2", "9"), ("2", "30")]);
        let soap = dataset.items.get("7").expect("an item") as usize;
        assert_eq!(dataset.catalogue[soap].title, "Soap");
        assert_eq!(dataset.genres.all(), ["Bath", "Hand"]);
        assert_eq!((dataset.rating_range, dataset.load_report.n_unknown_items), (None, 1));
    }

    #[test]
    fn a_bad_line_is_told_with_its_place() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("s.txt"), "1 2 3\n4\n").expect("written");
        let told = load(dir.path(), "path = \"s.txt\"").expect_err("no items").to_string();
        assert!(told.contains("s.txt:2:2") && told.contains("an item id"), "{told}");
        let skipped = load(dir.path(), "path = \"s.txt\"\non_bad_row = \"skip\"").expect("read");
        assert_eq!((skipped.n_users(), skipped.load_report.n_skipped), (1, 1));
    }
}

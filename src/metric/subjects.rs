//! `items.csv` and `agents.csv`: the catalogue and the population as a run folder keeps them,
//! so that metrics and reports need nothing else. Must not know datasets or worlds.

use super::{AgentRecord, Catalogue, CatalogueItem, Population};
use crate::files;
use crate::id::GenreId;
use crate::intake::records::Bounded;
use std::path::{Path, PathBuf};

/// Why the tables could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SubjectsError {
    /// The file could not be opened or written.
    #[error("cannot access {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A cell is not what it should be.
    #[error("{path}:{line}: {column} is {value:?}, expected {expected}")]
    BadCell {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Which column.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
}

const ITEM_COLUMNS: [&str; 5] = ["item", "title", "genres", "n_train", "mean_rating"];
const AGENT_COLUMNS: [&str; 10] = [
    "user",
    "persona",
    "activity",
    "diversity",
    "conformity",
    "n_train",
    "n_held_out",
    "mean_popularity",
    "genre_shares",
    "popularity_shares",
];

/// Writes `items.csv`; genres are separated by `|`, a mean rating that there is not is empty.
pub fn write_catalogue(path: &Path, catalogue: &Catalogue) -> Result<(), SubjectsError> {
    let mut table = Table::new(&ITEM_COLUMNS);
    for item in &catalogue.items {
        let genres: Vec<&str> = item.genres.iter().map(|g| catalogue.genres[g.idx()].as_str()).collect();
        let mean_rating = item.mean_rating.map(|rating| rating.to_string()).unwrap_or_default();
        let n_train = item.n_train.to_string();
        table.row(&[&item.raw_id, &item.title, &genres.join("|"), &n_train, &mean_rating]);
    }
    table.write(path)
}

/// Writes `agents.csv`; shares are separated by `;`: of genres in the order of the manifest, of head, middle and tail.
pub fn write_population(path: &Path, population: &Population) -> Result<(), SubjectsError> {
    let mut table = Table::new(&AGENT_COLUMNS);
    for agent in &population.agents {
        let joined = |shares: &[f32]| shares.iter().map(f32::to_string).collect::<Vec<String>>().join(";");
        table.row(&[
            &agent.raw_id,
            &agent.persona,
            &agent.activity.to_string(),
            &agent.diversity.to_string(),
            &agent.conformity.to_string(),
            &agent.n_train.to_string(),
            &agent.n_held_out.to_string(),
            &agent.mean_popularity.to_string(),
            &joined(&agent.genre_shares),
            &joined(&agent.popularity_shares),
        ]);
    }
    table.write(path)
}

/// Reads `items.csv`. `genres` are the names in `GenreId` order (from the manifest), since the
/// file names only genres that occur.
pub fn read_catalogue(
    path: &Path,
    genres: Vec<String>,
    n_train_users: u32,
) -> Result<Catalogue, SubjectsError> {
    let mut items = Vec::new();
    for_each_row(path, &ITEM_COLUMNS, |row| {
        let mut ids = Vec::new();
        for name in row.text(2).split('|').filter(|name| !name.is_empty()) {
            let known = genres.iter().position(|genre| genre == name);
            let idx = known.ok_or_else(|| row.bad(2, "genres that manifest.json names"))?;
            ids.push(GenreId(idx as u16));
        }
        items.push(CatalogueItem {
            raw_id: row.text(0).to_owned(),
            title: row.text(1).to_owned(),
            genres: ids,
            n_train: row.number(3, "a count")?,
            mean_rating: if row.text(4).is_empty() { None } else { Some(row.number(4, "a rating")?) },
        });
        Ok(())
    })?;
    Ok(Catalogue { genres, items, n_train_users })
}

/// Reads `agents.csv`.
pub fn read_population(path: &Path) -> Result<Population, SubjectsError> {
    let mut agents = Vec::new();
    for_each_row(path, &AGENT_COLUMNS, |row| {
        let shares = |column: usize| -> Result<Vec<f32>, SubjectsError> {
            let shares = row.text(column).split(';').filter(|s| !s.is_empty()).map(str::parse);
            shares.collect::<Result<_, _>>().map_err(|_| row.bad(column, "numbers separated by ;"))
        };
        agents.push(AgentRecord {
            raw_id: row.text(0).to_owned(),
            persona: row.text(1).to_owned(),
            activity: row.number(2, "a tier 1..=3")?,
            diversity: row.number(3, "a tier 1..=3")?,
            conformity: row.number(4, "a tier 1..=3")?,
            n_train: row.number(5, "a count")?,
            n_held_out: row.number(6, "a count")?,
            mean_popularity: row.number(7, "a number")?,
            genre_shares: shares(8)?,
            popularity_shares: shares(9)?
                .try_into()
                .map_err(|_| row.bad(9, "three numbers separated by ;"))?,
        });
        Ok(())
    })?;
    Ok(Population { agents })
}

/// Whether the header is that of `items.csv` before it held mean ratings.
fn is_older(header: &csv::StringRecord, columns: &[&'static str]) -> bool {
    columns == ITEM_COLUMNS && header.iter().eq(ITEM_COLUMNS[..4].iter().copied())
}

/// A CSV table in memory.
struct Table(csv::Writer<Vec<u8>>);

impl Table {
    fn new(header: &[&str]) -> Self {
        let mut table = Table(csv::Writer::from_writer(Vec::new()));
        table.row(header);
        table
    }

    fn row(&mut self, cells: &[&str]) {
        self.0.write_record(cells).expect("a write to memory with a fixed number of cells");
    }

    fn write(self, path: &Path) -> Result<(), SubjectsError> {
        let bytes = self.0.into_inner().map_err(|error| error.into_error());
        bytes
            .and_then(|bytes| files::write_whole(path, &bytes))
            .map_err(|source| SubjectsError::Io { path: path.to_owned(), source })
    }
}

/// One row being read.
struct Row<'a> {
    path: &'a Path,
    columns: &'a [&'static str],
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or("")
    }

    fn number<T: std::str::FromStr>(
        &self,
        column: usize,
        expected: &'static str,
    ) -> Result<T, SubjectsError> {
        self.text(column).parse().map_err(|_| self.bad(column, expected))
    }

    fn bad(&self, column: usize, expected: &'static str) -> SubjectsError {
        SubjectsError::BadCell {
            path: self.path.to_owned(),
            line: self.record.position().map_or(0, csv::Position::line),
            column: self.columns[column],
            value: self.text(column).to_owned(),
            expected,
        }
    }
}

fn for_each_row(
    path: &Path,
    columns: &[&'static str],
    mut take: impl FnMut(&Row<'_>) -> Result<(), SubjectsError>,
) -> Result<(), SubjectsError> {
    let io = |source: std::io::Error| SubjectsError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut reader = csv::ReaderBuilder::new().from_reader(Bounded::new(file));
    let header = reader.headers().map_err(|e| io(std::io::Error::other(e)))?.clone();
    if !header.iter().eq(columns.iter().copied()) && !is_older(&header, columns) {
        let row = Row { path, columns, record: &header };
        return Err(row.bad(0, "the header of this version"));
    }
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| io(std::io::Error::other(e)))? {
        reader.get_mut().begin();
        take(&Row { path, columns, record: &record })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let catalogue = Catalogue {
            genres: vec!["Drama".into(), "War".into()],
            items: vec![CatalogueItem {
                raw_id: "a,1".into(),
                title: "The \"Harbour\", again".into(),
                genres: vec![GenreId(0), GenreId(1)],
                n_train: 3,
                mean_rating: Some(3.333_333_3),
            }],
            n_train_users: 9,
        };
        let path = dir.path().join("items.csv");
        write_catalogue(&path, &catalogue).expect("written");
        assert_eq!(read_catalogue(&path, catalogue.genres.clone(), 9).expect("read"), catalogue);
        let population = Population {
            agents: vec![AgentRecord {
                raw_id: "1~1".into(),
                persona: "1".into(),
                activity: 1,
                diversity: 2,
                conformity: 3,
                n_train: 4,
                n_held_out: 5,
                genre_shares: vec![0.1, 0.9],
                mean_popularity: 0.333_333_34,
                popularity_shares: [0.25, 0.5, 0.25],
            }],
        };
        let path = dir.path().join("agents.csv");
        write_population(&path, &population).expect("written");
        assert_eq!(read_population(&path).expect("read"), population);
    }

    #[test]
    fn items_without_a_mean_rating_are_read_too() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("items.csv");
        let of = |text: &str| {
            std::fs::write(&path, text).expect("written");
            read_catalogue(&path, vec![], 1).map(|read| read.items[0].mean_rating)
        };
        assert_eq!(of("item,title,genres,n_train\n1,x,,2\n").expect("an older folder"), None);
        assert_eq!(of("item,title,genres,n_train,mean_rating\n1,x,,2,\n").expect("nobody's"), None);
        assert_eq!(of("item,title,genres,n_train,mean_rating\n1,x,,2,4.5\n").expect("rated"), Some(4.5));
        assert!(of("item,title,genres,n_train,mean_rating\n1,x,,2,good\n").is_err());
    }

    #[test]
    fn a_spoilt_cell_is_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("items.csv");
        std::fs::write(&path, "item,title,genres,n_train\n1,x,Drama,many\n").expect("written");
        let error = read_catalogue(&path, vec!["Drama".into()], 1).unwrap_err().to_string();
        assert!(error.ends_with("items.csv:2: n_train is \"many\", expected a count"), "{error}");
    }
}

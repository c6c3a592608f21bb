//! `items.csv`, `people.csv` and `agents.csv`: the catalogue and the population as a run folder keeps them,
//! so that metrics and reports need nothing else. Must not know datasets or worlds.

use super::{Catalogue, CatalogueItem, PersonRecord, Population};
use crate::files;
use crate::id::{AgentId, GenreId};
use crate::intake::records::Bounded;
use std::collections::{HashMap, HashSet};
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
const PERSON_COLUMNS: [&str; 6] =
    ["persona", "n_train", "n_held_out", "mean_popularity", "genre_shares", "popularity_shares"];
const AGENT_COLUMNS: [&str; 5] = ["user", "persona", "activity", "diversity", "conformity"];

/// Writes `items.csv`; genres are separated by `|`, a mean rating that there is not is empty.
pub fn write_catalogue(path: &Path, catalogue: &Catalogue) -> Result<(), SubjectsError> {
    write_table(path, &ITEM_COLUMNS, |row| {
        catalogue.items.iter().try_for_each(|item| {
            let genres: Vec<&str> = item.genres.iter().map(|g| catalogue.genres[g.idx()].as_str()).collect();
            let mean_rating = item.mean_rating.map(|rating| rating.to_string()).unwrap_or_default();
            let n_train = item.n_train.to_string();
            row(&[&item.raw_id, &item.title, &genres.join("|"), &n_train, &mean_rating])
        })
    })
}

/// Writes `people.csv`; shares are separated by `;`: of genres in the order of the manifest, of head, middle and tail.
pub fn write_people(path: &Path, population: &Population) -> Result<(), SubjectsError> {
    let joined = |shares: &[f32]| shares.iter().map(f32::to_string).collect::<Vec<String>>().join(";");
    write_table(path, &PERSON_COLUMNS, |row| {
        population.people().iter().try_for_each(|person| {
            row(&[
                &person.raw_id,
                &person.n_train.to_string(),
                &person.n_held_out.to_string(),
                &person.mean_popularity.to_string(),
                &joined(&person.genre_shares),
                &joined(&person.popularity_shares),
            ])
        })
    })
}

/// Writes `agents.csv`.
pub fn write_agents(path: &Path, population: &Population) -> Result<(), SubjectsError> {
    let tier = |tier: u8| ["0", "1", "2", "3"].get(usize::from(tier)).copied().unwrap_or("0");
    write_table(path, &AGENT_COLUMNS, |row| {
        population.iter().try_for_each(|agent| {
            let tiers = [agent.activity(), agent.diversity(), agent.conformity()].map(tier);
            row(&[&agent.raw_id(), &agent.person.raw_id, tiers[0], tiers[1], tiers[2]])
        })
    })
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

/// Reads `people.csv` and `agents.csv` of a run folder.
pub fn read_population(run_dir: &Path) -> Result<Population, SubjectsError> {
    let (people, agents) = (&run_dir.join("people.csv"), &run_dir.join("agents.csv"));
    let mut population = Population::of_people(read_people(people)?);
    let place: HashMap<String, usize> =
        population.people().iter().enumerate().map(|(k, person)| (person.raw_id.clone(), k)).collect();
    for_each_row(agents, &AGENT_COLUMNS, |row| {
        let person = *place.get(row.text(1)).ok_or_else(|| row.bad(1, "a persona of people.csv"))?;
        if !population.is_next(person) {
            return Err(row.bad(1, "agents round after round, in each round in the order of people.csv"));
        }
        let tier = |column: usize| {
            let tier: u8 = row.number(column, "a tier 1..=3")?;
            if tier > 3 { Err(row.bad(column, "a tier 1..=3")) } else { Ok(tier) }
        };
        population.push(person, [tier(2)?, tier(3)?, tier(4)?]);
        let last = AgentId(population.len() as u32 - 1);
        if population.agent(last).raw_id() != row.text(0) {
            return Err(row.bad(0, "the persona, with ~K behind it for its K-th further agent"));
        }
        Ok(())
    })?;
    if population.len() < population.people().len() {
        let value = format!("{} agents of {} people", population.len(), population.people().len());
        let (line, column, expected) = (0, AGENT_COLUMNS[0], "an agent of every person");
        return Err(SubjectsError::BadCell { path: agents.to_owned(), line, column, value, expected });
    }
    Ok(population)
}

fn read_people(path: &Path) -> Result<Vec<PersonRecord>, SubjectsError> {
    let mut people = Vec::new();
    let mut known = HashSet::new();
    for_each_row(path, &PERSON_COLUMNS, |row| {
        let shares = |column: usize| -> Result<Vec<f32>, SubjectsError> {
            let shares = row.text(column).split(';').filter(|s| !s.is_empty()).map(str::parse);
            shares.collect::<Result<_, _>>().map_err(|_| row.bad(column, "numbers separated by ;"))
        };
        if !known.insert(row.text(0).to_owned()) {
            return Err(row.bad(0, "everybody once"));
        }
        people.push(PersonRecord {
            raw_id: row.text(0).to_owned(),
            n_train: row.number(1, "a count")?,
            n_held_out: row.number(2, "a count")?,
            mean_popularity: row.number(3, "a number")?,
            genre_shares: shares(4)?,
            popularity_shares: shares(5)?
                .try_into()
                .map_err(|_| row.bad(5, "three numbers separated by ;"))?,
        });
        Ok(())
    })?;
    Ok(people)
}

/// Whether the header is that of `items.csv` before it held mean ratings.
fn is_older(header: &csv::StringRecord, columns: &[&'static str]) -> bool {
    columns == ITEM_COLUMNS && header.iter().eq(ITEM_COLUMNS[..4].iter().copied())
}

/// Takes one row of a table.
type TakeRow<'a> = dyn FnMut(&[&str]) -> Result<(), csv::Error> + 'a;

/// Writes a CSV table row by row: the file appears whole or not at all.
fn write_table(
    path: &Path,
    header: &[&str],
    rows: impl FnOnce(&mut TakeRow<'_>) -> Result<(), csv::Error>,
) -> Result<(), SubjectsError> {
    let filled = files::write_with(path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(header)?;
        rows(&mut |cells| writer.write_record(cells))?;
        writer.flush()
    });
    filled.map_err(|source| SubjectsError::Io { path: path.to_owned(), source })
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
        let person = |raw_id: &str, n_train: u32| PersonRecord {
            raw_id: raw_id.to_owned(),
            n_train,
            n_held_out: 5,
            genre_shares: vec![0.1, 0.9],
            mean_popularity: 0.333_333_34,
            popularity_shares: [0.25, 0.5, 0.25],
        };
        let mut population = Population::of_people(vec![person("a,1", 4), person("b~", 0)]);
        [(0, [1, 2, 3]), (1, [3, 2, 1]), (1, [2, 2, 2])].into_iter().for_each(|(k, t)| population.push(k, t));
        let (people, agents) = (dir.path().join("people.csv"), dir.path().join("agents.csv"));
        write_people(&people, &population).expect("written");
        write_agents(&agents, &population).expect("written");
        assert_eq!(read_population(dir.path()).expect("read"), population);
        let whole = std::fs::read_to_string(&agents).expect("text");
        for (from, to, told) in [
            ("b~~~1,b~", "b~~~2,b~", "user is \"b~~~2\""),
            ("b~~~1,b~", "c,c", "persona is \"c\", expected a persona of people.csv"),
            ("b~,b~,3", "b~,b~,7", "activity is \"7\""),
            ("b~,b~,3,2,1\n", "", "user is \"b~~~1\""),
        ] {
            std::fs::write(&agents, whole.replace(from, to)).expect("written");
            let error = read_population(dir.path()).map(|_| ()).expect_err(to).to_string();
            assert!(error.contains(told), "{error}");
        }
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

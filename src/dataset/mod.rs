//! What is known: users, items, interactions, texts, in one canonical form.
//!
//! A [`Source`] reads files (or invents a world) into a [`Dataset`]; [`split`] cuts its
//! interactions into train, validation and test. Nothing here may know recommenders,
//! agents or metrics.

pub mod agent4rec;
pub mod coat;
pub mod csv;
pub mod jester;
pub mod movielens;
pub mod sequences;
pub mod synthetic;

pub mod split;

pub mod describe;
pub mod fetch;

pub mod observed;
pub mod popularity;
pub mod profiles;
pub mod sparse;

mod assemble;
mod hash;
mod ratings;
mod rows;
mod table;

use crate::id::{GenreId, ItemId, UserId};
use crate::progress::Progress;
use crate::rng::Streams;
use crate::scenario::params::Complaint;
use crate::stop::Stopped;
use sparse::Csr;
use std::path::{Path, PathBuf};

/// One observed interaction of a user with an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interaction {
    /// Who.
    pub user: UserId,
    /// What.
    pub item: ItemId,
    /// The rating on the dataset's own scale; 1.0 where only the fact of interaction is known.
    pub rating: f32,
    /// Seconds since the epoch, or any integer that grows with time within a user.
    pub order: i64,
}

/// What is known about one item besides who liked it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Title as it is shown to a person.
    pub title: String,
    /// Year of release, where known.
    pub year: Option<u16>,
    /// Genres or categories, ascending, without repeats.
    pub genres: Vec<GenreId>,
    /// A sentence or two about it, where known.
    pub summary: Option<String>,
    /// For whom it is and why, as a language model wrote it (`windtunnel items build`), where a scenario names such
    /// a file.
    pub profile: Option<String>,
    /// The mean rating its source publishes, where the ratings themselves are not in the data.
    pub mean_rating: Option<f32>,
}

/// A column of user attributes, one value a user.
#[derive(Clone, Debug, PartialEq)]
pub struct UserAttribute {
    /// Column name, e.g. `age`.
    pub name: String,
    /// One value a user, in `UserId` order.
    pub values: Vec<Option<String>>,
}

/// The two-way table of raw ids (as in the files) and dense ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vocabulary {
    raw: Vec<String>,
    dense: std::collections::HashMap<String, u32>,
}

impl Vocabulary {
    /// An empty vocabulary.
    pub fn new() -> Self {
        Self::default()
    }

    /// The dense id of a raw id, made if it is new.
    pub fn intern(&mut self, raw: &str) -> u32 {
        if let Some(&dense) = self.dense.get(raw) {
            return dense;
        }
        let dense = u32::try_from(self.raw.len()).expect("more than 2^32 ids");
        self.raw.push(raw.to_owned());
        self.dense.insert(raw.to_owned(), dense);
        dense
    }

    /// The dense id of a raw id, if it is known.
    pub fn get(&self, raw: &str) -> Option<u32> {
        self.dense.get(raw).copied()
    }

    /// The raw id of a dense id.
    ///
    /// # Panics
    /// When the id is not of this vocabulary.
    pub fn raw(&self, dense: u32) -> &str {
        &self.raw[dense as usize]
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// All raw ids in dense order.
    pub fn all(&self) -> &[String] {
        &self.raw
    }
}

/// What a synthetic world knows about itself and no recommender may see.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentTruth {
    /// Dimensions of the taste space.
    pub n_factors: usize,
    /// `n_users × n_factors`, row-major.
    pub users: Vec<f32>,
    /// `n_items × n_factors`, row-major.
    pub items: Vec<f32>,
    /// How good each item is for everybody, in standard deviations.
    pub quality: Vec<f32>,
}

impl LatentTruth {
    /// How much the user truly likes the item, roughly standard normal over random pairs.
    pub fn affinity(&self, user: UserId, item: ItemId) -> f32 {
        let u = &self.users[user.idx() * self.n_factors..][..self.n_factors];
        let i = &self.items[item.idx() * self.n_factors..][..self.n_factors];
        let taste: f32 = u.iter().zip(i).map(|(a, b)| a * b).sum();
        taste + self.quality[item.idx()]
    }
}

/// Traits and taste of a user as a source publishes them (Agent4Rec's statistics and personas).
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedPersona {
    /// Activity tier 1..=3.
    pub activity: u8,
    /// Diversity tier 1..=3.
    pub diversity: u8,
    /// Conformity tier 1..=3.
    pub conformity: u8,
    /// Sentences describing the taste.
    pub taste: Vec<String>,
}

/// What reading cost: rows that were not taken as they stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows of interactions read, header excluded.
    pub n_rows: u64,
    /// Malformed rows left out (`on_bad_row = "skip"`), of whichever file.
    pub n_skipped: u64,
    /// Repeated (user, item) pairs; the last one by order counts.
    pub n_duplicates: u64,
    /// Items with interactions of which the source tells nothing else; their raw id is their title.
    pub n_unknown_items: u64,
    /// Items and people of whom the files of profiles that the scenario names do not tell.
    pub n_without_profile: u64,
}

/// One dataset in canonical form.
///
/// Invariants, which every source keeps: interactions are sorted by
/// (user, order, item), hold no repeated (user, item) pair, and every id is in range.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The source's name, e.g. `movielens`.
    pub source: String,
    /// Raw user ids.
    pub users: Vocabulary,
    /// Raw item ids.
    pub items: Vocabulary,
    /// Genre names.
    pub genres: Vocabulary,
    /// One entry an item, in `ItemId` order.
    pub catalogue: Vec<Item>,
    /// User attributes, column by column.
    pub user_attributes: Vec<UserAttribute>,
    /// All interactions, sorted by (user, order, item).
    pub interactions: Vec<Interaction>,
    /// Lowest and highest rating, or `None` where interactions carry no rating.
    pub rating_range: Option<(f32, f32)>,
    /// A split that comes with the data.
    pub published_split: Option<Split>,
    /// Personas that come with the data, one a user.
    pub published_personas: Option<Vec<PublishedPersona>>,
    /// What a language model wrote of each user's taste (`windtunnel users build`), in `UserId` order, where a
    /// scenario names such a file.
    pub user_profiles: Option<Vec<Option<String>>>,
    /// The truth behind a synthetic world.
    pub truth: Option<LatentTruth>,
    /// True ratings that no recommender may learn from, where the source has such.
    pub observed: Option<observed::ObservedRatings>,
    /// What reading cost.
    pub load_report: LoadReport,
}

impl Dataset {
    /// Number of users.
    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// All interactions as one set, e.g. to derive traits.
    pub fn all(&self) -> Interactions {
        Interactions::from_sorted(self.n_users(), self.n_items(), &self.interactions)
    }
}

/// Interactions as a sparse user × item matrix, with their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Interactions {
    /// Row = user, column = item ascending, value = rating.
    pub matrix: Csr,
    /// The order (timestamp) of every stored value, parallel to `matrix.values`.
    pub order: Vec<i64>,
}

impl Interactions {
    /// From interactions sorted by user (any order within a user, no repeated pair).
    ///
    /// # Panics
    /// When they are not sorted by user, repeat a pair, or an id is out of range.
    pub fn from_sorted(n_users: usize, n_items: usize, sorted: &[Interaction]) -> Self {
        assert!(sorted.is_sorted_by_key(|x| x.user), "interactions must be sorted by user");
        let mut sorted: Vec<Interaction> = sorted.to_vec();
        sorted.chunk_by_mut(|a, b| a.user == b.user).for_each(|own| own.sort_unstable_by_key(|x| x.item));
        let mut indptr = vec![0usize; n_users + 1];
        for x in &sorted {
            indptr[x.user.idx() + 1] += 1;
        }
        for row in 0..n_users {
            indptr[row + 1] += indptr[row];
        }
        let indices = sorted.iter().map(|x| x.item.0).collect();
        let values = sorted.iter().map(|x| x.rating).collect();
        let order = sorted.iter().map(|x| x.order).collect();
        Interactions { matrix: Csr::new(n_users, n_items, indptr, indices, values), order }
    }

    /// The items of a user as dense numbers, ascending.
    pub fn items_of(&self, user: UserId) -> &[u32] {
        self.matrix.row(user.idx()).0
    }

    /// The items of a user with ratings and order, ascending by item.
    pub fn history_of(&self, user: UserId) -> impl Iterator<Item = Interaction> + '_ {
        let range = self.matrix.indptr[user.idx()]..self.matrix.indptr[user.idx() + 1];
        range.map(move |k| Interaction {
            user,
            item: ItemId(self.matrix.indices[k]),
            rating: self.matrix.values[k],
            order: self.order[k],
        })
    }

    /// How many interactions every item has.
    pub fn item_counts(&self) -> Vec<u32> {
        let mut counts = vec![0u32; self.matrix.n_cols];
        for &item in &self.matrix.indices {
            counts[item as usize] += 1;
        }
        counts
    }

    /// Number of interactions.
    pub fn len(&self) -> usize {
        self.matrix.indices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Interactions cut into disjoint sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What recommenders learn from.
    pub train: Interactions,
    /// What early stopping watches; may be empty.
    pub valid: Interactions,
    /// What is held out for judging.
    pub test: Interactions,
}

/// What a source needs from its surroundings.
pub struct LoadContext<'a> {
    /// Where relative paths start.
    pub base_dir: &'a Path,
    /// Randomness of synthetic sources.
    pub streams: Streams,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

/// A checked, ready-to-read dataset source.
pub trait Source: Send + Sync {
    /// Reads everything.
    fn load(&self, context: &LoadContext<'_>) -> Result<Dataset, DatasetError>;
}

/// A kind of dataset source: one unit struct a file, one entry in the list.
pub trait SourceKind: Sync {
    /// Its name in a scenario: `source = "movielens"`.
    fn name(&self) -> &'static str;
    /// One line for `windtunnel list datasets`.
    fn about(&self) -> &'static str;
    /// JSON Schema of its parameters.
    fn params_schema(&self) -> schemars::Schema;
    /// Checks the parameters found at the dotted path `at` (the key `source` itself already removed).
    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn Source>, Complaint>;
}

/// Every source, in alphabetical order.
pub static ALL: &[&dyn SourceKind] = &[
    &agent4rec::Agent4Rec,
    &coat::Coat,
    &csv::Csv,
    &jester::Jester,
    &movielens::MovieLens,
    &sequences::Sequences,
    &synthetic::Synthetic,
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn SourceKind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

/// Why data could not be read or split.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The work was asked to stop.
    #[error("the work was stopped")]
    Stopped(#[from] Stopped),
    /// The file or folder could not be opened or read.
    #[error("cannot read {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row is not what it should be.
    #[error("{path}:{line}:{column}: found {value:?}, expected {expected}")]
    BadRow {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column (field), from 1.
        column: u32,
        /// What stands there.
        value: String,
        /// What should.
        expected: String,
    },
    /// The file or folder as a whole is not what it should be.
    #[error("{path}: {problem}")]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// The split asked for cannot be cut from this dataset.
    #[error("cannot split the `{source_name}` dataset: {problem}")]
    BadSplit {
        /// The source of the dataset.
        source_name: String,
        /// What is missing and what would do.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_stand_in_alphabetical_order_under_distinct_names() {
        let names: Vec<_> = ALL.iter().map(|kind| kind.name()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        for name in names {
            assert_eq!(kind(name).map(|k| k.name()), Some(name));
        }
    }
}

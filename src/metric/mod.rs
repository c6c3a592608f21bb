//! What it means: metrics over sessions. A metric sees [`Session`]s, the [`Catalogue`]
//! and the [`Population`] as they are written in the run folder, and nothing else; it must
//! not know the world, the recommenders or the dataset's files.

mod accuracy;
pub(crate) mod calibration;
pub mod exposure;
mod genres;
mod homogenisation;
mod intra_list_distance;
mod long_tail;
mod popularity;
mod sessions;

pub mod analyse;
pub mod evaluate;
pub mod groups;
pub mod population;
pub mod ranking;
pub mod sample;
pub mod subjects;
pub mod tables;
pub mod truth;

pub use population::{Agent, AgentRecord, PersonRecord, Population};
pub use sample::{Gathering, Sample};

use crate::event::Session;
use crate::id::{AgentId, GenreId};

/// Every kind of metric, in alphabetical order.
pub static ALL: &[&dyn MetricKind] = &[
    &accuracy::Accuracy,
    &calibration::Calibration,
    &exposure::Exposure,
    &genres::Genres,
    &homogenisation::Homogenisation,
    &intra_list_distance::IntraListDistance,
    &long_tail::LongTail,
    &popularity::Popularity,
    &sessions::Sessions,
];

/// The quantity of this name in a file, whatever its `@k`: its unit, direction and definition.
pub fn measure(name: &str) -> Option<&'static Measure> {
    let stem = name.split_once('@').map_or(name, |(stem, _)| stem);
    ALL.iter().flat_map(|kind| kind.measures()).find(|measure| measure.name == stem)
}

/// What metrics may know about the items (file `items.csv` of a run folder).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// Genre names.
    pub genres: Vec<String>,
    /// One entry an item, in `ItemId` order.
    pub items: Vec<CatalogueItem>,
    /// Number of users in the training set.
    pub n_train_users: u32,
}

/// One item as metrics know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CatalogueItem {
    /// Raw id.
    pub raw_id: String,
    /// Title.
    pub title: String,
    /// Genres, ascending.
    pub genres: Vec<GenreId>,
    /// Training interactions.
    pub n_train: u32,
    /// Mean rating in training; `None` where nobody has it, or the data have no ratings.
    pub mean_rating: Option<f32>,
}

/// A quantity that a kind of metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name in files, without any `@k`.
    pub name: &'static str,
    /// Its unit in files: `share`, `count`, `score`, `bits`, `pages`, …
    pub unit: &'static str,
    /// Whether more is better (`Some(true)`), worse (`Some(false)`) or neither (`None`).
    pub better: Option<bool>,
    /// One line: what it is, over what it is taken.
    pub about: &'static str,
}

/// What a metric found in one arm and round.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its name in files, e.g. `p_view`, `recall@4`.
    pub name: String,
    /// What it is.
    pub measure: &'static Measure,
    /// How many agents it rests on.
    pub n: u64,
    /// The value over everybody; `None` where nobody has one.
    pub value: Option<f64>,
    /// What every agent contributes, where the metric has that: the sample its interval comes from.
    pub sample: Option<Sample>,
}

impl Measure {
    /// This quantity as found in a sample.
    pub fn of(&'static self, sample: Sample) -> Measured {
        let sample = sample.sorted();
        Measured {
            name: self.name.to_owned(),
            measure: self,
            n: sample.len() as u64,
            value: sample.value(),
            sample: Some(sample),
        }
    }

    /// This quantity as gathered session by session.
    pub fn gathered(&'static self, gathering: Gathering) -> Measured {
        let n = gathering.n();
        Measured { n, ..self.of(gathering.finish()) }
    }

    /// This quantity at cutoff `k`, as gathered session by session.
    pub fn at(&'static self, k: usize, gathering: Gathering) -> Measured {
        Measured { name: format!("{}@{k}", self.name), ..self.gathered(gathering) }
    }

    /// This quantity as one number over `n` agents that cannot be shared out among them.
    pub fn whole(&'static self, n: u64, value: Option<f64>) -> Measured {
        let value = value.filter(|value| value.is_finite());
        Measured { name: self.name.to_owned(), measure: self, n, value, sample: None }
    }
}

/// What a metric is computed against.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The items.
    pub catalogue: &'a Catalogue,
    /// The agents.
    pub population: &'a Population,
    /// Items a full page holds.
    pub items_per_page: usize,
}

impl Setting<'_> {
    /// Under whose number what this session tells is added up: see [`Population::witness`].
    pub fn witness(&self, session: &Session) -> AgentId {
        self.population.witness(session.agent)
    }

    /// The person whose session it is.
    pub fn person(&self, session: &Session) -> &PersonRecord {
        self.population.person(session.agent)
    }
}

/// A metric in the making: sessions in, one or more measured values out.
pub trait Metric: Send {
    /// Takes in one session.
    fn observe(&mut self, session: &Session, setting: Setting<'_>);
    /// The values.
    fn finish(self: Box<Self>, setting: Setting<'_>) -> Vec<Measured>;
}

/// A kind of metric (or small family): one unit struct a file, one entry in [`ALL`].
pub trait MetricKind: Sync {
    /// Its name, for `windtunnel list metrics`.
    fn name(&self) -> &'static str;
    /// One line, with the source of the definition.
    fn about(&self) -> &'static str;
    /// The quantities it measures, in the order in which it tells them.
    fn measures(&self) -> &'static [Measure];
    /// A fresh accumulator.
    fn start(&self) -> Box<dyn Metric>;
}

#[cfg(test)]
mod tests;

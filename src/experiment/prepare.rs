//! Everything that all arms share: data, split, population, taste, and what metrics may know.
//! Must not know any recommender.

use super::RunError;
use super::fit::Workshop;
use super::profiles;
use crate::agent::behavior::{Behavior, BehaviorError, Setting};
use crate::agent::facts::Facts;
use crate::agent::profile::{self, Agents, Tiers};
use crate::agent::taste::{Taste, TasteEvidence, TasteSource};
use crate::dataset::{Dataset, Interaction, Interactions, LoadContext, Split, popularity, split};
use crate::event::ids::DenseIds;
use crate::id::{AgentId, ItemId, UserId};
use crate::llm::client::Client;
use crate::metric::{Catalogue, CatalogueItem, PersonRecord, Population};
use crate::progress::Progress;
use crate::recommender::Surroundings;
use crate::rng::Streams;
use crate::scenario::file::{Candidates, SessionSection, SplitPart};
use crate::scenario::{Arm, Scenario};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What all arms share.
pub struct Prepared {
    /// The run's randomness.
    pub streams: Streams,
    /// The data.
    pub dataset: Dataset,
    /// Its content hash.
    pub dataset_hash: String,
    /// Train, validation and test.
    pub split: Split,
    /// Everybody who will be simulated.
    pub agents: Agents,
    /// Where their taste came from.
    pub taste: TasteSource,
    /// From which interactions.
    pub taste_evidence: TasteEvidence,
    /// What they know.
    pub facts: Arc<Facts>,
    /// How they behave.
    pub behavior: Arc<dyn Behavior>,
    /// The interactions that traits and taste are built from.
    pub evidence: Interactions,
    /// Where relative paths of the scenario start.
    pub base_dir: PathBuf,
    /// Encoders, and the way to language models.
    pub around: Surroundings,
    /// What each person is never shown.
    pub known: Arc<Interactions>,
    /// What is held out of each person.
    pub held_out: Arc<Interactions>,
    /// The items as metrics know them.
    pub catalogue: Catalogue,
    /// The agents as metrics know them.
    pub population: Population,
}

/// The data and its split, before anybody is simulated, with the profiles that the scenario names.
pub fn load(
    scenario: &Scenario,
    base_dir: &Path,
    progress: &dyn Progress,
) -> Result<(Dataset, Split), RunError> {
    let mut dataset = source(scenario, base_dir, progress)?;
    let split = cut(scenario, base_dir, &dataset)?;
    profiles::take_items(scenario, base_dir, &mut dataset)?;
    profiles::take_users(scenario, base_dir, &mut dataset, &split)?;
    Ok((dataset, split))
}

/// The data as the source has them.
pub(super) fn source(
    scenario: &Scenario,
    base_dir: &Path,
    progress: &dyn Progress,
) -> Result<Dataset, RunError> {
    let streams = Streams::new(scenario.file.seed);
    let dataset = scenario.source.load(&LoadContext { base_dir, streams, progress })?;
    if dataset.n_users() == 0 || dataset.n_items() == 0 {
        return Err(RunError::Empty { n_users: dataset.n_users(), n_items: dataset.n_items() });
    }
    Ok(dataset)
}

/// The scenario's split of them.
pub(super) fn cut(scenario: &Scenario, base_dir: &Path, dataset: &Dataset) -> Result<Split, RunError> {
    let streams = Streams::new(scenario.file.seed);
    let split = split::split(dataset, &scenario.file.split, streams)?;
    if !scenario.file.population.closed {
        return Ok(split);
    }
    let people = scenario.behavior.people(dataset, base_dir)?;
    let drawn = profile::drawn(dataset.n_users(), &draw(scenario, people.as_deref()), streams);
    Ok(Split {
        train: of_people(&split.train, &drawn),
        valid: of_people(&split.valid, &drawn),
        test: of_people(&split.test, &drawn),
    })
}

/// Whom the scenario draws from these people, or from everybody.
fn draw<'a>(scenario: &Scenario, people: Option<&'a [UserId]>) -> profile::Draw<'a> {
    let section = &scenario.file.population;
    profile::Draw { n_agents: section.n_agents as usize, people, jitter: section.jitter.0 }
}

/// What these people, ascending, have.
fn of_people(part: &Interactions, people: &[UserId]) -> Interactions {
    let all: Vec<Interaction> = people.iter().flat_map(|&user| part.history_of(user)).collect();
    Interactions::from_sorted(part.matrix.n_rows, part.matrix.n_cols, &all)
}

impl Prepared {
    /// Loads, splits, draws the population and builds its taste; `llm` is what agents ask who think with
    /// a language model.
    pub fn new(
        scenario: &Scenario,
        base_dir: &Path,
        llm: &Arc<Client>,
        progress: &dyn Progress,
    ) -> Result<Self, RunError> {
        let streams = Streams::new(scenario.file.seed);
        progress.begin("load data", 0);
        let (dataset, split) = load(scenario, base_dir, progress)?;
        progress.end();
        progress.begin("prepare agents", 0);
        let section = &scenario.file.population;
        let evidence = match section.taste_evidence {
            TasteEvidence::All => dataset.all(),
            TasteEvidence::Train => split.train.clone(),
        };
        let people = scenario.behavior.people(&dataset, base_dir)?;
        let draw = draw(scenario, people.as_deref());
        let agents = profile::population(&dataset, &evidence, &draw, streams);
        let taste = Taste::build(&dataset, &split, section.taste, section.taste_evidence, streams)?;
        let facts = Facts::new(&dataset, &evidence, taste);
        let facts = Arc::new(match section.taste.resolve(&dataset) {
            TasteSource::Observed => facts.without_quality(),
            _ => facts,
        });
        let session = &scenario.file.session;
        let known = never_shown(&dataset, &split, session)?;
        let behavior = scenario.behavior.begin(&Setting {
            facts: facts.clone(),
            streams,
            dataset: &dataset,
            evidence: &evidence,
            agents: &agents,
            pages_max: scenario.file.session.max_pages,
            known: &known,
            items_per_page: session.items_per_page as usize,
            advert: &session.advert,
            base_dir,
            llm: llm.clone(),
        })?;
        let held_out = held_out(&dataset, &split, session, &known);
        progress.end();
        Ok(Prepared {
            streams,
            dataset_hash: dataset.content_hash(),
            catalogue: catalogue(&dataset, &split),
            population: population(&dataset, &split, &held_out, &agents),
            held_out: Arc::new(held_out),
            known: Arc::new(known),
            taste: section.taste.resolve(&dataset),
            taste_evidence: section.taste_evidence,
            facts,
            behavior,
            evidence,
            base_dir: base_dir.to_owned(),
            around: super::surroundings(scenario, base_dir, llm),
            agents,
            split,
            dataset,
        })
    }
}

impl Prepared {
    /// The numbers of agents and items in event files.
    pub fn ids(&self) -> DenseIds {
        self.population.ids(self.dataset.items.all().iter().map(String::as_str))
    }

    /// What fitting these arms takes.
    pub fn workshop<'a>(
        &'a self,
        arms: &'a [Arm],
        checkpoints: Option<&'a Path>,
        progress: &'a dyn Progress,
    ) -> Workshop<'a> {
        Workshop {
            arms,
            dataset: &self.dataset,
            streams: self.streams,
            around: &self.around,
            checkpoints,
            models: None,
            progress,
        }
    }

    /// The world as a behaviour finds it, with this luck.
    pub fn setting<'a>(&'a self, scenario: &'a Scenario, luck: Streams) -> Setting<'a> {
        Setting {
            facts: self.facts.clone(),
            streams: luck,
            dataset: &self.dataset,
            evidence: &self.evidence,
            agents: &self.agents,
            pages_max: scenario.file.session.max_pages,
            known: &self.known,
            items_per_page: scenario.file.session.items_per_page as usize,
            advert: &scenario.file.session.advert,
            base_dir: &self.base_dir,
            llm: self.around.llm.clone(),
        }
    }

    /// The behaviour once more in this world, with luck of its own.
    pub fn begin(&self, scenario: &Scenario, luck: Streams) -> Result<Arc<dyn Behavior>, BehaviorError> {
        scenario.behavior.begin(&self.setting(scenario, luck))
    }
}

/// What each person is never shown: the excluded parts of the split, and where only items with a
/// known truth are candidates, all others.
///
/// # Errors
/// When known truth is asked for and the dataset has none.
pub fn never_shown(
    dataset: &Dataset,
    split: &Split,
    session: &SessionSection,
) -> Result<Interactions, RunError> {
    let excluded = union(split, &session.exclude);
    if session.candidates == Candidates::All {
        return Ok(excluded);
    }
    let truth = dataset.observed.as_ref().ok_or_else(|| RunError::NothingObserved(dataset.source.clone()))?;
    let mut all = Vec::new();
    for user in (0..dataset.n_users() as u32).map(UserId) {
        let (candidates, excluded) = (truth.items_of(user), excluded.items_of(user));
        let is_out =
            |item: &u32| candidates.binary_search(item).is_err() || excluded.binary_search(item).is_ok();
        let out = (0..dataset.n_items() as u32).filter(is_out);
        all.extend(out.map(|item| Interaction { user, item: ItemId(item), rating: 0.0, order: 0 }));
    }
    Ok(Interactions::from_sorted(dataset.n_users(), dataset.n_items(), &all))
}

/// What is held out of each person: what the split holds out, or where only items with a known truth
/// are candidates, those of them that the person truly likes.
fn held_out(
    dataset: &Dataset,
    split: &Split,
    session: &SessionSection,
    never_shown: &Interactions,
) -> Interactions {
    let truth = match (&dataset.observed, session.candidates) {
        (Some(truth), Candidates::Observed) => truth,
        _ if session.exclude.contains(&SplitPart::Test) => return split.valid.clone(),
        _ => return split.test.clone(),
    };
    let mut liked = Vec::new();
    for user in (0..dataset.n_users() as u32).map(UserId) {
        let (items, ratings) = truth.matrix.row(user.idx());
        for (&item, &rating) in items.iter().zip(ratings) {
            if rating >= truth.liked_from && never_shown.items_of(user).binary_search(&item).is_err() {
                liked.push(Interaction { user, item: ItemId(item), rating, order: 0 });
            }
        }
    }
    Interactions::from_sorted(dataset.n_users(), dataset.n_items(), &liked)
}

/// The parts of a split taken together.
pub fn union(split: &Split, parts: &[SplitPart]) -> Interactions {
    let mut all: Vec<Interaction> = Vec::new();
    for (part, interactions) in
        [(SplitPart::Train, &split.train), (SplitPart::Valid, &split.valid), (SplitPart::Test, &split.test)]
    {
        if parts.contains(&part) {
            let users = 0..interactions.matrix.n_rows as u32;
            all.extend(users.flat_map(|user| interactions.history_of(UserId(user))));
        }
    }
    all.sort_by_key(|x| (x.user, x.item));
    Interactions::from_sorted(split.train.matrix.n_rows, split.train.matrix.n_cols, &all)
}

fn catalogue(dataset: &Dataset, split: &Split) -> Catalogue {
    let counts = split.train.item_counts();
    let means = mean_ratings(dataset, split, &counts);
    let items =
        dataset.catalogue.iter().zip(&counts).enumerate().map(|(k, (item, &n_train))| CatalogueItem {
            raw_id: dataset.items.raw(k as u32).to_owned(),
            title: item.title.clone(),
            genres: item.genres.clone(),
            n_train,
            mean_rating: means[k],
        });
    let has_any = |user: &usize| !split.train.items_of(UserId(*user as u32)).is_empty();
    Catalogue {
        genres: dataset.genres.all().to_vec(),
        items: items.collect(),
        n_train_users: (0..dataset.n_users()).filter(has_any).count() as u32,
    }
}

/// The mean of each item's ratings in training, in the order of users; `None` of none.
fn mean_ratings(dataset: &Dataset, split: &Split, counts: &[u32]) -> Vec<Option<f32>> {
    let mut sums = vec![0f64; counts.len()];
    if dataset.rating_range.is_some() {
        let matrix = &split.train.matrix;
        matrix.indices.iter().zip(&matrix.values).for_each(|(&item, &r)| sums[item as usize] += f64::from(r));
    }
    let is_rated = |n: u32| dataset.rating_range.is_some() && n > 0;
    let means = sums.iter().zip(counts);
    means.map(|(sum, &n)| is_rated(n).then(|| (sum / f64::from(n)) as f32)).collect()
}

fn population(dataset: &Dataset, split: &Split, held_out: &Interactions, agents: &Agents) -> Population {
    let counts = split.train.item_counts();
    let groups = popularity::groups(&counts);
    let record = |raw_id: &str| {
        let user = UserId(dataset.users.get(raw_id).expect("agents stand for people of the dataset"));
        let train = split.train.items_of(user);
        let popularity: f64 = train.iter().map(|&item| f64::from(counts[item as usize])).sum();
        PersonRecord {
            raw_id: raw_id.to_owned(),
            n_train: train.len() as u32,
            n_held_out: held_out.items_of(user).len() as u32,
            genre_shares: genre_shares(dataset, train),
            mean_popularity: (popularity / train.len().max(1) as f64) as f32,
            popularity_shares: popularity::counts(&groups, train.iter().map(|&item| ItemId(item)))
                .map(|n| (n / train.len().max(1) as f64) as f32),
        }
    };
    let mut population = Population::of_people(agents.people().map(record).collect());
    for agent in (0..agents.len() as u32).map(AgentId) {
        let Tiers { activity, diversity, conformity } = agents.profile(agent).tiers;
        population.push(agents.place(agent).0, [activity, diversity, conformity]);
    }
    population
}

/// The share of each genre in these items, an item's weight divided equally among its genres.
fn genre_shares(dataset: &Dataset, items: &[u32]) -> Vec<f32> {
    let mut shares = vec![0f64; dataset.genres.len()];
    for &item in items {
        let genres = &dataset.catalogue[item as usize].genres;
        for genre in genres {
            shares[genre.idx()] += 1.0 / genres.len() as f64;
        }
    }
    let total: f64 = shares.iter().sum();
    shares.into_iter().map(|s| if total > 0.0 { (s / total) as f32 } else { 0.0 }).collect()
}

//! From the rows of `policies.csv` to pages and decisions that estimators take, with a reward model between. Must not
//! know estimators' results.

use super::estimators::Row;
use super::policy_file::PolicyRow;
use super::reward_model::{Case, cross_fit};
use super::slate::{Place, Slate};
use crate::id::AgentId;
use crate::id::ItemId;
use crate::study::{Evidence, StudyError};

/// What counts as a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reward {
    /// It was watched.
    Watched,
    /// It was rated 4 or more.
    Liked,
}

impl Reward {
    /// Every one.
    pub const ALL: [Reward; 2] = [Reward::Watched, Reward::Liked];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Reward::Watched => "watched",
            Reward::Liked => "liked",
        }
    }

    fn of(self, row: &PolicyRow) -> f64 {
        let happened = match self {
            Reward::Watched => row.watched,
            Reward::Liked => row.liked,
        };
        f64::from(happened.unwrap_or(0))
    }
}

/// A log against one target.
pub struct Pages {
    /// The pages, top to bottom.
    pub slates: Vec<Slate>,
    /// Every place of every page as a decision of its own, by marginal probabilities.
    pub rows: Vec<Row>,
    /// The share of what the target would have shown that the logging arm could not have.
    pub share_unsupported: f64,
}

/// One place: what was shown, and what the target might have shown.
struct Spot<'a> {
    case: Case,
    shown: &'a PolicyRow,
    options: Vec<(u32, f64)>,
}

/// The people behind agents, numbered densely: rows of one person are one witness.
pub struct People {
    of_agent: Vec<u32>,
}

impl People {
    /// Those of the population.
    pub fn new(evidence: &Evidence<'_>) -> Self {
        People { of_agent: evidence.population.records().iter().map(|agent| agent.person).collect() }
    }

    /// The person behind an agent.
    pub fn of(&self, agent: usize) -> u32 {
        self.of_agent[agent]
    }

    /// How many there are.
    pub fn n(&self) -> usize {
        self.of_agent.iter().map(|&person| person as usize + 1).max().unwrap_or(0)
    }
}

impl Pages {
    /// From the rows of one target.
    ///
    /// # Errors
    /// When a row names an unknown agent or item, or lacks a probability.
    pub fn new(
        rows: &[PolicyRow],
        reward: Reward,
        n_folds: u32,
        evidence: &Evidence<'_>,
    ) -> Result<Self, StudyError> {
        let people = People::new(evidence);
        let spots = spots(rows, evidence)?;
        let cases: Vec<Case> = spots
            .iter()
            .map(|spot| Case { person: people.of(spot.case.person as usize), ..spot.case })
            .collect();
        let rewards: Vec<f64> = spots.iter().map(|spot| reward.of(spot.shown)).collect();
        let agents = agents_of(&people);
        let features =
            |case: Case, row: &mut Vec<f64>| describe(case, agents[case.person as usize], evidence, row);
        let fitted = cross_fit(&cases, &rewards, evidence.catalogue.items.len(), n_folds, &features);
        let mut slates: Vec<Slate> = Vec::new();
        let (mut decisions, mut mass, mut unsupported) = (Vec::new(), 0.0, 0.0);
        let mut latest = None;
        for ((spot, &case), &reward) in spots.iter().zip(&cases).zip(&rewards) {
            let shown = spot.shown;
            let (behaviour, target) = conditionals(shown)?;
            if latest != Some(spot.case.person) {
                latest = Some(spot.case.person);
                slates.push(Slate { cluster: case.person, places: Vec::new() });
            }
            if let Some(slate) = slates.last_mut() {
                slate.places.push(Place {
                    reward,
                    behaviour,
                    behaviour_marginal: shown.p_behaviour_marginal,
                    target,
                    target_marginal: shown.p_target_marginal,
                });
            }
            let expected = |&(item, p): &(u32, f64)| p * fitted.expected(Case { item, ..case });
            decisions.push(Row {
                cluster: case.person,
                reward,
                behaviour: shown.p_behaviour_marginal,
                target: shown.p_target_marginal,
                model: fitted.expected(case),
                model_target: spot.options.iter().map(expected).sum(),
            });
        }
        for row in rows {
            mass += row.p_target_marginal;
            unsupported += if row.p_behaviour_marginal > 0.0 { 0.0 } else { row.p_target_marginal };
        }
        Ok(Pages { slates, rows: decisions, share_unsupported: unsupported / f64::max(mass, 1e-300) })
    }
}

/// One agent of every person.
fn agents_of(people: &People) -> Vec<usize> {
    let mut agents = vec![0; people.n()];
    people.of_agent.iter().enumerate().for_each(|(agent, &person)| agents[person as usize] = agent);
    agents
}

/// The places of all pages, in file order; `case.person` is the agent here.
fn spots<'a>(rows: &'a [PolicyRow], evidence: &Evidence<'_>) -> Result<Vec<Spot<'a>>, StudyError> {
    let mut spots: Vec<Spot<'a>> = Vec::new();
    for row in rows {
        let agent = evidence.ids.agent(&row.user);
        let item = evidence.ids.item(&row.item);
        let (Some(agent), Some(ItemId(item))) = (agent, item) else {
            return Err(bad(
                evidence,
                format!("user {:?} or item {:?} is not of this run", row.user, row.item),
            ));
        };
        let place = row.place.saturating_sub(1);
        if row.shown == 1 {
            let case = Case { person: agent.0, item, place };
            spots.push(Spot { case, shown: row, options: Vec::new() });
        }
        let here = spots.last_mut().filter(|spot| (spot.case.person, spot.case.place) == (agent.0, place));
        let Some(spot) = here else {
            return Err(bad(
                evidence,
                format!("place {} of {:?} begins with no shown item", row.place, row.user),
            ));
        };
        if row.p_target_marginal > 0.0 {
            spot.options.push((item, row.p_target_marginal));
        }
    }
    Ok(spots)
}

fn conditionals(row: &PolicyRow) -> Result<(f64, f64), StudyError> {
    row.p_behaviour.zip(row.p_target).ok_or_else(|| StudyError::BadFile {
        path: super::policy_file::FILE_NAME.into(),
        line: 0,
        problem: format!("what was shown to {:?} at place {} has no probability", row.user, row.place),
    })
}

fn bad(evidence: &Evidence<'_>, problem: String) -> StudyError {
    StudyError::BadFile { path: evidence.run_dir.join(super::policy_file::FILE_NAME), line: 0, problem }
}

/// What a reward may depend on besides the item itself: its place, how popular it is, how much of what the person has in
/// training is of its genres, and how active, broad and mainstream the person is.
fn describe(case: Case, agent: usize, evidence: &Evidence<'_>, row: &mut Vec<f64>) {
    let agent = evidence.population.agent(AgentId(agent as u32));
    let person = agent.person;
    let item = &evidence.catalogue.items[case.item as usize];
    let fit: f64 = item
        .genres
        .iter()
        .map(|genre| f64::from(person.genre_shares.get(genre.idx()).copied().unwrap_or(0.0)))
        .sum();
    let popularity = f64::from(item.n_train).ln_1p();
    let mainstream = f64::from(person.mean_popularity).ln_1p();
    row.extend([
        f64::from(case.place),
        f64::from(u8::from(case.place == 0)),
        popularity,
        fit,
        fit * popularity,
        mainstream,
        popularity * mainstream,
        f64::from(agent.activity()),
        f64::from(agent.diversity()),
        f64::from(person.n_train).ln_1p(),
    ]);
}

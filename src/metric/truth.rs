//! The simulated order of arms against the true one, where people's true ratings are known.
//!
//! An arm's truth is the mean true rating of what it showed, over every exposure whose rating is known
//! (a ratio of sums, clustered by person). The arms are ordered by it and by what the agents made of
//! the pages, and the orders compared by Kendall's τ-b; its interval takes both orders anew from
//! resampled people (percentiles, Efron and Tibshirani 1993, chapter 13). Reads sessions and the
//! `true_ratings.csv` of a run folder; must not know datasets or recommenders.

use super::analyse::ArmResult;
use super::{Catalogue, Population, Sample};
use crate::event::Session;
use crate::id::{AgentId, ItemId};
use crate::rng::Streams;
use crate::stats::bootstrap::{Quantity, Replicates, Table};
use crate::stats::params::StatsParams;
use crate::stats::rank_correlation::kendall_tau_b;
use crate::stats::summary::quantile;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The metrics by which the agents order the arms.
pub const SIMULATED: [&str; 2] = ["s_sat", "p_like"];

/// One row of `truth.csv`: an arm in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TruthRow {
    /// The arm.
    pub arm: String,
    /// Feedback round, from 0.
    pub round: u32,
    /// People to whom it showed something of which their true rating is known.
    pub n_people: u64,
    /// Items shown, one an exposure.
    pub n_shown: u64,
    /// Of these, with a known true rating.
    pub n_known: u64,
    /// Mean true rating of these, on the dataset's own scale.
    pub mean_true_rating: Option<f64>,
    /// Lower end of its bootstrap interval, clustered by person.
    pub ci_low: Option<f64>,
    /// Upper end.
    pub ci_high: Option<f64>,
}

/// One row of `truth_order.csv`: one simulated order of the arms against the true one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRow {
    /// Feedback round, from 0.
    pub round: u32,
    /// The metric that gives the simulated order.
    pub metric: String,
    /// Arms in both orders.
    pub n_arms: u64,
    /// Kendall's τ-b of the two orders; empty where one of them is all ties.
    pub tau: Option<f64>,
    /// Lower end of its bootstrap interval over people.
    pub ci_low: Option<f64>,
    /// Upper end.
    pub ci_high: Option<f64>,
}

/// One row of `true_ratings.csv`: a rating that is known of something that was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrueRatingRow {
    /// Raw id of the person.
    pub persona: String,
    /// Raw id of the item.
    pub item: String,
    /// The true rating on the dataset's own scale.
    pub rating: f32,
}

impl TruthRow {
    /// The columns of `truth.csv`.
    pub const HEADER: [&'static str; 8] =
        ["arm", "round", "n_people", "n_shown", "n_known", "mean_true_rating", "ci_low", "ci_high"];
}

impl OrderRow {
    /// The columns of `truth_order.csv`.
    pub const HEADER: [&'static str; 6] = ["round", "metric", "n_arms", "tau", "ci_low", "ci_high"];
}

impl TrueRatingRow {
    /// The columns of `true_ratings.csv`.
    pub const HEADER: [&'static str; 3] = ["persona", "item", "rating"];
}

/// True ratings of the people behind the agents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrueRatings {
    people: Vec<String>,
    /// The person of every agent.
    person_of: Vec<u32>,
    /// Of every person, (item, rating), items ascending.
    rows: Vec<Vec<(u32, f32)>>,
}

impl TrueRatings {
    /// The ratings that `known` tells of each person, by raw id, in any order.
    pub fn new(population: &Population, known: impl Fn(&str) -> Vec<(ItemId, f32)>) -> Self {
        let mut ratings = TrueRatings {
            person_of: population.records().iter().map(|agent| agent.person).collect(),
            ..TrueRatings::default()
        };
        for person in population.people() {
            let known = known(&person.raw_id).into_iter();
            let mut row: Vec<(u32, f32)> = known.map(|(item, rating)| (item.0, rating)).collect();
            row.sort_unstable_by_key(|(item, _)| *item);
            ratings.people.push(person.raw_id.clone());
            ratings.rows.push(row);
        }
        ratings
    }

    /// The ratings in rows of `true_ratings.csv`; rows of people or items that are not in the run
    /// are passed over.
    pub fn from_rows(rows: &[TrueRatingRow], population: &Population, catalogue: &Catalogue) -> Self {
        let items: HashMap<&str, u32> =
            (0..).zip(&catalogue.items).map(|(k, item)| (item.raw_id.as_str(), k)).collect();
        let mut by_person: HashMap<&str, Vec<(ItemId, f32)>> = HashMap::new();
        for row in rows {
            if let Some(&item) = items.get(row.item.as_str()) {
                by_person.entry(&row.persona).or_default().push((ItemId(item), row.rating));
            }
        }
        TrueRatings::new(population, |persona| by_person.get(persona).cloned().unwrap_or_default())
    }

    /// What the person behind the agent truly thinks of the item, where it is known.
    pub fn rating(&self, agent: AgentId, item: ItemId) -> Option<f32> {
        let row = &self.rows[self.person_of[agent.idx()] as usize];
        row.binary_search_by_key(&item.0, |(item, _)| *item).ok().map(|at| row[at].1)
    }
}

/// What was shown in the arms of a run, seen with true ratings.
pub struct Truths<'a> {
    ratings: &'a TrueRatings,
    /// (person, item) of everything shown with a known rating.
    shown: BTreeSet<(u32, u32)>,
    arms: Vec<BTreeMap<u32, ArmTruth>>,
}

/// What was shown in one arm and round.
#[derive(Clone, Debug, Default)]
struct ArmTruth {
    n_shown: u64,
    n_known: u64,
    /// Σ true ratings / Σ known, agent by agent.
    sample: Sample,
}

/// The tables of a run about its truth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TruthTables {
    /// Every arm and round, in that order.
    pub arms: Vec<TruthRow>,
    /// Every round and simulated order.
    pub orders: Vec<OrderRow>,
}

impl<'a> Truths<'a> {
    /// Nothing shown yet, in so many arms.
    pub fn new(ratings: &'a TrueRatings, n_arms: usize) -> Self {
        Truths { ratings, shown: BTreeSet::new(), arms: vec![BTreeMap::new(); n_arms] }
    }

    /// Takes in a session of the arm; at most one an agent and round.
    pub fn observe(&mut self, arm: usize, session: &Session) {
        let truth = self.arms[arm].entry(session.round).or_default();
        let (mut sum, mut n) = (0.0, 0);
        for slot in session.slots() {
            truth.n_shown += 1;
            if let Some(rating) = self.ratings.rating(session.agent, slot.item) {
                self.shown.insert((self.ratings.person_of[session.agent.idx()], slot.item.0));
                sum += f64::from(rating);
                n += 1;
            }
        }
        truth.n_known += n;
        truth.sample.push_ratio(session.agent, sum, n as f64);
    }

    /// The rows of `true_ratings.csv`: what of the truth a stranger needs to check the tables.
    pub fn shown_ratings(&self, catalogue: &Catalogue) -> Vec<TrueRatingRow> {
        let row = |&(person, item): &(u32, u32)| {
            let known = &self.ratings.rows[person as usize];
            let at = known.binary_search_by_key(&item, |(item, _)| *item).expect("only known ones are kept");
            TrueRatingRow {
                persona: self.ratings.people[person as usize].clone(),
                item: catalogue.items[item as usize].raw_id.clone(),
                rating: known[at].1,
            }
        };
        self.shown.iter().map(row).collect()
    }

    /// Means and orders with their intervals; `results` are the same arms in the same order.
    ///
    /// # Panics
    /// When there is not one result an arm.
    pub fn tables(
        self,
        results: &[ArmResult],
        population: &Population,
        params: &StatsParams,
        streams: &Streams,
    ) -> TruthTables {
        assert_eq!(self.arms.len(), results.len(), "one result an arm");
        let replicated = resampled(self.ratings, self.arms, results, population, params, streams);
        let (arms, replicates) = replicated;
        let rows = arms.iter().map(|arm| arm.row(&replicates, params)).collect();
        let rounds: BTreeSet<u32> = arms.iter().map(|arm| arm.round).collect();
        let order = |round: u32| {
            let arms: Vec<&Resampled<'_>> = arms.iter().filter(|arm| arm.round == round).collect();
            (0..SIMULATED.len()).filter_map(|nth| order(round, nth, &arms, &replicates, params)).collect()
        };
        let orders: Vec<Vec<OrderRow>> = rounds.into_iter().map(order).collect();
        TruthTables { arms: rows, orders: orders.into_iter().flatten().collect() }
    }
}

/// One arm and round in the common resampling.
struct Resampled<'a> {
    arm: &'a str,
    round: u32,
    n_people: u64,
    n_shown: u64,
    n_known: u64,
    truth: Quantity,
    simulated: [Option<Quantity>; SIMULATED.len()],
}

/// All arms, resampled together with the same people in every replicate.
fn resampled<'a>(
    ratings: &TrueRatings,
    truths: Vec<BTreeMap<u32, ArmTruth>>,
    results: &'a [ArmResult],
    population: &Population,
    params: &StatsParams,
    streams: &Streams,
) -> (Vec<Resampled<'a>>, Replicates) {
    let mut table = Table::new(ratings.people.len());
    let mut ratio = |sample: &Sample| {
        let subjects: Vec<u32> = sample.agents.iter().map(|agent| ratings.person_of[agent.idx()]).collect();
        let numerators = table.by_unit(&subjects, sample.numerators.iter().copied());
        let denominators = table.by_unit(&subjects, (0..sample.len()).map(|at| sample.denominator(at)));
        Quantity::Ratio(table.add(numerators), table.add(denominators))
    };
    let mut arms = Vec::new();
    for (rounds, result) in truths.into_iter().zip(results) {
        for (round, truth) in rounds {
            let sample = truth.sample.sorted().clustered(|agent| population.witness(agent));
            let measured = result.rounds.get(&round).map_or(&[][..], Vec::as_slice);
            let simulated = SIMULATED.map(|name| {
                let found = measured.iter().find(|measured| measured.name == name);
                found.and_then(|found| found.sample.as_ref()).map(&mut ratio)
            });
            arms.push(Resampled {
                arm: &result.arm,
                round,
                n_people: sample.len() as u64,
                n_shown: truth.n_shown,
                n_known: truth.n_known,
                truth: ratio(&sample),
                simulated,
            });
        }
    }
    (arms, table.resample(params.n_bootstrap as usize, streams))
}

impl Resampled<'_> {
    fn row(&self, replicates: &Replicates, params: &StatsParams) -> TruthRow {
        let interval = replicates.interval(self.truth, params.confidence, params.method);
        TruthRow {
            arm: self.arm.to_owned(),
            round: self.round,
            n_people: self.n_people,
            n_shown: self.n_shown,
            n_known: self.n_known,
            mean_true_rating: Some(replicates.value(self.truth)).filter(|mean| mean.is_finite()),
            ci_low: interval.map(|(low, _)| low),
            ci_high: interval.map(|(_, high)| high),
        }
    }
}

/// The `nth` simulated order against the true one, over the arms that have a place in both.
fn order(
    round: u32,
    nth: usize,
    arms: &[&Resampled<'_>],
    replicates: &Replicates,
    params: &StatsParams,
) -> Option<OrderRow> {
    let pairs: Vec<(Quantity, Quantity)> = arms
        .iter()
        .filter_map(|arm| Some((arm.simulated[nth]?, arm.truth)))
        .filter(|&(simulated, truth)| {
            replicates.value(simulated).is_finite() && replicates.value(truth).is_finite()
        })
        .collect();
    if pairs.len() < 2 {
        return None;
    }
    let value = |quantities: Vec<Quantity>| -> Vec<f64> {
        quantities.into_iter().map(|quantity| replicates.value(quantity)).collect()
    };
    let (simulated, truth): (Vec<Quantity>, Vec<Quantity>) = pairs.into_iter().unzip();
    let columns = |quantities: &[Quantity]| -> Vec<Vec<f64>> {
        quantities.iter().map(|&quantity| replicates.replicate_values(quantity)).collect()
    };
    let taus = taus(&columns(&simulated), &columns(&truth));
    let n_arms = truth.len() as u64;
    let tail = (1.0 - params.confidence) / 2.0;
    let has_interval = taus.len() * 2 >= params.n_bootstrap as usize;
    let end = |share: f64| quantile(&taus, share).filter(|_| has_interval);
    Some(OrderRow {
        round,
        metric: SIMULATED[nth].to_owned(),
        n_arms,
        tau: kendall_tau_b(&value(simulated), &value(truth)),
        ci_low: end(tail),
        ci_high: end(1.0 - tail),
    })
}

/// τ-b in every replicate, ascending, left out where it is not defined.
fn taus(simulated: &[Vec<f64>], truth: &[Vec<f64>]) -> Vec<f64> {
    let n_replicates = truth.first().map_or(0, Vec::len);
    let at = |columns: &[Vec<f64>], nth: usize| -> Vec<f64> { columns.iter().map(|c| c[nth]).collect() };
    let mut taus: Vec<f64> =
        (0..n_replicates).filter_map(|nth| kendall_tau_b(&at(simulated, nth), &at(truth, nth))).collect();
    taus.sort_by(f64::total_cmp);
    taus
}

#[cfg(test)]
mod tests;

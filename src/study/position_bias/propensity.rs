//! How much more a slot is looked at than the first, without a model of what is liked. Must not know agents.
//!
//! Where a page's items are put in random order, every slot has the same mix of items, so the watch rate of a slot over
//! that of the first is the ratio of their examination probabilities (Joachims, Swaminathan and Schnabel 2017, §4.3).
//! Where pages are ranked, differences between rankers stand in for the dice: the same item shown to the same
//! agent in two slots by two arms (intervention harvesting, Agarwal et al. 2019, "PivotOne": pairs with the first slot).

use super::pages::Pages;
use crate::rng::Streams;
use crate::stats::bootstrap::{Quantity, Table};
use crate::stats::params::StatsParams;

/// A slot against the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Propensity {
    /// Share of what it showed that was watched.
    pub watch_rate: f64,
    /// That over the watch rate of the first slot among the same items; `None` where nothing was watched there.
    pub ratio: Option<f64>,
    /// Its interval, clustered by person.
    pub interval: Option<(f64, f64)>,
    /// What it rests on: pages, or items seen in both slots.
    pub n: u64,
}

/// The watch rate of every slot over that of the first.
pub fn by_slot(pages: &Pages, statistics: &StatsParams, streams: &Streams) -> Vec<Propensity> {
    let n_persons = pages.n_persons();
    let mut watched = vec![vec![0.0; n_persons]; pages.n_slots()];
    for page in pages.iter() {
        for slot in (0..pages.n_slots()).filter(|&slot| page.watched[slot]) {
            watched[slot][page.person as usize] += 1.0;
        }
    }
    let n = pages.len() as u64;
    // Every page fills every slot, so the ratio of watches is the ratio of rates.
    let pairs =
        watched.iter().map(|slot| Pair { here: slot.clone(), first: watched[0].clone(), n }).collect();
    ratios(pairs, n_persons, statistics, streams)
}

/// One item before one agent in one arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// In which round: what is shown again in a later one is what was not watched before, so rounds are kept apart.
    pub round: u32,
    /// Whose taste it met.
    pub agent: u32,
    /// What was seen.
    pub item: u32,
    /// Where on the page, from 0.
    pub slot: u32,
    /// Whether it was watched.
    pub watched: bool,
}

/// The watch rate of every slot over that of the first, among what the same agent met in both; `person_of` gives
/// the person behind an agent.
pub fn harvested(
    mut sightings: Vec<Sighting>,
    n_slots: usize,
    (n_persons, person_of): (usize, &dyn Fn(u32) -> u32),
    statistics: &StatsParams,
    streams: &Streams,
) -> Vec<Propensity> {
    sightings.sort_unstable();
    let empty = || Pair { here: vec![0.0; n_persons], first: vec![0.0; n_persons], n: 0 };
    let mut pairs: Vec<Pair> = (0..n_slots).map(|_| empty()).collect();
    for same in sightings.chunk_by(|a, b| (a.round, a.agent, a.item) == (b.round, b.agent, b.item)) {
        let Some(first) = watch_rate(same, 0) else { continue };
        for (slot, pair) in pairs.iter_mut().enumerate() {
            if let Some(here) = watch_rate(same, slot as u32) {
                let person = person_of(same[0].agent) as usize;
                pair.here[person] += here;
                pair.first[person] += first;
                pair.n += 1;
            }
        }
    }
    ratios(pairs, n_persons, statistics, streams)
}

/// How often it was watched in a slot, of the times that it stood there.
fn watch_rate(same: &[Sighting], slot: u32) -> Option<f64> {
    let there = same.iter().filter(|sighting| sighting.slot == slot);
    let (n, n_watched) = there.fold((0u32, 0u32), |(n, w), s| (n + 1, w + u32::from(s.watched)));
    (n > 0).then(|| f64::from(n_watched) / f64::from(n))
}

/// A slot and the first slot among the same items: watches by person.
struct Pair {
    here: Vec<f64>,
    first: Vec<f64>,
    n: u64,
}

fn ratios(
    pairs: Vec<Pair>,
    n_persons: usize,
    statistics: &StatsParams,
    streams: &Streams,
) -> Vec<Propensity> {
    let mut table = Table::new(n_persons);
    let persons: Vec<u32> = (0..n_persons as u32).collect();
    let quantities: Vec<(Quantity, f64, u64)> = pairs
        .into_iter()
        .map(|pair| {
            let rate = pair.here.iter().sum::<f64>() / pair.n as f64;
            let column = table.by_unit(&persons, pair.here.into_iter());
            let here = table.add(column);
            let column = table.by_unit(&persons, pair.first.into_iter());
            let first = table.add(column);
            (Quantity::Ratio(here, first), rate, pair.n)
        })
        .collect();
    let replicates = table.resample(statistics.n_bootstrap as usize, streams);
    quantities
        .into_iter()
        .map(|(quantity, watch_rate, n)| Propensity {
            watch_rate,
            ratio: Some(replicates.value(quantity)).filter(|ratio| ratio.is_finite()),
            interval: replicates.interval(quantity, statistics.confidence, statistics.method),
            n,
        })
        .collect()
}

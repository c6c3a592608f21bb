//! Means and shares over everybody, beside those of the reference: the metrics of a run, with
//! its own bootstrap, people being paired with themselves.
//! Must not know distributions or single tiers.

use super::bounds::ValidationParams;
use super::check::{Bound, Check, Floor, Group};
use crate::event::Session;
use crate::metric::analyse::{ArmResult, analyse};
use crate::metric::tables::MetricsRow;
use crate::metric::{self, Measured, Setting};
use crate::report::estimate::Estimate;
use crate::report::labels;
use crate::rng::{Purpose, Streams};
use crate::stats::params::StatsParams;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// What is compared, in the order of the report.
pub const HEADLINE: [&str; 5] = ["p_view", "p_like", "n_like", "n_exit", "s_sat"];

/// Random cuts of the reference into halves.
pub const N_CUTS: usize = 200;

/// The headline metrics of everybody, a person's repetitions taken together.
///
/// # Panics
/// When sessions are of agents that are not in the setting.
pub fn headline(repetitions: &[Vec<Session>], setting: Setting<'_>) -> Vec<Measured> {
    let kind = metric::ALL.iter().find(|kind| kind.name() == "sessions").expect("a metric of sessions");
    let mut metric = kind.start();
    // What one person tells in several sessions is added up.
    repetitions.iter().flatten().for_each(|session| metric.observe(session, setting));
    let mut measured = metric.finish(setting);
    measured.retain(|measured| HEADLINE.contains(&measured.name.as_str()));
    for measured in &mut measured {
        measured.n = measured.sample.as_ref().map_or(0, |sample| sample.len() as u64);
    }
    measured.sort_by_key(|measured| HEADLINE.iter().position(|name| *name == measured.name));
    measured
}

/// One check a headline metric.
pub fn checks(
    reference: &[Session],
    simulated: &[Vec<Session>],
    setting: Setting<'_>,
    bounds: &ValidationParams,
    statistics: &StatsParams,
    streams: &Streams,
) -> Vec<Check> {
    let theirs = headline(&[reference.to_vec()], setting);
    let arms = [
        ArmResult::single("reference", theirs.clone()),
        ArmResult::single("simulated", headline(simulated, setting)),
    ];
    let params = StatsParams { baseline: None, ..statistics.clone() };
    let tables = analyse(&arms, &params, streams);
    let floors_of_halves = halves(&theirs, streams);
    let of_luck = luck(simulated, setting);
    let row = |arm: &str, name: &str| tables.metrics.iter().find(|r| r.arm == arm && r.metric == name);
    HEADLINE
        .iter()
        .enumerate()
        .map(|(k, name)| {
            let found = tables.comparisons.iter().find(|r| r.metric == *name).and_then(|r| {
                let value = r.diff?;
                Some(Estimate {
                    value,
                    low: r.ci_low.unwrap_or(value),
                    high: r.ci_high.unwrap_or(value),
                    n: r.n,
                })
            });
            let unit = metric::measure(name).map_or("", |measure| measure.unit);
            let mut check = Check::new(Group::Aggregate, *name, unit, found)
                .bounded(Bound::Within(bound(bounds, name)))
                .about(labels::definition(name));
            check.reference = row("reference", name).and_then(estimate);
            check.simulated = row("simulated", name).and_then(estimate);
            check.floor = Floor { halves: floors_of_halves[k], luck: of_luck[k] };
            check
        })
        .collect()
}

fn bound(bounds: &ValidationParams, name: &str) -> f64 {
    match name {
        "p_view" => bounds.p_view,
        "p_like" => bounds.p_like,
        "n_like" => bounds.n_like,
        "n_exit" => bounds.n_exit,
        _ => bounds.s_sat,
    }
}

fn estimate(row: &MetricsRow) -> Option<Estimate> {
    let value = row.mean?;
    Some(Estimate { value, low: row.ci_low.unwrap_or(value), high: row.ci_high.unwrap_or(value), n: row.n })
}

/// Mean distance of two random halves of the reference, metric by metric.
fn halves(measured: &[Measured], streams: &Streams) -> Vec<Option<f64>> {
    let one = |measured: &Measured| {
        let sample = measured.sample.as_ref().filter(|sample| sample.len() >= 4)?;
        let distance = |side: &[bool]| {
            let mut sums = [(0.0, 0.0); 2];
            for (at, &side) in side.iter().enumerate() {
                sums[usize::from(side)].0 += sample.numerators[at];
                sums[usize::from(side)].1 += sample.denominator(at);
            }
            (sums[0].0 / sums[0].1 - sums[1].0 / sums[1].1).abs()
        };
        mean(cuts(sample.len(), streams).iter().map(|side| distance(side)))
    };
    measured.iter().map(one).collect()
}

/// Random cuts of `n` people into halves, the same for the same number of people.
pub fn cuts(n: usize, streams: &Streams) -> Vec<Vec<bool>> {
    (0..N_CUTS as u64)
        .map(|cut| {
            let mut side: Vec<bool> = (0..n).map(|k| k % 2 == 1).collect();
            side.shuffle(&mut streams.stream(Purpose::Validation, 1, cut, 0));
            side
        })
        .collect()
}

/// Mean distance of one repetition of the simulation to all of them, metric by metric.
fn luck(simulated: &[Vec<Session>], setting: Setting<'_>) -> Vec<Option<f64>> {
    let values: Vec<Vec<Option<f64>>> = simulated
        .par_iter()
        .map(|sessions| {
            headline(std::slice::from_ref(sessions), setting).into_iter().map(|m| m.value).collect()
        })
        .collect();
    let n = values.len() as f64;
    let one = |k: usize| {
        let all: Vec<f64> = values.iter().filter_map(|values| values[k]).collect();
        if all.len() < 2 {
            return None;
        }
        let centre = all.iter().sum::<f64>() / all.len() as f64;
        // Against the mean of the others, which is n / (n − 1) times as far as the mean of all.
        mean(all.iter().map(|value| (value - centre).abs() * n / (n - 1.0)))
    };
    (0..HEADLINE.len()).map(one).collect()
}

/// The mean of finite numbers; `None` of none.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0u32);
    for value in values.filter(|value| value.is_finite()) {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ExitReason, Page, Slot};
    use crate::id::AgentId;
    use crate::id::ItemId;
    use crate::metric::{Catalogue, Population};

    /// A session of one page of four, of which the first `n_watched` are watched and rated 4.
    fn session(agent: u32, n_watched: usize) -> Session {
        let slot = |k: usize| {
            let watched = k < n_watched;
            let rating = watched.then_some(4);
            Slot {
                item: ItemId(k as u32),
                aligned: Some(true),
                held_out: false,
                propensity: None,
                advertised: None,
                watched,
                rating,
            }
        };
        let pages = vec![Page { number: 1, slots: (0..4).map(slot).collect() }];
        let (exit, satisfaction) = (Some(ExitReason::Left), Some(1 + n_watched as u8));
        Session { pages, exit, satisfaction, ..Session::new(0, AgentId(agent)) }
    }

    #[test]
    fn repetitions_of_a_person_are_one_witness() {
        let population = Population::strangers(5);
        let catalogue = Catalogue::default();
        let setting = Setting { catalogue: &catalogue, population: &population, items_per_page: 4 };
        let once = [session(1, 1), session(4, 3)];
        let again = [session(1, 2), session(4, 3)];
        let found = headline(&[once.to_vec(), again.to_vec()], setting);
        assert_eq!(found.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), HEADLINE);
        let p_view = &found[0];
        assert_eq!((p_view.n, p_view.value), (2, Some(9.0 / 16.0)));
        let sample = p_view.sample.as_ref().expect("a sample");
        assert_eq!(
            (&sample.agents[..], &sample.numerators[..]),
            (&[AgentId(1), AgentId(4)][..], &[3.0, 6.0][..])
        );
        assert_eq!(found[4].value, Some((2.0 + 3.0 + 4.0 + 4.0) / 4.0));
        // Likes 2 and 3 a repetition: each is half a like from their mean, 2 · ½ from the other.
        let floor = luck(&[once.to_vec(), again.to_vec()], setting);
        assert_eq!(floor[2], Some(0.5));
        assert_eq!(luck(&[once.to_vec()], setting)[2], None);
    }

    #[test]
    fn cuts_are_halves_and_always_the_same() {
        let streams = Streams::new(9);
        let all = cuts(11, &streams);
        assert_eq!(all.len(), N_CUTS);
        assert!(all.iter().all(|side| side.iter().filter(|second| **second).count() == 5));
        assert_eq!(all, cuts(11, &streams));
        assert_ne!(all[0], all[1]);
    }
}

//! Kind of person by kind of person: exit page, satisfaction and share watched in each tier of
//! activity, diversity and conformity, and how many of each tier are left after every page.
//! Must not know aggregates or distributions.

use super::bounds::ValidationParams;
use super::check::{Bound, Check, Group};
use crate::agent::profile::Profile;
use crate::event::{ExitReason, Session};
use crate::report::estimate::{Estimate, Mean, Ratio, share};

/// A trait: its name, and the tier of a person.
type Trait = (&'static str, fn(&Profile) -> u8);

/// The traits, and the tier of a person in each.
pub const TRAITS: [Trait; 3] = [
    ("activity", |profile| profile.tiers.activity),
    ("diversity", |profile| profile.tiers.diversity),
    ("conformity", |profile| profile.tiers.conformity),
];

/// What is measured in a tier.
pub const MEASURES: [(&str, &str, &str); 3] = [
    ("n_exit", "pages", "last page seen, mean over the people of this tier"),
    ("s_sat", "score", "interview score, mean over the people of this tier"),
    ("p_view", "share", "items watched, of items shown to the people of this tier"),
];

/// One side of one tier.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// One estimate a measure, in the order of [`MEASURES`].
    pub measures: [Option<Estimate>; 3],
    /// The share of sessions that reached page 1, 2, …
    pub survival: Vec<Option<Estimate>>,
}

/// One tier of one trait.
#[derive(Clone, Debug, PartialEq)]
pub struct TierPair {
    /// The trait, as an index into [`TRAITS`].
    pub of_trait: usize,
    /// The tier, 1..=3.
    pub tier: u8,
    /// The reference.
    pub reference: Side,
    /// The simulation.
    pub simulated: Side,
}

/// A person's own mean of a measure, `None` where it has none: numerator and denominator.
fn parts(session: &Session) -> [Option<(f64, f64)>; 3] {
    let exited = session.exit.is_some_and(|exit| exit != ExitReason::Failure);
    [
        exited.then_some((session.pages.len() as f64, 1.0)),
        session.satisfaction.map(|score| (f64::from(score), 1.0)),
        Some((session.n_watched() as f64, session.n_shown() as f64)).filter(|(_, shown)| *shown > 0.0),
    ]
}

/// A person's parts over all of its sessions.
fn added<'a>(sessions: impl Iterator<Item = &'a Session>) -> [Option<(f64, f64)>; 3] {
    let mut sum = [None; 3];
    for session in sessions {
        for (sum, part) in sum.iter_mut().zip(parts(session)) {
            if let Some((above, below)) = part {
                let (a, b): (f64, f64) = sum.unwrap_or_default();
                *sum = Some((a + above, b + below));
            }
        }
    }
    sum
}

/// Every tier that has people. `simulated` holds, repetition by repetition, the sessions of the
/// people of `reference`, whose `profiles` stand in the same order.
pub fn compare(
    reference: &[Session],
    simulated: &[Vec<Session>],
    profiles: &[Profile],
    n_pages: usize,
    bounds: &ValidationParams,
    confidence: f64,
) -> (Vec<Check>, Vec<TierPair>) {
    let (mut checks, mut pairs) = (Vec::new(), Vec::new());
    for (of_trait, (name, tier_of)) in TRAITS.into_iter().enumerate() {
        for tier in 1..=3u8 {
            let people: Vec<usize> = (0..profiles.len()).filter(|&k| tier_of(&profiles[k]) == tier).collect();
            if people.is_empty() {
                continue;
            }
            let theirs: Vec<_> = people.iter().map(|&k| added(std::iter::once(&reference[k]))).collect();
            let ours: Vec<_> = people.iter().map(|&k| added(simulated.iter().map(|s| &s[k]))).collect();
            let pair = TierPair {
                of_trait,
                tier,
                reference: Side {
                    measures: measures(&theirs, confidence),
                    survival: survival(people.iter().map(|&k| &reference[k]), 1, n_pages, confidence),
                },
                simulated: Side {
                    measures: measures(&ours, confidence),
                    survival: survival(
                        simulated.iter().flat_map(|s| people.iter().map(|&k| &s[k])),
                        simulated.len() as u64,
                        n_pages,
                        confidence,
                    ),
                },
            };
            for (m, (measure, unit, about)) in MEASURES.into_iter().enumerate() {
                let mut check = Check::new(
                    Group::Tier,
                    format!("{measure} {name} {tier}"),
                    unit,
                    difference(&theirs, &ours, m, confidence),
                )
                .about(about);
                check.reference = pair.reference.measures[m];
                check.simulated = pair.simulated.measures[m];
                check.bound = (m == 0).then_some(Bound::Within(bounds.tier_exit));
                checks.push(check);
            }
            pairs.push(pair);
        }
    }
    (checks, pairs)
}

/// Numerator and denominator.
type Part = (f64, f64);

/// One part a measure.
type Parts = [Option<Part>; 3];

fn measures(people: &[Parts], confidence: f64) -> [Option<Estimate>; 3] {
    std::array::from_fn(|m| {
        let mut ratio = Ratio::default();
        people.iter().filter_map(|parts| parts[m]).for_each(|(above, below)| ratio.add(above, below));
        ratio.estimate(confidence)
    })
}

/// Simulated minus reference, person by person (for a ratio, by its linearised parts).
fn difference(theirs: &[Parts], ours: &[Parts], m: usize, confidence: f64) -> Option<Estimate> {
    let both: Vec<[Part; 2]> = theirs.iter().zip(ours).filter_map(|(t, o)| Some([t[m]?, o[m]?])).collect();
    let ratio_of = |side: usize| {
        let (above, below) = both.iter().fold((0.0, 0.0), |s, p| (s.0 + p[side].0, s.1 + p[side].1));
        (above / below, below / both.len() as f64)
    };
    let ((r_theirs, b_theirs), (r_ours, b_ours)) = (ratio_of(0), ratio_of(1));
    let mut mean = Mean::default();
    for [t, o] in &both {
        let pseudo = |(above, below): (f64, f64), ratio: f64, mean_below: f64| {
            ratio + (above - ratio * below) / mean_below
        };
        mean.add(pseudo(*o, r_ours, b_ours) - pseudo(*t, r_theirs, b_theirs));
    }
    mean.estimate(confidence).filter(|e| e.value.is_finite())
}

/// The share of sessions that reached each page; repetitions of a person add no certainty.
fn survival<'a>(
    sessions: impl Iterator<Item = &'a Session>,
    n_repetitions: u64,
    n_pages: usize,
    confidence: f64,
) -> Vec<Option<Estimate>> {
    let (mut reached, mut n) = (vec![0u64; n_pages], 0u64);
    for session in sessions.filter(|s| s.exit.is_some_and(|exit| exit != ExitReason::Failure)) {
        n += 1;
        reached.iter_mut().take(session.pages.len()).for_each(|reached| *reached += 1);
    }
    let each = n_repetitions.max(1);
    let estimate = |reached: u64| {
        let rough = share(reached / each, n / each, confidence)?;
        let value = reached as f64 / n as f64;
        Some(Estimate { value, low: rough.low.min(value), high: rough.high.max(value), n: rough.n })
    };
    reached.into_iter().map(estimate).collect()
}

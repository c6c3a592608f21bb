//! Agents beside the people they stand for: both rate the same items, those the people came to
//! after everything the agents know. Must not know recommenders or sessions.

use super::bounds::ValidationParams;
use super::check::{Bound, Check, Group};
use crate::agent::behavior::Visit;
use crate::agent::cue::Cues;
use crate::agent::memory::{Memory, Mood};
use crate::agent::profile::Profile;
use crate::experiment::prepare::Prepared;
use crate::id::{AgentId, ItemId};
use crate::report::estimate::Estimate;
use crate::rng::{Purpose, Streams};
use rand::RngExt;

/// Levels of a rating.
const N_LEVELS: usize = 5;

/// How agents rate beside people.
#[derive(Clone, Debug, PartialEq)]
pub struct PeopleCheck {
    /// People with held-out ratings.
    pub n_people: usize,
    /// Their held-out ratings.
    pub n_ratings: usize,
    /// Share of each rating 1..=5 among people's.
    pub people: [f64; N_LEVELS],
    /// Share of each rating 1..=5 among the agents'.
    pub agents: [f64; N_LEVELS],
    /// One entry a person: ratings held out, mean of the person's, mean of its agents'.
    pub means: Vec<(usize, f64, f64)>,
}

impl PeopleCheck {
    /// Total-variation distance of the two rating distributions.
    pub fn tvd(&self) -> f64 {
        0.5 * self.people.iter().zip(&self.agents).map(|(a, b)| (a - b).abs()).sum::<f64>()
    }

    /// Pearson correlation of the means of those with at least this many ratings; `None` for fewer than three.
    pub fn correlation(&self, n_ratings_min: usize) -> Option<f64> {
        let pairs: Vec<(f64, f64)> =
            self.means.iter().filter(|(n, ..)| *n >= n_ratings_min).map(|&(_, a, b)| (a, b)).collect();
        let n = pairs.len() as f64;
        if pairs.len() < 3 {
            return None;
        }
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
        let (a, b) = (mean(|p| p.0), mean(|p| p.1));
        let covariance: f64 = pairs.iter().map(|p| (p.0 - a) * (p.1 - b)).sum();
        let (va, vb): (f64, f64) =
            (pairs.iter().map(|p| (p.0 - a).powi(2)).sum(), pairs.iter().map(|p| (p.1 - b).powi(2)).sum());
        (va > 0.0 && vb > 0.0).then(|| covariance / (va * vb).sqrt())
    }
}

/// Persons drawn for the interval of the correlation.
const N_RESAMPLES: u32 = 400;

/// The checks of a comparison. The correlation's interval resamples people.
pub fn checks(found: &PeopleCheck, bounds: &ValidationParams, streams: Streams) -> Vec<Check> {
    let n = found.n_people as u64;
    let tvd = found.tvd();
    let of = |means: &[(usize, f64, f64)]| {
        PeopleCheck { means: means.to_vec(), ..found.clone() }.correlation(1).unwrap_or(f64::NAN)
    };
    let mut resampled: Vec<f64> = (0..N_RESAMPLES)
        .map(|k| {
            let mut luck = streams.stream(Purpose::Validation, 7, u64::from(k), 0);
            let draw = |_| found.means[luck.random_range(0..found.means.len())];
            of(&(0..found.means.len()).map(draw).collect::<Vec<_>>())
        })
        .collect();
    resampled.sort_by(f64::total_cmp);
    let at = |share: f64| resampled[(share * (resampled.len() - 1) as f64).round() as usize];
    let correlation = Estimate { value: of(&found.means), low: at(0.025), high: at(0.975), n };
    vec![
        Check::new(
            Group::People,
            "rating_tvd",
            "share",
            Some(Estimate { value: tvd, low: tvd, high: tvd, n }),
        )
        .bounded(Bound::AtMost(bounds.people_tvd))
        .about(
            "total-variation distance of the agents' ratings from those of their people, of the same items",
        ),
        Check::new(Group::People, "mean_rating_correlation", "index", Some(correlation))
            .bounded(Bound::AtLeast(bounds.people_correlation))
            .about(
                "correlation over people of their mean rating with that of their agents, of the same items",
            ),
    ]
}

/// Has every agent rate what its person's test part holds, `n_replicates` times with luck of their own;
/// `None` where the data has no ratings or holds none
/// out, or the behaviour cannot be asked.
pub fn check(prepared: &Prepared, n_replicates: u32) -> Option<PeopleCheck> {
    let (low, high) = prepared.dataset.rating_range?;
    let level = |rating: f32| {
        let level = (N_LEVELS - 1) as f32 * (rating - low) / (high - low).max(1e-6);
        (level.round() as usize).min(N_LEVELS - 1)
    };
    let memory = Memory::with_capacity(0);
    let mut check = PeopleCheck {
        n_people: 0,
        n_ratings: 0,
        people: [0.0; N_LEVELS],
        agents: [0.0; N_LEVELS],
        means: Vec::new(),
    };
    for profile in &prepared.agents.all() {
        let rated: Vec<_> = prepared.split.test.history_of(profile.user).collect();
        if rated.is_empty() {
            continue;
        }
        let items: Vec<ItemId> = rated.iter().map(|x| x.item).collect();
        let replicate = |k: u32| Profile { agent: AgentId(profile.agent.0 ^ k.rotate_right(8)), ..*profile };
        let replicates: Vec<Profile> = (0..n_replicates).map(replicate).collect();
        let visits: Vec<Visit<'_>> = replicates
            .iter()
            .map(|profile| Visit {
                profile,
                memory: &memory,
                mood: Mood::NEUTRAL,
                round: 0,
                page: 1,
                items: &items,
                cues: Cues::USUAL,
                advertised: &[],
                outcomes: &[],
                foretold: None,
            })
            .collect();
        let answers = prepared.behavior.would_rate(&visits)?;
        let given: Vec<u8> = answers.into_iter().filter_map(Result::ok).flatten().collect();
        if given.is_empty() {
            continue;
        }
        given.iter().for_each(|&rating| check.agents[usize::from(rating) - 1] += 1.0);
        rated.iter().for_each(|x| check.people[level(x.rating)] += 1.0);
        check.n_people += 1;
        check.n_ratings += rated.len();
        let own = rated.iter().map(|x| 1.0 + level(x.rating) as f64).sum::<f64>() / rated.len() as f64;
        let agents = given.iter().map(|&rating| f64::from(rating)).sum::<f64>() / given.len() as f64;
        check.means.push((rated.len(), own, agents));
    }
    for shares in [&mut check.people, &mut check.agents] {
        let total: f64 = shares.iter().sum::<f64>().max(1.0);
        shares.iter_mut().for_each(|share| *share /= total);
    }
    (check.n_people > 0).then_some(check)
}

//! Social traits of people and the population drawn from them.
//!
//! Traits and tier cuts follow Agent4Rec (Zhang et al., SIGIR 2024, §2.1): activity, diversity
//! and conformity of the interactions a person left. Must not know behaviours or recommenders.

use crate::dataset::{Dataset, Interactions};
use crate::id::{AgentId, UserId};
use crate::naming::Naming;
use crate::rng::{Purpose, Streams};
use bevy_ecs::component::Component;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal};
use std::borrow::Cow;

/// Traits of one person, in their own units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traits {
    /// Number of interactions.
    pub activity: f32,
    /// Number of genres that cover 80 % of the interactions.
    pub diversity: f32,
    /// Mean squared deviation of the person's ratings from the items' mean ratings; small = conforming.
    pub deviation: f32,
    /// How much higher than others the person rates: the mean of the deviations, shrunk towards 0 by
    /// five ratings' worth, in rating points.
    pub leniency: f32,
}

/// Traits cut into three tiers, 1 = low to 3 = high.
///
/// `conformity` follows Agent4Rec's numbering: tier 1 has the smallest deviation from the items' means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiers {
    /// Activity tier: cuts at the 60th and 90th percentile of the people.
    pub activity: u8,
    /// Diversity tier: cuts at the 33rd and 66th percentile.
    pub diversity: u8,
    /// Conformity tier: cuts of the deviation at the 25th and 80th percentile.
    pub conformity: u8,
}

/// Who an agent is.
#[derive(Component, Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Its number in the population: the key of its luck.
    pub agent: AgentId,
    /// The person it stands for.
    pub user: UserId,
    /// Traits, jittered in further copies of a person.
    pub traits: Traits,
    /// The tiers of these traits.
    pub tiers: Tiers,
}

/// Everybody who will be simulated, in `AgentId` order. Profiles are made when they are asked for, so that a
/// population costs as much memory as the people it is drawn from.
#[derive(Clone, Debug)]
pub struct Agents {
    n_agents: usize,
    /// The people drawn, ascending: agent `k` of the first round stands for the `k`-th of them.
    people: Vec<Drawn>,
    /// The places in `people` of the last round, where it is not a whole one.
    last: Vec<u32>,
    naming: Naming,
    cuts: [Cuts; 3],
    jitter: f32,
    streams: Streams,
}

/// A person who is simulated.
#[derive(Clone, Debug)]
struct Drawn {
    user: UserId,
    raw_id: String,
    traits: Traits,
    /// The tiers of all its agents, where they are published.
    published: Option<Tiers>,
}

impl Agents {
    /// Number of agents.
    pub fn len(&self) -> usize {
        self.n_agents
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.n_agents == 0
    }

    /// Number of people they stand for.
    pub fn n_people(&self) -> usize {
        self.people.len()
    }

    /// Raw ids of the people they stand for.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.people.iter().map(|person| person.raw_id.as_str())
    }

    /// The people they stand for.
    pub fn users(&self) -> impl Iterator<Item = UserId> {
        self.people.iter().map(|person| person.user)
    }

    /// The person of an agent, by its place among the [people](Agents::people), and which of that person's agents it
    /// is: 0 for the first.
    ///
    /// # Panics
    /// When there is no such agent.
    pub fn place(&self, agent: AgentId) -> (usize, u32) {
        assert!(agent.idx() < self.n_agents, "agent {} of {}", agent.0, self.n_agents);
        let (copy, place) = (agent.idx() / self.people.len(), agent.idx() % self.people.len());
        let is_last_round = (copy + 1) * self.people.len() > self.n_agents;
        (if is_last_round { self.last[place] as usize } else { place }, copy as u32)
    }

    /// Who an agent is.
    ///
    /// # Panics
    /// When there is no such agent.
    pub fn profile(&self, agent: AgentId) -> Profile {
        let (place, copy) = self.place(agent);
        let person = &self.people[place];
        let own = person.traits;
        let (traits, tiers) = match person.published {
            Some(tiers) => (own, tiers),
            None if copy == 0 => (own, tiers_of(own, self.cuts)),
            None => {
                let own = jittered(own, agent, self.jitter, self.streams);
                (own, tiers_of(own, self.cuts))
            }
        };
        Profile { agent, user: person.user, traits, tiers }
    }

    /// The person an agent stands for.
    ///
    /// # Panics
    /// When there is no such agent.
    pub fn user(&self, agent: AgentId) -> UserId {
        self.people[self.place(agent).0].user
    }

    /// Who these agents are, in order.
    ///
    /// # Panics
    /// When there are not so many agents.
    pub fn profiles(&self, agents: std::ops::Range<usize>) -> Vec<Profile> {
        agents.map(|agent| self.profile(AgentId(agent as u32))).collect()
    }

    /// Who all of them are: for populations that are known to be small.
    pub fn all(&self) -> Vec<Profile> {
        self.profiles(0..self.n_agents)
    }

    /// What an agent is called in files.
    ///
    /// # Panics
    /// When there is no such agent.
    pub fn raw_id(&self, agent: AgentId) -> Cow<'_, str> {
        let (place, copy) = self.place(agent);
        self.naming.name(&self.people[place].raw_id, copy)
    }
}

/// The two cuts of a trait.
#[derive(Clone, Copy, Debug)]
struct Cuts(f32, f32);

impl Cuts {
    fn of(mut values: Vec<f32>, low: f64, high: f64) -> Self {
        values.sort_by(f32::total_cmp);
        Cuts(quantile(&values, low), quantile(&values, high))
    }

    fn tier(self, value: f32) -> u8 {
        1 + u8::from(value >= self.0) + u8::from(value >= self.1)
    }
}

/// Linear-interpolation quantile of sorted values; 0 for none.
fn quantile(sorted: &[f32], q: f64) -> f32 {
    if sorted.is_empty() {
        return 0.0;
    }
    let at = q * (sorted.len() - 1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64) as f32
}

/// Traits of every person, from these interactions of the dataset.
pub fn traits(dataset: &Dataset, interactions: &Interactions) -> Vec<Traits> {
    let means = item_means(interactions);
    let of = |user| traits_of(dataset, interactions, &means, UserId(user));
    (0..dataset.n_users() as u32).map(of).collect()
}

/// Ratings' worth of belief that a person is as lenient as everybody.
const PRIOR_RATINGS: f32 = 5.0;

/// The mean rating of every item; 0 for items without any.
fn item_means(all: &Interactions) -> Vec<f32> {
    let mut sums = vec![(0f64, 0u32); all.matrix.n_cols];
    for (&item, &rating) in all.matrix.indices.iter().zip(&all.matrix.values) {
        sums[item as usize].0 += f64::from(rating);
        sums[item as usize].1 += 1;
    }
    sums.into_iter().map(|(sum, n)| if n == 0 { 0.0 } else { (sum / f64::from(n)) as f32 }).collect()
}

fn traits_of(dataset: &Dataset, interactions: &Interactions, means: &[f32], user: UserId) -> Traits {
    let (items, ratings) = interactions.matrix.row(user.idx());
    let mut views = vec![0u32; dataset.genres.len()];
    for &item in items {
        for genre in &dataset.catalogue[item as usize].genres {
            views[genre.idx()] += 1;
        }
    }
    let deviations = || items.iter().zip(ratings).map(|(&i, r)| r - means[i as usize]);
    let squared: f32 = deviations().map(|d| d * d).sum();
    Traits {
        activity: items.len() as f32,
        diversity: genres_covering(views, 0.8) as f32,
        deviation: if items.is_empty() { 0.0 } else { squared / items.len() as f32 },
        leniency: deviations().sum::<f32>() / (items.len() as f32 + PRIOR_RATINGS),
    }
}

/// How many of the most viewed genres it takes to cover this share of all views.
fn genres_covering(mut views: Vec<u32>, share: f64) -> usize {
    views.sort_unstable_by(|a, b| b.cmp(a));
    let total: u32 = views.iter().sum();
    let mut covered = 0;
    views
        .iter()
        .position(|&n| {
            covered += n;
            f64::from(covered) >= share * f64::from(total)
        })
        .map_or(0, |last| if total == 0 { 0 } else { last + 1 })
}

/// Whom a population is drawn from.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// How many agents; 0 for as many as there are people.
    pub n_agents: usize,
    /// Who can be drawn, ascending; everybody where `None`.
    pub people: Option<&'a [UserId]>,
    /// Standard deviation of the log-normal jitter of a resampled person's traits.
    pub jitter: f32,
}

/// Draws a population, with traits from these interactions of the dataset; tiers are cut among all
/// people, whoever is drawn.
///
/// Up to the number of people, agents are distinct people, drawn without replacement and
/// numbered in user order. Beyond it everybody is in, then people are resampled one whole
/// shuffled round after another, with traits jittered by a log-normal factor.
pub fn population(
    dataset: &Dataset,
    interactions: &Interactions,
    draw: &Draw<'_>,
    streams: Streams,
) -> Agents {
    let traits = traits(dataset, interactions);
    let cuts = [
        Cuts::of(traits.iter().map(|t| t.activity).collect(), 0.60, 0.90),
        Cuts::of(traits.iter().map(|t| t.diversity).collect(), 0.33, 0.66),
        Cuts::of(traits.iter().map(|t| t.deviation).collect(), 0.25, 0.80),
    ];
    let published = |user: UserId| {
        let persona = &dataset.published_personas.as_ref()?[user.idx()];
        let (activity, diversity, conformity) = (persona.activity, persona.diversity, persona.conformity);
        Some(Tiers { activity, diversity, conformity })
    };
    let person = |user: UserId| Drawn {
        user,
        raw_id: dataset.users.raw(user.0).to_owned(),
        traits: traits[user.idx()],
        published: published(user),
    };
    let people: Vec<Drawn> = drawn(dataset.n_users(), draw, streams).into_iter().map(person).collect();
    let n_agents = if draw.n_agents == 0 || people.is_empty() { people.len() } else { draw.n_agents };
    let (n_rounds, n_last) = match people.len() {
        0 => (0, 0),
        n_people => (n_agents / n_people, n_agents % n_people),
    };
    let last = match n_last {
        0 => Vec::new(),
        _ => round_of_people(people.len(), n_last, n_rounds as u32, streams),
    };
    let naming = Naming::of(people.iter().map(|person| person.raw_id.as_str()));
    Agents { n_agents, people, last, naming, cuts, jitter: draw.jitter, streams }
}

/// Whom [`population`] draws, each once, ascending.
pub fn drawn(n_users: usize, draw: &Draw<'_>, streams: Streams) -> Vec<UserId> {
    let n_people = draw.people.map_or(n_users, <[UserId]>::len);
    let wanted = if draw.n_agents == 0 { n_people } else { draw.n_agents };
    let places = round_of_people(n_people, wanted, 0, streams).into_iter();
    places.map(|place| draw.people.map_or(UserId(place), |people| people[place as usize])).collect()
}

/// The people of one round of sampling: at most `wanted`, ascending.
fn round_of_people(n_users: usize, wanted: usize, copy: u32, streams: Streams) -> Vec<u32> {
    let mut people: Vec<u32> = (0..n_users as u32).collect();
    if wanted < n_users {
        people.shuffle(&mut streams.stream(Purpose::Population, 0, 0, copy));
        people.truncate(wanted);
        people.sort_unstable();
    }
    people
}

fn tiers_of(traits: Traits, cuts: [Cuts; 3]) -> Tiers {
    Tiers {
        activity: cuts[0].tier(traits.activity),
        diversity: cuts[1].tier(traits.diversity),
        conformity: cuts[2].tier(traits.deviation),
    }
}

fn jittered(traits: Traits, agent: AgentId, jitter: f32, streams: Streams) -> Traits {
    let mut rng = streams.stream(Purpose::Population, 1, u64::from(agent.0), 0);
    let mut factor = || {
        let z: f32 = StandardNormal.sample(&mut rng);
        (jitter * z).exp()
    };
    Traits {
        activity: traits.activity * factor(),
        diversity: traits.diversity * factor(),
        deviation: traits.deviation * factor(),
        leniency: traits.leniency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_as_numpy_does() {
        // numpy.quantile([1, 2, 4], [0, .25, .5, .6, 1])
        let values = [1.0, 2.0, 4.0];
        let expect = [(0.0, 1.0), (0.25, 1.5), (0.5, 2.0), (0.6, 2.4), (1.0, 4.0)];
        for (q, v) in expect {
            assert!((quantile(&values, q) - v).abs() < 1e-6);
        }
    }

    #[test]
    fn diversity_counts_the_genres_that_cover_four_fifths() {
        assert_eq!(genres_covering(vec![8, 1, 1], 0.8), 1);
        assert_eq!(genres_covering(vec![1, 7, 2], 0.8), 2);
        assert_eq!(genres_covering(vec![0, 0], 0.8), 0);
        assert_eq!(genres_covering(vec![], 0.8), 0);
    }

    #[test]
    fn a_round_of_people_is_ascending_without_repeats() {
        let people = round_of_people(50, 20, 0, Streams::new(1));
        assert_eq!(people.len(), 20);
        assert!(people.windows(2).all(|w| w[0] < w[1]));
        assert_eq!(round_of_people(5, 9, 0, Streams::new(1)), vec![0, 1, 2, 3, 4]);
    }
}

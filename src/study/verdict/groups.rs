//! Whether an effect differs between kinds of people: by tier of activity, diversity and conformity. Must not know
//! how it is told.

use super::pair::Pair;
use crate::id::AgentId;
use crate::metric::{Agent, Population, Sample};
use crate::stats::shrinkage::{self, GroupEffect, Heterogeneity, Shrunk};

/// A tier needs as many people to be looked at.
const N_PEOPLE_MIN: u64 = 10;

type Trait = (&'static str, fn(Agent<'_>) -> u8);

/// The traits that cut people into tiers.
const TRAITS: [Trait; 3] = [
    ("activity", |agent| agent.activity()),
    ("diversity", |agent| agent.diversity()),
    ("conformity", |agent| agent.conformity()),
];

/// The effect in one tier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tier {
    /// 1 = low to 3 = high.
    pub tier: u8,
    /// How many people.
    pub n: u64,
    /// The effect as it was seen there, with its standard error.
    pub seen: GroupEffect,
    /// The effect pulled towards the other tiers'.
    pub shrunk: Option<Shrunk>,
}

/// The effect by tiers of one trait.
#[derive(Clone, Debug, PartialEq)]
pub struct ByTrait {
    /// Which trait.
    pub name: &'static str,
    /// The tiers with enough people.
    pub tiers: Vec<Tier>,
    /// Whether they differ.
    pub test: Heterogeneity,
}

/// The effect of right over left by tiers of every trait that has at least two with enough people.
pub fn by_traits(left: &Sample, right: &Sample, population: &Population, confidence: f64) -> Vec<ByTrait> {
    let of_trait = |(name, value): &Trait| {
        let mut tiers: Vec<Tier> = (1..=3)
            .filter_map(|tier| {
                let agents = (0..).zip(population.iter()).filter(|(_, agent)| value(*agent) == tier);
                let agents: Vec<AgentId> = agents.map(|(k, _)| AgentId(k)).collect();
                let (found, n) = Pair::among(left, right, &agents)?;
                let seen = GroupEffect { effect: found.difference, std_error: found.std_error };
                (n >= N_PEOPLE_MIN && seen.std_error > 0.0).then_some(Tier { tier, n, seen, shrunk: None })
            })
            .collect();
        let effects: Vec<GroupEffect> = tiers.iter().map(|tier| tier.seen).collect();
        let test = shrinkage::heterogeneity(&effects)?;
        for (tier, shrunk) in
            tiers.iter_mut().zip(shrinkage::shrink(&effects, confidence).into_iter().flatten())
        {
            tier.shrunk = Some(shrunk);
        }
        Some(ByTrait { name, tiers, test })
    };
    TRAITS.iter().filter_map(of_trait).collect()
}

//! Which model plays whom: a small one most agents, a large one a sample, by arm, tier and share.
//! Must not know what models are.

use crate::agent::profile::Profile;
use crate::rng::{Purpose, Streams};
use crate::scenario::params::Complaint;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One rule: the first that fits an agent gives its model; where none fits, the behaviour's own model plays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The model's name in `llm.models`.
    pub model: String,
    /// In these arms; in every arm when not given.
    #[serde(default)]
    pub arms: Vec<String>,
    /// Agents of these activity tiers, 1..=3; of every tier when not given.
    #[serde(default)]
    pub activity: Vec<u8>,
    /// Agents of these diversity tiers.
    #[serde(default)]
    pub diversity: Vec<u8>,
    /// Agents of these conformity tiers.
    #[serde(default)]
    pub conformity: Vec<u8>,
    /// The share of them, drawn by agent, the same agents in every arm.
    #[serde(default = "everybody")]
    pub share: f64,
}

fn everybody() -> f64 {
    1.0
}

impl Role {
    /// Refuses what cannot be meant.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        for (key, tiers) in
            [("activity", &self.activity), ("diversity", &self.diversity), ("conformity", &self.conformity)]
        {
            if let Some(tier) = tiers.iter().find(|tier| !(1..=3).contains(*tier)) {
                return Err(Complaint::out_of_range(format!("{at}.{key}"), tier, "1..=3"));
            }
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(Complaint::out_of_range(format!("{at}.share"), self.share, "above 0, at most 1"));
        }
        Ok(())
    }

    /// Whether the rule is about this agent in this arm. `number` is the rule's own, so that the shares of
    /// two rules are drawn apart.
    fn fits(&self, number: u32, arm: &str, profile: &Profile, streams: Streams) -> bool {
        let any = |tiers: &[u8], tier: u8| tiers.is_empty() || tiers.contains(&tier);
        let tiers = profile.tiers;
        (self.arms.is_empty() || self.arms.iter().any(|name| name == arm))
            && any(&self.activity, tiers.activity)
            && any(&self.diversity, tiers.diversity)
            && any(&self.conformity, tiers.conformity)
            && (self.share >= 1.0 || {
                let mut luck = streams.stream(Purpose::Cast, number, u64::from(profile.agent.0), 0);
                luck.random::<f64>() < self.share
            })
    }
}

/// The place of the role that this agent has in this arm; `None` for the behaviour's own model.
pub fn role_of(roles: &[Role], arm: &str, profile: &Profile, streams: Streams) -> Option<usize> {
    (0..).zip(roles).position(|(number, role)| role.fits(number, arm, profile, streams))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::profile::{Tiers, Traits};
    use crate::id::{AgentId, UserId};

    fn profile(agent: u32, activity: u8) -> Profile {
        Profile {
            agent: AgentId(agent),
            user: UserId(agent),
            traits: Traits { activity: 1.0, diversity: 1.0, deviation: 1.0, leniency: 0.0 },
            tiers: Tiers { activity, diversity: 2, conformity: 2 },
        }
    }

    #[test]
    fn the_first_rule_that_fits_gives_the_model() {
        let role = |model: &str| Role {
            model: model.to_owned(),
            arms: Vec::new(),
            activity: Vec::new(),
            diversity: Vec::new(),
            conformity: Vec::new(),
            share: 1.0,
        };
        let roles = [
            Role { arms: vec!["mf".to_owned()], activity: vec![3], ..role("large") },
            Role { share: 0.25, ..role("sample") },
        ];
        let streams = Streams::new(5);
        assert_eq!(role_of(&roles, "mf", &profile(0, 3), streams), Some(0));
        let sampled = |arm: &str| -> Vec<u32> {
            (0..4000).filter(|&k| role_of(&roles, arm, &profile(k, 1), streams) == Some(1)).collect()
        };
        let (mf, random) = (sampled("mf"), sampled("random"));
        assert_eq!(mf, random, "the same agents in every arm");
        assert!((900..1100).contains(&mf.len()), "{} of 4000", mf.len());
    }
}

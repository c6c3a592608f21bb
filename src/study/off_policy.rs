//! Off-policy evaluation: what would another arm have earned, going by the log of an arm that explores alone? Every
//! estimator's answer stands beside the truth that only a simulation has: the other arm's own first pages.
//!
//! First pages of the first round alone: later pages exist only for those who stayed, and whether they stay depends on
//! what was shown. What is estimated is the share of a first page that is watched, and that is liked. Must not know
//! recommenders: their probabilities are in `policies.csv` ([`policy_file`]).

pub mod between_logs;
pub mod estimators;
pub mod interval;
pub mod open_bandit;
pub mod pages;
pub mod policy_file;
pub mod reward_model;
pub mod slate;
mod verdict;

use super::{Evidence, PoliciesWanted, Study, StudyError, StudyKind, Told};
use crate::scenario::params::{self, Complaint, within};
use pages::{Pages, People, Reward};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use verdict::{Answered, Claim, Truth};

/// The kind `off_policy`.
pub struct OffPolicy;

const NAME: &str = "off_policy";

/// Parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OffPolicyParams {
    /// The arm whose log is used; it must explore (`epsilon_greedy`, `softmax`, `thompson`). Must be given.
    pub logging: String,
    /// The arms whose value is estimated; must be given.
    pub targets: Vec<String>,
    /// Draws of what stands above a place, over which an item's chances there are averaged, 10..=100000.
    pub n_draws: u32,
    /// Folds of the reward model, by person, 2..=20.
    pub n_folds: u32,
}

impl Default for OffPolicyParams {
    fn default() -> Self {
        OffPolicyParams { logging: String::new(), targets: Vec::new(), n_draws: 200, n_folds: 3 }
    }
}

impl StudyKind for OffPolicy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "what would other arms have earned, going by the log of one that explores, and is that true?"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(OffPolicyParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        let params: OffPolicyParams = params::parse(at, table)?;
        if params.logging.is_empty() {
            let expected = "the name of an arm that explores".to_owned();
            return Err(Complaint::Missing { path: format!("{at}.logging"), expected });
        }
        if params.targets.is_empty() {
            let expected = "the names of the arms whose value is estimated".to_owned();
            return Err(Complaint::Missing { path: format!("{at}.targets"), expected });
        }
        within(at, "n_draws", params.n_draws, 10, 100_000)?;
        within(at, "n_folds", params.n_folds, 2, 20)?;
        Ok(Box::new(params))
    }
}

impl Study for OffPolicyParams {
    fn arms(&self) -> Vec<&str> {
        std::iter::once(self.logging.as_str()).chain(self.targets.iter().map(String::as_str)).collect()
    }

    fn policies(&self) -> Option<PoliciesWanted<'_>> {
        Some(PoliciesWanted { logging: &self.logging, targets: &self.targets, n_draws: self.n_draws })
    }

    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let rows = policy_file::read(evidence.run_dir, &self.logging, &self.targets)?;
        let confidence = evidence.statistics.confidence;
        let mut answered = Vec::new();
        for target in &self.targets {
            let of_target: Vec<_> = rows.iter().filter(|row| row.target == *target).cloned().collect();
            for reward in Reward::ALL {
                let pages = Pages::new(&of_target, reward, self.n_folds, evidence)?;
                let unanswerable =
                    |problem: String| StudyError::Unanswerable { study: NAME.to_owned(), problem };
                let singles = estimators::estimate(&pages.rows, confidence);
                let singles = singles.map_err(|error| unanswerable(format!("{target}: {error}")))?;
                let slates = slate::estimate(&pages.slates, confidence);
                let slates = slates.map_err(|error| unanswerable(format!("{target}: {error}")))?;
                answered.push(Answered {
                    target: target.clone(),
                    reward,
                    claims: Claim::of(&singles, &slates),
                    support: singles.support,
                    share_unsupported: pages.share_unsupported,
                    truth: first_pages(evidence, target, reward)?,
                    logged: first_pages(evidence, &self.logging, reward)?,
                });
            }
        }
        Ok(verdict::told(&self.logging, &answered))
    }
}

/// What an arm's own first pages of the first round earned, with its interval.
fn first_pages(evidence: &Evidence<'_>, arm: &str, reward: Reward) -> Result<Truth, StudyError> {
    let people = People::new(evidence);
    let (mut clusters, mut values) = (Vec::new(), Vec::new());
    let arm = evidence.arm(arm).unwrap_or_default();
    evidence.for_each_session(arm, &mut |session| {
        let (Some(page), 0, 0) = (session.pages.first(), session.round, session.n_failures) else { return };
        for slot in &page.slots {
            clusters.push(people.of(session.agent.idx()));
            values.push(match reward {
                Reward::Watched => f64::from(u8::from(slot.watched)),
                Reward::Liked => f64::from(u8::from(slot.rating.is_some_and(|rating| rating >= 4))),
            });
        }
    })?;
    let ratio = interval::mean_ratio(clusters.into_iter(), values.into_iter());
    let found = interval::measure(&[ratio], people.n()).unwrap_or(interval::NOTHING);
    Ok(Truth {
        value: found.value,
        std_error: found.std_error,
        interval: found.interval(evidence.statistics.confidence),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_bounds_are_told() {
        let told = |toml: &str| {
            let table = toml.parse().expect("test TOML");
            OffPolicy.check("studies.x", &table).err().map(|c| c.to_string()).unwrap_or_default()
        };
        let good = "logging = \"soft\"\ntargets = [\"mf\"]\n";
        assert_eq!(told(good), "");
        assert!(told("targets = [\"mf\"]").starts_with("studies.x.logging is missing"));
        assert!(told("logging = \"soft\"").starts_with("studies.x.targets is missing"));
        assert_eq!(told(&format!("{good}n_draws = 1")), "studies.x.n_draws is 1, must be 10..=100000");
        assert_eq!(told(&format!("{good}n_folds = 1")), "studies.x.n_folds is 1, must be 2..=20");
    }
}

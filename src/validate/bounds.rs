//! What counts as close enough: the table `[validation]` of a scenario.
//! Must not know how anything is measured.

use crate::scenario::params::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds of the realism report and sizes of the sanity gates.
///
/// The bounds are those of the published comparison this project holds itself to. `n_like` is what
/// the bounds of `p_like` and `n_exit` allow together on pages of four: .02 · 4 · 3.2 + .10 · 4 · .46.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ValidationParams {
    /// Largest difference of the share watched.
    pub p_view: f64,
    /// Largest difference of the share liked.
    pub p_like: f64,
    /// Largest difference of the likes an agent gives.
    pub n_like: f64,
    /// Largest difference of the mean exit page.
    pub n_exit: f64,
    /// Largest difference of the mean interview score.
    pub s_sat: f64,
    /// Largest total-variation distance of the exit pages.
    pub exit_tvd: f64,
    /// Largest total-variation distance of the ratings.
    pub rating_tvd: f64,
    /// Largest total-variation distance of the interview scores.
    pub satisfaction_tvd: f64,
    /// Largest total-variation distance of the items watched on a page.
    pub watched_tvd: f64,
    /// Largest difference of the mean exit page within one tier of a trait.
    pub tier_exit: f64,
    /// Largest area under the curve of a classifier that tells simulated sessions from recorded ones.
    pub auc: f64,
    /// Smallest accuracy of the taste test against negatives never observed, at 1, 3 and 9 negatives for every
    /// positive; 0 asks nothing.
    pub taste_accuracy: [f64; 3],
    /// Largest total-variation distance of the agents' ratings from the people's, of the same items.
    pub people_tvd: f64,
    /// Smallest correlation of the agents' mean ratings with the people's.
    pub people_correlation: f64,
    /// Most agents the sanity gates are run with; more of the population are thinned out evenly.
    pub n_gate_agents: u32,
    /// How often two runs of one arm are compared.
    pub n_aa_runs: u32,
    /// Smallest share of those comparisons that may come out below p = .05.
    pub aa_low: f64,
    /// Largest such share.
    pub aa_high: f64,
}

impl Default for ValidationParams {
    fn default() -> Self {
        ValidationParams {
            p_view: 0.02,
            p_like: 0.02,
            n_like: 0.45,
            n_exit: 0.10,
            s_sat: 0.15,
            exit_tvd: 0.06,
            rating_tvd: 0.06,
            satisfaction_tvd: 0.10,
            watched_tvd: 0.08,
            tier_exit: 0.25,
            auc: 0.65,
            taste_accuracy: [0.0; 3],
            people_tvd: 0.03,
            people_correlation: 0.8,
            n_gate_agents: 1000,
            n_aa_runs: 400,
            aa_low: 0.02,
            aa_high: 0.08,
        }
    }
}

impl ValidationParams {
    /// Every value out of its bounds, with `at` as the path of the table.
    pub fn complaints(&self, at: &str) -> Vec<Complaint> {
        let shares = [
            ("p_view", self.p_view),
            ("p_like", self.p_like),
            ("exit_tvd", self.exit_tvd),
            ("rating_tvd", self.rating_tvd),
            ("satisfaction_tvd", self.satisfaction_tvd),
            ("watched_tvd", self.watched_tvd),
            ("auc", self.auc),
            ("taste_accuracy[0]", self.taste_accuracy[0]),
            ("taste_accuracy[1]", self.taste_accuracy[1]),
            ("taste_accuracy[2]", self.taste_accuracy[2]),
            ("people_tvd", self.people_tvd),
            ("people_correlation", self.people_correlation),
            ("aa_low", self.aa_low),
            ("aa_high", self.aa_high),
        ];
        let amounts = [
            ("n_like", self.n_like),
            ("n_exit", self.n_exit),
            ("s_sat", self.s_sat),
            ("tier_exit", self.tier_exit),
        ];
        let mut complaints = Vec::new();
        let within = |key: &str, value: f64, high: f64| {
            (!(0.0..=high).contains(&value))
                .then(|| Complaint::out_of_range(format!("{at}.{key}"), value, format!("0..={high}")))
        };
        complaints.extend(shares.iter().filter_map(|&(key, value)| within(key, value, 1.0)));
        complaints.extend(amounts.iter().filter_map(|&(key, value)| within(key, value, 1000.0)));
        for (key, value, low, high) in
            [("n_gate_agents", self.n_gate_agents, 20, 100_000), ("n_aa_runs", self.n_aa_runs, 10, 10_000)]
        {
            if !(low..=high).contains(&value) {
                complaints.push(Complaint::out_of_range(
                    format!("{at}.{key}"),
                    value,
                    format!("{low}..={high}"),
                ));
            }
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_told_with_its_path() {
        assert!(ValidationParams::default().complaints("validation").is_empty());
        let params =
            ValidationParams { auc: f64::NAN, n_exit: -1.0, n_gate_agents: 1, ..ValidationParams::default() };
        let told: Vec<String> = params.complaints("validation").iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "validation.auc is NaN, must be 0..=1",
                "validation.n_exit is -1, must be 0..=1000",
                "validation.n_gate_agents is 1, must be 20..=100000",
            ]
        );
    }
}

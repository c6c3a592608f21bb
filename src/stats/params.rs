//! What a scenario may choose about statistics (its table `[statistics]`).
//! Must not know metrics; the baseline is only a name here.

use crate::scenario::params::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an interval is read off the bootstrap replicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Bias-corrected and accelerated (Efron and Tibshirani 1993, chapter 14).
    #[default]
    Bca,
    /// Plain quantiles of the replicates.
    Percentile,
}

/// The paired test behind a p-value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairedTest {
    /// Student's t on the paired differences.
    #[default]
    PairedT,
    /// Wilcoxon's signed ranks of the paired differences.
    Wilcoxon,
}

/// How p-values of one family are adjusted for being many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// Holm 1979: family-wise error rate.
    #[default]
    Holm,
    /// Benjamini and Hochberg 1995: false discovery rate.
    Bh,
    /// None.
    None,
}

/// Parameters of intervals, tests and corrections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatsParams {
    /// Bootstrap replicates, 100..=100000.
    pub n_bootstrap: u32,
    /// Coverage of the intervals, above 0.5 and below 1; 1 − confidence is also the level α of `mde`.
    pub confidence: f64,
    /// How intervals are read off the replicates.
    pub method: IntervalMethod,
    /// The paired test behind the p-values.
    pub test: PairedTest,
    /// How p-values are adjusted over the metrics of one pair of arms and one round.
    pub adjust: Adjustment,
    /// Power at which the minimum detectable effect is told, above 0.5 and below 1.
    pub power: f64,
    /// The arm all others are compared with; the first arm where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
}

impl Default for StatsParams {
    fn default() -> Self {
        StatsParams {
            n_bootstrap: 2000,
            confidence: 0.95,
            method: IntervalMethod::default(),
            test: PairedTest::default(),
            adjust: Adjustment::default(),
            power: 0.8,
            baseline: None,
        }
    }
}

impl StatsParams {
    /// Every value out of its bounds, with `at` as the path of the table, and a baseline that is not among `arms`.
    pub fn complaints<'a>(&self, at: &str, arms: impl IntoIterator<Item = &'a str>) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if !(100..=100_000).contains(&self.n_bootstrap) {
            complaints.push(Complaint::out_of_range(
                format!("{at}.n_bootstrap"),
                self.n_bootstrap,
                "100..=100000",
            ));
        }
        for (key, value) in [("confidence", self.confidence), ("power", self.power)] {
            if !(value > 0.5 && value < 1.0) {
                complaints.push(Complaint::out_of_range(
                    format!("{at}.{key}"),
                    value,
                    "above 0.5 and below 1",
                ));
            }
        }
        if let Some(baseline) = &self.baseline {
            let arms: Vec<&str> = arms.into_iter().collect();
            if !arms.contains(&baseline.as_str()) {
                complaints.push(Complaint::unknown_name(format!("{at}.baseline"), baseline, arms));
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
        let params = StatsParams {
            n_bootstrap: 1,
            confidence: 1.5,
            power: f64::NAN,
            baseline: Some("popula".into()),
            ..StatsParams::default()
        };
        let told: Vec<String> =
            params.complaints("statistics", ["popular", "mf"]).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "statistics.n_bootstrap is 1, must be 100..=100000",
                "statistics.confidence is 1.5, must be above 0.5 and below 1",
                "statistics.power is NaN, must be above 0.5 and below 1",
                "statistics.baseline is \"popula\", which is not known, did you mean `popular`?; \
                 expected one of: popular, mf",
            ]
        );
        assert!(StatsParams::default().complaints("statistics", ["a"]).is_empty());
    }
}

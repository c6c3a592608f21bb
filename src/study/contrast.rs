//! Sums and differences of what the same agents contribute to several values, with an interval and a test.
//! Must not know what the values are.

use crate::id::AgentId;
use crate::metric::Sample;
use crate::rng::Streams;
use crate::stats::bootstrap::{Quantity, Table};
use crate::stats::paired;
use crate::stats::params::StatsParams;

/// A contrast as it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// Σ weight · value, over the agents that contribute to every term.
    pub value: f64,
    /// Its bootstrap interval; agents of one person are one witness.
    pub ci: Option<(f64, f64)>,
    /// P-value of the paired t-test that it is 0.
    pub p_value: Option<f64>,
    /// How many agents it rests on.
    pub n: u64,
}

impl Contrast {
    /// The value with its interval, to be told.
    pub fn finding(&self, id: impl Into<String>, unit: &str) -> super::Finding {
        super::Finding::new(id, unit, Some(self.value), self.ci).tested(self.p_value)
    }

    /// Whether the interval excludes 0.
    pub fn is_shown(&self) -> bool {
        self.ci.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }
}

/// Σ weight · value over these terms, paired by agent. What an agent contributes to a ratio of sums is its
/// pseudo-value ([`Sample::pseudo_values`]); samples must already be clustered by person, as those of
/// [`super::Evidence::results`] are. `None` where fewer than two agents contribute to every term.
pub fn contrast(terms: &[(f64, &Sample)], params: &StatsParams, streams: &Streams) -> Option<Contrast> {
    let common = common_agents(terms);
    if common.len() < 2 {
        return None;
    }
    let mut totals = vec![0.0; common.len()];
    for (weight, sample) in terms {
        let values = restricted(sample, &common).pseudo_values();
        totals.iter_mut().zip(values).for_each(|(total, value)| *total += weight * value);
    }
    Some(mean(&totals, params, streams))
}

/// The mean of one number an agent (or person), with its bootstrap interval and paired t-test.
pub fn mean(values: &[f64], params: &StatsParams, streams: &Streams) -> Contrast {
    let n = values.len();
    let value = values.iter().sum::<f64>() / n.max(1) as f64;
    let subjects: Vec<u32> = (0..n as u32).collect();
    let mut table = Table::new(n);
    let numerators = table.by_unit(&subjects, values.iter().copied());
    let ones = table.by_unit(&subjects, std::iter::repeat_n(1.0, n));
    let quantity = Quantity::Ratio(table.add(numerators), table.add(ones));
    let replicates = table.resample(params.n_bootstrap as usize, streams);
    let ci = if n < 2 { None } else { replicates.interval(quantity, params.confidence, params.method) };
    Contrast { value, ci, p_value: paired::paired_t(values), n: n as u64 }
}

/// The agents that contribute to every term, ascending.
fn common_agents(terms: &[(f64, &Sample)]) -> Vec<AgentId> {
    let Some(((_, first), others)) = terms.split_first() else { return Vec::new() };
    let in_all = |agent: &AgentId| others.iter().all(|(_, s)| s.agents.binary_search(agent).is_ok());
    first.agents.iter().copied().filter(in_all).collect()
}

/// The sample without those who are not among these agents.
pub(super) fn restricted(sample: &Sample, agents: &[AgentId]) -> Sample {
    let at: Vec<usize> = agents.iter().filter_map(|agent| sample.agents.binary_search(agent).ok()).collect();
    let has_denominators = !sample.denominators.is_empty();
    Sample {
        agents: at.iter().map(|&at| sample.agents[at]).collect(),
        numerators: at.iter().map(|&at| sample.numerators[at]).collect(),
        denominators: if has_denominators {
            at.iter().map(|&at| sample.denominators[at]).collect()
        } else {
            Vec::new()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[(u32, f64)]) -> Sample {
        let mut sample = Sample::default();
        values.iter().for_each(|&(agent, value)| sample.push(AgentId(agent), value));
        sample
    }

    #[test]
    fn a_contrast_is_taken_over_those_who_contribute_to_every_term() {
        let (a, b, c) = (
            sample(&[(0, 1.0), (1, 2.0), (3, 4.0)]),
            sample(&[(0, 2.0), (1, 5.0), (2, 9.0), (3, 1.0)]),
            sample(&[(1, 1.0), (3, 3.0)]),
        );
        let params = StatsParams { n_bootstrap: 200, ..StatsParams::default() };
        let streams = Streams::new(1);
        let found = contrast(&[(1.0, &b), (-1.0, &a), (2.0, &c)], &params, &streams).expect("two agents");
        // Agents 1 and 3: 5 − 2 + 2·1 = 5 and 1 − 4 + 2·3 = 3.
        assert_eq!((found.value, found.n), (4.0, 2));
        assert!(found.p_value.is_some_and(|p| p > 0.1 && p < 0.2), "{found:?}");
        assert_eq!(contrast(&[(1.0, &a), (1.0, &sample(&[(7, 1.0)]))], &params, &streams), None);
    }

    #[test]
    fn of_ratios_the_ratios_are_contrasted() {
        let mut a = Sample::default();
        let mut b = Sample::default();
        for agent in 0..40 {
            let shown = f64::from(4 + agent % 5);
            a.push_ratio(AgentId(agent), f64::from(agent % 3), shown);
            b.push_ratio(AgentId(agent), f64::from(agent % 3) + 1.0, shown);
        }
        let params = StatsParams { n_bootstrap: 400, ..StatsParams::default() };
        let found = contrast(&[(1.0, &b), (-1.0, &a)], &params, &Streams::new(2)).expect("forty agents");
        let expected = b.value().expect("a ratio") - a.value().expect("a ratio");
        assert!((found.value - expected).abs() < 1e-12, "{} is not {expected}", found.value);
        assert!(found.ci.is_some_and(|(low, high)| low < expected && expected < high && found.is_shown()));
    }
}

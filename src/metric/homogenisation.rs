//! Whether everybody is shown the same: similarity of what pairs of agents are shown.
//! Exact over all pairs of a panel: everybody in a small population, an evenly spaced part of a
//! large one, the same in every arm and round. Must not know items beyond being equal or not.

use super::{Measure, Measured, Metric, MetricKind, Population, Sample, Setting};
use crate::event::Session;
use crate::id::AgentId;

/// Mean Jaccard similarity between pairs of agents.
pub struct Homogenisation;

static MEASURES: [Measure; 1] = [Measure {
    name: "homogenisation",
    unit: "share",
    better: Some(false),
    about: "Jaccard similarity of the items shown to two agents, mean over pairs of agents of a panel of 1,000",
}];

/// Agents whose pairs are compared: ⌊j · n_agents / 1000⌋ for j in 0..1000 in a larger population.
const N_PANEL: u64 = 1000;

impl MetricKind for Homogenisation {
    fn name(&self) -> &'static str {
        "homogenisation"
    }

    fn about(&self) -> &'static str {
        "mean Jaccard similarity of exposure between agents (after Chaney et al. 2018)"
    }

    fn measures(&self) -> &'static [Measure] {
        &MEASURES
    }

    fn start(&self) -> Box<dyn Metric> {
        Box::new(Accumulator::default())
    }
}

/// Whether an agent belongs to the panel.
fn on_panel(agent: AgentId, population: &Population) -> bool {
    let n_agents = population.len() as u64;
    if n_agents <= N_PANEL {
        return true;
    }
    // The member nearest above: the smallest j with ⌊j · n / N⌋ ≥ agent.
    let agent = u64::from(agent.0);
    let j = (agent * N_PANEL).div_ceil(n_agents);
    j < N_PANEL && j * n_agents / N_PANEL == agent
}

#[derive(Default)]
struct Accumulator {
    /// Items shown to each member of the panel that was shown any, ascending, without repeats.
    shown: Vec<(AgentId, Vec<u32>)>,
}

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        if on_panel(session.agent, setting.population) {
            let mut items: Vec<u32> = session.slots().map(|slot| slot.item.0).collect();
            items.sort_unstable();
            items.dedup();
            if !items.is_empty() {
                self.shown.push((session.agent, items));
            }
        }
    }

    fn finish(mut self: Box<Self>, _setting: Setting<'_>) -> Vec<Measured> {
        self.shown.sort();
        self.shown.dedup_by_key(|(agent, _)| *agent);
        vec![MEASURES[0].of(sample(&self.shown))]
    }
}

/// Pseudo-values of the mean over all pairs, a U-statistic of degree 2: with h the mean
/// similarity of one agent to the others and U the mean of h, they are U + 2 (h − U). Their mean
/// is U, and their spread gives its standard error.
fn sample(shown: &[(AgentId, Vec<u32>)]) -> Sample {
    let mut sample = Sample::default();
    let n = shown.len();
    if n < 2 {
        return sample;
    }
    let sums = similarity_sums(shown);
    let similarities: Vec<f64> = sums.iter().map(|sum| sum / (n - 1) as f64).collect();
    let mean = similarities.iter().sum::<f64>() / n as f64;
    for ((agent, _), similarity) in shown.iter().zip(similarities) {
        sample.push(*agent, mean + 2.0 * (similarity - mean));
    }
    sample
}

/// For every agent, the sum of its Jaccard similarities to all others.
fn similarity_sums(shown: &[(AgentId, Vec<u32>)]) -> Vec<f64> {
    let n_items =
        shown.iter().filter_map(|(_, items)| items.last()).max().map_or(0, |&item| item as usize + 1);
    // Agents already met that were shown each item: walking them counts what pairs have in common,
    // and pairs with nothing in common cost nothing.
    let mut met = vec![Vec::new(); n_items];
    let mut n_common = vec![0u32; shown.len()];
    let mut sums = vec![0.0; shown.len()];
    for (a, (_, items)) in shown.iter().enumerate() {
        for &item in items {
            met[item as usize].iter().for_each(|&b: &usize| n_common[b] += 1);
            met[item as usize].push(a);
        }
        for (b, n_common) in n_common[..a].iter_mut().enumerate().filter(|(_, n_common)| **n_common > 0) {
            let n_all = items.len() + shown[b].1.len() - *n_common as usize;
            let similarity = f64::from(std::mem::take(n_common)) / n_all as f64;
            sums[a] += similarity;
            sums[b] += similarity;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panel_is_everybody_or_an_evenly_spaced_thousand() {
        for n_agents in [1usize, 999, 1000, 1001, 1500, 2000, 4321] {
            let population = Population::strangers(n_agents);
            let panel: Vec<u64> = (0..n_agents as u32)
                .filter(|&agent| on_panel(AgentId(agent), &population))
                .map(u64::from)
                .collect();
            let expected: Vec<u64> = if n_agents <= 1000 {
                (0..n_agents as u64).collect()
            } else {
                (0..1000).map(|j| j * n_agents as u64 / 1000).collect()
            };
            assert_eq!(panel, expected, "{n_agents} agents");
        }
    }
}

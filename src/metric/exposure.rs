//! How attention is shared out among items: coverage and concentration of exposure.
//! Must not know who the attention came from beyond one line an agent.

use super::{Measure, Measured, Metric, MetricKind, Sample, Setting};
use crate::event::Session;
use crate::id::AgentId;

/// The family of exposure measures.
pub struct Exposure;

static MEASURES: [Measure; 2] = [
    Measure {
        name: "catalogue_coverage",
        unit: "share",
        better: Some(true),
        about: "share of the catalogue that was shown to anybody; grows with the number of agents",
    },
    Measure {
        name: "exposure_gini",
        unit: "share",
        better: None,
        about: "Gini index of the number of times an item was shown, items never shown included",
    },
];

impl MetricKind for Exposure {
    fn name(&self) -> &'static str {
        "exposure"
    }

    fn about(&self) -> &'static str {
        "catalogue coverage (Ge et al. 2010) and Gini index of exposure (Fleder and Hosanagar 2009)"
    }

    fn measures(&self) -> &'static [Measure] {
        &MEASURES
    }

    fn start(&self) -> Box<dyn Metric> {
        Box::new(Accumulator::default())
    }
}

#[derive(Default)]
struct Accumulator(Exposures);

impl Metric for Accumulator {
    fn observe(&mut self, session: &Session, setting: Setting<'_>) {
        self.0.observe(session, setting.catalogue.items.len());
    }

    fn finish(self: Box<Self>, setting: Setting<'_>) -> Vec<Measured> {
        let n_items = setting.catalogue.items.len();
        let n_shown_once = self.0.counts.iter().filter(|&&count| count > 0).count();
        let coverage = (n_items > 0).then(|| n_shown_once as f64 / n_items as f64);
        let covered = MEASURES[0].whole(self.0.agents.len() as u64, coverage);
        vec![covered, MEASURES[1].of(self.0.gini())]
    }
}

/// How often every item was shown, and to whom: what the Gini index of exposure is made of.
#[derive(Default)]
pub struct Exposures {
    counts: Vec<u64>,
    agents: Vec<AgentId>,
    /// Where each agent's items end in `shown`.
    ends: Vec<usize>,
    shown: Vec<u32>,
}

impl Exposures {
    /// Takes in what a session shows, of a catalogue of `n_items`.
    pub fn observe(&mut self, session: &Session, n_items: usize) {
        self.counts.resize(n_items, 0);
        for slot in session.slots() {
            self.counts[slot.item.idx()] += 1;
            self.shown.push(slot.item.0);
        }
        self.agents.push(session.agent);
        self.ends.push(self.shown.len());
    }

    /// Pseudo-values of the Gini index: G plus n times the first-order effect on it of one agent's
    /// exposures. G does not change when all counts grow alike, so those effects sum to zero and
    /// the mean of the pseudo-values is G itself, while their spread gives its standard error.
    pub fn gini(&self) -> Sample {
        let mut sample = Sample::default();
        let total: u64 = self.counts.iter().sum();
        if total == 0 {
            return sample;
        }
        let slopes = gini_slopes(&self.counts);
        let gini: f64 =
            self.counts.iter().zip(&slopes).map(|(&count, slope)| count as f64 * slope).sum::<f64>()
                / total as f64;
        let per_agent = self.agents.len() as f64 / total as f64;
        let mut start = 0;
        for (&agent, &end) in self.agents.iter().zip(&self.ends) {
            let effect: f64 = self.shown[start..end].iter().map(|&item| slopes[item as usize] - gini).sum();
            sample.push(agent, gini + per_agent * effect);
            start = end;
        }
        sample
    }
}

/// (2 · rank − n − 1) / n of every count, so that Σ count · slope / Σ count is the Gini index;
/// equal counts share their mean rank.
fn gini_slopes(counts: &[u64]) -> Vec<f64> {
    let n = counts.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&item| counts[item]);
    let mut slopes = vec![0.0; n];
    let mut from = 0;
    while from < n {
        let mut to = from + 1;
        while to < n && counts[order[to]] == counts[order[from]] {
            to += 1;
        }
        // Ranks from + 1 ..= to, mean (from + to + 1) / 2.
        let slope = ((from + to) as f64 - n as f64) / n as f64;
        order[from..to].iter().for_each(|&item| slopes[item] = slope);
        from = to;
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gini_of_known_distributions() {
        let gini = |counts: &[u64]| {
            let total: u64 = counts.iter().sum();
            let slopes = gini_slopes(counts);
            counts.iter().zip(slopes).map(|(&count, slope)| count as f64 * slope).sum::<f64>() / total as f64
        };
        assert!(gini(&[5, 5, 5, 5]).abs() < 1e-15);
        assert!((gini(&[0, 0, 0, 9]) - 0.75).abs() < 1e-15);
        // Mean absolute difference over all 9 ordered pairs: (2·(1 + 2 + 1)) / 9, over twice the mean 2.
        assert!((gini(&[1, 2, 3]) - 8.0 / 9.0 / 4.0).abs() < 1e-15);
    }
}

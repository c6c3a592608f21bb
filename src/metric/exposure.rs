//! How attention is shared out among items: coverage and concentration of exposure.
//! Must not know who the attention came from beyond one line an agent.

use super::{Gathering, Measure, Measured, Metric, MetricKind, Setting};
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
        self.0.observe(setting.witness(session), session, setting.catalogue.items.len());
    }

    fn finish(mut self: Box<Self>, setting: Setting<'_>) -> Vec<Measured> {
        let n_items = setting.catalogue.items.len();
        let n_shown_once = self.0.counts.iter().filter(|&&count| count > 0).count();
        let coverage = (n_items > 0).then(|| n_shown_once as f64 / n_items as f64);
        let covered = MEASURES[0].whole(self.0.n_sessions, coverage);
        vec![covered, MEASURES[1].gathered(self.0.gini())]
    }
}

/// How often every item was shown, and to whom: what the Gini index of exposure is made of.
#[derive(Default)]
pub struct Exposures {
    n_sessions: u64,
    counts: Vec<u64>,
    /// Sessions of every witness.
    sessions: Vec<u32>,
    /// Which items every witness was shown, and how often: ascending up to `n_sorted`, then as they came.
    shown: Vec<Shown>,
    n_sorted: usize,
}

/// How often an item was shown to a witness.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    witness: u32,
    item: u32,
    n: u32,
}

/// Entries that are gathered before they are added up.
const N_SHOWN_MIN: usize = 1 << 20;

impl Exposures {
    /// Takes in what a session shows, of a catalogue of `n_items`.
    pub fn observe(&mut self, witness: AgentId, session: &Session, n_items: usize) {
        self.counts.resize(n_items, 0);
        self.n_sessions += 1;
        if self.sessions.len() <= witness.idx() {
            self.sessions.resize(witness.idx() + 1, 0);
        }
        self.sessions[witness.idx()] += 1;
        for slot in session.slots() {
            self.counts[slot.item.idx()] += 1;
            self.shown.push(Shown { witness: witness.0, item: slot.item.0, n: 1 });
        }
        // So that memory is bounded by the different items that people are shown.
        if self.shown.len() >= N_SHOWN_MIN.max(2 * self.n_sorted) {
            self.add_up();
        }
    }

    /// Leaves one entry a witness and item.
    fn add_up(&mut self) {
        self.shown.sort_unstable();
        self.shown.dedup_by(|next, first| {
            let is_same = (next.witness, next.item) == (first.witness, first.item);
            first.n += if is_same { next.n } else { 0 };
            is_same
        });
        self.n_sorted = self.shown.len();
    }

    /// Pseudo-values of the Gini index: G plus n times the first-order effect on it of one session's
    /// exposures, added up by witness. G does not change when all counts grow alike, so those effects sum to zero and
    /// the mean of the pseudo-values is G itself, while their spread gives its standard error.
    pub fn gini(&mut self) -> Gathering {
        let mut gathering = Gathering::default();
        let total: u64 = self.counts.iter().sum();
        if total == 0 {
            return gathering;
        }
        self.add_up();
        let slopes = gini_slopes(&self.counts);
        let gini: f64 =
            self.counts.iter().zip(&slopes).map(|(&count, slope)| count as f64 * slope).sum::<f64>()
                / total as f64;
        let per_session = self.n_sessions as f64 / total as f64;
        let mut shown = self.shown.chunk_by(|a, b| a.witness == b.witness).peekable();
        for (witness, &n_sessions) in (0..).zip(&self.sessions).filter(|(_, n)| **n > 0) {
            let own = shown.next_if(|entries| entries[0].witness == witness).unwrap_or_default();
            let effect: f64 =
                own.iter().map(|entry| f64::from(entry.n) * (slopes[entry.item as usize] - gini)).sum();
            let n_sessions = u64::from(n_sessions);
            gathering.push_all(AgentId(witness), n_sessions, n_sessions as f64 * gini + per_session * effect);
        }
        gathering
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

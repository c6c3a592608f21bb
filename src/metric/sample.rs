//! What agents contribute to a value: ratios of sums, means as their special case.
//! Must not know metrics, arms or resampling.

use crate::id::AgentId;

/// What every agent contributes to a value that is a ratio of sums:
/// Σ numerators / Σ denominators. A mean over agents is the case where every
/// denominator is 1. Agents without a value are not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Whose, ascending, without repeats.
    pub agents: Vec<AgentId>,
    /// One numerator an agent.
    pub numerators: Vec<f64>,
    /// One denominator an agent, or empty where all are 1.
    pub denominators: Vec<f64>,
}

impl Sample {
    /// Adds an agent's part of a mean.
    pub fn push(&mut self, agent: AgentId, value: f64) {
        assert!(self.denominators.is_empty(), "a sample is either of means or of ratios");
        self.agents.push(agent);
        self.numerators.push(value);
    }

    /// Adds an agent's part of a ratio of sums; a zero denominator is no part at all.
    pub fn push_ratio(&mut self, agent: AgentId, numerator: f64, denominator: f64) {
        assert_eq!(self.denominators.len(), self.agents.len(), "a sample is either of means or of ratios");
        if denominator != 0.0 {
            self.agents.push(agent);
            self.numerators.push(numerator);
            self.denominators.push(denominator);
        }
    }

    /// The same sample in ascending order of agents. An agent that comes twice keeps its first part.
    pub fn sorted(mut self) -> Self {
        if self.agents.windows(2).all(|pair| pair[0] < pair[1]) {
            return self;
        }
        let mut order: Vec<usize> = (0..self.agents.len()).collect();
        order.sort_by_key(|&at| self.agents[at]);
        order.dedup_by_key(|at| self.agents[*at]);
        let pick = |from: &[f64]| order.iter().map(|&at| from[at]).collect::<Vec<f64>>();
        self.numerators = pick(&self.numerators);
        if !self.denominators.is_empty() {
            self.denominators = pick(&self.denominators);
        }
        self.agents = order.iter().map(|&at| self.agents[at]).collect();
        self
    }

    /// The sample with the parts of agents of one cluster added up under one of them: `cluster` gives
    /// each agent's. Agents of one person are no independent witnesses; a ratio of sums stays the same.
    pub fn clustered(self, cluster: impl Fn(AgentId) -> AgentId) -> Self {
        if self.agents.iter().all(|&agent| cluster(agent) == agent) {
            return self;
        }
        let mut parts: std::collections::BTreeMap<AgentId, (f64, f64)> = std::collections::BTreeMap::new();
        for (at, &agent) in self.agents.iter().enumerate() {
            let part = parts.entry(cluster(agent)).or_default();
            part.0 += self.numerators[at];
            part.1 += self.denominator(at);
        }
        Sample {
            agents: parts.keys().copied().collect(),
            numerators: parts.values().map(|part| part.0).collect(),
            denominators: parts.values().map(|part| part.1).collect(),
        }
    }

    /// Number of agents.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether nobody contributes.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// The denominator of the agent at this place.
    pub fn denominator(&self, at: usize) -> f64 {
        self.denominators.get(at).copied().unwrap_or(1.0)
    }

    /// Σ numerators / Σ denominators; `None` where that is nothing finite.
    pub fn value(&self) -> Option<f64> {
        let numerator: f64 = self.numerators.iter().sum();
        let denominator =
            if self.denominators.is_empty() { self.len() as f64 } else { self.denominators.iter().sum() };
        Some(numerator / denominator).filter(|value| value.is_finite())
    }

    /// One number an agent whose plain mean is [`Sample::value`] and whose spread over √n is its
    /// standard error: R + (numerator − R · denominator) / mean denominator (the delta method; for a
    /// mean these are the values themselves). Tests of ratios are tests of these.
    pub fn pseudo_values(&self) -> Vec<f64> {
        if self.denominators.is_empty() {
            return self.numerators.clone();
        }
        let Some(ratio) = self.value() else { return Vec::new() };
        let mean_denominator = self.denominators.iter().sum::<f64>() / self.len() as f64;
        self.numerators
            .iter()
            .zip(&self.denominators)
            .map(|(numerator, denominator)| ratio + (numerator - ratio * denominator) / mean_denominator)
            .collect()
    }

    /// Both samples cut down to the agents they have in common.
    pub fn paired(&self, other: &Sample) -> (Sample, Sample) {
        if self.agents == other.agents {
            return (self.clone(), other.clone());
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let (mut i, mut j) = (0, 0);
        while i < self.len() && j < other.len() {
            match self.agents[i].cmp(&other.agents[j]) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => {
                    left.push(i);
                    right.push(j);
                    i += 1;
                    j += 1;
                }
            }
        }
        (self.at(&left), other.at(&right))
    }

    /// The parts at these places.
    fn at(&self, places: &[usize]) -> Sample {
        let pick = |from: &[f64]| places.iter().map(|&at| from[at]).collect::<Vec<f64>>();
        Sample {
            agents: places.iter().map(|&at| self.agents[at]).collect(),
            numerators: pick(&self.numerators),
            denominators: if self.denominators.is_empty() { Vec::new() } else { pick(&self.denominators) },
        }
    }
}

/// A sample in the making: what one witness tells in several sessions is added up as it comes, so that memory
/// grows with the people and not with their agents.
#[derive(Clone, Debug, Default)]
pub struct Gathering {
    /// Sums of numerators and denominators, by witness; a denominator of 0 is no part.
    parts: Vec<(f64, f64)>,
    n: u64,
    is_ratio: bool,
}

impl Gathering {
    /// Adds a session's part of a mean.
    pub fn push(&mut self, witness: AgentId, value: f64) {
        self.add(witness, value, 1.0);
    }

    /// Adds a session's part of a ratio of sums; a denominator of 0 is no part at all.
    ///
    /// # Panics
    /// When the denominator is negative.
    pub fn push_ratio(&mut self, witness: AgentId, numerator: f64, denominator: f64) {
        assert!(denominator >= 0.0, "denominators are counts or sizes, not {denominator}");
        self.is_ratio = true;
        if denominator != 0.0 {
            self.add(witness, numerator, denominator);
        }
    }

    /// Adds the parts of a mean of so many sessions of one witness, added up.
    pub fn push_all(&mut self, witness: AgentId, n_sessions: u64, sum: f64) {
        self.add(witness, sum, n_sessions as f64);
        self.n += n_sessions - 1;
    }

    fn add(&mut self, witness: AgentId, numerator: f64, denominator: f64) {
        if self.parts.len() <= witness.idx() {
            self.parts.resize(witness.idx() + 1, (0.0, 0.0));
        }
        let part = &mut self.parts[witness.idx()];
        part.0 += numerator;
        part.1 += denominator;
        self.n += 1;
    }

    /// How many sessions contribute.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The sample, one entry a witness.
    pub fn finish(self) -> Sample {
        let mut sample = Sample::default();
        let is_mean = !self.is_ratio && self.parts.iter().all(|part| part.1 == 0.0 || part.1 == 1.0);
        for (k, (numerator, denominator)) in (0..).zip(self.parts).filter(|(_, part)| part.1 > 0.0) {
            match is_mean {
                true => sample.push(AgentId(k), numerator),
                false => sample.push_ratio(AgentId(k), numerator, denominator),
            }
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_sums_and_its_pseudo_values_average_to_it() {
        let mut sample = Sample::default();
        sample.push_ratio(AgentId(3), 1.0, 4.0);
        sample.push_ratio(AgentId(1), 3.0, 4.0);
        sample.push_ratio(AgentId(2), 0.0, 0.0);
        sample.push_ratio(AgentId(0), 5.0, 8.0);
        let sample = sample.sorted();
        assert_eq!(sample.agents, [AgentId(0), AgentId(1), AgentId(3)]);
        assert_eq!(sample.value(), Some(9.0 / 16.0));
        let pseudo = sample.pseudo_values();
        assert!((pseudo.iter().sum::<f64>() / 3.0 - 9.0 / 16.0).abs() < 1e-15);
    }

    #[test]
    fn gathering_is_clustering_as_it_goes() {
        let witness = |agent: u32| AgentId(agent % 3);
        let (mut sample, mut gathering) = (Sample::default(), Gathering::default());
        let (mut ratios, mut gathered) = (Sample::default(), Gathering::default());
        for agent in 0..8 {
            sample.push(AgentId(agent), f64::from(agent));
            gathering.push(witness(agent), f64::from(agent));
            let denominator = f64::from(agent % 4);
            ratios.push_ratio(AgentId(agent), 1.0, denominator);
            gathered.push_ratio(witness(agent), 1.0, denominator);
        }
        assert_eq!((gathering.n(), gathered.n()), (8, 6));
        assert_eq!(gathering.finish(), sample.clustered(|agent| witness(agent.0)));
        assert_eq!(gathered.finish(), ratios.clustered(|agent| witness(agent.0)));
        let mut alone = Gathering::default();
        [4, 1].into_iter().for_each(|agent| alone.push(AgentId(agent), 0.5));
        let alone = alone.finish();
        assert_eq!((alone.agents.as_slice(), alone.denominators.len()), (&[AgentId(1), AgentId(4)][..], 0));
    }

    #[test]
    fn pairing_keeps_common_agents_only() {
        let mut left = Sample::default();
        let mut right = Sample::default();
        for agent in [0, 2, 5, 7] {
            left.push(AgentId(agent), f64::from(agent));
        }
        for agent in [1, 2, 7, 9] {
            right.push_ratio(AgentId(agent), f64::from(agent), 2.0);
        }
        let (left, right) = left.paired(&right);
        assert_eq!(left.agents, [AgentId(2), AgentId(7)]);
        assert_eq!(right.agents, left.agents);
        assert_eq!(right.value(), Some(9.0 / 4.0));
        assert_eq!(Sample::default().value(), None);
    }
}

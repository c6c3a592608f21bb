//! Two arms and one metric, analysed in every way: as if the arms had different people, adjusted with covariates,
//! and paired. Must not know where the samples come from.

use super::covariates::Covariates;
use crate::id::AgentId;
use crate::metric::Sample;
use crate::rng::{Purpose, Streams};
use crate::stats::cuped::{self, Adjusted, Slopes};
use crate::stats::estimate::Estimate;
use crate::stats::sequential::{self, Look, Monitoring};
use crate::stats::unpaired;
use crate::study::contrast::restricted;
use rand::seq::SliceRandom;

/// A way to analyse the same sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// As if each arm had people of its own (Welch).
    Unpaired,
    /// The same, adjusted with covariates (CUPED).
    Adjusted,
    /// Each person's own difference, since all arms have the same people and luck.
    Paired,
    /// Paired and adjusted: the effect on just these people.
    PairedAdjusted,
}

impl Design {
    /// Every design, from the weakest assumption to the strongest.
    pub const ALL: [Design; 4] = [Design::Unpaired, Design::Adjusted, Design::Paired, Design::PairedAdjusted];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Design::Unpaired => "unpaired",
            Design::Adjusted => "cuped",
            Design::Paired => "paired",
            Design::PairedAdjusted => "paired_cuped",
        }
    }
}

/// Two arms analysed in every way, over the people who have a value in both.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Whose values, ascending.
    pub agents: Vec<AgentId>,
    /// The values of both arms.
    pub values: (f64, f64),
    /// One difference a person, in the order of `agents`; their mean is the difference of the values.
    pub differences: Vec<f64>,
    /// As if the arms had different people.
    pub unpaired: Estimate,
    /// That, adjusted; `None` where there are too few people for the covariates.
    pub adjusted: Option<Adjusted>,
    /// Paired.
    pub paired: Estimate,
    /// Paired and adjusted, for just these people.
    pub paired_adjusted: Option<Adjusted>,
}

impl Pair {
    /// Right less left. Samples must already be clustered by person. `None` where fewer than two people have a value in
    /// both arms.
    pub fn of(left: &Sample, right: &Sample, covariates: &Covariates) -> Option<Pair> {
        let (left, right) = left.paired(right);
        let (of_left, of_right) = (left.pseudo_values(), right.pseudo_values());
        let differences: Vec<f64> = of_right.iter().zip(&of_left).map(|(right, left)| right - left).collect();
        let columns = covariates.columns(&left.agents);
        let unpaired = unpaired::difference(&of_left, &of_right)?;
        let arm = |outcomes| cuped::Arm { outcomes, covariates: &columns };
        let paired = cuped::paired(&differences, &[], None)?.estimate;
        Some(Pair {
            values: (left.value()?, right.value()?),
            unpaired,
            adjusted: cuped::unpaired(arm(&of_left), arm(&of_right), Slopes::Common),
            paired,
            paired_adjusted: cuped::paired(&differences, &columns, None),
            differences,
            agents: left.agents,
        })
    }

    /// The number of people.
    pub fn n(&self) -> u64 {
        self.agents.len() as u64
    }

    /// What a design finds.
    pub fn estimate(&self, design: Design) -> Option<Estimate> {
        match design {
            Design::Unpaired => Some(self.unpaired),
            Design::Adjusted => self.adjusted.as_ref().map(|found| found.estimate),
            Design::Paired => Some(self.paired),
            Design::PairedAdjusted => self.paired_adjusted.as_ref().map(|found| found.estimate),
        }
    }

    /// The share of the unpaired analysis's variance that a design does without.
    pub fn variance_reduction(&self, design: Design) -> Option<f64> {
        let before = self.unpaired.std_error.powi(2);
        let after = self.estimate(design)?.std_error.powi(2);
        (before > 0.0).then(|| 1.0 - after / before)
    }

    /// The standard deviation of what one person adds to the difference in this design: its standard error times √n.
    pub fn spread(&self, design: Design) -> Option<f64> {
        Some(self.estimate(design)?.std_error * (self.n() as f64).sqrt())
    }

    /// The smallest true difference that `n` people find.
    pub fn minimum_detectable_effect(&self, design: Design, n: u64, alpha: f64, power: f64) -> Option<f64> {
        detectable(design, self.spread(design)?, n, alpha, power)
    }

    /// The differences in the order in which they are looked at.
    fn in_order(&self, order: Order, streams: &Streams) -> Vec<f64> {
        let mut places: Vec<usize> = (0..self.agents.len()).collect();
        if order == Order::Dealt {
            places.shuffle(&mut streams.stream(Purpose::Sequential, 0, 0, 0));
        }
        places.into_iter().map(|place| self.differences[place]).collect()
    }

    /// One look after each person.
    pub fn looks(&self, order: Order, monitoring: Monitoring, streams: &Streams) -> Vec<Look> {
        sequential::of_mean(&self.in_order(order, streams), monitoring)
    }

    /// The same for some of the people; `None` where fewer than two of them are in it.
    pub fn among(left: &Sample, right: &Sample, agents: &[AgentId]) -> Option<(Estimate, u64)> {
        let (left, right) = restricted(left, agents).paired(&restricted(right, agents));
        let (of_left, of_right) = (left.pseudo_values(), right.pseudo_values());
        let differences: Vec<f64> = of_right.iter().zip(&of_left).map(|(right, left)| right - left).collect();
        Some((cuped::paired(&differences, &[], None)?.estimate, differences.len() as u64))
    }
}

/// The spreads of what one person adds, by design, from outcomes of the same people in both arms and their covariates.
pub fn spreads(left: &[f64], right: &[f64], columns: &[Vec<f64>]) -> impl Fn(Design) -> Option<f64> + use<> {
    let differences: Vec<f64> = right.iter().zip(left).map(|(right, left)| right - left).collect();
    let arm = |outcomes| cuped::Arm { outcomes, covariates: columns };
    let root = (left.len() as f64).sqrt();
    let unpaired = unpaired::difference(left, right).map(|found| found.std_error * root);
    let adjusted = cuped::unpaired(arm(left), arm(right), Slopes::Common);
    let adjusted = adjusted.map(|found| found.estimate.std_error * root);
    let paired = crate::stats::summary::std_dev(&differences);
    let of_these = cuped::paired(&differences, columns, None).map(|found| found.estimate.std_error * root);
    move |design| match design {
        Design::Unpaired => unpaired,
        Design::Adjusted => adjusted,
        Design::Paired => paired,
        Design::PairedAdjusted => of_these,
    }
}

/// The smallest true difference that `n` people (in each arm) find where one person adds this spread.
pub fn detectable(design: Design, spread: f64, n: u64, alpha: f64, power: f64) -> Option<f64> {
    match design {
        Design::Unpaired | Design::Adjusted => {
            // The spread of one arm where both have the same.
            let arm = (n, spread / 2f64.sqrt());
            unpaired::minimum_detectable_effect(arm, arm, alpha, power)
        }
        Design::Paired | Design::PairedAdjusted => {
            crate::stats::power::minimum_detectable_effect(n, spread, alpha, power)
        }
    }
}

/// People that find a true difference `effect` (in each arm), where one person adds this spread.
pub fn needed(design: Design, spread: f64, effect: f64, alpha: f64, power: f64) -> Option<u64> {
    match design {
        Design::Unpaired | Design::Adjusted => {
            let of_arm = spread / 2f64.sqrt();
            unpaired::agents_needed(effect, of_arm, of_arm, alpha, power)
        }
        Design::Paired | Design::PairedAdjusted => {
            crate::stats::power::pairs_needed(effect, spread, alpha, power)
        }
    }
}

/// In which order people are looked at.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// In an order dealt at random, the same in every arm: right whatever the agents are listed by.
    #[default]
    Dealt,
    /// As they are listed, which is how a run goes through them; right where the list is in no order.
    Listed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Population;

    #[test]
    fn what_designs_save_is_what_people_have_in_common() {
        // Outcomes are 10 · person + noise: pairing takes the person away.
        let noise = |k: u32, a: u32| f64::from((k * k * a + 17 * k) % 101) / 101.0;
        let sample = |a: u32, shift: f64| {
            let mut sample = Sample::default();
            (0..300).for_each(|k| sample.push(AgentId(k), 10.0 * noise(k, 7) + noise(k, a) + shift));
            sample
        };
        let population = Population::strangers(300);
        let covariates = Covariates::of(&population, &["n_train".to_owned()]);
        let pair = Pair::of(&sample(31, 0.0), &sample(57, 0.5), &covariates).expect("people");
        assert!((pair.values.1 - pair.values.0 - pair.paired.difference).abs() < 1e-12);
        let saved = pair.variance_reduction(Design::Paired).expect("a share");
        assert!(saved > 0.95, "{saved}");
        // A covariate that is the same for everybody saves nothing.
        assert_eq!(pair.variance_reduction(Design::Adjusted), Some(0.0));
        let mde = |design| pair.minimum_detectable_effect(design, 300, 0.05, 0.8).expect("an effect");
        assert!(mde(Design::Paired) < 0.3 * mde(Design::Unpaired));
        let spread = pair.spread(Design::Paired).expect("a spread");
        let n = needed(Design::Paired, spread, mde(Design::Paired), 0.05, 0.8).expect("a number");
        assert!((300..=301).contains(&n), "{n}");
    }
}

//! Who gets the treatment in a randomised experiment: a keyed coin for every unit, so that whoever runs the experiment
//! and whoever reads it agree without telling each other. Must not know what units and treatments are.

use crate::rng::{Purpose, Streams};
use rand::RngExt;

/// Whether a unit is treated: each independently, with probability `share`. The run's seed, the purpose and the unit
/// decide, nothing else: arms and rounds all have the same units treated.
pub fn is_treated(unit: u64, share: f64, purpose: Purpose, streams: &Streams) -> bool {
    streams.stream(purpose, 0, unit, 0).random::<f64>() < share
}

/// Which of the units `0..n` are treated.
pub fn treated(n: usize, share: f64, purpose: Purpose, streams: &Streams) -> Vec<bool> {
    (0..n as u64).map(|unit| is_treated(unit, share, purpose, streams)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_and_more_units_change_nothing_for_those_there_were() {
        let streams = Streams::new(4);
        let some = treated(4000, 0.3, Purpose::Boost, &streams);
        let n = some.iter().filter(|&&is| is).count();
        // Four standard deviations of a binomial: 1200 ± 116.
        assert!((1084..1316).contains(&n), "{n}");
        assert_eq!(treated(4010, 0.3, Purpose::Boost, &streams)[..4000], some);
        assert_ne!(treated(4000, 0.3, Purpose::Boost, &Streams::new(5)), some);
        let more = treated(4000, 0.6, Purpose::Boost, &streams);
        assert!(some.iter().zip(&more).all(|(few, many)| !few || *many), "a larger share only adds");
        assert!(treated(0, 0.5, Purpose::Boost, &streams).is_empty());
    }
}

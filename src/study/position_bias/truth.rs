//! What the scenario's own agents were told to do with slots: the truth that estimates are held against. Must not
//! know how estimates are made.

use crate::agent::behavior::choice::ChoiceParameters;
use crate::scenario::file::ScenarioFile;

/// A logit of going on that is as good as certainty.
const CERTAIN: f64 = 20.0;

/// How agents examine slots, as their parameters have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// P(a slot is looked at) over that of the first, by slot.
    pub relative_examination: Vec<f64>,
    /// Whether watching depends on the slot through examination alone, so that watch rates on shuffled pages are in the
    /// ratio of examination probabilities: whatever is looked at and fits is watched, and no other coefficient is a slot's.
    pub is_all: bool,
}

/// The truth for pages of `n_slots`, where agents are of the choice model and its parameters can be read.
pub fn of(scenario: &ScenarioFile, n_slots: usize) -> Option<Truth> {
    let text = |key: &str| scenario.behavior.get(key).and_then(toml::Value::as_str);
    if text("kind") != Some("choice") {
        return None;
    }
    let parameters = ChoiceParameters::named("behavior.parameters", text("parameters")?).ok()?;
    let first = parameters.align.looks(0);
    let (align, watch) = (&parameters.align, &parameters.watch);
    let is_flat = |by_slot: &[f64]| by_slot.iter().all(|value| *value == by_slot[0]);
    let goes_on = watch.appetite.iter().flatten().all(|appetite| *appetite >= CERTAIN);
    let no_worth = watch.worth == 0.0;
    (first > 0.0).then(|| Truth {
        relative_examination: (0..n_slots).map(|slot| align.looks(slot) / first).collect(),
        is_all: is_flat(&align.by_slot) && goes_on && no_worth,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(behavior: &str) -> ScenarioFile {
        ScenarioFile { behavior: behavior.parse().expect("TOML"), ..ScenarioFile::default() }
    }

    #[test]
    fn the_truth_is_read_where_agents_are_of_the_choice_model() {
        let told = of(&with("kind = \"choice\"\nparameters = \"position-based\""), 5).expect("a truth");
        let expected = [1.0, 0.80 / 0.95, 0.60 / 0.95, 0.40 / 0.95, 0.40 / 0.95];
        told.relative_examination.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
        assert!(told.is_all);
        let told = of(&with("kind = \"choice\"\nparameters = \"reasoned\""), 2).expect("a truth");
        assert!(!told.is_all, "not everything that fits is watched");
        assert_eq!(of(&with("kind = \"random\""), 4), None);
    }
}

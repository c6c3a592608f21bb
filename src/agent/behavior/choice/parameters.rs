//! The parameter file of the choice model: its form, its bounds, and the shipped sets.
//! Must not know how the parameters are used beyond their units.

use super::align::Align;
use super::cues::CueEffects;
use super::exit::Exit;
use super::interview::Interview;
use super::rating::Rating;
use super::reflection::Reflection;
use super::watch::Watch;
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shipped parameter sets, by name.
const SHIPPED: &[(&str, &str)] = &[
    ("reasoned", include_str!("../../../../agents/choice/reasoned.toml")),
    ("gpt35-movielens", include_str!("../../../../agents/choice/gpt35-movielens.toml")),
    ("position-based", include_str!("../../../../agents/choice/position-based.toml")),
    ("human-movielens", include_str!("../../../../agents/choice/human-movielens.toml")),
];

/// All parameters of the choice model; utilities are in logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceParameters {
    /// Step 1: does it fit my taste?
    pub align: Align,
    /// Step 2: which of what fits do I watch?
    pub watch: Watch,
    /// Step 3: how do I rate it?
    pub rating: Rating,
    /// Step 4: how do I feel?
    pub reflection: Reflection,
    /// Step 5: do I leave?
    pub exit: Exit,
    /// Step 6: what do I say afterwards?
    pub interview: Interview,
    /// What lines beside an item do; reasoned where the file does not say.
    #[serde(default, skip_serializing_if = "CueEffects::is_reasoned")]
    pub cues: CueEffects,
    /// How these numbers were found, where they were fitted; no behaviour reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub fit: Option<toml::Table>,
}

/// The steps, by their names in the file, in the order of a session.
pub const STEPS: [&str; 6] = ["align", "watch", "rating", "reflection", "exit", "interview"];

impl ChoiceParameters {
    /// A shipped set, or the file at this path; `at` is the scenario key that named it.
    pub fn named(at: &str, name: &str) -> Result<Self, Complaint> {
        let table = params::shipped_or_file(at, name, SHIPPED)?;
        Self::from_table(name, &table)
    }

    /// From the table of a parameter file; `name` is how complaints call the file.
    pub fn from_table(name: &str, table: &toml::Table) -> Result<Self, Complaint> {
        let parameters: ChoiceParameters = params::parse(name, table)?;
        let numbers = table.iter().filter(|(key, _)| *key != "fit");
        numbers.into_iter().try_for_each(|(key, value)| bounded(&format!("{name}.{key}"), value))?;
        parameters.check(name)?;
        Ok(parameters)
    }

    /// Refuses numbers that mean nothing.
    fn check(&self, at: &str) -> Result<(), Complaint> {
        let filled = |key: &str, is_empty: bool| match is_empty {
            true => Err(Complaint::out_of_range(format!("{at}.{key}"), "[]", "at least one number")),
            false => Ok(()),
        };
        filled("align.examination", self.align.examination.is_empty())?;
        filled("align.by_slot", self.align.by_slot.is_empty())?;
        filled("watch.by_slot", self.watch.by_slot.is_empty())?;
        filled("watch.appetite", self.watch.appetite.is_empty())?;
        filled("reflection.by_page", self.reflection.by_page.iter().any(Vec::is_empty))?;
        filled("exit.tiredness", self.exit.tiredness.iter().any(Vec::is_empty))?;
        filled("interview.by_page", self.interview.by_page.iter().any(Vec::is_empty))?;
        for &p in &self.align.examination {
            params::within(at, "align.examination", p as f32, 0.0, 1.0)?;
        }
        for (row, steps) in self.watch.appetite.iter().enumerate() {
            if steps.len() != row + 1 {
                let (key, found) =
                    (format!("{at}.watch.appetite[{row}]"), format!("{} entries", steps.len()));
                return Err(Complaint::out_of_range(key, found, format!("{}", row + 1)));
            }
        }
        params::within(at, "cues.rating", self.cues.rating as f32, 0.0, 1.0)?;
        params::within(at, "reflection.threshold", self.reflection.threshold as f32, 0.0, 1e3)?;
        ascending(at, "rating.cuts", &self.rating.cuts)?;
        ascending(at, "interview.cuts", &self.interview.cuts)
    }
}

fn ascending(at: &str, key: &str, cuts: &[f64]) -> Result<(), Complaint> {
    if cuts.windows(2).all(|w| w[0] < w[1]) {
        return Ok(());
    }
    Err(Complaint::out_of_range(format!("{at}.{key}"), format!("{cuts:?}"), "strictly ascending"))
}

/// Refuses numbers beyond any sensible coefficient, infinite ones and what is not a number.
fn bounded(at: &str, value: &toml::Value) -> Result<(), Complaint> {
    const BOUND: f64 = 1000.0;
    match value {
        toml::Value::Float(x) if !(-BOUND..=BOUND).contains(x) => {
            Err(Complaint::out_of_range(at, format!("{x:e}"), format!("-{BOUND}..={BOUND}")))
        }
        toml::Value::Integer(x) if !(-BOUND..=BOUND).contains(&(*x as f64)) => {
            Err(Complaint::out_of_range(at, x, format!("-{BOUND}..={BOUND}")))
        }
        toml::Value::Array(values) => values.iter().try_for_each(|value| bounded(at, value)),
        toml::Value::Table(table) => {
            table.iter().try_for_each(|(key, value)| bounded(&format!("{at}.{key}"), value))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_set_is_valid() {
        for (name, _) in SHIPPED {
            ChoiceParameters::named("behavior.parameters", name).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    /// Guards against fitting a base again and forgetting the sets built on it.
    #[test]
    fn a_step_taken_from_another_set_is_that_set_s() {
        let step = |set: &ChoiceParameters, step: &str| {
            toml::Table::try_from(set).ok().and_then(|table| table.get(step).cloned())
        };
        let mut n_taken = 0;
        for (name, _) in SHIPPED {
            let set = ChoiceParameters::named("", name).expect("shipped");
            let steps = set.fit.as_ref().and_then(|fit| fit.get("steps")?.as_table());
            for (key, told) in steps.into_iter().flatten() {
                if let Some(from) = told.get("taken_from").and_then(toml::Value::as_str) {
                    let base = ChoiceParameters::named("", from).expect("shipped");
                    assert_eq!(step(&set, key), step(&base, key), "{key} of {name} is not that of {from}");
                    n_taken += 1;
                }
            }
        }
        assert_eq!(n_taken, 5, "human-movielens takes five steps from gpt35-movielens");
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("p.toml");
        let good = SHIPPED[0].1;
        for (from, to, told) in [
            ("intercept = ", "intercept = nan # ", "align.intercept is "),
            ("intercept = ", "intercept = inf # ", "align.intercept is "),
            ("intercept = ", "intercept = -1e308 # ", "align.intercept is "),
            ("examination = [", "examination = [1.5, ", "align.examination"),
            ("by_slot = [", "by_slot = [] # ", "align.by_slot is []"),
            ("appetite = [[", "appetite = [[0.5, ", "watch.appetite[0] is 2 entries, must be 1"),
            ("cuts = [-2.2, -1.0", "cuts = [-2.2, -3.0", "rating.cuts is [-2.2, -3.0"),
            ("threshold = ", "threshold = -1.0 # ", "reflection.threshold is -1"),
        ] {
            let spoilt = good.replacen(from, to, 1);
            assert_ne!(spoilt, good, "{from}");
            std::fs::write(&path, spoilt).expect("written");
            let error =
                ChoiceParameters::named("behavior.parameters", path.to_str().unwrap_or("")).unwrap_err();
            assert!(error.to_string().contains(told), "{told}: {error}");
        }
    }

    #[test]
    fn a_misspelt_set_is_answered_with_the_nearest() {
        let error = ChoiceParameters::named("behavior.parameters", "resoned").unwrap_err();
        assert!(error.to_string().contains("did you mean `reasoned`"), "{error}");
    }
}

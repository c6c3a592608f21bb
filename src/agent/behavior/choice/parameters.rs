//! The parameter file of the choice model: its form, its bounds, and the shipped sets.
//! Must not know how the parameters are used beyond their units.

use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shipped parameter sets, by name.
const SHIPPED: &[(&str, &str)] = &[("reasoned", include_str!("../../../../agents/choice/reasoned.toml"))];

/// All parameters of the choice model; utilities are in logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceParameters {
    /// Who looks where.
    pub examination: Examination,
    /// Step 1: does it fit my taste?
    pub align: Align,
    /// Step 2: do I watch it?
    pub watch: Watch,
    /// Step 3: how do I rate it?
    pub rating: Rating,
    /// Step 4: how do I feel?
    pub reflection: ReflectionParameters,
    /// Step 5: do I leave?
    pub exit: Exit,
    /// Step 6: what do I say afterwards?
    pub interview: InterviewParameters,
}

/// Who looks where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Examination {
    /// Probability that a slot is looked at, from the top; further slots repeat the last.
    pub by_slot: Vec<f32>,
}

impl Examination {
    /// Probability that this slot (from 0) is looked at.
    pub fn probability(&self, slot: usize) -> f32 {
        self.by_slot.get(slot).or(self.by_slot.last()).copied().unwrap_or(1.0)
    }
}

/// Coefficients of alignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Align {
    /// Intercept.
    pub intercept: f32,
    /// Per standard deviation of affinity.
    pub taste: f32,
    /// Per standard deviation of general quality.
    pub quality: f32,
}

/// Coefficients of watching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Intercept.
    pub intercept: f32,
    /// Added when the item was found to fit.
    pub aligned: f32,
    /// Per standard deviation of affinity.
    pub taste: f32,
    /// Per standard deviation of general quality.
    pub quality: f32,
    /// Per standard deviation of log popularity.
    pub popularity: f32,
    /// Taken away per unit of satiation.
    pub satiation: f32,
    /// Taken away per unit of fatigue.
    pub fatigue: f32,
    /// Added by activity tier.
    pub by_activity: [f32; 3],
    /// Added by diversity tier.
    pub by_diversity: [f32; 3],
}

/// Coefficients of the ordered-logit rating.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rating {
    /// Ascending cuts between ratings 1|2, 2|3, 3|4, 4|5.
    pub cuts: [f32; 4],
    /// Per standard deviation of the agent's own affinity.
    pub own: f32,
    /// Per standard deviation of what the crowd thinks.
    pub crowd: f32,
    /// Share of the crowd, by conformity tier.
    pub crowd_share_by_conformity: [f32; 3],
}

/// Coefficients of reflection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReflectionParameters {
    /// Importance that must have accumulated.
    pub threshold: f32,
    /// How far the mood moves towards the latest page, 0..=1.
    pub learning: f32,
    /// Fatigue a page costs, by activity tier.
    pub fatigue_by_activity: [f32; 3],
}

/// Coefficients of the exit hazard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// Intercept.
    pub intercept: f32,
    /// Per page after the first.
    pub page: f32,
    /// Per unit of remembered satisfaction above one half.
    pub satisfaction: f32,
    /// Per unit of remembered fatigue.
    pub fatigue: f32,
    /// Added by activity tier.
    pub by_activity: [f32; 3],
}

/// Coefficients of the interview score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterviewParameters {
    /// Intercept, in points of 1..=10.
    pub intercept: f32,
    /// Points per unit of mean enjoyment.
    pub satisfaction: f32,
    /// Points per unit of fatigue.
    pub fatigue: f32,
    /// Standard deviation of the noise, in points.
    pub spread: f32,
}

impl ChoiceParameters {
    /// A shipped set, or the file at this path; `at` is the scenario key that named it.
    pub fn named(at: &str, name: &str) -> Result<Self, Complaint> {
        let shipped = SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let text = match shipped {
            Some(text) => text,
            None if name.ends_with(".toml") => std::fs::read_to_string(name).map_err(|error| {
                Complaint::out_of_range(at, format!("{name:?}"), format!("a readable file ({error})"))
            })?,
            None => return Err(Complaint::unknown_name(at, name, SHIPPED.iter().map(|(known, _)| *known))),
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| Complaint::WrongType {
            path: name.to_owned(),
            problem: params::toml_problem(&text, &error),
        })?;
        let parameters: ChoiceParameters = params::parse(name, &table)?;
        table.iter().try_for_each(|(key, value)| bounded(&format!("{name}.{key}"), value))?;
        parameters.check(name)?;
        Ok(parameters)
    }

    /// Refuses numbers that mean nothing.
    fn check(&self, at: &str) -> Result<(), Complaint> {
        if self.examination.by_slot.is_empty() {
            return Err(Complaint::out_of_range(
                format!("{at}.examination.by_slot"),
                "[]",
                "at least one probability",
            ));
        }
        for &p in &self.examination.by_slot {
            params::within(at, "examination.by_slot", p, 0.0, 1.0)?;
        }
        for &share in &self.rating.crowd_share_by_conformity {
            params::within(at, "rating.crowd_share_by_conformity", share, 0.0, 1.0)?;
        }
        params::within(at, "reflection.learning", self.reflection.learning, 0.0, 1.0)?;
        params::within(at, "reflection.threshold", self.reflection.threshold, 0.0, 1e6)?;
        params::within(at, "interview.spread", self.interview.spread, 0.0, 10.0)?;
        if !self.rating.cuts.windows(2).all(|w| w[0] < w[1]) {
            let found = format!("{:?}", self.rating.cuts);
            return Err(Complaint::out_of_range(format!("{at}.rating.cuts"), found, "strictly ascending"));
        }
        Ok(())
    }
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

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("p.toml");
        let good = SHIPPED[0].1;
        for bad in ["nan", "inf", "-1e308", "1e300"] {
            let spoilt = good.replacen("intercept = -0.6", &format!("intercept = {bad}"), 1);
            assert_ne!(spoilt, good);
            std::fs::write(&path, spoilt).expect("written");
            let error =
                ChoiceParameters::named("behavior.parameters", path.to_str().unwrap_or("")).unwrap_err();
            assert!(error.to_string().contains("p.toml.align.intercept is "), "{error}");
        }
    }

    #[test]
    fn a_misspelt_set_is_answered_with_the_nearest() {
        let error = ChoiceParameters::named("behavior.parameters", "resoned").unwrap_err();
        assert!(error.to_string().contains("did you mean `reasoned`"), "{error}");
    }
}

//! One thing that was checked: what was found, what is allowed, and whether it holds.
//! Must not know how anything is measured or shown.

use crate::report::estimate::Estimate;
use serde::Serialize;

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// A mean or share over everybody.
    Aggregate,
    /// The distance of two distributions.
    Distribution,
    /// A mean over one tier of a trait.
    Tier,
    /// A classifier that tells the two apart.
    Discriminator,
    /// Whether agents tell what their person chose from what it did not.
    Taste,
    /// Agents beside the people they stand for.
    People,
    /// A sanity gate, which needs no reference.
    Gate,
}

impl Group {
    /// Every group, in the order of the report.
    pub const ALL: [Group; 7] = [
        Group::Aggregate,
        Group::Distribution,
        Group::Tier,
        Group::Discriminator,
        Group::Taste,
        Group::People,
        Group::Gate,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Group::Aggregate => "aggregate",
            Group::Distribution => "distribution",
            Group::Tier => "tier",
            Group::Discriminator => "discriminator",
            Group::Taste => "taste",
            Group::People => "people",
            Group::Gate => "gate",
        }
    }
}

/// What is allowed of the value that a check judges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// At most this far from zero.
    Within(f64),
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// From the first to the second.
    Between(f64, f64),
    /// The whole interval above zero.
    Positive,
    /// Not the whole interval below zero.
    NotNegative,
    /// Not the whole interval above zero.
    NotPositive,
    /// The whole interval on one side of zero.
    NotZero,
}

impl Bound {
    /// Whether the value is allowed. What is not a number is not.
    pub fn holds(self, found: Estimate) -> bool {
        match self {
            Bound::Within(most) => found.value.abs() <= most,
            Bound::AtMost(most) => found.value <= most,
            Bound::AtLeast(least) => found.value >= least,
            Bound::Between(low, high) => (low..=high).contains(&found.value),
            Bound::Positive => found.low > 0.0,
            Bound::NotNegative => found.high >= 0.0,
            Bound::NotPositive => found.low <= 0.0,
            Bound::NotZero => found.low > 0.0 || found.high < 0.0,
        }
    }

    /// In a few signs.
    pub fn told(self) -> String {
        match self {
            Bound::Within(most) => format!("±{most}"),
            Bound::AtMost(most) => format!("≤ {most}"),
            Bound::AtLeast(least) => format!("≥ {least}"),
            Bound::Between(low, high) => format!("{low} to {high}"),
            Bound::Positive => "interval > 0".to_owned(),
            Bound::NotNegative => "interval not < 0".to_owned(),
            Bound::NotPositive => "interval not > 0".to_owned(),
            Bound::NotZero => "interval without 0".to_owned(),
        }
    }
}

/// What chance alone does to a value: how far a faithful simulation would be off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Floor {
    /// Mean over random cuts of the reference's people into two halves, each held against the other.
    pub halves: Option<f64>,
    /// Mean over repetitions of the simulation, each held against all the others.
    pub luck: Option<f64>,
}

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What it is about.
    pub group: Group,
    /// Its name, unique within its group.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// The unit of its values, as metrics name units.
    pub unit: &'static str,
    /// What the reference shows.
    pub reference: Option<Estimate>,
    /// What the simulation shows.
    pub simulated: Option<Estimate>,
    /// What is judged: a difference, a distance, an area under a curve.
    pub found: Option<Estimate>,
    /// What chance alone does to it.
    pub floor: Floor,
    /// What is allowed; nothing where the check only reports.
    pub bound: Option<Bound>,
}

impl Check {
    /// A check of one value.
    pub fn new(group: Group, name: impl Into<String>, unit: &'static str, found: Option<Estimate>) -> Self {
        Check {
            group,
            name: name.into(),
            about: String::new(),
            unit,
            reference: None,
            simulated: None,
            found,
            floor: Floor::default(),
            bound: None,
        }
    }

    /// The same with a bound.
    pub fn bounded(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }

    /// The same with its sentence.
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// Whether it holds; `None` where nothing is asked. A bound on a value that could not be
    /// measured does not hold.
    pub fn passed(&self) -> Option<bool> {
        self.bound.map(|bound| self.found.is_some_and(|found| bound.holds(found)))
    }
}

/// One row of `validation.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckRow {
    group: &'static str,
    name: String,
    unit: &'static str,
    reference: Option<f64>,
    reference_low: Option<f64>,
    reference_high: Option<f64>,
    simulated: Option<f64>,
    simulated_low: Option<f64>,
    simulated_high: Option<f64>,
    difference: Option<f64>,
    difference_low: Option<f64>,
    difference_high: Option<f64>,
    floor_halves: Option<f64>,
    floor_luck: Option<f64>,
    bound: String,
    passed: Option<bool>,
}

impl CheckRow {
    /// The columns of `validation.csv`.
    pub const HEADER: [&'static str; 16] = [
        "group",
        "name",
        "unit",
        "reference",
        "reference_low",
        "reference_high",
        "simulated",
        "simulated_low",
        "simulated_high",
        "difference",
        "difference_low",
        "difference_high",
        "floor_halves",
        "floor_luck",
        "bound",
        "passed",
    ];

    /// The row of a check.
    pub fn of(check: &Check) -> Self {
        let parts = |e: Option<Estimate>| {
            let finite = |value: f64| Some(value).filter(|value| value.is_finite());
            e.map_or((None, None, None), |e| (finite(e.value), finite(e.low), finite(e.high)))
        };
        let (reference, reference_low, reference_high) = parts(check.reference);
        let (simulated, simulated_low, simulated_high) = parts(check.simulated);
        let (difference, difference_low, difference_high) = parts(check.found);
        CheckRow {
            group: check.group.name(),
            name: check.name.clone(),
            unit: check.unit,
            reference,
            reference_low,
            reference_high,
            simulated,
            simulated_low,
            simulated_high,
            difference,
            difference_low,
            difference_high,
            floor_halves: check.floor.halves,
            floor_luck: check.floor.luck,
            bound: check.bound.map(Bound::told).unwrap_or_default(),
            passed: check.passed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_on_its_own_side_only() {
        let e = |value, low, high| Estimate { value, low, high, n: 9 };
        for (bound, good, bad) in [
            (Bound::Within(0.1), e(-0.1, -0.3, 0.1), e(0.11, 0.0, 0.3)),
            (Bound::AtMost(0.6), e(0.6, 0.5, 0.9), e(0.61, 0.5, 0.9)),
            (Bound::AtLeast(0.8), e(0.8, 0.5, 0.9), e(0.79, 0.5, 0.9)),
            (Bound::Between(0.02, 0.08), e(0.08, 0.0, 1.0), e(0.01, 0.0, 1.0)),
            (Bound::Positive, e(0.2, 0.1, 0.3), e(0.2, 0.0, 0.3)),
            (Bound::NotNegative, e(-0.1, -0.2, 0.0), e(-0.1, -0.2, -0.05)),
            (Bound::NotPositive, e(0.1, 0.0, 0.2), e(0.1, 0.05, 0.2)),
            (Bound::NotZero, e(-0.1, -0.2, -0.05), e(-0.1, -0.2, 0.05)),
        ] {
            let check = |found| Check::new(Group::Gate, "x", "", Some(found)).bounded(bound).passed();
            assert_eq!((check(good), check(bad)), (Some(true), Some(false)), "{bound:?}");
            assert_eq!(check(e(f64::NAN, f64::NAN, f64::NAN)), Some(false), "{bound:?}");
            assert_eq!(Check::new(Group::Gate, "x", "", None).bounded(bound).passed(), Some(false));
        }
        assert_eq!(Check::new(Group::Gate, "x", "", None).passed(), None);
    }
}

//! What feedback does over rounds: how values change from the first round to the last, in arms that learn from
//! their own agents, against arms that do not. Shared by the studies of bubbles and of drift; must not know
//! which values matter to them.

use super::contrast::{Contrast, contrast};
use super::{Axis, Cell, Chart, ChartData, Evidence, Finding, Point, Series, StudyError, StudyTable};
use crate::metric::{Measured, Sample};
use crate::report::{format, labels};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What studies of rounds are told.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RoundsParams {
    /// The arm that learns nothing from its agents; the first with `feedback = "frozen"` where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
}

/// How one value of one arm changed.
pub struct Change {
    /// The arm.
    pub arm: String,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// First round's value, last round's value.
    pub values: (f64, f64),
    /// Last less first, paired by agent; `None` where the value cannot be shared out among agents.
    pub change: Option<Contrast>,
    /// The change less the control's, paired by agent.
    pub against_control: Option<Contrast>,
}

/// The rounds of a run, looked at for change.
pub struct Rounds<'a> {
    evidence: &'a Evidence<'a>,
    /// The control: an arm that learns nothing from its agents.
    pub control: Option<&'a str>,
    /// The first round and the last.
    pub ends: (u32, u32),
}

impl<'a> Rounds<'a> {
    /// The rounds of this run. The control is the arm named so, or else the first that is not refitted.
    ///
    /// # Errors
    /// When there is only one round.
    pub fn of(study: &str, evidence: &'a Evidence<'a>, control: Option<&'a str>) -> Result<Self, StudyError> {
        let last = evidence.scenario.rounds.saturating_sub(1);
        if last == 0 {
            return Err(StudyError::Unanswerable {
                study: study.to_owned(),
                problem: "rounds is 1, expected 2 or more: change needs a before and an after".to_owned(),
            });
        }
        let frozen = || evidence.arms.iter().find(|arm| !arm.is_refitted).map(|arm| arm.name.as_str());
        Ok(Rounds { evidence, control: control.or_else(frozen), ends: (0, last) })
    }

    /// The arms but the control, in the order of the scenario.
    pub fn arms(&self) -> impl Iterator<Item = &'a str> + '_ {
        let names = self.evidence.arms.iter().map(|arm| arm.name.as_str());
        names.filter(move |name| Some(*name) != self.control)
    }

    /// What the catalogue being used up has to do with change.
    pub fn on_being_used_up(&self) -> &'static str {
        match self.evidence.scenario.session.show_again {
            true => {
                "What was watched may be shown again here; where it may not, lists go deeper and change for that alone."
            }
            false => {
                "What was watched is never shown again, so some change comes of the catalogue being used up; a frozen \
                 control has that part too."
            }
        }
    }

    /// What to say where there is no control.
    pub fn no_control(&self) -> String {
        "There is no control without feedback: what changed may be the catalogue running dry, not learning. Give an \
         arm `feedback = \"frozen\"`."
            .to_owned()
    }

    fn measured(&self, arm: &str, round: u32, metric: &str) -> Option<&'a Measured> {
        self.evidence.measured(arm, round, metric)
    }

    fn samples(&self, arm: &str, metric: &str) -> Option<(&'a Sample, &'a Sample)> {
        let of = |round| self.measured(arm, round, metric)?.sample.as_ref();
        Some((of(self.ends.0)?, of(self.ends.1)?))
    }

    /// How this metric changed in this arm; `None` where an end has no value.
    pub fn change(&self, arm: &str, metric: &str) -> Option<Change> {
        let (first, last) =
            (self.measured(arm, self.ends.0, metric)?, self.measured(arm, self.ends.1, metric)?);
        let (params, streams) = (self.evidence.statistics, &self.evidence.streams);
        let own = self.samples(arm, metric);
        let of_control = self.control.filter(|control| *control != arm);
        let of_control = of_control.and_then(|control| self.samples(control, metric));
        Some(Change {
            arm: arm.to_owned(),
            metric: metric.to_owned(),
            unit: first.measure.unit.to_owned(),
            values: (first.value?, last.value?),
            change: own.and_then(|(a, b)| contrast(&[(1.0, b), (-1.0, a)], params, streams)),
            against_control: own.zip(of_control).and_then(|((a, b), (c, d))| {
                contrast(&[(1.0, b), (-1.0, a), (-1.0, d), (1.0, c)], params, streams)
            }),
        })
    }

    /// Every change of these metrics, arm by arm, the control last.
    pub fn changes(&self, metrics: &[&str]) -> Vec<Change> {
        let arms: Vec<&str> = self.arms().chain(self.control).collect();
        let of = |arm: &str| metrics.iter().filter_map(|metric| self.change(arm, metric)).collect::<Vec<_>>();
        arms.into_iter().flat_map(of).collect()
    }

    /// The table of changes.
    pub fn table(&self, changes: &[Change]) -> StudyTable {
        let mut table = StudyTable::new(
            "changes",
            "From the first round to the last",
            "Change is paired by agent. The last columns subtract what changed in the control, where nothing was learnt.",
            &[
                ("arm", "text"),
                ("metric", "text"),
                ("unit", "text"),
                ("first", ""),
                ("last", ""),
                ("change", ""),
                ("ci_low", ""),
                ("ci_high", ""),
                ("p_value", ""),
                ("against_control", ""),
                ("against_ci_low", ""),
                ("against_ci_high", ""),
            ],
        );
        for change in changes {
            let ends = |found: Option<Contrast>| {
                let ci = found.and_then(|found| found.ci);
                [found.map(|f| f.value), ci.map(|c| c.0), ci.map(|c| c.1)].map(Cell::from)
            };
            let [by, low, high] = ends(change.change);
            let [against, against_low, against_high] = ends(change.against_control);
            let p_value = change.change.and_then(|found| found.p_value);
            table.push(vec![
                change.arm.as_str().into(),
                change.metric.as_str().into(),
                change.unit.as_str().into(),
                change.values.0.into(),
                change.values.1.into(),
                by,
                low,
                high,
                p_value.into(),
                against,
                against_low,
                against_high,
            ]);
        }
        table
    }

    /// A metric over the rounds, a line an arm.
    pub fn chart(&self, metric: &str) -> Option<Chart> {
        let mut unit = "";
        let mut series = Vec::new();
        for arm in self.evidence.arms {
            let points = (self.ends.0..=self.ends.1).filter_map(|round| {
                let measured = self.measured(&arm.name, round, metric)?;
                unit = measured.measure.unit;
                let (y, half) = (measured.value?, half_width(measured));
                Some(Point {
                    x: f64::from(round + 1),
                    y,
                    low: half.map(|half| y - half),
                    high: half.map(|half| y + half),
                })
            });
            series.push(Series {
                name: arm.name.clone(),
                arm: Some(arm.name.clone()),
                points: points.collect(),
            });
        }
        if series.iter().all(|series| series.points.is_empty()) {
            return None;
        }
        Some(Chart {
            name: metric.to_owned(),
            title: labels::heading(metric).to_string(),
            help: "One line an arm over the rounds; bands are two standard errors.".to_owned(),
            data: ChartData::Lines {
                x: Axis::new("round", ""),
                y: Axis::new(&labels::heading(metric), unit),
                series,
            },
        })
    }
}

impl Change {
    /// Both changes as findings, each with its sentence.
    pub fn findings(&self, control: Option<&str>) -> Vec<Finding> {
        let id = format!("{}.{}", self.arm, self.metric);
        let what = labels::heading(&self.metric);
        let mut findings = Vec::new();
        if let Some(found) = self.change {
            let verb = if found.value > 0.0 { "rose" } else { "fell" };
            let sentence = format!(
                "{}: {what} {verb} from {} to {} ({}){}.",
                self.arm,
                format::value(self.values.0, &self.unit),
                format::value(self.values.1, &self.unit),
                told(&found, &self.unit),
                if found.is_shown() { "" } else { ", which could be chance" }
            );
            findings.push(found.finding(format!("{id}.change"), &self.unit).said(sentence));
        }
        if let (Some(found), Some(control)) = (self.against_control, control) {
            let sentence = format!(
                "{}: against {control}, which learnt nothing from its agents, the change of {what} is {}{}.",
                self.arm,
                told(&found, &self.unit),
                if found.is_shown() { "" } else { ", which could be chance" }
            );
            findings.push(found.finding(format!("{id}.against_control"), &self.unit).said(sentence));
        }
        findings
    }
}

/// `+2.1 pp, interval 1.5 to 2.7 pp`.
pub fn told(found: &Contrast, unit: &str) -> String {
    let difference = format::difference(found.value, unit);
    let percent = if unit == "share" { "\u{202f}pp" } else { "" };
    match found.ci {
        Some((low, high)) => {
            let interval = format::interval(low, high, unit).replace(" … ", " to ");
            format!("{difference}, interval {interval}{percent}")
        }
        None => difference,
    }
}

/// Two standard errors.
fn half_width(measured: &Measured) -> Option<f64> {
    let sample = measured.sample.as_ref()?;
    Some(2.0 * crate::stats::summary::std_error(&sample.pseudo_values())?)
}

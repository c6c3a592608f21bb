//! Arms of two runs compared. Runs that are not of one experiment are refused, with every reason at once: a difference
//! between them would be of the data, the people or the rules as much as of the arms. Must not know recommenders.

use super::readback::ReadRun;
use crate::metric::analyse::ArmResult;
use crate::metric::{Measured, Sample};
use crate::report::{ReportError, labels};
use crate::stats::cuped::{self, Slopes};
use crate::stats::estimate::Estimate;
use crate::stats::{multiple, unpaired};
use crate::study::verdict::covariates::{self, Covariates};
use crate::study::verdict::pair::{Design, Pair};
use crate::study::{Cell, Finding, StudyTable, Told};
use std::path::Path;
use std::str::FromStr;
use toml::Value;

/// One of the two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first.
    A,
    /// The second.
    B,
}

/// An arm of one of the runs, `A:mf` or `B:mf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Which run.
    pub run: Which,
    /// Which arm.
    pub arm: String,
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |run, arm: &str| Ok(Side { run, arm: arm.to_owned() });
        match text.split_once(':') {
            Some(("A" | "a", arm)) if !arm.is_empty() => side(Which::A, arm),
            Some(("B" | "b", arm)) if !arm.is_empty() => side(Which::B, arm),
            _ => Err(format!("{text:?} is no arm of a run, expected A:ARM or B:ARM")),
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", if self.run == Which::A { 'A' } else { 'B' }, self.arm)
    }
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// What is compared with.
    pub baseline: Option<Side>,
    /// What is compared.
    pub arm: Option<Side>,
    /// By what; the headline metrics where empty.
    pub metrics: Vec<String>,
    /// The round, from 0; the last where none is given.
    pub round: Option<u32>,
}

/// Why two runs could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A folder cannot be read.
    #[error("{dir} cannot be compared")]
    Unreadable {
        /// Which folder.
        dir: String,
        /// What went wrong.
        source: ReportError,
    },
    /// The runs are not of one experiment.
    #[error("the runs are not comparable:{}", Reasons(.0))]
    NotComparable(Vec<String>),
    /// An arm that is in neither run, or nothing to compare.
    #[error("{0}")]
    NoArm(String),
}

struct Reasons<'a>(&'a [String]);

impl std::fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}

/// Compares arms of two run folders.
pub fn run(a: &Path, b: &Path, question: &Question) -> Result<Told, CompareError> {
    let read = |dir: &Path| {
        ReadRun::read(dir)
            .map_err(|source| CompareError::Unreadable { dir: dir.display().to_string(), source })
    };
    let (a, b) = (read(a)?, read(b)?);
    let reasons = reasons(&a, &b);
    if !reasons.is_empty() {
        return Err(CompareError::NotComparable(reasons));
    }
    let pairs = pairs(&a, &b, question)?;
    let run = |which| if which == Which::A { &a } else { &b };
    let mut rows = Vec::new();
    for (baseline, arm) in &pairs {
        let measure = |side: &Side| {
            let run = run(side.run);
            let failed = |source| CompareError::Unreadable { dir: run.dir.display().to_string(), source };
            run.measure(&side.arm).map_err(failed)
        };
        let (left, right) = (measure(baseline)?, measure(arm)?);
        // Within one run luck is shared; between runs it is where seed and people are the same.
        let shares_luck = baseline.run == arm.run || a.manifest.seed == b.manifest.seed;
        let with = Compared { left: run(baseline.run), right: run(arm.run), shares_luck };
        rows.extend(with.rows(baseline, arm, &left, &right, question)?);
    }
    if rows.is_empty() {
        return Err(CompareError::NoArm("no metric has values in both arms".to_owned()));
    }
    let holm = multiple::holm(&rows.iter().map(|row| row.p_value().unwrap_or(1.0)).collect::<Vec<f64>>());
    Ok(told(&a, &b, &rows, &holm))
}

/// Everything that makes the runs different experiments.
fn reasons(a: &ReadRun, b: &ReadRun) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut differ = |what: &str, of_a: String, of_b: String| {
        if of_a != of_b {
            reasons.push(format!("{what} is {of_a} in A and {of_b} in B"));
        }
    };
    differ("format", a.manifest.format.to_string(), b.manifest.format.to_string());
    let hash = |run: &ReadRun| run.manifest.dataset.hash.chars().take(16).collect::<String>();
    differ("the dataset (its hash)", hash(a), hash(b));
    differ("rounds", a.scenario.rounds.to_string(), b.scenario.rounds.to_string());
    let section =
        |run: &ReadRun, name: &str| run.table.get(name).cloned().unwrap_or(Value::Table(toml::Table::new()));
    let mut sections = vec!["split", "population", "session", "behavior"];
    let thinks = |run: &ReadRun| run.scenario.behavior.get("kind").and_then(Value::as_str) == Some("llm");
    if thinks(a) || thinks(b) {
        sections.push("llm");
    }
    for name in sections {
        leaves(name, &section(a, name), &section(b, name), &mut differ);
    }
    let on_error = |run: &ReadRun| format!("{:?}", run.scenario.world.on_error).to_lowercase();
    differ("world.on_error", on_error(a), on_error(b));
    if reasons.is_empty() && a.manifest.seed == b.manifest.seed && a.population() != b.population() {
        reasons.push(
            "agents.csv differs, though seed and population are the same: the runs simulated other people"
                .to_owned(),
        );
    }
    reasons
}

/// Every value in which two sections differ, by its dotted path.
fn leaves(path: &str, a: &Value, b: &Value, differ: &mut dyn FnMut(&str, String, String)) {
    if let (Value::Table(of_a), Value::Table(of_b)) = (a, b) {
        let missing = Value::String("not given".to_owned());
        let keys: std::collections::BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
        for key in keys {
            // Where replies are kept and what may be spent changes no reply.
            if path == "llm" && ["tape", "budget"].contains(&key.as_str()) {
                continue;
            }
            let value = |table: &toml::Table| table.get(key).cloned().unwrap_or(missing.clone());
            leaves(&format!("{path}.{key}"), &value(of_a), &value(of_b), differ);
        }
        return;
    }
    differ(path, a.to_string(), b.to_string());
}

/// Which arms are compared: those asked for; else arms of the same name; else B's with A's baseline.
fn pairs(a: &ReadRun, b: &ReadRun, question: &Question) -> Result<Vec<(Side, Side)>, CompareError> {
    let names =
        |which| if which == Which::A { a.arms() } else { b.arms() }.map(str::to_owned).collect::<Vec<_>>();
    for side in [&question.baseline, &question.arm].into_iter().flatten() {
        let known = names(side.run);
        if !known.contains(&side.arm) {
            let known = known.join(", ");
            return Err(CompareError::NoArm(format!(
                "{side} is not an arm of that run; expected one of: {known}"
            )));
        }
    }
    let side = |run, arm: &str| Side { run, arm: arm.to_owned() };
    let pairs: Vec<(Side, Side)> = match (&question.baseline, &question.arm) {
        (Some(baseline), Some(arm)) => vec![(baseline.clone(), arm.clone())],
        (Some(baseline), None) => {
            let other = if baseline.run == Which::A { Which::B } else { Which::A };
            names(other).iter().map(|arm| (baseline.clone(), side(other, arm))).collect()
        }
        (None, Some(arm)) => {
            let other = if arm.run == Which::A { Which::B } else { Which::A };
            let run = if other == Which::A { a } else { b };
            let has_twin = names(other).contains(&arm.arm);
            let baseline = if has_twin { arm.arm.as_str() } else { run.baseline() };
            vec![(side(other, baseline), arm.clone())]
        }
        (None, None) => {
            let of_b = names(Which::B);
            let common: Vec<String> = names(Which::A).into_iter().filter(|arm| of_b.contains(arm)).collect();
            if common.is_empty() {
                of_b.iter().map(|arm| (side(Which::A, a.baseline()), side(Which::B, arm))).collect()
            } else {
                common.iter().map(|arm| (side(Which::A, arm), side(Which::B, arm))).collect()
            }
        }
    };
    Ok(pairs)
}

/// Two arms with the runs they come from.
struct Compared<'a> {
    left: &'a ReadRun,
    right: &'a ReadRun,
    shares_luck: bool,
}

/// One metric of one pair.
struct Row {
    baseline: Side,
    arm: Side,
    metric: String,
    unit: &'static str,
    n: (u64, u64),
    values: (f64, f64),
    /// By design, the one that counts last.
    estimates: Vec<(Design, Estimate)>,
    confidence: f64,
}

impl Row {
    fn decisive(&self) -> Option<&(Design, Estimate)> {
        self.estimates.last()
    }

    fn p_value(&self) -> Option<f64> {
        self.decisive()?.1.p_value()
    }
}

impl Compared<'_> {
    fn rows(
        &self,
        baseline: &Side,
        arm: &Side,
        left: &ArmResult,
        right: &ArmResult,
        question: &Question,
    ) -> Result<Vec<Row>, CompareError> {
        let headline = labels::HEADLINE.map(str::to_owned);
        let metrics = if question.metrics.is_empty() { &headline[..] } else { &question.metrics };
        let last = self.left.scenario.rounds.saturating_sub(1);
        let round = question.round.unwrap_or(last);
        let Some((of_left, of_right)) = left.rounds.get(&round).zip(right.rounds.get(&round)) else {
            let problem = format!("round is {round}, the runs' last is {last} (counted from 0)");
            return Err(CompareError::NoArm(problem));
        };
        let find =
            |all: &'_ [Measured], name: &str| all.iter().find(|measured| measured.name == name).cloned();
        if let Some(unknown) = question.metrics.iter().find(|name| find(of_left, name).is_none()) {
            let known: Vec<&str> = of_left.iter().map(|measured| measured.name.as_str()).collect();
            let problem =
                format!("the metric {unknown:?} was not measured; expected one of: {}", known.join(", "));
            return Err(CompareError::NoArm(problem));
        }
        let rows = metrics.iter().filter_map(|name| {
            let (of_left, of_right) = (find(of_left, name)?, find(of_right, name)?);
            let (left, right) = (of_left.sample.as_ref()?, of_right.sample.as_ref()?);
            let estimates =
                if self.shares_luck { self.paired(left, right)? } else { self.apart(left, right)? };
            Some(Row {
                baseline: baseline.clone(),
                arm: arm.clone(),
                metric: name.clone(),
                unit: of_right.measure.unit,
                n: (left.len() as u64, right.len() as u64),
                values: (left.value()?, right.value()?),
                estimates,
                confidence: self.left.scenario.statistics.confidence,
            })
        });
        Ok(rows.collect())
    }

    fn covariates(run: &ReadRun) -> Covariates {
        let names: Vec<String> = covariates::names().map(str::to_owned).collect();
        Covariates::of(run.population(), &names)
    }

    /// The same people with the same luck.
    fn paired(&self, left: &Sample, right: &Sample) -> Option<Vec<(Design, Estimate)>> {
        let pair = Pair::of(left, right, &Self::covariates(self.left))?;
        let designs = [Design::Unpaired, Design::Adjusted, Design::Paired];
        Some(designs.into_iter().filter_map(|design| Some((design, pair.estimate(design)?))).collect())
    }

    /// Other luck, and as a rule other people.
    fn apart(&self, left: &Sample, right: &Sample) -> Option<Vec<(Design, Estimate)>> {
        let of_left = Self::covariates(self.left).columns(&left.agents);
        let of_right = Self::covariates(self.right).columns(&right.agents);
        let (outcomes_left, outcomes_right) = (left.pseudo_values(), right.pseudo_values());
        let unadjusted = unpaired::difference(&outcomes_left, &outcomes_right)?;
        let adjusted = cuped::unpaired(
            cuped::Arm { outcomes: &outcomes_left, covariates: &of_left },
            cuped::Arm { outcomes: &outcomes_right, covariates: &of_right },
            Slopes::Common,
        );
        let adjusted = adjusted.map(|found| (Design::Adjusted, found.estimate));
        Some([(Design::Unpaired, unadjusted)].into_iter().chain(adjusted).collect())
    }
}

fn told(a: &ReadRun, b: &ReadRun, rows: &[Row], holm: &[f64]) -> Told {
    let mut table = StudyTable::new(
        "comparison",
        "Arms of two runs",
        "Arm less baseline. The last design of a pair is the one that counts; p_adjusted_holm is over the decisive rows of all \
         pairs and metrics.",
        &[
            ("baseline", "text"),
            ("arm", "text"),
            ("metric", "text"),
            ("design", "text"),
            ("unit", "text"),
            ("n_baseline", "count"),
            ("n_arm", "count"),
            ("of_baseline", ""),
            ("of_arm", ""),
            ("difference", ""),
            ("ci_low", ""),
            ("ci_high", ""),
            ("p_value", ""),
            ("p_adjusted_holm", ""),
        ],
    );
    let mut findings = Vec::new();
    for (row, &p_adjusted) in rows.iter().zip(holm) {
        for (nth, (design, estimate)) in row.estimates.iter().enumerate() {
            let is_decisive = nth + 1 == row.estimates.len();
            let ends = estimate.interval(row.confidence);
            table.push(vec![
                row.baseline.to_string().into(),
                row.arm.to_string().into(),
                row.metric.as_str().into(),
                design.name().into(),
                row.unit.into(),
                (row.n.0 as f64).into(),
                (row.n.1 as f64).into(),
                row.values.0.into(),
                row.values.1.into(),
                estimate.difference.into(),
                ends.map(|ends| ends.0).into(),
                ends.map(|ends| ends.1).into(),
                estimate.p_value().into(),
                Cell::from(is_decisive.then_some(p_adjusted)),
            ]);
            if is_decisive {
                let id = format!("{}-{}.{}.difference", row.arm, row.baseline, row.metric);
                let finding = Finding::new(id, row.unit, Some(estimate.difference), ends);
                findings.push(finding.tested(Some(p_adjusted)));
            }
        }
    }
    Told {
        name: "compare".to_owned(),
        kind: "compare".to_owned(),
        question: "Do arms of two runs differ?".to_owned(),
        answer: answer(rows, holm),
        findings,
        warnings: notices(a, b),
        limits: vec![
            "Each arm was trained once in each run; intervals speak of other people, not of other fits."
                .to_owned(),
        ],
        tables: vec![table],
        ..Told::default()
    }
}

fn answer(rows: &[Row], holm: &[f64]) -> String {
    let alpha = rows.first().map_or(0.05, |row| 1.0 - row.confidence);
    let shown: Vec<String> = rows
        .iter()
        .zip(holm)
        .filter(|(_, p)| **p <= alpha)
        .map(|(row, _)| format!("{} of {} against {}", row.metric, row.arm, row.baseline))
        .collect();
    match shown.as_slice() {
        [] => format!("None of {} differences is shown after Holm's adjustment.", rows.len()),
        shown => format!(
            "{} of {} differences are shown after Holm's adjustment: {}.",
            shown.len(),
            rows.len(),
            shown.join("; ")
        ),
    }
}

/// What a reader has to know of how the runs were compared.
fn notices(a: &ReadRun, b: &ReadRun) -> Vec<String> {
    let mut notices = Vec::new();
    if a.manifest.seed == b.manifest.seed {
        notices.push(format!(
            "Both runs have seed {}: the same people met both arms with the same luck, so differences are paired.",
            a.manifest.seed
        ));
    } else {
        notices.push(format!(
            "The seeds differ ({} and {}): luck, split and the draw of people differ too, so arms are compared as if they had different \
             people. Where the same people are in both runs, that is on the safe side. Run both with one seed to pair them.",
            a.manifest.seed, b.manifest.seed
        ));
    }
    if a.manifest.version != b.manifest.version || a.manifest.git_revision != b.manifest.git_revision {
        let told = |run: &ReadRun| {
            let revision = run.manifest.git_revision.as_deref().map_or(String::new(), |r| format!(" ({r})"));
            format!("{}{revision}", run.manifest.version)
        };
        notices.push(format!("The runs were made by different builds: {} and {}.", told(a), told(b)));
    }
    notices
}

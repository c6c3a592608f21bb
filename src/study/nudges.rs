//! Nudges: what do lines beside items (mean ratings, popularity, adverts), or their absence, do to what people
//! watch, how they rate it and how content they are?
//!
//! Arms with the same recommender differ in `cues` alone, so their difference is what the cues did. Adverts stand
//! beside items drawn at random, so within an arm the advertised are a randomised experiment against the
//! others. Must not know how agents weigh cues.

use super::contrast::{Contrast, contrast, mean};
use super::rounds::told;
use super::{
    ArmEvidence, Axis, Cell, Chart, ChartData, Evidence, Finding, IntervalRow, Study, StudyError, StudyKind,
    StudyTable, Told,
};
use crate::agent::cue::Cue;
use crate::metric::Sample;
use crate::report::labels;
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind `nudges`.
pub struct Nudges;

const NAME: &str = "nudges";

/// What cues may move.
const METRICS: [&str; 6] = ["p_view", "mean_rating", "s_sat", "n_exit", "average_popularity", "p_like"];

/// Parameters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NudgesParams {
    /// The arm whose pages the others are compared with; the scenario's baseline where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain: Option<String>,
}

impl StudyKind for Nudges {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "what do ratings, popularity or adverts shown beside items do to watching, rating and satisfaction?"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(NudgesParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        Ok(Box::new(params::parse::<NudgesParams>(at, table)?))
    }
}

/// What one arm's cues did to one metric.
struct Effect<'a> {
    arm: &'a ArmEvidence,
    metric: &'static str,
    unit: &'static str,
    found: Contrast,
}

impl Study for NudgesParams {
    fn arms(&self) -> Vec<&str> {
        self.plain.as_deref().into_iter().collect()
    }

    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let plain = self.plain.as_deref().unwrap_or_else(|| evidence.baseline());
        let unanswerable = |problem: String| StudyError::Unanswerable { study: NAME.to_owned(), problem };
        let at = evidence.arm(plain).ok_or_else(|| unanswerable(format!("there is no arm {plain:?}")))?;
        let plain = &evidence.arms[at];
        let nudged: Vec<&ArmEvidence> = evidence.arms.iter().filter(|arm| arm.cues != plain.cues).collect();
        if nudged.is_empty() {
            let problem =
                format!("no arm shows other cues than {} does; give one `cues = [...]`", plain.name);
            return Err(unanswerable(problem));
        }
        let effects: Vec<Effect<'_>> = nudged.iter().flat_map(|&arm| effects(evidence, plain, arm)).collect();
        let adverts = adverts(evidence)?;
        let mut findings: Vec<Finding> = effects.iter().map(|effect| effect.finding(plain)).collect();
        findings.extend(adverts.iter().map(|(arm, found)| of_adverts(arm, found)));
        let others = nudged.iter().filter(|arm| arm.kind != plain.kind || arm.wraps != plain.wraps);
        let warnings = others.map(|arm| {
            format!(
                "{} is of another kind than {}: its difference is not that of its cues alone.",
                arm.name, plain.name
            )
        });
        Ok(Told {
            question: "What do lines beside items do to what people watch, how they rate, how content they are?"
                .to_owned(),
            answer: answer(&nudged, &effects, &adverts, plain),
            findings,
            warnings: warnings.collect(),
            limits: vec![
                "How agents weigh cues comes from their behaviour: for choice agents from the table cues of their parameter \
                 file, which is reasoned and not fitted to anybody. The study shows what follows from that, over pages \
                 and sessions, not how strong people's reactions are."
                    .to_owned(),
            ],
            tables: vec![table(&effects)],
            charts: vec![chart(&effects, "share"), chart(&effects, "")].into_iter().flatten().collect(),
            ..Told::default()
        })
    }
}

/// What this arm's cues did, metric by metric, in the last round.
fn effects<'a>(evidence: &Evidence<'_>, plain: &ArmEvidence, arm: &'a ArmEvidence) -> Vec<Effect<'a>> {
    let round = evidence.scenario.rounds.saturating_sub(1);
    let of = |metric: &'static str| {
        let (own, other) =
            (evidence.measured(&arm.name, round, metric)?, evidence.measured(&plain.name, round, metric)?);
        let (a, b): (&Sample, &Sample) = (own.sample.as_ref()?, other.sample.as_ref()?);
        let found = contrast(&[(1.0, a), (-1.0, b)], evidence.statistics, &evidence.streams)?;
        Some(Effect { arm, metric, unit: own.measure.unit, found })
    };
    METRICS.into_iter().filter_map(of).collect()
}

/// Of every arm that advertises: how much more often an advertised item is watched than one that is not, over
/// agents who were shown both.
fn adverts(evidence: &Evidence<'_>) -> Result<Vec<(String, Contrast)>, StudyError> {
    let mut found = Vec::new();
    for (at, arm) in evidence.arms.iter().enumerate() {
        if !arm.cues.contains(&Cue::Advert) {
            continue;
        }
        // By person: (watched, shown) of the advertised and of the others.
        let mut by_person: std::collections::BTreeMap<&str, [(f64, f64); 2]> = Default::default();
        evidence.for_each_session(at, &mut |session| {
            let person = evidence.population.person(session.agent).raw_id.as_str();
            let sums = by_person.entry(person).or_default();
            for slot in session.slots() {
                let sums = &mut sums[usize::from(slot.advertised == Some(true))];
                sums.0 += f64::from(u8::from(slot.watched));
                sums.1 += 1.0;
            }
        })?;
        let both = by_person.values().filter(|[others, advertised]| others.1 > 0.0 && advertised.1 > 0.0);
        let differences: Vec<f64> =
            both.map(|[others, advertised]| advertised.0 / advertised.1 - others.0 / others.1).collect();
        if differences.len() > 1 {
            found.push((arm.name.clone(), mean(&differences, evidence.statistics, &evidence.streams)));
        }
    }
    Ok(found)
}

impl Effect<'_> {
    fn finding(&self, plain: &ArmEvidence) -> Finding {
        let sentence = format!(
            "{} ({}) against {}: {} {}{}.",
            self.arm.name,
            cues_of(self.arm),
            plain.name,
            labels::heading(self.metric),
            told(&self.found, self.unit),
            if self.found.is_shown() { "" } else { ", which could be chance" }
        );
        self.found.finding(format!("{}.{}", self.arm.name, self.metric), self.unit).said(sentence)
    }
}

fn of_adverts(arm: &str, found: &Contrast) -> Finding {
    let sentence = format!(
        "{arm}: an advertised item is watched {} more often than the same agent's other items, adverts being dealt at \
         random.",
        told(found, "share")
    );
    found.finding(format!("{arm}.advertised"), "share").said(sentence)
}

/// What the cues did that could be shown, arm by arm.
fn answer(
    nudged: &[&ArmEvidence],
    effects: &[Effect<'_>],
    adverts: &[(String, Contrast)],
    plain: &ArmEvidence,
) -> String {
    let sentences = nudged.iter().map(|arm| {
        let own = effects.iter().filter(|effect| effect.arm.name == arm.name && effect.found.is_shown());
        let shown: Vec<String> = own
            .map(|effect| format!("{} {}", labels::heading(effect.metric), told(&effect.found, effect.unit)))
            .collect();
        let what = cues_of(arm);
        match shown.as_slice() {
            [] => format!("{} ({what}) changes nothing that could be shown.", arm.name),
            shown => format!("{} ({what}): {}.", arm.name, shown.join("; ")),
        }
    });
    let of_adverts = adverts.iter().map(|(arm, found)| {
        format!("Within {arm}, an advert makes its item be watched more often by {}.", told(found, "share"))
    });
    let all: Vec<String> = sentences.chain(of_adverts).collect();
    format!("Against {} ({}): {}", plain.name, cues_of(plain), all.join(" "))
}

/// `rating, popularity`, or `nothing beside items`.
fn cues_of(arm: &ArmEvidence) -> String {
    let names: Vec<&str> = arm.cues.iter().map(|cue| cue.name()).collect();
    if names.is_empty() { "nothing beside items".to_owned() } else { names.join(" and ") }
}

fn table(effects: &[Effect<'_>]) -> StudyTable {
    let columns = [
        ("arm", "text"),
        ("cues", "text"),
        ("metric", "text"),
        ("unit", "text"),
        ("difference", ""),
        ("ci_low", ""),
        ("ci_high", ""),
        ("p_value", ""),
        ("n", "count"),
    ];
    let mut table =
        StudyTable::new("effects", "What the cues did", "Differences are paired by agent.", &columns);
    for effect in effects {
        let ci = effect.found.ci;
        table.push(vec![
            effect.arm.name.as_str().into(),
            cues_of(effect.arm).into(),
            effect.metric.into(),
            effect.unit.into(),
            effect.found.value.into(),
            ci.map(|ci| ci.0).into(),
            ci.map(|ci| ci.1).into(),
            effect.found.p_value.into(),
            Cell::Number(effect.found.n as f64),
        ]);
    }
    table
}

/// The differences of the metrics that are shares, or of those that are not.
fn chart(effects: &[Effect<'_>], unit: &str) -> Option<Chart> {
    // Popularity is counted in hundreds and would flatten everything beside it.
    let wanted = |effect: &&Effect<'_>| {
        if unit == "share" {
            effect.unit == "share"
        } else {
            effect.unit != "share" && effect.metric != "average_popularity"
        }
    };
    let row = |effect: &Effect<'_>| IntervalRow {
        group: labels::heading(effect.metric),
        label: effect.arm.name.clone(),
        arm: Some(effect.arm.name.clone()),
        value: effect.found.value,
        low: effect.found.ci.map(|ci| ci.0),
        high: effect.found.ci.map(|ci| ci.1),
        is_open: !effect.found.is_shown(),
    };
    let mut rows: Vec<IntervalRow> = effects.iter().filter(wanted).map(row).collect();
    rows.sort_by_key(|row| METRICS.iter().position(|metric| labels::heading(metric) == row.group));
    (!rows.is_empty()).then(|| Chart {
        name: if unit == "share" { "shares" } else { "scores" }.to_owned(),
        title: "What the cues did".to_owned(),
        help: "Difference to the plain arm, paired by agent; a hollow marker could be chance.".to_owned(),
        data: ChartData::Intervals { x: Axis::new("difference", unit), reference: Some(0.0), rows },
    })
}

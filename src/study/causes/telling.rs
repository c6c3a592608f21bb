//! What was found and what was measured, in words, tables and pictures. Must not know how either came about.

use super::experiment::{Effect, Estimate, difference};
use super::items::{CLICK, EXPOSURE, RATING, TIERS, VARIABLES};
use super::stability::Pair;
use super::{Found, Measured};
use crate::report::format;
use crate::study::{Axis, Cell, Chart, ChartData, Edge, Finding, IntervalRow, Node, StudyTable, Told};

/// An edge in fewer resamples than this is not told as found for sure.
const STABLE: f64 = 0.8;

/// The arms, by name.
pub struct Names<'a> {
    /// The one looked at.
    pub arm: &'a str,
    /// The experiment.
    pub boosted: Option<&'a str>,
}

/// How a discovered effect stands to the measured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Same sign, and sizes that intervals cannot tell apart.
    Agrees,
    /// Same sign; the discovered one is larger.
    TooLarge,
    /// Same sign; the discovered one is smaller.
    TooSmall,
    /// Opposite signs.
    Contradicted,
    /// Discovered, and the experiment shows that it is not so large.
    NotConfirmed,
    /// Discovered, and the experiment can tell it neither from none nor from what was discovered.
    Unsettled,
    /// The experiment shows one, and none was discovered.
    Missed,
    /// Neither shows one.
    Neither,
}

impl Verdict {
    /// Of a discovered effect and a measured one.
    pub fn of(discovered: Estimate, measured: Estimate) -> Self {
        let gap = difference(discovered, measured);
        match (discovered.is_shown(), measured.is_shown()) {
            (false, false) => Verdict::Neither,
            (true, false) if gap.is_shown() => Verdict::NotConfirmed,
            (true, false) => Verdict::Unsettled,
            (false, true) => Verdict::Missed,
            _ if discovered.value * measured.value < 0.0 => Verdict::Contradicted,
            _ if !gap.is_shown() => Verdict::Agrees,
            _ if discovered.value.abs() > measured.value.abs() => Verdict::TooLarge,
            _ => Verdict::TooSmall,
        }
    }

    /// In a few words, for a table.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Agrees => "agree in sign and size",
            Verdict::TooLarge => "agree in sign, discovered is too large",
            Verdict::TooSmall => "agree in sign, discovered is too small",
            Verdict::Contradicted => "contradict each other",
            Verdict::NotConfirmed => "discovered, not confirmed",
            Verdict::Unsettled => "discovered, experiment too weak to tell",
            Verdict::Missed => "measured, not discovered",
            Verdict::Neither => "neither shows any",
        }
    }

    /// As a sentence.
    fn sentence(self) -> &'static str {
        match self {
            Verdict::Agrees => "Both agree, in sign and, as far as the intervals can tell, in size.",
            Verdict::TooLarge => {
                "They agree in sign but not in size: part of what was discovered is not caused by exposure."
            }
            Verdict::TooSmall => {
                "They agree in sign but not in size: exposure causes more than what happened lets one see."
            }
            Verdict::Contradicted => "They contradict each other: what was discovered has the wrong sign.",
            Verdict::NotConfirmed => "The experiment does not confirm what was discovered.",
            Verdict::Unsettled => "The experiment is too weak to tell what was discovered from none.",
            Verdict::Missed => "The search did not find what the experiment shows.",
            Verdict::Neither => "Neither shows an effect.",
        }
    }
}

/// A measured effect beside the discovered one.
struct Beside {
    outcome: usize,
    discovered: Estimate,
    measured: Option<Estimate>,
    verdict: Option<Verdict>,
}

/// Everything that is told.
pub fn told(
    names: &Names<'_>,
    found: &Found,
    measured: Option<&Measured>,
    is_ordered: bool,
    mut warnings: Vec<String>,
) -> Told {
    let beside = beside(found, measured);
    warnings.extend(doubts(found, measured, is_ordered));
    let mut findings: Vec<Finding> =
        beside.iter().flat_map(|beside| findings_of(names, found, beside)).collect();
    findings.extend(measured.into_iter().flat_map(|measured| findings_of_experiment(names, measured)));
    findings.extend(edges(found).map(|pair| finding_of_edge(found, pair)));
    Told {
        question: format!(
            "What leads to what among the items that {} shows, and does an experiment on exposure agree?",
            names.arm
        ),
        answer: answer(names, found, &beside),
        findings,
        warnings,
        limits: limits(is_ordered, measured.is_some()),
        tables: std::iter::once(edge_table(found, is_ordered)).chain(beside_table(&beside)).collect(),
        charts: std::iter::once(graph(found, is_ordered))
            .chain(beside.iter().filter_map(interval_chart))
            .collect(),
        ..Told::default()
    }
}

/// The edges that were found, by how much they carry.
fn edges(found: &Found) -> impl Iterator<Item = &Pair> {
    let mut edges: Vec<&Pair> = found.stability.pairs.iter().filter(|pair| pair.coefficient != 0.0).collect();
    edges.sort_by(|a, b| standardised(found, b).abs().total_cmp(&standardised(found, a).abs()));
    edges.into_iter()
}

/// The coefficient in standard deviations of both variables.
fn standardised(found: &Found, pair: &Pair) -> f64 {
    pair.coefficient * found.spreads[pair.from] / found.spreads[pair.to]
}

fn beside(found: &Found, measured: Option<&Measured>) -> Vec<Beside> {
    let effects = measured.into_iter().flat_map(|measured| &measured.on);
    effects
        .filter_map(|(outcome, effect)| {
            let pair = found.stability.pair(EXPOSURE, *outcome)?;
            let value = pair.total_effect;
            let discovered = Estimate { value, ci: pair.total_effect_ci.unwrap_or((value, value)) };
            let measured = effect.per_exposure;
            let verdict = measured.map(|measured| Verdict::of(discovered, measured));
            Some(Beside { outcome: *outcome, discovered, measured, verdict })
        })
        .collect()
}

/// What a unit of this variable for a unit of exposure is called.
fn unit_of(outcome: usize) -> &'static str {
    match outcome {
        CLICK => "watches for each exposure",
        RATING => "points of rating from never shown to always shown",
        _ => "",
    }
}

/// `.52 watches for each exposure (interval .50 to .55)`.
fn with_interval(estimate: Estimate, unit: &str) -> String {
    let interval = format::interval(estimate.ci.0, estimate.ci.1, "").replace(" … ", " to ");
    format!("{} {unit} (interval {interval})", format::number(estimate.value))
}

fn answer(names: &Names<'_>, found: &Found, beside: &[Beside]) -> String {
    let Some(pair) = found.stability.pair(EXPOSURE, CLICK) else { return String::new() };
    let mut answer = if pair.coefficient == 0.0 {
        format!("Among {} items, exposure is not found to lead to clicks.", found.n_items)
    } else {
        let value = pair.total_effect;
        let estimate = Estimate { value, ci: pair.total_effect_ci.unwrap_or((value, value)) };
        format!(
            "Among {} items, exposure is found to lead to clicks, in {} of resamples: {}.",
            found.n_items,
            format::percent(pair.share_of_edge),
            with_interval(estimate, unit_of(CLICK))
        )
    };
    if let Some(beside) = beside.iter().find(|beside| beside.outcome == CLICK)
        && let (Some(measured), Some(verdict)) = (beside.measured, beside.verdict)
    {
        let boosted = names.boosted.unwrap_or_default();
        answer += &format!(
            " The experiment {boosted}, which raised items at random, measures {}. {}",
            with_interval(measured, unit_of(CLICK)),
            verdict.sentence()
        );
    }
    answer
}

fn findings_of(names: &Names<'_>, found: &Found, beside: &Beside) -> Vec<Finding> {
    let to = VARIABLES[beside.outcome];
    let unit = unit_of(beside.outcome);
    let share = found.stability.pair(EXPOSURE, beside.outcome).map_or(0.0, |pair| pair.share_of_edge);
    let mut findings = vec![
        Finding::new(
            format!("discovered.exposure.{to}"),
            "",
            Some(beside.discovered.value),
            Some(beside.discovered.ci),
        )
        .said(format!(
            "Discovered in {}: exposure on {to}, along all paths, {}; the edge itself is in {} of resamples.",
            names.arm,
            with_interval(beside.discovered, unit),
            format::percent(share)
        )),
    ];
    let Some(measured) = beside.measured else { return findings };
    findings.push(
        Finding::new(format!("measured.exposure.{to}"), "", Some(measured.value), Some(measured.ci)).said(
            format!(
                "Measured by {}: exposure on {to}, {}.",
                names.boosted.unwrap_or_default(),
                with_interval(measured, unit)
            ),
        ),
    );
    let gap = difference(beside.discovered, measured);
    findings.push(
        Finding::new(format!("discovered_less_measured.exposure.{to}"), "", Some(gap.value), Some(gap.ci))
            .said(format!(
                "Discovered less measured, exposure on {to}: {}. {}",
                with_interval(gap, unit),
                beside.verdict.map_or("", Verdict::sentence)
            )),
    );
    findings
}

fn findings_of_experiment(names: &Names<'_>, measured: &Measured) -> Vec<Finding> {
    let mut findings = Vec::new();
    let boosted = names.boosted.unwrap_or_default();
    if let Some((_, effect)) = measured.on.first() {
        let gain = effect.exposure;
        let sentence = format!(
            "{boosted} raised {} items of {} at random: against the others, their exposure changed by {} of sessions an \
             item, where it is {} without.",
            effect.n_raised,
            effect.n_raised + effect.n_others,
            interval_of_difference(gain),
            format::percent(measured.exposure_before),
        );
        findings.push(
            Finding::new("experiment.exposure", "share", Some(gain.value), Some(gain.ci)).said(sentence),
        );
    }
    if let Some(Effect { per_exposure: Some(next), .. }) = &measured.on_next_popularity {
        let sentence = format!(
            "For every time that an item is shown before the last round, {} more have it when that round is fitted.",
            with_interval(*next, "people")
        );
        findings.push(
            Finding::new("measured.exposure.next_popularity", "", Some(next.value), Some(next.ci))
                .said(sentence),
        );
    }
    findings
}

/// `+0.31 pp, interval 0.28 to 0.34 pp`.
fn interval_of_difference(gain: Estimate) -> String {
    let interval = format::interval(gain.ci.0, gain.ci.1, "share").replace(" … ", " to ");
    format!("{} (interval {interval}\u{202f}pp)", format::difference(gain.value, "share"))
}

fn finding_of_edge(found: &Found, pair: &Pair) -> Finding {
    let (from, to) = (VARIABLES[pair.from], VARIABLES[pair.to]);
    let is_stable = pair.share_of_edge >= STABLE;
    let sentence = format!(
        "{from} → {to}: {} standard deviations for one, in {} of resamples{}.",
        format::difference(standardised(found, pair), ""),
        format::percent(pair.share_of_edge),
        if is_stable { "" } else { ": not stable" }
    );
    Finding::new(format!("edge.{from}.{to}"), "", Some(pair.coefficient), pair.coefficient_ci).said(sentence)
}

/// What makes this run a bad witness.
fn doubts(found: &Found, measured: Option<&Measured>, is_ordered: bool) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some((_, effect)) = measured.and_then(|measured| measured.on.first())
        && !(effect.exposure.is_shown() && effect.exposure.value > 0.0)
    {
        doubts.push(
            "The experiment is not shown to have moved exposure: no effect of it can be measured. Raise `by`, or take \
             more agents."
                .to_owned(),
        );
    }
    let blind = found.without_prior.pair(EXPOSURE, CLICK).map_or(0.0, |pair| pair.share_before);
    if is_ordered && blind < STABLE {
        doubts.push(format!(
            "Without the order given beforehand, exposure comes before click in only {} of resamples: that direction is \
             an assumption here, not a discovery.",
            format::percent(blind)
        ));
    }
    let n_failed = found.stability.n_failed;
    if n_failed > 0 {
        doubts.push(format!("{n_failed} resamples could not be searched: a variable did not vary in them."));
    }
    doubts
}

fn limits(is_ordered: bool, has_experiment: bool) -> Vec<String> {
    let mut limits = vec![
        "DirectLiNGAM supposes straight lines, no loops, noise that is not normal and no common cause left out. What people \
         like is left out here: it is a cause of exposure and of clicks alike, and makes the one look like the cause of \
         the other."
            .to_owned(),
        "Only items that were shown and rated often enough are looked at, which is itself a consequence of exposure."
            .to_owned(),
        "People here are simulated: an effect is one on these agents.".to_owned(),
    ];
    if is_ordered {
        limits.push(
            "The order of the variables is given beforehand: directions between them are assumed; whether there is an \
             edge, and how strong it is, is found."
                .to_owned(),
        );
    }
    if has_experiment {
        limits.push(
            "A raised item takes another's place and comes among other neighbours and slots: the measured effect is that \
             of exposure as this experiment brings it about, with what comes along."
                .to_owned(),
        );
        limits.push(
            "Ratings are compared for items rated in both arms, which exposure helps to be; their interval does not know \
             of that."
                .to_owned(),
        );
    }
    limits
}

fn edge_table(found: &Found, is_ordered: bool) -> StudyTable {
    let help = if is_ordered {
        "A coefficient is in units of both variables, standardised in standard deviations of both. Stability is the share \
         of resamples of the items with this edge; the last column says the same without the order given beforehand."
    } else {
        "A coefficient is in units of both variables, standardised in standard deviations of both. Stability is the share \
         of resamples of the items with this edge, reversed that of those with the opposite one."
    };
    let mut table = StudyTable::new(
        "edges",
        "What was found to lead to what",
        help,
        &[
            ("from", "text"),
            ("to", "text"),
            ("standardised", ""),
            ("coefficient", ""),
            ("ci_low", ""),
            ("ci_high", ""),
            ("total_effect", ""),
            ("stability", "share"),
            ("reversed", "share"),
            ("stability_without_order", "share"),
        ],
    );
    for pair in edges(found) {
        let without = found.without_prior.pair(pair.from, pair.to);
        table.push(vec![
            VARIABLES[pair.from].into(),
            VARIABLES[pair.to].into(),
            standardised(found, pair).into(),
            pair.coefficient.into(),
            pair.coefficient_ci.map(|ci| ci.0).into(),
            pair.coefficient_ci.map(|ci| ci.1).into(),
            pair.total_effect.into(),
            pair.share_of_edge.into(),
            pair.share_reversed.into(),
            without.map(|pair| pair.share_of_edge).into(),
        ]);
    }
    table
}

fn beside_table(beside: &[Beside]) -> Option<StudyTable> {
    if beside.is_empty() {
        return None;
    }
    let mut table = StudyTable::new(
        "experiment",
        "What was discovered beside what was measured",
        "The effect of a unit of exposure (from never shown to shown in every session) along all paths: discovered in \
         what happened, and measured on items raised at random.",
        &[
            ("effect", "text"),
            ("verdict", "text"),
            ("discovered", ""),
            ("discovered_ci_low", ""),
            ("discovered_ci_high", ""),
            ("measured", ""),
            ("measured_ci_low", ""),
            ("measured_ci_high", ""),
        ],
    );
    for beside in beside {
        let measured = beside.measured;
        table.push(vec![
            format!("exposure → {}", VARIABLES[beside.outcome]).into(),
            beside.verdict.map_or("nothing was measured", Verdict::words).into(),
            beside.discovered.value.into(),
            beside.discovered.ci.0.into(),
            beside.discovered.ci.1.into(),
            Cell::from(measured.map(|measured| measured.value)),
            Cell::from(measured.map(|measured| measured.ci.0)),
            Cell::from(measured.map(|measured| measured.ci.1)),
        ]);
    }
    Some(table)
}

fn graph(found: &Found, is_ordered: bool) -> Chart {
    let order = &found.stability.model.order;
    let place = |variable: usize| order.iter().position(|&at| at == variable).unwrap_or(variable) as u32;
    let layer = |variable: usize| if is_ordered { TIERS[variable] } else { place(variable) };
    let nodes = VARIABLES.iter().enumerate();
    let nodes = nodes.map(|(at, name)| Node { name: (*name).to_owned(), layer: layer(at) }).collect();
    let edges = edges(found).map(|pair| Edge {
        from: pair.from,
        to: pair.to,
        weight: standardised(found, pair),
        label: format::difference(standardised(found, pair), ""),
        is_open: pair.share_of_edge < STABLE,
    });
    Chart {
        name: "graph".to_owned(),
        title: "What was found to lead to what".to_owned(),
        help: format!(
            "Numbers are standard deviations of the effect for one of the cause; dashed edges are in fewer than {} of \
             resamples.",
            format::percent(STABLE)
        ),
        data: ChartData::Graph { nodes, edges: edges.collect() },
    }
}

fn interval_chart(beside: &Beside) -> Option<Chart> {
    let to = VARIABLES[beside.outcome];
    let row = |label: &str, estimate: Estimate| IntervalRow {
        group: format!("exposure → {to}"),
        label: label.to_owned(),
        arm: None,
        value: estimate.value,
        low: Some(estimate.ci.0),
        high: Some(estimate.ci.1),
        is_open: !estimate.is_shown(),
    };
    let rows = vec![row("discovered", beside.discovered), row("measured", beside.measured?)];
    Some(Chart {
        name: format!("exposure_{to}"),
        title: format!("Exposure on {to}, discovered and measured"),
        help: "Hollow where the interval holds 0.".to_owned(),
        data: ChartData::Intervals { x: Axis::new(unit_of(beside.outcome), ""), reference: Some(0.0), rows },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_go_by_intervals() {
        let e = |low: f64, value: f64, high: f64| Estimate { value, ci: (low, high) };
        let of = |a, b| Verdict::of(a, b);
        assert_eq!(of(e(0.4, 0.5, 0.6), e(0.45, 0.55, 0.65)), Verdict::Agrees);
        assert_eq!(of(e(0.7, 0.8, 0.9), e(0.45, 0.5, 0.55)), Verdict::TooLarge);
        assert_eq!(of(e(-0.3, -0.2, -0.1), e(-0.9, -0.8, -0.7)), Verdict::TooSmall);
        assert_eq!(of(e(-0.3, -0.2, -0.1), e(0.7, 0.8, 0.9)), Verdict::Contradicted);
        assert_eq!(of(e(1.0, 1.1, 1.2), e(-0.1, 0.1, 0.3)), Verdict::NotConfirmed);
        assert_eq!(of(e(0.1, 0.2, 0.3), e(-0.1, 0.1, 0.3)), Verdict::Unsettled);
        assert_eq!(of(e(0.0, 0.0, 0.0), e(0.1, 0.2, 0.3)), Verdict::Missed);
        assert_eq!(of(e(0.0, 0.0, 0.1), e(-0.1, 0.2, 0.3)), Verdict::Neither);
    }
}

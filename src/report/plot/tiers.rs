//! Headline numbers by kind of person: a grid of traits by metrics.

use super::arms::{Curve, dodged, span};
use super::{DataTable, PlotKind, Plotted, nothing};
use crate::report::estimate::Estimate;
use crate::report::figures::{TRAITS, TierFigures};
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH, labelled, legend_height, ticks};
use crate::report::theme::{ArmStyle, GRID, INK, MUTED};
use crate::report::{Report, format};

/// By tier of each trait.
pub const TIERS: PlotKind = PlotKind {
    name: "tiers",
    title: "Who is served well",
    help: "Agents are sorted into low, middle and high tiers of activity, diversity of taste and conformity; whiskers \
           are intervals. An arm that is good only on one side serves only those people.",
    draw,
};

const LEFT: f64 = 36.0;
const GAP: f64 = 10.0;
const HEIGHT: f64 = 92.0;

type Measure = (&'static str, &'static str, fn(&TierFigures, f64) -> Option<Estimate>);

const MEASURES: [Measure; 3] = [
    ("satisfaction (1 to 10)", "score", |tier, confidence| tier.s_sat.estimate(confidence)),
    ("watched, of items shown (%)", "share", |tier, confidence| tier.p_view.estimate(confidence)),
    ("pages browsed", "pages", |tier, confidence| tier.n_exit.estimate(confidence)),
];

const TIER_NAMES: [&str; 3] = ["low", "mid", "high"];

fn draw(report: &Report) -> Option<Plotted> {
    let arms = report.arms();
    let table = table(report);
    if report.figures.arms.iter().all(|arm| arm.last.n_sessions == 0) {
        return nothing("There were no sessions.", table);
    }
    let top = legend_height(&arms) + 18.0;
    let sheet = Sheet::new(top + MEASURES.len() as f64 * (HEIGHT + 40.0));
    sheet.legend(0.0, &arms);
    let width = (WIDTH - 4.0 - LEFT - 2.0 * GAP) / 3.0;
    for (t, name) in TRAITS.into_iter().enumerate() {
        let middle = LEFT + t as f64 * (width + GAP) + width / 2.0;
        sheet.text((middle, top - 8.0), name, SMALL, INK, Align::Middle);
    }
    for (m, measure) in MEASURES.iter().enumerate() {
        let row_top = top + m as f64 * (HEIGHT + 40.0);
        sheet.text((2.0, row_top + 8.0), measure.0, SMALL, MUTED, Align::Left);
        let grid: Vec<Vec<(ArmStyle, Curve)>> = (0..3).map(|t| curves(report, &arms, t, measure)).collect();
        let estimates = grid.iter().flatten().flat_map(|(_, curve)| curve.iter().filter_map(|(_, e)| *e));
        let range = span(estimates).unwrap_or((0.0, 1.0));
        for (t, curves) in grid.iter().enumerate() {
            let left = LEFT + t as f64 * (width + GAP);
            let frame = (left, row_top + 20.0, left + width, row_top + 20.0 + HEIGHT);
            let panel = sheet.panel(frame, (0.5, 3.5), range);
            for (value, label) in labelled(ticks(range, 5), measure.1 == "share") {
                let (_, y) = panel.at((1.0, value));
                sheet.line(&[(left, y), (left + width, y)], GRID, 0.8);
                if t == 0 {
                    sheet.text((left - 5.0, y), &label, TINY, MUTED, Align::Right);
                }
            }
            let ticks = TIER_NAMES.iter().enumerate().map(|(i, name)| ((i + 1) as f64, (*name).to_owned()));
            panel.x_axis(&ticks.collect::<Vec<_>>(), false, "");
            dodged(&panel, curves, 0.6, 3.2);
        }
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn curves(
    report: &Report,
    arms: &[(&str, ArmStyle)],
    of_trait: usize,
    measure: &Measure,
) -> Vec<(ArmStyle, Curve)> {
    let of = |tiers: &[TierFigures; 3]| -> Curve {
        let estimates = tiers.iter().map(|tier| measure.2(tier, report.manifest.confidence));
        estimates.enumerate().map(|(i, e)| ((i + 1) as f64, e)).collect()
    };
    arms.iter()
        .zip(&report.figures.arms)
        .map(|((_, style), arm)| (*style, of(&arm.last.tiers[of_trait])))
        .collect()
}

fn table(report: &Report) -> DataTable {
    let columns = ["arm", "trait", "tier", "agents", "satisfaction", "watched", "pages"];
    let mut table = DataTable::new(3, columns);
    let confidence = report.manifest.confidence;
    for ((name, _), arm) in report.arms().iter().zip(&report.figures.arms) {
        for (tiers, of_trait) in arm.last.tiers.iter().zip(TRAITS) {
            for (tier, tier_name) in tiers.iter().zip(TIER_NAMES) {
                let told = |e: Option<Estimate>, unit| {
                    e.map_or(format::UNKNOWN.to_owned(), |e| format::value(e.value, unit))
                };
                let pages = tier.n_exit.estimate(confidence);
                table.push(vec![
                    (*name).to_owned(),
                    of_trait.to_owned(),
                    tier_name.to_owned(),
                    format::count(pages.map_or(0, |e| e.n)),
                    told(tier.s_sat.estimate(confidence), "score"),
                    told(tier.p_view.estimate(confidence), "share"),
                    told(pages, "pages"),
                ]);
            }
        }
    }
    table
}

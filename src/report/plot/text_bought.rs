//! What text bought: differences of the arms with text to the best without, over all that is shown, for the
//! tail and for cold items. It has no word on which arms these are.

use super::arms::span;
use super::{DataTable, PlotKind, Plotted, nothing};
use crate::metric::tables::ComparisonRow;
use crate::report::estimate::Estimate;
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH, labelled, legend_height, ticks};
use crate::report::text_bought::{COLD, TAIL, compared, row};
use crate::report::theme::{ArmStyle, GRID, INK, MUTED};
use crate::report::{Report, format, labels};

/// What text bought.
pub const TEXT_BOUGHT: PlotKind = PlotKind {
    name: "text_bought",
    title: "With text against the best arm without",
    help: "Each marker is the difference of an arm with text to the best arm without it, with its interval; right of the \
           line is more with text. A hollow marker is a difference that could not be shown. Each panel has its own scale.",
    draw,
};

const LEFT: f64 = 160.0;
const RIGHT: f64 = WIDTH - 70.0;
/// Height of an arm's line, and of what stands around the lines of a panel.
const ROW: f64 = 18.0;
const PANEL: f64 = 50.0;

/// What the five measures of a group of items are, in the order of [`TAIL`] and [`COLD`].
const OF_GROUP: [&str; 5] = [
    "share of what is shown",
    "share of what is watched",
    "share of what is liked",
    "watched when shown",
    "liked when shown",
];

/// A heading and (measure, its label).
type Panel = (&'static str, Vec<(&'static str, &'static str)>);

fn panels() -> [Panel; 4] {
    let group = |metrics: [&'static str; 5]| metrics.into_iter().zip(OF_GROUP).collect();
    [
        ("Satisfaction", vec![("s_sat", "interview score")]),
        ("All that is shown", vec![("p_view", "watched when shown"), ("p_like", "liked when shown")]),
        ("The long tail", group(TAIL)),
        ("Items nobody has in training", group(COLD)),
    ]
}

fn draw(report: &Report) -> Option<Plotted> {
    let (_, names) = compared(report)?;
    let arms: Vec<(&str, ArmStyle)> =
        report.arms().into_iter().filter(|(name, _)| names.contains(name)).collect();
    let has = |metric: &str| {
        arms.iter().any(|(arm, _)| row(report, arm, metric).is_some_and(|row| row.diff.is_some()))
    };
    let mut panels: Vec<Panel> = panels().to_vec();
    panels.iter_mut().for_each(|(_, metrics)| metrics.retain(|(metric, _)| has(metric)));
    panels.retain(|(_, metrics)| !metrics.is_empty());
    let table = table(report, &arms, &panels);
    if panels.is_empty() {
        return nothing("No differences could be computed.", table);
    }
    let height = |panel: &Panel| PANEL + ROW * (panel.1.len() * arms.len()) as f64;
    let mut top = legend_height(&arms) + 4.0;
    let sheet = Sheet::new(top + panels.iter().map(height).sum::<f64>());
    sheet.legend(0.0, &arms);
    for panel in &panels {
        draw_panel(&sheet, top, panel, &arms, report);
        top += height(panel);
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn draw_panel(sheet: &Sheet, top: f64, panel: &Panel, arms: &[(&str, ArmStyle)], report: &Report) {
    let (heading, metrics) = panel;
    let unit = metrics.first().map_or("", |(metric, _)| report.unit(metric));
    let rows: Vec<Option<&ComparisonRow>> = metrics
        .iter()
        .flat_map(|(metric, _)| arms.iter().map(move |(arm, _)| row(report, arm, metric)))
        .collect();
    let zero = Estimate { value: 0.0, low: 0.0, high: 0.0, n: 0 };
    let known = rows.iter().filter_map(|row| row.and_then(|row| estimate(row, unit)));
    let Some(range) = span(known.chain([zero])) else { return };
    sheet.heading((2.0, top + 10.0), heading);
    let bottom = top + 22.0 + ROW * rows.len() as f64;
    let area = sheet.panel((LEFT, top + 20.0, RIGHT, bottom), range, (0.0, 1.0));
    for (value, label) in labelled(ticks(range, 5), false) {
        let (x, _) = area.at((value, 0.0));
        sheet.line(&[(x, top + 20.0), (x, bottom)], GRID, 0.8);
        sheet.text((x, bottom + 10.0), &label, TINY, MUTED, Align::Middle);
    }
    let axis = if unit == "share" { "pp" } else { labels::unit(unit) };
    sheet.text((WIDTH - 2.0, bottom + 10.0), axis, TINY, MUTED, Align::Right);
    let (x, _) = area.at((0.0, 0.0));
    sheet.line(&[(x, top + 20.0), (x, bottom)], INK, 1.2);
    for (nth, found) in rows.iter().enumerate() {
        let y = top + 21.0 + ROW * (nth as f64 + 0.5);
        let (measure, arm) = (nth / arms.len(), nth % arms.len());
        if arm == 0 {
            sheet.text((2.0, y), metrics[measure].1, SMALL, INK, Align::Left);
        }
        let Some((found, e)) = found.and_then(|row| Some((row, estimate(row, unit)?))) else {
            sheet.text((WIDTH - 2.0, y), format::UNKNOWN, SMALL, MUTED, Align::Right);
            continue;
        };
        let (style, along) = (&arms[arm].1, |value: f64| (area.at((value, 0.0)).0, y));
        sheet.line(&[along(e.low), along(e.high)], style.color, 2.0);
        sheet.marker(along(e.value), 4.0, style, !report.is_shown(found));
        let told = format::difference(found.diff.unwrap_or(f64::NAN), unit);
        sheet.text((WIDTH - 2.0, y), &told, SMALL, INK, Align::Right);
    }
}

/// The difference with its interval, of shares in percentage points; a point where it has none.
fn estimate(row: &ComparisonRow, unit: &str) -> Option<Estimate> {
    let scale = if unit == "share" { 100.0 } else { 1.0 };
    let value = row.diff.filter(|diff| diff.is_finite())?;
    let (low, high) = (row.ci_low.unwrap_or(value), row.ci_high.unwrap_or(value));
    Some(Estimate { value: value * scale, low: low * scale, high: high * scale, n: row.n })
}

fn table(report: &Report, arms: &[(&str, ArmStyle)], panels: &[Panel]) -> DataTable {
    let mut table = DataTable::new(3, ["items", "measure", "arm", "difference", "interval"]);
    for (heading, metrics) in panels {
        for (metric, label) in metrics {
            for row in arms.iter().filter_map(|(arm, _)| row(report, arm, metric)) {
                let unit = report.unit(metric);
                let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
                table.push(vec![
                    (*heading).to_owned(),
                    (*label).to_owned(),
                    row.arm.clone(),
                    format::difference(or_nan(row.diff), unit),
                    format::interval(or_nan(row.ci_low), or_nan(row.ci_high), unit),
                ]);
            }
        }
    }
    table
}

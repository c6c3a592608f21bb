//! Differences to the baseline: a forest plot, one group a headline metric.

use super::arms::span;
use super::{DataTable, PlotKind, Plotted, nothing};
use crate::metric::tables::ComparisonRow;
use crate::report::estimate::Estimate;
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH, labelled, ticks};
use crate::report::theme::{ArmStyle, GRID, INK, MUTED};
use crate::report::{Report, font, format, labels};

/// Differences to the baseline.
pub const DIFFERENCES: PlotKind = PlotKind {
    name: "differences",
    title: "How the arms differ from the baseline",
    help: "Each marker is an arm's difference to the baseline with its interval; right of the line is more. A hollow \
           marker is a difference that could not be shown. Each group has its own scale.",
    draw,
};

const LEFT: f64 = 118.0;
const RIGHT: f64 = WIDTH - 84.0;
const ROW: f64 = 20.0;
const GROUP: f64 = 52.0;

/// One metric's comparisons, with the arms' names and styles.
type Group<'a> = (&'a str, Vec<(&'a str, ArmStyle, Option<&'a ComparisonRow>)>);

fn draw(report: &Report) -> Option<Plotted> {
    let arms = report.arms();
    let baseline = report.baseline()?;
    let others: Vec<_> = arms.iter().filter(|(name, _)| *name != baseline).collect();
    if others.is_empty() {
        return None;
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    for metric in report.headline() {
        let rows: Vec<_> =
            others.iter().map(|(name, style)| (*name, *style, report.comparison(name, metric))).collect();
        if rows.iter().any(|(.., row)| row.is_some_and(|row| estimate(row).is_some())) {
            groups.push((metric, rows));
        }
    }
    let table = table(report);
    if groups.is_empty() {
        return nothing("No differences could be computed.", table);
    }
    let sheet = Sheet::new(groups.len() as f64 * (GROUP + ROW * others.len() as f64));
    let mut top = 0.0;
    for (metric, rows) in &groups {
        group(&sheet, top, metric, rows, report);
        top += GROUP + ROW * rows.len() as f64;
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn group(
    sheet: &Sheet,
    top: f64,
    metric: &str,
    rows: &[(&str, ArmStyle, Option<&ComparisonRow>)],
    report: &Report,
) {
    let unit = report.unit(metric);
    let scale = if unit == "share" { 100.0 } else { 1.0 };
    let scaled = |row: &ComparisonRow| {
        estimate(row).map(|e| Estimate {
            value: e.value * scale,
            low: e.low * scale,
            high: e.high * scale,
            n: e.n,
        })
    };
    let zero = Estimate { value: 0.0, low: 0.0, high: 0.0, n: 0 };
    let known = rows.iter().filter_map(|(.., row)| row.and_then(scaled));
    let Some(range) = span(known.chain([zero])) else { return };
    sheet.heading((2.0, top + 10.0), &labels::heading(metric));
    let baseline = report.metric(report.baseline().unwrap_or_default(), metric).and_then(|row| row.mean);
    if let Some(value) = baseline {
        let told = format!("baseline {}", format::value(value, unit));
        sheet.text((WIDTH - 2.0, top + 10.0), &told, SMALL, MUTED, Align::Right);
    }
    let bottom = top + 22.0 + ROW * rows.len() as f64;
    let panel = sheet.panel((LEFT, top + 20.0, RIGHT, bottom), range, (0.0, rows.len() as f64));
    for (value, label) in labelled(ticks(range, 5), false) {
        let (x, _) = panel.at((value, 0.0));
        sheet.line(&[(x, top + 20.0), (x, bottom)], GRID, 0.8);
        sheet.text((x, bottom + 10.0), &label, TINY, MUTED, Align::Middle);
    }
    let axis = if unit == "share" { "pp" } else { labels::unit(unit) };
    sheet.text((WIDTH - 2.0, bottom + 10.0), axis, TINY, MUTED, Align::Right);
    let (x, _) = panel.at((0.0, 0.0));
    sheet.line(&[(x, top + 20.0), (x, bottom)], INK, 1.2);
    for (i, (name, style, row)) in rows.iter().enumerate() {
        let y = top + 21.0 + ROW * (i as f64 + 0.5);
        sheet.text((2.0, y), &font::fitted(name, SMALL, LEFT - 12.0), SMALL, INK, Align::Left);
        let Some((row, e)) = row.and_then(|row| scaled(row).map(|e| (row, e))) else {
            sheet.text((WIDTH - 2.0, y), format::UNKNOWN, SMALL, MUTED, Align::Right);
            continue;
        };
        let along = |value: f64| (panel.at((value, 0.0)).0, y);
        sheet.line(&[along(e.low), along(e.high)], style.color, 2.0);
        sheet.marker(along(e.value), 4.0, style, !report.is_shown(row));
        let told = format::difference(row.diff.unwrap_or(f64::NAN), unit);
        sheet.text((WIDTH - 2.0, y), &told, SMALL, INK, Align::Right);
    }
}

/// The difference with its interval; a point where it has none.
fn estimate(row: &ComparisonRow) -> Option<Estimate> {
    let value = row.diff.filter(|diff| diff.is_finite())?;
    Some(Estimate { value, low: row.ci_low.unwrap_or(value), high: row.ci_high.unwrap_or(value), n: row.n })
}

fn table(report: &Report) -> DataTable {
    let columns = ["metric", "arm", "difference", "interval", "p", "p adjusted", "detectable"];
    let mut table = DataTable::new(2, columns);
    let rows = report.headline().into_iter().flat_map(|metric| {
        report.arms().into_iter().filter_map(move |(arm, _)| report.comparison(arm, metric))
    });
    for row in rows {
        let unit = report.unit(&row.metric);
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        table.push(vec![
            labels::heading(&row.metric),
            row.arm.clone(),
            format::difference(or_nan(row.diff), unit),
            format::interval(or_nan(row.ci_low), or_nan(row.ci_high), unit),
            format::p_value(or_nan(row.p_value)),
            format::p_value(or_nan(row.p_adjusted)),
            format::difference(or_nan(row.mde), unit).replace('+', ""),
        ]);
    }
    table
}

//! Diversity and bias metrics, one small panel each.

use super::arms::span;
use super::{DataTable, PlotKind, Plotted, nothing};
use crate::metric::tables::MetricsRow;
use crate::report::estimate::Estimate;
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH, labelled, legend_height, ticks};
use crate::report::theme::{ArmStyle, GRID, MUTED};
use crate::report::{Report, font, format, labels};

/// Diversity and bias.
pub const DIVERSITY: PlotKind = PlotKind {
    name: "diversity",
    title: "Diversity and bias",
    help: "How much of the catalogue is shown, how evenly, how varied a person's lists are and how popular \
           the items: one scale a panel, whiskers are intervals.",
    draw,
};

const GAP: f64 = 26.0;
const ROW: f64 = 15.0;

fn draw(report: &Report) -> Option<Plotted> {
    let arms = report.arms();
    let panels: Vec<(&str, Vec<Option<&MetricsRow>>)> = report
        .metrics_by_stem(&labels::DIVERSITY)
        .into_iter()
        .map(|metric| (metric, arms.iter().map(|(arm, _)| report.metric(arm, metric)).collect()))
        .collect();
    let table = table(report, &panels);
    let drawable: Vec<_> =
        panels.iter().filter(|(_, rows)| rows.iter().flatten().any(|row| estimate(row).is_some())).collect();
    if drawable.is_empty() {
        return nothing("No diversity metric could be computed.", table);
    }
    let height = 50.0 + ROW * arms.len() as f64;
    let top = legend_height(&arms) + 6.0;
    let sheet = Sheet::new(top + height * drawable.len().div_ceil(2) as f64);
    sheet.legend(0.0, &arms);
    for (i, (metric, rows)) in drawable.iter().enumerate() {
        let left = (i % 2) as f64 * (WIDTH + GAP) / 2.0;
        let frame = (left, top + (i / 2) as f64 * height, left + (WIDTH - GAP) / 2.0);
        panel(&sheet, frame, metric, rows, &arms, report.unit(metric));
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

/// `frame` is (left, top, right).
fn panel(
    sheet: &Sheet,
    frame: (f64, f64, f64),
    metric: &str,
    rows: &[Option<&MetricsRow>],
    arms: &[(&str, ArmStyle)],
    unit: &str,
) {
    let (left, top, right) = frame;
    let scale = if unit == "share" { 100.0 } else { 1.0 };
    let scaled = |row: &MetricsRow| {
        estimate(row).map(|e| Estimate {
            value: e.value * scale,
            low: e.low * scale,
            high: e.high * scale,
            n: e.n,
        })
    };
    let Some(range) = span(rows.iter().filter_map(|row| row.and_then(scaled))) else { return };
    let unit = labels::unit(unit);
    let heading = labels::heading(metric);
    let heading = if unit.is_empty() { heading } else { format!("{heading} ({unit})") };
    sheet.text(
        (left, top + 8.0),
        &font::fitted(&heading, SMALL, right - left + GAP / 2.0),
        SMALL,
        crate::report::theme::INK,
        Align::Left,
    );
    let bottom = top + 20.0 + ROW * arms.len() as f64;
    let panel = sheet.panel((left + 6.0, top + 18.0, right - 6.0, bottom), range, (0.0, 1.0));
    for (value, label) in labelled(ticks(range, 4), false) {
        let (x, _) = panel.at((value, 0.0));
        sheet.line(&[(x, top + 18.0), (x, bottom)], GRID, 0.8);
        sheet.text((x, bottom + 9.0), &label, TINY, MUTED, Align::Middle);
    }
    for (i, (row, (_, style))) in rows.iter().zip(arms).enumerate() {
        let y = top + 19.0 + ROW * (i as f64 + 0.5);
        let Some(e) = row.and_then(scaled) else { continue };
        let along = |value: f64| (panel.at((value, 0.0)).0, y);
        sheet.line(&[along(e.low), along(e.high)], style.color, 1.8);
        sheet.marker(along(e.value), 4.0, style, false);
    }
}

fn estimate(row: &MetricsRow) -> Option<Estimate> {
    let value = row.mean.filter(|mean| mean.is_finite())?;
    Some(Estimate { value, low: row.ci_low.unwrap_or(value), high: row.ci_high.unwrap_or(value), n: row.n })
}

fn table(report: &Report, panels: &[(&str, Vec<Option<&MetricsRow>>)]) -> DataTable {
    let mut columns = vec!["metric".to_owned()];
    columns.extend(report.arms().iter().map(|(name, _)| (*name).to_owned()));
    let mut table = DataTable::new(1, columns);
    for (metric, rows) in panels {
        let unit = report.unit(metric);
        let mut row = vec![labels::heading(metric)];
        row.extend(rows.iter().map(|row| {
            row.and_then(estimate).map_or(format::UNKNOWN.to_owned(), |e| format::value(e.value, unit))
        }));
        table.push(row);
    }
    table
}

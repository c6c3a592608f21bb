//! Small panels of curves over time: metrics over feedback rounds, learning over epochs.

use super::arms::{Curve, banded, span};
use super::{DataTable, PlotKind, Plotted};
use crate::report::estimate::Estimate;
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH, labelled, legend_height, ticks};
use crate::report::theme::{ArmStyle, GRID, INK, MUTED};
use crate::report::{Report, font, format, labels};

/// Metrics over the feedback rounds.
pub const ROUNDS: PlotKind = PlotKind {
    name: "rounds",
    title: "The feedback loop, round by round",
    help: "After each round every arm is refitted on what its own agents did. A metric that drifts from \
           round to round is a loop at work; bands are intervals.",
    draw: rounds,
};

/// Learning curves.
pub const LEARNING: PlotKind = PlotKind {
    name: "learning",
    title: "How the recommenders learned",
    help: "Training measures by epoch, in the first fit of each arm; a curve that still moves at its end may have \
           been stopped too early.",
    draw: learning,
};

const GAP: f64 = 24.0;
const LEFT: f64 = 38.0;
const HEIGHT: f64 = 96.0;
/// Panels drawn; the tables hold the rest.
const MAX_PANELS: usize = 10;

/// A panel: heading, whether it holds shares, a curve an arm.
type Small = (String, bool, Vec<(ArmStyle, Curve)>);

fn rounds(report: &Report) -> Option<Plotted> {
    if report.last_round() == 0 {
        return None;
    }
    let arms = report.arms();
    let mut table = DataTable::new(
        2,
        ["metric", "arm"]
            .map(str::to_owned)
            .into_iter()
            .chain((0..=report.last_round()).map(|round| format!("round {}", round + 1))),
    );
    let mut panels: Vec<Small> = Vec::new();
    for metric in report.metrics_by_stem(&labels::LOOP) {
        let is_share = report.unit(metric) == "share";
        let mut curves = Vec::new();
        for (arm, style) in &arms {
            let mut curve: Curve = Vec::new();
            let mut cells = vec![labels::heading(metric), (*arm).to_owned()];
            for round in 0..=report.last_round() {
                let row = report.metric_in(arm, metric, round);
                let value = row.and_then(|row| row.mean).filter(|mean| mean.is_finite());
                let estimate = row.zip(value).map(|(row, value)| Estimate {
                    value,
                    low: row.ci_low.unwrap_or(value),
                    high: row.ci_high.unwrap_or(value),
                    n: row.n,
                });
                cells.push(
                    value.map_or(format::UNKNOWN.to_owned(), |v| format::value(v, report.unit(metric))),
                );
                curve.push((f64::from(round) + 1.0, estimate));
            }
            table.push(cells);
            curves.push((*style, curve));
        }
        let unit = labels::unit(report.unit(metric));
        let heading = labels::heading(metric);
        panels.push((
            if unit.is_empty() { heading } else { format!("{heading} ({unit})") },
            is_share,
            curves,
        ));
    }
    small_panels(&arms, &panels, "round", table)
}

fn learning(report: &Report) -> Option<Plotted> {
    let arms = report.arms();
    let mut measures: Vec<&str> = Vec::new();
    let mut table = DataTable::new(2, ["arm", "measure", "epochs", "first", "last", "seconds"]);
    let fit_of = |name: &str| {
        report.manifest.arms.iter().find(|arm| arm.name == name).and_then(|arm| arm.fits.first())
    };
    for (name, _) in &arms {
        let Some(fit) = fit_of(name) else { continue };
        for point in &fit.curve {
            if !measures.contains(&point.measure.as_str()) {
                measures.push(&point.measure);
            }
        }
        for measure in &measures {
            let values: Vec<_> = fit.curve.iter().filter(|point| point.measure == *measure).collect();
            let (Some(first), Some(last)) = (values.first(), values.last()) else { continue };
            table.push(vec![
                (*name).to_owned(),
                (*measure).to_owned(),
                format::count(u64::from(last.epoch)),
                format::number(first.value),
                format::number(last.value),
                format::number(fit.seconds),
            ]);
        }
    }
    let panels: Vec<Small> = measures
        .iter()
        .map(|measure| {
            let of = |name: &str| -> Curve {
                let points = fit_of(name).map(|fit| &fit.curve[..]).unwrap_or_default();
                let points = points.iter().filter(|p| p.measure == *measure && p.value.is_finite());
                let exact = |value| Estimate { value, low: value, high: value, n: 0 };
                points.map(|p| (f64::from(p.epoch), Some(exact(p.value)))).collect()
            };
            ((*measure).to_owned(), false, arms.iter().map(|(name, style)| (*style, of(name))).collect())
        })
        .collect();
    // Arms that have no curve must not stand in the legend.
    let learns = |name: &str| fit_of(name).is_some_and(|fit| !fit.curve.is_empty());
    let arms: Vec<_> = arms.iter().copied().filter(|(name, _)| learns(name)).collect();
    small_panels(&arms, &panels, "epoch", table)
}

/// Panels two by two, each with a scale of its own.
fn small_panels(
    arms: &[(&str, ArmStyle)],
    panels: &[Small],
    axis: &str,
    table: DataTable,
) -> Option<Plotted> {
    let drawable: Vec<&Small> = panels
        .iter()
        .filter(|(.., curves)| curves.iter().any(|(_, curve)| curve.iter().any(|(_, e)| e.is_some())))
        .take(MAX_PANELS)
        .collect();
    if drawable.is_empty() {
        return None;
    }
    let top = legend_height(arms) + 6.0;
    let row = HEIGHT + 46.0;
    let n_columns = drawable.len().min(2);
    let sheet = Sheet::new(top + row * drawable.len().div_ceil(n_columns) as f64 + 14.0);
    sheet.legend(0.0, arms);
    let width = (WIDTH - GAP * (n_columns as f64 - 1.0)) / n_columns as f64;
    for (i, (heading, is_share, curves)) in drawable.into_iter().enumerate() {
        let left = (i % n_columns) as f64 * (width + GAP);
        let y = top + (i / n_columns) as f64 * row;
        sheet.text((left, y + 8.0), &font::fitted(heading, SMALL, width), SMALL, INK, Align::Left);
        let known = || curves.iter().flat_map(|(_, curve)| curve.iter().filter(|(_, e)| e.is_some()));
        let range = span(known().filter_map(|(_, e)| *e)).unwrap_or((0.0, 1.0));
        let first = known().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
        let last = known().map(|(x, _)| *x).fold(f64::NEG_INFINITY, f64::max);
        let margin = if last > first { 0.05 * (last - first) } else { 0.5 };
        let along = (first - margin, last + margin);
        let panel = sheet.panel((left + LEFT, y + 20.0, left + width - 8.0, y + 20.0 + HEIGHT), along, range);
        for (value, label) in labelled(ticks(range, 5), *is_share) {
            let (_, tick) = panel.at((first, value));
            sheet.line(&[(panel.frame.0, tick), (panel.frame.2, tick)], GRID, 0.8);
            sheet.text((panel.frame.0 - 5.0, tick), &label, TINY, MUTED, Align::Right);
        }
        let whole: Vec<f64> = panel.x_ticks(5).into_iter().filter(|tick| tick.fract().abs() < 1e-9).collect();
        panel.x_axis(&labelled(whole, false), false, "");
        banded(&panel, curves, last - first < 15.0);
    }
    sheet.text((WIDTH - 8.0, sheet.height - 8.0), axis, SMALL, MUTED, Align::Right);
    Some(Plotted { drawing: sheet.finish(), table })
}

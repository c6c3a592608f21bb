//! Charts of studies: lines with bands, values with intervals, and directed graphs, drawn from plain data. Must
//! not know any study.

use super::arms::{Curve, banded, span};
use super::{DataTable, Plotted, nothing};
use crate::report::estimate::Estimate;
use crate::report::format;
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH, labelled, legend_height, ticks};
use crate::report::theme::{ArmStyle, GRID, INK, MUTED, arm_styles};
use crate::report::{font, labels};
use crate::study::{Axis, Chart, ChartData, Edge, IntervalRow, Node, Series};

/// Names and styles of the arms of a report.
type Arms<'a> = [(&'a str, ArmStyle)];

/// Draws a chart of a study in the colours of the arms.
pub fn draw(chart: &Chart, arms: &Arms<'_>) -> Option<Plotted> {
    match &chart.data {
        ChartData::Lines { x, y, series } => lines(x, y, series, arms),
        ChartData::Intervals { x, reference, rows } => intervals(x, *reference, rows, arms),
        ChartData::Graph { nodes, edges } => graph(nodes, edges),
    }
}

/// Styles of things that may be arms: an arm's own, others one after another.
fn styles<'a>(named: impl Iterator<Item = Option<&'a str>> + Clone, arms: &Arms<'_>) -> Vec<ArmStyle> {
    let n_named = named.clone().count();
    let spare = arm_styles(arms.len() + n_named + 1, None);
    let mut next = arms.len();
    named
        .map(|name| {
            let own = name.and_then(|name| arms.iter().find(|(arm, _)| *arm == name));
            own.map_or_else(
                || {
                    next += 1;
                    spare[(next - 1) % spare.len()]
                },
                |(_, style)| *style,
            )
        })
        .collect()
}

/// What a unit is multiplied by to be drawn: shares are percent.
fn scale(unit: &str) -> f64 {
    if unit == "share" { 100.0 } else { 1.0 }
}

/// `what (unit)`.
fn titled(axis: &Axis) -> String {
    let unit = if axis.unit == "share" { "%" } else { labels::unit(&axis.unit) };
    if unit.is_empty() { axis.label.clone() } else { format!("{} ({})", axis.label, unit.trim()) }
}

const LEFT: f64 = 46.0;
const HEIGHT: f64 = 190.0;

fn lines(x: &Axis, y: &Axis, series: &[Series], arms: &Arms<'_>) -> Option<Plotted> {
    let (x_scale, y_scale) = (scale(&x.unit), scale(&y.unit));
    let styles = styles(series.iter().map(|series| series.arm.as_deref()), arms);
    let mut table =
        DataTable::new(1, [series_heading(series), x.label.as_str(), y.label.as_str(), "interval"]);
    let mut curves: Vec<(ArmStyle, Curve)> = Vec::new();
    for (line, style) in series.iter().zip(&styles) {
        let mut curve = Curve::new();
        for point in &line.points {
            let ends = point.low.zip(point.high);
            let (low, high) = ends.unwrap_or((point.y, point.y));
            let told = ends.map_or(String::new(), |(low, high)| format::interval(low, high, &y.unit));
            table.push(vec![
                line.name.clone(),
                if point.x.fract() == 0.0 { format::plain(point.x) } else { format::value(point.x, &x.unit) },
                format::value(point.y, &y.unit),
                told,
            ]);
            let estimate =
                Estimate { value: point.y * y_scale, low: low * y_scale, high: high * y_scale, n: 0 };
            curve.push((point.x * x_scale, Some(estimate).filter(|e| e.value.is_finite())));
        }
        curves.push((*style, curve));
    }
    let known = || curves.iter().flat_map(|(_, curve)| curve.iter().filter(|(_, e)| e.is_some()));
    let Some(range) = span(known().filter_map(|(_, e)| *e)) else {
        return nothing("There is nothing to draw.", table);
    };
    let legend: Vec<(&str, ArmStyle)> =
        series.iter().map(|line| line.name.as_str()).zip(styles.iter().copied()).collect();
    let top = legend_height(&legend) + 26.0;
    let sheet = Sheet::new(top + HEIGHT + 40.0);
    sheet.legend(0.0, &legend);
    let first = known().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
    let last = known().map(|(x, _)| *x).fold(f64::NEG_INFINITY, f64::max);
    let margin = if last > first { 0.04 * (last - first) } else { 0.5 };
    let frame = (LEFT, top, WIDTH - 10.0, top + HEIGHT);
    let panel = sheet.panel(frame, (first - margin, last + margin), range);
    panel.y_axis(&labelled(ticks(range, 5), false), &font::fitted(&titled(y), SMALL, WIDTH));
    let n_points = known().count() / curves.len().max(1);
    // Rounds, pages and slots are whole numbers: no ticks between them.
    let is_whole = known().all(|(x, _)| x.fract() == 0.0) && last - first < 12.0;
    let along = panel.x_ticks(6).into_iter().filter(|tick| !is_whole || tick.fract().abs() < 1e-9);
    panel.x_axis(&labelled(along.collect(), false), false, &titled(x));
    banded(&panel, &curves, n_points <= 15);
    Some(Plotted { drawing: sheet.finish(), table })
}

fn series_heading(series: &[Series]) -> &'static str {
    if series.iter().all(|line| line.arm.is_some()) { "arm" } else { "line" }
}

const ROW: f64 = 18.0;
const LABEL: f64 = 170.0;
const RIGHT: f64 = WIDTH - 66.0;

fn intervals(x: &Axis, reference: Option<f64>, rows: &[IntervalRow], arms: &Arms<'_>) -> Option<Plotted> {
    let factor = scale(&x.unit);
    let styles = styles(rows.iter().map(|row| row.arm.as_deref().or(Some(""))), arms);
    let plain = arm_styles(2, Some(1))[0];
    let is_arm =
        |row: &IntervalRow| row.arm.as_deref().is_some_and(|arm| arms.iter().any(|(a, _)| *a == arm));
    let estimate = |row: &IntervalRow| Estimate {
        value: row.value * factor,
        low: row.low.unwrap_or(row.value) * factor,
        high: row.high.unwrap_or(row.value) * factor,
        n: 0,
    };
    let mut table = DataTable::new(2, ["group", "what", x.label.as_str(), "interval"]);
    for row in rows {
        let told = row.low.zip(row.high).map(|(low, high)| format::interval(low, high, &x.unit));
        let value = format::value(row.value, &x.unit);
        table.push(vec![row.group.clone(), row.label.clone(), value, told.unwrap_or_default()]);
    }
    let at_reference = reference.map(|value| value * factor);
    let of_reference = at_reference.map(|value| Estimate { value, low: value, high: value, n: 0 });
    let Some(range) = span(rows.iter().map(estimate).chain(of_reference)) else {
        return nothing("There is nothing to draw.", table);
    };
    let groups: Vec<&[IntervalRow]> = rows.chunk_by(|a, b| a.group == b.group).collect();
    let n_headings = groups.iter().filter(|group| !group[0].group.is_empty()).count();
    let height = ROW * (rows.len() + n_headings) as f64 + 6.0 * groups.len() as f64;
    let sheet = Sheet::new(height + 44.0);
    let panel = sheet.panel((LABEL, 4.0, RIGHT, height), range, (0.0, 1.0));
    panel.x_axis(&labelled(ticks(range, 5), false), true, &titled(x));
    if let Some(value) = at_reference {
        let (x, _) = panel.at((value, 0.0));
        sheet.line(&[(x, 4.0), (x, height)], INK, 1.2);
    }
    let (mut top, mut nth) = (4.0, 0);
    for group in groups {
        if !group[0].group.is_empty() {
            sheet.heading((2.0, top + ROW / 2.0), &font::fitted(&group[0].group, SMALL, LABEL + 60.0));
            top += ROW;
        }
        for row in group {
            let (y, e) = (top + ROW / 2.0, estimate(row));
            let style = if is_arm(row) { styles[nth] } else { plain };
            sheet.text((8.0, y), &font::fitted(&row.label, SMALL, LABEL - 14.0), SMALL, INK, Align::Left);
            let along = |value: f64| (panel.at((value, 0.0)).0, y);
            sheet.line(&[along(e.low), along(e.high)], style.color, 2.0);
            sheet.marker(along(e.value), 4.0, &style, row.is_open);
            let told = format::value(row.value, &x.unit);
            sheet.text((WIDTH - 2.0, y), &told, SMALL, INK, Align::Right);
            (top, nth) = (top + ROW, nth + 1);
        }
        top += 6.0;
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

/// Width and height of a node's box.
const BOX: (f64, f64) = (72.0, 22.0);
/// How far the middle of an edge bends out of the way, for every layer that it skips.
const BOW: f64 = 46.0;

fn graph(nodes: &[Node], edges: &[Edge]) -> Option<Plotted> {
    let mut table = DataTable::new(3, ["from", "to", "said", "weight"]);
    let is_drawn = |edge: &&Edge| edge.from < nodes.len() && edge.to < nodes.len() && edge.from != edge.to;
    for edge in edges.iter().filter(is_drawn) {
        table.push(vec![
            nodes[edge.from].name.clone(),
            nodes[edge.to].name.clone(),
            edge.label.clone(),
            format::number(edge.weight),
        ]);
    }
    if nodes.is_empty() {
        return nothing("There is nothing to draw.", table);
    }
    let layers = nodes.iter().map(|node| node.layer).max().unwrap_or(0) + 1;
    let tallest = (0..layers).map(|layer| nodes.iter().filter(|n| n.layer == layer).count()).max();
    let height = 40.0 + 96.0 * tallest.unwrap_or(1) as f64;
    let sheet = Sheet::new(height);
    let centre = |at: usize| {
        let layer = nodes[at].layer;
        let mates: Vec<usize> = (0..nodes.len()).filter(|&k| nodes[k].layer == layer).collect();
        let place = mates.iter().position(|&k| k == at).unwrap_or(0);
        let across = (WIDTH - BOX.0 - 4.0) / f64::from(layers.max(2) - 1);
        let x =
            BOX.0 / 2.0 + 2.0 + if layers == 1 { (WIDTH - BOX.0) / 2.0 } else { across * f64::from(layer) };
        // Lonely nodes stand at different heights, so that edges between neighbours have room for what is said of them.
        let alone = if mates.len() == 1 { 0.13 * height } else { 0.0 };
        let shift = if layer.is_multiple_of(2) { -alone } else { alone };
        (x, height * (place as f64 + 0.5) / mates.len() as f64 + shift)
    };
    let heaviest = edges.iter().map(|edge| edge.weight.abs()).fold(1e-12, f64::max);
    for edge in edges.iter().filter(is_drawn) {
        let thickness = 1.0 + 3.0 * (edge.weight.abs() / heaviest);
        let (from, to) = (centre(edge.from), centre(edge.to));
        // An edge that skips layers goes around their nodes, on the side where it begins.
        let n_skipped = nodes[edge.from].layer.abs_diff(nodes[edge.to].layer).saturating_sub(1);
        let bow = f64::from(n_skipped) * BOW * if from.1 < height / 2.0 { -1.0 } else { 1.0 };
        let control = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0 + bow);
        arrow(&sheet, [from, control, to], thickness, edge);
    }
    for (at, node) in nodes.iter().enumerate() {
        let (x, y) = centre(at);
        let (w, h) = (BOX.0 / 2.0, BOX.1 / 2.0);
        sheet.rectangle((x - w, y - h), (x + w, y + h), GRID, 1.0);
        sheet.text((x, y), &font::fitted(&node.name, SMALL, BOX.0 - 6.0), SMALL, INK, Align::Middle);
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

/// An edge from box to box by way of a control point (a quadratic Bézier curve), its label beside its middle.
fn arrow(sheet: &Sheet, [from, control, to]: [(f64, f64); 3], thickness: f64, edge: &Edge) {
    let unit = |a: (f64, f64), b: (f64, f64)| {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = (dx * dx + dy * dy).sqrt().max(1e-9);
        (dx / length, dy / length)
    };
    // From border to border of the boxes.
    let inset = |(ux, uy): (f64, f64)| {
        let along_x = if ux.abs() > 1e-9 { BOX.0 / 2.0 / ux.abs() } else { f64::INFINITY };
        let along_y = if uy.abs() > 1e-9 { BOX.1 / 2.0 / uy.abs() } else { f64::INFINITY };
        along_x.min(along_y) + 2.0
    };
    let (out, into) = (unit(from, control), unit(control, to));
    let a = (from.0 + out.0 * inset(out), from.1 + out.1 * inset(out));
    let b = (to.0 - into.0 * inset(into), to.1 - into.1 * inset(into));
    let neck = (b.0 - into.0 * 8.0, b.1 - into.1 * 8.0);
    let at = |t: f64| {
        let blend = |a: f64, c: f64, b: f64| (1.0 - t) * (1.0 - t) * a + 2.0 * t * (1.0 - t) * c + t * t * b;
        (blend(a.0, control.0, neck.0), blend(a.1, control.1, neck.1))
    };
    let curve: Vec<(f64, f64)> = (0..=24).map(|step| at(f64::from(step) / 24.0)).collect();
    let color = arm_styles(2, None)[usize::from(edge.weight < 0.0)].color;
    if edge.is_open {
        sheet.dashed(&curve, color, thickness, 4.0, 3.0);
    } else {
        sheet.line(&curve, color, thickness);
    }
    let (wing, (ux, uy)) = (3.5 + thickness / 2.0, into);
    sheet.polygon(
        &[b, (neck.0 - uy * wing, neck.1 + ux * wing), (neck.0 + uy * wing, neck.1 - ux * wing)],
        color,
        1.0,
    );
    let (middle, along) = (at(0.5), unit(a, b));
    let beside = if control.1 > (from.1 + to.1) / 2.0 { -9.0 } else { 9.0 };
    let place = (middle.0 + along.1 * beside, middle.1 - along.0 * beside);
    sheet.text(place, &edge.label, TINY, MUTED, Align::Middle);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Point;

    fn arms() -> Vec<(&'static str, ArmStyle)> {
        ["random", "mf"].into_iter().zip(arm_styles(2, Some(0))).collect()
    }

    fn chart(data: ChartData) -> Chart {
        Chart { name: "c".into(), title: "C".into(), help: String::new(), data }
    }

    #[test]
    fn every_chart_is_drawn_with_its_numbers() {
        let point = |x, y| Point { x, y, low: Some(y - 0.1), high: Some(y + 0.1) };
        let series = |name: &str, arm: Option<&str>| Series {
            name: name.into(),
            arm: arm.map(str::to_owned),
            points: vec![point(1.0, 0.2), point(2.0, 0.4)],
        };
        let lines = chart(ChartData::Lines {
            x: Axis::new("round", ""),
            y: Axis::new("watched", "share"),
            series: vec![series("mf", Some("mf")), series("truth", None)],
        });
        let plotted = draw(&lines, &arms()).expect("drawn");
        assert_eq!(plotted.table.rows.len(), 4);
        assert_eq!(plotted.table.rows[0], ["mf", "1", "20.0\u{202f}%", "10 … 30"]);
        let row = |group: &str, arm: Option<&str>| IntervalRow {
            group: group.into(),
            label: "x".into(),
            arm: arm.map(str::to_owned),
            value: 0.5,
            low: Some(0.25),
            high: None,
            is_open: true,
        };
        let rows = vec![row("a", Some("mf")), row("b", None)];
        let forest = chart(ChartData::Intervals { x: Axis::new("lift", ""), reference: Some(0.0), rows });
        assert_eq!(draw(&forest, &arms()).expect("drawn").table.rows.len(), 2);
        let node = |name: &str, layer| Node { name: name.into(), layer };
        let edge = |from, to| Edge { from, to, weight: -0.5, label: "−0.5".into(), is_open: false };
        let data =
            ChartData::Graph { nodes: vec![node("a", 0), node("b", 1)], edges: vec![edge(0, 1), edge(0, 9)] };
        assert_eq!(draw(&chart(data), &arms()).expect("drawn").table.rows, [["a", "b", "−0.5", "−0.500"]]);
    }

    #[test]
    fn nothing_to_draw_is_said_not_drawn() {
        for data in [
            ChartData::Lines { x: Axis::new("x", ""), y: Axis::new("y", ""), series: vec![] },
            ChartData::Intervals { x: Axis::new("x", ""), reference: None, rows: vec![] },
            ChartData::Graph { nodes: vec![], edges: vec![] },
        ] {
            assert!(draw(&chart(data), &arms()).expect("a sheet").table.rows.is_empty());
        }
    }
}

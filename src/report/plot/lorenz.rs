//! The Lorenz curve of exposure: how evenly the catalogue is shown.

use super::{DataTable, PlotKind, Plotted, nothing};
use crate::report::sketch::{Align, SMALL, Sheet, WIDTH, labelled, legend_height, ticks};
use crate::report::theme::{ArmStyle, INK, MUTED};
use crate::report::{Report, format};

/// Exposure by item.
pub const LORENZ: PlotKind = PlotKind {
    name: "lorenz",
    title: "How evenly the catalogue is shown",
    help: "Items from the least to the most shown, against the share of all exposures they get together. The straight \
           line shows every item equally often; the further a curve sags, the fewer items take it all.",
    draw,
};

/// Dashes of the line of equality.
const EVEN: (f64, f64) = (4.0, 3.0);
/// Dashes of the training data's curve.
const TRAIN: (f64, f64) = (1.5, 3.0);
/// Points a curve is drawn with.
const N_POINTS: usize = 120;

fn draw(report: &Report) -> Option<Plotted> {
    let arms = report.arms();
    let figures = &report.figures;
    let counts: Vec<Vec<u64>> = figures.arms.iter().map(|arm| sorted(&arm.last.exposures)).collect();
    let train = sorted(&figures.train_counts);
    let table = table(report, &counts, &train);
    if counts.iter().all(|counts| total(counts) == 0) {
        return nothing("Nothing was shown.", table);
    }
    let top = legend_height(&arms);
    let sheet = Sheet::new(top + 46.0 + 270.0 + 42.0);
    sheet.legend(0.0, &arms);
    let frame = (40.0, top + 46.0, WIDTH - 12.0, top + 46.0 + 270.0);
    let panel = sheet.panel(frame, (0.0, 1.0), (0.0, 1.0));
    panel.y_axis(&labelled(ticks((0.0, 1.0), 6), true), "share of all exposures (%)");
    panel.x_axis(&labelled(ticks((0.0, 1.0), 6), true), false, "items, from the least to the most shown (%)");
    sheet.dashed(&[panel.at((0.0, 0.0)), panel.at((1.0, 1.0))], MUTED, 1.0, EVEN.0, EVEN.1);
    if total(&train) > 0 {
        sheet.dashed(&panel.all(lorenz(&train)), INK, 1.2, TRAIN.0, TRAIN.1);
    }
    references(&sheet, top + 10.0, total(&train) > 0);
    for (i, ((_, style), counts)) in arms.iter().zip(&counts).enumerate() {
        if total(counts) > 0 {
            arm(&panel, counts, style, i);
        }
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn arm(panel: &crate::report::sketch::Panel<'_>, counts: &[u64], style: &ArmStyle, i: usize) {
    let curve = panel.all(lorenz(counts));
    panel.sheet.arm_line(&curve, style, 2.0);
    // Markers at places of its own, where the curves are apart: for prints without colour.
    let share = 0.93 + 0.05 * ((i % 8) as f64 / 8.0);
    let (x, _) = panel.at((share, 0.0));
    if let Some(point) = curve.iter().find(|point| point.0 >= x) {
        panel.sheet.marker(*point, 4.0, style, false);
    }
}

/// The legend of the lines that are no arms.
fn references(sheet: &Sheet, y: f64, has_train: bool) {
    sheet.dashed(&[(2.0, y), (20.0, y)], MUTED, 1.0, EVEN.0, EVEN.1);
    sheet.text((26.0, y), "every item alike", SMALL, MUTED, Align::Left);
    if has_train {
        sheet.dashed(&[(150.0, y), (168.0, y)], INK, 1.2, TRAIN.0, TRAIN.1);
        sheet.text((174.0, y), "training data", SMALL, MUTED, Align::Left);
    }
}

fn sorted(counts: &[u64]) -> Vec<u64> {
    let mut counts = counts.to_vec();
    counts.sort_unstable();
    counts
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().sum()
}

/// Cumulated share of exposures by cumulated share of items, for ascending counts.
fn lorenz(counts: &[u64]) -> Vec<(f64, f64)> {
    let (n, total) = (counts.len(), total(counts).max(1) as f64);
    let mut points = vec![(0.0, 0.0)];
    let (mut sum, mut drawn) = (0_u64, 0);
    for (i, count) in counts.iter().enumerate() {
        sum += count;
        // More points where the curve bends: towards the most shown items.
        let x = (i + 1) as f64 / n as f64;
        let place = (N_POINTS as f64 * (1.0 - (1.0 - x).sqrt())) as usize;
        if place > drawn || i + 1 == n {
            drawn = place;
            points.push((x, sum as f64 / total));
        }
    }
    points
}

/// The Gini coefficient of ascending counts: twice the area between the curve and the diagonal.
fn gini(counts: &[u64]) -> f64 {
    let n = counts.len() as f64;
    let total = total(counts) as f64;
    let weighted: f64 = counts.iter().enumerate().map(|(i, count)| (i + 1) as f64 * *count as f64).sum();
    2.0 * weighted / (n * total) - (n + 1.0) / n
}

fn table(report: &Report, counts: &[Vec<u64>], train: &[u64]) -> DataTable {
    let columns =
        ["", "items shown", "of the catalogue", "Gini", "top 1 % of items get", "top 10 % get", "most shown"];
    let mut table = DataTable::new(1, columns);
    let shown: Vec<&[u64]> = report.figures.arms.iter().map(|arm| &arm.last.exposures[..]).collect();
    for ((arm, _), (counts, shown)) in report.arms().iter().zip(counts.iter().zip(shown)) {
        table.push(row(arm, counts, shown, &report.figures.titles));
    }
    table.push(row("training data", train, &report.figures.train_counts, &report.figures.titles));
    table
}

fn row(name: &str, counts: &[u64], by_item: &[u64], titles: &[String]) -> Vec<String> {
    let all = total(counts);
    if all == 0 {
        let mut row = vec![name.to_owned()];
        row.resize(7, format::UNKNOWN.to_owned());
        return row;
    }
    let n_shown = counts.iter().filter(|count| **count > 0).count();
    let head = |share: f64| {
        let n = ((counts.len() as f64 * share).ceil() as usize).max(1);
        let sum: u64 = counts.iter().rev().take(n).sum();
        format::percent(sum as f64 / all as f64)
    };
    let most = (0..by_item.len()).max_by_key(|item| (by_item[*item], std::cmp::Reverse(*item)));
    vec![
        name.to_owned(),
        format::count(n_shown as u64),
        format::percent(n_shown as f64 / counts.len() as f64),
        format::number(gini(counts)),
        head(0.01),
        head(0.1),
        most.and_then(|item| titles.get(item)).cloned().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_and_its_gini_agree_with_hand_counts() {
        assert!(gini(&[5, 5, 5, 5]).abs() < 1e-12);
        // One item of four takes all: 1 - 1/n.
        assert!((gini(&[0, 0, 0, 8]) - 0.75).abs() < 1e-12);
        let curve = lorenz(&[1, 1, 2]);
        assert_eq!(curve.first(), Some(&(0.0, 0.0)));
        assert_eq!(curve.last(), Some(&(1.0, 1.0)));
        assert!(curve.contains(&(2.0 / 3.0, 0.5)));
    }
}

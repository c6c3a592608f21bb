//! Curves over the pages and slots of a session: who is still there, who watches, how they feel.

use super::arms::{Curve, banded, dodged, highest};
use super::{DataTable, PlotKind, Plotted, nothing};
use crate::event::ExitReason;
use crate::report::Report;
use crate::report::estimate::{self, Estimate};
use crate::report::figures::RoundFigures;
use crate::report::format;
use crate::report::sketch::{Sheet, WIDTH, labelled, legend_height, ticks};
use crate::report::theme::ArmStyle;

/// Who is still browsing.
pub const SURVIVAL: PlotKind = PlotKind {
    name: "survival",
    title: "Who is still browsing",
    help: "The share of sessions that reached each page (those a failure ended are left out); the band is its \
           interval. A curve that stays high belongs to an arm people do not leave.",
    draw: survival,
};

/// Watch rate by slot.
pub const WATCH_BY_SLOT: PlotKind = PlotKind {
    name: "watch_by_slot",
    title: "Watching by place on the page",
    help: "Of the items shown in each slot, the share that was watched. A falling line is position bias: \
           what stands further down is looked at less.",
    draw: |report| watching(report, "slot (place on the page, from the top)", |round| &round.watch_by_slot),
};

/// Watch rate by page.
pub const WATCH_BY_PAGE: PlotKind = PlotKind {
    name: "watch_by_page",
    title: "Watching by page",
    help: "Of the items shown on each page, the share that was watched, among those who reached it. A \
           falling line means the best came first, or that people tire.",
    draw: |report| watching(report, "page", |round| &round.watch_by_page),
};

/// Satisfaction and fatigue during the session.
pub const MOOD: PlotKind = PlotKind {
    name: "mood",
    title: "Mood along the way",
    help: "What agents noted when they took stock after a page: satisfaction with the recommender and fatigue, \
           both from 0 to 100 %, among those still there.",
    draw: mood,
};

/// More pages or slots than this are not drawn one by one.
const MAX_PLACES: usize = 200;

fn frame(top: f64, height: f64) -> (f64, f64, f64, f64) {
    (40.0, top + 26.0, WIDTH - 12.0, top + 26.0 + height)
}

fn place_ticks(n: usize) -> Vec<(f64, String)> {
    let step = n.div_ceil(12).max(1);
    (1..=n).step_by(step).map(|place| (place as f64, place.to_string())).collect()
}

fn survival(report: &Report) -> Option<Plotted> {
    let arms = report.arms();
    let n_pages = report.figures.arms.iter().map(|arm| arm.last.n_pages_max()).max().unwrap_or(0);
    let n_drawn = n_pages.min(MAX_PLACES);
    let mut curves = Vec::new();
    for ((_, style), arm) in arms.iter().zip(&report.figures.arms) {
        let curve: Curve = (1..=n_drawn)
            .map(|page| (page as f64, reached(&arm.last, page, report.manifest.confidence)))
            .collect();
        curves.push((*style, curve));
    }
    let table = survival_table(report, n_drawn);
    if n_drawn == 0 {
        return nothing("No session saw a page.", table);
    }
    let top = legend_height(&arms);
    let sheet = Sheet::new(top + 26.0 + 190.0 + 42.0);
    sheet.legend(0.0, &arms);
    let panel = sheet.panel(frame(top, 190.0), (0.8, n_drawn.max(2) as f64 + 0.2), (0.0, 1.0));
    panel.y_axis(&labelled(ticks((0.0, 1.0), 6), true), "sessions that reached the page (%)");
    panel.x_axis(&place_ticks(n_drawn), false, "page");
    banded(&panel, &curves, n_drawn <= 30);
    Some(Plotted { drawing: sheet.finish(), table })
}

fn reached(round: &RoundFigures, page: usize, confidence: f64) -> Option<Estimate> {
    estimate::share(round.n_reached(page), round.n_reached(0), confidence)
}

fn survival_table(report: &Report, n_pages: usize) -> DataTable {
    let mut columns = vec!["arm".to_owned(), "sessions".to_owned()];
    columns.extend((1..=n_pages).map(|page| format!("page {page}")));
    columns
        .extend(ExitReason::ALL.iter().map(|reason| format!("ended: {}", reason.name().replace('_', " "))));
    let mut table = DataTable::new(1, columns);
    for ((name, _), arm) in report.arms().iter().zip(&report.figures.arms) {
        let mut row = vec![(*name).to_owned(), format::count(arm.last.n_sessions)];
        row.extend((1..=n_pages).map(|page| told(reached(&arm.last, page, report.manifest.confidence))));
        let share = |count: u64| estimate::share(count, arm.last.n_sessions, report.manifest.confidence);
        row.extend(arm.last.exits.iter().map(|count| told(share(*count))));
        table.push(row);
    }
    table
}

/// A share as a table cell.
fn told(share: Option<Estimate>) -> String {
    share.map_or(format::UNKNOWN.to_owned(), |e| format::percent(e.value))
}

fn watching(
    report: &Report,
    axis: &str,
    ratios_of: impl Fn(&RoundFigures) -> &[estimate::Ratio],
) -> Option<Plotted> {
    let arms = report.arms();
    let curves: Vec<(ArmStyle, Curve)> = arms
        .iter()
        .zip(&report.figures.arms)
        .map(|((_, style), arm)| {
            let estimates = ratios_of(&arm.last).iter().take(MAX_PLACES).enumerate();
            let curve = estimates.map(|(i, r)| ((i + 1) as f64, r.estimate(report.manifest.confidence)));
            (*style, curve.collect())
        })
        .collect();
    let n = curves.iter().map(|(_, curve)| curve.len()).max().unwrap_or(0);
    let place = axis.split(' ').next().unwrap_or(axis);
    let mut columns = vec!["arm".to_owned()];
    columns.extend((1..=n).map(|i| format!("{place} {i}")));
    let mut table = DataTable::new(1, columns);
    for ((name, _), (_, curve)) in arms.iter().zip(&curves) {
        let mut row = vec![(*name).to_owned()];
        row.extend((0..n).map(|i| told(curve.get(i).and_then(|(_, e)| *e))));
        table.push(row);
    }
    if n == 0 {
        return nothing("Nothing was shown.", table);
    }
    let top = legend_height(&arms);
    let sheet = Sheet::new(top + 26.0 + 190.0 + 42.0);
    sheet.legend(0.0, &arms);
    let high = (highest(curves.iter().map(|(_, c)| c), 0.02) * 1.05).min(1.0);
    let panel = sheet.panel(frame(top, 190.0), (0.5, n as f64 + 0.5), (0.0, high));
    panel.y_axis(&labelled(ticks(panel.y, 6), true), "watched, of items shown (%)");
    panel.x_axis(&place_ticks(n), false, axis);
    if n <= 12 {
        dodged(&panel, &curves, 0.6, 3.8);
    } else {
        banded(&panel, &curves, n <= 30);
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn mood(report: &Report) -> Option<Plotted> {
    let arms = report.arms();
    let confidence = report.manifest.confidence;
    let n =
        report.figures.arms.iter().map(|arm| arm.last.mood_by_page.len()).max().unwrap_or(0).min(MAX_PLACES);
    if n == 0 {
        return None;
    }
    let curves = |fatigue: bool| -> Vec<(ArmStyle, Curve)> {
        let of = |arm: &RoundFigures| -> Curve {
            let moods = arm.mood_by_page.iter().take(n).enumerate();
            moods
                .map(|(i, (s, f))| ((i + 1) as f64, if fatigue { f } else { s }.estimate(confidence)))
                .collect()
        };
        arms.iter().zip(&report.figures.arms).map(|((_, style), arm)| (*style, of(&arm.last))).collect()
    };
    let mut columns = vec!["arm".to_owned(), "mood".to_owned()];
    columns.extend((1..=n).map(|page| format!("page {page}")));
    let mut table = DataTable::new(2, columns);
    let top = legend_height(&arms);
    let sheet = Sheet::new(top + 2.0 * (26.0 + 105.0 + 14.0) + 34.0);
    sheet.legend(0.0, &arms);
    for (i, name) in ["satisfaction", "fatigue"].into_iter().enumerate() {
        let curves = curves(name == "fatigue");
        for ((arm, _), (_, curve)) in arms.iter().zip(&curves) {
            let mut row = vec![(*arm).to_owned(), name.to_owned()];
            row.extend((0..n).map(|i| told(curve.get(i).and_then(|(_, e)| *e))));
            table.push(row);
        }
        let at = frame(top + i as f64 * (26.0 + 105.0 + 18.0), 105.0);
        let panel = sheet.panel(at, (0.8, n.max(2) as f64 + 0.2), (0.0, 1.0));
        panel.y_axis(&labelled(ticks((0.0, 1.0), 3), true), &format!("{name} (%)"));
        panel.x_axis(&place_ticks(n), false, if i == 1 { "page" } else { "" });
        banded(&panel, &curves, n <= 30);
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

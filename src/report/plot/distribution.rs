//! Histograms, one strip an arm under one another: interview scores and ratings.

use super::{DataTable, PlotKind, Plotted, nothing};
use crate::report::Report;
use crate::report::estimate::{Estimate, Mean};
use crate::report::format;
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH};
use crate::report::theme::{ArmStyle, GRID, INK, MUTED};
use crate::report::{figures::RoundFigures, font};

/// Interview scores.
pub const SATISFACTION: PlotKind = PlotKind {
    name: "satisfaction",
    title: "How satisfied they were",
    help: "Each bar is the share of interviewed agents who gave that score; the marker below the bars is \
           the mean with its interval. Bars further right are happier people.",
    draw: |report| {
        strips(report, "interview score (1 worst, 10 best)", "Nobody was interviewed.", |round| {
            &round.satisfaction[..]
        })
    },
};

/// Ratings of watched items.
pub const RATINGS: PlotKind = PlotKind {
    name: "ratings",
    title: "How they rated what they watched",
    help: "Each bar is the share of ratings with that many stars; the marker below the bars is their mean. \
           Ratings exist only for what was watched.",
    draw: |report| strips(report, "rating (stars)", "Nothing was rated.", |round| &round.ratings[..]),
};

const LEFT: f64 = 112.0;
const ROW: f64 = 62.0;
const BARS: f64 = 38.0;

fn strips(
    report: &Report,
    axis: &str,
    empty: &str,
    counts_of: impl Fn(&RoundFigures) -> &[u64],
) -> Option<Plotted> {
    let arms = report.arms();
    let rounds: Vec<&[u64]> = report.figures.arms.iter().map(|arm| counts_of(&arm.last)).collect();
    let n_bins = rounds.first().map_or(0, |counts| counts.len());
    let table = table(report, &rounds, n_bins);
    let tallest =
        rounds.iter().flat_map(|counts| shares(counts)).filter(|s| s.is_finite()).fold(0.0, f64::max);
    if tallest <= 0.0 {
        return nothing(empty, table);
    }
    let sheet = Sheet::new(6.0 + ROW * arms.len() as f64 + 36.0);
    for (i, ((name, style), counts)) in arms.iter().zip(&rounds).enumerate() {
        let top = 6.0 + ROW * i as f64;
        let frame = (LEFT, top + 10.0, WIDTH - 6.0, top + 10.0 + BARS);
        let panel = sheet.panel(frame, (0.5, n_bins as f64 + 0.5), (0.0, tallest));
        sheet.line(&[(frame.0, frame.3), (frame.2, frame.3)], GRID, 1.0);
        sheet.marker((7.0, frame.1 + 8.0), 4.0, style, false);
        sheet.text((17.0, frame.1 + 8.0), &font::fitted(name, SMALL, LEFT - 24.0), SMALL, INK, Align::Left);
        let Some(mean) = mean(counts, report.manifest.confidence) else {
            sheet.text((17.0, frame.1 + 25.0), "no data", SMALL, MUTED, Align::Left);
            continue;
        };
        let told = format!("mean {}", format::number(mean.value));
        sheet.text((17.0, frame.1 + 25.0), &told, SMALL, MUTED, Align::Left);
        let highest = shares(counts).iter().copied().fold(0.0, f64::max);
        let mut is_told = false;
        for (bin, share) in shares(counts).into_iter().enumerate() {
            let x = bin as f64 + 1.0;
            sheet.rectangle(panel.at((x - 0.4, share)), panel.at((x + 0.4, 0.0)), style.color, 0.75);
            if share == highest && !is_told {
                is_told = true;
                let (at_x, at_y) = panel.at((x, share));
                sheet.text((at_x, at_y - 6.0), &format::percent(share), TINY, MUTED, Align::Middle);
            }
        }
        mean_marker(
            &sheet,
            panel.at((mean.low, 0.0)),
            panel.at((mean.high, 0.0)),
            panel.at((mean.value, 0.0)),
            style,
        );
    }
    let bottom = 6.0 + ROW * arms.len() as f64;
    let ruler = sheet.panel((LEFT, 0.0, WIDTH - 6.0, bottom), (0.5, n_bins as f64 + 0.5), (0.0, 1.0));
    for bin in 1..=n_bins {
        let (x, _) = ruler.at((bin as f64, 0.0));
        sheet.text((x, bottom + 7.0), &bin.to_string(), SMALL, MUTED, Align::Middle);
    }
    sheet.text(((LEFT + WIDTH) / 2.0, bottom + 24.0), axis, SMALL, MUTED, Align::Middle);
    Some(Plotted { drawing: sheet.finish(), table })
}

fn mean_marker(sheet: &Sheet, low: (f64, f64), high: (f64, f64), at: (f64, f64), style: &ArmStyle) {
    let y = at.1 + 6.0;
    sheet.line(&[(low.0, y), (high.0, y)], style.color, 1.6);
    sheet.marker((at.0, y), 3.2, style, false);
}

fn shares(counts: &[u64]) -> Vec<f64> {
    let total: u64 = counts.iter().sum();
    counts.iter().map(|count| if total == 0 { 0.0 } else { *count as f64 / total as f64 }).collect()
}

fn mean(counts: &[u64], confidence: f64) -> Option<Estimate> {
    let mut mean = Mean::default();
    for (bin, count) in counts.iter().enumerate() {
        mean.add_times((bin + 1) as f64, *count);
    }
    mean.estimate(confidence)
}

fn table(report: &Report, rounds: &[&[u64]], n_bins: usize) -> DataTable {
    let scores = (1..=n_bins).map(|bin| bin.to_string());
    let columns = ["arm".to_owned(), "answers".to_owned(), "mean".to_owned()];
    let mut table = DataTable::new(1, columns.into_iter().chain(scores));
    for ((name, _), counts) in report.arms().iter().zip(rounds) {
        let total: u64 = counts.iter().sum();
        let told = mean(counts, report.manifest.confidence)
            .map_or(format::UNKNOWN.to_owned(), |mean| format::number(mean.value));
        let mut row = vec![(*name).to_owned(), format::count(total), told];
        row.extend(
            shares(counts)
                .into_iter()
                .map(|share| if total == 0 { format::UNKNOWN.to_owned() } else { format::percent(share) }),
        );
        table.push(row);
    }
    table
}

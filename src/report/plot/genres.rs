//! The mix of genres shown, against the mix in the training data.

use super::{DataTable, PlotKind, Plotted};
use crate::report::sketch::{Align, SMALL, Sheet, TINY, WIDTH, labelled, legend_height, ticks};
use crate::report::theme::{GRID, INK, MUTED};
use crate::report::{Report, font, format};

/// What was shown, by genre.
pub const GENRES: PlotKind = PlotKind {
    name: "genres",
    title: "What was shown, by genre",
    help: "The share of exposures each genre got from each arm; the black bar is its share in the training data. \
           An arm right of the bar pushes the genre.",
    draw,
};

/// Genres drawn; all are in the table.
const MAX_ROWS: usize = 12;
const LEFT: f64 = 108.0;

fn draw(report: &Report) -> Option<Plotted> {
    let figures = &report.figures;
    let arms = report.arms();
    let shares: Vec<Vec<f64>> = figures.arms.iter().map(|arm| shares(&arm.last.genres)).collect();
    if figures.genres.is_empty() || shares.iter().all(|shares| shares.is_empty()) {
        return None;
    }
    let share = |arm: usize, genre: usize| shares[arm].get(genre).copied();
    let train = |genre: usize| figures.train_genres.get(genre).copied().unwrap_or(0.0);
    let mut order: Vec<usize> = (0..figures.genres.len()).collect();
    order.sort_by(|a, b| train(*b).total_cmp(&train(*a)).then(a.cmp(b)));

    let columns = ["genre", "training data"].into_iter().chain(arms.iter().map(|(name, _)| *name));
    let mut table = DataTable::new(1, columns);
    for genre in &order {
        let mut row = vec![figures.genres[*genre].clone(), format::percent(train(*genre))];
        row.extend(
            (0..arms.len()).map(|arm| share(arm, *genre).map_or(format::UNKNOWN.to_owned(), format::percent)),
        );
        table.push(row);
    }

    order.truncate(MAX_ROWS);
    let row_height = 18.0;
    let top = legend_height(&arms) + 4.0;
    let bottom = top + row_height * order.len() as f64;
    let sheet = Sheet::new(bottom + 42.0);
    sheet.legend(0.0, &arms);
    let all = order.iter().flat_map(|g| (0..arms.len()).filter_map(|a| share(a, *g)).chain([train(*g)]));
    let panel =
        sheet.panel((LEFT, top, WIDTH - 12.0, bottom), (0.0, all.fold(0.01, f64::max) * 1.05), (0.0, 1.0));
    panel.x_axis(&labelled(ticks(panel.x, 6), true), true, "share of exposures (%)");
    for (i, genre) in order.iter().enumerate() {
        let y = top + row_height * (i as f64 + 0.5);
        let along = |value: f64| (panel.at((value, 0.0)).0, y);
        let name = font::fitted(&figures.genres[*genre], SMALL, LEFT - 12.0);
        sheet.text((LEFT - 8.0, y), &name, SMALL, INK, Align::Right);
        let known: Vec<f64> =
            (0..arms.len()).filter_map(|arm| share(arm, *genre)).chain([train(*genre)]).collect();
        let ends =
            (known.iter().copied().fold(f64::INFINITY, f64::min), known.iter().copied().fold(0.0, f64::max));
        sheet.line(&[along(ends.0), along(ends.1)], GRID, 3.0);
        let (x, _) = along(train(*genre));
        sheet.line(&[(x, y - 6.0), (x, y + 6.0)], INK, 2.0);
        for (arm, (_, style)) in arms.iter().enumerate() {
            if let Some(value) = share(arm, *genre) {
                sheet.marker(along(value), 4.0, style, false);
            }
        }
    }
    let n_hidden = figures.genres.len() - order.len();
    if n_hidden > 0 {
        let note = format!("{n_hidden} rarer genres are in the table");
        sheet.text((2.0, bottom + 28.0), &font::fitted(&note, TINY, 178.0), TINY, MUTED, Align::Left);
    }
    Some(Plotted { drawing: sheet.finish(), table })
}

fn shares(weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    if total > 0.0 { weights.iter().map(|weight| weight / total).collect() } else { Vec::new() }
}

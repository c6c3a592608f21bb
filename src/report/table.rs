//! The result on a terminal: arms by headline metrics, plain text, and the verdict below.
//! Knows the width of the terminal and nothing of its colours.

use super::verdict::verdict;
use super::{Report, format, labels, truth};

/// The result table and the verdict, at most `width` columns wide where words allow it;
/// every line ends with a newline.
pub fn terminal(report: &Report, width: usize) -> String {
    let width = width.max(40);
    let mut columns: Vec<Vec<String>> = vec![vec!["arm".to_owned()]];
    columns[0].extend(report.arms().iter().map(|(name, _)| shortened(name, width / 3)));
    for metric in report.headline() {
        let unit = labels::unit(report.unit(metric));
        let heading = labels::heading(metric);
        let mut column = vec![if unit.is_empty() { heading } else { format!("{heading} {unit}") }];
        column.extend(report.arms().iter().map(|(arm, _)| cell(report, arm, metric)));
        columns.push(column);
    }
    let mut text = String::new();
    for block in blocks(&columns, width) {
        text.push_str(&aligned(&block));
        text.push('\n');
    }
    if !report.comparisons.is_empty() {
        let baseline = report.baseline().unwrap_or_default();
        let legend = format!(
            "± is half the {} % interval; ▲ better, ▼ worse than {baseline}, shown at adjusted p < {}",
            format::plain(report.manifest.confidence * 100.0),
            format::plain(1.0 - report.manifest.confidence),
        );
        text.push_str(&wrapped(&legend, width));
    }
    let verdict = verdict(report);
    text.push_str(&wrapped(&verdict.headline, width));
    if let Some(told) = truth::told(report) {
        text.push_str(&wrapped(&format!("{} {}", told.answer, told.caveat), width));
    }
    text.push_str(&wrapped(&failures(report), width));
    text
}

/// Value ± half interval, and whether it is better or worse than the baseline.
fn cell(report: &Report, arm: &str, metric: &str) -> String {
    let unit = report.unit(metric);
    let scale = if unit == "share" { 100.0 } else { 1.0 };
    let Some(row) = report.metric(arm, metric) else { return format!("{}  ", format::UNKNOWN) };
    let Some(mean) = row.mean.filter(|mean| mean.is_finite()) else {
        return format!("{}  ", format::UNKNOWN);
    };
    let half = row.ci_low.zip(row.ci_high).map(|(low, high)| (high - low) / 2.0 * scale);
    let value = match half.filter(|half| half.is_finite() && *half > 0.0) {
        Some(half) => {
            let n_decimals = format::decimals_within(half).unwrap_or(2);
            format!("{} ± {}", format::fixed(mean * scale, n_decimals), format::fixed(half, n_decimals))
        }
        None => format::number(mean * scale),
    };
    let sign = match report.comparison(arm, metric) {
        Some(row) if report.is_shown(row) => {
            let is_more = row.diff.unwrap_or(0.0) > 0.0;
            if labels::label(metric).better.unwrap_or(true) == is_more { "▲" } else { "▼" }
        }
        _ => " ",
    };
    format!("{value} {sign}")
}

/// The failure rate, from the metric: it is there without the events.
fn failures(report: &Report) -> String {
    let rows =
        report.metrics.iter().filter(|row| row.metric == "failure_rate" && row.round == report.last_round());
    let rates = rows.map(|row| format!("{} {}", row.arm, format::percent(row.mean.unwrap_or(f64::NAN))));
    let rates: Vec<String> = rates.collect();
    if rates.is_empty() {
        return "Failure rate not measured.".to_owned();
    }
    format!("Failure rate: {}.", rates.join(", "))
}

/// Columns put side by side until the width is full; each block begins with the first column.
fn blocks(columns: &[Vec<String>], width: usize) -> Vec<Vec<&Vec<String>>> {
    let Some((first, others)) = columns.split_first() else { return Vec::new() };
    let mut blocks = vec![vec![first]];
    let mut used = column_width(first);
    for column in others {
        let needed = 2 + column_width(column);
        if used + needed > width && blocks.last().is_some_and(|block| block.len() > 1) {
            blocks.push(vec![first]);
            used = column_width(first);
        }
        used += needed;
        if let Some(block) = blocks.last_mut() {
            block.push(column);
        }
    }
    blocks
}

fn aligned(block: &[&Vec<String>]) -> String {
    let n_rows = block.first().map_or(0, |column| column.len());
    let mut text = String::new();
    for row in 0..n_rows {
        let mut line = String::new();
        for (i, column) in block.iter().enumerate() {
            let (cell, width) = (&column[row], column_width(column));
            let padding = " ".repeat(width - cell.chars().count());
            // Numbers keep right; the sign behind them has a place of its own.
            let heading_tail = if row == 0 && i > 0 { "  " } else { "" };
            line.push_str(&match i {
                0 => format!("{cell}{padding}"),
                _ if heading_tail.is_empty() => format!("  {padding}{cell}"),
                _ if padding.len() >= 2 => format!("  {}{cell}{heading_tail}", &padding[2..]),
                _ => format!("  {padding}{cell}"),
            });
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if row == 0 {
            let widths: usize = block.iter().map(|column| column_width(column) + 2).sum();
            text.push_str(&"─".repeat(widths - 2));
            text.push('\n');
        }
    }
    text
}

fn column_width(column: &[String]) -> usize {
    column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn shortened(name: &str, width: usize) -> String {
    // Control characters in a name must not reach the terminal.
    let clean: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if clean.chars().count() <= width {
        return clean;
    }
    clean.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Words filled into lines.
fn wrapped(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split(' ').map(|word| shortened(word, usize::MAX)) {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            wrapped.push('\n');
            used = 0;
        }
        if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(&word);
        used += length;
    }
    wrapped.push('\n');
    wrapped
}

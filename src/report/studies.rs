//! The sections of studies: what each told, its charts drawn and its tables in finished cells. Computes nothing.

use super::page::{Columns, rows};
use super::plot::{DataTable, study};
use super::{NAME_EXPECTED, Report, ReportError, format, names_a_file};
use crate::study::{Cell, FOLDER, StudyTable, Told};
use minijinja::{Value, context};
use std::collections::BTreeSet;
use std::path::Path;

/// Rows of a table that the page shows; the CSV file has all of them.
const N_ROWS_MAX: usize = 60;

/// Reads what the studies of a run told, in the order of the scenario.
pub fn read(run_dir: &Path, names: &[String]) -> Result<Vec<Told>, ReportError> {
    names.iter().map(|name| read_one(run_dir, name)).collect()
}

fn read_one(run_dir: &Path, name: &str) -> Result<Told, ReportError> {
    let odd = |path, name: &str| {
        let problem = format!("{name:?} cannot be part of a file's name, expected {NAME_EXPECTED}");
        ReportError::Incomplete { path, problem }
    };
    if !names_a_file(name) {
        return Err(odd(run_dir.join("manifest.json"), name));
    }
    let path = run_dir.join(FOLDER).join(format!("{name}.json"));
    let text = super::read_text(&path)?;
    let told: Told = serde_json::from_str(&text).map_err(|error| ReportError::Incomplete {
        path: path.clone(),
        problem: format!("is not what a study told: {error}"),
    })?;
    let charts = told.charts.iter().map(|chart| &chart.name);
    let mut named = charts.chain(told.tables.iter().map(|table| &table.name)).chain([&told.name]);
    if let Some(name) = named.find(|name| !names_a_file(name)) {
        return Err(odd(path, name));
    }
    drop(named);
    Ok(told)
}

/// The sections, as the page takes them; the plots' files and letters are added to those given.
pub fn sections(
    report: &Report,
    plots: &mut Vec<(String, String)>,
    glyphs: &mut BTreeSet<char>,
) -> Vec<Value> {
    report.studies.iter().map(|told| section(report, told, plots, glyphs)).collect()
}

fn section(
    report: &Report,
    told: &Told,
    plots: &mut Vec<(String, String)>,
    glyphs: &mut BTreeSet<char>,
) -> Value {
    let arms = report.arms();
    let mut columns = Columns::default();
    for chart in &told.charts {
        let Some(plotted) = study::draw(chart, &arms) else { continue };
        let name = format!("study-{}-{}", safe(&told.name), safe(&chart.name));
        plots.push((format!("{name}.svg"), plotted.drawing.standalone(&name, &chart.title, &chart.help)));
        columns.push(&name, &chart.title, &chart.help, plotted);
    }
    glyphs.append(&mut columns.glyphs);
    let tables = told.tables.iter().map(|table| {
        context! {
            title => &table.title,
            help => &table.help,
            n_more => table.rows.len().saturating_sub(N_ROWS_MAX),
            file => format!("{FOLDER}/{}-{}.csv", safe(&told.name), safe(&table.name)),
            table => rows(finished(table)),
        }
    });
    let sentences = told.findings.iter().map(|found| found.sentence.clone()).filter(|said| !said.is_empty());
    context! {
        name => safe(&told.name),
        heading => heading(&told.kind, &told.name),
        question => &told.question,
        answer => &told.answer,
        findings => sentences.collect::<Vec<_>>(),
        warnings => &told.warnings,
        limits => &told.limits,
        tables => tables.collect::<Vec<_>>(),
        columns => columns.values(),
    }
}

/// A name as it may stand in a file's name and in an element's: a run folder may be somebody else's.
fn safe(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

/// `Filter bubble`, with the name behind it where that is another.
fn heading(kind: &str, name: &str) -> String {
    // The report opens with a verdict of its own.
    let mut words = if kind == "verdict" { "A/B verdict".to_owned() } else { kind.replace('_', " ") };
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if kind == name { words } else { format!("{words}: {name}") }
}

/// A study's table in finished cells.
fn finished(table: &StudyTable) -> DataTable {
    let names = table.columns.iter().map(|column| column.name.replace('_', " "));
    let mut finished = DataTable::new(table.n_text(), names);
    for row in table.rows.iter().take(N_ROWS_MAX) {
        let cells = row.iter().zip(&table.columns).map(|(cell, column)| match cell {
            Cell::Number(value)
                if column.name.starts_with("p_value") || column.name.starts_with("p_adjusted") =>
            {
                format::p_value(*value)
            }
            Cell::Number(value) if column.unit == "count" => format::count(value.max(0.0) as u64),
            Cell::Number(value) => format::value(*value, &column.unit),
            Cell::Text(text) => text.clone(),
            Cell::Missing(()) => format::UNKNOWN.to_owned(),
        });
        let mut cells: Vec<String> = cells.collect();
        cells.resize(table.columns.len(), format::UNKNOWN.to_owned());
        finished.push(cells);
    }
    finished
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_told_in_its_units() {
        let columns = [("arm", "text"), ("watched", "share"), ("n", "count"), ("p_value", "")];
        let mut table = StudyTable::new("t", "T", "", &columns);
        table.push(vec!["mf".into(), 0.25.into(), 12345.0.into(), 0.00001.into()]);
        table.push(vec!["x".into(), None.into(), f64::NAN.into(), 0.5.into()]);
        let found = finished(&table);
        assert_eq!(found.columns, ["arm", "watched", "n", "p value"]);
        assert_eq!(found.rows[0], ["mf", "25.0\u{202f}%", "12\u{202f}345", "<\u{a0}0.001"]);
        assert_eq!(found.rows[1], ["x", "–", "–", "0.500"]);
        assert_eq!(heading("filter_bubble", "filter_bubble"), "Filter bubble");
        assert_eq!(heading("off_policy", "first"), "Off policy: first");
        assert_eq!(heading("verdict", "verdict"), "A/B verdict");
    }
}

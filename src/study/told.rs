//! What a study tells: sentences, numbers, tables and charts as plain data, kept in the run folder as
//! `studies/NAME.json`. Must not know any study, nor how anything is drawn.

use serde::{Deserialize, Serialize};

/// The folder in a run folder that holds what studies told.
pub const FOLDER: &str = "studies";

/// What one study tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Told {
    /// Its name in the scenario; filled in by who runs it.
    pub name: String,
    /// Its kind, likewise.
    pub kind: String,
    /// The question, as a person would put it.
    pub question: String,
    /// The answer in a sentence or two, with its interval.
    pub answer: String,
    /// Everything that was found, most important first.
    pub findings: Vec<Finding>,
    /// What makes this run a bad witness.
    pub warnings: Vec<String>,
    /// What no run of this kind can show.
    pub limits: Vec<String>,
    /// The numbers behind it; each is also a CSV file beside this one.
    pub tables: Vec<StudyTable>,
    /// The pictures.
    pub charts: Vec<Chart>,
}

/// One number with what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// A stable key, unique in the study: `mf.top1_genre_share.change`.
    pub id: String,
    /// In plain language, with the numbers.
    pub sentence: String,
    /// The value; `None` where it is undefined.
    pub value: Option<f64>,
    /// Interval, lower end.
    pub ci_low: Option<f64>,
    /// Interval, upper end.
    pub ci_high: Option<f64>,
    /// P-value of the value being none (0, or what the study says).
    pub p_value: Option<f64>,
    /// The unit, as metrics have it: `share`, `score`, `count`, …
    pub unit: String,
}

/// A table of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyTable {
    /// Its name in files: letters, digits and `_`.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// One sentence on how to read it; may be empty.
    pub help: String,
    /// The columns; those of text come first.
    pub columns: Vec<Column>,
    /// Cells, row by row, as many as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its heading, and its name in the CSV file.
    pub name: String,
    /// The unit of its numbers (`share`, `score`, …); empty for plain numbers, `text` for text.
    pub unit: String,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A finite number.
    Number(f64),
    /// Text.
    Text(String),
    /// Nothing: undefined, or not measured.
    Missing(()),
}

/// A picture of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// Its name in files: letters, digits and `_`.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// One sentence on how to read it.
    pub help: String,
    /// What is in it.
    pub data: ChartData,
}

/// What is in a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ChartData {
    /// Lines with bands over a number.
    Lines {
        /// Along.
        x: Axis,
        /// Up.
        y: Axis,
        /// The lines.
        series: Vec<Series>,
    },
    /// Values with their intervals, a row each.
    Intervals {
        /// The scale of all values.
        x: Axis,
        /// Where a line is drawn that values are read against: 0, or the truth.
        reference: Option<f64>,
        /// The rows, from the top; rows of one group stand together.
        rows: Vec<IntervalRow>,
    },
    /// A directed graph with weighted edges, its nodes laid out by layer.
    Graph {
        /// The nodes.
        nodes: Vec<Node>,
        /// The edges.
        edges: Vec<Edge>,
    },
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// Its unit, as metrics have it; shares are shown in percent.
    pub unit: String,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// The arm in whose colour it is drawn; `None` gives it a colour of its own.
    pub arm: Option<String>,
    /// Its points, along x.
    pub points: Vec<Point>,
}

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Along.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Lower end of its band.
    pub low: Option<f64>,
    /// Upper end of its band.
    pub high: Option<f64>,
}

/// A value with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntervalRow {
    /// The heading it stands under.
    pub group: String,
    /// What it is.
    pub label: String,
    /// The arm in whose colour it is drawn.
    pub arm: Option<String>,
    /// The value.
    pub value: f64,
    /// Interval, lower end.
    pub low: Option<f64>,
    /// Interval, upper end.
    pub high: Option<f64>,
    /// Drawn hollow: not shown to differ, or not to be trusted.
    pub is_open: bool,
}

/// A node of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its layer, from the left.
    pub layer: u32,
}

/// An edge of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// From the node at this place.
    pub from: usize,
    /// To the node at this place.
    pub to: usize,
    /// Its weight; the line is as thick as this is large against the others.
    pub weight: f64,
    /// What stands beside it.
    pub label: String,
    /// Drawn dashed: not stable.
    pub is_open: bool,
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        if value.is_finite() { Cell::Number(value) } else { Cell::Missing(()) }
    }
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Cell::Missing(()), Cell::from)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl StudyTable {
    /// An empty table; columns are (name, unit), those of unit `text` first.
    pub fn new(name: &str, title: &str, help: &str, columns: &[(&str, &str)]) -> Self {
        let column = |(name, unit): &(&str, &str)| Column { name: (*name).into(), unit: (*unit).into() };
        StudyTable {
            name: name.into(),
            title: title.into(),
            help: help.into(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// When it has not as many cells as the table has columns.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "a row must fill its table");
        self.rows.push(row);
    }

    /// How many columns from the left are text.
    pub fn n_text(&self) -> usize {
        self.columns.iter().take_while(|column| column.unit == "text").count()
    }
}

impl Axis {
    /// An axis of this label and unit.
    pub fn new(label: &str, unit: &str) -> Self {
        Axis { label: label.into(), unit: unit.into() }
    }
}

impl Finding {
    /// A value with its interval, and the sentence that tells it.
    pub fn new(id: impl Into<String>, unit: &str, value: Option<f64>, ci: Option<(f64, f64)>) -> Self {
        Finding {
            id: id.into(),
            sentence: String::new(),
            value: value.filter(|value| value.is_finite()),
            ci_low: ci.map(|(low, _)| low),
            ci_high: ci.map(|(_, high)| high),
            p_value: None,
            unit: unit.into(),
        }
    }

    /// The same with its sentence.
    pub fn said(self, sentence: impl Into<String>) -> Self {
        Finding { sentence: sentence.into(), ..self }
    }

    /// The same with a p-value.
    pub fn tested(self, p_value: Option<f64>) -> Self {
        Finding { p_value, ..self }
    }

    /// Whether its interval lies on one side of this value.
    pub fn excludes(&self, value: f64) -> bool {
        matches!((self.ci_low, self.ci_high), (Some(low), Some(high)) if low > value || high < value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_comes_back_from_json() {
        let mut table = StudyTable::new("t", "T", "", &[("arm", "text"), ("share", "share")]);
        table.push(vec!["mf".into(), 0.25.into()]);
        table.push(vec!["random".into(), f64::NAN.into()]);
        let told = Told {
            name: "x".into(),
            findings: vec![Finding::new("a.b", "share", Some(0.5), Some((0.25, 0.75))).said("Half.")],
            tables: vec![table],
            charts: vec![Chart {
                name: "c".into(),
                title: "C".into(),
                help: String::new(),
                data: ChartData::Lines {
                    x: Axis::new("round", ""),
                    y: Axis::new("share", "share"),
                    series: vec![Series {
                        name: "mf".into(),
                        arm: Some("mf".into()),
                        points: vec![Point { x: 1.0, y: 0.5, low: None, high: Some(0.75) }],
                    }],
                },
            }],
            ..Told::default()
        };
        let json = serde_json::to_string(&told).expect("plain data");
        assert_eq!(serde_json::from_str::<Told>(&json).expect("read"), told);
        assert!(told.findings[0].excludes(0.0) && !told.findings[0].excludes(0.5));
        assert_eq!(told.tables[0].n_text(), 1);
    }
}

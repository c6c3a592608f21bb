//! A page of sections in the look of the report, for findings that are not those of a run. Must not know
//! what the sections are about.

use super::page::{Columns, fill, rows};
use super::plot::{DataTable, Plotted};
use minijinja::{Value, context};
use std::collections::BTreeSet;

const TEMPLATE: &str = include_str!("assets/document.html");

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// One line below it.
    pub subtitle: String,
    /// The finding in one sentence.
    pub headline: String,
    /// What the finding rests on, paragraph by paragraph.
    pub grounds: Vec<String>,
    /// What follows.
    pub sections: Vec<Section>,
}

/// A part of the page with a heading.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its heading.
    pub heading: String,
    /// Paragraphs below it.
    pub paragraphs: Vec<String>,
    /// A table below them.
    pub table: DataTable,
    /// Plots below that, in two columns.
    pub figures: Vec<Figure>,
    /// Text as it stands in a file, at the end.
    pub source: Option<String>,
}

/// A plot with its words.
#[derive(Clone, Debug)]
pub struct Figure {
    /// A name without blanks, different from that of any other plot of the page.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// One sentence on how to read it.
    pub help: String,
    /// The plot and its numbers.
    pub plotted: Plotted,
}

impl Document {
    /// The page as HTML.
    pub fn html(&self) -> Result<String, minijinja::Error> {
        let mut glyphs = BTreeSet::new();
        let sections: Vec<Value> =
            self.sections.iter().map(|section| self::section(section, &mut glyphs)).collect();
        let content = context! {
            title => &self.title,
            subtitle => &self.subtitle,
            headline => &self.headline,
            grounds => &self.grounds,
            sections,
        };
        fill(TEMPLATE, &glyphs, content)
    }
}

fn section(section: &Section, glyphs: &mut BTreeSet<char>) -> Value {
    let mut columns = Columns::default();
    for figure in &section.figures {
        columns.push(&figure.name, &figure.title, &figure.help, figure.plotted.clone());
    }
    glyphs.extend(&columns.glyphs);
    context! {
        heading => &section.heading,
        paragraphs => &section.paragraphs,
        table => rows(section.table.clone()),
        columns => columns.values(),
        source => &section.source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::beside::{Series, beside};

    #[test]
    fn what_comes_from_outside_is_escaped_and_the_policy_names_the_style() {
        let hostile = "<script>alert('&')</script>";
        let plotted =
            beside(&[hostile.to_owned()], &[Series::new(hostile, vec![0.5])], hostile, hostile, true);
        let name = "a".to_owned();
        let text = hostile.to_owned();
        let figure = Figure { name, title: text.clone(), help: text.clone(), plotted };
        let section = Section {
            heading: text.clone(),
            paragraphs: vec![text.clone()],
            table: DataTable { columns: vec![text.clone()], n_text: 1, rows: vec![vec![text.clone()]] },
            figures: vec![figure],
            source: Some(text.clone()),
        };
        let document = Document {
            title: text.clone(),
            subtitle: text.clone(),
            headline: text.clone(),
            grounds: vec![text],
            sections: vec![section],
        };
        let html = document.html().expect("a page");
        assert!(!html.contains("<script") && html.contains("&lt;script"), "{html}");
        assert!(html.contains("style-src 'sha256-") && html.contains("default-src 'none'"));
    }
}

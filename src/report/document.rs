//! A page of sections in the look of the report, for findings that are not those of a run:
//! one HTML file that needs nothing else. Everything in it is escaped by the template engine but the
//! drawings and the style sheet, which are our own. Must not know what the sections are about.

use super::html::{STYLE, base64, environment, rows};
use super::plot::{DataTable, Plotted};
use super::svg;
use minijinja::{Value, context};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const TEMPLATE: &str = include_str!("assets/document.html");

/// What stands around a drawing, in the drawing's own units, roughly.
const CAPTION_HEIGHT: f64 = 130.0;

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
        let figures = self.sections.iter().flat_map(|section| &section.figures);
        let glyphs: BTreeSet<char> =
            figures.flat_map(|figure| figure.plotted.drawing.glyphs().iter().copied()).collect();
        let mut environment = environment()?;
        environment.add_template("document.html", TEMPLATE)?;
        environment.get_template("document.html")?.render(context! {
            style => Value::from_safe_string(STYLE.to_owned()),
            style_hash => base64(&Sha256::digest(STYLE.as_bytes())),
            glyphs => Value::from_safe_string(svg::definitions(&glyphs)),
            title => &self.title,
            subtitle => &self.subtitle,
            headline => &self.headline,
            grounds => &self.grounds,
            sections => self.sections.iter().map(section).collect::<Vec<_>>(),
            version => env!("CARGO_PKG_VERSION"),
        })
    }
}

fn section(section: &Section) -> Value {
    // Two columns of about the same height, filled in reading order.
    let mut columns: [Vec<Value>; 2] = Default::default();
    let mut heights = [0.0; 2];
    for (order, figure) in (1..).zip(&section.figures) {
        let column = usize::from(heights[1] < heights[0]);
        heights[column] += figure.plotted.drawing.height() + CAPTION_HEIGHT;
        let svg = figure.plotted.drawing.inline(&figure.name, &figure.title, &figure.help);
        columns[column].push(context! {
            order,
            name => &figure.name,
            title => &figure.title,
            help => &figure.help,
            svg => Value::from_safe_string(svg),
            table => rows(figure.plotted.table.clone()),
        });
    }
    context! {
        heading => &section.heading,
        paragraphs => &section.paragraphs,
        table => rows(section.table.clone()),
        columns => if section.figures.is_empty() { Vec::new() } else { columns.to_vec() },
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

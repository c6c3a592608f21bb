//! What every page of ours has in common: one HTML file that needs nothing else, no network, no
//! script, no font; plots in two columns, tables, one look.
//!
//! Everything that comes from data is escaped by the template engine; only the drawings
//! and the style sheet are put in as they are, and both are our own. A content security
//! policy lets the browser refuse anything else. Must not know what a page is about.

use super::plot::{DataTable, Plotted};
use super::svg;
use super::visible::visible_lines;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Output, State, Value, context, escape_formatter};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const STYLE: &str = include_str!("assets/report.css");
const HEAD: &str = include_str!("assets/head.html");
const PARTS: &str = include_str!("assets/parts.html");

/// What stands around a drawing, in the drawing's own units, roughly.
const CAPTION_HEIGHT: f64 = 150.0;

/// Fills a template that begins with `{% include "head.html" %}` and may import `table` and
/// `plots` from `parts.html`; `content` holds its title and whatever else it names.
pub fn fill(template: &str, glyphs: &BTreeSet<char>, content: Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(write_visible);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("head.html", HEAD)?;
    environment.add_template("parts.html", PARTS)?;
    environment.template_from_str(template)?.render(context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        style_hash => base64(&Sha256::digest(STYLE.as_bytes())),
        glyphs => Value::from_safe_string(svg::definitions(glyphs)),
        program => env!("CARGO_PKG_VERSION"),
        ..content
    })
}

/// Writes a value escaped, and without characters that turn the direction of what follows or hide.
fn write_visible(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            escape_formatter(out, state, &Value::from(visible_lines(text).into_owned()))
        }
        _ => escape_formatter(out, state, value),
    }
}

/// A table as templates take it.
pub fn rows(table: DataTable) -> Value {
    context! { columns => table.columns, n_text => table.n_text, rows => table.rows }
}

/// Plots in two columns of about the same height, filled in reading order.
#[derive(Default)]
pub struct Columns {
    columns: [Vec<Value>; 2],
    heights: [f64; 2],
    n: u32,
    /// The letters in them, to be drawn once a page.
    pub glyphs: BTreeSet<char>,
}

impl Columns {
    /// Appends a plot.
    pub fn push(&mut self, name: &str, title: &str, help: &str, Plotted { drawing, table }: Plotted) {
        self.n += 1;
        self.glyphs.extend(drawing.glyphs());
        let column = usize::from(self.heights[1] < self.heights[0]);
        self.heights[column] += drawing.height() + CAPTION_HEIGHT;
        self.columns[column].push(context! {
            order => self.n,
            name,
            title,
            help,
            svg => Value::from_safe_string(drawing.inline(name, title, help)),
            table => rows(table),
        });
    }

    /// Both columns, as templates take them; none where there is no plot.
    pub fn values(&self) -> Vec<Vec<Value>> {
        if self.n == 0 { Vec::new() } else { self.columns.to_vec() }
    }
}

/// Base64 (RFC 4648, section 4), as content security policies write hashes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_the_vectors_of_the_rfc() {
        // RFC 4648, section 10.
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}

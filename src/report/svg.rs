//! A plotters backend that writes SVG a browser can restyle and any machine can draw:
//! text becomes outlines, colours carry class names, coordinates have a decimal.
//!
//! plotters counts in whole pixels; here one of its pixels is a tenth of an SVG unit.
//! Knows shapes, not plots.

use super::visible::is_unseen;
use super::{font, theme};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform,
};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Write;
use std::rc::Rc;

/// plotters pixels to an SVG unit.
pub const PIXELS_PER_UNIT: f64 = 10.0;

/// White space around a drawing that is a file of its own, in SVG units.
const MARGIN: u32 = 10;

/// A drawing in the making, and when made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    width: u32,
    height: u32,
    body: String,
    glyphs: BTreeSet<char>,
    /// Strokes of one style in a row become one path: (style attributes, path data).
    pending: Option<(String, String)>,
}

impl Drawing {
    /// An empty drawing of this size in SVG units.
    pub fn new(width: u32, height: u32) -> Self {
        Drawing { width, height, ..Drawing::default() }
    }

    /// Its height in SVG units.
    pub fn height(&self) -> f64 {
        f64::from(self.height)
    }

    /// The characters whose outlines the drawing refers to.
    pub fn glyphs(&self) -> &BTreeSet<char> {
        &self.glyphs
    }

    /// A file of its own: white ground, its own outlines, its size in pixels.
    pub fn standalone(&self, name: &str, title: &str, description: &str) -> String {
        let (width, height) = (self.width + 2 * MARGIN, self.height + 2 * MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" {}>\n{}{}\n\
             <rect class=\"f-paper\" x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             {}</svg>\n",
            self.head(name, &format!("-{MARGIN} -{MARGIN} {width} {height}")),
            accessible(name, title, description),
            definitions(&self.glyphs),
            self.body
        )
    }

    /// A part of a page that holds the [`definitions`] of all its drawings' glyphs.
    pub fn inline(&self, name: &str, title: &str, description: &str) -> String {
        let head = self.head(name, &format!("0 0 {} {}", self.width, self.height));
        format!("<svg {head}>\n{}{}</svg>\n", accessible(name, title, description), self.body)
    }

    fn head(&self, name: &str, view_box: &str) -> String {
        let name = escaped(name);
        format!(
            "class=\"plot\" viewBox=\"{view_box}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\" \
             fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\""
        )
    }

    fn stroke(&mut self, attributes: String, path: &str) {
        if let Some((style, data)) = &mut self.pending
            && *style == attributes
        {
            data.push_str(path);
            return;
        }
        self.flush();
        self.pending = Some((attributes, path.to_owned()));
    }

    fn flush(&mut self) {
        if let Some((style, data)) = self.pending.take() {
            self.push(format_args!("<path {style} d=\"{data}\"/>\n"));
        }
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        self.flush();
        self.push(element);
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(text);
    }

    /// Ends the drawing.
    pub fn finish(&mut self) {
        self.flush();
    }
}

/// The outlines of characters, to be referred to by `<use>`.
pub fn definitions(glyphs: &BTreeSet<char>) -> String {
    let mut definitions = String::from("<defs>\n");
    for &glyph in glyphs {
        let _ = writeln!(
            definitions,
            "<path id=\"glyph-{:x}\" d=\"{}\"/>",
            u32::from(glyph),
            font::outline(glyph)
        );
    }
    definitions.push_str("</defs>");
    definitions
}

fn accessible(name: &str, title: &str, description: &str) -> String {
    let name = escaped(name);
    format!(
        "<title id=\"{name}-title\">{}</title>\n<desc id=\"{name}-desc\">{}</desc>\n",
        escaped(title),
        escaped(description)
    )
}

/// Text as it may stand in XML text and in double-quoted attributes.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML 1.0 allows no other control characters, escaped or not.
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if is_unseen(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The backend: plotters draws, the shared [`Drawing`] grows.
pub struct SvgBackend {
    drawing: Rc<RefCell<Drawing>>,
}

impl SvgBackend {
    /// A backend that draws into `drawing`.
    pub fn new(drawing: Rc<RefCell<Drawing>>) -> Self {
        SvgBackend { drawing }
    }
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for SvgBackend {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let drawing = self.drawing.borrow();
        (drawing.width * PIXELS_PER_UNIT as u32, drawing.height * PIXELS_PER_UNIT as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = point;
        self.draw_rect(point, (x + 1, y + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let (left, right) = (upper_left.0.min(bottom_right.0), upper_left.0.max(bottom_right.0));
        let (top, bottom) = (upper_left.1.min(bottom_right.1), upper_left.1.max(bottom_right.1));
        let paint = if fill { fill_of(style.color()) } else { stroke_of(style) };
        self.drawing.borrow_mut().element(format_args!(
            "<rect {paint} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n",
            Units(left),
            Units(top),
            Units(right - left),
            Units(bottom - top)
        ));
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.drawing.borrow_mut().stroke(stroke_of(style), &path_data(path));
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let paint = if fill { fill_of(style.color()) } else { stroke_of(style) };
        self.drawing.borrow_mut().element(format_args!(
            "<circle {paint} cx=\"{}\" cy=\"{}\" r=\"{}\"/>\n",
            Units(center.0),
            Units(center.1),
            Units(radius as i32)
        ));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Drawn {
        let data = path_data(vert);
        self.drawing.borrow_mut().element(format_args!("<path {} d=\"{data}z\"/>\n", fill_of(style.color())));
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, pos: BackendCoord) -> Drawn {
        let size = style.size() / PIXELS_PER_UNIT;
        let width = font::width(text, size);
        let dx = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Right => -width,
            HPos::Center => -width / 2.0,
        };
        let dy = match style.anchor().v_pos {
            VPos::Top => font::CAP_HEIGHT * size,
            VPos::Center => font::CAP_HEIGHT * size / 2.0,
            VPos::Bottom => 0.0,
        };
        let degrees = match style.transform() {
            FontTransform::None => 0,
            FontTransform::Rotate90 => 90,
            FontTransform::Rotate180 => 180,
            FontTransform::Rotate270 => 270,
        };
        let scale = size / font::units_per_em();
        let mut drawing = self.drawing.borrow_mut();
        // One weight is embedded; a thin stroke of the same colour makes the bold one.
        let paint = match style.style() {
            FontStyle::Bold => bold_of(style.color()),
            _ => fill_of(style.color()),
        };
        let rotation = if degrees == 0 { String::new() } else { format!("rotate({degrees})") };
        drawing.element(format_args!(
            "<g {paint} aria-label=\"{}\" transform=\"translate({} {}){rotation}translate({} {})scale({} -{})\">",
            escaped(text),
            Units(pos.0),
            Units(pos.1),
            rounded(dx),
            rounded(dy),
            precise(scale),
            precise(scale)
        ));
        let mut pen = 0.0;
        for character in text.chars().map(font::drawable) {
            if !character.is_whitespace() {
                drawing.glyphs.insert(character);
                drawing.push(format_args!("<use href=\"#glyph-{:x}\" x=\"{pen}\"/>", u32::from(character)));
            }
            pen += font::advance(character);
        }
        drawing.push(format_args!("</g>\n"));
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((font::width(text, style.size()).ceil() as u32, style.size().ceil() as u32))
    }
}

/// plotters pixels, shown in SVG units.
struct Units(i32);

impl std::fmt::Display for Units {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, tenth) = (self.0.unsigned_abs() / 10, self.0.unsigned_abs() % 10);
        if tenth == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{tenth}") }
    }
}

/// Two decimals at most.
fn rounded(value: f64) -> f64 {
    // Adding zero turns a negative zero into a plain one.
    (value * 100.0).round() / 100.0 + 0.0
}

/// Six decimals at most.
fn precise(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn path_data(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut data = String::new();
    for (i, (x, y)) in points.into_iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        let _ = write!(data, "{command}{} {}", Units(x), Units(y));
    }
    data
}

fn hex(color: BackendColor) -> String {
    let (r, g, b) = color.rgb;
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn fill_of(color: BackendColor) -> String {
    let mut paint = match theme::class(color.rgb) {
        Some(class) => format!("class=\"f-{class}\" fill=\"{}\"", hex(color)),
        None => format!("fill=\"{}\"", hex(color)),
    };
    if color.alpha < 1.0 {
        let _ = write!(paint, " fill-opacity=\"{}\"", rounded(color.alpha));
    }
    paint
}

fn bold_of(color: BackendColor) -> String {
    let class = theme::class(color.rgb).map(|c| format!("class=\"f-{c} s-{c}\" ")).unwrap_or_default();
    format!("{class}fill=\"{0}\" stroke=\"{0}\" stroke-width=\"70\"", hex(color))
}

fn stroke_of<S: BackendStyle>(style: &S) -> String {
    let color = style.color();
    let class = theme::class(color.rgb).map(|class| format!("class=\"s-{class}\" ")).unwrap_or_default();
    let mut paint =
        format!("{class}stroke=\"{}\" stroke-width=\"{}\"", hex(color), Units(style.stroke_width() as i32));
    if color.alpha < 1.0 {
        let _ = write!(paint, " stroke-opacity=\"{}\"", rounded(color.alpha));
    }
    paint
}

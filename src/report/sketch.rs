//! A sheet to sketch plots on: shapes in SVG units, panels with data coordinates, axes and
//! legends in one calm style. plotters maps the coordinates and chooses the ticks.
//!
//! Knows how things look, not what they mean. Numbers that are not finite are not drawn.

use super::svg::{Drawing, PIXELS_PER_UNIT, SvgBackend};
use super::theme::{ArmStyle, GRID, INK, MUTED, Marker, PAPER};
use super::{font, format};
use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::cell::RefCell;
use std::rc::Rc;

/// Width of every plot in SVG units: readable on a phone without zooming.
pub const WIDTH: f64 = 420.0;
/// Size of legends, axis titles and labels.
pub const SMALL: f64 = 12.0;
/// Size of tick labels in small panels, and of notes.
pub const TINY: f64 = 11.0;
/// Size of headings inside a plot.
pub const HEADING: f64 = 12.5;
/// Height of a legend row.
const LEGEND_ROW: f64 = 19.0;

/// A point in SVG units, or in data coordinates.
pub type Point = (f64, f64);

/// Where a text stands about its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Its left end is at the point.
    Left,
    /// Its middle is at the point.
    Middle,
    /// Its right end is at the point.
    Right,
}

/// A sheet of [`WIDTH`] by some height.
pub struct Sheet {
    drawing: Rc<RefCell<Drawing>>,
    area: DrawingArea<SvgBackend, Shift>,
    /// Height in SVG units.
    pub height: f64,
}

impl Sheet {
    /// An empty sheet.
    pub fn new(height: f64) -> Self {
        let drawing = Rc::new(RefCell::new(Drawing::new(WIDTH as u32, height.ceil() as u32)));
        let area = SvgBackend::new(drawing.clone()).into_drawing_area();
        Sheet { drawing, area, height }
    }

    /// A sheet that says why there is nothing to draw.
    pub fn empty(reason: &str) -> Drawing {
        let sheet = Sheet::new(80.0);
        sheet.text((WIDTH / 2.0, 40.0), reason, SMALL, MUTED, Align::Middle);
        sheet.finish()
    }

    /// The drawing.
    pub fn finish(self) -> Drawing {
        let mut drawing = self.drawing.take();
        drawing.finish();
        drawing
    }

    fn draw<'e, E>(&self, element: &'e E)
    where
        &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: plotters::element::Drawable<SvgBackend>,
    {
        self.area.draw(element).expect("drawing into a string cannot fail");
    }

    /// A line through the points.
    pub fn line(&self, points: &[Point], color: RGBColor, width: f64) {
        if all_finite(points) && points.len() > 1 {
            self.draw(&PathElement::new(pixels(points), stroke(color.to_rgba(), width)));
        }
    }

    /// A dashed line through the points.
    pub fn dashed(&self, points: &[Point], color: RGBColor, width: f64, dash: f64, gap: f64) {
        if all_finite(points) && points.len() > 1 {
            let unit = PIXELS_PER_UNIT;
            self.draw(&plotters::element::DashedPathElement::new(
                pixels(points),
                (dash * unit) as i32,
                (gap * unit) as i32,
                stroke(color.to_rgba(), width),
            ));
        }
    }

    /// A filled rectangle between two corners.
    pub fn rectangle(&self, a: Point, b: Point, color: RGBColor, opacity: f64) {
        if all_finite(&[a, b]) {
            self.draw(&Rectangle::new([pixel(a), pixel(b)], color.mix(opacity).filled()));
        }
    }

    /// A filled polygon.
    pub fn polygon(&self, points: &[Point], color: RGBColor, opacity: f64) {
        if all_finite(points) && points.len() > 2 {
            self.draw(&Polygon::new(pixels(points), color.mix(opacity)));
        }
    }

    /// A line of text, centred vertically on the point.
    pub fn text(&self, at: Point, text: &str, size: f64, color: RGBColor, align: Align) {
        self.write(at, text, size, color, align, plotters::style::FontStyle::Normal);
    }

    /// A line of bold text, centred vertically on the point.
    pub fn heading(&self, at: Point, text: &str) {
        self.write(at, text, HEADING, INK, Align::Left, plotters::style::FontStyle::Bold);
    }

    fn write(
        &self,
        at: Point,
        text: &str,
        size: f64,
        color: RGBColor,
        align: Align,
        weight: plotters::style::FontStyle,
    ) {
        if text.is_empty() || !all_finite(&[at]) {
            return;
        }
        let h_pos = match align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = FontDesc::new(FontFamily::SansSerif, size * PIXELS_PER_UNIT, weight)
            .color(&color)
            .pos(Pos::new(h_pos, VPos::Center));
        self.draw(&Text::new(text, pixel(at), style));
    }

    /// An arm's marker; hollow ones say "not significant" or the like.
    pub fn marker(&self, at: Point, radius: f64, style: &ArmStyle, hollow: bool) {
        if !all_finite(&[at]) {
            return;
        }
        if style.marker == Marker::Circle {
            let radius_px = |r: f64| (r * PIXELS_PER_UNIT).round() as i32;
            if hollow {
                self.draw(&Circle::new(pixel(at), radius_px(radius), PAPER.filled()));
                self.draw(&Circle::new(
                    pixel(at),
                    radius_px(radius - 0.7),
                    stroke(style.color.to_rgba(), 1.5),
                ));
            } else {
                self.draw(&Circle::new(pixel(at), radius_px(radius), style.color.filled()));
            }
            return;
        }
        let mut outline: Vec<Point> =
            unit_shape(style.marker).iter().map(|(x, y)| (at.0 + x * radius, at.1 + y * radius)).collect();
        if hollow {
            self.polygon(&outline, PAPER, 1.0);
            outline.push(outline[0]);
            self.line(&outline, style.color, 1.5);
        } else {
            self.polygon(&outline, style.color, 1.0);
        }
    }

    /// Marker and name of each arm, in rows from `top`; returns where the legend ends.
    pub fn legend(&self, top: f64, arms: &[(&str, ArmStyle)]) -> f64 {
        for (row, x, arm) in legend_places(arms) {
            let (name, style) = arms[arm];
            let y = top + (row as f64 + 0.5) * LEGEND_ROW;
            self.arm_line(&[(x, y), (x + 18.0, y)], &style, 2.0);
            self.marker((x + 9.0, y), 4.0, &style, false);
            self.text((x + 24.0, y), &legend_name(name), SMALL, INK, Align::Left);
        }
        top + legend_height(arms)
    }

    /// A line in an arm's style.
    pub fn arm_line(&self, points: &[Point], style: &ArmStyle, width: f64) {
        if style.dashed {
            self.dashed(points, style.color, width, 5.0, 3.0);
        } else {
            self.line(points, style.color, width);
        }
    }

    /// A panel with data coordinates: `frame` is (left, top, right, bottom) in SVG units.
    pub fn panel(&self, frame: (f64, f64, f64, f64), x: (f64, f64), y: (f64, f64)) -> Panel<'_> {
        let (left, top, right, bottom) = frame;
        let px = |v: f64| (v * PIXELS_PER_UNIT).round() as i32;
        // A range plotters can divide: finite and not empty.
        let (x, y) = (widened(x), widened(y));
        let coordinates = Cartesian2d::new(x.0..x.1, y.0..y.1, (px(left)..px(right), px(bottom)..px(top)));
        Panel { sheet: self, coordinates, frame, x, y }
    }
}

/// Height of the legend of these arms.
pub fn legend_height(arms: &[(&str, ArmStyle)]) -> f64 {
    legend_places(arms).last().map_or(0.0, |(row, ..)| (*row as f64 + 1.0) * LEGEND_ROW) + 4.0
}

/// (row, x, arm) of each legend entry, flowing from left to right.
fn legend_places(arms: &[(&str, ArmStyle)]) -> Vec<(usize, f64, usize)> {
    let (mut row, mut x) = (0, 2.0);
    let mut places = Vec::new();
    for (arm, (name, _)) in arms.iter().enumerate() {
        let width = 24.0 + font::width(&legend_name(name), SMALL);
        if x + width > WIDTH && x > 2.0 {
            (row, x) = (row + 1, 2.0);
        }
        places.push((row, x, arm));
        x += width + 16.0;
    }
    places
}

fn legend_name(name: &str) -> String {
    font::fitted(name, SMALL, 170.0)
}

/// A part of a sheet with data coordinates.
pub struct Panel<'a> {
    /// The sheet it is on.
    pub sheet: &'a Sheet,
    coordinates: Cartesian2d<RangedCoordf64, RangedCoordf64>,
    /// (left, top, right, bottom) in SVG units.
    pub frame: (f64, f64, f64, f64),
    /// Data range from left to right.
    pub x: (f64, f64),
    /// Data range from bottom to top.
    pub y: (f64, f64),
}

impl Panel<'_> {
    /// Where a data point lies on the sheet; not finite when the data are not.
    pub fn at(&self, (x, y): Point) -> Point {
        use plotters::coord::CoordTranslate;
        if !x.is_finite() || !y.is_finite() {
            return (f64::NAN, f64::NAN);
        }
        let clamp = |v: f64, (low, high): (f64, f64)| v.clamp(low, high);
        let (px, py) = self.coordinates.translate(&(clamp(x, self.x), clamp(y, self.y)));
        (f64::from(px) / PIXELS_PER_UNIT, f64::from(py) / PIXELS_PER_UNIT)
    }

    /// Data points on the sheet, without those that are not finite.
    pub fn all(&self, points: impl IntoIterator<Item = Point>) -> Vec<Point> {
        points.into_iter().map(|p| self.at(p)).filter(|p| p.0.is_finite() && p.1.is_finite()).collect()
    }

    /// About `n` nice ticks along x.
    pub fn x_ticks(&self, n: usize) -> Vec<f64> {
        ticks(self.x, n)
    }

    /// Grid lines and labels along x, and the axis' title with its unit below.
    pub fn x_axis(&self, labels: &[(f64, String)], grid: bool, title: &str) {
        let (left, top, right, bottom) = self.frame;
        if !grid {
            self.sheet.line(&[(left, bottom), (right, bottom)], MUTED, 0.8);
        }
        for (value, label) in labels {
            let (x, _) = self.at((*value, self.y.0));
            if grid {
                self.sheet.line(&[(x, top), (x, bottom)], GRID, 0.8);
            } else {
                self.sheet.line(&[(x, bottom), (x, bottom + 3.0)], MUTED, 0.8);
            }
            self.sheet.text((x, bottom + 11.0), label, SMALL, MUTED, Align::Middle);
        }
        if !title.is_empty() {
            self.sheet.text(((left + right) / 2.0, bottom + 28.0), title, SMALL, MUTED, Align::Middle);
        }
    }

    /// Grid lines and labels along y, and the axis' title with its unit above them.
    pub fn y_axis(&self, labels: &[(f64, String)], title: &str) {
        let (left, top, right, _) = self.frame;
        for (value, label) in labels {
            let (_, y) = self.at((self.x.0, *value));
            self.sheet.line(&[(left, y), (right, y)], GRID, 0.8);
            self.sheet.text((left - 6.0, y), label, SMALL, MUTED, Align::Right);
        }
        self.sheet.text((2.0, top - 14.0), title, SMALL, MUTED, Align::Left);
    }

    /// An interval as a vertical whisker at `x`.
    pub fn whisker(&self, x: f64, low: f64, high: f64, style: &ArmStyle) {
        let (low, high) = (self.at((x, low)), self.at((x, high)));
        self.sheet.line(&[low, high], style.color, 1.6);
    }

    /// A band between two curves given as (x, low, high).
    pub fn band(&self, curve: &[(f64, f64, f64)], style: &ArmStyle) {
        let mut outline = self.all(curve.iter().map(|(x, _, high)| (*x, *high)));
        outline.extend(self.all(curve.iter().rev().map(|(x, low, _)| (*x, *low))));
        self.sheet.polygon(&outline, style.color, 0.16);
    }
}

/// About `n` nice ticks within a range.
pub fn ticks(range: (f64, f64), n: usize) -> Vec<f64> {
    let (low, high) = widened(range);
    let mut ticks = RangedCoordf64::from(low..high).key_points(n);
    ticks.retain(|tick| tick.is_finite());
    ticks
}

/// Ticks with labels: percentages for shares, plain numbers else.
pub fn labelled(ticks: Vec<f64>, share: bool) -> Vec<(f64, String)> {
    let step = ticks.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(f64::INFINITY, f64::min);
    ticks.into_iter().map(|tick| (tick, format::tick(tick, step, share))).collect()
}

/// The range made finite and wide enough to be divided.
fn widened((low, high): (f64, f64)) -> (f64, f64) {
    if !low.is_finite() || !high.is_finite() {
        return (0.0, 1.0);
    }
    let (low, high) = (low.min(high), low.max(high));
    let least = low.abs().max(high.abs()).max(1e-9) * 1e-6;
    if high - low < least {
        (low - least.max(0.5 * high.abs()), high + least.max(0.5 * high.abs()))
    } else {
        (low, high)
    }
}

fn all_finite(points: &[Point]) -> bool {
    points.iter().all(|(x, y)| x.is_finite() && y.is_finite())
}

fn pixel((x, y): Point) -> (i32, i32) {
    ((x * PIXELS_PER_UNIT).round() as i32, (y * PIXELS_PER_UNIT).round() as i32)
}

fn pixels(points: &[Point]) -> Vec<(i32, i32)> {
    points.iter().map(|point| pixel(*point)).collect()
}

fn stroke(color: RGBAColor, width: f64) -> ShapeStyle {
    ShapeStyle { color, filled: false, stroke_width: (width * PIXELS_PER_UNIT).round() as u32 }
}

/// Corners of a marker that fills a circle of radius 1, y downwards.
fn unit_shape(marker: Marker) -> Vec<Point> {
    let around = |n: usize, radii: &[f64], turn: f64| -> Vec<Point> {
        (0..n)
            .map(|i| {
                let angle = std::f64::consts::TAU * (i as f64 / n as f64) + turn;
                let radius = radii[i % radii.len()];
                (radius * angle.sin(), -radius * angle.cos())
            })
            .collect()
    };
    let plus = vec![
        (-0.35, -1.1),
        (0.35, -1.1),
        (0.35, -0.35),
        (1.1, -0.35),
        (1.1, 0.35),
        (0.35, 0.35),
        (0.35, 1.1),
        (-0.35, 1.1),
        (-0.35, 0.35),
        (-1.1, 0.35),
        (-1.1, -0.35),
        (-0.35, -0.35),
    ];
    let eighth = std::f64::consts::FRAC_PI_4;
    match marker {
        Marker::Circle => around(16, &[1.0], 0.0),
        Marker::Square => around(4, &[1.3], eighth),
        Marker::Triangle => around(3, &[1.3], 0.0),
        Marker::Diamond => around(4, &[1.25], 0.0),
        Marker::TriangleDown => around(3, &[1.3], std::f64::consts::PI),
        Marker::Plus => plus,
        Marker::Cross => plus.iter().map(|(x, y)| ((x - y) * eighth.cos(), (x + y) * eighth.sin())).collect(),
        Marker::Star => around(10, &[1.4, 0.6], 0.0),
    }
}

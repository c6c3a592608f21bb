//! Text as outlines: glyph paths and widths from an embedded subset of DejaVu Sans, so
//! that a plot looks the same where no font is installed.
//!
//! Knows one font and nothing of plots. The font's licence lies beside it in `assets/`.

use ab_glyph::{Font, FontRef, GlyphId, OutlineCurve, Point};
use std::fmt::Write;
use std::sync::LazyLock;

/// DejaVu Sans: Latin, some Greek, the mathematical and typographic signs the report uses.
static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("assets/DejaVuSans-subset.ttf"))
        .expect("the embedded font is whole")
});

/// Height of a capital letter, in ems: what a line of text is centred by.
pub const CAP_HEIGHT: f64 = 0.729;

/// Font units to the em.
pub fn units_per_em() -> f64 {
    f64::from(FONT.units_per_em().unwrap_or(2048.0))
}

/// The character that is drawn for `wanted`: itself, or a hollow box where the font lacks it.
pub fn drawable(wanted: char) -> char {
    if FONT.glyph_id(wanted) == GlyphId(0) { '\u{0}' } else { wanted }
}

/// How far the pen moves for a character, in font units.
pub fn advance(character: char) -> f64 {
    f64::from(FONT.h_advance_unscaled(FONT.glyph_id(character)))
}

/// Width of a line of text at a font size, in the size's unit.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|c| advance(drawable(c))).sum::<f64>() * size / units_per_em()
}

/// The text, cut with an ellipsis so that it is at most `max_width` wide.
pub fn fitted(text: &str, size: f64, max_width: f64) -> String {
    if width(text, size) <= max_width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width(&kept, size) + width("…", size) > max_width {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// SVG path data of a character in font units, y upwards; empty for a blank.
pub fn outline(character: char) -> String {
    let mut path = String::new();
    let Some(outline) = FONT.outline(FONT.glyph_id(character)) else { return path };
    let mut pen: Option<Point> = None;
    for curve in &outline.curves {
        let (from, to) = match curve {
            OutlineCurve::Line(from, to) => (*from, *to),
            OutlineCurve::Quad(from, _, to) => (*from, *to),
            OutlineCurve::Cubic(from, _, _, to) => (*from, *to),
        };
        if pen != Some(from) {
            if pen.is_some() {
                path.push('z');
            }
            push(&mut path, 'M', &[from]);
        }
        match curve {
            OutlineCurve::Line(..) => push(&mut path, 'L', &[to]),
            OutlineCurve::Quad(_, control, _) => push(&mut path, 'Q', &[*control, to]),
            OutlineCurve::Cubic(_, first, second, _) => push(&mut path, 'C', &[*first, *second, to]),
        }
        pen = Some(to);
    }
    if pen.is_some() {
        path.push('z');
    }
    path
}

fn push(path: &mut String, command: char, points: &[Point]) {
    path.push(command);
    for (i, point) in points.iter().enumerate() {
        let separator = if i == 0 { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(path, "{separator}{} {}", point.x.round() as i32, point.y.round() as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_of_the_report_are_in_the_font() {
        for character in "abcXYZ019 %±−–—…≥≤<>×·µσΔ\u{202f}\u{2009}'’“”éüñ".chars()
        {
            assert_eq!(drawable(character), character, "{character:?} is missing");
            assert_eq!(outline(character).is_empty(), character.is_whitespace(), "{character:?}");
        }
        assert_eq!(drawable('漢'), '\u{0}');
        assert!(!outline('\u{0}').is_empty());
    }

    #[test]
    fn long_text_is_cut_to_its_width() {
        let cut = fitted("a very long name of an arm", 12.0, 60.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 60.0, "{cut}");
        assert_eq!(fitted("mf", 12.0, 60.0), "mf");
    }
}

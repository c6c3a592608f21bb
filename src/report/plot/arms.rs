//! What plots with one curve an arm share: ranges that hold all intervals, points moved
//! apart, curves with bands. Knows estimates, not what they are of.

use crate::report::estimate::Estimate;
use crate::report::sketch::Panel;
use crate::report::theme::ArmStyle;

/// One curve: an estimate (where there is one) at each place.
pub type Curve = Vec<(f64, Option<Estimate>)>;

/// The highest upper end, at least `least`.
pub fn highest<'a>(curves: impl IntoIterator<Item = &'a Curve>, least: f64) -> f64 {
    let ends = curves.into_iter().flatten().filter_map(|(_, e)| e.map(|e| e.high.max(e.value)));
    ends.filter(|high| high.is_finite()).fold(least, f64::max)
}

/// The lowest and highest ends of some intervals, with a margin; `None` where there are none.
pub fn span(estimates: impl IntoIterator<Item = Estimate>) -> Option<(f64, f64)> {
    let mut span: Option<(f64, f64)> = None;
    for e in estimates {
        for end in [e.low, e.value, e.high].into_iter().filter(|end| end.is_finite()) {
            span = Some(span.map_or((end, end), |(low, high)| (low.min(end), high.max(end))));
        }
    }
    let (low, high) = span?;
    let size = low.abs().max(high.abs());
    let margin = match high - low {
        // One value, or nothing but rounding errors: room around it.
        width if width <= 1e-9 * size => {
            if size > 0.0 {
                0.1 * size
            } else {
                1.0
            }
        }
        width => 0.08 * width,
    };
    Some((low - margin, high + margin))
}

/// Draws each arm's curve as a line with a band behind it and markers on it.
pub fn banded(panel: &Panel<'_>, curves: &[(ArmStyle, Curve)], markers: bool) {
    for (style, curve) in curves {
        let band: Vec<(f64, f64, f64)> = known(curve).map(|(x, e)| (x, e.low, e.high)).collect();
        panel.band(&band, style);
    }
    for (style, curve) in curves {
        let points = panel.all(known(curve).map(|(x, e)| (x, e.value)));
        panel.sheet.arm_line(&points, style, 2.0);
        if markers || points.len() == 1 {
            points.iter().for_each(|point| panel.sheet.marker(*point, 4.0, style, false));
        }
    }
}

/// Draws each arm's estimates as markers with whiskers, arms side by side, joined by a thin line.
pub fn dodged(panel: &Panel<'_>, curves: &[(ArmStyle, Curve)], spread: f64, radius: f64) {
    let n = curves.len() as f64;
    let step = (spread / n).min(spread / 4.0);
    for (i, (style, curve)) in curves.iter().enumerate() {
        let shift = (i as f64 - (n - 1.0) / 2.0) * step;
        let points = panel.all(known(curve).map(|(x, e)| (x + shift, e.value)));
        panel.sheet.arm_line(&points, style, 1.2);
        for (x, e) in known(curve) {
            panel.whisker(x + shift, e.low, e.high, style);
        }
        points.iter().for_each(|point| panel.sheet.marker(*point, radius, style, false));
    }
}

fn known(curve: &Curve) -> impl DoubleEndedIterator<Item = (f64, Estimate)> + '_ {
    curve.iter().filter_map(|(x, e)| e.map(|e| (*x, e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_never_empty() {
        let exactly = |value| Estimate { value, low: value, high: value, n: 2 };
        assert_eq!(span([]), None);
        assert_eq!(span([exactly(0.0)]), Some((-1.0, 1.0)));
        assert_eq!(span([exactly(5.0), exactly(5.0)]), Some((4.5, 5.5)));
        assert_eq!(span([exactly(f64::NAN), exactly(0.0), exactly(1.0)]), Some((-0.08, 1.08)));
    }
}

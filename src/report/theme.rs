//! How plots look: colours, markers and sizes, the same for an arm in every plot.
//!
//! Colours are told apart by colour-blind readers (after Okabe and Ito, with a grey for
//! the baseline), markers by readers of a black-and-white print. Knows nothing of data.

use plotters::style::RGBColor;

/// Text and axes.
pub const INK: RGBColor = RGBColor(29, 39, 51);
/// Axis titles, tick labels, notes.
pub const MUTED: RGBColor = RGBColor(91, 104, 117);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(226, 230, 235);
/// The ground behind the plot.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);

/// The baseline's colour, then one an arm.
const ARMS: [RGBColor; 9] = [
    RGBColor(107, 119, 133),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 143, 107),
    RGBColor(170, 68, 153),
    RGBColor(204, 138, 0),
    RGBColor(64, 160, 216),
    RGBColor(51, 34, 136),
    RGBColor(136, 74, 40),
];

/// The style-sheet names of [`ARMS`].
const ARM_CLASSES: [&str; 9] = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"];

/// The style-sheet name of a colour of this theme, so that a page may recolour it for the dark.
pub fn class(rgb: (u8, u8, u8)) -> Option<&'static str> {
    let is = |color: &RGBColor| (color.0, color.1, color.2) == rgb;
    if is(&INK) {
        return Some("ink");
    }
    if is(&MUTED) {
        return Some("muted");
    }
    if is(&GRID) {
        return Some("grid");
    }
    if is(&PAPER) {
        return Some("paper");
    }
    ARMS.iter().position(is).map(|i| ARM_CLASSES[i])
}

/// The shape that marks an arm's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// ●
    Circle,
    /// ■
    Square,
    /// ▲
    Triangle,
    /// ◆
    Diamond,
    /// ▼
    TriangleDown,
    /// ✚
    Plus,
    /// ✖
    Cross,
    /// ★
    Star,
}

const MARKERS: [Marker; 8] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::TriangleDown,
    Marker::Plus,
    Marker::Cross,
    Marker::Star,
];

/// How one arm looks everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArmStyle {
    /// Its colour.
    pub color: RGBColor,
    /// The style-sheet name of its colour.
    pub class: &'static str,
    /// Its marker.
    pub marker: Marker,
    /// Whether its lines are dashed (only when there are more arms than colours).
    pub dashed: bool,
}

/// The style of each of `n_arms` arms, of which `baseline` is drawn in grey.
pub fn arm_styles(n_arms: usize, baseline: Option<usize>) -> Vec<ArmStyle> {
    let mut next = 0;
    (0..n_arms)
        .map(|arm| {
            let color_idx = if Some(arm) == baseline {
                0
            } else {
                next += 1;
                1 + (next - 1) % (ARMS.len() - 1)
            };
            ArmStyle {
                color: ARMS[color_idx],
                class: ARM_CLASSES[color_idx],
                marker: MARKERS[arm % MARKERS.len()],
                dashed: Some(arm) != baseline && next > ARMS.len() - 1,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_arms_look_different() {
        let styles = arm_styles(9, Some(1));
        for (i, a) in styles.iter().enumerate() {
            assert_eq!(class((a.color.0, a.color.1, a.color.2)), Some(a.class));
            assert!(styles[..i].iter().all(|b| a.color != b.color));
        }
        assert_eq!(styles[1].class, "a0");
        assert!(arm_styles(20, None)[12].dashed);
    }
}

//! One plot for "is it alike?": two or more series beside each other over the same few categories.
//! Must not know what is being set beside what.

use super::format;
use super::plot::{DataTable, Plotted};
use super::sketch::{Sheet, WIDTH, labelled, legend_height, ticks};
use super::theme::{ArmStyle, arm_styles};

/// One series: a value a category, not finite where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// One value a category.
    pub values: Vec<f64>,
    /// Interval of each value, where there are some.
    pub intervals: Vec<(f64, f64)>,
}

impl Series {
    /// A series without intervals.
    pub fn new(name: impl Into<String>, values: Vec<f64>) -> Self {
        Series { name: name.into(), values, intervals: Vec::new() }
    }
}

/// Draws the series side by side, a group of points a category; the first series is the reference, in grey.
/// Shares are drawn and told as percentages.
pub fn beside(
    categories: &[String],
    series: &[Series],
    x_title: &str,
    y_title: &str,
    is_share: bool,
) -> Plotted {
    let styles = arm_styles(series.len(), Some(0));
    let legend: Vec<(&str, ArmStyle)> =
        series.iter().map(|s| s.name.as_str()).zip(styles.iter().copied()).collect();
    let top = legend_height(&legend);
    let sheet = Sheet::new(top + 26.0 + 170.0 + 42.0);
    sheet.legend(0.0, &legend);
    let ends = series.iter().flat_map(|s| s.intervals.iter().flat_map(|&(low, high)| [low, high]));
    let all = series.iter().flat_map(|s| s.values.iter().copied()).chain(ends).filter(|v| v.is_finite());
    let (low, high) = all.fold((0f64, 0f64), |(low, high), v| (low.min(v), high.max(v)));
    let margin = 0.06 * (high - low).max(1e-9);
    let y = (if low < 0.0 { low - margin } else { 0.0 }, high + margin);
    let frame = (46.0, top + 26.0, WIDTH - 12.0, top + 26.0 + 170.0);
    let panel = sheet.panel(frame, (0.5, categories.len().max(1) as f64 + 0.5), y);
    panel.y_axis(&labelled(ticks(y, 6), is_share), y_title);
    let labels: Vec<(f64, String)> = (1..).map(f64::from).zip(categories.iter().cloned()).collect();
    panel.x_axis(&labels, false, x_title);
    let width = 0.7 / series.len().max(1) as f64;
    for (k, (s, style)) in series.iter().zip(&styles).enumerate() {
        for (category, &value) in s.values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let x = category as f64 + 1.0 + (k as f64 - 0.5 * (series.len() as f64 - 1.0)) * width;
            let (left, right) = (x - 0.42 * width, x + 0.42 * width);
            sheet.rectangle(panel.at((left, value)), panel.at((right, 0.0)), style.color, 0.7);
            if let Some(&(low, high)) = s.intervals.get(category) {
                panel.whisker(x, low, high, style);
            }
        }
    }
    Plotted { drawing: sheet.finish(), table: table(categories, series, x_title, is_share) }
}

fn table(categories: &[String], series: &[Series], x_title: &str, is_share: bool) -> DataTable {
    let names = series.iter().map(|s| s.name.clone());
    let mut table = DataTable::new(1, std::iter::once(x_title.to_owned()).chain(names));
    let told = |value: f64| if is_share { format::percent(value) } else { format::number(value) };
    for (k, category) in categories.iter().enumerate() {
        let values = series.iter().map(|s| s.values.get(k).map_or(format::UNKNOWN.to_owned(), |&v| told(v)));
        table.push(std::iter::once(category.clone()).chain(values).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_stands_in_the_table_and_holes_are_told() {
        let categories = ["1".to_owned(), "2".to_owned()];
        let series = [Series::new("seen", vec![0.25, f64::NAN]), Series::new("fitted", vec![0.5])];
        let plotted = beside(&categories, &series, "page", "left", true);
        let rows = &plotted.table.rows;
        assert_eq!(plotted.table.columns, ["page", "seen", "fitted"]);
        assert!(rows[0][1].starts_with("25") && rows[0][2].starts_with("50"), "{rows:?}");
        assert_eq!(rows[1][1..], [format::UNKNOWN, format::UNKNOWN]);
        assert!(plotted.drawing.height() > 100.0);
    }
}

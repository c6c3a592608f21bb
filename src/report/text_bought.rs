//! What text bought, in words and as a table: the best arm that reads text against the best that knows
//! interactions alone, over all that is shown, for the long tail and for items that nobody has in training.
//! Computes nothing: the numbers are those of `text_bought.csv`.

use super::plot::DataTable;
use super::verdict::{finding, listed};
use super::{Report, format, labels};
use crate::metric::tables::ComparisonRow;

/// The table in a run folder, in the layout of `comparisons.csv`. The baseline is the best arm without text;
/// the arms with text follow, best first.
pub const FILE_NAME: &str = "text_bought.csv";

/// What is compared over all that is shown, most important first; the first decides which arms are best.
pub const OVERALL: [&str; 5] = labels::HEADLINE;

/// What is compared for the long tail: its shares of what is shown, watched and liked, and how often what
/// is shown of it is watched and liked.
pub const TAIL: [&str; 5] =
    ["tail_share", "tail_watch_share", "tail_like_share", "p_view.tail", "p_like.tail"];

/// The same for items that nobody has in training.
pub const COLD: [&str; 5] =
    ["cold_share", "cold_watch_share", "cold_like_share", "p_view.cold", "p_like.cold"];

/// What text bought in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// One sentence: the answer over all that is shown.
    pub answer: String,
    /// What it rests on.
    pub grounds: String,
    /// A sentence about the tail, and one about cold items where there are any.
    pub parts: Vec<String>,
    /// Which arms were compared, how they were chosen, and what that does to the numbers.
    pub choice: String,
    /// Every measure of every arm with text.
    pub table: DataTable,
}

/// The arms that are compared: that without text, and those with it, best first.
pub fn compared(report: &Report) -> Option<(&str, Vec<&str>)> {
    let first = report.text_bought.first()?;
    let mut arms: Vec<&str> = Vec::new();
    for row in &report.text_bought {
        if !arms.contains(&row.arm.as_str()) {
            arms.push(&row.arm);
        }
    }
    Some((&first.baseline, arms))
}

/// The comparison of an arm with text in a measure.
pub fn row<'a>(report: &'a Report, arm: &str, metric: &str) -> Option<&'a ComparisonRow> {
    report.text_bought.iter().find(|row| row.arm == arm && row.metric == metric)
}

/// Whether there are values of any of these measures.
pub fn has_any(report: &Report, metrics: &[&str]) -> bool {
    report.text_bought.iter().any(|row| metrics.contains(&row.metric.as_str()) && row.diff.is_some())
}

/// What the run says; `None` where it has not arms of both sorts.
pub fn told(report: &Report) -> Option<Told> {
    let (without, arms) = compared(report)?;
    let best = *arms.first()?;
    let by = OVERALL.iter().copied().find(|metric| row(report, best, metric).is_some())?;
    let mut parts = vec![part(report, best, "Items of the long tail", &TAIL)];
    if has_any(report, &COLD) {
        parts.push(part(report, best, "Items that nobody has in training", &COLD));
    }
    let (answer, grounds) = answer(report, best, without, row(report, best, by)?);
    Some(Told { answer, grounds, parts, choice: choice(report, by), table: table(report, without, &arms) })
}

/// The answer, and the numbers it rests on.
fn answer(report: &Report, best: &str, without: &str, row: &ComparisonRow) -> (String, String) {
    let name = labels::heading(&row.metric).to_lowercase();
    let answer = match row.diff {
        _ if !report.is_shown(row) => "Text bought nothing that can be told apart from chance.".to_owned(),
        Some(diff) if diff > 0.0 => format!("Text bought {name}: {best} beats {without}."),
        _ => format!("Text cost {name}: {best} falls behind {without}."),
    };
    let found = finding(report, row);
    (answer, format!("{best} is the best arm with text, {without} the best without. {found}."))
}

/// How much of some items is shown, and how that is received.
fn part(report: &Report, arm: &str, items: &str, metrics: &[&str; 5]) -> String {
    let [share, _, _, view, _] = metrics;
    let told = |metric: &str, more: &str, less: &str, open: &str| match row(report, arm, metric) {
        Some(row) if row.diff.is_some_and(f64::is_finite) => {
            let what = match row.diff {
                _ if !report.is_shown(row) => open,
                Some(diff) if diff > 0.0 => more,
                _ => less,
            };
            format!("{what}: {}", finding(report, row))
        }
        _ => format!("{open}: one of the arms hardly shows any"),
    };
    let shown = told(
        share,
        &format!("{arm} shows more of them"),
        &format!("{arm} shows fewer of them"),
        "that more or fewer of them are shown cannot be told apart from chance",
    );
    let received = told(
        view,
        "those it shows are watched more often",
        "those it shows are watched less often",
        "that those it shows are watched more or less often cannot be told apart from chance",
    );
    format!("{items}: {shown}; {received}.")
}

fn choice(report: &Report, by: &str) -> String {
    let names = |is_wanted: fn(&str) -> bool| -> Vec<&str> {
        let arms = report.manifest.arms.iter().filter(|arm| is_wanted(&arm.needs));
        arms.map(|arm| arm.name.as_str()).collect()
    };
    let with = names(|needs| matches!(needs, "text" | "llm"));
    let without = names(|needs| needs == "interactions");
    let mut told = match (with.as_slice(), without.as_slice()) {
        ([], _) | (_, []) => String::new(),
        (with, without) => format!("With text: {}. Without: {}. ", listed(with), listed(without)),
    };
    if with.len() > 1 || without.len() > 1 {
        told.push_str(&format!(
            "Of each sort the arm with the best {} is taken, and taken after the fact, which flatters it. ",
            labels::heading(by).to_lowercase()
        ));
    }
    told.push_str(
        "Differences are taken person by person, with text minus without, over those who have a value in both arms: how \
         often tail or cold items are watched, over those to whom both arms show some. P-values are adjusted over the \
         measures of one arm in this table. The long tail are the least popular items that together have 20\u{202f}% of the training \
         interactions.",
    );
    told
}

fn table(report: &Report, without: &str, arms: &[&str]) -> DataTable {
    let columns = [
        "items",
        "measure",
        "arm",
        "without text",
        "with text",
        "difference",
        "interval",
        "p adjusted",
        "smallest detectable",
        "agents",
    ];
    let mut table = DataTable::new(3, columns);
    for (items, metrics) in [("all", &OVERALL), ("tail", &TAIL), ("cold", &COLD)] {
        for metric in metrics {
            let unit = report.unit(metric);
            for row in arms.iter().filter_map(|arm| row(report, arm, metric)) {
                let value = |arm: &str| {
                    let mean = report.metric(arm, metric).and_then(|row| row.mean);
                    mean.map_or(format::UNKNOWN.to_owned(), |mean| format::value(mean, unit))
                };
                let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
                if items == "cold" && row.diff.is_none() && value(&row.arm) == value(without) {
                    continue;
                }
                table.push(vec![
                    items.to_owned(),
                    labels::heading(metric),
                    row.arm.clone(),
                    value(without),
                    value(&row.arm),
                    format::difference(or_nan(row.diff), unit),
                    format::interval(or_nan(row.ci_low), or_nan(row.ci_high), unit),
                    format::p_value(or_nan(row.p_adjusted)),
                    format::difference(or_nan(row.mde), unit).replace('+', ""),
                    format::count(row.n),
                ]);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{Kind, report};

    /// The sample with the difference of one measure replaced by this one, ± 0.01.
    fn with_difference(metric: &str, diff: f64) -> Report {
        let mut report = report(4, Kind::Rich, 1);
        for row in report.text_bought.iter_mut().filter(|row| row.metric == metric) {
            (row.diff, row.ci_low, row.ci_high) = (Some(diff), Some(diff - 0.01), Some(diff + 0.01));
            row.p_adjusted = Some(if diff.abs() > 0.01 { 0.0001 } else { 0.4 });
            row.mde = Some(0.014);
        }
        report
    }

    #[test]
    fn the_answer_says_what_was_found_and_no_more() {
        let told = |diff| told(&with_difference("s_sat", diff)).expect("both sorts");
        assert_eq!(told(0.2).answer, "Text bought satisfaction: alpharec beats mf.");
        let grounds = "alpharec is the best arm with text, mf the best without. Satisfaction +0.200 (95";
        assert!(told(0.2).grounds.starts_with(grounds), "{}", told(0.2).grounds);
        assert_eq!(told(-0.2).answer, "Text cost satisfaction: alpharec falls behind mf.");
        let open = told(0.005);
        assert_eq!(open.answer, "Text bought nothing that can be told apart from chance.");
        assert!(open.grounds.contains("smallest detectable effect 0.0140"), "{}", open.grounds);
    }

    #[test]
    fn the_tail_is_told_apart_from_the_rest() {
        let tail = |metric, diff| told(&with_difference(metric, diff)).expect("both sorts").parts[0].clone();
        assert!(
            tail("tail_share", 0.05).starts_with("Items of the long tail: alpharec shows more of them: ")
        );
        assert!(
            tail("tail_share", -0.05).starts_with("Items of the long tail: alpharec shows fewer of them: ")
        );
        let open = tail("tail_share", 0.001);
        assert!(
            open.contains("that more or fewer of them are shown cannot be told apart from chance"),
            "{open}"
        );
        assert!(tail("p_view.tail", 0.05).contains("; those it shows are watched more often: "));
        let mut report = with_difference("tail_share", 0.05);
        report
            .text_bought
            .iter_mut()
            .filter(|row| row.metric == "p_view.tail")
            .for_each(|row| row.diff = None);
        let none = told(&report).expect("both sorts").parts[0].clone();
        assert!(
            none.ends_with("cannot be told apart from chance: one of the arms hardly shows any."),
            "{none}"
        );
    }

    #[test]
    fn cold_items_are_told_of_where_there_are_any_and_nothing_is_where_a_sort_is_missing() {
        let rich = report(4, Kind::Rich, 1);
        let with_cold = told(&rich).expect("both sorts");
        assert_eq!(with_cold.parts.len(), 2);
        assert_eq!(with_cold.table.rows.len(), 15);
        assert!(with_cold.choice.starts_with("With text: alpharec. Without: mf. "), "{}", with_cold.choice);
        let mut warm = rich.clone();
        warm.text_bought.retain(|row| !row.metric.contains("cold"));
        assert_eq!(told(&warm).expect("both sorts").parts.len(), 1);
        let none = Report { text_bought: Vec::new(), ..rich };
        assert_eq!(told(&none), None);
        assert!(!none.render().expect("the template is ours").html.contains("What text bought"));
    }
}

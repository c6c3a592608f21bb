//! The simulated order of arms against the true one, in words and as a table, where the run folder
//! has people's true ratings of what was shown. Computes nothing: the numbers are those of
//! `truth.csv` and `truth_order.csv`.

use super::plot::DataTable;
use super::{Report, format, labels};
use crate::metric::truth::{OrderRow, SIMULATED, TruthRow};

/// The truth of a run in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// One sentence: how far the orders agree.
    pub answer: String,
    /// What that can and cannot show, as the agents' taste has it.
    pub caveat: &'static str,
    /// Arms down, best first by the truth; true rating and simulated orders across.
    pub table: DataTable,
}

/// What the last round says; `None` where no truth was known.
pub fn told(report: &Report) -> Option<Told> {
    let round = report.truth.iter().map(|row| row.round).max()?;
    let rows: Vec<&TruthRow> = report.truth.iter().filter(|row| row.round == round).collect();
    let orders: Vec<&OrderRow> = report.truth_order.iter().filter(|row| row.round == round).collect();
    let n_shown: u64 = rows.iter().map(|row| row.n_shown).sum();
    let n_known: u64 = rows.iter().map(|row| row.n_known).sum();
    let known = format::percent(n_known as f64 / n_shown.max(1) as f64);
    let agreements: Vec<String> = orders.iter().map(|row| agreement(report, row)).collect();
    let answer = match agreements.as_slice() {
        [] => format!("People's true ratings are known of {known} of what was shown."),
        told => format!(
            "Against the arms' true order (mean true rating of what was shown, known of {known} of it), Kendall's τ \
             is {}.",
            told.join(" and ")
        ),
    };
    Some(Told { answer, caveat: caveat(report), table: table(report, &rows) })
}

/// `0.905 (95 % interval 0.71 … 1) by satisfaction`.
fn agreement(report: &Report, row: &OrderRow) -> String {
    let by = labels::heading(&row.metric).to_lowercase();
    let Some(tau) = row.tau else { return format!("not defined by {by}, which ties all arms") };
    let interval = row.ci_low.zip(row.ci_high).map_or(String::new(), |(low, high)| {
        let level = format::plain(report.manifest.confidence * 100.0);
        format!(" ({level}\u{202f}% interval {} … {})", format::fixed(low, 2), format::fixed(high, 2))
    });
    format!("{}{interval} by {by}", format::fixed(tau, 2))
}

/// What agreement shows depends on what the agents knew.
fn caveat(report: &Report) -> &'static str {
    if taste(report).as_deref() == Some("observed") {
        "These agents know the truth (their taste is observed), so this checks that pages, agents and statistics \
         order arms as the truth does; it says nothing of how well agents guess people."
    } else {
        "These agents do not know the true ratings, so this is a test of the agents and of the pipeline together."
    }
}

/// The source of taste that the scenario names.
fn taste(report: &Report) -> Option<String> {
    let scenario: toml::Table = report.scenario.parse().ok()?;
    Some(scenario.get("population")?.get("taste")?.as_str()?.to_owned())
}

fn table(report: &Report, rows: &[&TruthRow]) -> DataTable {
    let mut columns = vec!["arm".to_owned(), "true rating".to_owned(), "interval".to_owned()];
    columns.push("true place".to_owned());
    for metric in SIMULATED {
        columns.push(labels::heading(metric));
        columns.push(format!("place by {}", labels::heading(metric).to_lowercase()));
    }
    columns.push("ratings known".to_owned());
    let mut table = DataTable::new(1, columns);
    let true_values: Vec<Option<f64>> = rows.iter().map(|row| row.mean_true_rating).collect();
    let simulated = SIMULATED.map(|metric| -> Vec<Option<f64>> {
        let found = rows.iter().map(|row| report.metric_in(&row.arm, metric, row.round));
        found.map(|row| row.and_then(|row| row.mean)).collect()
    });
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| descending(true_values[a], true_values[b]));
    for at in order {
        let row = rows[at];
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let mut cells = vec![
            row.arm.clone(),
            format::value(or_nan(row.mean_true_rating), "score"),
            format::interval(or_nan(row.ci_low), or_nan(row.ci_high), "score"),
            place(&true_values, at),
        ];
        for (metric, values) in SIMULATED.iter().zip(&simulated) {
            cells.push(format::value(or_nan(values[at]), report.unit(metric)));
            cells.push(place(values, at));
        }
        cells.push(format::count(row.n_known));
        table.push(cells);
    }
    table
}

fn descending(a: Option<f64>, b: Option<f64>) -> std::cmp::Ordering {
    b.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.unwrap_or(f64::NEG_INFINITY))
}

/// The place of a value from the top; ties share the better one.
fn place(values: &[Option<f64>], at: usize) -> String {
    match values[at] {
        Some(own) => (1 + values.iter().flatten().filter(|other| **other > own).count()).to_string(),
        None => format::UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Kind, report};
    use super::*;

    fn with_truth() -> Report {
        let mut report = report(3, Kind::Rich, 1);
        let row = |(arm, rating): (&str, f64)| TruthRow {
            arm: arm.to_owned(),
            round: 0,
            n_people: 10,
            n_shown: 50,
            n_known: 40,
            mean_true_rating: Some(rating),
            ci_low: Some(rating - 0.1),
            ci_high: Some(rating + 0.1),
        };
        report.truth = [("popular", 3.1), ("random", 2.5), ("alpharec", 3.4)].map(row).to_vec();
        let order = |metric: &str, tau: Option<f64>| OrderRow {
            round: 0,
            metric: metric.to_owned(),
            n_arms: 3,
            tau,
            ci_low: tau.map(|tau| tau - 0.5),
            ci_high: tau.map(|_| 1.0),
        };
        report.truth_order = vec![order("s_sat", Some(1.0)), order("p_like", None)];
        report
    }

    #[test]
    fn the_orders_are_told_and_so_is_the_circle() {
        let mut report = with_truth();
        report.scenario = "[population]\ntaste = \"observed\"\n".to_owned();
        let found = told(&report).expect("there is truth");
        assert!(found.answer.contains("known of 80"), "{}", found.answer);
        assert!(found.answer.contains("interval 0.50 … 1.00) by satisfaction"), "{}", found.answer);
        assert!(found.answer.contains("not defined by share liked"), "{}", found.answer);
        assert!(found.caveat.starts_with("These agents know the truth"));
        let arms: Vec<&str> = found.table.rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(arms, ["alpharec", "popular", "random"]);
        assert_eq!(found.table.rows[2][3], "3");
        report.scenario = "[population]\ntaste = \"latent\"\n".to_owned();
        assert!(told(&report).expect("there is truth").caveat.starts_with("These agents do not know"));
    }

    #[test]
    fn page_and_terminal_repeat_it_and_a_run_without_truth_is_silent() {
        let report = with_truth();
        let page = report.render().expect("the template is ours").html;
        assert!(page.contains("id=\"truth\"") && page.contains("Kendall"), "no section");
        let text = super::super::table::terminal(&report, 200);
        assert!(text.contains("Kendall's τ"), "{text}");
        let without = super::super::sample::report(3, Kind::Rich, 1);
        assert_eq!(told(&without), None);
        assert!(!without.render().expect("the template is ours").html.contains("id=\"truth\""));
    }
}

//! The page of a validation: one HTML file that needs nothing else, in the look of a run's report.
//! Everything that comes from data is escaped by the template engine. Knows finished checks and
//! plots, and computes nothing.

use super::check::{Bound, Check, Group};
use super::taste_section::TasteRow;
use super::taste_test::PUBLISHED;
use super::terminal::title;
use super::{ValidateError, Validation, plots};
use crate::report::estimate::Estimate;
use crate::report::format;
use crate::report::page::{Columns, fill, rows};
use crate::report::plot::DataTable;
use minijinja::{Value, context};

const TEMPLATE: &str = include_str!("assets/validation.html");

/// Draws the plots and fills the page.
pub fn render(found: &Validation) -> Result<String, ValidateError> {
    let mut columns = Columns::default();
    for kind in plots::ALL {
        let Some(plotted) = (kind.draw)(found) else { continue };
        columns.push(kind.name, kind.title, kind.help, plotted);
    }
    let checks = found.checks();
    let groups = Group::ALL.map(|group| section(found, &checks, group));
    let content = context! {
        title => format!("Validation of {}", found.subject.scenario),
        question => question(found),
        subtitle => subtitle(found),
        headline => headline(found),
        failed => failed(&checks),
        notes => found.subject.comparison.as_ref().map_or_else(Vec::new, |c| c.notes.clone()),
        groups => groups.into_iter().flatten().collect::<Vec<_>>(),
        columns => columns.values(),
        facts => facts(found).into_iter().map(|(what, value)| context! { what, value }).collect::<Vec<_>>(),
    };
    Ok(fill(TEMPLATE, &columns.glyphs, content)?)
}

fn question(found: &Validation) -> String {
    match &found.subject.comparison {
        Some(comparison) => format!(
            "Do {} simulated people do what {} did on the pages of {}?",
            format::count(comparison.n_people as u64),
            comparison.reference,
            comparison.arm
        ),
        None => "Do the agents of this scenario pass what any believable agent must?".to_owned(),
    }
}

fn subtitle(found: &Validation) -> String {
    [&found.subject.data, &found.subject.behavior, &found.subject.description]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" · ")
}

fn headline(found: &Validation) -> String {
    let (passed, failed) = found.tally();
    match (passed + failed, failed) {
        (0, _) => "Nothing was judged".to_owned(),
        (all, 0) => format!("All {all} checks hold"),
        (all, failed) => format!("{failed} of {all} checks fail"),
    }
}

fn failed(checks: &[Check]) -> Vec<String> {
    let of = |check: &&Check| check.passed() == Some(false);
    let line = |check: &Check| {
        let value = check.found.map_or("could not be measured".to_owned(), |e| difference(check, e.value));
        let bound = check.bound.map(|bound| told(bound, check.unit)).unwrap_or_default();
        format!("{}: {value}, allowed {bound}", check.name.replace('_', " "))
    };
    checks.iter().filter(of).map(line).collect()
}

/// One group of checks, nothing where it is empty.
fn section(found: &Validation, checks: &[Check], group: Group) -> Option<Value> {
    // What a tier only reports stands in the plots and their tables.
    let is_shown = |check: &&Check| check.group == group && (group != Group::Tier || check.bound.is_some());
    let of_group: Vec<&Check> = checks.iter().filter(is_shown).collect();
    if of_group.is_empty() && (group != Group::Taste || found.taste.is_empty()) {
        return None;
    }
    let has_floor = of_group.iter().any(|c| c.floor.halves.is_some() || c.floor.luck.is_some());
    let (aside_title, aside) = aside(found, group);
    let has_sides = of_group.iter().any(|c| c.reference.is_some() || c.simulated.is_some());
    let [what, theirs, ours, judged] = match group {
        Group::Gate => ["gate", "without", "with", "difference"],
        Group::Discriminator => ["classifier", "reference", "simulated", "area"],
        Group::Distribution => ["distribution", "reference", "simulated", "distance"],
        Group::Taste => ["test", "best baseline", "agents", "lead or accuracy"],
        Group::Aggregate | Group::Tier | Group::People => ["check", "reference", "simulated", "difference"],
    };
    let mut columns = if has_sides { vec![what, theirs, ours, judged] } else { vec![what, judged] };
    if has_floor {
        columns.push("chance alone");
    }
    columns.push("allowed");
    Some(context! {
        name => group.name(),
        title => capital(title(group)),
        note => note(group),
        columns,
        has_sides,
        has_floor,
        checks => of_group.into_iter().map(row).collect::<Vec<_>>(),
        aside_title,
        aside => rows(aside),
        open => group == Group::Taste,
    })
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn note(group: Group) -> &'static str {
    match group {
        Group::Aggregate => {
            "The same people on both sides; the difference is simulated minus reference, paired by person. Chance \
             alone: how far two random halves of the reference are apart, and one repetition of the simulation from the others."
        }
        Group::Distribution => {
            "Total variation is the share that would have to move for the two to be alike; Jensen–Shannon divergence \
             is in bits. A distance measured on few people is never 0: chance alone says how large it is for a faithful simulation."
        }
        Group::Tier => "The same within the tiers of each trait; tier 1 is low, 3 is high.",
        Group::Discriminator => {
            "Two classifiers try to tell recorded from simulated sessions, cross-validated by person. An area of .5 \
             means that they cannot. Chance alone: the same between repetitions of the simulation."
        }
        Group::Taste => {
            "Twenty items, some of them chosen by the person outside training: does its agent know which? Negatives \
             never observed are mostly obscure, so popularity alone does well; popularity-matched ones leave only taste."
        }
        Group::People => {
            "Agents rate the very items that their people rated after everything the agents know of them. The bar is \
             what the people said."
        }
        Group::Gate => {
            "What must hold in any world. The same people meet both sides with the same luck, except where luck is \
             what is asked about. Intervals cover 99\u{202f}%."
        }
    }
}

fn row(check: &Check) -> Value {
    let cell = |estimate: Option<Estimate>| match estimate {
        Some(e) => context! {
            value => format::value(e.value, check.unit),
            interval => if e.low.is_finite() { format::interval(e.low, e.high, check.unit) } else { String::new() },
        },
        None => context! { value => "", interval => "" },
    };
    let found = match check.found {
        Some(e) => context! {
            value => difference(check, e.value),
            interval => format::interval(e.low, e.high, check.unit),
        },
        None => context! { value => format::UNKNOWN, interval => "" },
    };
    let part =
        |word: &str, value: Option<f64>| value.map(|v| format!("{word} {}", format::value(v, check.unit)));
    let floors = [part("halves", check.floor.halves), part("luck", check.floor.luck)];
    let mut floors = floors.into_iter().flatten();
    context! {
        name => check.name.replace('_', " "),
        about => &check.about,
        reference => cell(check.reference),
        simulated => cell(check.simulated),
        found,
        floor => context! {
            value => floors.next().unwrap_or_default(),
            interval => floors.next().unwrap_or_default(),
        },
        bound => check.bound.map(|bound| told(bound, check.unit)).unwrap_or_default(),
        passed => match check.passed() { Some(true) => "yes", Some(false) => "no", None => "" },
    }
}

/// The judged value: with its sign where it is a difference.
fn difference(check: &Check, value: f64) -> String {
    match check.bound {
        Some(Bound::AtMost(_) | Bound::Between(..)) => format::value(value, check.unit),
        // What is judged is a value of one side, not a difference of two.
        Some(Bound::AtLeast(_)) if check.found == check.simulated || check.group == Group::People => {
            format::value(value, check.unit)
        }
        _ if check.group == Group::Distribution => format::value(value, check.unit),
        _ => format::difference(value, check.unit),
    }
}

/// A bound in the unit of its check.
fn told(bound: Bound, unit: &str) -> String {
    match (bound, unit) {
        (Bound::Within(most), "share") => format!("±{}\u{202f}pp", format::plain(most * 100.0)),
        (Bound::AtMost(most), "share") => format!("≤ {}", format::percent(most)),
        (Bound::AtLeast(least), "share") => format!("≥ {}", format::percent(least)),
        (Bound::Between(low, high), "share") => {
            format!("{} to {}", format::plain(low * 100.0), format::percent(high))
        }
        (bound, _) => bound.told(),
    }
}

/// What stands below a group's checks.
fn aside(found: &Validation, group: Group) -> (&'static str, DataTable) {
    match group {
        Group::Discriminator => ("What gives the simulation away", features(found)),
        Group::Taste => ("Everybody who took the test", taste(&found.taste)),
        _ => ("", DataTable::default()),
    }
}

fn features(found: &Validation) -> DataTable {
    let mut table = DataTable::new(1, ["feature", "reference", "simulated", "area of it alone"]);
    for row in &found.realism.features {
        table.push(vec![
            row.name.clone(),
            format::number(row.reference),
            format::number(row.simulated),
            row.auc.map_or(format::UNKNOWN.to_owned(), |auc| format::fixed(auc, 3)),
        ]);
    }
    table
}

/// Every contestant, and the published figures.
fn taste(rows: &[TasteRow]) -> DataTable {
    let columns = ["who", "negatives", "ratio", "accuracy", "interval", "precision", "recall", "F1"];
    let mut table = DataTable::new(2, columns);
    for row in rows {
        table.push(vec![
            row.scorer.clone(),
            row.negatives.clone(),
            format!("1:{}", row.ratio),
            format::percent(row.accuracy.value),
            format::interval(row.accuracy.low, row.accuracy.high, "share"),
            format::percent(row.precision),
            format::percent(row.recall),
            format::percent(row.f1),
        ]);
    }
    for (who, ratio, accuracy) in PUBLISHED.into_iter().filter(|_| !rows.is_empty()) {
        let mut row = vec![format!("{who} (published)"), "unobserved".to_owned(), format!("1:{ratio}")];
        row.push(format::percent(accuracy));
        row.resize(table.columns.len(), format::UNKNOWN.to_owned());
        table.push(row);
    }
    table
}

/// What was validated: (what, value), without what is not known.
fn facts(found: &Validation) -> Vec<(&'static str, String)> {
    let subject = &found.subject;
    let mut facts = vec![("Scenario", subject.scenario.clone()), ("Data", subject.data.clone())];
    if let Some(comparison) = &subject.comparison {
        facts.extend([
            ("Reference", comparison.reference.clone()),
            ("Arm", comparison.arm.clone()),
            ("People", format::count(comparison.n_people as u64)),
            ("Repetitions", format!("{} of everybody, each with other luck", comparison.n_repetitions)),
            (
                "Same pages",
                format!(
                    "{} of the first pages' slots hold the same item",
                    format::percent(comparison.pages_alike)
                ),
            ),
        ]);
    }
    facts.extend([("Behaviour", subject.behavior.clone()), ("Taste", subject.taste.clone())]);
    if subject.n_gate_agents > 0 {
        facts.push(("Gates", format!("{} agents", format::count(subject.n_gate_agents as u64))));
    }
    facts.push(("Seed", subject.seed.to_string()));
    facts.push(("Windtunnel", env!("CARGO_PKG_VERSION").to_owned()));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::realism::{FeatureRow, Realism};
    use crate::validate::{Comparison, Subject};

    #[test]
    fn whatever_comes_from_data_is_escaped() {
        let evil = || "<script>alert('x')</script>&\"".to_owned();
        let e = Estimate { value: 0.4, low: 0.1, high: f64::NAN, n: 3 };
        let comparison =
            Comparison { reference: evil(), arm: evil(), notes: vec![evil()], ..Comparison::default() };
        let check =
            |group| Check::new(group, evil(), "share", Some(e)).bounded(Bound::AtMost(0.1)).about(evil());
        let row = TasteRow {
            negatives: evil(),
            is_matched: true,
            ratio: 3,
            scorer: evil(),
            is_agents: true,
            accuracy: e,
            precision: 0.5,
            recall: 0.5,
            f1: 0.5,
            lead: Some((evil(), e)),
        };
        let found = Validation {
            subject: Subject {
                scenario: evil(),
                description: evil(),
                data: evil(),
                behavior: evil(),
                taste: evil(),
                seed: 1,
                comparison: Some(comparison),
                n_gate_agents: 9,
            },
            realism: Realism {
                checks: Group::ALL.map(check).to_vec(),
                features: vec![FeatureRow { name: evil(), reference: 1.0, simulated: f64::NAN, auc: None }],
                ..Realism::default()
            },
            taste: vec![row],
            taste_accuracy: [0.0; 3],
            people: Vec::new(),
            gates: crate::validate::gates::Gates { order: vec![(evil(), Some(e))], ..Default::default() },
        };
        let page = render(&found).expect("a page");
        assert!(!page.contains("<script") && !page.contains("alert('x')</"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
        assert!(page.contains("7 of 8 checks fail"), "{}", headline(&found));
    }

    #[test]
    fn a_validation_that_found_nothing_has_a_page() {
        let page = render(&Validation::default()).expect("a page");
        assert!(page.contains("Nothing was judged") && !page.contains("id=\"plots\""));
    }
}

//! The study on an invented world: probabilities in `policies.csv` are probabilities, estimates agree with the truth
//! where the log covers a target, and where it does not the report says so.

use std::collections::BTreeMap;
use std::path::Path;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;
use windtunnel::study::off_policy::policy_file::{PolicyRow, read};
use windtunnel::study::{Cell, Finding, Told};

/// The shipped scenario, changed so.
fn scenario(overrides: &[&str]) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/off-policy.toml");
    // Nothing is trained, so that this takes a moment: neighbours instead of factors.
    let small = [
        "population.n_agents=800",
        "session.max_pages=1",
        "statistics.n_bootstrap=100",
        "arms.mf.kind=\"item_knn\"",
    ];
    let all: Vec<String> = small.iter().chain(overrides).map(|&text| text.to_owned()).collect();
    Scenario::load(&path, &all).expect("a good scenario")
}

fn run(overrides: &[&str], dir: &Path) -> Told {
    experiment::run(&scenario(overrides), &RunOptions::new(dir, dir, &Quiet)).expect("a run");
    let json = std::fs::read_to_string(dir.join("studies/off_policy.json")).expect("told");
    serde_json::from_str(&json).expect("what a study tells")
}

fn finding<'a>(told: &'a Told, id: &str) -> &'a Finding {
    told.findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("no finding {id}"))
}

/// Whether the intervals of an estimate and of the truth overlap: both have errors here.
fn agree(told: &Told, target: &str, estimator: &str) -> bool {
    let estimate = finding(told, &format!("{target}.watched.{estimator}"));
    let truth = finding(told, &format!("{target}.watched.truth"));
    estimate.ci_low <= truth.ci_high && truth.ci_low <= estimate.ci_high
}

#[test]
fn estimates_agree_with_the_truth_where_the_log_covers_the_target() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    let told = run(&[], &out);
    for target in ["sharper", "greedy", "curious", "mf"] {
        for estimator in ["iips", "sniips", "dr", "switch_dr"] {
            assert!(agree(&told, target, estimator), "{target}, {estimator}: {:#?}", told.answer);
        }
    }
    for estimator in ["sips", "snsips", "rips", "snrips"] {
        assert!(agree(&told, "sharper", estimator), "{estimator}: {:#?}", told.answer);
    }
    // Whole pages as mf would have put them are hardly ever drawn: that is said.
    assert!(told.warnings.iter().any(|warning| warning.starts_with("About mf, sips")));
    // `popular` shows what mf's best twenty mostly lack.
    assert!(told.warnings.iter().any(|warning| warning.contains("of what popular would show")));
    let support = told.tables.iter().find(|table| table.name == "support").expect("a table");
    let unsupported: BTreeMap<String, f64> = support
        .rows
        .iter()
        .map(|row| match (&row[0], &row[7]) {
            (Cell::Text(target), Cell::Number(share)) => (target.clone(), *share),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(unsupported["popular"] > 0.2 && unsupported["sharper"] == 0.0, "{unsupported:?}");
    check_policies(&out);
}

fn check_policies(out: &Path) {
    let targets = ["sharper", "greedy", "curious", "mf", "popular"].map(str::to_owned);
    let rows = read(out, "soft", &targets).expect("policies.csv");
    let mut places: BTreeMap<(&str, &str, u32), Vec<&PolicyRow>> = BTreeMap::new();
    for row in &rows {
        places.entry((&row.target, &row.user, row.place)).or_default().push(row);
    }
    assert_eq!(places.len(), 5 * 800 * 4, "every place of every first page, for every target");
    for ((target, user, place), rows) in places {
        let at = format!("{target}, {user}, {place}");
        let sum: f64 = rows.iter().map(|row| row.p_target_marginal).sum();
        assert!((sum - 1.0).abs() < 1e-7, "{at}: {sum}");
        assert_eq!(rows.iter().map(|row| row.shown).sum::<u8>(), 1, "{at}");
        let shown = rows[0];
        assert!(shown.p_behaviour.is_some_and(|p| p > 0.0 && p <= 1.0), "{at}");
        assert!(shown.p_behaviour_marginal > 0.0 && shown.watched.is_some(), "{at}");
        if place == 1 {
            // Nothing stands above: both are the same.
            assert!((shown.p_behaviour.unwrap_or(0.0) - shown.p_behaviour_marginal).abs() < 1e-8, "{at}");
        }
        if target == "mf" {
            assert!(
                rows.iter().all(|row| row.p_target_marginal == 0.0 || row.p_target_marginal == 1.0),
                "{at}"
            );
        }
    }
}

/// An arm against its own log: every weight is 1, and the estimate is what it earned.
#[test]
fn an_arms_own_log_says_what_it_earned() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let told = run(&["studies.off_policy.targets=[\"soft\"]"], &dir.path().join("run"));
    let truth = finding(&told, "soft.watched.truth").value.expect("a value");
    for estimator in ["sips", "rips"] {
        let value = finding(&told, &format!("soft.watched.{estimator}")).value.expect("a value");
        assert!((value - truth).abs() < 1e-6, "{estimator}: {value}, earned {truth}");
    }
    for estimator in ["iips", "dr"] {
        // Chances whatever stands above are from different draws of what stands above.
        let value = finding(&told, &format!("soft.watched.{estimator}")).value.expect("a value");
        assert!((value - truth).abs() < 0.01, "{estimator}: {value}, earned {truth}");
    }
}

/// Shuffled presentation moves what was drawn to other slots; probabilities stay with the items.
#[test]
fn shuffled_pages_keep_their_probabilities() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let overrides = ["session.presentation=\"shuffled\"", "studies.off_policy.targets=[\"sharper\"]"];
    let told = run(&overrides, &dir.path().join("run"));
    assert!(
        agree(&told, "sharper", "snrips") && told.warnings.is_empty(),
        "{:?}, {}",
        told.warnings,
        told.answer
    );
}

#[test]
fn an_arm_that_does_not_explore_is_no_log_to_learn_from() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    let scenario = scenario(&["studies.off_policy.logging=\"mf\""]);
    let error = experiment::run(&scenario, &RunOptions::new(&out, dir.path(), &Quiet)).expect_err("refused");
    assert!(error.is_bad_input());
    let source = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(source.contains("mf does not say with which probability"), "{source}");
    assert!(!out.join("events").exists(), "refused before anything is simulated");
}

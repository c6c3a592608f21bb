//! `scenarios/causes.toml` at reduced size: what is found to lead to what has the stated sign, the experiment does raise
//! what it says it raises, and what it measures stands beside what was found. The world is invented; nothing here is a
//! finding about a model.

use std::path::Path;
use windtunnel::event::read::for_each_session;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::metric::subjects::{read_catalogue, read_population};
use windtunnel::progress::Quiet;
use windtunnel::rng::{Purpose, Streams};
use windtunnel::scenario::Scenario;
use windtunnel::stats::assignment::treated;
use windtunnel::study::causes::items::Tally;
use windtunnel::study::{Cell, ChartData, Finding, Told};

const SMALL: [&str; 6] = [
    "dataset.source=\"synthetic\"",
    "dataset.n_users=300",
    "dataset.n_items=250",
    "population.n_agents=200",
    "statistics.n_bootstrap=300",
    "studies.causes.n_bootstrap=100",
];

fn scenario(more: &[&str]) -> Result<Scenario, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/causes.toml");
    let text = std::fs::read_to_string(&path).expect("a scenario");
    let sets: Vec<String> = SMALL.iter().chain(more).map(|set| (*set).to_owned()).collect();
    Scenario::parse(&path, &text, &sets).map_err(|error| error.to_string())
}

/// What the study told of a run into this folder.
fn told(out: &Path, more: &[&str]) -> Result<Told, String> {
    let scenario = scenario(more)?;
    experiment::run(&scenario, &RunOptions::new(out, out, &Quiet)).map_err(|error| {
        let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
        causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
    })?;
    let json = std::fs::read(out.join("studies/causes.json")).expect("what was told");
    Ok(serde_json::from_slice(&json).expect("what a study tells"))
}

#[track_caller]
fn finding<'a>(told: &'a Told, id: &str) -> &'a Finding {
    let found = told.findings.iter().find(|finding| finding.id == id);
    found.unwrap_or_else(|| panic!("no {id} among {:?}", told.findings))
}

/// How often each item of an arm was shown.
fn exposures(run: &Path, arm: &str) -> Vec<u32> {
    let catalogue = run.join("items.csv");
    let manifest = std::fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let genres = serde_json::from_value(manifest["dataset"]["genres"].clone()).expect("genres");
    let items = read_catalogue(&catalogue, genres, 1).expect("items.csv").items;
    assert!(items.iter().all(|item| item.mean_rating.is_some() == (item.n_train > 0)));
    let population = read_population(run).expect("people.csv and agents.csv");
    let ids = population.ids(items.iter().map(|item| item.raw_id.as_str()));
    let mut tally = Tally::new(items.len());
    let path = run.join(format!("events/arm={arm}/part-00000.parquet"));
    for_each_session(&path, &ids, |session| tally.take(session)).expect("events");
    tally.over(0..1).items.iter().map(|counts| counts.n_shown).collect()
}

#[test]
fn what_is_found_stands_beside_what_the_experiment_measures() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    let told = told(&out, &[]).expect("a run");

    // Exposure leads to clicks, in what happened and in the experiment.
    let discovered = finding(&told, "discovered.exposure.click");
    let measured = finding(&told, "measured.exposure.click");
    for found in [discovered, measured, finding(&told, "edge.exposure.click")] {
        let (low, high) = (found.ci_low.expect("an interval"), found.ci_high.expect("an interval"));
        assert!(low > 0.0 && found.value.is_some_and(|value| low <= value && value <= high), "{found:?}");
    }
    // Nobody watches what was not shown, nor more often than it was.
    assert!(measured.value.is_some_and(|value| value < 1.0), "{measured:?}");
    let gap = finding(&told, "discovered_less_measured.exposure.click").value.expect("a value");
    assert!(
        (gap - (discovered.value.unwrap_or(f64::NAN) - measured.value.unwrap_or(f64::NAN))).abs() < 1e-12
    );
    assert!(told.answer.contains("The experiment boosted"), "{}", told.answer);

    // Raised items are shown more than without the experiment, the others less.
    let (before, after) = (exposures(&out, "mf"), exposures(&out, "boosted"));
    let is_raised = treated(before.len(), 0.5, Purpose::Boost, &Streams::new(42));
    let total = |of: &[u32], raised: bool| {
        of.iter().zip(&is_raised).filter(|(_, is)| **is == raised).map(|(n, _)| n).sum::<u32>()
    };
    assert!(total(&after, true) > total(&before, true) * 11 / 10, "raised items must be shown more");
    assert!(total(&after, false) < total(&before, false), "others must make room");
    assert!(finding(&told, "experiment.exposure").ci_low.is_some_and(|low| low > 0.0));

    // No edge goes against the order given beforehand, and all of them are drawn.
    let edges = told.tables.iter().find(|table| table.name == "edges").expect("a table of edges");
    let order = ["quality", "popularity", "exposure", "click", "rating"];
    let place = |cell: &Cell| order.iter().position(|name| *cell == Cell::from(*name)).expect("a variable");
    for row in &edges.rows {
        let (from, to) = (place(&row[0]), place(&row[1]));
        assert!(from < to || (from, to) == (1, 0), "{row:?}");
    }
    let graph = told.charts.iter().find(|chart| chart.name == "graph").expect("a graph");
    assert!(matches!(&graph.data, ChartData::Graph { nodes, edges: drawn }
        if nodes.len() == 5 && drawn.len() == edges.rows.len()));
    assert!(
        out.join("studies/causes-edges.csv").is_file() && out.join("studies/causes-experiment.csv").is_file()
    );
}

#[test]
fn over_rounds_what_is_shown_becomes_popular() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let told = told(&dir.path().join("run"), &["rounds=2"]).expect("a run");
    let next = finding(&told, "measured.exposure.next_popularity");
    assert!(
        next.ci_low.is_some_and(|low| low > 0.0) && next.ci_high.is_some_and(|high| high < 1.0),
        "{next:?}"
    );
}

#[test]
fn without_an_experiment_the_study_says_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let alone = ["studies.causes={arm=\"mf\", n_bootstrap=50, prior_order=false}", "arms={mf={}}"];
    let told = told(&dir.path().join("run"), &alone).expect("a run");
    assert!(
        told.warnings.iter().any(|warning| warning.contains("There is no experiment")),
        "{:?}",
        told.warnings
    );
    assert!(!told.findings.iter().any(|finding| finding.id.starts_with("measured.")));
    assert!(!told.tables.iter().any(|table| table.name == "experiment"));
}

#[test]
fn what_cannot_be_answered_is_said_in_words() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let failure = |name: &str, more: &[&str]| told(&dir.path().join(name), more).expect_err("no answer");
    let few = failure("few", &["studies.causes.min_exposures=100000"]);
    assert!(few.contains("there are 0 rows, expected 7 or more for 5 variables"), "{few}");
    let other = failure("other", &["studies.causes.boosted=\"mf\""]);
    assert!(other.contains("mf is a mf of nothing, expected a boost of mf"), "{other}");
    let unknown = scenario(&["studies.causes.boosted=\"booster\""]).err().expect("refused");
    assert!(unknown.contains("booster"), "{unknown}");
    let low = scenario(&["studies.causes.n_bootstrap=1"]).err().expect("refused");
    assert!(low.contains("studies.causes.n_bootstrap is 1, must be 50..=10000"), "{low}");
}

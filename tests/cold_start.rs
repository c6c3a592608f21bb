//! Cold start end to end: items held out whole, arms that say what becomes of them, accuracy by groups of
//! items, and what a run tells of them. The world is invented; nothing here is a finding about a model.

use std::path::Path;
use windtunnel::dataset::split::split;
use windtunnel::experiment::{self, RunOptions, evaluate, fit, prepare};
use windtunnel::metric::tables::MetricsRow;
use windtunnel::progress::Quiet;
use windtunnel::rng::Streams;
use windtunnel::scenario::Scenario;

const WORLD: &str = r#"
[dataset]
source = "synthetic"
n_users = 150
n_items = 120
[split]
kind = "cold_items"
cold = 0.2
[evaluation]
groups = true
cutoffs = [20]
[statistics]
n_bootstrap = 100
"#;

fn parse(arms: &str) -> Result<Scenario, String> {
    Scenario::parse(Path::new("cold.toml"), &format!("{WORLD}{arms}"), &[]).map_err(|error| error.to_string())
}

fn scenario(arms: &str) -> Scenario {
    parse(arms).unwrap_or_else(|complaints| panic!("{complaints}"))
}

/// The mean of a metric in an arm.
fn mean(rows: &[MetricsRow], arm: &str, metric: &str) -> Option<f64> {
    let row = rows.iter().find(|row| row.arm == arm && row.metric == metric);
    row.unwrap_or_else(|| panic!("no {metric} of {arm}")).mean
}

#[test]
fn a_model_that_knows_nothing_of_cold_items_is_refused_until_its_arm_says_what_to_do() {
    let told =
        parse("[arms.popular]\n[arms.random]\n[arms.knn]\nkind = \"item_knn\"\ncold_items = \"refuse\"\n");
    let told = told.err().expect("two arms are refused");
    assert_eq!(told.lines().count(), 2, "all complaints at once, random is fine: {told}");
    for (arm, kind) in [("popular", "popular"), ("knn", "item_knn")] {
        let wanted = format!(
            "arms.{arm}.cold_items is \"refuse\", must be \"exclude\" or \"as_scored\" while split.kind is \
             \"cold_items\": {kind} knows items by who has them"
        );
        assert!(told.contains(&wanted), "{told}");
    }
    let told = parse("[arms.popular]\ncold_items = \"exlude\"\n").err().expect("misspelt");
    assert!(told.contains("arms.popular.cold_items: unknown variant `exlude`, expected one of"), "{told}");
    // The key is of every arm, is no hyper-parameter of its kind, and stands where it was given alone.
    let fine = scenario("[arms.popular]\ncold_items = \"exclude\"\n[arms.random]\n");
    assert_eq!(fine.file.arms["popular"]["cold_items"].as_str(), Some("exclude"));
    assert!(fine.file.arms["random"].get("cold_items").is_none());
    // Where no item is held out whole, nobody has to say anything.
    let warm =
        Scenario::parse(Path::new("w.toml"), "[dataset]\nsource = \"synthetic\"\n[arms.popular]\n", &[]);
    assert!(warm.is_ok());
}

#[test]
fn excluded_items_are_never_ranked_and_a_saved_model_leaves_them_out_too() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let arms = "[arms.random]\n[arms.open]\nkind = \"popular\"\ncold_items = \"as_scored\"\n\
                [arms.shut]\nkind = \"random\"\ncold_items = \"exclude\"\n";
    let out = dir.path().join("tables");
    let tables = evaluate::run(&scenario(arms), &RunOptions::new(&out, dir.path(), &Quiet)).expect("tables");
    let value = |arm: &str, metric: &str| mean(&tables.metrics, arm, metric).expect(metric);
    assert_eq!(value("shut", "recall@20.cold"), 0.0);
    assert_eq!(value("shut", "recall@20.cold_only"), 0.0);
    assert!(value("random", "recall@20.cold") > 0.0, "chance finds some");
    assert!(value("random", "recall@20.cold_only") > value("random", "recall@20.cold"));
    assert!(value("open", "recall@20.head") > value("random", "recall@20.head"));
    // 24 cold items: a list of 20 holds most of what is held out, whatever the order.
    assert!(value("open", "recall@20.cold_only") > 0.5);
    let header = std::fs::read_to_string(out.join("users.csv")).expect("written");
    assert!(header.lines().next().is_some_and(|line| line.ends_with("map@20.cold_only")), "{header}");

    let models = dir.path().join("models");
    let saved =
        fit::fit_and_save(&scenario(arms), &RunOptions::new(&models, dir.path(), &Quiet)).expect("saved");
    assert_eq!(saved.len(), 3);
    let loaded = format!("{arms}model = {:?}\n", models.join("shut").display().to_string());
    let out = dir.path().join("again");
    let again =
        evaluate::run(&scenario(&loaded), &RunOptions::new(&out, dir.path(), &Quiet)).expect("tables");
    assert_eq!(again, tables, "a loaded model ranks as the fitted one did");
}

#[test]
fn a_run_tells_what_cold_items_get() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    let arms = "[arms.random]\n[arms.shut]\nkind = \"random\"\ncold_items = \"exclude\"\n";
    let scenario = scenario(arms);
    let (dataset, cut) = prepare::load(&scenario, dir.path(), &Quiet).expect("data");
    let again = split(&dataset, &scenario.file.split, Streams::new(scenario.file.seed)).expect("a split");
    assert_eq!(cut, again);
    experiment::run(&scenario, &RunOptions::new(&out, dir.path(), &Quiet)).expect("a run");
    let file = std::fs::read(out.join("metrics.csv")).expect("written");
    let rows = windtunnel::metric::tables::read::<MetricsRow>(&file[..]).expect("a table");
    // Nobody has the cold ones in training, so nothing of them is masked: chance shows at least their share.
    let cold = mean(&rows, "random", "cold_share").expect("a share");
    assert!((0.15..0.35).contains(&cold), "{cold}");
    assert_eq!(mean(&rows, "shut", "cold_share"), Some(0.0));
    assert_eq!(mean(&rows, "shut", "p_view.cold"), None, "nothing shown, nothing watched of it");
    let manifest = std::fs::read_to_string(out.join("manifest.json")).expect("written");
    assert!(
        manifest.contains("items that nobody has in training (a share of 0.2 held out whole)"),
        "{manifest}"
    );
    assert!(!out.join("text_bought.csv").exists(), "no arm reads text");
}

//! `scenarios/filter-bubble.toml`, `scenarios/nudges.toml` and the comparison of recommenders at a reduced size: what
//! each says has the sign that its page in `docs/` states.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use windtunnel::experiment::{RunOptions, run};
use windtunnel::progress::Quiet;
use windtunnel::report::card::Card;
use windtunnel::scenario::Scenario;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The numbers of a scenario's run with these overrides; what they are not is told by their path.
struct Numbers(BTreeMap<String, Option<f64>>);

impl Numbers {
    fn of(name: &str, overrides: &[&str]) -> Self {
        let path = root().join("scenarios").join(name);
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let scenario = Scenario::load(&path, &overrides).unwrap_or_else(|error| panic!("{error}"));
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("run");
        run(&scenario, &RunOptions::new(&out, root(), &Quiet)).expect("a run");
        Numbers(Card::read(&out).expect("a card").values().into_iter().collect())
    }

    #[track_caller]
    fn at(&self, path: &str) -> f64 {
        self.0.get(path).copied().flatten().unwrap_or_else(|| panic!("no {path}"))
    }
}

/// The folder of a real data set, or a loud line.
fn real(name: &str) -> Option<PathBuf> {
    let base = std::env::var("WINDTUNNEL_DATA").map_or_else(|_| root().join("../shared/data"), PathBuf::from);
    let path = base.join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there; set WINDTUNNEL_DATA to the folder of real data", path.display());
    None
}

#[test]
fn what_arms_learn_from_their_own_agents_narrows_mf_and_makes_people_alike() {
    let small = ["population.n_agents=300", "arms.lightgcn.epochs=20", "statistics.n_bootstrap=300"];
    let found = Numbers::of("filter-bubble.toml", &small);
    let bubble = |path: &str| found.at(&format!("studies.filter_bubble.{path}"));
    let drift = |path: &str| found.at(&format!("studies.feedback_loop.{path}"));
    // Everybody comes to be shown the same: against random, which learns nothing, and against mf left alone.
    assert!(bubble("mf.homogenisation.against_control.ci_low") > 0.0);
    assert!(bubble("lightgcn.homogenisation.change.ci_low") > 0.0);
    assert!(drift("mf.homogenisation.against_control.ci_low") > 0.0);
    assert!(drift("mf.average_popularity.against_control.ci_low") > 0.0);
    // An arm that is never refitted and may show everything again shows what it showed.
    let unmoved = bubble("frozen.homogenisation.change.ci_low") <= 0.0
        && bubble("frozen.homogenisation.change.ci_high") >= 0.0;
    assert!(unmoved, "frozen drifts");
}

#[test]
fn cues_move_what_they_are_about() {
    let found = Numbers::of("nudges.toml", &["population.n_agents=800", "statistics.n_bootstrap=300"]);
    let nudge = |path: &str| found.at(&format!("studies.nudges.{path}"));
    assert!(nudge("advert.advertised.ci_low") > 0.0, "an advertised item is watched more often");
    assert!(nudge("advert.p_view.ci_low") > 0.0, "adverts add watches");
    assert!(nudge("bare.mean_rating.ci_high") < 0.0, "without the mean beside it, quality counts for less");
}

#[test]
fn on_real_ratings_a_recommender_that_learns_beats_chance() {
    let Some(path) = real("ml-1m") else { return };
    let path = format!("dataset.path={:?}", path.display().to_string());
    let small = [&*path, "population.n_agents=200", "arms.mf.epochs=20", "statistics.n_bootstrap=300"];
    let found = Numbers::of("ml-1m.toml", &small);
    for arm in ["popular", "item_knn", "mf"] {
        assert!(
            found.at(&format!("arms.{arm}.s_sat.ci_low")) > found.at("arms.random.s_sat.ci_high"),
            "{arm}"
        );
    }
}

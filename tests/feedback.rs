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

/// The numbers of a study, by what stands behind its name.
fn of_study<'a>(found: &'a Numbers, study: &'a str) -> impl Fn(&str) -> f64 + 'a {
    move |path| found.at(&format!("studies.{study}.{path}"))
}

#[test]
fn what_arms_learn_from_their_own_agents_makes_people_alike() {
    let small = ["population.n_agents=300", "statistics.n_bootstrap=300"];
    let found = Numbers::of("filter-bubble.toml", &small);
    let (bubble, drift) = (of_study(&found, "filter_bubble"), of_study(&found, "feedback_loop"));
    for arm in ["mf", "lightgcn"] {
        // Against random, which learns nothing, and against mf left as it was.
        assert!(bubble(&format!("{arm}.homogenisation.against_control.ci_low")) > 0.0, "{arm}");
        assert!(bubble(&format!("{arm}.n_genres.against_control.ci_high")) < 0.0, "{arm}");
        assert!(drift(&format!("{arm}.homogenisation.against_control.ci_low")) > 0.0, "{arm}");
        assert!(drift(&format!("{arm}.average_popularity.against_control.ci_low")) > 0.0, "{arm}");
    }
    // An arm that is never refitted and may show everything again shows what it showed, but for luck.
    assert!(bubble("frozen.homogenisation.change").abs() < 0.01, "frozen drifts");
}

/// The published direction (Agent4Rec): items of the top genre up, genres down, intervals and all.
#[test]
#[ignore = "half a minute, and real data"]
fn on_real_ratings_mf_and_lightgcn_narrow() {
    let Some(path) = real("ml-1m") else { return };
    let path = format!("dataset.path={:?}", path.display().to_string());
    let found = Numbers::of("filter-bubble.toml", &["dataset.source=\"movielens\"", &path]);
    let bubble = of_study(&found, "filter_bubble");
    for arm in ["mf", "lightgcn"] {
        assert!(bubble(&format!("{arm}.top1_genre_items.against_control.ci_low")) > 0.0, "{arm}");
        assert!(bubble(&format!("{arm}.n_genres.against_control.ci_high")) < 0.0, "{arm}");
    }
}

#[test]
fn cues_move_what_they_are_about() {
    let found = Numbers::of("nudges.toml", &["population.n_agents=800", "statistics.n_bootstrap=300"]);
    let nudge = of_study(&found, "nudges");
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

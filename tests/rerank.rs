//! `scenarios/rerank.toml` at a reduced size: what each reranker is for is what it buys, and the study of fairness,
//! `study.json` and `windtunnel assert` say so.

use assert_cmd::Command;
use std::path::Path;
use windtunnel::event::read::{DenseIds, for_each_session};
use windtunnel::experiment::{RunOptions, run};
use windtunnel::metric::subjects::read_population;
use windtunnel::progress::Quiet;
use windtunnel::report::card::Card;
use windtunnel::scenario::Scenario;

/// Runs the scenario with these overrides into the folder.
fn simulate(out: &Path, overrides: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/rerank.toml");
    let small = ["population.n_agents=250", "statistics.n_bootstrap=400"];
    let overrides: Vec<String> = small.iter().chain(overrides).map(|text| (*text).to_owned()).collect();
    let scenario = Scenario::load(&path, &overrides).unwrap_or_else(|error| panic!("{error}"));
    run(&scenario, &RunOptions::new(out, Path::new("."), &Quiet)).expect("a run");
}

/// Exit code and what was printed to either.
fn assert(run: &Path, assertions: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("windtunnel").expect("the binary is built");
    let output = command.arg("assert").arg(run).args(assertions).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn each_reranker_buys_what_it_is_for() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    simulate(&out, &[]);
    let values = Card::read(&out).expect("a card").values();
    let value = |path: &str| values.get(path).copied().flatten().unwrap_or_else(|| panic!("no {path}"));
    let fairness = |path: &str| value(&format!("studies.fairness.{path}"));
    // Calibrated by a mix, a list is nearer to that mix than mf's; whole intervals lie on the side that was promised.
    for (arm, quantity) in [("mf-genres", "genre_kl"), ("mf-popularity", "popularity_kl")] {
        assert!(fairness(&format!("{arm}.{quantity}.change.ci_high")) < 0.0, "{arm} {quantity}");
        let change = fairness(&format!("{arm}.{quantity}")) - fairness(&format!("mf.{quantity}"));
        assert!(
            (change - fairness(&format!("{arm}.{quantity}.change"))).abs() < 0.05,
            "{arm}: levels and change"
        );
    }
    for arm in ["mf-mmr", "mf-dpp"] {
        assert!(fairness(&format!("{arm}.intra_list_distance.change.ci_low")) > 0.0, "{arm}");
    }
    // What it tells of a metric is the metric.
    assert!((fairness("mf.genre_kl") - value("arms.mf.calibration_kl")).abs() < 1e-9);
    let told = std::fs::read_to_string(out.join("studies/fairness.json")).expect("told");
    assert!(told.contains("mf-genres instead of mf buys a genre mix nearer to people's own"), "{told}");
    for file in ["studies/fairness-levels.csv", "studies/fairness-bought.csv", "study.json"] {
        assert!(out.join(file).is_file(), "{file}");
    }

    let holds = "arms.mf-genres.calibration_kl.ci_high < arms.mf.calibration_kl.ci_low and n_failures == 0";
    let (code, printed) = assert(&out, &[holds, "compare.mf-mmr.intra_list_distance > 0"]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains(&format!("pass  {holds}  (")) && printed.contains("; 0 == 0)"), "{printed}");
    let (code, printed) = assert(&out, &[holds, "arms.mf.s_sat > 10"]);
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.contains("FAIL  arms.mf.s_sat > 10  (") && printed.contains("1 of 2 assertions do not hold")
    );
    let (code, printed) = assert(&out, &["arms.mf.s_sta > 1", "1 <"]);
    assert_eq!(code, 2, "{printed}");
    assert!(
        printed.contains("did you mean `arms.mf.s_sat`?") && printed.contains("column 4: expected a number")
    );
    let (code, printed) = assert(dir.path(), &["1 < 2"]);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("has no study.json"), "{printed}");
}

/// The items of every page of an arm, agent by agent.
fn pages(out: &Path, arm: &str) -> Vec<Vec<Vec<u32>>> {
    let population = read_population(&out.join("agents.csv")).expect("agents.csv");
    let mut items = csv::Reader::from_path(out.join("items.csv")).expect("items.csv");
    let items: Vec<String> = items.records().map(|row| row.expect("a row")[0].to_owned()).collect();
    let ids = DenseIds::new(
        population.agents.iter().map(|agent| agent.raw_id.as_str()),
        items.iter().map(String::as_str),
    );
    let mut sessions = Vec::new();
    let path = out.join(format!("events/arm={arm}/part-00000.parquet"));
    for_each_session(&path, &ids, |session| {
        let of = |page: &windtunnel::event::Page| page.slots.iter().map(|slot| slot.item.0).collect();
        sessions.push(session.pages.iter().map(of).collect());
    })
    .expect("events");
    sessions
}

#[test]
fn over_an_arm_that_follows_the_session_no_page_begins_anew() {
    // The same arm, once as it is and once asked again on every page: its own list stays the same, since it learns
    // nothing from the session, so that what is chosen from differs by nothing but what was shown.
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (once, each) = (dir.path().join("once"), dir.path().join("each"));
    let only =
        ["behavior.kind=\"random\"", "arms.mf-mmr.n_candidates=1000", "arms.mf-genres.n_candidates=1000"];
    let adapts = ["arms.mf-mmr.adapts=true", "arms.mf-genres.adapts=true"];
    simulate(&once, &only);
    simulate(&each, &[&only[..], &adapts].concat());
    for arm in ["mf-mmr", "mf-genres"] {
        let (once, each) = (pages(&once, arm), pages(&each, arm));
        assert_eq!(once.len(), each.len());
        let n_pages: usize = once.iter().map(Vec::len).sum();
        let of = |sessions: &[Vec<Vec<u32>>]| sessions.iter().flatten().cloned().collect::<Vec<_>>();
        let same = of(&once).iter().zip(of(&each)).filter(|(a, b)| **a == *b).count();
        // Relevance is scaled over what is left to choose from, which loses its best; most pages are the same all the same.
        assert!(same * 2 > n_pages, "{arm}: {same} of {n_pages} pages");
    }
}

//! `scenarios/rerank.toml` at a reduced size: what each reranker is for is what it buys, and the study of fairness,
//! `study.json` and `windtunnel assert` say so.

use assert_cmd::Command;
use std::path::Path;
use windtunnel::event::read::for_each_session;
use windtunnel::experiment::{RunOptions, run};
use windtunnel::metric::subjects::read_population;
use windtunnel::progress::Quiet;
use windtunnel::report::card::Card;
use windtunnel::scenario::Scenario;

/// Runs the scenario at a reduced size into the folder.
fn simulate(out: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/rerank.toml");
    let overrides = ["population.n_agents=250", "statistics.n_bootstrap=400"].map(str::to_owned);
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
    simulate(&out);
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
    let population = read_population(out).expect("agents.csv");
    let mut items = csv::Reader::from_path(out.join("items.csv")).expect("items.csv");
    let items: Vec<String> = items.records().map(|row| row.expect("a row")[0].to_owned()).collect();
    let ids = population.ids(items.iter().map(String::as_str));
    let mut sessions = Vec::new();
    let path = out.join(format!("events/arm={arm}/part-00000.parquet"));
    for_each_session(&path, &ids, |session| {
        let of = |page: &windtunnel::event::Page| page.slots.iter().map(|slot| slot.item.0).collect();
        sessions.push(session.pages.iter().map(of).collect());
    })
    .expect("events");
    sessions
}

/// Two rerankers over an arm that does not follow the session, on a small world whose people do anything.
const SMALL: &str = "[dataset]\nsource = \"synthetic\"\nn_users = 150\nn_items = 120\n\
                     [behavior]\nkind = \"random\"\n[statistics]\nn_bootstrap = 100\n[arms.ease]\n\
                     [arms.mmr]\nwraps = \"ease\"\n[arms.calibrated]\nwraps = \"ease\"\n";

#[test]
fn over_an_arm_that_is_asked_on_every_page_no_page_begins_anew() {
    // Once asked for all pages at once, and once on every page: the list inside stays the same, so that what is
    // chosen differs by nothing but what is known to have been shown.
    let dir = tempfile::tempdir().expect("a temporary folder");
    let run_small = |name: &str, adapts: bool| {
        let overrides = ["mmr", "calibrated"].map(|arm| format!("arms.{arm}.adapts={adapts}"));
        let scenario = Scenario::parse(Path::new("small.toml"), SMALL, &overrides);
        let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
        let out = dir.path().join(name);
        run(&scenario, &RunOptions::new(&out, Path::new("."), &Quiet)).expect("a run");
        out
    };
    let (once, each) = (run_small("once", false), run_small("each", true));
    for arm in ["mmr", "calibrated"] {
        let (once, each) = (pages(&once, arm), pages(&each, arm));
        assert_eq!(once.len(), each.len());
        let later = |sessions: &[Vec<Vec<u32>>]| {
            sessions.iter().flat_map(|pages| pages.iter().skip(1).cloned()).collect::<Vec<_>>()
        };
        let (once, each) = (later(&once), later(&each));
        assert!(once.len() > 100, "{} later pages", once.len());
        let same = once.iter().zip(&each).map(|(a, b)| a.iter().filter(|item| b.contains(item)).count());
        let (same, n) = (same.sum::<usize>(), once.iter().map(Vec::len).sum::<usize>());
        // Relevance is scaled over what is left, which loses its best, so that not all choices are the same.
        assert!(same * 2 > n, "{arm}: {same} of {n} items");
    }
}

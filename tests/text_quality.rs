//! What recommenders that read item text must reach on real data. Ignored by default (real data, release build):
//!
//! ```text
//! cargo test --release --test text_quality -- --ignored --nocapture
//! ```
//!
//! Vectors are those of all-MiniLM-L6-v2 made outside this project, read from a file, so no llama.cpp is needed.

use std::path::{Path, PathBuf};
use windtunnel::experiment::{RunOptions, evaluate};
use windtunnel::metric::analyse::Tables;
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;

fn data() -> PathBuf {
    let root = std::env::var_os("WINDTUNNEL_DATA").map(PathBuf::from);
    root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"))
}

/// Evaluates a scenario of this repository; `None` where some of this data is missing.
fn evaluated(scenario: &str, needs: &[&str], overrides: &[String]) -> Option<Tables> {
    if let Some(missing) = needs.iter().map(|name| data().join(name)).find(|path| !path.exists()) {
        eprintln!("SKIPPED: no {}", missing.display());
        return None;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario);
    let scenario = Scenario::load(&path, overrides).expect("a valid scenario");
    let out = tempfile::tempdir().expect("a temporary folder");
    let out = out.path().join("run");
    let options = RunOptions::new(&out, Path::new("."), &Quiet);
    Some(evaluate::run(&scenario, &options).expect("evaluated"))
}

fn mean(tables: &Tables, arm: &str, metric: &str) -> f64 {
    let row = tables.metrics.iter().find(|row| row.arm == arm && row.metric == metric);
    row.and_then(|row| row.mean).unwrap_or_else(|| panic!("{metric} of {arm}"))
}

fn print(tables: &Tables, metrics: &[&str]) {
    let mut arms: Vec<&str> = tables.metrics.iter().map(|row| row.arm.as_str()).collect();
    arms.dedup();
    for arm in arms {
        let values: Vec<String> =
            metrics.iter().map(|metric| format!("{metric} {:.4}", mean(tables, arm, metric))).collect();
        eprintln!("{arm:22} {}", values.join("  "));
    }
}

fn set(key: &str, path: &Path) -> String {
    format!("{key}=\"{}\"", path.display())
}

/// The vectors of Agent4Rec's items.
fn minilm() -> [String; 2] {
    let at = |ending: &str| data().join(format!("minilm/ref/agent4rec_title_genres_summary.{ending}"));
    [set("encoders.minilm.path", &at("f16.npy")), set("encoders.minilm.ids", &at("texts.jsonl"))]
}

#[test]
#[ignore = "real data, release build"]
fn on_the_split_of_agent4rec_text_reaches_what_was_asked() {
    let mut overrides = minilm().to_vec();
    overrides.push(set("dataset.path", &data().join("agent4rec")));
    let Some(tables) = evaluated("agent4rec-text.toml", &["agent4rec", "minilm"], &overrides) else { return };
    print(&tables, &["recall@20", "ndcg@20", "recall@20.tail", "ndcg@20.tail"]);
    // Bounds: the published LightGCN's on this split, and the gain that alignment has to bring.
    let (recall, ndcg) = (mean(&tables, "alpharec", "recall@20"), mean(&tables, "alpharec", "ndcg@20"));
    assert!(recall >= 0.177 && ndcg >= 0.393, "alpharec: {recall} {ndcg}");
    for metric in ["recall@20", "ndcg@20"] {
        let (con, plain) = (mean(&tables, "rlmrec_con", metric), mean(&tables, "lightgcn", metric));
        eprintln!("rlmrec_con over lightgcn, {metric}: {:+.2} %", 100.0 * (con / plain - 1.0));
    }
    // Every part of alpharec that is taken away costs something.
    let order = ["alpharec_linear_only", "alpharec_mlp_only", "alpharec_no_contrast", "alpharec"];
    assert!(
        order.windows(2).all(|w| mean(&tables, w[0], "ndcg@20") < mean(&tables, w[1], "ndcg@20")),
        "ablation"
    );
}

#[test]
#[ignore = "real data, release build"]
fn items_that_nobody_has_are_ranked_by_their_text() {
    let mut overrides = minilm().to_vec();
    overrides.extend([
        set("dataset.path", &data().join("agent4rec")),
        "split={kind=\"cold_items\"}".to_owned(),
        "arms={random={}, mf={cold_items=\"exclude\"}, alpharec={encoder=\"minilm\"}, two_tower={encoder=\"minilm\"}}"
            .to_owned(),
        "statistics.baseline=random".to_owned(),
    ]);
    let Some(tables) = evaluated("agent4rec-text.toml", &["agent4rec", "minilm"], &overrides) else { return };
    print(&tables, &["ndcg@20", "ndcg@20.cold", "ndcg@20.cold_only", "ndcg@20.tail"]);
    for metric in ["ndcg@20.cold", "ndcg@20.cold_only"] {
        let times = mean(&tables, "alpharec", metric) / mean(&tables, "random", metric);
        eprintln!("alpharec over random, {metric}: {times:.1} times");
    }
    let times = mean(&tables, "alpharec", "ndcg@20.cold_only") / mean(&tables, "random", "ndcg@20.cold_only");
    assert!(times >= 5.0, "alpharec: {times} times random");
    assert_eq!(mean(&tables, "mf", "ndcg@20.cold"), 0.0, "mf never ranks what nobody has");
}

#[test]
#[ignore = "real data, release build"]
fn the_same_scenario_serves_a_shop_when_only_the_dataset_changes() {
    let shop = data().join("amazon-beauty");
    let overrides = [
        format!(
            "dataset={{source=\"sequences\", path=\"{0}/sequences.txt\", items={{path=\"{0}/items.tsv\", \
             delimiter=\"\\t\", title=\"title\", genres=\"categories\"}}}}",
            shop.display()
        ),
        // A build without llama.cpp has no MiniLM; the rest of the scenario stands as it is.
        "encoders.minilm={kind=\"tfidf_svd\"}".to_owned(),
        // A few epochs tell ten times random from random; those of the defaults take more than twelve minutes.
        "arms={random={}, mf={}, lightgcn={epochs=8}, alpharec={encoder=\"minilm\", epochs=8}, \
         rlmrec={encoder=\"minilm\", epochs=8}}"
            .to_owned(),
    ];
    let Some(tables) = evaluated("llm-enhanced.toml", &["amazon-beauty"], &overrides) else { return };
    print(&tables, &["recall@20", "ndcg@20", "recall@20.tail", "ndcg@20.tail"]);
    for arm in ["alpharec", "rlmrec"] {
        let times = mean(&tables, arm, "ndcg@20") / mean(&tables, "random", "ndcg@20");
        assert!(times > 10.0, "{arm}: {times} times random");
    }
}

//! A small run whose metrics are pinned: a change of the world, the agents or the metrics shows here.
//!
//! The expected file was written by this program, not by an oracle: it guards against unintended
//! change only. After an intended one, run with `WINDTUNNEL_BLESS=1` and read the difference.

use std::path::Path;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::metric::tables::{self, MetricsRow};
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;

const SCENARIO: &str = r#"
name = "golden"
[dataset]
source = "synthetic"
n_users = 400
n_items = 300
[arms.random]
[arms.popular]
[arms.item_knn]
[statistics]
n_bootstrap = 100
"#;

/// Elementary functions may round differently on another machine, and flip a rare choice.
const TOLERANCE: f64 = 0.01;

#[test]
fn the_metrics_of_a_small_run_are_as_they_were() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let scenario = Scenario::parse(Path::new("golden.toml"), SCENARIO, &[]).expect("a valid scenario");
    let out = dir.path().join("run");
    let options = RunOptions::new(&out, dir.path(), &Quiet);
    experiment::run(&scenario, &options).expect("a finished run");
    let found = std::fs::read(out.join("metrics.csv")).expect("the metrics");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.csv");
    if std::env::var_os("WINDTUNNEL_BLESS").is_some() {
        std::fs::write(&path, &found).expect("blessed");
    }
    let expected = std::fs::read(&path).expect("tests/golden/metrics.csv; make it with WINDTUNNEL_BLESS=1");
    let rows = |bytes: &[u8]| tables::read::<MetricsRow>(bytes).expect("a metrics table");
    let (found, expected) = (rows(&found), rows(&expected));
    assert_eq!(found.len(), expected.len(), "number of rows");
    for (f, e) in found.iter().zip(&expected) {
        assert_eq!((&f.arm, f.round, &f.metric, &f.unit), (&e.arm, e.round, &e.metric, &e.unit));
        let (found, expected) = (f.mean.unwrap_or(f64::NAN), e.mean.unwrap_or(f64::NAN));
        let same = found.is_nan() && expected.is_nan()
            || (found - expected).abs() <= TOLERANCE * expected.abs().max(0.1);
        assert!(same, "{} of {}: {found}, was {expected}", f.metric, f.arm);
    }
}

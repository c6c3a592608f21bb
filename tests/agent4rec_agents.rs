//! `gpt35-movielens` beside the recorded agents it stands for: fitted to one half of them and held
//! against the other, both ways round, and the shipped set against all of them.
//!
//! cargo test --release --test agent4rec_agents -- --ignored --nocapture

use std::path::{Path, PathBuf};
use windtunnel::agent::halves::{DEAL, Half};
use windtunnel::calibrate::{self, spec::Calibration};
use windtunnel::llm::client::Client;
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;
use windtunnel::validate::{self, ValidateOptions, Validation, terminal};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn data() -> Option<PathBuf> {
    let data =
        std::env::var_os("WINDTUNNEL_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let found = data.join("agent4rec/recorded").is_dir();
    if !found {
        eprintln!("SKIPPED: no recorded sessions of Agent4Rec in {}", data.display());
    }
    found.then_some(data)
}

/// Holds agents with these parameters against recorded sessions, without gates and taste test.
fn validation(data: &Path, parameters: &str, recorded: &str, arm: &str, half: Half) -> Validation {
    let path = root().join("scenarios/agent4rec.toml");
    let folder = data.join("agent4rec");
    let set = [format!("dataset.path={}", folder.display()), format!("behavior.parameters={parameters}")];
    let mut scenario = Scenario::load(&path, &set).expect("a valid scenario");
    let against = folder.join("recorded").join(recorded);
    let options = ValidateOptions {
        against: Some(&against),
        half,
        deal: DEAL,
        n_repetitions: 20,
        arm: Some(arm),
        taste_test: false,
        gates: false,
        base_dir: root(),
        checkpoints: None,
        llm: Client::none(),
        progress: &Quiet,
    };
    let found = validate::run(&mut scenario, &options).expect("a validation");
    eprintln!("{}", terminal::table(&found));
    found
}

fn assert_all_hold(found: &Validation) {
    let failed: Vec<String> =
        found.checks().iter().filter(|c| c.passed() == Some(false)).map(|c| c.name.clone()).collect();
    let (n_passed, _) = found.tally();
    assert!(failed.is_empty() && n_passed >= 18, "{n_passed} hold, these do not: {failed:?}");
}

#[test]
#[ignore = "real data, release build"]
fn fitted_to_one_half_the_agents_do_as_the_other_half_did() {
    let Some(data) = data() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (fitted, other) in [(Half::First, Half::Second), (Half::Second, Half::First)] {
        let path = root().join("agents/calibration/gpt35-movielens.toml");
        let set = [format!("data={}", data.display()), "folds=2".to_owned()];
        let mut calibration = Calibration::load(&path, &set).expect("a valid calibration");
        calibration.file.half = fitted;
        let calibrated = calibrate::run(&calibration, root(), &Quiet).expect("a fit");
        let parameters = dir.path().join(format!("{}.toml", fitted.name()));
        std::fs::write(&parameters, &calibrated.text).expect("written");
        let parameters = parameters.display().to_string();
        assert_all_hold(&validation(&data, &parameters, "sessions_lgn1000_even.jsonl", "lightgcn", other));
    }
}

#[test]
#[ignore = "real data, release build"]
fn the_shipped_agents_do_as_the_recorded_ones_did() {
    let Some(data) = data() else { return };
    let recorded = "sessions_lgn1000_even.jsonl";
    assert_all_hold(&validation(&data, "gpt35-movielens", recorded, "lightgcn", Half::Both));
}

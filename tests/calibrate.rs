//! Calibration finds the numbers again that a world was made with, and says what is wrong with a file.

use assert_cmd::Command;
use std::path::Path;
use toml::{Table, Value};
use windtunnel::agent::behavior::choice::{ChoiceParameters, STEPS};
use windtunnel::agent::halves::{DEAL, Half};
use windtunnel::calibrate::sources;
use windtunnel::calibrate::spec::{Calibration, SourceFile};
use windtunnel::experiment::{self, RunOptions};
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;

/// Shuffled pages, so that slot and relevance can be told apart.
const SCENARIO: &str = r#"
name = "known"
[dataset]
source = "synthetic"
n_users = 900
n_items = 300
[session]
presentation = "shuffled"
[arms.random]
[statistics]
n_bootstrap = 100
"#;

fn calibration(text: &str, dir: &Path) -> Result<Calibration, String> {
    let path = dir.join("calibration.toml");
    std::fs::write(&path, text).expect("written");
    Calibration::load(&path, &[]).map_err(|error| error.to_string())
}

/// Every number of a table with its path.
fn numbers(path: &str, value: &Value, found: &mut Vec<(String, f64)>) {
    match value {
        Value::Float(x) => found.push((path.to_owned(), *x)),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(k, value)| numbers(&format!("{path}[{k}]"), value, found));
        }
        Value::Table(table) => {
            table.iter().for_each(|(key, value)| numbers(&format!("{path}.{key}"), value, found));
        }
        _ => {}
    }
}

fn by_path(table: &Table, key: &str) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    numbers(key, &table[key], &mut found);
    found
}

/// The reasoned set with the low tier at 0, as a fit puts it: only differences between tiers are identified.
fn identified() -> String {
    let reasoned = include_str!("../agents/choice/reasoned.toml");
    let text = reasoned
        .replace("by_activity = [-0.3, 0.0, 0.4]", "by_activity = [0.0, 0.3, 0.7]")
        .replace("by_diversity = [-0.1, 0.0, 0.1]", "by_diversity = [0.0, 0.1, 0.2]")
        .replace("by_slot = [0.0]", "by_slot = [0.0, 0.0, 0.0, 0.0]");
    assert_ne!(text, reasoned);
    text
}

/// The oracle is the parameter file the sessions were simulated with.
#[test]
fn the_parameters_of_a_simulated_world_are_found_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    let truth = dir.path().join("truth.toml");
    std::fs::write(&truth, identified()).expect("written");
    let set = [format!("behavior.parameters={}", truth.display())];
    let scenario = Scenario::parse(Path::new("known.toml"), SCENARIO, &set).expect("a valid scenario");
    let options = RunOptions::new(&out, dir.path(), &Quiet);
    experiment::run(&scenario, &options).expect("a finished run");
    let text = "name = \"found\"\nfolds = 2\n[sources.run]\nkind = \"run\"\npath = \"run\"\narm = \"random\"";
    let calibration = calibration(text, dir.path()).expect("a valid calibration");
    let calibrated = windtunnel::calibrate::run(&calibration, dir.path(), &Quiet).expect("a fit");

    let truth = ChoiceParameters::named("", &truth.display().to_string()).expect("a valid set");
    let (truth, found) =
        (Table::try_from(&truth).expect("TOML"), Table::try_from(&calibrated.parameters).expect("TOML"));
    let errors = found["fit"]["steps"].as_table().expect("steps");
    // The same fit has the same bits at any thread count.
    let text = format!("{text}\nsteps = [\"rating\", \"exit\"]");
    let calibration = self::calibration(&text, dir.path()).expect("a valid calibration");
    let with = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads");
        pool.install(|| windtunnel::calibrate::run(&calibration, dir.path(), &Quiet).expect("a fit").text)
    };
    assert_eq!(with(1), with(2));
    // A record taken twice at half the weight is the record taken once.
    let halved = text.replace("[sources.run]", "[sources.run]\nweight = 0.5");
    let twice =
        format!("{halved}\n{}", halved[halved.find("[sources").unwrap_or(0)..].replace(".run]", ".again]"));
    let twice = self::calibration(&twice, dir.path()).expect("a valid calibration");
    let joint = windtunnel::calibrate::run(&twice, dir.path(), &Quiet).expect("a fit").parameters;
    let single = windtunnel::calibrate::run(&calibration, dir.path(), &Quiet).expect("a fit").parameters;
    for (joint, single) in joint.exit.tiredness.concat().iter().zip(single.exit.tiredness.concat()) {
        assert!((joint - single).abs() < 2e-3, "{joint} {single}");
    }
    assert_ne!(joint.exit, ChoiceParameters::named("", "reasoned").expect("shipped").exit);

    let (mut n, mut far, mut known) = (0, Vec::new(), 0);
    for step in STEPS {
        let fitted = &errors[step];
        assert_eq!(fitted["converged"].as_bool(), Some(true), "{step}");
        let better =
            fitted["held_out_log_likelihood"].as_float() > fitted["held_out_intercept_only"].as_float();
        assert!(better, "{step} is no better than without covariates: {fitted}");
        let standard_errors = by_path(fitted.as_table().expect("a table"), "standard_errors");
        let found = by_path(&found, step);
        for ((path, found), (_, error)) in found.iter().zip(&standard_errors) {
            let same_form = by_path(&truth, step);
            let Some((_, truth)) = same_form.iter().find(|(other, _)| other == path) else { continue };
            // What was fixed, or is told by the prior alone, tells nothing.
            if *error > 0.0 && *error < 0.5 {
                n += 1;
                known += usize::from(truth.abs() > 2.0 * error);
                if (found - truth).abs() > 2.0 * error {
                    far.push(format!("{path} is {found}, was {truth} (standard error {error})"));
                }
            }
        }
    }
    assert!(n > 60 && known > 25, "{n} numbers were determined, {known} of them told from 0");
    // Two standard errors are left by one number in twenty-two.
    assert!(far.len() * 8 < n, "{} of {n} are off: {far:#?}", far.len());
}

/// A transcript gives what the files of sessions with their calls give, person by person; the oracle is
/// somebody else's parser of the same calls. Agent 40 of the LightGCN run is told apart by one film that fits
/// (`tests/replay.rs` says why), which nobody's parser but ours reads.
#[test]
fn a_transcript_gives_what_sessions_and_calls_give() {
    let root = std::env::var_os("WINDTUNNEL_DATA").map(std::path::PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let data = root.join("agent4rec");
    if !data.join("recorded").is_dir() {
        return eprintln!(
            "SKIPPED: {} is not there; set WINDTUNNEL_DATA to the folder of real data",
            data.display()
        );
    }
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/agent4rec.toml");
    let read = |text: &str| {
        let text = format!(
            "scenario = {scenario:?}\nset = [\"dataset.path={}\", \"behavior.parameters=reasoned\", \"population.taste=content\"]\n{}",
            data.display(),
            text.replace("DATA", &data.display().to_string())
        );
        let source: SourceFile = toml::from_str(&text).expect("a source");
        let material =
            sources::read("x", &source, (Half::Both, DEAL), Path::new("."), &Quiet).expect("material");
        (material.extent, material.people.iter().map(|person| format!("{person:?}")).collect::<Vec<String>>())
    };
    for (run, n_people, others) in [("mf100", 100, &[][..]), ("lgn1000_even", 500, &["UserId(40)"][..])] {
        let sessions = read(&format!(
            "kind = \"sessions\"\npath = \"DATA/recorded/sessions_{run}.jsonl\"\n\
             calls = \"DATA/recorded/llm_calls_{run}.jsonl\""
        ));
        let calls =
            read(&format!("kind = \"agent4rec-transcript\"\npath = \"DATA/recorded/llm_calls_{run}.jsonl\""));
        assert_eq!((calls.0, calls.1.len()), (sessions.0, n_people), "{run}");
        let differ = calls.1.iter().zip(&sessions.1).filter(|(ours, theirs)| ours != theirs);
        let differ: Vec<&str> = differ.map(|(ours, _)| ours.as_str()).collect();
        assert_eq!(differ.len(), others.len(), "{run}");
        assert!(differ.iter().zip(others).all(|(person, user)| person.contains(user)), "{run}");
    }
}

#[test]
fn a_calibration_says_everything_that_is_wrong_with_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (text, told) in [
        ("name = \"x\"", "sources is missing"),
        ("name = \"a/b\"\n[sources.a]\nkind = \"run\"", "name is \"a/b\""),
        ("name = \"x\"\n[sources.a]\nkind = \"run\"", "sources.a.path is missing"),
        ("name = \"x\"\n[sources.a]\nkind = \"run\"\npath = \"p\"", "sources.a.arm is missing"),
        ("name = \"x\"\n[sources.a]\nkind = \"ratings\"", "sources.a.scenario is missing"),
        ("name = \"x\"\n[sources.a]\nkind = \"walk\"", "walk"),
        ("name = \"x\"\nprior_sd = -1.0\n[sources.a]\nkind = \"run\"", "prior_sd is -1"),
        ("name = \"x\"\nfolds = 1\n[sources.a]\nkind = \"run\"", "folds is 1, must be 2..=100"),
        ("name = \"x\"\nbase = \"resoned\"\n[sources.a]\nkind = \"run\"", "did you mean `reasoned`"),
        (
            "name = \"x\"\n[sources.a]\nkind = \"run\"\npath = \"p\"\narm = \"a\"\nsteps = [\"watsh\"]",
            "did you mean `watch`",
        ),
        ("nmae = \"x\"", "nmae"),
    ] {
        let error = calibration(text, dir.path()).expect_err(told);
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn a_parameter_file_is_not_overwritten_unasked() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(
        dir.path().join("c.toml"),
        "name = \"x\"\n[sources.a]\nkind = \"run\"\npath = \"p\"\narm = \"a\"",
    )
    .expect("written");
    std::fs::write(dir.path().join("x.toml"), "precious").expect("written");
    let run = |arguments: &[&str]| {
        let output = Command::cargo_bin("windtunnel")
            .expect("the program")
            .current_dir(dir.path())
            .args(arguments)
            .output()
            .expect("started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = run(&["calibrate", "c.toml", "--out", "x.toml"]);
    assert!(code == Some(2) && told.contains("x.toml exists"), "{told}");
    let (code, told) = run(&["calibrate", "c.toml", "--out", "x.toml", "--force"]);
    assert!(code == Some(2) && told.contains("p/scenario.toml"), "{told}");
    assert_eq!(std::fs::read_to_string(dir.path().join("x.toml")).expect("kept"), "precious");
}

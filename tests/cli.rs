//! The command line as a user meets it: outputs, exit codes, and what it says to broken input.

use assert_cmd::Command;
use std::path::Path;

fn windtunnel() -> Command {
    Command::cargo_bin("windtunnel").expect("the binary is built")
}

/// Runs with these arguments in `dir`; gives exit code, stdout, stderr.
fn call(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = windtunnel().current_dir(dir).args(arguments).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A minimal good scenario on a tiny world, to be broken.
const GOOD: &str =
    "[dataset]\nsource = \"synthetic\"\nn_users = 60\nn_items = 50\n[arms.popular]\n[arms.random]\n";

/// (what is broken, lines put before the good scenario, overrides, what the one-line error must contain)
const BROKEN_SCENARIOS: &[(&str, &str, &[&str], &str)] = &[
    ("not TOML", "seed = = 3\n", &[], "s.toml:1:8: "),
    ("an unclosed table", "[dataset\n", &[], "s.toml:1:"),
    ("a repeated key", "seed = 1\nseed = 2\n", &[], "s.toml:2:1: duplicate key"),
    ("a misspelt key", "sede = 3\n", &[], "s.toml: unknown key `sede`, did you mean `seed`?"),
    ("a misspelt section", "", &["sesion.max_pages=3"], "unknown key `sesion`, did you mean `session`?"),
    ("a key far from any", "", &["banana=3"], "unknown key `banana`; expected one of: arms, behavior"),
    ("a version from the future", "version = 2\n", &[], "version is 2, must be 1"),
    ("a negative seed", "seed = -1\n", &[], "seed: invalid value: integer `-1`, expected u64"),
    ("a seed in words", "seed = \"one\"\n", &[], "seed: invalid type: string \"one\", expected u64"),
    ("a name that is a number", "name = 7\n", &[], "name: invalid type: integer `7`, expected a string"),
    ("no rounds", "rounds = 0\n", &[], "rounds is 0, must be 1..=1000"),
    (
        "rounds in fractions",
        "rounds = 1.5\n",
        &[],
        "rounds: invalid type: floating point `1.5`, expected u32",
    ),
    ("a section that is a value", "session = 3\n", &[], "session: expected a table [session], found integer"),
    (
        "no items on a page",
        "",
        &["session.items_per_page=0"],
        "session.items_per_page is 0, must be 1..=1000",
    ),
    (
        "a page too long",
        "",
        &["session.items_per_page=1001"],
        "session.items_per_page is 1001, must be 1..=1000",
    ),
    ("no pages", "", &["session.max_pages=0"], "session.max_pages is 0, must be 1..=1000"),
    ("negative pages", "", &["session.max_pages=-2"], "session.max_pages: invalid value: integer `-2`"),
    (
        "a misspelt session key",
        "",
        &["session.items_per_pag=4"],
        "`session.items_per_pag`, did you mean `items_per_page`?",
    ),
    (
        "an unknown presentation",
        "",
        &["session.presentation=upside_down"],
        "session.presentation: unknown variant `upside_down`, expected `ranked` or `shuffled`",
    ),
    (
        "training items not excluded",
        "",
        &["session.exclude=[\"test\"]"],
        "session.exclude is [test], must be a list with \"train\" in it",
    ),
    (
        "an unknown split part",
        "",
        &["session.exclude=[\"trian\"]"],
        "session.exclude: unknown variant `trian`",
    ),
    (
        "unknown candidates",
        "",
        &["session.candidates=some"],
        "session.candidates: unknown variant `some`, expected `all` or `observed`",
    ),
    (
        "candidates with a truth that nobody knows",
        "",
        &["session.candidates=observed"],
        "session.candidates is \"observed\", but the dataset synthetic has no observed truth; use \"all\"",
    ),
    (
        "a taste that nobody observed",
        "",
        &["population.taste=observed"],
        "taste is \"observed\", but the dataset synthetic has no observed truth; use \"latent\"",
    ),
    (
        "a memory of nothing",
        "",
        &["session.memory_entries=0"],
        "session.memory_entries is 0, must be 1..=10000",
    ),
    (
        "an unknown memory switch",
        "",
        &["session.memory=maybe"],
        "session.memory: unknown variant `maybe`, expected `on` or `off`",
    ),
    (
        "too many agents",
        "",
        &["population.n_agents=200000000"],
        "population.n_agents is 200000000, must be 0..=100000000",
    ),
    ("a wild jitter", "", &["population.jitter=7"], "population.jitter is 7, must be 0..=2"),
    ("a jitter that is no number", "", &["population.jitter=nan"], "population.jitter is NaN, must be 0..=2"),
    (
        "held-out taste from train",
        "",
        &["population.taste=held_out", "population.taste_evidence=train"],
        "population.taste_evidence is \"train\", must be \"all\" when taste is \"held_out\"",
    ),
    ("an unknown taste", "", &["population.taste=sweet"], "population.taste: unknown variant `sweet`"),
    ("an empty cohort", "", &["world.cohort_size=0"], "world.cohort_size is 0, must be 1..=16777216"),
    (
        "an unknown reaction to errors",
        "",
        &["world.on_error=panic"],
        "world.on_error: unknown variant `panic`",
    ),
    (
        "an unknown source",
        "",
        &["dataset.source=movielenz"],
        "dataset.source is \"movielenz\", which is not known, did you mean `movielens`?",
    ),
    (
        "a source that is a number",
        "",
        &["dataset.source=3"],
        "dataset.source: expected a string, found integer",
    ),
    ("a parameter of another source", "", &["dataset.delimiter=\";\""], "unknown key `dataset.delimiter`"),
    ("a world without people", "", &["dataset.n_users=0"], "dataset.n_users is 0, must be"),
    ("a split that leaves nothing", "", &["split.test=1.5"], "split.test is 1.5, must be"),
    ("an unknown split", "", &["split.kind=half"], "split.kind: unknown variant `half`"),
    ("a published split that is not there", "", &["split.kind=published"], "published"),
    (
        "an unknown behaviour",
        "",
        &["behavior.kind=choise"],
        "behavior.kind is \"choise\", which is not known, did you mean `choice`?",
    ),
    (
        "unknown parameters",
        "",
        &["behavior.parameters=resoned"],
        "behavior.parameters is \"resoned\", which is not known, did you mean `reasoned`?",
    ),
    (
        "a parameter file that is not there",
        "",
        &["behavior.parameters=gone.toml"],
        "behavior.parameters is \"gone.toml\", must be a readable file",
    ),
    (
        "a coin with three sides",
        "",
        &["behavior.kind=random", "behavior.p_watch=1.5"],
        "behavior.p_watch is 1.5, must be 0..=1",
    ),
    (
        "an unknown recommender",
        "",
        &["arms.x.kind=lightgnc"],
        "arms.x.kind is \"lightgnc\", which is not known",
    ),
    (
        "an arm without a kind",
        "",
        &["arms.mine.seed=1"],
        "arms.mine.kind is missing: kind = \"…\" names what this is",
    ),
    ("an arm that is a value", "", &["arms.mf=3"], "arms.mf: expected a table with a kind, found integer"),
    ("an arm that is no folder name", "", &["arms.a/b.kind=mf"], "arms is \"a/b\", must be 1 to 64 letters"),
    (
        "a misspelt hyper-parameter",
        "",
        &["arms.mf.embeding_size=8"],
        "unknown key `arms.mf.embeding_size`, did you mean `embedding_size`?",
    ),
    ("a model without factors", "", &["arms.mf.embedding_size=0"], "arms.mf.embedding_size is 0, must be"),
    (
        "a negative learning rate",
        "",
        &["arms.mf.learning_rate=-0.1"],
        "arms.mf.learning_rate is -0.1, must be",
    ),
    (
        "epochs in words",
        "",
        &["arms.mf.epochs=\"many\""],
        "arms.mf.epochs: invalid type: string \"many\", expected u32",
    ),
    (
        "a model folder that is a number",
        "",
        &["arms.mf.model=3"],
        "arms.mf.model: expected the folder of a fitted model, found integer",
    ),
    (
        "too few replicates",
        "",
        &["statistics.n_bootstrap=1"],
        "statistics.n_bootstrap is 1, must be 100..=100000",
    ),
    (
        "too much confidence",
        "",
        &["statistics.confidence=1.0"],
        "statistics.confidence is 1, must be above 0.5 and below 1",
    ),
    ("an unknown test", "", &["statistics.test=coin"], "statistics.test: unknown variant `coin`"),
    (
        "a baseline that is no arm",
        "",
        &["statistics.baseline=populer"],
        "statistics.baseline is \"populer\", which is not known, did you mean `popular`?",
    ),
    ("a reference to nothing", "", &["name=${dataset.pth}"], "there is no key dataset.pth"),
    ("a cutoff of nothing", "", &["evaluation.cutoffs=[0]"], "evaluation.cutoffs is 0, must be 1..=10000"),
    (
        "stored candidates that are nowhere",
        "",
        &["evaluation.candidates=stored"],
        "evaluation.candidates_path is missing",
    ),
    (
        "a fitted model in a feedback loop",
        "",
        &["rounds=2", "arms.popular.model=m"],
        "rounds is 2, must be 1 while arms.popular has a model",
    ),
    (
        "a cutoff twice",
        "",
        &["evaluation.cutoffs=[5, 5]"],
        "evaluation.cutoffs is 5 twice, must be all different",
    ),
    ("an override without a value", "", &["seed"], "--set seed: expected dotted.key=value"),
    (
        "an override through a value",
        "seed = 1\n",
        &["seed.deep=1"],
        "--set seed.deep=1: seed is a value, not a table",
    ),
];

#[test]
fn every_broken_scenario_is_answered_in_one_line_with_exit_code_2() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut wrong = Vec::new();
    for (what, prefix, overrides, expected) in BROKEN_SCENARIOS {
        std::fs::write(dir.path().join("s.toml"), format!("{prefix}{GOOD}")).expect("written");
        let mut arguments = vec!["run", "s.toml", "--out", "out"];
        overrides.iter().for_each(|o| arguments.extend(["--set", o]));
        let (code, stdout, stderr) = call(dir.path(), &arguments);
        let one_line = stderr.lines().count() == 1 && stderr.starts_with("error: ");
        if code != 2 || !one_line || !stderr.contains(expected) || !stdout.is_empty() {
            wrong.push(format!("{what}: exit {code}, expected {expected:?}, got {stderr:?}"));
        }
        assert!(!dir.path().join("out/events").exists(), "{what}: a broken scenario must write nothing");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn several_complaints_come_at_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(
        dir.path().join("s.toml"),
        format!("sede = 1\nrounds = 0\n{GOOD}[session]\nmax_pages = 0\n"),
    )
    .expect("written");
    let (code, _, stderr) = call(dir.path(), &["run", "s.toml"]);
    assert_eq!((code, stderr.lines().count()), (2, 3), "{stderr}");
}

#[test]
fn missing_files_are_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (code, _, stderr) = call(dir.path(), &["run", "gone.toml"]);
    assert_eq!(code, 2);
    assert!(stderr.starts_with("error: cannot read scenario gone.toml: "), "{stderr}");
    let (code, _, stderr) = call(dir.path(), &["report", "gone"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("gone is not a finished run"), "{stderr}");
}

#[test]
fn bad_usage_is_exit_code_2() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for arguments in [&["rum"][..], &["run"], &["list", "films"], &["--threads", "0", "schema"]] {
        assert_eq!(call(dir.path(), arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn a_run_writes_every_output_and_report_rebuilds_its_share() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), GOOD).expect("written");
    let (code, stdout, stderr) = call(dir.path(), &["run", "s.toml", "--out", "out"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("report: out/report.html"), "{stdout}");
    let out = dir.path().join("out");
    for name in [
        "manifest.json",
        "scenario.toml",
        "events/arm=popular/part-00000.parquet",
        "events/arm=random/part-00000.parquet",
        "sessions.csv",
        "metrics.csv",
        "comparisons.csv",
        "items.csv",
        "agents.csv",
        "report.html",
    ] {
        assert!(out.join(name).is_file(), "{name} is missing");
    }
    let plots = std::fs::read_dir(out.join("plots")).expect("plots").count();
    assert!(plots >= 8, "{plots} plots");
    let page = std::fs::read(out.join("report.html")).expect("the page");
    std::fs::remove_file(out.join("report.html")).expect("removed");
    std::fs::remove_dir_all(out.join("plots")).expect("removed");
    let (code, again, stderr) = call(dir.path(), &["report", "out"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(again, stdout);
    assert!(std::fs::read(out.join("report.html")).expect("the page") == page, "the page differs");
    assert_eq!(std::fs::read_dir(out.join("plots")).expect("plots").count(), plots);
}

#[test]
fn the_resolved_scenario_runs_to_the_same_events() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), GOOD).expect("written");
    assert_eq!(call(dir.path(), &["run", "s.toml", "--out", "a", "--set", "seed=7"]).0, 0);
    let (code, _, stderr) = call(dir.path(), &["run", "a/scenario.toml", "--out", "b"]);
    assert_eq!(code, 0, "{stderr}");
    for name in ["scenario.toml", "events/arm=popular/part-00000.parquet", "metrics.csv"] {
        let read = |run: &str| std::fs::read(dir.path().join(run).join(name)).expect("an output");
        assert!(read("a") == read("b"), "{name} differs");
    }
}

#[test]
fn a_finished_run_is_not_overwritten_unless_forced() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), GOOD).expect("written");
    assert_eq!(call(dir.path(), &["run", "s.toml", "--out", "out"]).0, 0);
    std::fs::write(dir.path().join("out/notes.txt"), "mine").expect("written");
    let (code, _, stderr) = call(dir.path(), &["run", "s.toml", "--out", "out"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("out already holds a run or a model"), "{stderr}");
    assert_eq!(call(dir.path(), &["run", "s.toml", "--out", "out", "--force"]).0, 0);
    assert!(dir.path().join("out/notes.txt").is_file(), "--force removes only what a run writes");
    let bad = ["run", "s.toml", "--out", "out", "--force", "--set", "arms.random.model=gone"];
    assert_eq!(call(dir.path(), &bad).0, 2);
    assert!(dir.path().join("out/report.html").is_file(), "bad input must not cost an earlier run");
    std::fs::create_dir(dir.path().join("mine")).expect("a folder");
    std::fs::write(dir.path().join("mine/items.csv"), "not a run's").expect("written");
    let (code, _, stderr) = call(dir.path(), &["run", "s.toml", "--out", "mine", "--force"]);
    assert!(code == 2 && stderr.contains("is not a run folder"), "{code}: {stderr}");
    assert!(dir.path().join("mine/items.csv").is_file(), "--force must not touch what no run wrote");
}

#[test]
fn lists_schema_and_completions_name_everything() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (_, recommenders, _) = call(dir.path(), &["list", "recommenders"]);
    for kind in windtunnel::recommender::ALL {
        assert!(recommenders.contains(kind.name()), "{}", kind.name());
    }
    for (what, name) in
        [("behaviors", "choice"), ("datasets", "movielens"), ("encoders", "http"), ("metrics", "sessions")]
    {
        let (code, stdout, _) = call(dir.path(), &["list", what]);
        assert!(code == 0 && stdout.contains(name), "{what}: {stdout}");
    }
    let (_, schema, _) = call(dir.path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    assert!(
        schema["properties"]["arms"]["additionalProperties"]["oneOf"]
            .as_array()
            .is_some_and(|a| !a.is_empty())
    );
    let (code, script, _) = call(dir.path(), &["completions", "bash"]);
    assert!(code == 0 && script.contains("windtunnel"));
}

#[test]
fn vectors_that_encode_writes_are_read_by_the_encoder_file() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = "[encoders.made]\nkind = \"file\"\npath = \"a.npy\"\n";
    std::fs::write(dir.path().join("s.toml"), format!("{GOOD}{file}")).expect("written");
    let encode = |more: &[&str]| call(dir.path(), &[&["encode", "s.toml", "--out"], more].concat());
    let (code, stdout, stderr) = encode(&["a.npy"]);
    assert!(code == 0 && stdout.starts_with("50 items, "), "{code}: {stdout}{stderr}");
    assert!(stdout.ends_with("a.npy\na.ids.jsonl\n"), "{stdout}");
    let (code, stdout, stderr) = encode(&["b.npy", "--encoder", "made"]);
    assert!(code == 0 && stdout.starts_with("50 items, "), "{code}: {stdout}{stderr}");
    let bytes = |name: &str| std::fs::read(dir.path().join(name)).expect("read");
    assert_eq!(bytes("a.ids.jsonl"), bytes("b.ids.jsonl"));
    // Vectors of length 1 may turn by a rounding when they are scaled to length 1 again.
    let numbers = |name: &str| -> Vec<f32> {
        bytes(name)[128..].as_chunks::<4>().0.iter().map(|&x| f32::from_le_bytes(x)).collect()
    };
    let (a, b) = (numbers("a.npy"), numbers("b.npy"));
    assert!(a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-6));
    for (more, expected) in [
        (&["a.npy"][..], "a.npy is there already; --force replaces it"),
        (&["a.txt"], "--out is a.txt, must end in .npy"),
        (
            &["c.npy", "--encoder", "maid"],
            "--encoder is \"maid\", which is not known; expected one of: made, default",
        ),
    ] {
        let (code, _, stderr) = encode(more);
        assert!(code == 2 && stderr.contains(expected), "{code}: {stderr}");
    }
    assert_eq!(encode(&["a.npy", "--force"]).0, 0);
    std::fs::write(dir.path().join("a.ids.jsonl"), "{\"id\": 0}\n").expect("written");
    let (code, _, stderr) = encode(&["c.npy", "--encoder", "made"]);
    assert!(code == 1 && stderr.contains("a.ids.jsonl: has 1 ids, must have 50"), "{code}: {stderr}");
}

#[test]
fn a_fitted_model_is_loaded_by_run_and_evaluate_and_refused_on_other_data() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), format!("{GOOD}[arms.item_knn]\n")).expect("written");
    let (code, stdout, stderr) = call(dir.path(), &["fit", "s.toml"]);
    assert_eq!((code, stdout.lines().count()), (0, 3), "{stderr}");
    let model = ["--set", "arms.item_knn.model=models/item_knn"];
    assert_eq!(call(dir.path(), &["run", "s.toml", "--out", "a"]).0, 0);
    assert_eq!(call(dir.path(), &[&["run", "s.toml", "--out", "b"], &model[..]].concat()).0, 0);
    assert_eq!(call(dir.path(), &["evaluate", "s.toml", "--out", "c"]).0, 0);
    assert_eq!(call(dir.path(), &[&["evaluate", "s.toml", "--out", "d"], &model[..]].concat()).0, 0);
    let read = |name: &str| std::fs::read(dir.path().join(name)).expect("an output");
    let events = "events/arm=item_knn/part-00000.parquet";
    assert!(read(&format!("a/{events}")) == read(&format!("b/{events}")), "a loaded model ranks differently");
    for name in ["metrics.csv", "comparisons.csv", "users.csv"] {
        assert!(read(&format!("c/{name}")) == read(&format!("d/{name}")), "{name} differs");
    }
    let other = [&["run", "s.toml", "--out", "e", "--set", "dataset.n_items=51"], &model[..]].concat();
    let (code, _, stderr) = call(dir.path(), &other);
    assert!(code == 2 && stderr.contains("fitted_on.json: fitted on dataset"), "{code}: {stderr}");
    let other = [&["evaluate", "s.toml", "--out", "e", "--set", "seed=43"], &model[..]].concat();
    let (code, _, stderr) = call(dir.path(), &other);
    assert!(code == 2 && stderr.contains("fitted on"), "a model that saw the test set: {code}: {stderr}");
    let (code, _, stderr) = call(dir.path(), &["fit", "s.toml"]);
    assert!(code == 2 && stderr.contains("already holds"), "{code}: {stderr}");
}

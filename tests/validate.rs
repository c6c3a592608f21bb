//! Whether a validation tells good agents from bad ones: gates that hold in a sane world and fail in
//! worlds broken on purpose, a simulation that is its own best reference, and the command.

use assert_cmd::Command;
use std::path::Path;
use std::sync::Arc;
use windtunnel::agent::behavior::{
    Answer, Behavior, BehaviorError, BehaviorPlan, Decision, Interview, Reaction, Reflection, Setting, Visit,
};
use windtunnel::agent::halves::{DEAL, Half};
use windtunnel::llm::client::Client;
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;
use windtunnel::validate::check::Check;
use windtunnel::validate::{self, ValidateOptions, Validation};

/// A small world with an arm that learns.
const WORLD: &str = r#"
name = "small"
[dataset]
source = "synthetic"
n_users = 500
n_items = 400
[arms.random]
[arms.popular]
[arms.item_knn]
[validation]
n_gate_agents = 500
n_aa_runs = 40
aa_low = 0.0
aa_high = 0.15
"#;

fn scenario(overrides: &[&str]) -> Scenario {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    Scenario::parse(Path::new("test.toml"), WORLD, &overrides).expect("a valid scenario")
}

fn options<'a>(base_dir: &'a Path, against: Option<&'a Path>) -> ValidateOptions<'a> {
    ValidateOptions {
        against,
        half: Half::Both,
        deal: DEAL,
        n_repetitions: 4,
        arm: None,
        taste_test: false,
        gates: against.is_none(),
        base_dir,
        checkpoints: None,
        llm: Client::none(),
        progress: &Quiet,
    }
}

fn gates(mut scenario: Scenario) -> Validation {
    validate::run(&mut scenario, &options(Path::new("."), None)).expect("a validation")
}

fn named<'a>(checks: &'a [Check], start: &str) -> Vec<&'a Check> {
    let found: Vec<&Check> = checks.iter().filter(|check| check.name.starts_with(start)).collect();
    assert!(!found.is_empty(), "no check {start}");
    found
}

fn failed(checks: &[Check]) -> Vec<String> {
    checks
        .iter()
        .filter(|check| check.passed() == Some(false))
        .map(|check| format!("{}: {:?}", check.name, check.found))
        .collect()
}

#[test]
fn every_gate_holds_in_a_sane_world() {
    let found = gates(scenario(&[]));
    let checks = found.checks();
    assert!(failed(&checks).is_empty(), "{:#?}", failed(&checks));
    for name in ["order: oracle >", "a/a: s_sat", "relevance", "diversity", "position: steps", "memory"] {
        assert!(named(&checks, name).iter().all(|check| check.passed() == Some(true)), "{name}");
    }
    let names: Vec<&str> = found.gates.order.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["oracle", "item_knn", "popular", "random", "anti-oracle"]);
}

#[test]
fn agents_that_flip_coins_fail_the_gates_of_taste_and_of_memory() {
    let checks = gates(scenario(&["behavior.kind=random"])).checks();
    for name in ["order: oracle >", "order: random > anti-oracle", "diversity", "memory"] {
        assert!(named(&checks, name).iter().all(|check| check.passed() == Some(false)), "{name}");
    }
    // Coins have no preference for a place, and an arm does not differ from itself.
    assert_eq!(named(&checks, "a/a: common luck")[0].passed(), Some(true));
    assert_eq!(
        named(&checks, "relevance")[0].passed(),
        Some(true),
        "{:?}",
        named(&checks, "relevance")[0].found
    );
}

/// Agents that say the opposite of what they feel, or that look from the bottom up.
struct Twisted {
    inner: Box<dyn BehaviorPlan>,
    contrary: bool,
    upside_down: bool,
}

struct TwistedAtWork {
    inner: Arc<dyn Behavior>,
    contrary: bool,
    upside_down: bool,
}

impl BehaviorPlan for Twisted {
    fn statement(&self) -> String {
        "twisted".to_owned()
    }

    fn begin(&self, setting: &Setting<'_>) -> Result<Arc<dyn Behavior>, BehaviorError> {
        let inner = self.inner.begin(setting)?;
        Ok(Arc::new(TwistedAtWork { inner, contrary: self.contrary, upside_down: self.upside_down }))
    }
}

impl Behavior for TwistedAtWork {
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reaction>> {
        if !self.upside_down {
            return self.inner.react(visits);
        }
        let reversed: Vec<Vec<_>> = visits.iter().map(|v| v.items.iter().rev().copied().collect()).collect();
        let turned: Vec<Visit<'_>> =
            visits.iter().zip(&reversed).map(|(visit, items)| Visit { items, ..*visit }).collect();
        let mut reactions = self.inner.react(&turned);
        for reaction in &mut reactions {
            if let Answer::Now(Ok(reaction)) = reaction {
                reaction.slots.reverse();
            }
        }
        reactions
    }

    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reflection>> {
        self.inner.reflect(visits)
    }

    fn decide(&self, visits: &[Visit<'_>]) -> Vec<Answer<Decision>> {
        self.inner.decide(visits)
    }

    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Answer<Interview>> {
        let twist = |interview: Interview| {
            let satisfaction =
                if self.contrary { 11 - interview.satisfaction } else { interview.satisfaction };
            Interview { satisfaction, ..interview }
        };
        let answers = self.inner.interview(visits).into_iter();
        let twisted = answers.map(|answer| match answer {
            Answer::Now(step) => Answer::Now(step.map(twist)),
            later => later,
        });
        twisted.collect()
    }

    fn reflection_threshold(&self) -> f32 {
        self.inner.reflection_threshold()
    }
}

#[test]
fn contrary_agents_fail_order_and_relevance() {
    let mut world = scenario(&[]);
    world.behavior = Box::new(Twisted { inner: world.behavior, contrary: true, upside_down: false });
    let checks = gates(world).checks();
    for name in ["order:", "relevance"] {
        assert!(named(&checks, name).iter().all(|check| check.passed() == Some(false)), "{name}");
    }
    assert_eq!(named(&checks, "position: slope")[0].passed(), Some(true));
}

#[test]
fn agents_that_look_from_the_bottom_up_fail_position() {
    let mut world = scenario(&[]);
    world.behavior = Box::new(Twisted { inner: world.behavior, contrary: false, upside_down: true });
    let checks = gates(world).checks();
    assert_eq!(named(&checks, "position: relevance")[0].passed(), Some(true));
    assert_eq!(named(&checks, "position: slope")[0].passed(), Some(false));
}

fn windtunnel(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("windtunnel")
        .expect("the binary is built")
        .current_dir(dir)
        .args(arguments)
        .output();
    let output = output.expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A run of the small world is what the same agents do with other luck: every check must hold
/// but those that its few people leave to chance, and coin flips must be told from it.
#[test]
fn a_simulation_is_a_faithful_copy_of_itself_and_coins_are_not() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), WORLD).expect("written");
    let (code, _, stderr) =
        windtunnel(dir.path(), &["run", "s.toml", "--out", "run", "--set", "statistics.n_bootstrap=200"]);
    assert_eq!(code, 0, "{stderr}");
    let run = dir.path().join("run");
    let against = |overrides: &[&str]| {
        let mut world = scenario(overrides);
        validate::run(&mut world, &options(dir.path(), Some(&run))).expect("a validation")
    };
    let copy = against(&["statistics.n_bootstrap=200"]);
    let comparison = copy.subject.comparison.as_ref().expect("a comparison");
    assert_eq!((comparison.n_people, comparison.n_repetitions, comparison.pages_alike), (500, 4, 1.0));
    let checks = copy.checks();
    let auc = named(&checks, "auc");
    assert!(auc.iter().all(|check| check.found.is_some_and(|e| (e.value - 0.5).abs() < 0.06)), "{auc:?}");
    for check in &checks {
        let (Some(found), Some(bound)) = (check.found, check.bound) else { continue };
        let chance = check.floor.luck.unwrap_or(0.0).max(check.floor.halves.unwrap_or(0.0));
        let is_tier = check.group == windtunnel::validate::check::Group::Tier;
        let holds = check.passed() == Some(true) || found.low <= 3.0 * chance || is_tier && found.low <= 0.0;
        assert!(holds, "{}: {found:?}, {bound:?}", check.name);
    }
    let checks = against(&["statistics.n_bootstrap=200", "behavior.kind=random"]).checks();
    let auc = named(&checks, "auc");
    assert!(auc.iter().all(|check| check.found.is_some_and(|e| e.value > 0.8)), "{auc:?}");
    for name in ["rating_tvd", "satisfaction_tvd", "s_sat"] {
        assert_eq!(named(&checks, name)[0].passed(), Some(false), "{name}");
    }
}

/// Five sessions recorded on the small world, as somebody else would write them.
fn recorded(n: usize) -> String {
    (0..n)
        .map(|k| {
            format!(
                r#"{{"agent": {}, "pages": [{{"page": 1, "shown": [{}, 7, 8, 9], "aligned": [0, 1], "watched": [0], "rating": [4], "next": "EXIT"}}], "exit_page": 1, "satisfaction": {}}}{}"#,
                k + 1,
                20 + k,
                3 + k % 5,
                "\n"
            )
        })
        .collect()
}

#[test]
fn the_command_writes_its_report_and_its_exit_code_tells() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let world =
        WORLD.replace("n_users = 500", "n_users = 90").replace("n_gate_agents = 500", "n_gate_agents = 90");
    std::fs::write(dir.path().join("s.toml"), &world).expect("written");
    std::fs::create_dir(dir.path().join("theirs")).expect("made");
    std::fs::write(dir.path().join("theirs/sessions_a.jsonl"), recorded(60)).expect("written");
    let small = ["--set", "statistics.n_bootstrap=100", "--skip-gates", "--replicates", "3"];
    let call =
        |arguments: &[&str]| windtunnel(dir.path(), &[&["validate", "s.toml"], arguments, &small].concat());
    let (code, stdout, stderr) = call(&["--against", "theirs", "--out", "v"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains(" failed\nreport: v/validation.html"), "{stdout}");
    let table = std::fs::read_to_string(dir.path().join("v/validation.csv")).expect("a table");
    for name in [
        "aggregate,n_exit,",
        "distribution,rating_tvd,",
        "tier,n_exit activity 1,",
        "discriminator,auc logistic,",
    ] {
        assert!(table.contains(name), "{name}: {table}");
    }
    let page = std::fs::read_to_string(dir.path().join("v/validation.html")).expect("a page");
    assert!(page.contains("Content-Security-Policy") && !page.contains("<script"));
    assert!(dir.path().join("v/scenario.toml").is_file());
    // The same again: refused without --force, the same bytes with it, whatever the threads.
    let (code, _, stderr) = call(&["--against", "theirs", "--out", "v"]);
    assert!(code == 2 && stderr.contains("already holds"), "{code}: {stderr}");
    let (code, _, stderr) = call(&["--against", "theirs", "--out", "v", "--force", "--threads", "1"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(table, std::fs::read_to_string(dir.path().join("v/validation.csv")).expect("a table"));
    let (code, _, stderr) = call(&["--against", "theirs", "--out", "v", "--force", "--gate"]);
    assert!(code == 1 && stderr.contains("checks failed"), "{code}: {stderr}");
    let (code, stdout, _) = call(&["--against", "theirs/sessions_a.jsonl", "--half", "second", "--out", "h"]);
    assert!(code == 0 && stdout.contains("(second half of its people): 30 people"), "{stdout}");
}

#[test]
fn what_is_no_reference_is_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), WORLD).expect("written");
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(dir.path())).expect("made");
        std::fs::write(path, text).expect("written");
    };
    put("empty/readme.txt", "nothing here");
    put("void/sessions_a.jsonl", "\n");
    put("stranger/sessions_a.jsonl", &recorded(1).replace("\"agent\": 1", "\"agent\": \"nobody\""));
    put("wide/sessions_a.jsonl", &recorded(1).replace("7, 8, 9", "7, 8, 9, 10, 11"));
    put("spoilt/sessions_a.jsonl", "{");
    put("run/manifest.json", "{}");
    for (path, told) in [
        ("nowhere", "nowhere"),
        ("empty", "empty: no sessions_*.jsonl, no llm_calls_*.jsonl and no manifest.json"),
        ("void", "void: no session"),
        ("stranger", "row 1: agent is \"nobody\", expected a user of the dataset"),
        ("wide", "wide: a page of 6 items, session.items_per_page is 4"),
        ("spoilt", "spoilt/sessions_a.jsonl, row 1: "),
        ("run", "run"),
    ] {
        let (code, _, stderr) = windtunnel(dir.path(), &["validate", "s.toml", "--against", path]);
        assert!(
            code == 2 && stderr.lines().count() == 1 && stderr.contains(told),
            "{path}: {code}: {stderr}"
        );
    }
    for (arguments, told) in [
        (
            &["--against", "void", "--arm", "mf"][..],
            "arm is \"mf\", expected one of: random, popular, item_knn",
        ),
        (&["--half", "first"], "--against"),
        (&["--set", "validation.auc=2"], "validation.auc is 2, must be 0..=1"),
        (&["--set", "validation.exit_tv=1"], "unknown key `validation.exit_tv`, did you mean `exit_tvd`"),
    ] {
        let (code, _, stderr) = windtunnel(dir.path(), &[&["validate", "s.toml"], arguments].concat());
        assert!(code == 2 && stderr.contains(told), "{arguments:?}: {code}: {stderr}");
    }
}

/// The published run, read as a reference: its LightGCN vectors fill the pages that were recorded, and
/// what the recorded half of its agents did is what the sessions of the reference say.
#[test]
fn the_recorded_half_of_the_published_run_is_read_as_it_was() {
    let root = std::env::var_os("WINDTUNNEL_DATA").map(std::path::PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let data = root.join("agent4rec");
    if !data.join("recorded").is_dir() {
        eprintln!("SKIPPED: {} is not there; set WINDTUNNEL_DATA to the folder of real data", data.display());
        return;
    }
    let text = r#"
[dataset]
source = "agent4rec"
path = "PATH"
[split]
kind = "published"
[population]
taste = "content"
[session]
exclude = ["train", "test"]
[arms.mf]
kind = "embeddings"
users = "${dataset.path}/weights/MF.embed_user.weight.npy"
items = "${dataset.path}/weights/MF.embed_item.weight.npy"
[arms.lightgcn]
kind = "embeddings"
users = "${dataset.path}/weights/LightGCN.embed_user.weight.npy"
items = "${dataset.path}/weights/LightGCN.embed_item.weight.npy"
propagate_layers = 2
[statistics]
n_bootstrap = 200
"#;
    let text = text.replace("PATH", &data.display().to_string());
    let mut world = Scenario::parse(Path::new("test.toml"), &text, &[]).expect("a valid scenario");
    // The sessions, and the calls of the language model from which our own parser makes them.
    let calls = tempfile::tempdir().expect("a temporary folder");
    for run in ["lgn1000_even", "mf100"] {
        let name = format!("llm_calls_{run}.jsonl");
        std::fs::copy(data.join("recorded").join(&name), calls.path().join(&name)).expect("copied");
    }
    let mut found = Vec::new();
    for (recorded, left_out) in
        [(data.join("recorded").as_path(), "sessions_mf100"), (calls.path(), "llm_calls_mf100")]
    {
        found.push(reference_of_the_published_run(&mut world, recorded, left_out));
    }
    assert_eq!(found[0], found[1]);
}

/// Checks the reference that a folder holds, and gives what is told of it.
fn reference_of_the_published_run(world: &mut Scenario, recorded: &Path, left_out: &str) -> Vec<Option<f64>> {
    let found = validate::run(world, &options(Path::new("."), Some(recorded))).expect("a validation");
    let comparison = found.subject.comparison.as_ref().expect("a comparison");
    // Two files tell of the same people; the arm and the file that belong together were found.
    assert_eq!(
        (comparison.arm.as_str(), comparison.n_people, comparison.pages_alike),
        ("lightgcn", 500, 1.0)
    );
    assert!(comparison.notes.iter().any(|note| note.starts_with(&format!("{left_out}.jsonl is left out"))));
    let checks = found.checks();
    let reference = |name: &str| named(&checks, name)[0].reference.map(|e| e.value);
    // Counted in the recorded sessions themselves: 3,316 watched of 6,572 shown in 1,643 pages.
    assert_eq!(reference("p_view"), Some(3316.0 / 6572.0));
    assert_eq!(reference("n_exit"), Some(1643.0 / 500.0));
    let exits = &found.realism.distributions[0].reference;
    assert!((exits.iter().sum::<f64>() - 1.0).abs() < 1e-12 && exits.len() == 5);
    checks.iter().map(|check| check.reference.map(|reference| reference.value)).collect()
}

//! The studies of position bias, popularity bias and cold start on their shipped scenarios, at reduced size: what was
//! found has the stated sign, and where the truth is known it is met. The worlds are invented: nothing here is a finding
//! about a model.

use std::path::Path;
use windtunnel::dataset::split::split;
use windtunnel::experiment::{self, RunOptions, prepare};
use windtunnel::id::{ItemId, UserId};
use windtunnel::metric::groups::{Group, Groups};
use windtunnel::metric::subjects::read_population;
use windtunnel::metric::tables::{self, MetricsRow};
use windtunnel::progress::Quiet;
use windtunnel::rng::Streams;
use windtunnel::scenario::Scenario;
use windtunnel::study::{Cell, Finding, Told};

/// A shipped scenario with these keys set.
fn shipped(name: &str, set: &[&str]) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    let set: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
    Scenario::load(&path, &set).unwrap_or_else(|complaints| panic!("{complaints}"))
}

fn from_text(text: &str) -> Scenario {
    Scenario::parse(Path::new("t.toml"), text, &[]).unwrap_or_else(|complaints| panic!("{complaints}"))
}

/// Runs it into `out` and reads what a study told.
fn told(scenario: &Scenario, out: &Path, study: &str) -> Told {
    let base = out.parent().expect("a folder above");
    experiment::run(scenario, &RunOptions::new(out, base, &Quiet)).expect("a run");
    let json = std::fs::read(out.join(format!("studies/{study}.json"))).expect("written");
    serde_json::from_slice(&json).expect("a study")
}

#[track_caller]
fn finding<'a>(told: &'a Told, id: &str) -> &'a Finding {
    let ids = || told.findings.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>();
    told.findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("no {id} in {:?}", ids()))
}

#[track_caller]
fn value(told: &Told, id: &str) -> f64 {
    finding(told, id).value.unwrap_or_else(|| panic!("{id} is undefined"))
}

#[track_caller]
fn is_above(told: &Told, id: &str, bound: f64) {
    let finding = finding(told, id);
    assert!(finding.ci_low.is_some_and(|low| low > bound), "{finding:?}");
}

#[track_caller]
fn is_below(told: &Told, id: &str, bound: f64) {
    let finding = finding(told, id);
    assert!(finding.ci_high.is_some_and(|high| high < bound), "{finding:?}");
}

/// A number of a table, in the row that starts with these texts.
#[track_caller]
fn cell(told: &Told, table: &str, row: &[&str], column: &str) -> f64 {
    let table = told.tables.iter().find(|found| found.name == table).expect("a table");
    let at = table.columns.iter().position(|found| found.name == column).expect("a column");
    let is_row = |cells: &&Vec<Cell>| row.iter().zip(*cells).all(|(text, cell)| *cell == Cell::from(*text));
    match table.rows.iter().find(is_row).map(|cells| &cells[at]) {
        Some(Cell::Number(value)) => *value,
        other => panic!("{row:?}: {other:?}"),
    }
}

/// The examination probabilities of `agents/choice/position-based.toml`, over that of the first slot.
const TRUTH: [f64; 4] = [1.0, 0.80 / 0.95, 0.60 / 0.95, 0.40 / 0.95];

#[test]
fn known_propensities_are_recovered_from_shuffled_pages() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let set = ["dataset.n_users=4000", "population.n_agents=4000", "statistics.n_bootstrap=200"];
    let told = told(&shipped("position-bias.toml", &set), &dir.path().join("run"), "position_bias");
    for (slot, truth) in TRUTH.iter().enumerate().skip(1) {
        let estimate = value(&told, &format!("slot{slot}.propensity"));
        assert!((estimate - truth).abs() <= 0.02, "slot {slot}: {estimate}, truly {truth}");
        assert!((value(&told, &format!("slot{slot}.error")) - (estimate - truth)).abs() < 1e-12);
        let based = value(&told, &format!("slot{slot}.position_based"));
        assert!((based - truth).abs() <= 0.03, "slot {slot}: {based} in the model, truly {truth}");
        for arm in ["random", "popular", "item_knn"] {
            let arms = told.tables.iter().find(|table| table.name == "arms").expect("a table");
            let is_row =
                |row: &&Vec<Cell>| row[0] == Cell::from(arm) && row[1] == Cell::from(slot.to_string());
            let row = arms.rows.iter().find(is_row).expect("a row");
            let Cell::Number(ratio) = row[4] else { panic!("{row:?}") };
            assert!((ratio - truth).abs() <= 0.05, "{arm}, slot {slot}: {ratio}, truly {truth}");
        }
    }
    assert!(told.warnings.is_empty(), "{:?}", told.warnings);
    assert!(told.answer.starts_with("On pages in random order"), "{}", told.answer);
    // The world is a position-based one, so that model wins.
    is_above(&told, "position_based.over.dependent_click", 0.0);
    is_above(&told, "position_based.over.position_blind", 0.0);
    assert!(cell(&told, "models", &["cascade"], "impossible_pages") > 0.1, "many watch several of a page");
}

#[test]
fn on_ranked_pages_it_warns_that_slot_and_relevance_are_confounded() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Long pages, so that what stands below fits clearly less.
    let scenario = from_text(
        "[dataset]\nsource = \"synthetic\"\nn_users = 3000\nn_items = 1200\n\
         [session]\nitems_per_page = 20\nmax_pages = 1\n\
         [behavior]\nkind = \"choice\"\nparameters = \"position-based\"\n\
         [arms.item_knn]\n[arms.ease]\n[statistics]\nn_bootstrap = 200\n[studies.position_bias]\n",
    );
    let told = told(&scenario, &dir.path().join("run"), "position_bias");
    assert!(
        told.warnings.iter().any(|w| w.starts_with("Slot and relevance are confounded")),
        "{:?}",
        told.warnings
    );
    assert!(told.answer.starts_with("This run cannot tell: pages are ranked"), "{}", told.answer);
    assert!(
        told.findings.iter().all(|finding| !finding.id.contains("propensity")),
        "no estimate of examination"
    );
    // The naive ratio is what it would be called, and it is wrong: it takes the fall of relevance for examination.
    is_below(&told, "slot19.naive", TRUTH[3]);
    assert!(value(&told, "slot1.harvested") > 0.7);
}

#[test]
fn popularity_lift_is_told_by_group_of_people() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    let set = ["dataset.n_users=800", "dataset.n_items=800", "statistics.n_bootstrap=200"];
    let scenario = shipped("popularity-bias.toml", &set);
    let told = told(&scenario, &out, "popularity_bias");
    is_above(&told, "popular.popularity_lift.all", 0.0);
    is_below(&told, "random.popularity_lift.all", 0.0);
    is_above(&told, "item_knn.popularity_lift.all.against_baseline", 0.0);
    is_above(&told, "popular.exposure_gini.all.against_baseline", 0.0);
    is_below(&told, "popular.tail_share.all.against_baseline", 0.0);
    // One list for everybody lifts those most whose profiles are least popular.
    is_above(&told, "popular.popularity_lift.niche_less_blockbuster", 0.0);
    assert!(told.answer.contains("popular shows more popular items"), "{}", told.answer);

    // What is told of everybody is the metric of the same name.
    let file = std::fs::read(out.join("metrics.csv")).expect("written");
    let rows = tables::read::<MetricsRow>(&file[..]).expect("a table");
    for (metric, unit) in [("popularity_lift", "mf"), ("exposure_gini", "ease"), ("tail_share", "random")] {
        let row = rows.iter().find(|row| row.arm == unit && row.metric == metric).expect("a row");
        let found = value(&told, &format!("{unit}.{metric}.all"));
        assert!((found - row.mean.expect("a value")).abs() < 1e-12, "{metric} of {unit}");
    }
    // Groups are 20 %, 60 %, 20 % of people, in the order of the head's share.
    let of = |group: &str, column: &str| cell(&told, "people", &[group], column);
    assert_eq!(["niche", "diverse", "blockbuster"].map(|group| of(group, "people")), [160.0, 480.0, 160.0]);
    assert!(of("niche", "head_share") < of("diverse", "head_share"));
    assert!(of("diverse", "head_share") < of("blockbuster", "head_share"));
    head_shares_are_those_of_the_training_set(&scenario, &out);
}

/// `head_share` of `people.csv`, computed once more from the data.
fn head_shares_are_those_of_the_training_set(scenario: &Scenario, out: &Path) {
    let (dataset, _) = prepare::load(scenario, out, &Quiet).expect("data");
    let cut = split(&dataset, &scenario.file.split, Streams::new(scenario.file.seed)).expect("a split");
    let groups = Groups::new(&cut.train.item_counts());
    let population = read_population(out).expect("agents");
    assert_eq!(population.len(), 800);
    for person in population.people() {
        let user = (0..800).find(|&user| dataset.users.raw(user) == person.raw_id).expect("a person");
        let items = cut.train.items_of(UserId(user));
        let n_head = items.iter().filter(|&&item| groups.of(ItemId(item)) == Group::Head).count();
        assert!((f64::from(person.head_share()) - n_head as f64 / items.len() as f64).abs() < 1e-6);
    }
}

#[test]
fn strangers_get_less_and_what_learns_in_the_session_catches_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let set = ["dataset.n_users=1500", "dataset.n_items=1000", "statistics.n_bootstrap=200"];
    let told = told(&shipped("cold-users.toml", &set), &dir.path().join("run"), "cold_start");
    for arm in ["item_knn", "als", "mf"] {
        is_below(&told, &format!("{arm}.p_view.new_people.less_known"), 0.0);
    }
    let gain = |arm: &str, group: &str| value(&told, &format!("{arm}.p_view.{group}.later.against_twin"));
    assert!(gain("item_knn_learns", "new_people") > 0.0, "{}", told.answer);
    assert!(
        gain("item_knn_learns", "new_people") > gain("item_knn_learns", "known_people"),
        "{}",
        told.answer
    );
    // The first page is before anything could be learnt.
    for group in ["new_people.page1", "known_people.page1"] {
        let first = |arm: &str| cell(&told, "groups", &[arm, "p_view", group], "value");
        assert_eq!(first("item_knn"), first("item_knn_learns"));
    }
    let n_new = cell(&told, "groups", &["popular", "p_view", "new_people.page1"], "n");
    assert_eq!(n_new, 300.0, "a fifth of the people");
    assert!(told.findings.iter().all(|finding| !finding.id.contains("items")), "no items are held out");
}

#[test]
fn new_items_are_shown_by_what_reads_their_text_alone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let set = ["dataset.n_users=1200", "dataset.n_items=800", "statistics.n_bootstrap=200"];
    let told = told(&shipped("cold-items.toml", &set), &dir.path().join("run"), "cold_start");
    assert_eq!(value(&told, "item_knn.exposure.new_items"), 0.0);
    is_above(&told, "two_tower.exposure.new_items", 0.0);
    is_above(&told, "two_tower.p_view.new_items.against_baseline", 0.0);
    assert!(told.answer.contains("item_knn: new items are never shown"), "{}", told.answer);
    assert!(told.findings.iter().all(|finding| !finding.id.contains("people")), "no people are held out");
}

#[test]
fn what_cannot_be_answered_is_said() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let world = "[dataset]\nsource = \"synthetic\"\nn_users = 60\nn_items = 40\nmean_interactions = 20.0\n\
                 [arms.popular]\n[statistics]\nn_bootstrap = 100\n";
    let run = |text: String| {
        let out = dir.path().join("run");
        let error = experiment::run(&from_text(&text), &RunOptions::new(&out, dir.path(), &Quiet)).err();
        let mut told = String::new();
        let mut cause: Option<&dyn std::error::Error> =
            error.as_ref().map(|error| error as &dyn std::error::Error);
        while let Some(error) = cause {
            told.push_str(&error.to_string());
            cause = error.source();
        }
        told
    };
    let error = run(format!("{world}[session]\nitems_per_page = 1\n[studies.position_bias]\n"));
    assert!(error.contains("position_bias cannot answer from this run"), "{error}");
    let check = |studies: &str| {
        let checked = Scenario::parse(Path::new("t.toml"), &format!("{world}{studies}"), &[]);
        checked.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let error = check("[studies.cold_start]\ntwins = { popular = \"populer\" }\n");
    assert!(error.contains("populer") && error.contains("did you mean `popular`"), "{error}");
    let error = check("[studies.position_bias]\nprior_strength = 0.0\n");
    assert!(
        error.contains("studies.position_bias.prior_strength is 0, must be above 0 and at most 1000"),
        "{error}"
    );
}

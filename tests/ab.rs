//! A/B verdicts from the command line: the study, the plan, the comparison of two runs; and that nothing is found
//! between an arm and itself.

use assert_cmd::Command;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use statrs::distribution::{Binomial, DiscreteCDF};
use std::path::{Path, PathBuf};
use windtunnel::experiment::readback::ReadRun;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::id::AgentId;
use windtunnel::metric::Sample;
use windtunnel::progress::Quiet;
use windtunnel::rng::{ChaCha8Rng, Purpose, Streams};
use windtunnel::scenario::Scenario;
use windtunnel::stats::cuped::{self, Slopes};
use windtunnel::stats::sequential::{self, DifferenceMonitor, Monitoring, N_MIN_MEAN};
use windtunnel::stats::{paired, unpaired};
use windtunnel::study::verdict::covariates::{self, Covariates};
use windtunnel::study::{Finding, Told};

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/ab.toml");

/// The scenario at a size that takes a second.
const SMALL: [&str; 6] =
    ["--set", "dataset.n_users=600", "--set", "dataset.n_items=400", "--set", "statistics.n_bootstrap=400"];

fn windtunnel(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("windtunnel").expect("the binary");
    command.arg("--quiet").args(arguments);
    command
}

fn run_small(out: &Path, overrides: &[&str]) {
    let mut command = windtunnel(&["run", SCENARIO, "--out", out.to_str().expect("a plain path")]);
    command.args(SMALL);
    for set in overrides {
        command.args(["--set", set]);
    }
    command.assert().success();
}

fn found<'a>(told: &'a Told, id: &str) -> &'a Finding {
    told.findings.iter().find(|found| found.id == id).unwrap_or_else(|| panic!("no finding {id}"))
}

/// `scenarios/ab.toml` at reduced size: its finding has the sign that it has at full size, and pairing and covariates
/// save what they should.
#[test]
fn the_scenario_finds_what_it_is_there_for() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    run_small(&out, &["population.n_agents=400"]);
    let json = std::fs::read_to_string(out.join("studies/verdict.json")).expect("what the study told");
    let told: Told = serde_json::from_str(&json).expect("what a study tells");
    let difference = found(&told, "mf.p_like.difference");
    assert!(difference.value.is_some_and(|value| value > 0.0) && difference.excludes(0.0), "{difference:?}");
    // Arms share people and luck: that is worth more than half of the variance.
    let pairing = found(&told, "mf.s_sat.variance_reduction.pairing").value.expect("a share");
    let cuped = found(&told, "mf.p_like.variance_reduction.cuped").value.expect("a share");
    eprintln!("pairing takes {pairing:.3} of the variance, covariates {cuped:.3}");
    assert!(pairing > 0.5 && pairing < 1.0, "{pairing}");
    assert!(cuped > 0.0 && cuped < pairing, "{cuped}");
    assert!(told.answer.starts_with("Satisfaction: mf is"), "{}", told.answer);
    for table in ["pairs", "designs", "stopping", "tiers"] {
        assert!(out.join(format!("studies/verdict-{table}.csv")).is_file(), "{table}");
    }
    let report = std::fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(report.contains("could have stopped") || report.contains("would not have stopped"));
}

/// A plan holds: a run with as many agents as it says finds about the difference it was made for.
#[test]
fn a_plan_is_kept_by_the_run_it_plans() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut command =
        windtunnel(&["plan", SCENARIO, "--mde", "0.02", "--metric", "p_like", "--pilot", "300"]);
    let assert = command.args(SMALL).assert().success();
    let text = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let of_mf: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("mf (")).collect();
    // `paired   0.1   187   140 to 240`; thousands are set apart by thin spaces.
    let needed = |design: &str| -> u64 {
        let line = of_mf.iter().find(|line| line.starts_with(design)).unwrap_or_else(|| panic!("{text}"));
        let cells: Vec<&str> = line.split("  ").filter(|cell| !cell.is_empty()).collect();
        cells[2].chars().filter(char::is_ascii_digit).collect::<String>().parse().expect("a count")
    };
    let (paired, adjusted, apart) =
        (needed("paired"), needed("different people, adj"), needed("different people  "));
    assert!(paired < adjusted && adjusted < apart, "{text}");
    let out = dir.path().join("run");
    run_small(&out, &[&format!("population.n_agents={paired}")]);
    let rows = std::fs::read_to_string(out.join("comparisons.csv")).expect("comparisons");
    let row = rows.lines().find(|row| row.starts_with("item_knn,mf,0,p_like,")).expect("a row");
    let mde: f64 = row.rsplit(',').next().and_then(|cell| cell.parse().ok()).expect("an mde");
    // The standard deviation of 300 differences is known to about 4 %, with heavier tails somewhat less.
    assert!((0.016..0.024).contains(&mde), "{mde}: {text}");
}

#[test]
fn what_cannot_be_planned_is_refused() {
    for (arguments, expected) in [
        (["--mde", "0", "--metric", "p_view"], "--mde is 0, must be above 0"),
        (["--mde", "0.1", "--power", "0.01"], "--power is 0.01, must be above 0.05 and below 1"),
    ] {
        let mut command = windtunnel(&["plan", SCENARIO]);
        let assert = command.args(arguments).args(SMALL).assert().code(2);
        let told = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(told.contains(expected), "{told}");
    }
    let mut command = windtunnel(&["plan", SCENARIO, "--mde", "1", "--metric", "p_veiw", "--pilot", "50"]);
    let assert = command.args(SMALL).assert().code(2);
    let told = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(told.contains("metric is \"p_veiw\"") && told.contains("p_view"), "{told}");
}

/// Runs of one experiment are compared, paired where they share their luck; others are refused, every reason at once.
#[test]
fn runs_are_compared_or_refused_with_every_reason() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name);
    let common = ["population.n_agents=250", "dataset.seed=5", "arms.mf.epochs=5"];
    let with = |more: &[&'static str]| [&common[..], more].concat();
    run_small(&path("a"), &with(&[]));
    run_small(&path("same"), &with(&["arms.mf.embedding_size=8"]));
    run_small(&path("luck"), &with(&["seed=43"]));
    run_small(
        &path("other"),
        &with(&["dataset.seed=6", "session.max_pages=3", "split.test=0.3", "behavior.kind=random"]),
    );
    let compare = |a: &str, b: &str, more: &[&str]| -> Command {
        let (a, b): (PathBuf, PathBuf) = (path(a), path(b));
        let mut command = windtunnel(&["compare"]);
        command.args([&a, &b]).args(more);
        command
    };
    let stdout = |command: &mut Command| {
        String::from_utf8_lossy(&command.assert().success().get_output().stdout).into_owned()
    };
    let out = path("out");
    let told = stdout(&mut compare("a", "same", &["--out", out.to_str().expect("a plain path")]));
    assert!(
        told.contains("Both runs have seed 42") && told.contains("A:mf") && told.contains("B:mf"),
        "{told}"
    );
    // Arms that were left as they were met the same people with the same luck: no difference at all.
    let csv = std::fs::read_to_string(out.join("comparison.csv")).expect("the table");
    let row = csv.lines().find(|row| row.starts_with("A:ease,B:ease,s_sat,paired,")).expect("a row");
    assert!(row.contains(",0,0,0,1,"), "{row}");
    assert!(out.join("comparison.json").is_file());
    // Other luck: as if people were different.
    let told = stdout(&mut compare("a", "luck", &["--baseline", "A:item_knn", "--arm", "B:mf"]));
    assert!(told.contains("The seeds differ (42 and 43)") && !told.contains("  paired "), "{told}");
    assert!(told.contains("A:item_knn") && told.contains("B:mf") && told.contains("cuped"), "{told}");
    // Another experiment.
    let assert = compare("a", "other", &[]).assert().code(2);
    let told = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    for reason in
        ["the dataset (its hash)", "session.max_pages is 5 in A and 3 in B", "split.test", "behavior.kind"]
    {
        assert!(told.contains(reason), "{reason}: {told}");
    }
    // Another arm.
    let assert = compare("a", "same", &["--arm", "B:mff"]).assert().code(2);
    let told = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(told.contains("B:mff is not an arm of that run; expected one of: item_knn, mf, ease"), "{told}");
}

/// The random recommender against itself, with other luck: whatever is found is false.
#[test]
fn nothing_is_found_between_an_arm_and_itself() {
    nothing_to_find(20, 9);
}

#[test]
#[ignore = "the same with 300 pairs of runs: minutes"]
fn nothing_is_found_between_an_arm_and_itself_at_length() {
    nothing_to_find(300, 4);
}

const ALPHA: f64 = 0.05;

const AGAINST_ITSELF: &str = r#"
name = "against-itself"
[dataset]
source = "synthetic"
n_users = 240
n_items = 200
mean_interactions = 30.0
seed = 1
[arms.random]
[statistics]
n_bootstrap = 100
"#;

const PROCEDURES: [&str; 6] = [
    "paired t",
    "Welch, different people",
    "adjusted, different people",
    "adjusted, a slope an arm",
    "mixture test of pairs, stopped at any look",
    "mixture test of two means, stopped at any look",
];

/// Each pair of runs is one trial as it is, and `n_deals` more with labels dealt: for pairs, who of a person's two
/// sessions counts as the arm's; else, whose session in which run counts.
fn nothing_to_find(n_pairs: u64, n_deals: u64) {
    let trials: Vec<Vec<[bool; 6]>> = (0..n_pairs)
        .into_par_iter()
        .map(|nth| {
            let (left, covariates) = sessions(2 * nth);
            let (right, _) = sessions(2 * nth + 1);
            let deal = |deal: u64| {
                let luck = &mut Streams::new(nth).stream(Purpose::Sequential, 1, deal, 0);
                one_trial(&left, &right, &covariates, deal > 0, luck)
            };
            (0..=n_deals).map(deal).collect()
        })
        .collect();
    let trials: Vec<[bool; 6]> = trials.into_iter().flatten().collect();
    let most = Binomial::new(ALPHA, trials.len() as u64).expect("a distribution").inverse_cdf(0.999);
    for (nth, procedure) in PROCEDURES.into_iter().enumerate() {
        let n_found = trials.iter().filter(|found| found[nth]).count() as u64;
        let share = 100.0 * n_found as f64 / trials.len() as f64;
        eprintln!("{procedure}: {n_found} of {} ({share:.2} %), at most {most}", trials.len());
        assert!(n_found <= most, "{procedure}: {n_found} of {}", trials.len());
    }
}

/// What everybody contributes to the share watched in a run with this seed, and the covariates.
fn sessions(seed: u64) -> (Sample, Covariates) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let overrides = [format!("seed={}", 1000 + seed)];
    let scenario =
        Scenario::parse(Path::new("test.toml"), AGAINST_ITSELF, &overrides).expect("a valid scenario");
    let out = dir.path().join("run");
    experiment::run(&scenario, &RunOptions::new(&out, dir.path(), &Quiet)).expect("a finished run");
    let run = ReadRun::read(&out).expect("a run folder");
    let names: Vec<String> = covariates::names().map(str::to_owned).collect();
    let covariates = Covariates::of(run.population(), &names);
    let measured = run.measure("random").expect("events").rounds[&0].clone();
    let p_view = measured.into_iter().find(|measured| measured.name == "p_view").expect("p_view");
    (p_view.sample.expect("a value an agent"), covariates)
}

/// The sample of these people.
fn only(sample: &Sample, people: &[AgentId]) -> Sample {
    let mut of_people = Sample::default();
    let mut people = people.to_vec();
    people.sort();
    for person in people {
        if let Ok(at) = sample.agents.binary_search(&person) {
            of_people.push_ratio(person, sample.numerators[at], sample.denominator(at));
        }
    }
    of_people
}

fn one_trial(
    left: &Sample,
    right: &Sample,
    covariates: &Covariates,
    is_dealt: bool,
    luck: &mut ChaCha8Rng,
) -> [bool; 6] {
    let (both_left, both_right) = left.paired(right);
    let pseudo = both_left.pseudo_values().into_iter().zip(both_right.pseudo_values());
    let mut differences: Vec<f64> = pseudo.map(|(left, right)| right - left).collect();
    if is_dealt {
        differences.iter_mut().filter(|_| luck.random::<bool>()).for_each(|difference| *difference *= -1.0);
    }
    differences.shuffle(luck);
    let mut people = both_left.agents.clone();
    people.shuffle(luck);
    let (of_left, of_right) = people.split_at(people.len() / 2);
    let (left, right) = (only(left, of_left), only(right, of_right));
    let (columns_left, columns_right) = (covariates.columns(&left.agents), covariates.columns(&right.agents));
    let (outcomes_left, outcomes_right) = (left.pseudo_values(), right.pseudo_values());
    let adjusted = |slopes| {
        let left = cuped::Arm { outcomes: &outcomes_left, covariates: &columns_left };
        let right = cuped::Arm { outcomes: &outcomes_right, covariates: &columns_right };
        let found = cuped::unpaired(left, right, slopes).expect("enough people");
        assert!(!found.used.is_empty(), "covariates that tell people apart");
        found.estimate.p_value().is_some_and(|p| p <= ALPHA)
    };
    let n = differences.len() as u64;
    let looks = sequential::of_mean(&differences, Monitoring::planned(n / 2, 1, ALPHA, N_MIN_MEAN));
    let mut monitor = DifferenceMonitor::new(Monitoring::planned(n / 4, 2, ALPHA, N_MIN_MEAN));
    let stops = outcomes_left.iter().zip(&outcomes_right).any(|(&left, &right)| {
        monitor.push_left(left);
        monitor.push_right(right);
        monitor.look().excludes_zero()
    });
    [
        paired::paired_t(&differences).is_some_and(|p| p <= ALPHA),
        unpaired::welch(&outcomes_left, &outcomes_right).is_some_and(|p| p <= ALPHA),
        adjusted(Slopes::Common),
        adjusted(Slopes::PerArm),
        looks.iter().any(|look| look.excludes_zero()),
        stops,
    ]
}

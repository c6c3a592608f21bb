//! Real headline tests (Upworthy Research Archive; Matias et al. 2021): the p-values are statsmodels', and where labels
//! are dealt at random, so that there is nothing to find, no procedure finds more than it may.
//!
//! "May" is α of the trials, and what chance adds to it once in a thousand times (binomial).

use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use statrs::distribution::{Binomial, DiscreteCDF};
use std::path::Path;
use windtunnel::rng::{ChaCha8Rng, Purpose, Streams};
use windtunnel::stats::cuped::{self, Slopes};
use windtunnel::stats::params::StatsParams;
use windtunnel::stats::proportions::{Counts, z_test};
use windtunnel::stats::sequential::{self, DifferenceMonitor, Monitoring, ProportionsMonitor};
use windtunnel::stats::unpaired::{self, Clustered};
use windtunnel::stats::{multiple, paired};

const ALPHA: f64 = 0.05;

/// The arms of every headline test, in the order of the file; `None`, and a loud line, where it is missing.
fn headline_tests() -> Option<Vec<Vec<Counts>>> {
    let base = std::env::var("WINDTUNNEL_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").to_owned());
    let path = Path::new(&base).join("upworthy-ab/tests.csv");
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there; set WINDTUNNEL_DATA to the folder of real data", path.display());
        return None;
    }
    let mut reader = csv::Reader::from_path(path).expect("a table");
    let mut tests: Vec<(String, Vec<Counts>)> = Vec::new();
    for row in reader.deserialize() {
        let (id, _, trials, successes): (String, u32, u64, u64) =
            row.expect("test_id, arm, impressions, clicks");
        match tests.last_mut() {
            Some((last, arms)) if *last == id => arms.push(Counts { successes, trials }),
            _ => tests.push((id, vec![Counts { successes, trials }])),
        }
    }
    Some(tests.into_iter().map(|(_, arms)| arms).collect())
}

/// `tests/recompute/upworthy.py` has written the expected p-values with statsmodels' `proportions_ztest` and, for the
/// mixture, with scipy's quadrature over the effect.
#[test]
fn p_values_are_those_of_statsmodels_and_scipy() {
    let Some(tests) = headline_tests() else { return };
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/upworthy_p_values.csv");
    let mut reader = csv::Reader::from_path(golden).expect("the golden file");
    let mut n_rows = 0;
    for row in reader.deserialize() {
        let (test, arm, expected, expected_sequential): (usize, usize, Option<f64>, Option<f64>) =
            row.expect("a row");
        let (left, right) = (tests[test][0], tests[test][arm]);
        let found = z_test(left, right).expect("impressions").p_value;
        let is_close = |found: f64, expected: f64| (found - expected).abs() <= 1e-9 * expected;
        // Without a click on either side statsmodels has no value; ours is no evidence.
        assert!(is_close(found, expected.unwrap_or(1.0)), "test {test}, arm {arm}: {found}, {expected:?}");
        let mut monitor = ProportionsMonitor::new(Monitoring { rho_squared: 0.0025, alpha: ALPHA, n_min: 1 });
        let found = monitor.look(left, right).p_value;
        let expected = expected_sequential.unwrap_or(1.0);
        assert!(is_close(found, expected), "test {test}, arm {arm}: {found}, {expected}, sequential");
        n_rows += 1;
    }
    assert!(n_rows > 1000, "{n_rows} rows");
}

/// How much is tried.
struct Effort {
    /// Every how manieth headline test is used where each is an experiment of its own.
    every: usize,
    /// How often labels are dealt where the headline tests are the subjects.
    n_deals: u64,
}

#[test]
fn without_anything_to_find_no_procedure_finds_more_than_it_may() {
    nothing_to_find(&Effort { every: 4, n_deals: 400 });
}

#[test]
#[ignore = "the same with more deals: half a minute"]
fn without_anything_to_find_no_procedure_finds_more_than_it_may_at_length() {
    nothing_to_find(&Effort { every: 1, n_deals: 4000 });
}

fn nothing_to_find(effort: &Effort) {
    let Some(tests) = headline_tests() else { return };
    let mut outcome = Outcome::default();
    within_headline_tests(&tests, effort, &mut outcome);
    across_headline_tests(&tests, effort, &mut outcome);
    outcome.check();
}

/// What was found how often.
#[derive(Default)]
struct Outcome(Vec<(&'static str, u64, u64)>);

impl Outcome {
    fn add(&mut self, procedure: &'static str, found: &[bool]) {
        self.0.push((procedure, found.iter().filter(|found| **found).count() as u64, found.len() as u64));
    }

    /// Everything is in bound, but what is known to be out of it.
    fn check(&self) {
        for &(procedure, n_found, n) in &self.0 {
            let most = Binomial::new(ALPHA, n).expect("a distribution").inverse_cdf(0.999);
            let share = 100.0 * n_found as f64 / n as f64;
            eprintln!("{procedure}: {n_found} of {n} ({share:.2} %), at most {most}");
            assert_eq!(n_found > most, procedure.starts_with("WRONG"), "{procedure}: {n_found} of {n}");
        }
    }
}

/// The clicks of two arms dealt to their impressions anew.
fn dealt(left: Counts, right: Counts, luck: &mut ChaCha8Rng) -> (Counts, Counts) {
    let n_clicks = left.successes + right.successes;
    let (mut of_left, mut free_left, mut free) = (0, left.trials, left.trials + right.trials);
    for _ in 0..n_clicks {
        if luck.random_range(0..free) < free_left {
            of_left += 1;
            free_left -= 1;
        }
        free -= 1;
    }
    (Counts { successes: of_left, ..left }, Counts { successes: n_clicks - of_left, ..right })
}

/// Each headline test is an experiment, its impressions the subjects.
fn within_headline_tests(tests: &[Vec<Counts>], effort: &Effort, outcome: &mut Outcome) {
    let streams = Streams::new(7);
    let chosen: Vec<(usize, &Vec<Counts>)> = tests.iter().enumerate().step_by(effort.every).collect();
    let all = |deal: u32, try_one: &(dyn Fn(&[Counts], &mut ChaCha8Rng) -> bool + Sync)| -> Vec<bool> {
        let one = |&(nth, arms): &(usize, &Vec<Counts>)| {
            try_one(arms, &mut streams.stream(Purpose::Sequential, deal, nth as u64, 0))
        };
        chosen.par_iter().map(one).collect()
    };
    let redealt = |deal| {
        all(deal, &|arms, luck| {
            let (left, right) = dealt(arms[0], arms[1], luck);
            z_test(left, right).is_some_and(|test| test.p_value <= ALPHA)
        })
    };
    outcome.add("z-test", &(0..8).flat_map(redealt).collect::<Vec<bool>>());
    outcome.add(
        "Welch on impressions",
        &all(10, &|arms, luck| {
            let (left, right) = dealt(arms[0], arms[1], luck);
            let values = |counts: Counts| -> Vec<f64> {
                (0..counts.trials).map(|k| f64::from(u8::from(k < counts.successes))).collect()
            };
            unpaired::welch(&values(left), &values(right)).is_some_and(|p| p <= ALPHA)
        }),
    );
    let families = |adjust: fn(&[f64]) -> Vec<f64>| {
        all(11, &move |arms, luck| adjust(&all_pairs(&dealt_all(arms, luck))).iter().any(|p| *p <= ALPHA))
    };
    outcome.add("Holm over all pairs of arms", &families(multiple::holm));
    outcome.add("BH over all pairs of arms", &families(multiple::benjamini_hochberg));
    outcome.add("WRONG: all pairs of arms unadjusted", &families(<[f64]>::to_vec));
    outcome.add("mixture test, stopped at any look", &all(12, &|arms, luck| watched(arms, luck).0));
    outcome.add("WRONG: z-test, stopped at any look", &all(12, &|arms, luck| watched(arms, luck).1));
}

/// The clicks of all arms dealt anew, arm after arm from what is left.
fn dealt_all(arms: &[Counts], luck: &mut ChaCha8Rng) -> Vec<Counts> {
    let mut dealt_arms = Vec::new();
    let total = |counts: &[Counts]| Counts {
        successes: counts.iter().map(|counts| counts.successes).sum(),
        trials: counts.iter().map(|counts| counts.trials).sum(),
    };
    let mut n_left = total(arms).successes;
    for (nth, arm) in arms.iter().enumerate() {
        let rest = Counts { successes: 0, ..total(&arms[nth + 1..]) };
        let (of_arm, of_rest) = dealt(Counts { successes: n_left, ..*arm }, rest, luck);
        dealt_arms.push(of_arm);
        n_left = of_rest.successes;
    }
    dealt_arms
}

/// P-values of all pairs.
fn all_pairs(arms: &[Counts]) -> Vec<f64> {
    let pairs = (0..arms.len()).flat_map(|right| (0..right).map(move |left| (left, right)));
    pairs.filter_map(|(left, right)| z_test(arms[left], arms[right])).map(|test| test.p_value).collect()
}

/// The impressions of two arms come in turn, their clicks dealt to them; whether the mixture test and the plain
/// z-test ever find something. Both look after every pair of impressions, the latter after the same burn-in.
fn watched(arms: &[Counts], luck: &mut ChaCha8Rng) -> (bool, bool) {
    let n_pairs = arms[0].trials.min(arms[1].trials);
    let (mut free_clicks, mut free) =
        (arms[0].successes + arms[1].successes, arms[0].trials + arms[1].trials);
    let mut monitor =
        ProportionsMonitor::new(Monitoring::planned(n_pairs, 2, ALPHA, sequential::N_MIN_EVENTS));
    let (mut left, mut right) = (0, 0);
    let (mut found, mut found_by_z) = (false, false);
    for trials in 1..=n_pairs {
        for side in [&mut left, &mut right] {
            if luck.random_range(0..free) < free_clicks {
                *side += 1;
                free_clicks -= 1;
            }
            free -= 1;
        }
        let counts = |successes| Counts { successes, trials };
        let look = monitor.look(counts(left), counts(right));
        found |= look.p_value <= ALPHA || look.excludes_zero();
        let is_past_burn_in = left + right >= sequential::N_MIN_EVENTS;
        found_by_z |= is_past_burn_in
            && !found_by_z
            && z_test(counts(left), counts(right)).is_some_and(|test| test.p_value <= ALPHA);
    }
    (found, found_by_z)
}

/// The headline tests are the subjects: the click rate of a first headline is the outcome, that of a second one what
/// was known before, and all arms of a test are a cluster.
fn across_headline_tests(tests: &[Vec<Counts>], effort: &Effort, outcome: &mut Outcome) {
    let share = |arm: &Counts| arm.share().expect("impressions");
    let outcomes: Vec<f64> = tests.iter().map(|arms| share(&arms[0])).collect();
    let before: Vec<f64> = tests.iter().map(|arms| share(&arms[1])).collect();
    let differences: Vec<f64> =
        outcomes.iter().zip(&before).map(|(outcome, before)| outcome - before).collect();
    let streams = Streams::new(8);
    let deals: Vec<[bool; 8]> = (0..effort.n_deals)
        .into_par_iter()
        .map(|deal| {
            let luck = &mut streams.stream(Purpose::Sequential, 0, deal, 0);
            let mut order: Vec<usize> = (0..tests.len()).collect();
            order.shuffle(luck);
            let (of_left, of_right) = order.split_at(tests.len() / 2);
            let pick = |values: &[f64], of: &[usize]| -> Vec<f64> { of.iter().map(|&k| values[k]).collect() };
            let (left, right) = (pick(&outcomes, of_left), pick(&outcomes, of_right));
            let (left_before, right_before) = ([pick(&before, of_left)], [pick(&before, of_right)]);
            let adjusted = |slopes| {
                let left = cuped::Arm { outcomes: &left, covariates: &left_before };
                let right = cuped::Arm { outcomes: &right, covariates: &right_before };
                let found = cuped::unpaired(left, right, slopes).expect("many tests");
                found.estimate.p_value().is_some_and(|p| p <= ALPHA)
            };
            let signed: Vec<f64> = order
                .iter()
                .map(|&k| if luck.random::<bool>() { differences[k] } else { -differences[k] })
                .collect();
            let means = Monitoring::planned(tests.len() as u64 / 2, 1, ALPHA, sequential::N_MIN_MEAN);
            let two = Monitoring::planned(tests.len() as u64 / 4, 2, ALPHA, sequential::N_MIN_MEAN);
            let mut monitor = DifferenceMonitor::new(two);
            let stops = left.iter().zip(&right).any(|(&left, &right)| {
                monitor.push_left(left);
                monitor.push_right(right);
                monitor.look().excludes_zero()
            });
            [
                unpaired::welch(&left, &right).is_some_and(|p| p <= ALPHA),
                adjusted(Slopes::Common),
                adjusted(Slopes::PerArm),
                paired::paired_t(&signed).is_some_and(|p| p <= ALPHA),
                paired::wilcoxon(&signed).is_some_and(|p| p <= ALPHA),
                sequential::of_mean(&signed, means).iter().any(|look| look.excludes_zero()),
                stops,
                clustered(tests, of_left, of_right),
            ]
        })
        .collect();
    let procedures = [
        "Welch",
        "adjusted, one slope",
        "adjusted, a slope an arm",
        "paired t",
        "signed ranks",
        "mixture test of pairs, stopped at any look",
        "mixture test of two means, stopped at any look",
        "cluster-robust",
    ];
    for (nth, procedure) in procedures.into_iter().enumerate() {
        outcome.add(procedure, &deals.iter().map(|found| found[nth]).collect::<Vec<bool>>());
    }
    let (left, right) = outcomes.split_at(tests.len() / 2);
    let (left_before, right_before) = before.split_at(tests.len() / 2);
    let arm = |outcomes, covariates| cuped::Arm { outcomes, covariates };
    let (left_before, right_before) = ([left_before.to_vec()], [right_before.to_vec()]);
    let found = cuped::unpaired(arm(left, &left_before), arm(right, &right_before), Slopes::Common);
    let reduction = found.and_then(|found| found.variance_reduction()).expect("many tests");
    eprintln!(
        "adjustment with another headline's click rate takes {:.1} % of the variance",
        100.0 * reduction
    );
    // Headlines of one story share most of what makes their rates differ from other stories'.
    assert!(reduction > 0.5, "{reduction}");
    bootstrapped(tests, effort, outcome);
}

/// The click rates of all arms of these tests, with the test of each.
fn rates(tests: &[Vec<Counts>], of: &[usize]) -> (Vec<f64>, Vec<u32>) {
    of.iter()
        .flat_map(|&k| tests[k].iter().map(move |arm| (arm.share().expect("impressions"), k as u32)))
        .unzip()
}

fn clustered(tests: &[Vec<Counts>], of_left: &[usize], of_right: &[usize]) -> bool {
    let ((left, left_of), (right, right_of)) = (rates(tests, of_left), rates(tests, of_right));
    let left = Clustered { values: &left, clusters: &left_of };
    let right = Clustered { values: &right, clusters: &right_of };
    let found = unpaired::clustered_difference(left, right).expect("many tests");
    found.p_value().is_some_and(|p| p <= ALPHA)
}

/// Whole tests resampled: 600 of them, dealt in halves.
fn bootstrapped(tests: &[Vec<Counts>], effort: &Effort, outcome: &mut Outcome) {
    let streams = Streams::new(9);
    let params = StatsParams { n_bootstrap: 400, ..StatsParams::default() };
    let found: Vec<bool> = (0..effort.n_deals / 2)
        .map(|deal| {
            let luck = &mut streams.stream(Purpose::Sequential, 0, deal, 0);
            let mut order: Vec<usize> = (0..tests.len()).collect();
            order.shuffle(luck);
            let ((left, left_of), (right, right_of)) =
                (rates(tests, &order[..300]), rates(tests, &order[300..600]));
            let left = Clustered { values: &left, clusters: &left_of };
            let right = Clustered { values: &right, clusters: &right_of };
            let luck = streams.with_seed(1000 + deal);
            let (low, high) = unpaired::bootstrap_interval(left, right, &params, &luck).expect("an interval");
            low > 0.0 || high < 0.0
        })
        .collect();
    outcome.add("cluster bootstrap", &found);
}

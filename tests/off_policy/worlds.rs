//! Small worlds whose truth is known: how often intervals hold it, and who comes nearest.

use rand::RngExt;
use windtunnel::rng::{ChaCha8Rng, Purpose, Streams};
use windtunnel::study::off_policy::estimators::{self, Estimator, Row};
use windtunnel::study::off_policy::reward_model::{Case, cross_fit};
use windtunnel::study::off_policy::slate::{self, Place, Slate, SlateEstimator};

/// Worlds of single decisions, and of pages.
const N_BANDITS: usize = 400;
const N_PAGED: usize = 1000;
/// Of 95 % intervals, so many must hold the truth.
const COVERAGE_MIN: f64 = 0.92;

fn luck(world: u64, page: u32) -> ChaCha8Rng {
    Streams::new(20).stream(Purpose::Evaluation, 0, world, page)
}

fn drawn(rng: &mut ChaCha8Rng, distribution: &[f64]) -> usize {
    let mut left = rng.random::<f64>();
    for (at, p) in distribution.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return at;
        }
    }
    distribution.len() - 1
}

/// A softmax of random scores.
fn policy(rng: &mut ChaCha8Rng, n: usize, sharpness: f64) -> Vec<f64> {
    let scores: Vec<f64> = (0..n).map(|_| (sharpness * rng.random::<f64>()).exp()).collect();
    let sum: f64 = scores.iter().sum();
    scores.into_iter().map(|score| score / sum).collect()
}

/// How an estimator did over the worlds.
#[derive(Default)]
struct Record {
    n: usize,
    n_covered: usize,
    squares: f64,
    errors: f64,
}

impl Record {
    fn take(&mut self, value: f64, interval: Option<(f64, f64)>, truth: f64) {
        let (low, high) = interval.expect("an interval");
        self.n += 1;
        self.n_covered += usize::from(low <= truth && truth <= high);
        self.squares += (value - truth) * (value - truth);
        self.errors += value - truth;
    }

    fn rmse(&self) -> f64 {
        (self.squares / self.n as f64).sqrt()
    }

    fn coverage(&self) -> f64 {
        self.n_covered as f64 / self.n as f64
    }

    fn told(&self, name: &str) {
        let (coverage, bias) = (self.coverage(), self.errors / self.n as f64);
        eprintln!("{name:<12} coverage {coverage:.3} rmse {:.4} bias {bias:+.4}", self.rmse());
    }
}

const N_ACTIONS: usize = 6;

/// A contextual bandit: 5 kinds of people, 600 people with 1 to 3 decisions each and a mood of their own; rewards are the
/// mean of 4 coin tosses, with an offset. The truth is exact.
/// The sharper the logging policy is, the rarer are some actions, and the larger weights.
fn bandit(world: u64, sharpness: f64) -> (Vec<Row>, f64) {
    let mut rng = luck(world, 0);
    const N_KINDS: usize = 5;
    let table: Vec<Vec<f64>> = (0..N_KINDS)
        .map(|_| {
            let base = 0.3 + 0.3 * rng.random::<f64>();
            (0..N_ACTIONS).map(|_| base + 0.4 * (rng.random::<f64>() - 0.5)).collect()
        })
        .collect();
    let behaviour: Vec<Vec<f64>> = (0..N_KINDS).map(|_| policy(&mut rng, N_ACTIONS, sharpness)).collect();
    let target: Vec<Vec<f64>> = (0..N_KINDS).map(|_| policy(&mut rng, N_ACTIONS, 4.0)).collect();
    let value = |kind: usize| -> f64 { target[kind].iter().zip(&table[kind]).map(|(p, q)| p * q).sum() };
    let truth = (0..N_KINDS).map(value).sum::<f64>() / N_KINDS as f64;
    let (mut kinds, mut cases, mut rewards) = (Vec::new(), Vec::new(), Vec::new());
    for person in 0..600u32 {
        let kind = rng.random_range(0..N_KINDS);
        kinds.push(kind);
        let mood = 0.2 * (rng.random::<f64>() - 0.5);
        for _ in 0..=person % 3 {
            let item = drawn(&mut rng, &behaviour[kind]);
            cases.push(Case { person, item: item as u32, place: 0 });
            let heads = (0..4).filter(|_| rng.random::<f64>() < table[kind][item] + mood).count();
            rewards.push(heads as f64 / 4.0);
        }
    }
    let features = |case: Case, row: &mut Vec<f64>| {
        let cell = kinds[case.person as usize] * N_ACTIONS + case.item as usize;
        row.extend((0..N_KINDS * N_ACTIONS).map(|at| f64::from(u8::from(at == cell))));
    };
    let fitted = cross_fit(&cases, &rewards, N_ACTIONS, 3, &features);
    let row = |(case, &reward): (&Case, &f64)| {
        let (target, behaviour) =
            (&target[kinds[case.person as usize]], &behaviour[kinds[case.person as usize]]);
        let expected = |(item, p): (usize, &f64)| p * fitted.expected(Case { item: item as u32, ..*case });
        Row {
            cluster: case.person,
            reward,
            behaviour: behaviour[case.item as usize],
            target: target[case.item as usize],
            model: fitted.expected(*case),
            model_target: target.iter().enumerate().map(expected).sum(),
        }
    };
    (cases.iter().zip(&rewards).map(row).collect(), truth)
}

/// Runs the worlds; gives back how each estimator did.
fn bandit_worlds(sharpness: f64) -> Vec<(Estimator, Record)> {
    let mut records: Vec<Record> = Estimator::ALL.iter().map(|_| Record::default()).collect();
    for world in 0..N_BANDITS as u64 {
        let (rows, truth) = bandit(world, sharpness);
        let found = estimators::estimate(&rows, 0.95).expect("estimated");
        for (record, estimate) in records.iter_mut().zip(&found.estimates) {
            record.take(estimate.value, estimate.interval, truth);
        }
    }
    eprintln!("single decisions, sharpness {sharpness}");
    let found: Vec<_> = Estimator::ALL.into_iter().zip(records).collect();
    found.iter().for_each(|(estimator, record)| record.told(estimator.name()));
    found
}

/// Theory: all of these are consistent; with an offset of rewards SNIPS beats IPS, and with a decent model DR beats both.
#[test]
fn intervals_hold_the_truth_and_errors_are_ordered_as_theory_says() {
    let found = bandit_worlds(2.5);
    let of = |estimator| &found.iter().find(|(other, _)| *other == estimator).expect("listed").1;
    for estimator in [Estimator::Ips, Estimator::Snips, Estimator::Dr, Estimator::SwitchDr] {
        assert!(of(estimator).coverage() >= COVERAGE_MIN, "{}", estimator.name());
    }
    let rmse = |estimator| of(estimator).rmse();
    assert!(rmse(Estimator::Snips) <= rmse(Estimator::Ips));
    assert!(rmse(Estimator::Dr) <= rmse(Estimator::Snips));
}

/// Where some actions are hardly ever logged, trusting the model on them is better (Wang, Agarwal and Dudík 2017), and
/// the interval knows that the model may be off.
#[test]
fn switching_pays_where_weights_are_huge() {
    let found = bandit_worlds(9.0);
    let of = |estimator| &found.iter().find(|(other, _)| *other == estimator).expect("listed").1;
    assert!(of(Estimator::SwitchDr).rmse() < of(Estimator::Dr).rmse());
    assert!(of(Estimator::SwitchDr).coverage() >= COVERAGE_MIN);
}

/// How a page earns.
#[derive(Clone, Copy)]
enum Earns {
    /// Every place by its item alone.
    Alone,
    /// Every place by its item and whether the one above it was of the same half of the catalogue.
    Downwards,
    /// Every place by the whole page.
    Together,
}

const N_ITEMS: usize = 5;
const N_PLACES: usize = 3;

fn earned(earns: Earns, q: &[f64], page: &[usize], place: usize) -> f64 {
    let like = |a: usize, b: usize| a % 2 == b % 2;
    let bored = match earns {
        Earns::Alone => 0,
        Earns::Downwards => usize::from(place > 0 && like(page[place - 1], page[place])),
        Earns::Together => page.iter().filter(|&&other| like(other, page[place])).count() - 1,
    };
    q[page[place]] * (1.0 - 0.45 * bored as f64) * (1.0 - 0.2 * place as f64)
}

/// A policy over pages: how likely every item is at the top; further down the same without what is shown
/// already, or with repeats where places are filled independently.
struct Pages {
    top: Vec<f64>,
    repeats: bool,
}

impl Pages {
    fn next(&self, above: &[usize]) -> Vec<f64> {
        let open = |item: &usize| self.repeats || !above.contains(item);
        let sum: f64 = (0..N_ITEMS).filter(open).map(|item| self.top[item]).sum();
        (0..N_ITEMS).map(|item| if open(&item) { self.top[item] / sum } else { 0.0 }).collect()
    }

    /// Every page with its probability.
    fn all(&self) -> Vec<(Vec<usize>, f64)> {
        let mut pages = vec![(Vec::new(), 1.0)];
        for _ in 0..N_PLACES {
            let longer = pages.iter().flat_map(|(page, p)| {
                let next = self.next(page).into_iter().enumerate().filter(|(_, q)| *q > 0.0);
                next.map(move |(item, q)| ([page.as_slice(), &[item]].concat(), p * q))
            });
            pages = longer.collect();
        }
        pages
    }

    fn marginals(&self) -> Vec<Vec<f64>> {
        let mut found = vec![vec![0.0; N_ITEMS]; N_PLACES];
        for (page, p) in self.all() {
            page.iter().enumerate().for_each(|(place, &item)| found[place][item] += p);
        }
        found
    }
}

/// 600 pages of people of 3 kinds, and the exact value of the target.
fn pages(world: u64, earns: Earns, repeats: bool) -> (Vec<Slate>, f64) {
    let mut rng = luck(world, 1 + earns as u32 + 10 * u32::from(repeats));
    const N_KINDS: usize = 3;
    let q: Vec<Vec<f64>> =
        (0..N_KINDS).map(|_| (0..N_ITEMS).map(|_| 0.2 + 0.6 * rng.random::<f64>()).collect()).collect();
    let mut make = |sharpness| -> Vec<Pages> {
        (0..N_KINDS).map(|_| Pages { top: policy(&mut rng, N_ITEMS, sharpness), repeats }).collect()
    };
    let (behaviour, target) = (make(1.0), make(1.4));
    let marginals = |pages: &[Pages]| -> Vec<_> { pages.iter().map(Pages::marginals).collect() };
    let (behaviour_marginals, target_marginals) = (marginals(&behaviour), marginals(&target));
    let value = |kind: usize| {
        let page_value =
            |page: &[usize]| (0..N_PLACES).map(|at| earned(earns, &q[kind], page, at)).sum::<f64>();
        target[kind].all().iter().map(|(page, p)| p * page_value(page)).sum::<f64>() / N_PLACES as f64
    };
    let truth = (0..N_KINDS).map(value).sum::<f64>() / N_KINDS as f64;
    let mut slates = Vec::new();
    for cluster in 0..600 {
        let kind = rng.random_range(0..N_KINDS);
        let mut page = Vec::new();
        for _ in 0..N_PLACES {
            page.push(drawn(&mut rng, &behaviour[kind].next(&page)));
        }
        let place = |at: usize| Place {
            reward: f64::from(u8::from(rng.random::<f64>() < earned(earns, &q[kind], &page, at))),
            behaviour: behaviour[kind].next(&page[..at])[page[at]],
            behaviour_marginal: behaviour_marginals[kind][at][page[at]],
            target: target[kind].next(&page[..at])[page[at]],
            target_marginal: target_marginals[kind][at][page[at]],
        };
        slates.push(Slate { cluster, places: (0..N_PLACES).map(place).collect() });
    }
    (slates, truth)
}

/// Runs the worlds; those named must hold the truth. Gives back how each estimator did.
fn slate_worlds(
    name: &str,
    earns: Earns,
    repeats: bool,
    good: &[SlateEstimator],
) -> Vec<(SlateEstimator, Record)> {
    let mut records: Vec<Record> = SlateEstimator::ALL.iter().map(|_| Record::default()).collect();
    for world in 0..N_PAGED as u64 {
        let (slates, truth) = pages(world, earns, repeats);
        for (record, found) in records.iter_mut().zip(slate::estimate(&slates, 0.95).expect("estimated")) {
            record.take(found.value, found.interval, truth);
        }
    }
    eprintln!("{name}");
    for (record, estimator) in records.iter().zip(SlateEstimator::ALL) {
        record.told(estimator.name());
        if good.contains(&estimator) {
            assert!(record.coverage() >= COVERAGE_MIN, "{name}, {}", estimator.name());
        }
    }
    SlateEstimator::ALL.into_iter().zip(records).collect()
}

fn by(of: &[(SlateEstimator, Record)], estimator: SlateEstimator) -> &Record {
    &of.iter().find(|(other, _)| *other == estimator).expect("listed").1
}

fn rmse(of: &[(SlateEstimator, Record)], estimator: SlateEstimator) -> f64 {
    by(of, estimator).rmse()
}

use SlateEstimator::{Iips, Pi, Rips, Sips, Sniips, Snrips, Snsips};

#[test]
fn where_places_earn_alone_all_hold_and_the_bolder_assumption_is_surer() {
    let all = [Sips, Snsips, Rips, Snrips, Iips, Sniips, Pi];
    let found = slate_worlds("alone, filled independently", Earns::Alone, true, &all);
    // McInerney et al. 2020, section 4: the fewer places a weight multiplies, the smaller its variance.
    assert!(rmse(&found, Iips) < rmse(&found, Rips) && rmse(&found, Rips) < rmse(&found, Sips));
    assert!(rmse(&found, Pi) < rmse(&found, Sips));
    assert!(rmse(&found, Sniips) < rmse(&found, Iips));
}

#[test]
fn where_places_earn_by_what_is_above_down_to_them_is_enough() {
    let found =
        slate_worlds("downwards, without repeats", Earns::Downwards, false, &[Sips, Snsips, Rips, Snrips]);
    assert!(rmse(&found, Rips) < rmse(&found, Sips));
}

#[test]
fn where_places_earn_together_only_whole_pages_hold() {
    let found = slate_worlds("together, without repeats", Earns::Together, false, &[Sips, Snsips]);
    // Whoever looks at a place alone is sure of something else.
    assert!(by(&found, Iips).coverage() < by(&found, Sips).coverage());
    assert!(by(&found, Sniips).coverage() < COVERAGE_MIN);
}

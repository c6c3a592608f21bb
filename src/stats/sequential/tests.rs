//! How often procedures that look at every value find an effect where there is none.
//! Must not test formulas; `stats/oracle.rs` does.

use super::*;
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use rand::RngExt;
use rayon::prelude::*;
use statrs::distribution::{Binomial, DiscreteCDF};

const ALPHA: f64 = 0.05;

/// The count that a rate of at most α exceeds once in a thousand times.
fn most(n_trials: u64) -> u64 {
    Binomial::new(ALPHA, n_trials).expect("a distribution").inverse_cdf(0.999)
}

fn normal(generator: &mut ChaCha8Rng) -> f64 {
    let (radius, turn): (f64, f64) = (generator.random(), generator.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
}

/// −1, 0 or 1: the difference of two rare events.
fn rare(generator: &mut ChaCha8Rng) -> f64 {
    let mut event = || f64::from(u8::from(generator.random::<f64>() < 0.02));
    event() - event()
}

/// The difference of two exponential values: heavier tails than the normal.
fn laplace(generator: &mut ChaCha8Rng) -> f64 {
    let mut wait = || -(1.0 - generator.random::<f64>()).ln();
    wait() - wait()
}

/// In how many of the experiments `stops` says that one would have stopped.
fn count(n_trials: u64, purpose: u64, stops: impl Fn(&mut ChaCha8Rng) -> bool + Sync) -> u64 {
    let streams = Streams::new(20 + purpose);
    (0..n_trials)
        .into_par_iter()
        .filter(|&nth| stops(&mut streams.stream(Purpose::Sequential, 0, nth, 0)))
        .count() as u64
}

fn found(values: impl Iterator<Item = f64>, monitoring: Monitoring) -> bool {
    let mut monitor = MeanMonitor::new(monitoring);
    values.into_iter().any(|value| monitor.push(value).excludes_zero())
}

/// The usual form: the estimated variance where the known one belongs.
fn found_by_plug_in(values: impl Iterator<Item = f64>, monitoring: Monitoring) -> bool {
    let mut running = Running::default();
    values.into_iter().any(|value| {
        running.push(value);
        if running.n < monitoring.n_min.max(2) {
            return false;
        }
        let n = running.n as f64;
        let variance = running.variance() / n;
        variance > 0.0
            && ln_normal_ratio(running.mean, variance, 1.0 + n * monitoring.rho_squared)
                >= -monitoring.alpha.ln()
    })
}

#[test]
fn study_of_validity() {
    let n_trials = 2000;
    let n = 300;
    let planned = |n_min| Monitoring::planned(150, 1, ALPHA, n_min);
    // The plug-in from the second value on is far out of bound, for normal values already (15 % of 10,000 runs to
    // 200 values: the test below).
    let plug_in = count(n_trials, 1, |luck| found_by_plug_in((0..n).map(|_| normal(luck)), planned(0)));
    assert!(plug_in > most(n_trials), "{plug_in}");
    // The ratio of t statistics is in bound from the second value on for normal values, and after the burn-in for
    // differences that are nearly always 0 or have heavy tails.
    for (which, at_most) in [
        count(n_trials, 1, |luck| found((0..n).map(|_| normal(luck)), planned(0))),
        count(n_trials, 2, |luck| found((0..n).map(|_| normal(luck)), planned(N_MIN_MEAN))),
        count(n_trials, 3, |luck| found((0..n).map(|_| rare(luck)), planned(N_MIN_MEAN))),
        count(n_trials, 4, |luck| found((0..n).map(|_| laplace(luck)), planned(N_MIN_MEAN))),
        count(n_trials, 5, |luck| {
            // Two arms of skewed values.
            let mut monitor = DifferenceMonitor::new(Monitoring::planned(150, 2, ALPHA, N_MIN_MEAN));
            let wait = |luck: &mut ChaCha8Rng| -(1.0 - luck.random::<f64>()).ln();
            (0..n).any(|_| {
                monitor.push_left(wait(luck));
                monitor.push_right(wait(luck));
                monitor.look().excludes_zero()
            })
        }),
        count(n_trials, 6, |luck| {
            let mut monitor = ProportionsMonitor::new(Monitoring::planned(500, 2, ALPHA, N_MIN_EVENTS));
            let (mut left, mut right) = (0, 0);
            (1..=1000).any(|trials| {
                left += u64::from(luck.random::<f64>() < 0.1);
                right += u64::from(luck.random::<f64>() < 0.1);
                let counts = |successes| Counts { successes, trials };
                let look = monitor.look(counts(left), counts(right));
                look.excludes_zero() || look.p_value <= ALPHA
            })
        }),
    ]
    .into_iter()
    .enumerate()
    {
        eprintln!("procedure {which}: {at_most} of {n_trials}");
        assert!(at_most <= most(n_trials), "procedure {which}: {at_most} of {n_trials}");
    }
}

#[test]
fn a_real_effect_is_found_before_the_planned_end_and_the_interval_is_the_tests() {
    let luck = &mut Streams::new(4).stream(Purpose::Sequential, 0, 0, 0);
    let values: Vec<f64> = (0..1000).map(|_| 0.3 + normal(luck)).collect();
    let looks = of_mean(&values, Monitoring::planned(500, 1, ALPHA, N_MIN_MEAN));
    let stop = looks.iter().position(Look::excludes_zero).expect("an effect of .3 is found");
    assert!(stop < 400, "{stop}");
    assert!(looks[stop].p_value <= ALPHA && looks[..stop].iter().all(|look| look.p_value > ALPHA));
    assert!(looks.windows(2).all(|pair| pair[1].p_value <= pair[0].p_value));
    // Mixtures bet on effects: a wide one loses on small effects, and intervals are never shorter than at the plan.
    let wide = of_mean(&values, Monitoring::for_effect(5.0, ALPHA, N_MIN_MEAN));
    assert!(wide[499].high - wide[499].low > looks[499].high - looks[499].low);
}

#[test]
fn values_without_spread_are_no_evidence() {
    let looks = of_mean(&[1.0; 80], Monitoring::planned(40, 1, ALPHA, N_MIN_MEAN));
    assert!(looks.iter().all(|look| look.p_value == 1.0 && !look.excludes_zero()));
    let mut monitor = ProportionsMonitor::new(Monitoring::planned(40, 2, ALPHA, N_MIN_EVENTS));
    let none = Counts { successes: 0, trials: 1000 };
    assert_eq!(monitor.look(none, none).p_value, 1.0);
}

/// Draws a value of no effect.
type Draw = fn(&mut ChaCha8Rng) -> f64;

/// The table of `docs/ab-testing.md`: how often one would have stopped in 200 (2,000) values without effect, looking after
/// each, tuned to half of them.
#[test]
#[ignore = "prints a table: a minute"]
fn how_often_one_would_have_stopped() {
    let wait: Draw = |luck| -(1.0 - luck.random::<f64>()).ln();
    let draws: [(&str, Draw); 5] = [
        ("normal", normal),
        ("uniform", |luck| luck.random::<f64>() - 0.5),
        ("difference of two events of 10 %", |luck| {
            let mut event = || f64::from(u8::from(luck.random::<f64>() < 0.1));
            event() - event()
        }),
        ("exponential", |luck| -(1.0 - luck.random::<f64>()).ln() - 1.0),
        ("log-normal", |luck| normal(luck).exp() - 0.5f64.exp()),
    ];
    let n_trials = 10_000;
    for (name, draw) in draws {
        let mut line = format!("| {name} |");
        for procedure in 0..4 {
            let shares = [200u64, 2000].map(|n| {
                let n_min = if procedure % 2 == 0 { 0 } else { N_MIN_MEAN };
                let planned = Monitoring::planned(n / 2, 1, ALPHA, n_min);
                let found = count(n_trials, n, |luck| {
                    let values = (0..n).map(|_| draw(luck));
                    if procedure < 2 { found_by_plug_in(values, planned) } else { found(values, planned) }
                });
                if procedure == 3 && ["normal", "uniform"].contains(&name) {
                    assert!(found <= most(n_trials), "{name}: {found}");
                }
                100.0 * found as f64 / n_trials as f64
            });
            line.push_str(&format!(" {:.1} % ({:.1} %) |", shares[0], shares[1]));
        }
        eprintln!("{line}");
    }
    for (name, draw) in [("log-normal", draws[4].1), ("exponential", wait)] {
        let shares = [200u64, 2000].map(|n| {
            let found = count(n_trials, 1 + n, |luck| {
                let mut monitor = DifferenceMonitor::new(Monitoring::planned(n / 2, 2, ALPHA, N_MIN_MEAN));
                (0..n).any(|_| {
                    monitor.push_left(draw(luck));
                    monitor.push_right(draw(luck));
                    monitor.look().excludes_zero()
                })
            });
            assert!(found <= most(n_trials), "two arms, {name}: {found}");
            100.0 * found as f64 / n_trials as f64
        });
        eprintln!("| two arms, {name} | {:.1} % ({:.1} %) |", shares[0], shares[1]);
    }
}

//! Point values of Open Bandit Pipeline and standard errors of numpy, on numbers that look random and are the same
//! everywhere.

use windtunnel::study::off_policy::estimators::{self, EstimateError, Estimator, Row};
use windtunnel::study::off_policy::slate::{self, Place, Slate, SlateEstimator};

/// Multiples of 1/1009 in [0, 1).
fn noise(n: u64, a: u64, b: u64) -> Vec<f64> {
    (1..=n).map(|i| ((i * i * a + i * b + 17) % 1009) as f64 / 1009.0).collect()
}

/// Rows of a table of `width` columns, each scaled to sum 1.
fn distributions(values: Vec<f64>, width: usize) -> Vec<Vec<f64>> {
    let scaled = |row: &[f64]| row.iter().map(|x| x / row.iter().sum::<f64>()).collect();
    values.chunks_exact(width).map(scaled).collect()
}

/// 120 decisions of 40 people between 3 actions.
fn rows() -> Vec<Row> {
    let behaviour = distributions(noise(360, 31, 7).iter().map(|x| 0.1 + x).collect(), 3);
    let target = distributions(noise(360, 5, 311).iter().map(|x| 0.05 + x * x).collect(), 3);
    let q = noise(360, 77, 3);
    let luck = noise(120, 13, 101);
    let row = |at: usize| {
        let action = (at * 7 / 3) % 3;
        let q = &q[at * 3..][..3];
        Row {
            cluster: at as u32 / 3,
            reward: f64::from(u8::from(luck[at] < 0.4)),
            behaviour: behaviour[at][action],
            target: target[at][action],
            model: q[action],
            model_target: target[at].iter().zip(q).map(|(p, q)| p * q).sum(),
        }
    };
    (0..120).map(row).collect()
}

#[track_caller]
fn close(name: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{name}: {found}, expected {expected}");
}

#[test]
fn single_decisions_are_worth_what_open_bandit_pipeline_says() {
    let rows = rows();
    let found = estimators::estimate(&rows, 0.95).expect("estimated");
    for (estimator, value, std_error) in [
        (Estimator::Ips, 0.42675047352909, 0.07949207261622512),
        (Estimator::Snips, 0.3444474532786451, 0.05990205199025123),
        (Estimator::ClippedIps, 0.42675047352909, 0.07949207261622512),
        (Estimator::Dm, 0.5036845276530207, 0.01826302058151454),
        (Estimator::Dr, 0.23922556707462625, 0.0951094980813316),
    ] {
        let name = estimator.name();
        close(name, found.by(estimator).value, value);
        close(name, found.by(estimator).std_error, std_error);
    }
    let switched = estimators::switch_dr(&rows, 1.5).expect("estimated");
    close("switch-dr at 1.5", switched.value, 0.5104825251074574);
    close("switch-dr at 1.5", switched.std_error, 0.03260051316078019);
    close("effective sample size", found.support.effective_sample_size, 56.06412476177295);
    close("largest weight", found.support.weight_max, 7.343432801260565);
    // The largest weight is under the square root of 120 rows: nothing is cut off.
    assert_eq!(found.by(Estimator::ClippedIps).value, found.by(Estimator::Ips).value);
}

#[test]
fn pages_are_worth_what_open_bandit_pipeline_says() {
    let from = |a, b, scale: f64, low: f64| -> Vec<f64> {
        noise(180, a, b).iter().map(|x| low + scale * x).collect()
    };
    let (behaviour, behaviour_marginal) = (from(31, 7, 0.8, 0.2), from(5, 311, 0.8, 0.2));
    let (target, target_marginal) = (from(77, 3, 0.9, 0.0), from(13, 101, 0.9, 0.0));
    let luck = noise(180, 3, 55);
    let place = |at: usize| Place {
        reward: f64::from(u8::from(luck[at] < 0.4)),
        behaviour: behaviour[at],
        behaviour_marginal: behaviour_marginal[at],
        target: target[at],
        target_marginal: target_marginal[at],
    };
    let slate =
        |at: usize| Slate { cluster: at as u32 / 2, places: (at * 3..at * 3 + 3).map(place).collect() };
    let slates: Vec<Slate> = (0..60).map(slate).collect();
    let found = slate::estimate(&slates, 0.95).expect("estimated");
    for (estimator, value, std_error) in [
        (SlateEstimator::Sips, 0.3525520801686539, 0.07411646811005003),
        (SlateEstimator::Snsips, 0.3596257061494887, 0.04854840327504525),
        (SlateEstimator::Rips, 0.31725758652709596, 0.049830791006129194),
        (SlateEstimator::Snrips, 0.3660764393558709, 0.047140520013996656),
        (SlateEstimator::Iips, 0.3237271867016169, 0.035742692638819726),
        (SlateEstimator::Sniips, 0.3507085183867728, 0.038315881130637316),
        (SlateEstimator::Pi, 0.2426828669507139, 0.0716136774210013),
    ] {
        let found = found.iter().find(|found| found.estimator == estimator).expect("in the list");
        close(estimator.name(), found.value, value);
        close(estimator.name(), found.std_error, std_error);
    }
}

#[test]
fn numbers_out_of_range_are_told() {
    let good = Row { cluster: 0, reward: 1.0, behaviour: 0.5, target: 0.5, model: 0.0, model_target: 0.0 };
    let told = |row: Row| estimators::estimate(&[good, row], 0.95).expect_err("refused").to_string();
    assert_eq!(
        told(Row { behaviour: 0.0, ..good }),
        "row 2 (from 1): behaviour is 0, must be above 0 and at most 1"
    );
    assert_eq!(told(Row { target: f64::NAN, ..good }), "row 2 (from 1): target is NaN, must be 0..=1");
    assert_eq!(told(Row { reward: f64::INFINITY, ..good }), "row 2 (from 1): reward is inf, must be finite");
    assert_eq!(estimators::estimate(&[], 0.95), Err(EstimateError::Empty));
    assert_eq!(slate::estimate(&[], 0.95), Err(EstimateError::Empty));
    // A log that says nothing about the target has an IPS of 0, no SNIPS, and says so.
    let silent = estimators::estimate(&[Row { target: 0.0, ..good }; 5], 0.95).expect("estimated");
    assert_eq!(silent.by(Estimator::Ips).value, 0.0);
    assert!(silent.by(Estimator::Snips).value.is_nan());
    assert_eq!((silent.support.share_zero, silent.support.effective_sample_size), (1.0, 0.0));
    assert!(!silent.support.is_plausible());
}

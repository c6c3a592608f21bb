//! Statistics against scipy 1.17 and statsmodels 0.14: every expected number was printed by
//! `tests/recompute/oracle_stats.py`. Must not hold numbers of its own making.

use super::bootstrap::{Quantity, Table};
use super::params::IntervalMethod;
use super::rank_correlation::kendall_tau_b;
use super::{multiple, paired, power, summary, unpaired};
use crate::rng::Streams;

/// Numbers that look random and are the same everywhere: multiples of 1/1009 in [0, 1).
fn noise(n: u64, a: u64, b: u64) -> Vec<f64> {
    (1..=n).map(|i| ((i * i * a + i * b + 17) % 1009) as f64 / 1009.0).collect()
}

fn shifted(values: Vec<f64>, by: f64) -> Vec<f64> {
    values.into_iter().map(|value| value + by).collect()
}

#[track_caller]
fn close(found: Option<f64>, expected: f64, relative: f64) {
    let found = found.expect("a value");
    assert!((found - expected).abs() <= relative * expected.abs(), "found {found}, expected {expected}");
}

#[test]
fn paired_t_is_scipys_ttest_1samp() {
    close(paired::paired_t(&shifted(noise(40, 31, 7), -0.55)), 0.031380969232868774, 1e-9);
    close(paired::paired_t(&shifted(noise(400, 31, 7), -0.48)), 0.2672740630672385, 1e-9);
    close(paired::paired_t(&shifted(noise(40, 31, 7), 2.45)), 1.4028258864740223e-39, 1e-9);
    assert_eq!(paired::paired_t(&[0.0, 0.0, 0.0]), Some(1.0));
    assert_eq!(paired::paired_t(&[0.5, 0.5]), Some(0.0));
    assert_eq!(paired::paired_t(&[0.5]), None);
}

#[test]
fn wilcoxon_is_scipys() {
    close(paired::wilcoxon(&shifted(noise(40, 31, 7), -0.55)), 0.03560432962331106, 1e-12);
    close(paired::wilcoxon(&[1.5, -0.5, 2.5, 3.5, -4.5, 5.5, 6.5]), 0.21875, 1e-15);
    close(paired::wilcoxon(&shifted(noise(400, 31, 7), -0.48)), 0.28905615259938344, 1e-9);
    let ties = [1., -2., 0., 3., 3., -1., 2., 0., 4., -2., 1., 1., 5., 0., 2., -3., 2., 2.];
    close(paired::wilcoxon(&ties), 0.08017791088693474, 1e-9);
    assert_eq!(paired::wilcoxon(&[0.0, 0.0]), Some(1.0));
    assert_eq!(paired::wilcoxon(&[]), None);
    assert_eq!(paired::wilcoxon(&[1.0, f64::NAN]), None);
}

#[test]
fn welch_is_scipys_ttest_ind() {
    let y60: Vec<f64> = noise(60, 5, 311).iter().map(|x| x * 3.0 - 1.0).collect();
    let x40 = shifted(noise(40, 31, 7), -0.55);
    close(unpaired::welch(&x40, &y60), 5.68152640703723e-07, 1e-9);
    assert_eq!(unpaired::welch(&[1.0, 1.0], &[1.0, 1.0, 1.0]), Some(1.0));
    assert_eq!(unpaired::welch(&[1.0], &[1.0, 2.0]), None);
}

#[test]
fn adjustments_are_statsmodels_multipletests() {
    let p = [0.001, 0.04, 0.03, 0.2, 0.011, 0.011, 0.9];
    let holm = [0.007, 0.12, 0.12, 0.4, 0.066, 0.066, 0.9];
    let bh = [0.007, 0.056, 0.0525, 0.23333333333333336, 0.025666666666666667, 0.025666666666666667, 0.9];
    for (found, expected) in multiple::holm(&p).into_iter().zip(holm) {
        close(Some(found), expected, 1e-14);
    }
    for (found, expected) in multiple::benjamini_hochberg(&p).into_iter().zip(bh) {
        close(Some(found), expected, 1e-14);
    }
    assert!(multiple::holm(&[]).is_empty() && multiple::benjamini_hochberg(&[]).is_empty());
}

#[test]
fn summaries_are_scipys_and_numpys() {
    let mut x40 = shifted(noise(40, 31, 7), -0.55);
    close(summary::std_error(&x40), 0.049482986217714145, 1e-13);
    x40.sort_by(f64::total_cmp);
    let expected = [
        -0.5361248761149654,
        -0.5322596630327057,
        -0.11293359762140737,
        0.3265113974231912,
        0.4430624380574826,
    ];
    for (share, expected) in [0.0, 0.025, 0.5, 0.9, 1.0].into_iter().zip(expected) {
        close(summary::quantile(&x40, share), expected, 1e-12);
    }
    assert_eq!(summary::quantile(&[], 0.5), None);
    assert_eq!(summary::std_error(&[1.0]), None);
}

#[test]
fn minimum_detectable_effects_are_those_of_the_noncentral_t() {
    // The power of statsmodels' TTestPower, solved by quadrature and bisection: its own solver stops at four digits.
    for (n, expected) in [
        (2, 11.549888435882353),
        (3, 3.264043549699573),
        (5, 1.6819969659555556),
        (10, 0.9960013714554438),
        (30, 0.5292356151129533),
        (1000, 0.08867907559425424),
        (50_000, 0.01252929530084105),
    ] {
        close(power::minimum_detectable_effect(n, 1.0, 0.05, 0.8), expected, 1e-9);
        close(power::minimum_detectable_effect(n, 3.0, 0.05, 0.8), 3.0 * expected, 1e-9);
    }
    close(power::minimum_detectable_effect(30, 1.0, 0.01, 0.9), 0.7477403442396787, 1e-9);
    close(power::t_test_power(9.0, 0.7 * 10f64.sqrt(), 0.05), 0.5064218068704489, 1e-9);
    // statsmodels: 198.15 pairs.
    assert_eq!(power::pairs_needed(0.2, 1.0, 0.05, 0.8), Some(199));
    assert_eq!(power::pairs_needed(0.0, 1.0, 0.05, 0.8), None);
    assert_eq!(power::minimum_detectable_effect(1, 1.0, 0.05, 0.8), None);
    assert_eq!(power::minimum_detectable_effect(100, 0.0, 0.05, 0.8), Some(0.0));
    // The normal limit continues the t values without a step.
    let below = power::minimum_detectable_effect(100_000, 1.0, 0.05, 0.8).expect("a value");
    let above = power::minimum_detectable_effect(100_001, 1.0, 0.05, 0.8).expect("a value");
    assert!((below / above - 1.0).abs() < 3e-5, "{below} {above}");
}

#[test]
fn bootstrap_intervals_are_scipys_up_to_monte_carlo() {
    // scipy.stats.bootstrap with 400,000 resamples of 60 subjects.
    let cubed: Vec<f64> = noise(60, 13, 29).iter().map(|x| x * x * x).collect();
    let squared: Vec<f64> = noise(60, 11, 5).iter().map(|x| x * x).collect();
    let den: Vec<f64> = noise(60, 7, 101).iter().map(|x| 1.0 + 3.0 * x).collect();
    let den2: Vec<f64> = noise(60, 3, 41).iter().map(|x| 1.0 + 3.0 * x).collect();
    let subjects: Vec<u32> = (0..60).collect();
    let mut table = Table::new(60);
    let mut column = |values: Vec<f64>| {
        let by_unit = table.by_unit(&subjects, values.into_iter());
        table.add(by_unit)
    };
    let (baseline, arm) = ((column(cubed), column(den)), (column(squared), column(den2)));
    let ratio = Quantity::Ratio(baseline.0, baseline.1);
    let difference = Quantity::Difference { baseline, arm };
    let replicates = table.resample(20_000, &Streams::new(5));
    for (quantity, method, low, high) in [
        (ratio, IntervalMethod::Bca, 0.0797416620161648, 0.14142496631126242),
        (ratio, IntervalMethod::Percentile, 0.07829597345153279, 0.13961436453298734),
        (difference, IntervalMethod::Bca, -0.020002432640564668, 0.06966518840615814),
        (difference, IntervalMethod::Percentile, -0.019922687081255226, 0.0697341471058696),
    ] {
        let (found_low, found_high) = replicates.interval(quantity, 0.95, method).expect("an interval");
        // Four standard errors of a 2.5 % quantile from 20,000 normal replicates are 7.5 % of their spread.
        let tolerance = 0.075 * (high - low) / 3.92;
        assert!((found_low - low).abs() < tolerance, "{method:?}: {found_low} against {low}");
        assert!((found_high - high).abs() < tolerance, "{method:?}: {found_high} against {high}");
    }
}

#[test]
fn tau_b_is_scipys_kendalltau() {
    let seven: Vec<f64> = (1..=7).map(f64::from).collect();
    close(kendall_tau_b(&seven, &[1., 2., 3., 4., 5., 7., 6.]), 0.9047619047619049, 1e-14);
    close(kendall_tau_b(&seven, &[2., 1., 4., 3., 6., 5., 7.]), 0.7142857142857143, 1e-14);
    close(kendall_tau_b(&[0.1, 0.2, 0.3], &[3., 2., 1.]), -1.0, 1e-14);
    // With ties on either side.
    close(kendall_tau_b(&[12., 2., 1., 12., 2.], &[1., 4., 7., 1., 0.]), -0.4714045207910316, 1e-14);
    let (left, right) = ([1., 1., 2., 2., 3., 3., 3.], [1., 2., 1., 2., 3., 3., 4.]);
    close(kendall_tau_b(&left, &right), std::f64::consts::FRAC_1_SQRT_2, 1e-14);
    // scipy says nan.
    assert_eq!(kendall_tau_b(&[1., 2.], &[5., 5.]), None);
    assert_eq!(kendall_tau_b(&[1., f64::NAN], &[1., 2.]), None);
    assert_eq!(kendall_tau_b(&[], &[]), None);
}

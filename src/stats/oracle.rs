//! Statistics against scipy 1.17 and statsmodels 0.14: every expected number was printed by
//! `tests/recompute/oracle_stats.py`. Must not hold numbers of its own making.

use super::bootstrap::{Quantity, Table};
use super::cuped::{self, Slopes};
use super::params::IntervalMethod;
use super::proportions::{self, Counts};
use super::rank_correlation::kendall_tau_b;
use super::sequential::{self, DifferenceMonitor, Monitoring, ProportionsMonitor};
use super::shrinkage::{self, GroupEffect};
use super::unpaired::Clustered;
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

fn counts(successes: u64, trials: u64) -> Counts {
    Counts { successes, trials }
}

#[track_caller]
fn close_pair(found: Option<(f64, f64)>, expected: (f64, f64), relative: f64) {
    let (low, high) = found.expect("an interval");
    close(Some(low), expected.0, relative);
    close(Some(high), expected.1, relative);
}

#[test]
fn two_proportions_are_statsmodels() {
    // proportions_ztest (χ² without correction in scipy), confint_proportions_2indep, proportion_confint.
    let (left, right) = (counts(68, 2629), counts(39, 2551));
    let test = proportions::z_test(left, right).expect("counts");
    close(Some(test.z), -2.6758567203207266, 1e-12);
    close(Some(test.p_value), 0.007453850336769784, 1e-9);
    let wald = proportions::wald_interval(left, right, 0.95);
    close_pair(wald, (-0.01828996884020678, -0.0028644826319968566), 1e-9);
    let newcombe = proportions::newcombe_interval(left, right, 0.95);
    close_pair(newcombe, (-0.018504747720442243, -0.0028318687192282503), 1e-9);
    let wilson = proportions::wilson_interval(right, 0.95);
    close_pair(wilson, (0.01120372889055142, 0.020830140975671853), 1e-9);
    // Nothing on one side, everything on the other.
    let (none, some) = (counts(0, 40), counts(3, 55));
    close(proportions::z_test(none, some).map(|test| test.p_value), 0.13335871268339294, 1e-9);
    let newcombe = proportions::newcombe_interval(none, some, 0.95);
    close_pair(newcombe, (-0.04011593041530017, 0.14853060544053795), 1e-9);
    let (all, most) = (counts(12, 12), counts(7, 11));
    close(proportions::z_test(all, most).map(|test| test.p_value), 0.021543312892102817, 1e-9);
    let newcombe = proportions::newcombe_interval(all, most, 0.95);
    close_pair(newcombe, (-0.6461988254921511, -0.04155667659487666), 1e-9);
    // No evidence, and no data.
    assert_eq!(proportions::z_test(counts(0, 5), counts(0, 9)).map(|test| test.p_value), Some(1.0));
    assert_eq!(proportions::z_test(counts(0, 0), counts(1, 9)), None);
    assert_eq!(proportions::z_test(counts(3, 2), counts(1, 9)), None);
}

#[test]
fn power_of_two_proportions_is_statsmodels() {
    close(proportions::power(0.015, 0.02, 5000, 0.05), 0.4787635781956004, 1e-9);
    close(proportions::power(0.5, 0.6, 200, 0.05), 0.5201179041645295, 1e-9);
    close(proportions::power(0.1, 0.1, 50, 0.05), 0.05, 1e-9);
    // 10794.93 trials.
    assert_eq!(proportions::trials_needed(0.015, 0.02, 0.05, 0.8), Some(10_795));
    assert_eq!(proportions::trials_needed(0.1, 0.1, 0.05, 0.8), None);
    assert_eq!(proportions::power(0.0, 0.1, 50, 0.05), None);
}

#[test]
fn arms_without_shared_people_are_scipys_and_statsmodels() {
    let y60: Vec<f64> = noise(60, 5, 311).iter().map(|x| x * 3.0 - 1.0).collect();
    let x40 = shifted(noise(40, 31, 7), -0.55);
    let found = unpaired::difference(&x40, &y60).expect("two samples");
    close(Some(found.degrees), 80.5793655470134, 1e-12);
    close_pair(found.interval(0.95), (0.413060860281533, 0.8901601506203499), 1e-9);
    // 393.41 an arm; the effect that 30 an arm find.
    assert_eq!(unpaired::agents_needed(0.2, 1.0, 1.0, 0.05, 0.8), Some(394));
    let mde = |sd: f64| unpaired::minimum_detectable_effect((30, sd), (30, sd), 0.05, 0.8);
    close(mde(1.0), 0.7356210695976753, 1e-9);
    assert_eq!(mde(0.0), Some(0.0));
    assert_eq!(unpaired::minimum_detectable_effect((1, 1.0), (30, 1.0), 0.05, 0.8), None);
    assert_eq!(unpaired::agents_needed(0.0, 1.0, 1.0, 0.05, 0.8), None);
    // Cluster-robust standard errors of OLS on a constant, arm by arm.
    let left_of: Vec<u32> = (0..40).map(|k| k / 3).collect();
    let right_of: Vec<u32> = (0..60).map(|k| k % 13).collect();
    let left = Clustered { values: &x40, clusters: &left_of };
    let right = Clustered { values: &y60, clusters: &right_of };
    let found = unpaired::clustered_difference(left, right).expect("clusters");
    close(Some(found.difference), 0.6516105054509415, 1e-12);
    close(Some(found.std_error), 0.09925820862030997, 1e-12);
    let params = super::params::StatsParams { n_bootstrap: 4000, ..Default::default() };
    let (low, high) =
        unpaired::bootstrap_interval(left, right, &params, &Streams::new(3)).expect("an interval");
    let half = 0.5 * (high - low);
    // The bootstrap of 27 clusters has 1 − 1/G of the variance: its half width is near 1.96 standard errors.
    assert!((half / (1.96 * found.std_error) - 1.0).abs() < 0.12, "{half} {}", found.std_error);
}

#[test]
fn cuped_is_least_squares_with_hc2_of_statsmodels() {
    let covariates = [noise(100, 17, 3), noise(100, 23, 71).iter().map(|x| x * 5.0 + 2.0).collect()];
    let y60: Vec<f64> = noise(60, 5, 311).iter().map(|x| x * 3.0 - 1.0).collect();
    let outcomes: Vec<f64> = [shifted(noise(40, 31, 7), -0.55), y60].concat();
    let outcomes: Vec<f64> = outcomes
        .iter()
        .enumerate()
        .map(|(k, y)| y + 1.5 * covariates[0][k] - 0.2 * covariates[1][k])
        .collect();
    let side =
        |range: std::ops::Range<usize>| covariates.clone().map(|column| column[range.clone()].to_vec());
    let (of_left, of_right) = (side(0..40), side(40..100));
    let left = cuped::Arm { outcomes: &outcomes[..40], covariates: &of_left };
    let right = cuped::Arm { outcomes: &outcomes[40..], covariates: &of_right };
    for (slopes, difference, std_error) in [
        (Slopes::Common, 0.6419114553594523, 0.12015249811973776),
        (Slopes::PerArm, 0.6456532302075741, 0.12004672890376936),
    ] {
        let found = cuped::unpaired(left, right, slopes).expect("enough people");
        close(Some(found.estimate.difference), difference, 1e-10);
        close(Some(found.estimate.std_error), std_error, 1e-10);
        assert_eq!(found.used, [0, 1]);
    }
    let x = noise(40, 17, 3);
    let differences: Vec<f64> =
        noise(40, 31, 7).iter().zip(&x).map(|(d, x)| d - 0.55 + 0.8 * (x - 0.4)).collect();
    for (means, difference, std_error) in [
        (Some([0.45]), -0.06933201678211598, 0.05034597596592164),
        (None, -0.04778493557978201, 0.0500847288768034),
    ] {
        let means = means.as_ref().map(|means| means.as_slice());
        let found = cuped::paired(&differences, std::slice::from_ref(&x), means).expect("pairs");
        close(Some(found.estimate.difference), difference, 1e-10);
        close(Some(found.estimate.std_error), std_error, 1e-10);
    }
}

#[test]
fn covariates_that_say_nothing_leave_welch_and_the_paired_t() {
    let (left, right) = (noise(40, 31, 7), noise(30, 5, 311));
    let broken = |n: usize| vec![vec![3.0; n], vec![f64::NAN; n]];
    let (of_left, of_right) = (broken(40), broken(30));
    let arm = |outcomes, covariates| cuped::Arm { outcomes, covariates };
    let found =
        cuped::unpaired(arm(&left, &of_left), arm(&right, &of_right), Slopes::PerArm).expect("people");
    assert_eq!(found.estimate.p_value(), unpaired::welch(&left, &right));
    assert_eq!((found.used.len(), found.variance_reduction()), (0, Some(0.0)));
    let found = cuped::paired(&left, &broken(40), None).expect("pairs");
    assert_eq!(found.estimate.p_value(), paired::paired_t(&left));
    // More numbers to be fitted than people.
    let many: Vec<Vec<f64>> =
        (1..6).map(|power| (0..4).map(|k| f64::from(k).powi(power)).collect()).collect();
    assert_eq!(cuped::paired(&left[..4], &many, None), None);
    assert_eq!(cuped::unpaired(arm(&left[..4], &many), arm(&right[..4], &many), Slopes::Common), None);
}

#[test]
fn sequential_ratios_are_mixtures_of_scipys_densities() {
    // Quadrature of noncentral t (and normal) densities over the effect, tests/recompute/oracle_stats.py.
    let watched = Monitoring { rho_squared: 0.09, alpha: 0.05, n_min: 60 };
    let looks = sequential::of_mean(&shifted(noise(60, 31, 7), -0.2), watched);
    let last = looks.last().expect("looks");
    close(Some(last.p_value), 1.7238559656830715e-05, 1e-8);
    close(Some(last.high - last.effect), 0.124349439488124, 1e-8);
    assert!(looks[58].low == f64::NEG_INFINITY && looks[58].p_value == 1.0, "{:?}", looks[58]);
    // Two means: Welch's t and degrees of freedom, 30 values' worth of information.
    let mut monitor = DifferenceMonitor::new(watched);
    noise(60, 13, 29).into_iter().for_each(|value| monitor.push_left(value));
    shifted(noise(60, 11, 5), 0.25).into_iter().for_each(|value| monitor.push_right(value));
    close(Some(monitor.look().p_value), 0.0024725838156863652, 1e-8);
    let mut monitor = ProportionsMonitor::new(Monitoring { rho_squared: 0.0025, alpha: 0.05, n_min: 20 });
    close(Some(monitor.look(counts(68, 2629), counts(39, 2551)).p_value), 0.13356117623230895, 1e-8);
    // The smallest p-value so far stays.
    close(Some(monitor.look(counts(80, 3000), counts(80, 3000)).p_value), 0.13356117623230895, 1e-8);
}

#[test]
fn groups_are_those_of_statsmodels_and_quadrature() {
    let effects = [(0.03, 0.02), (-0.01, 0.03), (0.12, 0.05), (0.05, 0.02), (0.2, 0.06)];
    let groups = effects.map(|(effect, std_error)| GroupEffect { effect, std_error });
    // combine_effects(method_re="chi2"); the restricted likelihood maximised by scipy.
    let found = shrinkage::heterogeneity(&groups).expect("groups");
    close(Some(found.q), 12.884615384615387, 1e-12);
    close(Some(found.p_value), 0.011853563754240735, 1e-9);
    close(Some(found.tau_squared_dl), 0.0018780126849894296, 1e-10);
    close(Some(found.i_squared), 0.6895522388059703, 1e-10);
    close(Some(found.tau_squared_reml), 0.003458128671192308, 1e-5);
    let shrunk = shrinkage::shrink(&groups, 0.95).expect("groups");
    for (at, effect, low, high) in [
        (1, 0.004279094254338409, -0.05592387879502999, 0.060013165098623124),
        (4, 0.14077770390058467, 0.032656620655879987, 0.26857995756985786),
    ] {
        close(Some(shrunk[at].effect), effect, 1e-4);
        close_pair(Some((shrunk[at].low, shrunk[at].high)), (low, high), 1e-4);
    }
    assert_eq!(shrinkage::shrink(&groups[..2], 0.95), None);
    assert_eq!(shrinkage::heterogeneity(&groups[..1]), None);
    assert_eq!(shrinkage::heterogeneity(&[groups[0], GroupEffect { effect: 1.0, std_error: 0.0 }]), None);
    // Effects that are all the same are not heterogeneous at all.
    let same = [groups[0]; 4];
    let found = shrinkage::heterogeneity(&same).expect("groups");
    assert_eq!(
        (found.q, found.tau_squared_dl, found.tau_squared_reml, found.i_squared),
        (0.0, 0.0, 0.0, 0.0)
    );
}

//! The classifiers against scikit-learn on an invented problem, and the test itself on
//! sides that are alike and sides that are not.

use super::*;

/// The invented problem, the same formula as in the script behind the numbers:
/// x = 2 frac(43758.5453 sin(12.9898 i + 78.233 j + 1)) − 1; y = x0 + .8 x1 x2 + .6 x5 > 0, x5 being hidden.
fn problem(first: usize, n: usize) -> (Rows, Vec<bool>) {
    let cell = |i: usize, j: usize| {
        let wave = (i as f64 * 12.9898 + j as f64 * 78.233 + 1.0).sin() * 43758.5453;
        2.0 * (wave - wave.floor()) - 1.0
    };
    (first..first + n)
        .map(|i| {
            let x: Vec<f64> = (0..6).map(|j| cell(i, j)).collect();
            (x[..5].to_vec(), x[0] + 0.8 * x[1] * x[2] + 0.6 * x[5] > 0.0)
        })
        .unzip()
}

fn refs(rows: &Rows) -> Vec<&[f64]> {
    rows.iter().map(|row| &row[..]).collect()
}

fn area_of(scores: impl Iterator<Item = f64>, labels: &[bool]) -> f64 {
    let case = |(score, &positive): (f64, &bool)| Scored { score, positive, weight: 1.0 };
    auc(scores.zip(labels).map(case).collect()).expect("both sides")
}

#[test]
fn logistic_regression_agrees_with_sklearn() {
    let ((rows, labels), (asked, truth)) = (problem(0, 400), problem(400, 400));
    assert_eq!(labels.iter().filter(|label| **label).count(), 191);
    let model = Logistic::fit(&refs(&rows), &labels);
    // sklearn 1.x LogisticRegression(C=1, tol=1e-14, solver="newton-cholesky") on StandardScaler's output.
    let expected = [
        -0.22520515953651088,
        2.41896572646989,
        -0.0778142154718413,
        -0.1765916526651928,
        0.0006063228800543576,
        0.055026312066942036,
    ];
    for (found, expected) in model.coefficients.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    let area = area_of(asked.iter().map(|row| model.score(row)), &truth);
    assert!((area - 0.9186424569827931).abs() < 1e-12, "{area}");
}

#[test]
fn boosted_trees_agree_with_sklearn() {
    let ((rows, labels), (asked, truth)) = (problem(0, 400), problem(400, 400));
    let model = Boosting::fit(&refs(&rows), &labels, BoostingParams::default());
    // sklearn GradientBoostingClassifier(n_estimators=100, max_depth=3, learning_rate=.1, min_samples_leaf=10).
    // It breaks ties between splits at random, so single scores may differ where splits tie.
    let expected = [0.7286665760399451, 1.136641507835641, -2.0373446326897313, -2.0940173699809943];
    for (row, expected) in asked.iter().zip(expected) {
        let found = model.score(row);
        assert!((found - expected).abs() < 0.05, "{found} {expected}");
    }
    let area = area_of(asked.iter().map(|row| model.score(row)), &truth);
    assert!((area - 0.9242196878751501).abs() < 0.002, "{area}");
}

#[test]
fn degenerate_rows_are_no_trouble() {
    let rows: Rows = vec![vec![1.0, 0.0]; 40];
    let labels: Vec<bool> = (0..40).map(|k| k % 2 == 0).collect();
    assert_eq!(Logistic::fit(&refs(&rows), &labels).score(&rows[0]), 0.0);
    assert_eq!(Boosting::fit(&refs(&rows), &labels, BoostingParams::default()).score(&rows[0]), 0.0);
    let separable: Rows = (0..40).map(|k| vec![f64::from(k % 2), 3.0]).collect();
    let score = Logistic::fit(&refs(&separable), &labels).score(&[0.0, 3.0]);
    assert!(score.is_finite() && score > 1.0, "{score}");
    let score = Boosting::fit(&refs(&separable), &labels, BoostingParams::default()).score(&[0.0, 3.0]);
    assert!(score.is_finite() && score > 1.0, "{score}");
}

/// A side of 120 people: `n` features that do not depend on the side, and one shifted by `shift`.
fn side(seed: u64, shift: f64) -> Rows {
    let mut rng = Streams::new(seed).stream(Purpose::Validation, 0, 0, 0);
    let mut bell = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    (0..120).map(|_| vec![bell() + shift, bell(), bell()]).collect()
}

#[test]
fn alike_sides_are_not_told_apart_and_unlike_ones_are() {
    let streams = Streams::new(1);
    for classifier in Classifier::ALL {
        let alike: Vec<Rows> = (2..5).map(|seed| side(seed, 0.0)).collect();
        let found = discriminate(classifier, &side(1, 0.0), &alike, 0.95, streams).expect("areas");
        assert!((found.value - 0.5).abs() < 0.08, "{classifier:?}: {found:?}");
        let unlike: Vec<Rows> = (2..5).map(|seed| side(seed, 3.0)).collect();
        let found = discriminate(classifier, &side(1, 0.0), &unlike, 0.95, streams).expect("areas");
        assert!(
            found.value > 0.9 && found.low > 0.9 && found.low <= found.value,
            "{classifier:?}: {found:?}"
        );
    }
    let few = side(1, 0.0)[..9].to_vec();
    assert_eq!(discriminate(Classifier::Logistic, &few, std::slice::from_ref(&few), 0.95, streams), None);
}

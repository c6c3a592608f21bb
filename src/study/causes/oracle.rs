//! DirectLiNGAM and the lasso against PyPI `lingam` 1.13 and scikit-learn 1.9: every expected number was printed by
//! `tests/recompute/oracle_lingam.py` into `tests/golden/lingam.json`. Must not hold numbers of its own making.

use super::lars::Sums;
use super::linear::{Symmetric, dot};
use super::lingam::{Model, discover};
use super::observations::{CausesError, Observations};
use super::prior::{Known, Prior};
use super::stability::stability;
use crate::rng::Streams;
use serde::Deserialize;

const GOLDEN: &str = include_str!("../../../tests/golden/lingam.json");

#[derive(Deserialize)]
struct Case {
    seed: u64,
    n_variables: usize,
    n_rows: usize,
    noise: String,
    share: f64,
    tiers: Option<Vec<u32>>,
    /// At `[to][from]`: 1 a path, 0 none, −1 not known.
    prior: Option<Vec<Vec<i8>>>,
    first_row: Vec<f64>,
    order: Vec<usize>,
    coefficients: Vec<Vec<f64>>,
    total_effects: Vec<Vec<f64>>,
    lasso: Lasso,
}

#[derive(Deserialize)]
struct Lasso {
    path: Vec<Vec<f64>>,
    chosen: Vec<f64>,
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 * (-53f64).exp2()
    }

    fn of(&mut self, kind: &str) -> f64 {
        let u = self.uniform() - 0.5;
        if kind == "uniform" { u } else { (1.0 - 2.0 * u.abs()).ln().abs().copysign(-u) / 4.0 }
    }
}

impl Case {
    /// The columns that the script made.
    fn columns(&self) -> Vec<Vec<f64>> {
        let (n, mut noise) = (self.n_variables, Noise(self.seed));
        let mut places: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            places.swap(last, (noise.uniform() * (last + 1) as f64) as usize);
        }
        let mut weights = vec![vec![0.0; n]; n];
        for to in 0..n {
            for weight in &mut weights[to][..to] {
                let size = 0.3 + 1.2 * noise.uniform();
                let sign = if noise.uniform() < 0.5 { 1.0 } else { -1.0 };
                if noise.uniform() < self.share {
                    *weight = sign * size;
                }
            }
        }
        let scales: Vec<f64> = (0..n).map(|_| 0.5 + 2.0 * noise.uniform()).collect();
        let mut columns = vec![Vec::with_capacity(self.n_rows); n];
        for _ in 0..self.n_rows {
            let mut by_order: Vec<f64> = Vec::with_capacity(n);
            for to in 0..n {
                let own = scales[to] * noise.of(&self.noise);
                by_order.push(by_order.iter().zip(&weights[to]).fold(own, |sum, (value, w)| sum + w * value));
            }
            by_order.iter().zip(&places).for_each(|(value, &place)| columns[place].push(3.0 + value));
        }
        columns
    }

    fn observations(&self) -> Observations {
        let names: Vec<String> = (0..self.n_variables).map(|at| format!("v{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Observations::new(&names, self.columns()).expect("columns that can be told apart")
    }

    fn prior(&self) -> Prior {
        let mut prior = Prior::nothing(self.n_variables);
        for (to, row) in self.prior.iter().flatten().enumerate() {
            for (from, known) in row.iter().enumerate() {
                let known = [Known::Nothing, Known::NoPath, Known::Path][(known + 1) as usize];
                prior = prior.with(from, to, known);
            }
        }
        prior
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(GOLDEN).expect("tests/golden/lingam.json")
}

#[track_caller]
fn close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn orders_and_coefficients_are_those_of_lingam() {
    let cases = cases();
    assert!(cases.len() >= 12 && cases.iter().any(|case| case.prior.is_some()));
    for case in cases {
        let seen = case.observations();
        for (column, expected) in seen.columns().iter().zip(&case.first_row) {
            close(column[0], *expected, "the data themselves");
        }
        let model = discover(&seen, &case.prior()).expect("a model");
        assert_eq!(model.order, case.order, "seed {}", case.seed);
        let effects = model.total_effects();
        for to in 0..case.n_variables {
            for from in 0..case.n_variables {
                let at = format!("seed {}, {from} to {to}", case.seed);
                close(model.coefficient(from, to), case.coefficients[to][from], &at);
                assert_eq!(model.coefficient(from, to) == 0.0, case.coefficients[to][from] == 0.0, "{at}");
                close(effects.of(from, to), case.total_effects[to][from], &at);
            }
        }
    }
}

#[test]
fn tiers_are_the_same_knowledge_as_the_matrix_of_the_reference() {
    let with_tiers: Vec<Case> = cases().into_iter().filter(|case| case.tiers.is_some()).collect();
    assert!(!with_tiers.is_empty());
    for case in with_tiers {
        assert_eq!(Prior::of_tiers(case.tiers.as_deref().unwrap_or_default()), case.prior());
    }
}

#[test]
fn lasso_paths_and_what_bic_chooses_are_those_of_scikit_learn() {
    for case in cases() {
        let seen = case.observations();
        let (n, covariances) = (seen.n_rows() as f64, &seen.moments().covariances);
        let last = case.n_variables - 1;
        let sums = Sums {
            n_rows: seen.n_rows(),
            gram: Symmetric::new(last, |a, b| n * covariances.at(a, b)),
            xy: (0..last).map(|at| n * covariances.at(at, last)).collect(),
            yy: n * covariances.at(last, last),
        };
        let path = sums.lasso_path();
        assert_eq!(path.len(), case.lasso.path.len(), "seed {}", case.seed);
        for (knot, expected) in path.iter().zip(&case.lasso.path) {
            let found = std::iter::once(&knot.alpha).chain(&knot.coefficients);
            found.zip(expected).for_each(|(found, expected)| close(*found, *expected, "a knot"));
        }
        let chosen = sums.best_by_bic().expect("variables that can be told apart");
        chosen.iter().zip(&case.lasso.chosen).for_each(|(found, expected)| close(*found, *expected, "BIC"));
    }
}

/// A case that is quick to search, and its columns.
fn small() -> (Case, Vec<Vec<f64>>) {
    let case = cases().into_iter().find(|case| case.n_rows == 200).expect("a case of 200 rows");
    let columns = case.columns();
    (case, columns)
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn what_cannot_be_told_apart_is_refused_by_name() {
    let (_, good) = small();
    let refused = |change: &dyn Fn(&mut Vec<Vec<f64>>)| {
        let mut columns = good.clone();
        change(&mut columns);
        Observations::new(&NAMES, columns).expect_err("refused").to_string()
    };
    let constant = refused(&|columns| columns[2].fill(0.1));
    assert_eq!(constant, "c is 0.1 in every row: what does not vary has no cause and no effect");
    let collinear = refused(&|columns| {
        columns[3] = columns[0].iter().zip(&columns[1]).map(|(a, b)| a - 2.0 * b + 7.0).collect();
    });
    assert_eq!(collinear, "d follows from the columns before it (a, b, c): leave one of them out");
    let missing = refused(&|columns| columns[4][8] = f64::NAN);
    assert_eq!(missing, "e is NaN in row 9, expected a finite number");
    assert!(refused(&|columns| columns[1][0] = f64::INFINITY).contains("b is inf in row 1"));
    let short = refused(&|columns| columns.iter_mut().for_each(|column| column.truncate(6)));
    assert_eq!(short, "there are 6 rows, expected 7 or more for 5 variables");
    let uneven = refused(&|columns| columns[1].truncate(9));
    assert_eq!(uneven, "b has 9 rows, expected 200 as the first column has");
    let one = Observations::new(&["a"], vec![vec![1.0, 2.0]]);
    assert_eq!(one, Err(CausesError::TooFewVariables { n: 1 }));
    assert!(Observations::new(&[], Vec::new()).is_err());
}

#[test]
fn few_rows_and_huge_numbers_do_not_panic() {
    let (_, good) = small();
    for n_rows in 7..20 {
        let columns = good.iter().map(|column| column[..n_rows].to_vec()).collect();
        let seen = Observations::new(&NAMES, columns).expect("columns that vary");
        discover(&seen, &Prior::nothing(5)).expect("a model");
    }
    for factor in [1e-160, 1e-150, 1e150, 1e160] {
        let columns = good.iter().map(|c| c.iter().map(|value| value * factor).collect()).collect();
        if let Ok(seen) = Observations::new(&NAMES, columns) {
            let _ = discover(&seen, &Prior::nothing(5));
        }
    }
}

#[test]
fn a_clear_model_is_stable_and_resampling_is_the_same_at_any_thread_count() {
    let (case, _) = small();
    let seen = case.observations();
    let prior = Prior::nothing(case.n_variables);
    let run = || stability(&seen, &prior, 200, 0.95, &Streams::new(5)).expect("a model");
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool");
    let found = pool(1).install(run);
    assert_eq!(found, pool(3).install(run));
    assert_eq!((found.n_resamples, found.n_failed), (200, 0));
    assert_eq!(found.model, discover(&seen, &prior).expect("a model"));
    for pair in &found.pairs {
        let edge = pair.coefficient != 0.0;
        if edge {
            let (low, high) = pair.coefficient_ci.expect("an interval");
            assert!(low <= pair.coefficient && pair.coefficient <= high, "{pair:?}");
            assert!(pair.share_of_edge > 0.5, "{pair:?}");
        }
        assert!(pair.share_of_edge + pair.share_reversed <= 1.0 + 1e-12 && pair.share_before <= 1.0);
    }
    assert!(found.share_of_order > 0.3, "{}", found.share_of_order);
    let other = stability(&seen, &prior, 200, 0.95, &Streams::new(6)).expect("a model");
    assert_ne!(found.pairs, other.pairs);
}

#[test]
fn resamples_in_which_nothing_varies_are_counted() {
    let (_, mut columns) = small();
    columns.truncate(3);
    columns[1].iter_mut().enumerate().for_each(|(row, value)| *value = f64::from(u8::from(row == 0)));
    let seen = Observations::new(&NAMES[..3], columns).expect("columns that vary");
    let found = stability(&seen, &Prior::nothing(3), 100, 0.95, &Streams::new(1)).expect("a model");
    // One row in 200 is in a resample with probability 1 − (1 − 1/200)²⁰⁰ = .633.
    assert!((20..55).contains(&found.n_failed), "{}", found.n_failed);
    assert_eq!(found.n_resamples + found.n_failed, 100);
}

#[test]
fn total_effects_add_up_along_paths() {
    let (case, _) = small();
    let model: Model = discover(&case.observations(), &Prior::nothing(case.n_variables)).expect("a model");
    let (n, effects) = (model.n_variables(), model.total_effects());
    for from in 0..n {
        for to in 0..n {
            let direct: Vec<f64> = (0..n).map(|via| model.coefficient(via, to)).collect();
            let along: Vec<f64> = (0..n).map(|via| effects.of(from, via)).collect();
            close(effects.of(from, to), model.coefficient(from, to) + dot(&direct, &along), "T = B + B T");
        }
    }
}

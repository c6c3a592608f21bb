//! The test itself tested, on an invented world whose truth is known.

use super::scorer::{TasteScorer, fit_baselines};
use super::*;
use crate::agent::taste::{Taste, TasteEvidence, TasteSource};
use crate::dataset::split::{SplitParams, split};
use crate::dataset::{LoadContext, kind};
use crate::progress::Quiet;
use std::path::Path;

fn world() -> (Dataset, Split) {
    let params = "n_users = 150\nn_items = 300\nmean_interactions = 60".parse().expect("TOML");
    let source = kind("synthetic").expect("in the list").check("dataset", &params).expect("valid");
    let context = LoadContext { base_dir: Path::new("."), streams: Streams::new(3), progress: &Quiet };
    let dataset = source.load(&context).expect("a world");
    let params = SplitParams { valid: Some(0.2), test: Some(0.2), ..SplitParams::default() };
    let split = split(&dataset, &params, Streams::new(3)).expect("a split");
    (dataset, split)
}

fn row<'a>(rows: &'a [TasteTestRow], negatives: Negatives, ratio: u32, scorer: &str) -> &'a TasteTestRow {
    let found = rows.iter().find(|r| r.negatives == negatives && r.ratio == ratio && r.scorer == scorer);
    found.expect("a row for every scorer, ratio and kind of negatives")
}

/// Taste from train, taste as it truly is, popularity and two recommenders.
fn rows() -> Vec<TasteTestRow> {
    let (dataset, split) = world();
    let streams = Streams::new(5);
    let taste =
        |source| Taste::build(&dataset, &split, source, TasteEvidence::Train, streams).expect("a taste");
    let (truth, hybrid) = (taste(TasteSource::Truth), taste(TasteSource::Hybrid));
    let n_items = dataset.n_items();
    let (truth, hybrid) = (TasteScorer { taste: &truth, n_items }, TasteScorer { taste: &hybrid, n_items });
    let kinds = ["popular", "item_knn", "ease"];
    let baselines = fit_baselines(&dataset, &split, &kinds, streams, &Quiet).expect("baselines");
    let mut contestants = vec![
        Contestant { name: "truth".to_owned(), role: Role::Agents, scorer: &truth },
        Contestant { name: "hybrid".to_owned(), role: Role::Agents, scorer: &hybrid },
    ];
    for baseline in &baselines {
        contestants.push(Contestant { name: baseline.name.clone(), role: baseline.role, scorer: baseline });
    }
    taste_test(&dataset, &split, &persons(&split, 1000), &contestants, streams).expect("a test")
}

#[test]
fn truth_passes_and_popularity_only_where_negatives_are_obscure() {
    let rows = rows();
    assert_eq!(rows.len(), 2 * 4 * 5);
    // At 1:9 a few hundred answers hardly tell a good taste from a no to everything.
    for ratio in [1, 2, 3] {
        let of = |negatives, scorer| row(&rows, negatives, ratio, scorer);
        let no_to_all = 1.0 - n_positives(ratio) as f64 / 20.0;
        let matched = of(Negatives::PopularityMatched, "truth");
        assert!(matched.accuracy > no_to_all + 0.02, "1:{ratio}: {matched:?}");
        let popular = of(Negatives::PopularityMatched, "popular");
        assert!((popular.accuracy - no_to_all).abs() < 0.06, "1:{ratio}: {popular:?}");
        assert!(matched.lead.as_ref().is_some_and(|lead| lead.difference > 0.0), "1:{ratio}: {matched:?}");
        assert!(popular.lead.is_none());
    }
    let of = |negatives, scorer| row(&rows, negatives, 1, scorer).accuracy;
    assert!(of(Negatives::Unobserved, "popular") > of(Negatives::PopularityMatched, "popular") + 0.1);
    assert!(of(Negatives::PopularityMatched, "hybrid") > 0.6);
    for row in &rows {
        assert!(row.n_persons > 100 && row.ci_low < row.accuracy && row.accuracy < row.ci_high, "{row:?}");
        assert!([row.precision, row.recall, row.f1].iter().all(|x| (0.0..=1.0).contains(x)), "{row:?}");
    }
}

#[test]
fn threads_do_not_change_an_answer() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(rows)
    };
    assert_eq!(on(1), on(2));
}

/// Scores that have nothing to do with anybody.
struct Noise;

impl Scorer for Noise {
    fn scores(&self, users: &[UserId]) -> Result<Vec<Vec<f32>>, RecommendError> {
        use rand::RngExt;
        let one = |user: &UserId| {
            let mut rng = Streams::new(9).stream(Purpose::TasteTest, 9, u64::from(user.0), 0);
            (0..300).map(|_| rng.random::<f32>()).collect()
        };
        Ok(users.iter().map(one).collect())
    }
}

#[test]
fn a_scorer_that_knows_nothing_gains_nothing_from_choosing_its_cut() {
    let (dataset, split) = world();
    let noise = [Contestant { name: "noise".to_owned(), role: Role::Agents, scorer: &Noise }];
    let rows = taste_test(&dataset, &split, &persons(&split, 1000), &noise, Streams::new(1)).expect("a test");
    for row in rows {
        let no_to_all = 1.0 - n_positives(row.ratio) as f64 / 20.0;
        // Three standard errors of 150 people's 20 answers at chance.
        assert!(row.accuracy < no_to_all + 3.0 * (0.25f64 / 3000.0).sqrt(), "{row:?}");
        assert!(row.lead.is_none(), "there is no baseline to lead");
    }
}

#[test]
fn people_are_taken_evenly_and_only_if_enough_is_held_out() {
    let (_, split) = world();
    let all = persons(&split, usize::MAX);
    assert!(all.iter().all(|&u| split.valid.items_of(u).len() + split.test.items_of(u).len() >= 10));
    let some = persons(&split, 10);
    assert_eq!((some.len(), some[0]), (10, all[0]));
    assert!(some.windows(2).all(|pair| pair[0] < pair[1]) && some.iter().all(|user| all.contains(user)));
    assert!(persons(&split, 0).is_empty());
}

//! What the invented world promises: truth of the right size, people's histogram, a long
//! tail, and tastes that collaborative filtering can find.

use super::*;
use crate::dataset::split::{SplitParams, split};
use crate::dataset::{Interactions, kind};
use crate::progress::Quiet;
use std::path::Path;

fn world(toml: &str, seed: u64) -> Dataset {
    let source =
        kind("synthetic").expect("listed").check("dataset", &toml.parse().expect("TOML")).expect("valid");
    let context = LoadContext { base_dir: Path::new("."), streams: Streams::new(seed), progress: &Quiet };
    source.load(&context).expect("a world")
}

#[test]
fn affinity_is_about_standard_normal_over_random_pairs() {
    let world = world("n_users = 400\nn_items = 300", 1);
    let truth = world.truth.as_ref().expect("a truth");
    let all: Vec<f64> = (0..400)
        .flat_map(|u| (0..300).map(move |i| (UserId(u), ItemId(i))))
        .map(|(u, i)| f64::from(truth.affinity(u, i)))
        .collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64;
    assert!(mean.abs() < 1e-3, "{mean}");
    // Taste and quality are balanced apart; a small correlation of theirs may remain.
    assert!((variance - 1.0).abs() < 0.02, "{variance}");
    // Standard normal: 15.9 % above 1, 2.3 % above 2; products of normals have heavier tails.
    let above = |x: f64| all.iter().filter(|a| **a > x).count() as f64 / all.len() as f64;
    assert!((0.12..0.19).contains(&above(1.0)), "{}", above(1.0));
    assert!((0.01..0.05).contains(&above(2.0)), "{}", above(2.0));
}

#[test]
fn the_default_world_looks_like_peoples_data() {
    let world = world("", 7);
    assert_eq!((world.n_users(), world.n_items(), world.genres.len()), (2000, 1500, 18));
    let n = world.interactions.len() as f64;
    assert!((n / 2000.0 - 60.0).abs() < 4.0, "mean interactions {}", n / 2000.0);
    // MovieLens-1M: 5.6, 10.8, 26.1, 34.9, 22.6 % of ratings have one to five stars.
    for (star, share) in [(1.0, 0.056), (2.0, 0.108), (3.0, 0.261), (4.0, 0.349), (5.0, 0.226)] {
        let found = world.interactions.iter().filter(|x| x.rating == star).count() as f64 / n;
        assert!((found - share).abs() < 0.002, "{star}: {found}");
    }
    let mut counts = world.all().item_counts();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let top_tenth = counts[..150].iter().sum::<u32>() as f64 / n;
    assert!((0.25..0.6).contains(&top_tenth), "top 10 % hold {top_tenth}");
    let truth = world.truth.as_ref().expect("a truth");
    let mean = |keep: &dyn Fn(f32) -> bool| {
        let kept: Vec<f32> = world
            .interactions
            .iter()
            .filter(|x| keep(x.rating))
            .map(|x| truth.affinity(x.user, x.item))
            .collect();
        kept.iter().sum::<f32>() / kept.len() as f32
    };
    assert!(mean(&|_| true) > 0.5, "what is met fits");
    assert!(mean(&|r| r == 5.0) > mean(&|r| r == 1.0) + 1.0, "what is liked fits better");
    assert!(world.interactions.is_sorted_by_key(|x| (x.user, x.order, x.item)));
    let titles: HashSet<&str> = world.catalogue.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(titles.len(), 1500, "titles are distinct");
}

#[test]
fn the_seed_makes_the_world() {
    let small = "n_users = 50\nn_items = 60";
    let hash = |toml: &str, seed| world(toml, seed).content_hash();
    assert_eq!(hash(small, 1), hash(small, 1));
    assert_ne!(hash(small, 1), hash(small, 2));
    let own = "n_users = 50\nn_items = 60\nseed = 1";
    assert_eq!(hash(own, 2), hash(small, 1));
}

#[test]
fn the_smallest_and_oddest_worlds_hold() {
    for toml in [
        "n_users = 1\nn_items = 1\nn_genres = 1\nn_factors = 1",
        "n_users = 3\nn_items = 2\nmean_interactions = 1",
        "n_users = 20\nn_items = 30\nn_genres = 1000\ntaste_share = 0.0",
        "n_users = 20\nn_items = 30\ntaste_share = 1.0\npopularity_exponent = 2.0\nmean_interactions = 10000",
    ] {
        let world = world(toml, 3);
        let mut has_any = vec![false; world.n_users()];
        world.interactions.iter().for_each(|x| has_any[x.user.idx()] = true);
        assert!(has_any.iter().all(|any| *any), "{toml}");
        assert!(world.truth.expect("a truth").users.iter().all(|x| x.is_finite()), "{toml}");
    }
}

/// Mean recall@20 of test items, the user's training items left out.
fn recall_at_20(train: &Interactions, test: &Interactions, score: impl Fn(&[u32], usize) -> f32) -> f64 {
    let (mut sum, mut n) = (0.0, 0);
    for user in (0..train.matrix.n_rows).map(|u| UserId(u as u32)) {
        let (known, wanted) = (train.items_of(user), test.items_of(user));
        if wanted.is_empty() {
            continue;
        }
        let mut ranked: Vec<usize> =
            (0..train.matrix.n_cols).filter(|i| known.binary_search(&(*i as u32)).is_err()).collect();
        let scores: Vec<f32> = (0..train.matrix.n_cols).map(|item| score(known, item)).collect();
        ranked.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let hits = ranked[..20].iter().filter(|i| wanted.binary_search(&(**i as u32)).is_ok()).count();
        sum += hits as f64 / wanted.len() as f64;
        n += 1;
    }
    sum / f64::from(n)
}

#[test]
fn neighbours_beat_popularity_and_popularity_beats_chance() {
    let world = world("n_users = 800\nn_items = 500", 5);
    let cut = split(&world, &SplitParams::default(), Streams::new(5)).expect("a split");
    let n_items = world.n_items();
    let counts = cut.train.item_counts();
    let mut together = vec![0f32; n_items * n_items];
    for user in 0..world.n_users() as u32 {
        let items = cut.train.items_of(UserId(user));
        for &a in items {
            for &b in items {
                together[a as usize * n_items + b as usize] += 1.0;
            }
        }
    }
    let cosine = |a: usize, b: usize| {
        together[a * n_items + b] / ((counts[a].max(1) * counts[b].max(1)) as f32).sqrt()
    };
    let by_chance = recall_at_20(&cut.train, &cut.test, |_, item| ((item * 7919) % 1009) as f32);
    let by_count = recall_at_20(&cut.train, &cut.test, |_, item| counts[item] as f32);
    let by_neighbours = recall_at_20(&cut.train, &cut.test, |known, item| {
        known.iter().map(|&k| cosine(k as usize, item)).sum()
    });
    eprintln!("recall@20: chance {by_chance:.4}, popular {by_count:.4}, neighbours {by_neighbours:.4}");
    assert!(by_count > 1.5 * by_chance, "{by_count} {by_chance}");
    assert!(by_neighbours > 1.25 * by_count, "{by_neighbours} {by_count}");
}

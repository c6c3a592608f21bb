//! The taste test on the split of the Agent4Rec paper: what tastes from train alone must reach.
//! Needs the real data; the long one fits every baseline. In a release build, with tables printed:
//!
//! ```text
//! cargo test --release --test taste_test -- --include-ignored --nocapture
//! ```

use std::path::PathBuf;
use windtunnel::agent::taste::questions::Negatives;
use windtunnel::agent::taste::{Taste, TasteEvidence, TasteSource};
use windtunnel::dataset::{Dataset, LoadContext, Split, kind};
use windtunnel::progress::Quiet;
use windtunnel::rng::Streams;
use windtunnel::validate::taste_test::scorer::{Role, TasteScorer, fit_baselines};
use windtunnel::validate::taste_test::{BASELINES, Contestant, RATIOS, TasteTestRow, persons, taste_test};

fn real() -> Option<(Dataset, Split)> {
    let root = std::env::var_os("WINDTUNNEL_DATA").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let path = root.join("agent4rec");
    if !path.is_dir() {
        eprintln!("SKIPPED: {} is not there; set WINDTUNNEL_DATA to the folder of real data", path.display());
        return None;
    }
    let params = format!("path = '{}'", path.display()).parse().expect("TOML");
    let source = kind("agent4rec").expect("in the list").check("dataset", &params).expect("valid");
    let context = LoadContext { base_dir: &root, streams: Streams::new(42), progress: &Quiet };
    let dataset = source.load(&context).expect("the data");
    let split = dataset.published_split.clone().expect("a published split");
    Some((dataset, split))
}

fn test(sources: &[TasteSource], kinds: &[&str], seed: u64) -> Option<Vec<TasteTestRow>> {
    let (dataset, split) = real()?;
    let streams = Streams::new(seed);
    let tastes: Vec<(&str, Taste)> = sources
        .iter()
        .map(|&source| {
            let started = std::time::Instant::now();
            let taste = Taste::build(&dataset, &split, source, TasteEvidence::Train, streams);
            println!("{} built in {:.2} s", source.name(), started.elapsed().as_secs_f64());
            (source.name(), taste.expect("a taste"))
        })
        .collect();
    let n_items = dataset.n_items();
    let scorers: Vec<(&str, TasteScorer<'_>)> =
        tastes.iter().map(|(name, taste)| (*name, TasteScorer { taste, n_items })).collect();
    let baselines = fit_baselines(&dataset, &split, kinds, streams, &Quiet).expect("baselines");
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for (name, scorer) in &scorers {
        contestants.push(Contestant { name: (*name).to_owned(), role: Role::Agents, scorer });
    }
    contestants.extend(baselines.iter().map(|baseline| baseline.contestant()));
    let rows = taste_test(&dataset, &split, &persons(&split, 1000), &contestants, streams).expect("a test");
    print(&rows);
    Some(rows)
}

fn print(rows: &[TasteTestRow]) {
    for row in rows {
        let lead = row.lead.as_ref().map(|lead| {
            format!(
                "  {:+.4} [{:+.4}, {:+.4}] over {}",
                lead.difference, lead.ci_low, lead.ci_high, lead.over
            )
        });
        println!(
            "{:<19} 1:{} {:<9} n {} accuracy {:.4} [{:.4}, {:.4}] precision {:.3} recall {:.3} F1 {:.3}{}",
            row.negatives.name(),
            row.ratio,
            row.scorer,
            row.n_persons,
            row.accuracy,
            row.ci_low,
            row.ci_high,
            row.precision,
            row.recall,
            row.f1,
            lead.unwrap_or_default()
        );
    }
}

fn assert_bounds(rows: &[TasteTestRow]) {
    let hybrid = |negatives, ratio| {
        let found =
            rows.iter().find(|r| r.negatives == negatives && r.ratio == ratio && r.scorer == "hybrid");
        found.expect("a row")
    };
    // What the project asks of tastes that know no more than a recommender may.
    for (ratio, bound) in [(1, 0.80), (3, 0.83), (9, 0.91)] {
        let row = hybrid(Negatives::Unobserved, ratio);
        assert!(row.accuracy >= bound, "{row:?}");
    }
    for ratio in RATIOS {
        let row = hybrid(Negatives::PopularityMatched, ratio);
        assert!(row.lead.as_ref().is_some_and(|lead| lead.difference > 0.0), "{row:?}");
    }
}

/// The published test and the popularity-matched one against the baselines that fit in a second.
#[test]
fn tastes_from_train_pass_and_lead_the_quick_baselines() {
    if let Some(rows) = test(&[TasteSource::Hybrid], &["popular", "item_knn", "als"], 42) {
        assert_bounds(&rows);
    }
}

/// The same against every baseline, under three seeds.
#[test]
#[ignore = "fits every baseline three times: minutes in a debug build"]
fn tastes_from_train_lead_every_baseline() {
    for seed in [42, 1, 2] {
        let sources = [TasteSource::Hybrid, TasteSource::Latent, TasteSource::Content];
        let Some(rows) = test(&sources, &BASELINES, seed) else { return };
        assert_bounds(&rows);
    }
}

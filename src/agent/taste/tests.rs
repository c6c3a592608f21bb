//! Every source of taste on one small invented world.

use super::*;
use crate::dataset::split::{SplitParams, split};
use crate::dataset::{LoadContext, kind};
use crate::progress::Quiet;
use std::path::Path;

pub(super) fn world() -> (Dataset, Split) {
    let params = "n_users = 120\nn_items = 90\nmean_interactions = 25".parse().expect("TOML");
    let source = kind("synthetic").expect("in the list").check("dataset", &params).expect("valid");
    let context = LoadContext { base_dir: Path::new("."), streams: Streams::new(3), progress: &Quiet };
    let dataset = source.load(&context).expect("a world");
    let split = split(&dataset, &SplitParams::default(), Streams::new(3)).expect("a split");
    (dataset, split)
}

fn build(source: TasteSource, evidence: TasteEvidence) -> Taste {
    let (dataset, split) = world();
    Taste::build(&dataset, &split, source, evidence, Streams::new(3)).expect("a taste")
}

fn everything(taste: &Taste) -> Vec<f32> {
    let pair = |user: u32, item: u32| taste.affinity(UserId(user), ItemId(item));
    (0..120).flat_map(|user| (0..90).map(move |item| pair(user, item))).collect()
}

/// The mean over pairs of the product of two standardised tastes.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let moments = |x: &[f32]| {
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / x.len() as f64;
        (mean, variance.sqrt())
    };
    let ((mean_a, sd_a), (mean_b, sd_b)) = (moments(a), moments(b));
    let products = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - mean_a) * (f64::from(b) - mean_b));
    products.sum::<f64>() / a.len() as f64 / sd_a / sd_b
}

#[test]
fn what_is_learnt_resembles_the_truth_and_what_is_held_out_sharpens_it() {
    let truth = everything(&build(TasteSource::Truth, TasteEvidence::All));
    let likeness = |source, evidence| correlation(&truth, &everything(&build(source, evidence)));
    for source in [TasteSource::Content, TasteSource::Latent, TasteSource::Hybrid] {
        let [all, train] = [TasteEvidence::All, TasteEvidence::Train].map(|e| likeness(source, e));
        assert!(train > 0.2, "{}: {train}", source.name());
        assert!(all > train, "{}: {all} from all, {train} from train", source.name());
    }
    let held_out = likeness(TasteSource::HeldOut, TasteEvidence::All);
    assert!(held_out > 0.1, "{held_out}");
}

#[test]
fn tastes_from_train_do_not_depend_on_what_is_held_out() {
    let (mut dataset, mut split) = world();
    for source in [TasteSource::Content, TasteSource::Latent, TasteSource::Hybrid] {
        let build = |dataset: &Dataset, split: &Split| {
            let taste = Taste::build(dataset, split, source, TasteEvidence::Train, Streams::new(3));
            everything(&taste.expect("a taste"))
        };
        let before = build(&dataset, &split);
        dataset.interactions.truncate(1);
        split.test = split.valid.clone();
        assert_eq!(before, build(&dataset, &split), "{}", source.name());
        (dataset, split) = world();
    }
}

#[test]
fn held_out_taste_has_two_values_whose_scores_balance() {
    let (dataset, split) = world();
    let taste = build(TasteSource::HeldOut, TasteEvidence::All);
    let (least, scores) = (0.75f32, everything(&taste));
    let (low, high) = dataset.rating_range.expect("a synthetic world has ratings");
    let mut n_liked = 0;
    for user in (0..120).map(UserId) {
        for x in split.valid.history_of(user).chain(split.test.history_of(user)) {
            let liked = x.rating >= low + least * (high - low);
            n_liked += usize::from(liked);
            assert_eq!(taste.affinity(user, x.item) > 1.0, liked);
        }
    }
    assert!(n_liked > 100);
    assert_eq!(scores.iter().filter(|&&score| score > 1.0).count(), n_liked);
    assert!(scores.iter().all(|score| score.abs() < 3.6));
}

#[test]
fn threads_do_not_change_a_bit() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            [TasteSource::Content, TasteSource::Latent, TasteSource::Hybrid]
                .map(|s| everything(&build(s, TasteEvidence::All)))
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn every_statement_names_its_source_and_whom_it_favours() {
    for source in [
        TasteSource::Truth,
        TasteSource::Content,
        TasteSource::Latent,
        TasteSource::Hybrid,
        TasteSource::HeldOut,
    ] {
        let all = source.statement(TasteEvidence::All);
        let tells = |word: &str| all.contains(word);
        assert!(
            all.starts_with("taste is ")
                && tells(if source == TasteSource::Truth { "truth" } else { source.name() })
        );
        assert!(tells("favoured") || tells("can represent it exactly"), "{all}");
        let train = source.statement(TasteEvidence::Train);
        assert_eq!(
            all != train,
            matches!(source, TasteSource::Content | TasteSource::Latent | TasteSource::Hybrid)
        );
    }
}

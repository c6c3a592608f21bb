//! Click models on pages simulated from each of them: parameters come back, likelihoods are those of their stories told
//! one by one, and the model that is true wins. Must not test what the study says of them.

use super::cascade::{Cascade, DependentClick, FittedCascade};
use super::click_model::{ClickModel, FittedClickModel, first_watch};
use super::compare::{advantage, cross_fitted};
use super::pages::{Page, Pages};
use super::position_based::{FittedPositionBased, PositionBased, PositionBlind};
use super::propensity::{Sighting, by_slot, harvested};
use crate::rng::{Purpose, Streams};
use crate::stats::params::StatsParams;
use rand::RngExt;
use rand::seq::SliceRandom;

const N_SLOTS: usize = 4;
const N_KINDS: usize = 30;
const N_PERSONS: usize = 1000;
const PAGES_OF_A_PERSON: u32 = 10;
const EXAMINATION: [f64; N_SLOTS] = [0.9, 0.75, 0.6, 0.4];
const GOING_ON: [f64; N_SLOTS] = [0.8, 0.6, 0.4, 0.5];

fn attractiveness() -> Vec<f64> {
    (0..N_KINDS).map(|kind| 0.1 + 0.7 * ((kind * 7) % N_KINDS) as f64 / N_KINDS as f64).collect()
}

/// Pages in random order, each watched as `story` tells from uniform luck.
fn simulated(seed: u64, story: impl Fn(&[f64], &mut dyn FnMut() -> f64) -> Vec<bool>) -> Pages {
    let (likes, mut pages) = (attractiveness(), Pages::new(N_SLOTS, N_PERSONS, N_KINDS));
    for person in 0..N_PERSONS as u32 {
        for number in 0..PAGES_OF_A_PERSON {
            let mut rng = Streams::new(seed).stream(Purpose::Watch, 0, u64::from(person), number);
            let mut kinds: Vec<u32> = (0..N_KINDS as u32).collect();
            kinds.shuffle(&mut rng);
            kinds.truncate(N_SLOTS);
            let likes: Vec<f64> = kinds.iter().map(|&kind| likes[kind as usize]).collect();
            let watched = story(&likes, &mut || rng.random());
            pages.push(Page { person, kinds: &kinds, watched: &watched });
        }
    }
    pages
}

/// Each slot is looked at or not; what is looked at is watched or not.
fn looks_anywhere(likes: &[f64], luck: &mut dyn FnMut() -> f64) -> Vec<bool> {
    likes.iter().zip(EXAMINATION).map(|(like, look)| luck() < look && luck() < *like).collect()
}

/// From the top; after a watch on with these probabilities.
fn reads_on(going_on: [f64; N_SLOTS], likes: &[f64], luck: &mut dyn FnMut() -> f64) -> Vec<bool> {
    let mut reads = true;
    let mut slot = |like: f64, on: f64| {
        let watched = reads && luck() < like;
        reads = reads && (!watched || luck() < on);
        watched
    };
    likes.iter().zip(going_on).map(|(&like, on)| slot(like, on)).collect()
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < tolerance, "{k}: {found}, expected {expected}");
    }
}

#[test]
fn a_position_based_world_is_recovered() {
    let pages = simulated(1, looks_anywhere);
    let fitted = PositionBased { strength: 2.0 }.numbers(&pages, &[1.0; N_PERSONS]);
    assert!(fitted.has_converged, "{} steps", fitted.n_steps);
    let truth = EXAMINATION.map(|look| look / EXAMINATION[0]);
    close(&fitted.relative_examination(), &truth, 0.03);
    let likes = attractiveness();
    let truth: Vec<f64> = (0..N_KINDS).map(|kind| likes[kind] * EXAMINATION[0]).collect();
    let found: Vec<f64> = (0..N_KINDS as u32).map(|kind| fitted.marginals(&[kind; N_SLOTS])[0]).collect();
    // 1,333 exposures a kind: standard errors of about .015.
    close(&found, &truth, 0.06);

    let intervals = PositionBased { strength: 2.0 }.intervals(&pages, 100, 0.95, &Streams::new(3));
    for (slot, interval) in intervals.into_iter().enumerate() {
        let (low, high) = interval.expect("an interval");
        let ratio = fitted.relative_examination()[slot];
        assert!(low <= ratio && ratio <= high && high - low < 0.08, "{low}..{high} around {ratio}");
    }

    let told = by_slot(&pages, &StatsParams::default(), &Streams::new(3));
    let found: Vec<f64> = told.iter().map(|slot| slot.ratio.expect("a ratio")).collect();
    close(&found, &EXAMINATION.map(|look| look / EXAMINATION[0]), 0.03);
    for (slot, look) in told.iter().zip(EXAMINATION).skip(1) {
        let (low, high) = slot.interval.expect("an interval");
        assert!(high - low < 0.08, "{low}..{high}");
        assert!((low - 0.02..high + 0.02).contains(&(look / EXAMINATION[0])), "{low}..{high}");
    }
    assert_eq!(told[0].interval, Some((1.0, 1.0)), "the first slot is the measure");
}

#[test]
fn a_world_that_reads_from_the_top_is_recovered() {
    let pages = simulated(2, |likes, luck| reads_on(GOING_ON, likes, luck));
    let fitted = DependentClick { strength: 2.0 }.numbers(&pages, &[1.0; N_PERSONS]);
    close(&fitted.going_on[..N_SLOTS - 1], &GOING_ON[..N_SLOTS - 1], 0.06);
    close(&fitted.attractiveness, &attractiveness(), 0.07);
    let pages = simulated(3, |likes, luck| reads_on([0.0; N_SLOTS], likes, luck));
    let fitted = Cascade { strength: 2.0 }.numbers(&pages, &[1.0; N_PERSONS]);
    close(&fitted.attractiveness, &attractiveness(), 0.07);
}

#[test]
fn the_model_that_is_true_wins() {
    let strength = 2.0;
    let (based, blind) = (PositionBased { strength }, PositionBlind { strength });
    let (cascade, dependent) = (Cascade { strength }, DependentClick { strength });
    let models: [&dyn ClickModel; 4] = [&based, &blind, &cascade, &dependent];
    let winner = |pages: &Pages, others: &[&str]| {
        let scores = cross_fitted(pages, &models, &Streams::new(5));
        let best = scores.iter().max_by(|a, b| a.per_page().total_cmp(&b.per_page())).expect("four");
        for other in scores.iter().filter(|score| others.contains(&score.model)) {
            let told =
                advantage((best, other), |s| &s.log_likelihood, &StatsParams::default(), &Streams::new(6));
            let (value, interval) = told.expect("finite");
            let (low, high) = interval.expect("an interval");
            assert!(
                0.0 < low && low < value && value < high,
                "{} over {}: {low}..{high}",
                best.model,
                other.model
            );
        }
        (best.model, scores)
    };
    let (best, scores) = winner(&simulated(1, looks_anywhere), &["position_blind", "dependent_click"]);
    assert_eq!(best, "position_based");
    assert_eq!(scores[2].per_page(), f64::NEG_INFINITY, "a cascade has one watch a page");
    assert!(scores[2].n_impossible > 1000 && scores[2].perplexity.iter().all(|p| p.is_finite()));
    assert!((0..N_SLOTS).all(|slot| scores[0].perplexity[slot] < scores[1].perplexity[slot]));
    let pages = simulated(2, |likes, luck| reads_on(GOING_ON, likes, luck));
    assert_eq!(winner(&pages, &["position_based", "position_blind"]).0, "dependent_click");
    // One watch a page: the cascade is true, and the dependent click model finds that nobody goes on.
    let pages = simulated(3, |likes, luck| reads_on([0.0; N_SLOTS], likes, luck));
    let (_, scores) = winner(&pages, &["position_based", "position_blind"]);
    assert!((scores[2].per_page() - scores[3].per_page()).abs() < 1e-3);
    assert!(scores[2].per_page() > scores[0].per_page() + 0.01);
}

/// P(watched) of every possible page, added up over the stories that lead to it: looks and likes slot by slot, or read
/// from the top. A twin of the likelihoods that shares nothing with them.
fn told_one_by_one(likes: &[f64], examination: Option<&[f64]>, going_on: &[f64], watched: &[bool]) -> f64 {
    fn from(
        slot: usize,
        reads: bool,
        p: f64,
        world: (&[f64], Option<&[f64]>, &[f64]),
        watched: &[bool],
    ) -> f64 {
        let (likes, examination, going_on) = world;
        if slot == likes.len() {
            return p;
        }
        let mut sum = 0.0;
        for looks in [false, true] {
            let p_looks = match examination {
                Some(examination) => examination[slot],
                None if reads => 1.0,
                None => 0.0,
            };
            let p_looks = if looks { p_looks } else { 1.0 - p_looks };
            for likes_it in [false, true] {
                let p_likes = if likes_it { likes[slot] } else { 1.0 - likes[slot] };
                if (looks && likes_it) != watched[slot] {
                    continue;
                }
                for goes_on in [false, true] {
                    let p_on = match (looks && likes_it, goes_on) {
                        (true, true) => going_on[slot],
                        (true, false) => 1.0 - going_on[slot],
                        (false, true) => 1.0,
                        (false, false) => 0.0,
                    };
                    sum += from(slot + 1, reads && goes_on, p * p_looks * p_likes * p_on, world, watched);
                }
            }
        }
        sum
    }
    from(0, true, 1.0, (likes, examination, going_on), watched)
}

#[test]
fn likelihoods_are_those_of_their_stories() {
    let attractiveness = vec![0.7, 0.35, 0.2, 0.55];
    let kinds = [2u32, 0, 3, 1];
    let likes: Vec<f64> = kinds.iter().map(|&kind| attractiveness[kind as usize]).collect();
    let based = FittedPositionBased {
        examination: EXAMINATION.to_vec(),
        attractiveness: attractiveness.clone(),
        n_steps: 0,
        has_converged: true,
    };
    let cascade = FittedCascade { attractiveness, going_on: GOING_ON.to_vec() };
    let models: [(&dyn FittedClickModel, Option<&[f64]>); 2] =
        [(&based, Some(&EXAMINATION)), (&cascade, None)];
    for (fitted, examination) in models {
        let (mut total, mut by_slot, mut firsts) = (0.0, [0.0; N_SLOTS], [0.0; N_SLOTS + 1]);
        for page in 0..1usize << N_SLOTS {
            let watched: Vec<bool> = (0..N_SLOTS).map(|slot| page >> slot & 1 == 1).collect();
            let twin = told_one_by_one(&likes, examination, &GOING_ON, &watched);
            let found = fitted.log_likelihood(Page { person: 0, kinds: &kinds, watched: &watched }).exp();
            assert!((found - twin).abs() < 1e-12, "{watched:?}: {found}, expected {twin}");
            total += twin;
            (0..N_SLOTS).filter(|&slot| watched[slot]).for_each(|slot| by_slot[slot] += twin);
            firsts[watched.iter().position(|&w| w).unwrap_or(N_SLOTS)] += twin;
        }
        assert!((total - 1.0).abs() < 1e-12);
        close(&fitted.marginals(&kinds), &by_slot, 1e-12);
        for (first, expected) in firsts.into_iter().enumerate() {
            let watched: Vec<bool> = (0..N_SLOTS).map(|slot| slot == first).collect();
            let found = first_watch(&fitted.hazards(&kinds), &watched).exp();
            assert!((found - expected).abs() < 1e-9, "first {first}: {found}, expected {expected}");
        }
    }
}

#[test]
fn ranked_pages_mislead_and_two_rankers_make_up_for_it() {
    // The better the item, the higher it stands, but for one ranker in two whose page is turned around.
    let likes = [0.9, 0.7, 0.5, 0.3];
    let (mut pages, mut sightings) = (Pages::new(N_SLOTS, 5000, N_SLOTS), Vec::new());
    for person in 0..5000u32 {
        for turned in [false, true] {
            let mut rng = Streams::new(7).stream(Purpose::Watch, u32::from(turned), u64::from(person), 1);
            let mut kinds = [0u32, 1, 2, 3];
            if turned {
                kinds.reverse();
            }
            let watched = looks_anywhere(&kinds.map(|kind| likes[kind as usize]), &mut || rng.random());
            if !turned {
                pages.push(Page { person, kinds: &kinds, watched: &watched });
            }
            for (slot, &item) in kinds.iter().enumerate() {
                sightings.push(Sighting {
                    round: 0,
                    agent: person,
                    item,
                    slot: slot as u32,
                    watched: watched[slot],
                });
            }
        }
    }
    let (statistics, streams) = (StatsParams::default(), Streams::new(1));
    let naive = by_slot(&pages, &statistics, &streams)[3].ratio.expect("a ratio");
    assert!((naive - 0.4 * 0.3 / (0.9 * 0.9)).abs() < 0.03, "{naive}");
    let told = harvested(sightings, N_SLOTS, (5000, &|agent| agent), &statistics, &streams);
    // Slots 0 and 3 have two items in common, the best and the worst; slot 1 has none with slot 0.
    assert_eq!((told[3].n, told[1].n, told[1].ratio), (10_000, 0, None));
    let ratio = told[3].ratio.expect("a ratio");
    assert!((ratio - 0.4 / 0.9).abs() < 0.03, "{ratio}");
    let (low, high) = told[3].interval.expect("an interval");
    assert!(low < ratio && ratio < high && high - low < 0.06);
}

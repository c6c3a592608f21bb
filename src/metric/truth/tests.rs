//! Means and orders by hand, clustering by person, and the way through the files.

use super::*;
use crate::event::{ExitReason, Page, Slot};
use crate::metric::analyse::ArmAnalysis;
use crate::metric::tables::{read, write};
use crate::metric::{self, CatalogueItem, PersonRecord, Setting};

fn catalogue() -> Catalogue {
    let item = |k: u32| CatalogueItem { raw_id: format!("i{k}"), ..CatalogueItem::default() };
    Catalogue { items: (0..6).map(item).collect(), ..Catalogue::default() }
}

/// Two agents of each of three people.
fn population() -> Population {
    let person = |k: u32| PersonRecord { raw_id: format!("p{k}"), ..PersonRecord::default() };
    let mut population = Population::of_people((0..3).map(person).collect());
    (0..6).for_each(|k| population.push(k % 3, [1; 3]));
    population
}

/// Person `pk` rates item j with 1 + (j + k) mod 5, and item 5 not at all.
fn ratings(population: &Population) -> TrueRatings {
    TrueRatings::new(population, |persona| {
        let person: u32 = persona[1..].parse().expect("p and a number");
        (0..5).rev().map(|j| (ItemId(j), 1.0 + ((j + person) % 5) as f32)).collect()
    })
}

fn session(agent: u32, items: &[u32], satisfaction: u8) -> Session {
    let slot = |&item: &u32| Slot {
        item: ItemId(item),
        aligned: None,
        held_out: false,
        propensity: None,
        advertised: None,
        watched: true,
        rating: Some(if satisfaction > 5 { 5 } else { 3 }),
    };
    Session {
        round: 0,
        agent: AgentId(agent),
        pages: vec![Page { number: 1, slots: items.iter().map(slot).collect() }],
        reflections: Vec::new(),
        exit: Some(ExitReason::Left),
        satisfaction: Some(satisfaction),
        n_failures: 0,
    }
}

/// Arms by name, each with the items and the satisfaction of every agent.
fn tables(arms: &[(&str, &[u32], u8)]) -> (TruthTables, Vec<TrueRatingRow>) {
    let (catalogue, population) = (catalogue(), population());
    let setting = Setting { catalogue: &catalogue, population: &population, items_per_page: 2 };
    let ratings = ratings(&population);
    let mut truths = Truths::new(&ratings, arms.len());
    let mut results = Vec::new();
    for (nth, (arm, items, satisfaction)) in arms.iter().enumerate() {
        let sessions: Vec<Session> = (0..6).map(|agent| session(agent, items, *satisfaction)).collect();
        sessions.iter().for_each(|session| truths.observe(nth, session));
        let mut analysis = ArmAnalysis::new(arm, metric::ALL);
        analysis.observe(&sessions, setting);
        results.push(analysis.finish(setting));
    }
    let shown = truths.shown_ratings(&catalogue);
    let params = StatsParams { n_bootstrap: 200, ..StatsParams::default() };
    (truths.tables(&results, &population, &params, &Streams::new(1)), shown)
}

#[test]
fn means_are_over_known_ratings_and_people_are_counted_once() {
    let (found, _) = tables(&[("a", &[0, 5], 3), ("b", &[4, 3], 8)]);
    let a = &found.arms[0];
    // Of item 0 the three people think 1, 2 and 3; of item 5 nothing is known.
    assert_eq!((a.n_people, a.n_shown, a.n_known, a.mean_true_rating), (3, 12, 6, Some(2.0)));
    // Resampled people: the interval spans at most what single people think.
    assert!(a.ci_low.is_some_and(|low| low >= 1.0) && a.ci_high.is_some_and(|high| high <= 3.0), "{a:?}");
    // Item 4: 5, 1, 2; item 3: 4, 5, 1.
    assert_eq!(found.arms[1].mean_true_rating, Some(3.0));
}

#[test]
fn agreeing_orders_have_tau_one_and_opposite_ones_minus_one() {
    let arms: [(&str, &[u32], u8); 3] = [("a", &[0], 3), ("b", &[1], 6), ("c", &[2], 8)];
    let (found, _) = tables(&arms);
    let of = |found: &TruthTables, metric: &str| {
        found.orders.iter().find(|row| row.metric == metric).cloned().expect("an order")
    };
    let agreeing = of(&found, "s_sat");
    assert_eq!((agreeing.n_arms, agreeing.tau), (3, Some(1.0)));
    assert!(agreeing.ci_low.is_some_and(|low| (-1.0..=1.0).contains(&low)), "{agreeing:?}");
    // p_like ties b and c: of three pairs one is tied on one side, so tau-b is 2 / sqrt(2 · 3).
    let tied = of(&found, "p_like").tau.expect("a tau");
    assert!((tied - 2.0 / 6f64.sqrt()).abs() < 1e-12, "{tied}");
    let opposite: [(&str, &[u32], u8); 3] = [("a", &[0], 8), ("b", &[1], 6), ("c", &[2], 3)];
    assert_eq!(of(&tables(&opposite).0, "s_sat").tau, Some(-1.0));
}

#[test]
fn one_arm_or_no_difference_has_no_tau() {
    assert!(tables(&[("a", &[0], 3)]).0.orders.is_empty());
    let (found, _) = tables(&[("a", &[0], 3), ("b", &[0], 3)]);
    assert!(found.orders.iter().all(|row| row.tau.is_none() && row.ci_low.is_none()), "{found:?}");
}

#[test]
fn shown_ratings_go_through_their_file_and_give_the_same_truth() {
    let arms: [(&str, &[u32], u8); 2] = [("a", &[0, 5], 3), ("b", &[4, 3], 8)];
    let (_, shown) = tables(&arms);
    // Three people, three items that are known and shown.
    assert_eq!(shown.len(), 9);
    let mut file = Vec::new();
    write(&shown, &TrueRatingRow::HEADER, &mut file).expect("memory");
    let rows: Vec<TrueRatingRow> = read(&file[..]).expect("own file");
    let population = population();
    let back = TrueRatings::from_rows(&rows, &population, &catalogue());
    let whole = ratings(&population);
    for (agent, item) in (0..6).flat_map(|agent| [0, 3, 4, 5].map(|item| (AgentId(agent), ItemId(item)))) {
        assert_eq!(back.rating(agent, item), whole.rating(agent, item));
    }
    assert_eq!(back.rating(AgentId(0), ItemId(1)), None, "what was never shown is not told");
}

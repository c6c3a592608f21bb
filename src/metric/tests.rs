//! Every metric against a slow twin that is written straight from its definition, on small random
//! worlds, and on a session worked out by hand. Must not share code with what it checks.

use super::*;
use crate::event::{ExitReason, Page, Slot};
use crate::id::{AgentId, ItemId};
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};

const ITEMS_PER_PAGE: usize = 4;

/// A small world with everything awkward in it: items without genres, agents without history or
/// held-out items, short pages, failures, sessions without pages, missing interviews.
fn world(seed: u64, n_agents: u32) -> (Catalogue, Population, Vec<Session>) {
    let mut luck = Streams::new(seed).stream(Purpose::Synthesis, 0, 0, 0);
    let n_genres = luck.random_range(1..6u16);
    let items = (0..30)
        .map(|item| CatalogueItem {
            raw_id: format!("i{item}"),
            genres: (0..n_genres).filter(|_| luck.random_bool(0.35)).map(GenreId).collect(),
            n_train: luck.random_range(0..40),
            ..CatalogueItem::default()
        })
        .collect();
    let genres = (0..n_genres).map(|genre| format!("g{genre}")).collect();
    let catalogue = Catalogue { genres, items, n_train_users: 40 };
    let agents = (0..n_agents).map(|agent| agent_record(agent, n_genres, &mut luck)).collect();
    let mut sessions: Vec<Session> = (0..n_agents).map(|agent| session(AgentId(agent), &mut luck)).collect();
    // Metrics may not rely on an order of agents.
    sessions.rotate_left(n_agents as usize / 3);
    (catalogue, Population::new(agents), sessions)
}

fn agent_record(agent: u32, n_genres: u16, luck: &mut ChaCha8Rng) -> (PersonRecord, [u8; 3]) {
    let weights: Vec<f32> =
        (0..n_genres).map(|_| if luck.random_bool(0.3) { 0.0 } else { luck.random::<f32>() }).collect();
    let total: f32 = weights.iter().sum();
    let person = PersonRecord {
        raw_id: format!("u{agent}"),
        n_held_out: if luck.random_bool(0.2) { 0 } else { luck.random_range(3..9) },
        genre_shares: weights.iter().map(|weight| if total > 0.0 { weight / total } else { 0.0 }).collect(),
        mean_popularity: if luck.random_bool(0.1) { 0.0 } else { luck.random_range(1.0..40.0) },
        ..PersonRecord::default()
    };
    (person, [1; 3])
}

fn session(agent: AgentId, luck: &mut ChaCha8Rng) -> Session {
    let n_pages = luck.random_range(0..5u32);
    let mut fresh: Vec<u32> = (0..30).collect();
    let mut slot = |luck: &mut ChaCha8Rng| {
        let item = ItemId(fresh.swap_remove(luck.random_range(0..fresh.len())));
        let watched = luck.random_bool(0.5);
        let rating = (watched && luck.random_bool(0.9)).then(|| luck.random_range(1..=5u8));
        Slot {
            item,
            aligned: None,
            propensity: None,
            advertised: None,
            held_out: luck.random_bool(0.3),
            watched,
            rating,
        }
    };
    let pages = (1..=n_pages)
        .map(|number| {
            let n_slots = if luck.random_bool(0.1) { luck.random_range(1..4) } else { ITEMS_PER_PAGE };
            Page { number, slots: (0..n_slots).map(|_| slot(luck)).collect() }
        })
        .collect();
    let failed = luck.random_bool(0.1);
    Session {
        round: 0,
        agent,
        pages,
        reflections: Vec::new(),
        exit: if failed {
            Some(ExitReason::Failure)
        } else {
            luck.random_bool(0.95).then_some(ExitReason::Left)
        },
        satisfaction: luck.random_bool(0.8).then(|| luck.random_range(1..=10)),
        n_failures: u32::from(failed),
    }
}

fn measure_all(
    catalogue: &Catalogue,
    population: &Population,
    sessions: &[Session],
) -> BTreeMap<String, Measured> {
    let setting = Setting { catalogue, population, items_per_page: ITEMS_PER_PAGE };
    let mut found = BTreeMap::new();
    for kind in ALL {
        let mut metric = kind.start();
        sessions.iter().for_each(|session| metric.observe(session, setting));
        for measured in metric.finish(setting) {
            assert_eq!(super::measure(&measured.name), Some(measured.measure), "{}", measured.name);
            found.insert(measured.name.clone(), measured);
        }
    }
    found
}

fn mean(values: Vec<f64>) -> Option<f64> {
    let n = values.len() as f64;
    (n > 0.0).then(|| values.iter().sum::<f64>() / n)
}

/// Share of each genre among all shown items that have genres.
fn shares(shown: &[&CatalogueItem], n_genres: usize) -> Option<Vec<f64>> {
    let with: Vec<_> = shown.iter().filter(|item| !item.genres.is_empty()).collect();
    let share = |genre: usize| {
        let of = |item: &CatalogueItem| {
            let has = item.genres.contains(&GenreId(genre as u16));
            if has { 1.0 / item.genres.len() as f64 } else { 0.0 }
        };
        with.iter().map(|item| of(item)).sum::<f64>() / with.len() as f64
    };
    (!with.is_empty()).then(|| (0..n_genres).map(share).collect())
}

/// The twin: every metric's value straight from its definition.
fn slowly(
    catalogue: &Catalogue,
    population: &Population,
    sessions: &[Session],
) -> BTreeMap<&'static str, Option<f64>> {
    let shown_to = |s: &Session| s.slots().map(|slot| &catalogue.items[slot.item.idx()]).collect::<Vec<_>>();
    let shown_any: Vec<&Session> = sessions.iter().filter(|s| s.n_shown() > 0).collect();
    let sum = |of: &dyn Fn(&Session) -> usize| sessions.iter().map(of).sum::<usize>() as f64;
    let ratio = |a: f64, b: f64| (b > 0.0).then_some(a / b);
    let ended: Vec<&Session> =
        sessions.iter().filter(|s| s.exit.is_some_and(|reason| reason != ExitReason::Failure)).collect();
    let ratings: Vec<f64> =
        sessions.iter().flat_map(Session::slots).filter_map(|s| s.rating.map(f64::from)).collect();
    let n_shown = sum(&Session::n_shown);
    let mut twin = BTreeMap::from([
        ("p_view", ratio(sum(&Session::n_watched), n_shown)),
        ("p_like", ratio(sum(&Session::n_liked), n_shown)),
        ("n_like", mean(ended.iter().map(|s| s.n_liked() as f64).collect())),
        ("n_exit", mean(ended.iter().map(|s| s.pages.len() as f64).collect())),
        ("s_sat", mean(sessions.iter().filter_map(|s| s.satisfaction.map(f64::from)).collect())),
        ("watches_per_page", ratio(sum(&Session::n_watched), sum(&|s| s.pages.len()))),
        ("mean_rating", mean(ratings)),
        ("failure_rate", ratio(sum(&|s| usize::from(s.n_failures > 0)), sessions.len() as f64)),
    ]);

    let popularity =
        |s: &Session| mean(shown_to(s).iter().map(|item| f64::from(item.n_train)).collect()).expect("shown");
    let novelty = |item: &CatalogueItem| {
        -((f64::from(item.n_train) + 1.0) / (f64::from(catalogue.n_train_users) + 1.0)).log2()
    };
    twin.insert("average_popularity", mean(shown_any.iter().map(|s| popularity(s)).collect()));
    twin.insert(
        "novelty",
        mean(
            shown_any
                .iter()
                .filter_map(|s| mean(shown_to(s).iter().map(|item| novelty(item)).collect()))
                .collect(),
        ),
    );
    let profile = |s: &Session| f64::from(population.person(s.agent).mean_popularity);
    let with_profile: Vec<_> = shown_any.iter().filter(|s| profile(s) > 0.0).collect();
    let gap_profile = mean(with_profile.iter().map(|s| profile(s)).collect());
    let gap_shown = mean(with_profile.iter().map(|s| popularity(s)).collect());
    twin.insert(
        "popularity_lift",
        gap_profile.zip(gap_shown).map(|(profile, shown)| (shown - profile) / profile),
    );

    let n_genres = catalogue.genres.len();
    let mixes: Vec<(AgentId, Vec<f64>)> =
        sessions.iter().filter_map(|s| Some((s.agent, shares(&shown_to(s), n_genres)?))).collect();
    let over_mixes = |of: &dyn Fn(&[f64]) -> f64| mean(mixes.iter().map(|(_, mix)| of(mix)).collect());
    let top = |mix: &[f64]| mix.iter().copied().fold(0.0, f64::max);
    twin.insert("n_genres", over_mixes(&|mix| mix.iter().filter(|share| **share > 0.0).count() as f64));
    twin.insert(
        "genre_entropy",
        over_mixes(&|mix| mix.iter().filter(|share| **share > 0.0).map(|share| -share * share.log2()).sum()),
    );
    twin.insert("top1_genre_share", over_mixes(&top));
    let of_one_genre = |session: &Session| {
        let shown: Vec<&CatalogueItem> =
            shown_to(session).into_iter().filter(|item| !item.genres.is_empty()).collect();
        let of = |genre: u16| shown.iter().filter(|item| item.genres.contains(&GenreId(genre))).count();
        let most = (0..n_genres as u16).map(of).max()?;
        (!shown.is_empty()).then(|| most as f64 / shown.len() as f64)
    };
    twin.insert("top1_genre_items", mean(sessions.iter().filter_map(of_one_genre).collect()));
    let everything: Vec<&CatalogueItem> = sessions.iter().flat_map(shown_to).collect();
    twin.insert("top1_genre_share_round", shares(&everything, n_genres).map(|mix| top(&mix)));
    let divergence = |wanted: &[f32], mix: &[f64]| -> f64 {
        let terms = wanted.iter().zip(mix).filter(|(p, _)| **p > 0.0);
        terms.map(|(p, q)| (f64::from(*p), q)).map(|(p, q)| p * (p / (0.99 * q + 0.01 * p)).ln()).sum()
    };
    let calibration = mixes.iter().filter_map(|(agent, mix)| {
        let wanted = &population.person(*agent).genre_shares;
        wanted.iter().any(|share| *share > 0.0).then(|| divergence(wanted, mix))
    });
    twin.insert("calibration_kl", mean(calibration.collect()));
    let distances = sessions.iter().filter_map(|s| {
        let shown = shown_to(s);
        let pairs = (0..shown.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let sets = |at: usize| shown[at].genres.iter().collect::<BTreeSet<_>>();
        let pairs = pairs.map(|(a, b)| (sets(a), sets(b))).filter(|(a, b)| !a.is_empty() || !b.is_empty());
        mean(
            pairs
                .map(|(a, b)| 1.0 - a.intersection(&b).count() as f64 / a.union(&b).count() as f64)
                .collect(),
        )
    });
    twin.insert("intra_list_distance", mean(distances.collect()));

    let counts: Vec<f64> = (0..catalogue.items.len() as u32)
        .map(|item| {
            sessions.iter().flat_map(Session::slots).filter(|slot| slot.item.0 == item).count() as f64
        })
        .collect();
    let n = counts.len() as f64;
    twin.insert("catalogue_coverage", Some(counts.iter().filter(|count| **count > 0.0).count() as f64 / n));
    let differences: f64 = counts.iter().flat_map(|a| counts.iter().map(move |b| (a - b).abs())).sum();
    twin.insert("exposure_gini", ratio(differences / (2.0 * n), n_shown));
    let sets: Vec<BTreeSet<ItemId>> =
        shown_any.iter().map(|s| s.slots().map(|slot| slot.item).collect()).collect();
    let pairs = (0..sets.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
    let jaccard = |a: &BTreeSet<ItemId>, b: &BTreeSet<ItemId>| {
        a.intersection(b).count() as f64 / a.union(b).count() as f64
    };
    twin.insert("homogenisation", mean(pairs.map(|(a, b)| jaccard(&sets[a], &sets[b])).collect()));

    let items = &catalogue.items;
    let rank = |item: usize| (items[item].n_train, item);
    let n_train = |upto: &dyn Fn(usize) -> bool| {
        (0..items.len()).filter(|&item| upto(item)).map(|item| u64::from(items[item].n_train)).sum::<u64>()
    };
    let is_cold = |item: usize| items[item].n_train == 0;
    let is_tail = |item: usize| {
        !is_cold(item)
            && n_train(&|other| rank(other) <= rank(item)) as f64 <= 0.2 * n_train(&|_| true) as f64
    };
    let in_group = |is_in: &dyn Fn(usize) -> bool, is_counted: &dyn Fn(&Slot) -> bool| {
        let slots = sessions.iter().flat_map(Session::slots);
        slots.filter(|slot| is_in(slot.item.idx()) && is_counted(slot)).count() as f64
    };
    let is_liked = |slot: &Slot| slot.rating >= Some(4);
    type IsIn<'a> = &'a dyn Fn(usize) -> bool;
    let groups: [([&'static str; 5], IsIn<'_>); 2] = [
        (["tail_share", "tail_watch_share", "tail_like_share", "p_view.tail", "p_like.tail"], &is_tail),
        (["cold_share", "cold_watch_share", "cold_like_share", "p_view.cold", "p_like.cold"], &is_cold),
    ];
    for (names, is_in) in groups {
        let counts = |is_in: &dyn Fn(usize) -> bool| {
            [in_group(is_in, &|_| true), in_group(is_in, &|slot| slot.watched), in_group(is_in, &is_liked)]
        };
        let ([shown, watched, liked], all) = (counts(is_in), counts(&|_| true));
        let exists = (0..items.len()).any(is_in);
        let parts = [(shown, all[0]), (watched, all[1]), (liked, all[2]), (watched, shown), (liked, shown)];
        for (name, (a, b)) in names.into_iter().zip(parts) {
            twin.insert(name, ratio(a, b).filter(|_| exists));
        }
    }

    let judged: Vec<(Vec<f64>, f64)> = shown_any
        .iter()
        .map(|s| (&s.pages[0], f64::from(population.person(s.agent).n_held_out)))
        .filter(|(_, n_held_out)| *n_held_out > 0.0)
        .map(|(page, n)| (page.slots.iter().map(|slot| f64::from(u8::from(slot.held_out))).collect(), n))
        .collect();
    let over_pages =
        |of: &dyn Fn(&[f64], f64) -> f64| mean(judged.iter().map(|(hits, n)| of(hits, *n)).collect());
    let dcg = |gains: &[f64]| {
        gains.iter().zip(2u32..).map(|(gain, place)| gain / f64::from(place).log2()).sum::<f64>()
    };
    let upto = |hits: &[f64], place: usize| hits[..=place].iter().sum::<f64>() / (place + 1) as f64;
    twin.insert("precision@4", over_pages(&|hits, _| hits.iter().sum::<f64>() / 4.0));
    twin.insert("recall@4", over_pages(&|hits, n| hits.iter().sum::<f64>() / n));
    twin.insert("hit_rate@4", over_pages(&|hits, _| hits.iter().copied().fold(0.0, f64::max)));
    twin.insert("ndcg@4", over_pages(&|hits, n| dcg(hits) / dcg(&vec![1.0; n.min(4.0) as usize])));
    twin.insert(
        "mrr@4",
        over_pages(&|hits, _| {
            hits.iter().position(|hit| *hit > 0.0).map_or(0.0, |place| 1.0 / (place + 1) as f64)
        }),
    );
    twin.insert(
        "map@4",
        over_pages(&|hits, n| {
            (0..hits.len()).map(|place| hits[place] * upto(hits, place)).sum::<f64>() / n.min(4.0)
        }),
    );
    twin
}

#[test]
fn every_metric_equals_its_slow_twin() {
    for seed in 0..40 {
        let (catalogue, population, sessions) = world(seed, 1 + (seed as u32 * 7) % 40);
        let found = measure_all(&catalogue, &population, &sessions);
        let twin = slowly(&catalogue, &population, &sessions);
        assert_eq!(
            found.keys().map(String::as_str).collect::<Vec<_>>(),
            twin.keys().copied().collect::<Vec<_>>(),
            "a metric without a twin, or the other way round"
        );
        for (name, expected) in twin {
            let found = &found[name];
            let agree = match (found.value, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
                (None, None) => true,
                _ => false,
            };
            assert!(agree, "{name}, seed {seed}: found {:?}, expected {expected:?}", found.value);
            if let Some(sample) = &found.sample {
                assert_eq!(sample.value(), found.value, "{name}");
                assert!(sample.agents.is_sorted() && sample.len() as u64 == found.n, "{name}");
            }
        }
    }
}

#[test]
fn nobody_has_no_values_but_no_panic_either() {
    let (catalogue, population, _) = world(1, 5);
    for measured in measure_all(&catalogue, &population, &[]).values() {
        assert!(measured.value.is_none() || measured.name == "catalogue_coverage", "{measured:?}");
        assert_eq!(measured.n, 0);
    }
    measure_all(&Catalogue::default(), &Population::default(), &[]);
}

#[test]
fn a_session_worked_out_by_hand() {
    let item = |genres: &[u16], n_train| CatalogueItem {
        genres: genres.iter().copied().map(GenreId).collect(),
        n_train,
        ..CatalogueItem::default()
    };
    let catalogue = Catalogue {
        genres: vec!["Drama".into(), "Comedy".into()],
        items: vec![item(&[0], 7), item(&[0, 1], 3), item(&[1], 1), item(&[0], 1), item(&[], 0)],
        n_train_users: 7,
    };
    let person = PersonRecord {
        n_held_out: 2,
        genre_shares: vec![0.5, 0.5],
        mean_popularity: 2.0,
        ..Default::default()
    };
    let population = Population::new(vec![(person, [1; 3])]);
    let slot = |item, held_out, rating: Option<u8>| Slot {
        propensity: None,
        advertised: None,
        item: ItemId(item),
        aligned: None,
        held_out,
        watched: rating.is_some(),
        rating,
    };
    let slots =
        vec![slot(0, false, Some(3)), slot(1, true, Some(5)), slot(2, false, None), slot(3, false, None)];
    let session = Session {
        round: 0,
        agent: AgentId(0),
        pages: vec![Page { number: 1, slots }],
        reflections: Vec::new(),
        exit: Some(ExitReason::Left),
        satisfaction: Some(7),
        n_failures: 0,
    };
    let found = measure_all(&catalogue, &population, &[session]);
    for (name, expected) in [
        ("p_view", 0.5),
        ("p_like", 0.25),
        ("mean_rating", 4.0),
        ("n_exit", 1.0),
        ("s_sat", 7.0),
        ("precision@4", 0.25),
        ("recall@4", 0.5),
        ("mrr@4", 0.5),
        ("map@4", 0.25),
        ("ndcg@4", (1.0 / 3f64.log2()) / (1.0 + 1.0 / 3f64.log2())),
        // Popularity 7, 3, 1, 1 against a profile of 2.
        ("average_popularity", 3.0),
        ("popularity_lift", 0.5),
        // 2 of 12 interactions are the tail: the items with 1, shown twice and never watched.
        ("tail_share", 0.5),
        ("tail_watch_share", 0.0),
        ("p_view.tail", 0.0),
        ("cold_share", 0.0),
        // −log2 of 8/8, 4/8, 2/8, 2/8.
        ("novelty", 1.25),
        // Drama 1 + 1/2 + 1 of 4, comedy the rest.
        ("top1_genre_share", 0.625),
        // Three of the four items are dramas.
        ("top1_genre_items", 0.75),
        ("n_genres", 2.0),
        ("genre_entropy", -(0.625 * 0.625f64.log2() + 0.375 * 0.375f64.log2())),
        // Distances of D, DC, C, D: 1/2, 1, 0; 1/2, 1/2; 1.
        ("intra_list_distance", 3.5 / 6.0),
        ("catalogue_coverage", 0.8),
        // Counts 0, 1, 1, 1, 1: 8 ordered pairs differ by 1, over 2 · 5 · 4.
        ("exposure_gini", 0.2),
    ] {
        let value = found[name].value.expect(name);
        assert!((value - expected).abs() < 1e-15, "{name}: found {value}, expected {expected}");
    }
    assert_eq!(found["homogenisation"].value, None);
}

#[test]
fn the_list_is_alphabetical_and_no_quantity_has_two_owners() {
    assert!(ALL.is_sorted_by(|a, b| a.name() < b.name()));
    let names: Vec<&str> = ALL.iter().flat_map(|kind| kind.measures()).map(|measure| measure.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert_eq!(measure("recall@20").map(|measure| measure.name), Some("recall"));
    assert_eq!(measure("p_vew"), None);
}

/// The pseudo-values of the Gini index and of homogenisation are only as good as the standard
/// error they give: it must be that of many independent worlds.
#[test]
fn standard_errors_of_indices_are_their_spread_over_worlds() {
    let mut values: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    let (catalogue, population, _) = world(7, 60);
    for seed in 0..200 {
        let mut luck = Streams::new(seed).stream(Purpose::Synthesis, 0, 1, 0);
        let mut sessions: Vec<Session> = (0..60).map(|agent| session(AgentId(agent), &mut luck)).collect();
        for slot in
            sessions.iter_mut().flat_map(|session| &mut session.pages).flat_map(|page| &mut page.slots)
        {
            // Skewed exposure, so that there is an index to speak of.
            slot.item = ItemId((30.0 * luck.random::<f64>().powi(2)) as u32);
        }
        let found = measure_all(&catalogue, &population, &sessions);
        for name in ["exposure_gini", "homogenisation"] {
            let sample = found[name].sample.as_ref().expect(name);
            let std_error = crate::stats::summary::std_error(&sample.pseudo_values()).expect(name);
            values.entry(name).or_default().push((sample.value().expect(name), std_error));
        }
    }
    for (name, worlds) in values {
        let spread =
            crate::stats::summary::std_dev(&worlds.iter().map(|w| w.0).collect::<Vec<_>>()).expect(name);
        let told = worlds.iter().map(|w| w.1).sum::<f64>() / worlds.len() as f64;
        assert!((told / spread - 1.0).abs() < 0.2, "{name}: told {told}, spread {spread}");
    }
}

//! The real data, where they are at hand.

use crate::Folder;
use std::path::Path;

/// The folder of real data, where there is one.
fn real(name: &str) -> Option<String> {
    let base = std::env::var("WINDTUNNEL_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").to_owned());
    let path = Path::new(&base).join(name);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there; set WINDTUNNEL_DATA to the folder of real data", path.display());
        return None;
    }
    Some(format!("path = '{}'", path.display()))
}

/// Users, items and interactions as the publishers' READMEs count them.
#[test]
fn real_data_have_the_published_counts() {
    let nowhere = Folder::with(&[]);
    for (name, source, counts) in [
        ("ml-1m", "movielens", (6040, 3883, 1_000_209)),
        ("ml-100k", "movielens", (943, 1682, 100_000)),
        ("ml-latest-small", "movielens", (610, 9742, 100_836)),
        ("agent4rec", "agent4rec", (1000, 3292, 185_249)),
    ] {
        let Some(toml) = real(name) else { continue };
        let data = nowhere.load(source, &toml).expect("read");
        assert_eq!((data.n_users(), data.n_items(), data.interactions.len()), counts, "{name}");
        let report = data.load_report;
        assert_eq!((report.n_skipped, report.n_duplicates, report.n_unknown_items), (0, 0, 0), "{name}");
        if let Some(split) = &data.published_split {
            assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (74_271, 55_486, 55_492));
            assert_eq!(data.published_personas.as_ref().map(Vec::len), Some(1000));
            // Dense ids are the numbers of the files, from 0.
            for raw in [data.users.all(), data.items.all()] {
                assert!(raw.iter().enumerate().all(|(k, raw)| raw.parse() == Ok(k)));
            }
        }
    }
}

/// Coat: 290 shoppers, 300 coats, 24 chosen and 16 random ratings each (Schnabel et al., ICML 2016, section 6.3).
#[test]
fn real_coat_keeps_chosen_and_random_ratings_apart() {
    let Some(toml) = real("coat") else { return };
    let data = Folder::with(&[]).load("coat", &format!("{toml}\nmin_rating = 1.0")).expect("read");
    assert_eq!((data.n_users(), data.n_items(), data.interactions.len()), (290, 300, 290 * 24));
    let truth = data.observed.as_ref().expect("truth");
    assert!((0..290).all(|user| truth.items_of(windtunnel::id::UserId(user)).len() == 16));
    assert!(truth.matrix.values.iter().all(|rating| (1.0..=5.0).contains(rating)));
    // Every coat is for men or for women, has a cut and a colour.
    assert!(data.catalogue.iter().all(|coat| coat.genres.len() == 3 && coat.summary.is_some()));
    let names: Vec<&str> = data.user_attributes.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["gender", "age", "location", "fashioninterest"]);
    assert!(data.user_attributes.iter().all(|a| a.values.iter().all(Option::is_some)));
    let liked = Folder::with(&[]).load("coat", &toml).expect("read");
    assert!(liked.interactions.len() < data.interactions.len());
    assert!(liked.interactions.iter().all(|x| x.rating >= 4.0));
    assert_ne!(liked.content_hash(), data.content_hash());
}

#[test]
fn real_jester_is_dense_and_cut_in_two() {
    let Some(toml) = real("jester") else { return };
    let all = format!("{toml}\nmin_rating = -10.0\nobserved_share = 0.4");
    let data = Folder::with(&[]).load("jester", &all).expect("read");
    assert_eq!((data.n_users(), data.n_items(), data.interactions.len()), (3600, 100, 3600 * 40));
    let truth = data.observed.as_ref().expect("truth");
    for user in (0..3600).map(windtunnel::id::UserId) {
        let interactions = data.all();
        let (sampled, known) = (interactions.items_of(user), truth.items_of(user));
        assert_eq!((sampled.len(), known.len()), (40, 60));
        assert!(sampled.iter().all(|item| known.binary_search(item).is_err()), "no cell is on both sides");
        if user.0 > 20 {
            break;
        }
    }
    assert!(data.catalogue.iter().all(|joke| joke.summary.is_some() && joke.title.starts_with("joke ")));
}

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

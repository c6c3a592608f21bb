//! `human-movielens` beside the people of MovieLens-1M it was fitted to.

use std::path::{Path, PathBuf};
use windtunnel::experiment::prepare::Prepared;
use windtunnel::llm::client::Client;
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;
use windtunnel::validate::people;

fn data() -> Option<PathBuf> {
    let root = std::env::var_os("WINDTUNNEL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let found = root.join("ml-1m/ratings.dat").exists();
    if !found {
        eprintln!("SKIPPED: no MovieLens-1M in {}", root.display());
    }
    found.then_some(root)
}

#[test]
#[ignore = "reads MovieLens-1M and asks 6,040 agents"]
fn agents_rate_as_people_do_whose_later_ratings_they_never_saw() {
    let Some(data) = data() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/human-movielens.toml");
    let set = [format!("dataset.path={}", data.join("ml-1m").display())];
    let scenario = Scenario::load(&path, &set).expect("a valid scenario");
    let prepared = Prepared::new(&scenario, Path::new("."), &Client::none(), &Quiet).expect("prepared");
    let check = people::check(&prepared, 60).expect("ratings");
    eprintln!("{:?} {:?} TVD {:.4}, n {}", check.people, check.agents, check.tvd(), check.n_people);
    for n in [1, 5, 10, 20, 50] {
        eprintln!("{n}: {:?}", check.correlation(n));
    }
    assert!(check.tvd() <= 0.03, "{}", check.tvd());
    let correlation = check.correlation(1).expect("people");
    assert!(correlation >= 0.8, "{correlation}");
}

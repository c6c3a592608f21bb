//! Our half of `als_knn.py`: times ALS epochs, item_knn fits and top-N lists on the pairs
//! that the script wrote, and prints one JSON line a measurement.
//!
//! Without a file of pairs (as under plain `cargo bench`) it does nothing.

use std::sync::Mutex;
use std::time::Instant;
use windtunnel::dataset::{Interaction, Interactions, Item, Vocabulary};
use windtunnel::id::{ItemId, UserId};
use windtunnel::progress::Progress;
use windtunnel::recommender::{self, FitContext, Recommender, Request, Training};
use windtunnel::rng::Streams;

/// Remembers when every step ended.
struct Laps(Mutex<Vec<Instant>>);

impl Progress for Laps {
    fn begin(&self, _phase: &str, _n_steps: u64) {
        self.advance(0, "");
    }
    fn advance(&self, _n_steps: u64, _note: &str) {
        self.0.lock().expect("no panic while held").push(Instant::now());
    }
    fn end(&self) {}
}

fn main() {
    let Ok(path) = std::env::var("WINDTUNNEL_PAIRS") else {
        eprintln!(
            "SKIPPED: run benches/peers/als_knn.py, which writes the pairs and names them in WINDTUNNEL_PAIRS"
        );
        return;
    };
    let train = read(&path);
    let catalogue = vec![Item::default(); train.matrix.n_cols];
    let report = |name: &str, seconds: f64| println!("{{\"name\": \"{name}\", \"seconds\": {seconds}}}");

    for (name, params) in [
        ("als_cg_64", "embedding_size = 64\nepochs = 10"),
        ("als_cg_128", "embedding_size = 128\nepochs = 10"),
        ("als_cholesky_64", "embedding_size = 64\nepochs = 5\nsolver = \"cholesky\""),
    ] {
        let params = format!("{params}\nalpha = 8\nreg = 60\ntrack_loss = false");
        let (model, laps) = fit("als", &params, &train, &catalogue);
        let epochs: Vec<f64> = laps.windows(2).map(|lap| (lap[1] - lap[0]).as_secs_f64()).collect();
        report(name, median(epochs));
        if name == "als_cg_64" {
            let times = (0..5).map(|_| time(|| top_n(&*model, &train))).collect();
            report("als_top_20_all_users", median(times));
        }
    }
    let params = "damping = 0\nshrinkage = 0\nk = 200";
    let times = (0..3).map(|_| time(|| drop(fit("item_knn", params, &train, &catalogue)))).collect();
    report("item_knn_k200", median(times));
    let (model, _) = fit("item_knn", params, &train, &catalogue);
    let times = (0..3).map(|_| time(|| top_n(&*model, &train))).collect();
    report("item_knn_top_20_all_users", median(times));
}

fn read(path: &str) -> Interactions {
    let text = std::fs::read_to_string(path).expect("the script's pairs");
    let pairs: Vec<Interaction> = text
        .lines()
        .map(|line| {
            let (user, item) = line.split_once(' ').expect("user item");
            let (user, item) = (user.parse().expect("a user"), item.parse().expect("an item"));
            Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 }
        })
        .collect();
    let n_users = pairs.iter().map(|pair| pair.user.idx() + 1).max().unwrap_or(0);
    let n_items = pairs.iter().map(|pair| pair.item.idx() + 1).max().unwrap_or(0);
    Interactions::from_sorted(n_users, n_items, &pairs)
}

fn fit(
    kind: &str,
    params: &str,
    train: &Interactions,
    catalogue: &[Item],
) -> (Box<dyn Recommender>, Vec<Instant>) {
    let params = params.parse().expect("TOML");
    let trainer = recommender::kind(kind).expect("listed").check("x", &params).expect("valid");
    let valid = Interactions::from_sorted(train.matrix.n_rows, train.matrix.n_cols, &[]);
    let vocabulary = Vocabulary::new();
    let training = Training {
        train,
        valid: &valid,
        catalogue,
        users: &vocabulary,
        items: &vocabulary,
        genres: &vocabulary,
        has_ratings: false,
        user_profiles: None,
    };
    let laps = Laps(Mutex::new(Vec::new()));
    let mut context = FitContext::plain(Streams::new(1), &laps);
    let model = trainer.fit(&training, &mut context).expect("a fit");
    (model, laps.0.into_inner().expect("no panic while held"))
}

fn top_n(model: &dyn Recommender, train: &Interactions) {
    let requests: Vec<Request<'_>> = (0..train.matrix.n_rows as u32)
        .map(|user| Request {
            user: UserId(user),
            luck: 0,
            round: 0,
            page: 1,
            n: 20,
            known: train.items_of(UserId(user)),
            shown: &[],
            feedback: &[],
        })
        .collect();
    let lists = model.recommend(&requests).expect("an answer");
    assert!(lists.iter().all(|list| list.items.len() == 20), "full lists");
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

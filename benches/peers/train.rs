//! Our half of `lightgcn_torch.py` and `bpr_implicit.py`: fits one model on the pairs that the
//! script wrote and prints the median seconds of an epoch and the quality, as one JSON line.
//!
//! The script names the pairs in `WINDTUNNEL_PAIRS`, held-out pairs in `WINDTUNNEL_HELD_OUT`,
//! the model in `WINDTUNNEL_KIND` and its hyper-parameters (TOML, `;` between keys) in
//! `WINDTUNNEL_PARAMS`. Without them (as under plain `cargo bench`) it does nothing.

use std::sync::Mutex;
use std::time::Instant;
use windtunnel::dataset::{Interaction, Interactions, Vocabulary};
use windtunnel::id::{ItemId, UserId};
use windtunnel::progress::Progress;
use windtunnel::recommender::{self, FitContext, Recommender, Request, Training};
use windtunnel::rng::Streams;

/// Remembers when every epoch ended.
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
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(pairs), Some(held_out), Some(kind), Some(params)) = (
        variable("WINDTUNNEL_PAIRS"),
        variable("WINDTUNNEL_HELD_OUT"),
        variable("WINDTUNNEL_KIND"),
        variable("WINDTUNNEL_PARAMS"),
    ) else {
        eprintln!("SKIPPED: run benches/peers/lightgcn_torch.py or bpr_implicit.py");
        return;
    };
    let (pairs, held_out) = (read(&pairs), read(&held_out));
    let both = || pairs.iter().chain(&held_out);
    let n_users = both().map(|pair| pair.user.idx() + 1).max().unwrap_or(0);
    let n_items = both().map(|pair| pair.item.idx() + 1).max().unwrap_or(0);
    let table = |pairs: &[Interaction]| Interactions::from_sorted(n_users, n_items, pairs);
    let (train, none, held_out) = (table(&pairs), table(&[]), table(&held_out));
    let params = params.replace(';', "\n").parse().expect("TOML");
    let trainer = recommender::kind(&kind).expect("listed").check("x", &params).expect("valid");
    let vocabulary = Vocabulary::new();
    let training = Training {
        train: &train,
        valid: &none,
        catalogue: &[],
        users: &vocabulary,
        items: &vocabulary,
        genres: &vocabulary,
        has_ratings: false,
        user_profiles: None,
    };
    let laps = Laps(Mutex::new(Vec::new()));
    let mut context = FitContext::plain(Streams::new(1), &laps);
    let model = trainer.fit(&training, &mut context).expect("a fit");
    let laps = laps.0.into_inner().expect("no panic while held");
    // The first epoch also pays for setting up.
    let mut seconds: Vec<f64> = laps[1..].windows(2).map(|lap| (lap[1] - lap[0]).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let (median, recall) = (seconds[seconds.len() / 2], recall_at_20(&*model, &train, &held_out));
    println!("{{\"epoch_seconds\": {median}, \"recall_at_20\": {recall}}}");
}

fn read(path: &str) -> Vec<Interaction> {
    let text = std::fs::read_to_string(path).expect("the script's pairs");
    let pair = |line: &str| {
        let (user, item) = line.split_once(' ').expect("user item");
        let (user, item) = (user.parse().expect("a user"), item.parse().expect("an item"));
        Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 }
    };
    text.lines().map(pair).collect()
}

/// Mean over users with held-out items of hits / held-out items, training items excluded.
fn recall_at_20(model: &dyn Recommender, train: &Interactions, held_out: &Interactions) -> f64 {
    let users = (0..train.matrix.n_rows as u32).map(UserId);
    let requests: Vec<Request<'_>> = users
        .filter(|&user| !held_out.items_of(user).is_empty())
        .map(|user| Request {
            user,
            luck: 0,
            round: 0,
            page: 1,
            n: 20,
            known: train.items_of(user),
            shown: &[],
            feedback: &[],
        })
        .collect();
    let lists = model.recommend(&requests).expect("an answer");
    let shares = requests.iter().zip(&lists).map(|(request, list)| {
        let held_out = held_out.items_of(request.user);
        let hits = list.items.iter().filter(|item| held_out.binary_search(&item.0).is_ok()).count();
        hits as f64 / held_out.len() as f64
    });
    shares.sum::<f64>() / requests.len() as f64
}

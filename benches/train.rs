//! How long one epoch of training takes, by model, on a made-up world of 1,000 users,
//! 2,000 items and about 70,000 interactions.

use criterion::{Criterion, criterion_group, criterion_main};
use rand::RngExt;
use std::hint::black_box;
use windtunnel::dataset::{Interaction, Interactions, Vocabulary};
use windtunnel::id::{ItemId, UserId};
use windtunnel::progress::Quiet;
use windtunnel::recommender::{self, FitContext, Training};
use windtunnel::rng::{Purpose, Streams};

const N_USERS: usize = 1000;
const N_ITEMS: usize = 2000;

fn world() -> Interactions {
    let mut rng = Streams::new(1).stream(Purpose::Synthesis, 0, 0, 0);
    let mut pairs = Vec::new();
    for user in 0..N_USERS as u32 {
        for item in 0..N_ITEMS as u32 {
            // Popular items first, and two tastes.
            let popularity = 0.35 / (1.0 + f64::from(item) / 60.0);
            let taste = if user % 2 == item % 2 { 1.5 } else { 0.5 };
            if rng.random::<f64>() < (popularity * taste).min(1.0) {
                pairs.push(Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 });
            }
        }
    }
    Interactions::from_sorted(N_USERS, N_ITEMS, &pairs)
}

fn epochs(c: &mut Criterion) {
    let train = world();
    let valid = Interactions::from_sorted(N_USERS, N_ITEMS, &[]);
    let none = Vocabulary::new();
    let mut group = c.benchmark_group("train_5_epochs");
    group.sample_size(10);
    for kind in ["mf", "lightgcn", "mult_vae"] {
        let params = "epochs = 5".parse().expect("TOML");
        let trainer = recommender::kind(kind).expect("listed").check("x", &params).expect("valid");
        let training = Training {
            train: &train,
            valid: &valid,
            catalogue: &[],
            users: &none,
            items: &none,
            genres: &none,
            has_ratings: false,
            user_profiles: None,
        };
        group.bench_function(kind, |b| {
            b.iter(|| {
                let mut context = FitContext::plain(Streams::new(1), &Quiet);
                black_box(trainer.fit(&training, &mut context).expect("a fit"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, epochs);
criterion_main!(benches);

//! How long ranking takes: partial selection alone, and factor models end to end.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::RngExt;
use std::hint::black_box;
use windtunnel::id::UserId;
use windtunnel::recommender::Request;
use windtunnel::recommender::dense::Matrix;
use windtunnel::recommender::factors::Factors;
use windtunnel::recommender::rank::{TopN, top_n};
use windtunnel::rng::{Purpose, Streams};

fn uniform(n: usize) -> Vec<f32> {
    let mut rng = Streams::new(1).stream(Purpose::Init, 0, 0, 0);
    (0..n).map(|_| rng.random::<f32>() - 0.5).collect()
}

fn request(user: u32, known: &[u32]) -> Request<'_> {
    Request { user: UserId(user), luck: 0, round: 0, page: 1, n: 20, known, shown: &[], feedback: &[] }
}

fn select(c: &mut Criterion) {
    let known: Vec<u32> = (0..10_000).step_by(60).collect();
    let scores = uniform(10_000);
    let (mut row, mut top) = (scores.clone(), TopN::new());
    let mut group = c.benchmark_group("select");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("top_20_of_10000", |b| {
        b.iter(|| {
            row.copy_from_slice(&scores);
            black_box(top_n(&request(0, &known), &mut row, &mut top))
        });
    });
    group.finish();
}

fn factors(c: &mut Criterion) {
    const N_USERS: usize = 1000;
    const N_ITEMS: usize = 3700;
    let factors = Factors::from_parts(
        Matrix::new(N_USERS, 64, uniform(N_USERS * 64)),
        Matrix::new(N_ITEMS, 64, uniform(N_ITEMS * 64)),
        None,
        vec![1.0; N_ITEMS],
    );
    let known: Vec<u32> = (0..N_ITEMS as u32).step_by(23).collect();
    let requests: Vec<Request<'_>> = (0..N_USERS as u32).map(|user| request(user, &known)).collect();
    let mut group = c.benchmark_group("factors");
    group.throughput(Throughput::Elements(N_USERS as u64));
    group.bench_function("1000_lists_of_20_from_3700_items", |b| {
        b.iter(|| black_box(factors.recommend(&requests)));
    });
    group.bench_function("one_list_of_20_from_3700_items", |b| {
        b.iter(|| black_box(factors.recommend(&requests[..1])));
    });
    group.finish();
}

criterion_group!(benches, select, factors);
criterion_main!(benches);

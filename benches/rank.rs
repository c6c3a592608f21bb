//! How long ranking takes: partial selection alone, and factor models end to end.
//!
//! `cargo bench --bench rank -- share` says which share of the arithmetic the processor can do is reached when everybody
//! of a catalogue of MovieLens-1M's size is ranked: the peak is a product that stays in cache, by the same kernels, measured
//! in turn with the ranking; the fastest of many repetitions counts on both sides.

use criterion::{Criterion, Throughput};
use rand::RngExt;
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;
use windtunnel::id::UserId;
use windtunnel::recommender::Request;
use windtunnel::recommender::dense::{Matrix, View, multiply};
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

/// The share of the peak that ranking reaches.
fn share() {
    const N_USERS: usize = 6040;
    const N_ITEMS: usize = 3706;
    const WIDTH: usize = 64;
    const N_REPETITIONS: usize = 40;
    let factors = Factors::from_parts(
        Matrix::new(N_USERS, WIDTH, uniform(N_USERS * WIDTH)),
        Matrix::new(N_ITEMS, WIDTH, uniform(N_ITEMS * WIDTH)),
        None,
        vec![1.0; N_ITEMS],
    );
    let known: Vec<u32> = (0..N_ITEMS as u32).step_by(23).collect();
    let requests: Vec<Request<'_>> = (0..N_USERS as u32).map(|user| request(user, &known)).collect();
    let n_operations = 2.0 * (N_USERS * N_ITEMS * WIDTH) as f64;
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    for n_threads in [1, all] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
        let (mut peak, mut reached) = (0f64, 0f64);
        for _ in 0..N_REPETITIONS {
            peak = peak.max(pool.install(|| in_cache(n_threads)));
            let start = Instant::now();
            black_box(pool.install(|| factors.recommend(&requests)));
            reached = reached.max(n_operations / start.elapsed().as_secs_f64());
        }
        println!(
            "{n_threads} threads: top 20 of {N_ITEMS} items for {N_USERS} people, {WIDTH} wide, at {:.1} GFLOP/s; \
             products in cache {:.1} GFLOP/s; share {:.2}",
            reached / 1e9,
            peak / 1e9,
            reached / peak,
        );
    }
}

/// Operations a second of products of 256 × 256 matrices, one after the other on each thread.
fn in_cache(n_threads: usize) -> f64 {
    const SIDE: usize = 256;
    const N_PRODUCTS: usize = 100;
    let factor = uniform(SIDE * SIDE);
    let view = View::new(&factor, SIDE, SIDE, SIDE);
    let start = Instant::now();
    (0..n_threads).into_par_iter().for_each(|_| {
        let mut product = vec![0f32; SIDE * SIDE];
        for _ in 0..N_PRODUCTS {
            multiply(&mut product, SIDE, 0.0, 1.0, view, view);
            black_box(&mut product);
        }
    });
    (n_threads * N_PRODUCTS * 2 * SIDE * SIDE * SIDE) as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    if std::env::args().any(|word| word == "share") {
        return share();
    }
    let mut criterion = Criterion::default().configure_from_args();
    select(&mut criterion);
    factors(&mut criterion);
    criterion.final_summary();
}

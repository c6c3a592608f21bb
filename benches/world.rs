//! How long sessions take, and how long their events take to write and to read back.
//!
//! `cargo bench --bench world` times small cohorts. `cargo bench --bench world -- scale` simulates many agents of few
//! people by `mf` on a catalogue of MovieLens-1M's size, on one thread and on two, and says how many pages a second that
//! is; `n_agents=`, `n_items=`, `items_per_page=`, `max_pages=`, `arm=`, `threads=1,2`, `repeats=` and `data=DIR`
//! (MovieLens-1M itself) change the shape.

use criterion::{Criterion, Throughput};
use std::borrow::Cow;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use windtunnel::agent::cue::Cues;
use windtunnel::event::read::for_each_session;
use windtunnel::event::write::{EventWriter, RawIds};
use windtunnel::event::{Event, What};
use windtunnel::experiment::prepare::Prepared;
use windtunnel::id::{AgentId, ItemId};
use windtunnel::llm::client::Client;
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;
use windtunnel::world::{Backstage, OnError, Presentation, SessionRules, Tunnel, WorldError};

const N_AGENTS: u32 = 10_000;
const SCENARIO: &str = "
[dataset]
source = \"synthetic\"
n_users = 2000
[population]
n_agents = 10000
[arms.popular]
[arms.mf]
";

struct Raw<'a>(&'a Prepared);

impl RawIds for Raw<'_> {
    fn agent(&self, agent: AgentId) -> Cow<'_, str> {
        self.0.agents.raw_id(agent)
    }

    fn item(&self, item: ItemId) -> &str {
        self.0.dataset.items.raw(item.0)
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "scale") {
        return scale(&words);
    }
    let mut criterion = Criterion::default().configure_from_args();
    world(&mut criterion);
    criterion.final_summary();
}

/// The world of a scenario, and each of its arms before it.
fn tunnels(scenario: &Scenario, items_per_page: u32, max_pages: u32) -> (Prepared, Vec<Tunnel>) {
    let prepared =
        Prepared::new(scenario, Path::new("."), &Client::none(), &Quiet).expect("a world to simulate");
    let rules = SessionRules {
        items_per_page: items_per_page as usize,
        max_pages,
        presentation: Presentation::Ranked,
        cues: Cues::USUAL,
        advert_share: 0.0,
        memory_entries: 100,
        on_error: OnError::Stop,
    };
    let tunnel = |arm| {
        let workshop = prepared.workshop(&scenario.arms, None, &Quiet);
        let (model, _) = workshop.fit(&prepared.split, arm, 0).expect("the arm fits");
        Tunnel {
            recommender: Arc::from(model),
            behavior: prepared.behavior.clone(),
            known: prepared.known.clone(),
            held_out: prepared.held_out.clone(),
            rules,
            streams: prepared.streams,
            round: 0,
            backstage: Backstage::default(),
        }
    };
    let tunnels = scenario.arms.iter().map(tunnel).collect();
    (prepared, tunnels)
}

fn simulated(tunnel: &Tunnel, prepared: &Prepared) -> Vec<Event> {
    let mut events = Vec::new();
    let done: Result<(), WorldError> = tunnel.simulate(&prepared.agents.all(), 65_536, &Quiet, |cohort| {
        events.extend_from_slice(cohort);
        Ok(())
    });
    done.expect("these arms do not fail");
    events
}

fn world(c: &mut Criterion) {
    let scenario = Scenario::parse(Path::new("bench.toml"), SCENARIO, &[]).expect("a valid scenario");
    let (prepared, tunnels) = tunnels(&scenario, 4, 5);
    let mut group = c.benchmark_group("world");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(N_AGENTS)));
    for (arm, tunnel) in scenario.arms.iter().zip(&tunnels) {
        group.bench_function(format!("10000_choice_sessions_{}", arm.name), |b| {
            b.iter(|| black_box(simulated(tunnel, &prepared)));
        });
    }
    group.finish();
    event(c, &prepared, &simulated(&tunnels[0], &prepared));
}

fn event(c: &mut Criterion, prepared: &Prepared, events: &[Event]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("part-00000.parquet");
    let raw = Raw(prepared);
    let mut group = c.benchmark_group("event");
    group.sample_size(10);
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("write", |b| {
        b.iter(|| {
            let mut writer = EventWriter::create(&path, &raw).expect("a writer");
            writer.write(events).expect("written");
            writer.finish().expect("finished");
        });
    });
    let ids = prepared.ids();
    group.bench_function("read", |b| {
        b.iter(|| {
            let mut n_sessions = 0;
            for_each_session(&path, &ids, |session| n_sessions += black_box(session).pages.len())
                .expect("read");
            n_sessions
        });
    });
    group.finish();
}

/// What a simulation came to.
#[derive(Clone, Copy, Default)]
struct Tally {
    n_pages: u64,
    n_sessions: u64,
    n_events: u64,
}

/// Many agents, thread count by thread count: seconds, sessions and pages a second.
fn scale(words: &[String]) {
    let told = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let number = |key: &str, usual: u32| told(key).map_or(usual, |n| n.parse().expect("a number"));
    let dataset = match told("data") {
        Some(dir) => format!("source = \"movielens\"\npath = \"{dir}\""),
        // As many people and items as MovieLens-1M has, and about as many interactions.
        None => format!("source = \"synthetic\"\nn_users = 6040\nn_items = {}", number("n_items", 3700)),
    };
    let scenario = format!(
        "[dataset]\n{dataset}\n[population]\nn_agents = {}\n[arms.{}]\n",
        number("n_agents", 200_000),
        told("arm").unwrap_or("mf"),
    );
    let scenario = Scenario::parse(Path::new("bench.toml"), &scenario, &[]).expect("a valid scenario");
    let (prepared, tunnels) = tunnels(&scenario, number("items_per_page", 4), number("max_pages", 5));
    println!(
        "{} agents of {} people, {} items",
        prepared.agents.len(),
        prepared.dataset.n_users(),
        prepared.dataset.n_items(),
    );
    for threads in told("threads").unwrap_or("1,2").split(',') {
        let n_threads = threads.parse().expect("numbers of threads");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
        for _ in 0..number("repeats", 3) {
            let started = Instant::now();
            let tally = pool.install(|| tallied(&tunnels[0], &prepared));
            let seconds = started.elapsed().as_secs_f64();
            println!(
                "{n_threads} threads: {seconds:.3} s, {:.0} sessions/s, {:.0} pages/s, {:.2} pages a session, {:.1} events a session",
                tally.n_sessions as f64 / seconds,
                tally.n_pages as f64 / seconds,
                tally.n_pages as f64 / tally.n_sessions as f64,
                tally.n_events as f64 / tally.n_sessions as f64,
            );
        }
    }
}

#[inline(never)]
fn tallied(tunnel: &Tunnel, prepared: &Prepared) -> Tally {
    let mut tally = Tally::default();
    let done: Result<(), WorldError> = tunnel.simulate(&prepared.agents.all(), 65_536, &Quiet, |cohort| {
        tally.n_events += cohort.len() as u64;
        for event in cohort {
            match event.what {
                What::Exposure { slot: 0, .. } => tally.n_pages += 1,
                What::Exit { .. } => tally.n_sessions += 1,
                _ => {}
            }
        }
        Ok(())
    });
    done.expect("this arm does not fail");
    tally
}

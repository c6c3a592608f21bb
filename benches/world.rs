//! How long sessions take: agents a second through the whole page tick, popular arm, and how long
//! their events take to write and to read back.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::borrow::Cow;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use windtunnel::agent::cue::Cues;
use windtunnel::event::Event;
use windtunnel::event::read::for_each_session;
use windtunnel::event::write::{EventWriter, RawIds};
use windtunnel::experiment::prepare::Prepared;
use windtunnel::id::{AgentId, ItemId};
use windtunnel::llm::client::Client;
use windtunnel::progress::Quiet;

use windtunnel::scenario::Scenario;
use windtunnel::world::{OnError, Presentation, SessionRules, Tunnel, WorldError};

const N_AGENTS: u32 = 10_000;
const SCENARIO: &str = "
[dataset]
source = \"synthetic\"
n_users = 2000
[population]
n_agents = 10000
[arms.popular]
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

fn simulated(tunnel: &Tunnel, prepared: &Prepared) -> Vec<Event> {
    let mut events = Vec::new();
    let done: Result<(), WorldError> = tunnel.simulate(&prepared.agents.all(), 65_536, &Quiet, |cohort| {
        events.extend_from_slice(cohort);
        Ok(())
    });
    done.expect("popular does not fail");
    events
}

fn world(c: &mut Criterion) {
    let scenario = Scenario::parse(Path::new("bench.toml"), SCENARIO, &[]).expect("a valid scenario");
    let prepared =
        Prepared::new(&scenario, Path::new("."), &Client::none(), &Quiet).expect("a synthetic world");
    let (model, _) = prepared
        .workshop(&scenario.arms, None, &Quiet)
        .fit(&prepared.split, &scenario.arms[0], 0)
        .expect("popular fits");
    let rules = SessionRules {
        items_per_page: 4,
        max_pages: 5,
        presentation: Presentation::Ranked,
        cues: Cues::USUAL,
        advert_share: 0.0,
        memory_entries: 100,
        on_error: OnError::Stop,
    };
    let tunnel = Tunnel {
        recommender: Arc::from(model),
        behavior: prepared.behavior.clone(),
        known: prepared.known.clone(),
        held_out: prepared.held_out.clone(),
        rules,
        streams: prepared.streams,
        round: 0,
    };
    let mut group = c.benchmark_group("world");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(N_AGENTS)));
    group.bench_function("10000_choice_sessions", |b| b.iter(|| black_box(simulated(&tunnel, &prepared))));
    group.finish();
    event(c, &prepared, &simulated(&tunnel, &prepared));
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

criterion_group!(benches, world);
criterion_main!(benches);

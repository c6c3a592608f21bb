//! Our half of `t_recs.py`: simulates agents in front of given vectors, shape by shape, and prints one JSON line a run
//! with the pages shown a second, ranking included.
//!
//! Without shapes (as under plain `cargo bench`) it does nothing.

use rand_distr::{Distribution, StandardNormal};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use windtunnel::agent::cue::Cues;
use windtunnel::event::What;
use windtunnel::experiment::prepare::Prepared;
use windtunnel::llm::client::Client;
use windtunnel::progress::Quiet;
use windtunnel::recommender::dense::Matrix;
use windtunnel::recommender::factors::Factors;
use windtunnel::recommender::{Ranked, RecommendError, Recommender, Request};
use windtunnel::rng::{Purpose, Streams};
use windtunnel::scenario::Scenario;
use windtunnel::world::{Backstage, OnError, Presentation, SessionRules, Tunnel, WorldError};

const N_FACTORS: usize = 64;
const N_RUNS: usize = 5;

/// Vectors that nobody fitted.
struct Given(Factors);

impl Recommender for Given {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(self.0.recommend(requests))
    }

    fn adapts_in_session(&self) -> bool {
        false
    }

    fn answers_alike(&self) -> bool {
        true
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        self.0.save(dir)
    }
}

fn main() {
    let Ok(shapes) = std::env::var("WINDTUNNEL_SHAPES") else {
        eprintln!("SKIPPED: run benches/peers/t_recs.py, which names the shapes in WINDTUNNEL_SHAPES");
        return;
    };
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    for shape in shapes.split(' ') {
        let sizes: Vec<usize> = shape.split('x').map(|size| size.parse().expect("a size")).collect();
        let [n_users, n_items, n_agents] = sizes[..] else { panic!("{shape} is not USERSxITEMSxAGENTS") };
        let (prepared, tunnel) = tunnel(n_users, n_items, n_agents);
        for threads in [1, n_threads] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            for _ in 0..N_RUNS {
                // Every run ranks for everybody again.
                let tunnel = Tunnel { backstage: Backstage::default(), ..tunnel.clone() };
                let start = Instant::now();
                let n_pages = pool.install(|| pages(&tunnel, &prepared));
                let rate = n_pages as f64 / start.elapsed().as_secs_f64();
                println!("{{\"shape\": \"{shape}\", \"threads\": {threads}, \"rate\": {rate}}}");
            }
        }
    }
}

fn tunnel(n_users: usize, n_items: usize, n_agents: usize) -> (Prepared, Tunnel) {
    let scenario = format!(
        "[dataset]\nsource = \"synthetic\"\nn_users = {n_users}\nn_items = {n_items}\n\
         [population]\nn_agents = {n_agents}\n[arms.random]\n"
    );
    let scenario = Scenario::parse(Path::new("t_recs.toml"), &scenario, &[]).expect("a valid scenario");
    let prepared = Prepared::new(&scenario, Path::new("."), &Client::none(), &Quiet).expect("a world");
    let mut rng = Streams::new(1).stream(Purpose::Init, 0, 0, 0);
    let mut normal = |n_rows: usize| {
        let data = (0..n_rows * N_FACTORS).map(|_| StandardNormal.sample(&mut rng)).collect();
        Matrix::new(n_rows, N_FACTORS, data)
    };
    let factors = Factors::from_parts(normal(n_users), normal(n_items), None, vec![1.0; n_items]);
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
        recommender: Arc::new(Given(factors)),
        behavior: prepared.behavior.clone(),
        known: prepared.known.clone(),
        held_out: prepared.held_out.clone(),
        rules,
        streams: prepared.streams,
        round: 0,
        backstage: Backstage::default(),
    };
    (prepared, tunnel)
}

/// The pages that were shown.
fn pages(tunnel: &Tunnel, prepared: &Prepared) -> usize {
    let mut n_pages = 0;
    let done: Result<(), WorldError> = tunnel.simulate(&prepared.agents.all(), 65_536, &Quiet, |events| {
        n_pages += events.iter().filter(|event| matches!(event.what, What::Exposure { slot: 0, .. })).count();
        Ok(())
    });
    done.expect("given vectors do not fail");
    n_pages
}

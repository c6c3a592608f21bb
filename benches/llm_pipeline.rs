//! 1,000 agents against a loopback server of 200 ms latency and 128 slots: how far the wall time is from
//! the ideal pipeline, in which every slot is busy until the last call. The ideal is the larger of (calls ×
//! latency / slots) and (the longest session's calls × latency).

#[path = "../tests/support/mind.rs"]
mod mind;
#[path = "../tests/support/server.rs"]
mod server;

use server::{Server, Settings};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use windtunnel::experiment::{self, RunOptions};
use windtunnel::llm::tape::{self, Filter, Tape, TapeMode};
use windtunnel::progress::Quiet;
use windtunnel::report::manifest::Manifest;
use windtunnel::scenario::Scenario;

const LATENCY_MS: u64 = 200;
const N_SLOTS: usize = 128;

const SCENARIO: &str = r#"
[dataset]
source = "synthetic"
n_users = 1000
n_items = 500
[behavior]
kind = "llm"
model = "m"
[arms.popular]
[statistics]
n_bootstrap = 100
[llm.models.m]
backend = "openai"
model = "loopback"
"#;

fn main() {
    let n_repetitions = if std::env::args().any(|argument| argument == "--test") { 1 } else { 3 };
    println!("repetition  calls  longest session  wall s  ideal s  wall / ideal");
    for repetition in 1..=n_repetitions {
        let settings =
            Settings { latency: Duration::from_millis(LATENCY_MS), remembers: false, ..Settings::default() };
        let server = Server::start(settings, mind::answer);
        let dir = tempfile::tempdir().expect("a temporary folder");
        let overrides = [
            format!("llm.models.m.base_url={}", server.base_url()),
            format!("llm.models.m.max_in_flight={N_SLOTS}"),
        ];
        let scenario = Scenario::parse(Path::new("bench.toml"), SCENARIO, &overrides).expect("a scenario");
        let out = dir.path().join("run");
        let options = RunOptions::new(&out, dir.path(), &Quiet);
        experiment::run(&scenario, &options).expect("a run");
        let manifest = std::fs::read_to_string(out.join("manifest.json")).expect("a manifest");
        let manifest = Manifest::from_json(&manifest).expect("its own file");
        let wall: f64 =
            manifest.timings.iter().filter(|t| t.phase.starts_with("simulate")).map(|t| t.seconds).sum();
        let tape = Tape::open(&out.join(tape::FILE_NAME), TapeMode::Replay).expect("a tape");
        let mut calls_of: BTreeMap<String, u64> = BTreeMap::new();
        for call in tape.calls(&Filter::default()).expect("calls") {
            let agent = call.stream.split(',').next().unwrap_or_default();
            *calls_of.entry(agent.to_owned()).or_default() += 1;
        }
        let n_calls: u64 = calls_of.values().sum();
        let longest = calls_of.values().copied().max().unwrap_or(0);
        let latency = LATENCY_MS as f64 / 1000.0;
        let ideal = (n_calls as f64 * latency / N_SLOTS as f64).max(longest as f64 * latency);
        println!(
            "{repetition:>10}  {n_calls:>5}  {longest:>15}  {wall:>6.2}  {ideal:>7.2}  {:>12.3}",
            wall / ideal
        );
    }
}

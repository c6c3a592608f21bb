//! A run with a language model, killed at any moment and run again, ends with the events of an
//! undisturbed run, and pays for nothing twice.

#![cfg(unix)]

#[path = "support/mind.rs"]
mod mind;
#[path = "support/server.rs"]
mod server;

use server::{Answer, Server, Settings};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use windtunnel::llm::tape::{self, Filter, Tape, TapeMode};
use windtunnel::rng::{Purpose, Streams};

const SCENARIO: &str = r#"
name = "resume"
[dataset]
source = "synthetic"
n_users = 80
n_items = 120
[population]
n_agents = 60
[behavior]
kind = "llm"
model = "small"
[arms.popular]
[arms.random]
[statistics]
n_bootstrap = 100
[llm.models.small]
backend = "openai"
model = "loopback"
max_in_flight = 1
"#;

fn start(dir: &Path, server: &Server) -> Child {
    Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .current_dir(dir)
        .args(["run", "s.toml", "--out", "run", "--resume", "--quiet", "--threads", "1", "--set"])
        .arg(format!("llm.models.small.base_url={}", server.base_url()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

fn finish(child: Child) {
    let output = child.wait_with_output().expect("the binary ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn slow_server() -> Server {
    let settings = Settings { latency: Duration::from_millis(8), ..Settings::default() };
    Server::scripted(settings, |heard| Answer::Content(mind::answer(&heard.body)))
}

/// The messages and seeds of every reply on the tape: what a request is known by on the wire.
fn on_tape(path: &Path) -> BTreeSet<String> {
    if !path.exists() {
        return BTreeSet::new();
    }
    // As the next run will open it: one that was killed while it made its tape leaves an empty file.
    let tape = Tape::open(path, TapeMode::Auto).expect("a tape survives every kill");
    let calls = tape.calls(&Filter::default()).expect("and can be read");
    calls
        .iter()
        .filter(|call| call.outcome.is_reply())
        .map(|call| {
            let messages = serde_json::to_value(&call.messages).expect("messages are JSON");
            format!("{messages} {}", call.sampling.seed)
        })
        .collect()
}

fn events(dir: &Path, arm: &str) -> Vec<u8> {
    std::fs::read(dir.join(format!("run/events/arm={arm}/part-00000.parquet"))).expect("events")
}

fn kill_and_resume(n_kills: u64) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("s.toml"), SCENARIO).expect("written");
    let undisturbed = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(undisturbed.path().join("s.toml"), SCENARIO).expect("written");
    let reference = slow_server();
    finish(start(undisturbed.path(), &reference));

    let server = slow_server();
    let tape = dir.path().join("run").join(tape::FILE_NAME);
    let (mut n_seen, mut n_while_asking) = (0, 0);
    for kill in 0..n_kills {
        let known = on_tape(&tape);
        let mut child = start(dir.path(), &server);
        let luck: u64 = rand::RngExt::random(&mut Streams::new(7).stream(Purpose::Exit, 0, kill, 0));
        if kill % 2 == 0 {
            // Some kills fall into what comes before the first request, these into what comes after.
            while server.n_requests() == n_seen && child.try_wait().expect("a child").is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        std::thread::sleep(Duration::from_millis(luck % 200));
        let is_at_work = child.try_wait().expect("a child").is_none();
        // It may have finished already; then there is nothing to kill.
        let _ = child.kill();
        child.wait().expect("the binary ends");
        let heard = server.heard();
        for request in &heard[n_seen..] {
            let asked = format!("{} {}", request.body["messages"], request.body["seed"]);
            assert!(
                !known.contains(&asked),
                "asked again after kill {kill}, though it was on the tape: {asked}"
            );
        }
        n_while_asking += u64::from(is_at_work && heard.len() > n_seen);
        n_seen = heard.len();
    }
    assert!(
        3 * n_while_asking >= n_kills,
        "only {n_while_asking} of {n_kills} kills met a run that was asking"
    );
    let known = on_tape(&tape).len();
    let before = server.n_requests();
    finish(start(dir.path(), &server));
    assert_eq!(
        server.n_requests() - before + known,
        reference.n_requests(),
        "only what was missing is asked"
    );
    for arm in ["popular", "random"] {
        assert!(events(dir.path(), arm) == events(undisturbed.path(), arm), "the events of {arm} differ");
    }
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    kill_and_resume(6);
}

#[test]
#[ignore = "50 kills take a minute"]
fn a_run_killed_fifty_times_goes_on_where_it_was() {
    kill_and_resume(50);
}

#[test]
fn a_run_that_is_stopped_has_everything_on_its_tape_and_goes_on() {
    let place = || {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("s.toml"), SCENARIO).expect("written");
        dir
    };
    let (undisturbed, dir) = (place(), place());
    let reference = slow_server();
    finish(start(undisturbed.path(), &reference));
    let server = slow_server();
    let mut child = start(dir.path(), &server);
    while server.n_requests() < 5 && child.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    let output = child.wait_with_output().expect("the binary ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.ends_with("stopped; go on with --resume\n") && !told.contains("error"), "{told}");
    let tape = dir.path().join("run").join(tape::FILE_NAME);
    assert_eq!(on_tape(&tape).len(), server.n_requests(), "what was under way came and was kept");
    finish(start(dir.path(), &server));
    assert_eq!(server.n_requests(), reference.n_requests(), "nothing is asked twice");
    for arm in ["popular", "random"] {
        assert!(events(dir.path(), arm) == events(undisturbed.path(), arm), "the events of {arm} differ");
    }
}

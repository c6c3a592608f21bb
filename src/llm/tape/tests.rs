//! One tape in one process: modes, who wins, what is queued; in `files` what else a file may be, in `lines`
//! what is written out, read in, dropped and listed. Processes that are killed or share a tape are in the
//! integration tests.

mod files;
mod lines;

use super::*;
use crate::llm::shape::Shape;
use crate::llm::{ChatReply, Finish, Message, Role, Sampling, Usage};
use std::fs;
use std::future::Future;
use std::sync::Arc;
use tempfile::TempDir;

const MODEL: &str = "toy-model";
const RULES: &str = "You watch films. Answer with the numbers of those that you would watch.";

fn request(agent: u64) -> ChatRequest {
    let message = |role, content: String| Message { role, content };
    ChatRequest {
        messages: vec![
            message(Role::System, RULES.to_owned()),
            message(Role::User, format!("You are person {agent}; \"quotes\"\n\0 and é.")),
        ],
        sampling: Sampling { temperature: 0.7, top_p: 0.95, max_tokens: 200, seed: u64::MAX - agent },
        shape: agent.is_multiple_of(2).then(|| Arc::new(Shape::object([("next", Shape::Boolean)]))),
        stream: format!("agent {agent}, round 0, page 1, decide"),
        speaker: agent,
    }
}

fn reply(text: &str) -> Outcome {
    Outcome::Reply(ChatReply {
        text: text.to_owned(),
        finish: Finish::Length,
        usage: Usage { prompt_tokens: 70, cached_tokens: 50, completion_tokens: 9 },
        latency_ms: 211,
        n_retries: 2,
    })
}

fn failures() -> [Outcome; 3] {
    [
        Failure::Exhausted { n_attempts: 5, last: "HTTP 500, \"busy\"".to_owned() },
        Failure::Refused("no\nnever".to_owned()),
        Failure::TooLong { prompt_tokens: 4000, max_tokens: 200, context_tokens: 4096 },
    ]
    .map(|cause| Outcome::Failed { cause })
}

fn failure() -> Outcome {
    let [first, ..] = failures();
    first
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn keep(tape: &Tape, agent: u64, outcome: Outcome) -> Outcome {
    let request = request(agent);
    wait(tape.keep(Key::of(MODEL, &request), MODEL, &request, outcome)).expect("kept")
}

fn find(tape: &Tape, agent: u64) -> Option<Outcome> {
    tape.find(&Key::of(MODEL, &request(agent))).expect("looked up")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(path: &Path, mode: TapeMode) -> Tape {
    Tape::open(path, mode).expect("opens")
}

/// A tape at rest with these outcomes, of agents 0, 1, 2, ….
fn tape_of(path: &Path, outcomes: &[Outcome]) {
    let tape = open(path, TapeMode::Auto);
    for (agent, outcome) in (0..).zip(outcomes) {
        assert_eq!(keep(&tape, agent, outcome.clone()), *outcome);
    }
}

fn exported(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(path, &mut bytes).expect("exported");
    bytes
}

#[test]
fn what_is_kept_is_found_again_as_it_was() {
    let folder = folder();
    let path = folder.path().join("run/deeper").join(FILE_NAME);
    let outcomes: Vec<Outcome> =
        [reply("one \"two\" \0\n"), reply("")].into_iter().chain(failures()).collect();
    tape_of(&path, &outcomes);
    for mode in [TapeMode::Replay, TapeMode::Auto] {
        let tape = open(&path, mode);
        for (agent, outcome) in (0..).zip(&outcomes) {
            let expected = (mode == TapeMode::Replay || outcome.is_reply()).then_some(outcome);
            assert_eq!(find(&tape, agent).as_ref(), expected, "agent {agent}, {}", mode.name());
        }
        assert_eq!(find(&tape, 99), None);
    }
}

#[test]
fn a_replay_stops_at_what_is_missing_and_writes_nothing() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[reply("yes")]);
    let tape = open(&path, TapeMode::Replay);
    let look_up = |agent| tape.look_up(&Key::of(MODEL, &request(agent)), &request(agent));
    assert_eq!(look_up(0), Ok(Some(reply("yes"))));
    let Err(LlmError::Stop(words)) = look_up(1) else { panic!("expected a stop") };
    assert!(words.contains("agent 1, round 0, page 1, decide"), "{words}");
    assert!(words.contains("tape.sqlite"), "{words}");
    let kept = wait(tape.keep(Key::of(MODEL, &request(1)), MODEL, &request(1), reply("no")));
    assert!(matches!(kept, Err(TapeError::ReadOnly { .. })), "{kept:?}");
    let auto = open(&path, TapeMode::Auto);
    assert_eq!(auto.look_up(&Key::of(MODEL, &request(1)), &request(1)), Ok(None));
}

#[test]
fn the_first_reply_stands_and_a_reply_beats_a_failure() {
    let folder = folder();
    let tape = open(&folder.path().join("tape.sqlite"), TapeMode::Auto);
    assert_eq!(keep(&tape, 1, reply("first")), reply("first"));
    assert_eq!(keep(&tape, 1, reply("second")), reply("first"));
    assert_eq!(keep(&tape, 1, failure()), reply("first"));
    let [exhausted, refused, _] = failures();
    assert_eq!(keep(&tape, 2, exhausted.clone()), exhausted);
    assert_eq!(keep(&tape, 2, refused), exhausted);
    assert_eq!(find(&tape, 2), Some(exhausted), "a failure of this run stands for this run");
    assert_eq!(keep(&tape, 2, reply("after all")), reply("after all"));
    assert_eq!(find(&tape, 2), Some(reply("after all")));
}

#[test]
fn auto_asks_again_where_a_run_before_has_failed() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let [exhausted, refused, _] = failures();
    tape_of(&path, &[reply("yes"), exhausted.clone(), exhausted]);
    let tape = open(&path, TapeMode::Auto);
    assert_eq!(find(&tape, 0), Some(reply("yes")));
    assert_eq!(find(&tape, 1), None);
    assert_eq!(keep(&tape, 1, refused.clone()), refused, "the newer failure is what this run met");
    assert_eq!(find(&tape, 1), Some(refused));
    assert_eq!(keep(&tape, 2, reply("now")), reply("now"));
}

#[test]
fn record_asks_again_and_writes_over_what_was_there_before() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    tape_of(&path, &[reply("old"), reply("old"), failure(), reply("old")]);
    let tape = open(&path, TapeMode::Record);
    let beside = open(&path, TapeMode::Record);
    assert!((0..5).all(|agent| find(&tape, agent).is_none()));
    assert_eq!(keep(&tape, 0, reply("new")), reply("new"));
    assert_eq!(keep(&tape, 0, reply("newer")), reply("new"), "the first of this run stands");
    assert_eq!(keep(&beside, 0, reply("newer")), reply("new"), "for who began before it was written too");
    assert_eq!(keep(&tape, 1, failure()), reply("old"), "a failure never replaces a reply");
    assert_eq!(find(&tape, 1), Some(reply("old")), "which is what this run goes on with");
    assert_eq!(keep(&tape, 2, reply("new")), reply("new"));
    assert_eq!(keep(&tape, 4, reply("new")), reply("new"));
    drop((tape, beside));
    let tape = open(&path, TapeMode::Replay);
    let texts: Vec<_> = (0..5).map(|agent| find(&tape, agent)).collect();
    assert_eq!(texts, ["new", "old", "new", "old", "new"].map(|text| Some(reply(text))));
}

#[test]
fn many_wait_at_once_and_each_gets_its_own() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let tape = Arc::new(open(&path, TapeMode::Auto));
    let n_calls = 3000;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime").block_on(
        async {
            let tasks: Vec<_> = (0..n_calls)
                .map(|agent| {
                    let tape = tape.clone();
                    tokio::spawn(async move {
                        let (request, said) = (request(agent), reply(&format!("reply {agent}")));
                        let kept = tape.keep(Key::of(MODEL, &request), MODEL, &request, said.clone()).await;
                        assert_eq!(kept.expect("kept"), said);
                        // Durable, and so visible to whoever asks.
                        assert_eq!(tape.find(&Key::of(MODEL, &request)).expect("looked up"), Some(said));
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        },
    );
    drop(tape);
    assert_eq!(summarise(&path).expect("a tape").n_replies, n_calls);
}

#[test]
fn what_nobody_waits_for_any_more_is_written_all_the_same() {
    let folder = folder();
    let path = folder.path().join("tape.sqlite");
    let tape = open(&path, TapeMode::Auto);
    wait(async {
        for agent in 0..50 {
            let request = request(agent);
            let kept = tape.keep(Key::of(MODEL, &request), MODEL, &request, reply("left"));
            // One poll queues it; then the caller goes away.
            let mut kept = std::pin::pin!(kept);
            std::future::poll_fn(|context| {
                let _ = kept.as_mut().poll(context);
                std::task::Poll::Ready(())
            })
            .await;
        }
    });
    drop(tape);
    assert_eq!(summarise(&path).expect("a tape").n_replies, 50);
}

#[test]
fn modes_are_read_by_name() {
    for mode in TapeMode::ALL {
        assert_eq!(mode.name().parse::<TapeMode>().ok(), Some(mode));
        assert_eq!(serde_json::json!(mode), mode.name());
    }
    let error = "reply".parse::<TapeMode>().expect_err("no mode").to_string();
    assert_eq!(error, "tape mode is \"reply\", expected one of: record, replay, auto");
    assert_eq!(TapeMode::default(), TapeMode::Auto);
}

#[test]
fn sampling_that_cannot_be_written_down_is_refused() {
    let folder = folder();
    let tape = open(&folder.path().join("tape.sqlite"), TapeMode::Auto);
    let mut odd = request(1);
    odd.sampling.temperature = f32::NAN;
    let kept = wait(tape.keep(Key::of(MODEL, &odd), MODEL, &odd, reply("yes")));
    assert_eq!(kept.expect_err("refused").to_string(), "temperature is NaN, must be finite");
}

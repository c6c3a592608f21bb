//! The tape between processes: killed while it is written, shared by several, and on the command line.
//! A test that needs a second process starts itself again, with a variable that says what to do there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use windtunnel::llm::tape::{Failure, Filter, Key, Outcome, Tape, TapeMode};
use windtunnel::llm::{ChatReply, ChatRequest, Finish, Message, Role, Sampling, Usage};

/// Where the tape of a started process is; a process without it is the one that starts others.
const CHILD_TAPE: &str = "WINDTUNNEL_TEST_TAPE";
/// Which of the started processes it is.
const CHILD_NUMBER: &str = "WINDTUNNEL_TEST_NUMBER";
const MODEL: &str = "toy-model";

fn request(n: u64) -> ChatRequest {
    ChatRequest {
        messages: vec![
            Message { role: Role::System, content: "Answer in one word.".repeat(20) },
            Message { role: Role::User, content: format!("question {n}") },
        ],
        sampling: Sampling { temperature: 1.0, top_p: 1.0, max_tokens: 9, seed: n },
        shape: None,
        stream: format!("agent {n}, interview"),
        speaker: n,
    }
}

fn key(n: u64) -> Key {
    Key::of(MODEL, &request(n))
}

fn reply(text: String) -> Outcome {
    let usage = Usage { prompt_tokens: 90, cached_tokens: 80, completion_tokens: 1 };
    Outcome::Reply(ChatReply { text, finish: Finish::Stop, usage, latency_ms: 2, n_retries: 0 })
}

/// What the outcome says, in one line.
fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reply(reply) => reply.text.clone(),
        Outcome::Failed { .. } => "failed".to_owned(),
    }
}

/// The tape and number of this process where it was started by [`start`].
fn task() -> Option<(PathBuf, u64)> {
    let tape = std::env::var_os(CHILD_TAPE)?;
    let number = std::env::var(CHILD_NUMBER).ok()?.parse().ok()?;
    Some((PathBuf::from(tape), number))
}

/// Starts the test of this name once more, with a task.
fn start(test: &str, tape: &Path, number: u64) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD_TAPE, tape)
        .env(CHILD_NUMBER, number.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("starts again")
}

/// The whole lines that a process says about what it got, number and words, until it ends.
fn told(child: &mut Child) -> std::thread::JoinHandle<Vec<(u64, String)>> {
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    std::thread::spawn(move || {
        let mut told = Vec::new();
        let mut line = String::new();
        while stdout.read_line(&mut line).expect("text") > 0 {
            // A line that was cut by a kill says nothing; the harness may have begun one before ours.
            let whole = line.strip_suffix('\n').and_then(|line| line.split_once("got ")).map(|(_, got)| got);
            if let Some((n, words)) = whole.and_then(|got| got.split_once(' ')) {
                told.push((n.parse().expect("a number"), words.to_owned()));
            }
            line.clear();
        }
        told
    })
}

fn say(n: u64, outcome: &Outcome) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "got {n} {}", words(outcome)).and_then(|()| stdout.flush()).expect("somebody listens");
}

/// Keeps an answer to each question, from four tasks on two threads, and says what it got.
fn keep_all(tape: &Path, questions: Vec<u64>, answer: fn(u64, u64) -> Outcome, number: u64) {
    let tape = Arc::new(Tape::open(tape, TapeMode::Auto).expect("opens"));
    let questions = Arc::new(questions);
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime").block_on(
        async {
            let tasks: Vec<_> = (0..4)
                .map(|task| {
                    let (tape, questions) = (tape.clone(), questions.clone());
                    tokio::spawn(async move {
                        for &n in questions.iter().skip(task).step_by(4) {
                            let held = match tape.find(&key(n)).expect("looked up") {
                                Some(held) => held,
                                None => {
                                    let said = answer(number, n);
                                    tape.keep(key(n), MODEL, &request(n), said).await.expect("kept")
                                }
                            };
                            say(n, &held);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        },
    );
}

fn exported(tape: &Path) -> Vec<u8> {
    let mut lines = Vec::new();
    windtunnel::llm::tape::export(tape, &mut lines).expect("exported");
    lines
}

#[test]
fn what_a_killed_process_was_told_is_kept_is_on_the_tape() {
    if let Some((tape, number)) = task() {
        let questions = (0..200_000).map(|n| number * 1_000_000 + n).collect();
        return keep_all(&tape, questions, |_, n| reply(format!("answer {n}")), number);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tape.sqlite");
    let mut all_told = Vec::new();
    for round in 0..16u64 {
        let mut child = start("what_a_killed_process_was_told_is_kept_is_on_the_tape", &path, round);
        let listener = told(&mut child);
        // From before the tape is open to well into the writing; where exactly is up to the machine.
        std::thread::sleep(Duration::from_micros(round * round * 1100 + 3000));
        child.kill().expect("still at work");
        child.wait().expect("ends");
        all_told.extend(listener.join().expect("no panic"));
        // Every other time the next process finds the files as the kill has left them.
        if round % 2 == 1 && path.exists() {
            assert_on_tape(&path, &all_told);
        }
    }
    assert!(all_told.len() > 100, "only {} calls were kept before the kills", all_told.len());
    assert_on_tape(&path, &all_told);
    let connection = rusqlite::Connection::open(&path).expect("opens");
    let check = connection.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0));
    assert_eq!(check, Ok("ok".to_owned()));
}

fn assert_on_tape(path: &Path, told: &[(u64, String)]) {
    // A process killed while it made the file has told nothing.
    if told.is_empty() {
        return;
    }
    let tape = Tape::open(path, TapeMode::Replay).expect("opens");
    for (n, words) in told {
        let held = tape.find(&key(*n)).expect("looked up");
        assert_eq!(held, Some(reply(words.clone())), "question {n}");
        assert_eq!(*words, format!("answer {n}"));
    }
}

/// Waits, within reason, until another process is as far as this one.
fn meet(here: &Path, there: &Path) {
    std::fs::write(here, "").expect("written");
    let waited = (0..30_000).find(|_| {
        std::thread::sleep(Duration::from_millis(1));
        there.exists()
    });
    assert!(waited.is_some(), "the other process never came");
}

#[test]
fn two_processes_on_one_tape_lose_nothing_and_get_the_same() {
    const N_QUESTIONS: u64 = 800;
    /// The first process meets failures where the second gets replies.
    fn fails(number: u64, n: u64) -> bool {
        number == 0 && n % 10 == 3
    }
    fn answer(number: u64, n: u64) -> Outcome {
        match fails(number, n) {
            true => Outcome::Failed { cause: Failure::Refused("not now".to_owned()) },
            false => reply(format!("answer {n} of process {number}")),
        }
    }
    if let Some((tape, number)) = task() {
        // One from the front, one from the back.
        let mut questions: Vec<u64> = (0..N_QUESTIONS).collect();
        if number == 1 {
            questions.reverse();
        }
        meet(
            &tape.with_file_name(format!("../ready-{number}")),
            &tape.with_file_name(format!("../ready-{}", 1 - number)),
        );
        return keep_all(&tape, questions, answer, number);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("new/tape.sqlite");
    std::fs::create_dir(folder.path().join("new")).expect("made");
    let start = |number| start("two_processes_on_one_tape_lose_nothing_and_get_the_same", &path, number);
    let mut children = [start(0), start(1)];
    let listeners = children.each_mut().map(told);
    for child in &mut children {
        assert!(child.wait().expect("ends").success());
    }
    let [first, second] =
        listeners.map(|told| told.join().expect("no panic").into_iter().collect::<BTreeMap<u64, String>>());
    let tape = Tape::open(&path, TapeMode::Replay).expect("opens");
    let mut winners = BTreeSet::new();
    for n in 0..N_QUESTIONS {
        let held = words(&tape.find(&key(n)).expect("looked up").expect("is there"));
        // Where the first failed before the second asked, both have the failure.
        assert_eq!(second[&n], held, "question {n}");
        match fails(0, n) {
            // A failure was all there was, or the reply was there first.
            true => assert!(first[&n] == "failed" || first[&n] == held, "question {n}: {}", first[&n]),
            false => assert_eq!(first[&n], held, "question {n}"),
        }
        winners.extend(held.rsplit(' ').next().map(str::to_owned));
    }
    let both = ["0", "1"].iter().all(|number| winners.contains(*number));
    assert!(both, "one process wrote everything, the other had to wait until it was done: {winners:?}");
    assert_eq!(tape.calls(&Filter::default()).expect("read").len() as u64, N_QUESTIONS);
    drop(tape);
    let files = std::fs::read_dir(folder.path().join("new")).expect("readable").count();
    assert_eq!(files, 1, "the last one to close leaves one file");
}

fn windtunnel(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .arg("tape")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A folder with a tape of replies to questions 0, 1, … and of one failure.
fn run_folder(n_replies: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tape = Tape::open(&folder.path().join("tape.sqlite"), TapeMode::Auto).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for n in 0..=n_replies {
        let cause = Failure::Exhausted { n_attempts: 4, last: "HTTP 503".to_owned() };
        let said = if n < n_replies { reply(format!("answer {n}")) } else { Outcome::Failed { cause } };
        runtime.block_on(tape.keep(key(n), MODEL, &request(n), said)).expect("kept");
    }
    drop(tape);
    folder
}

#[test]
fn a_tape_is_counted_copied_and_made_small_on_the_command_line() {
    let folder = run_folder(5);
    let dir = folder.path().to_str().expect("UTF-8");
    let at = |name: &str| format!("{dir}/{name}");
    let info = stdout(&windtunnel(&["info", dir]));
    for line in [
        "calls      6\n",
        "replies    5 (after 0 retries)\n",
        "failures   1: exhausted 1\n",
        "models     1: toy-model 6\n",
        "tokens     450 read (400 from a cache), 5 written\n",
        "texts      7\n",
    ] {
        assert!(info.contains(line), "{info}\nexpected: {line}");
    }
    let lines = stdout(&windtunnel(&["export", &at("tape.sqlite")]));
    assert_eq!(lines.as_bytes(), exported(&folder.path().join("tape.sqlite")));
    assert_eq!(stdout(&windtunnel(&["export", dir, "--out", &at("lines.jsonl")])), "");
    assert_eq!(std::fs::read_to_string(at("lines.jsonl")).expect("written"), lines);
    let imported = stdout(&windtunnel(&["import", &at("copy.sqlite"), &at("lines.jsonl")]));
    assert!(imported.contains("calls      6\n") && imported.contains("new        6\n"), "{imported}");
    assert_eq!(stdout(&windtunnel(&["export", &at("copy.sqlite")])), lines);
    let compacted = stdout(&windtunnel(&["compact", dir, "--drop-failures"]));
    assert!(compacted.contains("dropped    1 calls, 1 texts\n"), "{compacted}");
    assert!(stdout(&windtunnel(&["info", dir])).contains("failures   0\n"));
}

#[test]
fn bad_input_on_the_command_line_is_told_with_exit_code_2() {
    let folder = run_folder(1);
    let dir = folder.path().to_str().expect("UTF-8");
    let at = |name: &str| format!("{dir}/{name}");
    std::fs::write(at("lines.jsonl"), "{\"key\": 7}\n").expect("written");
    std::fs::write(at("text.txt"), "no tape\n".repeat(200)).expect("written");
    std::fs::create_dir(at("empty")).expect("made");
    for (arguments, words) in [
        (vec!["info", &at("none.sqlite")], "none.sqlite: there is no tape"),
        (vec!["info", &at("empty")], "empty/tape.sqlite: there is no tape"),
        (vec!["export", &at("text.txt")], "text.txt: not a tape"),
        (vec!["compact", &at("text.txt")], "text.txt: not a tape"),
        (vec!["import", &at("text.txt"), &at("lines.jsonl")], "text.txt: not a tape"),
        (
            vec!["import", dir, &at("lines.jsonl")],
            "lines.jsonl, line 1: invalid type: integer `7`, expected a string",
        ),
        (vec!["import", dir, &at("none.jsonl")], "none.jsonl: "),
    ] {
        let output = windtunnel(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty());
    }
    assert!(!Path::new(&at("none.sqlite")).exists() && !Path::new(&at("empty/tape.sqlite")).exists());
}

//! The backend `openai` against a server that answers, waits, refuses and fails as it is told.

#[path = "support/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{Answer, Fault, Faults, Server, Settings};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use windtunnel::llm::openai::OpenAi;
use windtunnel::llm::shape::Shape;
use windtunnel::llm::{
    Backend, BackendKind, BackendPlan, ChatReply, ChatRequest, Finish, LlmError, Message, Role, Sampling,
};

/// The good answer of every server here: a page's, by slot number.
const GOOD: &str = r#"{"fits":[1,3],"next":true}"#;

fn shape() -> Shape {
    let slot = Shape::Integer { low: 1, high: 4 };
    let fits = Shape::Array { of: Box::new(slot), min: 0, max: 4 };
    Shape::object([("fits", fits), ("next", Shape::Boolean)])
}

fn request(k: u64) -> ChatRequest {
    let message = |role, content: &str| Message { role, content: content.to_owned() };
    ChatRequest {
        messages: vec![message(Role::System, "You watch films."), message(Role::User, &format!("Page {k}?"))],
        sampling: Sampling { temperature: 0.5, top_p: 1.0, max_tokens: 100, seed: k },
        shape: Some(Arc::new(shape())),
        stream: format!("agent {k}, round 0, page 1, page"),
        speaker: k,
    }
}

fn plan(server: &Server, more: &str) -> Box<dyn BackendPlan> {
    let toml = format!("base_url = \"{}\"\nmodel = \"tiny\"\n{more}", server.base_url());
    OpenAi
        .check("llm.tiny", &toml.parse().expect("test TOML"))
        .unwrap_or_else(|complaint| panic!("{complaint}"))
}

/// A backend that loses no time.
fn backend(server: &Server, more: &str) -> Arc<dyn Backend> {
    let quick = "backoff_ms = 1\nbackoff_ms_max = 2\nretries_max = 2\ntimeout_ms = 20000\n";
    // Settings of the test come first: a key may stand in a table only once.
    let rest: String = quick
        .lines()
        .filter(|line| line.split(' ').next().is_none_or(|key| !more.contains(&format!("{key} ="))))
        .map(|line| format!("{line}\n"))
        .collect();
    plan(server, &format!("{rest}{more}")).start(Path::new(".")).expect("starts")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn ask(backend: &Arc<dyn Backend>, k: u64) -> Result<ChatReply, LlmError> {
    runtime().block_on(backend.complete(&request(k)))
}

/// Asks `n` requests at once.
fn ask_all(backend: &Arc<dyn Backend>, n: u64) -> Vec<Result<ChatReply, LlmError>> {
    runtime().block_on(async {
        let asking: Vec<_> = (0..n)
            .map(|k| {
                let backend = backend.clone();
                tokio::spawn(async move { backend.complete(&request(k)).await })
            })
            .collect();
        let mut replies = Vec::new();
        for one in asking {
            replies.push(one.await.expect("no panic"));
        }
        replies
    })
}

fn good(_body: &Value) -> String {
    GOOD.to_owned()
}

/// A server that always fails in this way.
fn failing(fault: Fault) -> Server {
    Server::scripted(Settings::default(), move |_| Answer::Fails(fault, GOOD.to_owned()))
}

#[test]
fn a_reply_comes_with_its_usage_and_the_server_hears_what_was_asked() {
    let server = Server::start(Settings::default(), good);
    let backend = backend(&server, "extra = { chat_template_kwargs = { enable_thinking = false } }");
    let reply = ask(&backend, 7).expect("a reply");
    assert_eq!((reply.text.as_str(), reply.finish, reply.n_retries), (GOOD, Finish::Stop, 0));
    // Four characters a token, the first message cached: the server's own count.
    let usage = reply.usage;
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens), (4 + 2, 4, 7));
    let heard = server.heard();
    assert!(heard[0].head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{}", heard[0].head);
    assert_eq!(heard[0].header("authorization"), None);
    let body = &heard[0].body;
    assert_eq!(
        (&body["model"], &body["seed"], &body["max_tokens"]),
        (&json!("tiny"), &json!(7), &json!(100))
    );
    assert_eq!(body["messages"][1], json!({"role": "user", "content": "Page 7?"}));
    assert_eq!(body["response_format"]["json_schema"]["schema"], shape().json_schema());
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    assert_eq!(body["chat_template_kwargs"], json!({"enable_thinking": false}));
    assert_eq!(backend.model(), r#"tiny {"chat_template_kwargs":{"enable_thinking":false}}"#);
    assert_eq!((backend.n_slots(), backend.context_tokens()), (32, 8192));
}

#[test]
fn a_server_that_does_not_count_is_counted_for() {
    let server = Server::start(Settings { tells_usage: false, ..Settings::default() }, good);
    let backend = backend(&server, "");
    let usage = ask(&backend, 1).expect("a reply").usage;
    assert!(usage.prompt_tokens >= 6 && usage.cached_tokens == 0);
    assert_eq!(usage.completion_tokens, u64::from(backend.count_tokens(GOOD)));
}

#[test]
fn every_fault_is_tried_again_as_often_as_allowed_and_told_in_fixed_words() {
    for (fault, last) in [
        (Fault::TooMany, "status 429"),
        (Fault::Internal, "status 500"),
        (Fault::Hang, "no answer in time"),
        (Fault::SlowDrip, "no answer in time"),
        (Fault::Cut, "connection cut"),
        (Fault::TruncatedJson, "answer is not JSON"),
        (Fault::WrongEnvelope, "answer is not a chat completion"),
        (Fault::Empty, "reply is empty"),
        (Fault::Huge, "answer larger than reply_bytes_max"),
        (Fault::InvalidUtf8, "answer is not UTF-8"),
    ] {
        let server = failing(fault);
        let never_ends = matches!(fault, Fault::Hang | Fault::SlowDrip);
        let found = ask(&backend(&server, if never_ends { "timeout_ms = 150" } else { "" }), 1);
        assert_eq!(found, Err(LlmError::Exhausted { n_attempts: 3, last: last.to_owned() }), "{fault:?}");
        assert_eq!(server.n_requests(), 3, "{fault:?}");
    }
}

#[test]
fn nobody_listening_is_tried_again_too() {
    let server = Server::start(Settings::default(), good);
    let backend = backend(&server, "");
    drop(server);
    // The thread that accepts ends with the connection that wakes it; until then it may still take one.
    std::thread::sleep(Duration::from_millis(100));
    let expected = LlmError::Exhausted { n_attempts: 3, last: "cannot connect".to_owned() };
    assert_eq!(ask(&backend, 1), Err(expected));
}

#[test]
fn words_that_do_not_fit_their_shape_are_handed_on_as_they_are() {
    let server = failing(Fault::WrongContent);
    let reply = ask(&backend(&server, ""), 1).expect("words");
    assert!(shape().read(&reply.text).is_err());
    let server = failing(Fault::WrongSlots);
    let reply = ask(&backend(&server, ""), 1).expect("words");
    assert_eq!(reply.text, r#"{"fits":[99,99],"next":true}"#);
    assert_eq!((reply.n_retries, server.n_requests()), (0, 1));
}

#[test]
fn a_huge_answer_is_broken_off_and_never_held() {
    let settings = Settings { huge_bytes: 256 << 20, ..Settings::default() };
    let server = Server::scripted(settings, |_| Answer::Fails(Fault::Huge, String::new()));
    let found = ask(&backend(&server, "retries_max = 0\nreply_bytes_max = 65536"), 1);
    let last = "answer larger than reply_bytes_max".to_owned();
    assert_eq!(found, Err(LlmError::Exhausted { n_attempts: 1, last }));
    let broken_off = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        server.n_broken_off() == 1
    });
    assert!(broken_off, "the server got rid of all of its 256 MB");
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept_and_the_reply_says_how_often_it_was_tried() {
    let server = Server::scripted(Settings::default(), |heard| match heard.n_before {
        0 => Answer::Fails(Fault::TooManyWait, String::new()),
        _ => Answer::Content(GOOD.to_owned()),
    });
    let reply = ask(&backend(&server, ""), 1).expect("a reply");
    assert_eq!(reply.n_retries, 1);
    let heard = server.heard();
    assert_eq!(heard.len(), 2);
    let gap = heard[1].at - heard[0].at;
    assert!(gap >= Duration::from_millis(995), "{gap:?}");
}

#[test]
fn a_wait_holds_for_everybody() {
    let server =
        Server::scripted(Settings::default(), |heard| match (heard.body["seed"].as_u64(), heard.n_before) {
            (Some(0), 0) => Answer::Fails(Fault::TooManyWait, String::new()),
            _ => Answer::Content(GOOD.to_owned()),
        });
    let backend = backend(&server, "");
    runtime().block_on(async {
        let first = request(0);
        let asking = backend.complete(&first);
        let others = async {
            while server.n_requests() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // By now the refusal has come back; nobody is to be sent before its second is over.
            tokio::time::sleep(Duration::from_millis(300)).await;
            backend.complete(&request(1)).await
        };
        let (first, other) = tokio::join!(asking, others);
        assert!(first.is_ok() && other.is_ok());
    });
    let heard = server.heard();
    assert_eq!(heard.len(), 3);
    for later in &heard[1..] {
        assert!(later.at - heard[0].at >= Duration::from_millis(995), "{:?}", later.at - heard[0].at);
    }
}

#[test]
fn a_wait_too_long_is_a_failure_and_is_not_waited_for() {
    let server = Server::scripted(Settings { retry_after: "3600".to_owned(), ..Settings::default() }, |_| {
        Answer::Fails(Fault::TooManyWait, String::new())
    });
    let last = "status 429, and a wait beyond retry_after_ms_max".to_owned();
    assert_eq!(ask(&backend(&server, ""), 1), Err(LlmError::Exhausted { n_attempts: 1, last }));
}

/// A server that takes only some `response_format`s: `takes` are the `type`s.
fn picky(takes: &'static [&'static str], status: u16) -> Server {
    Server::scripted(Settings::default(), move |heard| {
        let format =
            heard.body.get("response_format").map_or("none", |f| f["type"].as_str().unwrap_or_default());
        if takes.contains(&format) {
            return Answer::Content(GOOD.to_owned());
        }
        Answer::status(
            status,
            r#"{"error": {"message": "response_format?", "type": "invalid_request_error"}}"#,
        )
    })
}

fn formats(server: &Server) -> Vec<String> {
    let format =
        |body: &Value| body.get("response_format").map_or("none".to_owned(), |f| f["type"].to_string());
    server.heard().iter().map(|heard| format(&heard.body).replace('"', "")).collect()
}

#[test]
fn auto_finds_out_what_the_server_takes_and_stays_with_it() {
    let server = picky(&["json_object", "none"], 400);
    let one = backend(&server, "");
    assert_eq!(ask(&one, 1).expect("a reply").n_retries, 1);
    assert_eq!(ask(&one, 2).expect("a reply").n_retries, 0);
    assert_eq!(formats(&server), ["json_schema", "json_object", "json_object"]);

    let server = picky(&["none"], 422);
    let one = backend(&server, "retries_max = 0");
    assert!(ask(&one, 1).is_ok() && ask(&one, 2).is_ok());
    assert_eq!(formats(&server), ["json_schema", "json_object", "none", "none"]);
}

#[test]
fn many_at_once_find_out_together() {
    let server = picky(&["none"], 400);
    let one = backend(&server, "");
    assert!(ask_all(&one, 200).iter().all(Result::is_ok));
    let first_round = server.n_requests();
    assert!((202..=600).contains(&first_round), "{first_round}");
    assert!(ask_all(&one, 50).iter().all(Result::is_ok));
    assert_eq!(server.n_requests(), first_round + 50);
}

#[test]
fn a_way_that_was_chosen_is_the_only_one() {
    let server = picky(&["json_object", "none"], 400);
    let found = ask(&backend(&server, "structured = \"json_schema\""), 1);
    assert_eq!(found, Err(LlmError::Refused("status 400 (invalid_request_error)".to_owned())));
    assert!(ask(&backend(&server, "structured = \"json_object\""), 1).is_ok());
    assert!(ask(&backend(&server, "structured = \"none\""), 1).is_ok());
    assert_eq!(formats(&server), ["json_schema", "json_object", "none"]);
}

#[test]
fn a_request_the_server_never_takes_is_refused_and_settles_nothing() {
    let server = Server::scripted(Settings::default(), |heard| match heard.body["seed"].as_u64() {
        Some(1) => Answer::status(400, r#"{"error": {"message": "no", "code": "bad_words"}}"#),
        Some(2) => {
            Answer::status(400, r#"{"error": {"message": "9000 > 8192", "code": "context_length_exceeded"}}"#)
        }
        _ => Answer::Content(GOOD.to_owned()),
    });
    let one = backend(&server, "");
    assert_eq!(ask(&one, 1), Err(LlmError::Refused("status 400 (bad_words)".to_owned())));
    assert_eq!(ask(&one, 2), Err(LlmError::Refused("status 400 (context_length_exceeded)".to_owned())));
    assert!(ask(&one, 3).is_ok());
    assert_eq!(formats(&server), ["json_schema", "json_object", "none", "json_schema", "json_schema"]);
}

#[test]
fn what_every_agent_would_meet_stops_the_run_at_once() {
    let quota = r#"{"error": {"message": "Check your plan.", "type": "insufficient_quota"}}"#;
    for (status, body, part) in [
        (401, "", "does not accept the key"),
        (403, "", "does not permit"),
        (404, r#"{"message": "no model tiny"}"#, "it says: no model tiny"),
        (429, quota, "quota is used up"),
        (307, "", "redirects elsewhere"),
    ] {
        let headers = "Location: http://127.0.0.1:9/v1/chat/completions\r\n".to_owned();
        let server = Server::scripted(Settings::default(), move |_| Answer::Raw {
            status,
            headers: headers.clone(),
            body: body.to_owned(),
        });
        let one = backend(&server, "");
        let error = ask(&one, 1).expect_err("stops");
        assert!(error.stops_run() && error.to_string().contains(part), "{status}: {error}");
        // And nothing more is sent.
        assert_eq!(ask(&one, 2), Err(error));
        assert_eq!(server.n_requests(), 1, "{status}");
    }
}

#[test]
fn too_many_failures_in_a_row_stop_the_run() {
    let server = failing(Fault::Internal);
    let one = backend(&server, "failures_in_a_row_max = 3\nretries_max = 1");
    assert!(!ask(&one, 1).expect_err("fails").stops_run());
    assert!(!ask(&one, 2).expect_err("fails").stops_run());
    let error = ask(&one, 3).expect_err("stops");
    assert!(error.stops_run(), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("3 calls in a row failed, the last: no reply after 2 attempts: status 500")
    );
    assert_eq!(ask(&one, 4), Err(error));
    assert_eq!(server.n_requests(), 6);
}

#[test]
fn a_success_between_failures_starts_the_count_again() {
    let server = Server::scripted(Settings::default(), |heard| match heard.body["seed"].as_u64() {
        Some(seed) if seed % 2 == 0 => Answer::Content(GOOD.to_owned()),
        _ => Answer::Fails(Fault::Internal, String::new()),
    });
    let one = backend(&server, "failures_in_a_row_max = 2\nretries_max = 0");
    for k in 0..8 {
        let found = ask(&one, k);
        assert!(found.as_ref().is_err_and(|error| !error.stops_run()) == (k % 2 == 1), "{k}: {found:?}");
    }
}

#[test]
fn who_pauses_before_a_retry_holds_no_slot() {
    let server = Server::scripted(Settings::default(), |heard| match heard.body["seed"].as_u64() {
        Some(0) => Answer::Fails(Fault::Internal, String::new()),
        _ => Answer::Content(GOOD.to_owned()),
    });
    let one = backend(&server, "max_in_flight = 1\nbackoff_ms = 600000\nbackoff_ms_max = 600000");
    runtime().block_on(async {
        let first = request(0);
        let pausing = one.complete(&first);
        let other = async {
            while server.n_requests() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            one.complete(&request(1)).await
        };
        // The pause is drawn from ten minutes, so the other one is answered long before it ends.
        tokio::select! {
            ended = pausing => panic!("{ended:?}"),
            reply = other => assert!(reply.is_ok()),
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("still waits for the slot"),
        }
    });
}

#[test]
fn tokens_that_were_not_used_are_given_back() {
    let server = Server::start(Settings::default(), good);
    // What 50 replies might take is 195,000 tokens, more than four minutes' worth; they take 13 each.
    let one = backend(&server, "tokens_per_minute = 40000");
    runtime().block_on(async {
        let asking = async {
            for k in 0..50 {
                let mut request = request(k);
                request.sampling.max_tokens = 3900;
                assert!(one.complete(&request).await.is_ok());
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(120), asking).await.is_ok());
    });
}

#[test]
fn connections_are_kept_and_no_more_are_used_than_slots() {
    let settings = Settings { latency: Duration::from_millis(5), ..Settings::default() };
    let server = Server::start(settings, good);
    let one = backend(&server, "max_in_flight = 4");
    assert!(ask_all(&one, 200).iter().all(Result::is_ok));
    assert_eq!(server.n_requests(), 200);
    assert!((1..=4).contains(&server.peak_in_flight()), "{}", server.peak_in_flight());
    assert!(server.n_connections() <= 8, "{}", server.n_connections());
}

#[test]
fn limits_hold_requests_back() {
    let server = Server::start(Settings::default(), good);
    // 1200 a minute: 120 at once, then 20 a second.
    let one = backend(&server, "requests_per_minute = 1200\nmax_in_flight = 200");
    assert!(ask_all(&one, 140).iter().all(Result::is_ok));
    let heard = server.heard();
    let last = heard[139].at - heard[0].at;
    assert!(last >= Duration::from_millis(900), "{last:?}");
}

/// The name of the variable in which the next test puts its key.
const KEY_ENV: &str = "WINDTUNNEL_TEST_SERVER_KEY";

/// Tests may not change their own environment, so this one starts itself again with the key in it.
#[test]
fn a_key_arrives_and_is_never_shown() {
    let Ok(key) = std::env::var(KEY_ENV) else {
        let test = std::env::current_exe().expect("this test");
        let output = std::process::Command::new(test)
            .args(["--exact", "a_key_arrives_and_is_never_shown", "--nocapture"])
            .env(KEY_ENV, "sk_of_letters_only_And_more")
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    };
    // A server that repeats whatever it was sent, as loudly as it can.
    let server = Server::scripted(Settings::default(), |heard| {
        let sent = heard.header("authorization").unwrap_or_default();
        let (key, part) = (sent.trim_start_matches("Bearer "), &sent[sent.len() / 2..]);
        let error = json!({"message": format!("wrong key: {sent}, ends in {part}\u{1b}[2J"), "code": key, "type": part});
        let status = heard.body["seed"].as_u64().and_then(|seed| u16::try_from(seed).ok()).unwrap_or(200);
        Answer::status(status, &json!({"error": error}).to_string())
    });
    let settings = format!("key_env = \"{KEY_ENV}\"\nretries_max = 0\nfailures_in_a_row_max = 1");
    let mut shown = plan(&server, &settings).statement();
    for status in [200, 307, 400, 401, 403, 404, 429, 500] {
        let error = ask(&backend(&server, &settings), status).expect_err("no reply");
        shown.push_str(&format!("\n{error}\n{error:?}"));
    }
    assert!(
        server.heard().iter().all(|heard| heard.header("authorization") == Some(&format!("Bearer {key}")))
    );
    assert!(shown.contains("it says: wrong key: Bearer [key], ends in [key] [2J"), "{shown}");
    for start in 0..=key.len() - 8 {
        assert!(!shown.contains(&key[start..start + 8]), "{shown}");
    }
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn a_key_that_is_not_there_stops_the_run_by_its_name() {
    let server = Server::start(Settings::default(), good);
    let plan = plan(&server, "key_env = \"WINDTUNNEL_NO_SUCH_KEY\"");
    let Err(error) = plan.start(Path::new(".")) else { panic!("must not start") };
    assert!(error.stops_run() && error.to_string().contains("WINDTUNNEL_NO_SUCH_KEY"), "{error}");
    assert_eq!(server.n_connections(), 0, "starting contacts nobody");
}

/// How 2,000 requests end where three of ten attempts fail, and how many attempts they took.
fn under_faults(seed: u64) -> (Vec<Result<String, LlmError>>, usize) {
    let faults = Faults { rate: 0.3, seed, kinds: Fault::ALL.to_vec() };
    let settings = Settings {
        latency: Duration::from_millis(1),
        faults: Some(faults),
        retry_after: "0.02".to_owned(),
        ..Settings::default()
    };
    let server = Server::start(settings, good);
    let one =
        backend(&server, "max_in_flight = 64\ntimeout_ms = 1000\nretries_max = 3\nreply_bytes_max = 65536");
    let ends = ask_all(&one, 2000).into_iter().map(|end| end.map(|reply| reply.text)).collect();
    assert!(server.n_times_max() <= 4, "a request was sent {} times", server.n_times_max());
    (ends, server.n_requests())
}

#[test]
fn three_of_ten_failing_every_request_ends_and_no_attempt_is_made_beyond_the_bound() {
    let (ends, n_sent) = under_faults(5);
    assert_eq!(ends.len(), 2000);
    let mut n_good = 0;
    for end in &ends {
        match end {
            Ok(text) if text == GOOD => n_good += 1,
            // Replies of another content are whoever asked's to judge.
            Ok(text) => assert!(text.contains("99") || text.contains("42"), "{text}"),
            Err(LlmError::Exhausted { n_attempts, .. }) => assert_eq!(*n_attempts, 4),
            Err(other) => panic!("{other}"),
        }
    }
    // An attempt fails for the backend with probability p = .3 · 11/13 = .254; four in a row with p⁴ = .0042, so
    // 8 of 2,000 requests; attempts to expect are 2,000 · (1 + p + p² + p³) = 2,669.
    let n_failed = ends.iter().filter(|end| end.is_err()).count();
    assert!(n_failed < 40 && n_good > 1700, "{n_failed} failed, {n_good} good");
    assert!((2400..3300).contains(&n_sent), "{n_sent}");
}

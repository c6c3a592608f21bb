//! The encoder against a loopback server: what is sent, how it is read, and what goes wrong.

use super::*;
use crate::dataset::Vocabulary;
use crate::encoder::library::{Encoded, EncoderSpec, Encoders, Missing};
use crate::encoder::template::{self, Template};
use crate::progress::Quiet;
use serde_json::{Value, json};
use server::{Answer, Heard, Server, Settings};
use std::sync::Arc;

#[path = "../../../tests/support/server.rs"]
mod server;

/// Answers with (length, number of `a`, 0.5) a text, the last text first.
fn lengths(body: &Value) -> String {
    let texts = body["input"].as_array().cloned().unwrap_or_default();
    let row = |(index, text): (usize, &Value)| {
        let text = text.as_str().unwrap_or_default();
        json!({ "index": index, "embedding": [text.len(), text.matches('a').count(), 0.5], "object": "embedding" })
    };
    let data: Vec<Value> = texts.iter().enumerate().map(row).rev().collect();
    json!({ "object": "list", "data": data, "usage": { "total_tokens": 3 } }).to_string()
}

fn serve(answer: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Server {
    Server::scripted(Settings::default(), answer)
}

fn plan(server: &Server, more: &str) -> Box<dyn EncoderPlan> {
    let toml = format!("base_url = \"{}\"\nmodel = \"tiny\"\nbackoff_ms = 1\n{more}", server.base_url());
    Http.check("encoders.x", &toml.parse().expect("test TOML")).expect("valid")
}

fn encode(server: &Server, more: &str, texts: &[&str]) -> Result<Matrix, String> {
    let encoder = plan(server, more).start(Path::new(".")).expect("a client");
    let entries: Vec<Entry<'_>> = texts.iter().map(|&text| Entry { id: "x", text }).collect();
    encoder.encode(&entries, &Quiet).map_err(|error| error.to_string())
}

#[test]
fn vectors_come_by_index_in_batches_of_the_size_set() {
    let server = serve(|heard| Answer::status(200, &lengths(&heard.body)));
    let found = encode(&server, "batch_size = 2", &["a", "bb", "aaa"]).expect("encoded");
    assert_eq!(found, Matrix::new(3, 3, vec![1.0, 1.0, 0.5, 2.0, 0.0, 0.5, 3.0, 3.0, 0.5]));
    let heard = server.heard();
    assert_eq!(heard[0].body, json!({ "model": "tiny", "input": ["a", "bb"] }));
    assert_eq!(heard[1].body, json!({ "model": "tiny", "input": ["aaa"] }));
    assert!(heard[0].head.starts_with("POST /v1/embeddings "), "{}", heard[0].head);
    assert_eq!(heard[0].header("authorization"), None);
    encode(&server, "dimensions = 3", &["a"]).expect("encoded");
    assert_eq!(server.heard()[2].body["dimensions"], 3);
}

#[test]
fn busy_and_broken_servers_are_asked_again_and_not_for_ever() {
    for status in [429, 500, 503] {
        let server = serve(move |heard| match heard.n_before {
            0..2 => Answer::status(status, "{}"),
            _ => Answer::status(200, &lengths(&heard.body)),
        });
        assert_eq!(encode(&server, "", &["aa"]).expect("the third time").data, [2.0, 2.0, 0.5]);
        let told = encode(&server, "retries_max = 1", &["b"]).expect_err("twice is too few");
        assert!(told.contains("no answer after 2 attempts: status"), "{told}");
        assert_eq!(server.n_requests(), 5);
    }
    let server =
        serve(|_| Answer::Raw { status: 429, headers: "Retry-After: 9\r\n".into(), body: "".into() });
    let told = encode(&server, "retry_after_ms_max = 100", &["b"]).expect_err("too long a wait");
    assert!(told.contains("no answer after 1 attempts: status 429"), "{told}");
    let server = serve(|_| Answer::status(401, r#"{"error": {"message": "no entry"}}"#));
    let told = encode(&server, "", &["b"]).expect_err("refused");
    assert!(told.contains("does not accept the key") && told.ends_with("it says: no entry"), "{told}");
    assert_eq!(server.n_requests(), 1);
}

#[test]
fn answers_that_do_not_fit_are_told_and_not_asked_for_again() {
    for (body, expected) in [
        ("<html>", "the answer cannot be read (expected value"),
        (r#"{"data": 3}"#, "the answer cannot be read (invalid type: integer `3`"),
        (
            r#"{"data": [{"index": 0, "embedding": "AACAPw=="}]}"#,
            "expected data with an index and an embedding",
        ),
        (
            r#"{"data": [{"index": 0, "embedding": [null]}, {"index": 1, "embedding": [1]}]}"#,
            "cannot be read",
        ),
        (r#"{"data": [{"index": 0, "embedding": [1]}]}"#, "the answer has 1 vectors, expected 2, one a text"),
        (
            r#"{"data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]}"#,
            "vectors of 0 numbers, expected 1..=65536",
        ),
        (
            r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}"#,
            "the index 0, expected each of 0..=1 once",
        ),
        (
            r#"{"data": [{"index": 2, "embedding": [1]}, {"index": 0, "embedding": [1]}]}"#,
            "the index 2, expected each of 0..=1 once",
        ),
        (
            r#"{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1]}]}"#,
            "the vector with index 1 has 1 numbers, expected 2 like the others",
        ),
        (
            r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1e39]}]}"#,
            "the vector with index 1 holds 1",
        ),
    ] {
        let server = serve(move |_| Answer::status(200, body));
        let told = encode(&server, "", &["a", "b"]).expect_err("refused");
        assert!(told.contains(expected), "{body}: {told}");
        assert_eq!(server.n_requests(), 1, "{body}");
    }
    let server = serve(|heard| Answer::status(200, &lengths(&heard.body)));
    let told = encode(&server, "dimensions = 4", &["a"]).expect_err("of another width");
    assert!(told.contains("has 3 numbers, expected 4"), "{told}");
    let told = encode(&server, "reply_bytes_max = 1024\nretries_max = 0", &["a"; 40]).expect_err("too long");
    assert!(told.contains("larger than reply_bytes_max"), "{told}");
}

#[test]
fn a_second_run_asks_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = serve(|heard| Answer::status(200, &lengths(&heard.body)));
    let mut ids = Vocabulary::new();
    let texts: Vec<Option<String>> = ["a", "bb", "aaa"].map(|text| Some(text.to_owned())).to_vec();
    for text in texts.iter().flatten() {
        ids.intern(text);
    }
    let run = |more: &str| -> Arc<Encoded> {
        let spec = EncoderSpec {
            name: "x".to_owned(),
            template: Template::new("text", template::DEFAULT).expect("the default"),
            missing: Missing::Mean,
            plan: plan(&server, more),
        };
        let encoders = Encoders::new(Arc::new(vec![spec]), Path::new("."), Some(dir.path().to_owned()));
        encoders.texts("x", "items", &ids, &texts, &Quiet).expect("encoded")
    };
    let first = run("");
    assert_eq!((server.n_requests(), first.report.n_cached), (1, 0));
    let second = run("batch_size = 1");
    assert_eq!((server.n_requests(), second.report.n_cached), (1, 3));
    assert_eq!(first.vectors, second.vectors);
    // With other numbers in it, it is another vector.
    run("dimensions = 3");
    assert_eq!(server.n_requests(), 2);
}

#[test]
fn settings_are_held_to_the_bounds_of_a_server() {
    let told = |toml: &str| {
        let table = toml.parse().expect("test TOML");
        Http.check("encoders.x", &table).err().expect("refused").to_string()
    };
    let least = "base_url = 'http://localhost:1/v1'\nmodel = 'm'\n";
    assert!(told("model = 'm'").starts_with("encoders.x.base_url is missing"));
    assert!(told("base_url = 'http://localhost:1/v1'").starts_with("encoders.x.model is missing"));
    for (more, expected) in [
        ("batch_size = 0", "encoders.x.batch_size is 0, must be 1..=2048"),
        ("dimensions = 0", "encoders.x.dimensions is 0, must be 1..=65536"),
        ("timeout_ms = 0", "encoders.x.timeout_ms is 0, must be 1..=3600000"),
        ("key_env = 'sk-hunter2'", "encoders.x.key_env is (not shown)"),
        ("temperature = 1.0", "unknown key `encoders.x.temperature`"),
    ] {
        let told = told(&format!("{least}{more}"));
        assert!(told.starts_with(expected), "{told}");
    }
    let told = told("base_url = 'http://me:hunter2@localhost/v1'\nmodel = 'm'");
    assert!(!told.contains("hunter2"), "{told}");
    let table = format!("{least}key_env = 'WINDTUNNEL_NO_SUCH_VARIABLE'").parse().expect("test TOML");
    let plan = Http.check("encoders.x", &table).expect("valid");
    let told = plan.start(Path::new(".")).err().expect("no key").to_string();
    assert!(told.contains("WINDTUNNEL_NO_SUCH_VARIABLE is not set"), "{told}");
}

//! What a page costs: tokens of our prompts beside those of the recorded ones, for the same items and
//! people, counted with one tokenizer (the word pieces of all-MiniLM-L6-v2, whose GGUF file holds them).

#![cfg(feature = "llama")]

#[path = "support/mind.rs"]
mod mind;
#[path = "support/server.rs"]
mod server;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use server::{Server, Settings};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use windtunnel::experiment::{self, RunOptions};
use windtunnel::llm::tape::{self, Filter, Tape, TapeMode};
use windtunnel::progress::Quiet;
use windtunnel::scenario::Scenario;

const SCENARIO: &str = r#"
[dataset]
source = "agent4rec"
[split]
kind = "published"
[population]
n_agents = 100
[behavior]
kind = "llm"
model = "m"
item_words = { one = "film", many = "films", verb = "watch" }
[arms.popular]
[llm.models.m]
backend = "openai"
model = "loopback"
"#;

/// Tokens a page, and the share of the prompts' tokens that an earlier prompt began with.
struct Cost {
    tokens_a_page: f64,
    tokens_a_page_prompt: f64,
    prefix_share: f64,
}

fn cost(data: &Path, calls_per_page: u32, count: &dyn Fn(&str) -> Vec<i32>) -> Cost {
    let server = Server::start(Settings::default(), mind::answer);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let overrides = [
        format!("dataset.path={}", data.join("agent4rec").display()),
        format!("llm.models.m.base_url={}", server.base_url()),
        format!("behavior.calls_per_page={calls_per_page}"),
    ];
    let scenario = Scenario::parse(Path::new("tokens.toml"), SCENARIO, &overrides).expect("a scenario");
    let out = dir.path().join("run");
    let options = RunOptions::new(&out, Path::new("."), &Quiet);
    experiment::run(&scenario, &options).expect("a run");
    let tape = Tape::open(&out.join(tape::FILE_NAME), TapeMode::Replay).expect("a tape");
    let calls = tape.calls(&Filter::default()).expect("its calls");
    let (mut n_pages, mut n_prompt, mut n_page_prompt, mut n_prefix, mut n_replies) = (0, 0, 0, 0, 0);
    // An agent's calls stand together, in the order of its session.
    let mut before: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    let mut anybody: Vec<i32> = Vec::new();
    for call in &calls {
        if call.stream.ends_with("interview") {
            continue;
        }
        let words: Vec<&str> = call.messages.iter().map(|message| message.content.as_str()).collect();
        let tokens = count(&words.join("\n"));
        let agent = call.stream.split(',').next().unwrap_or_default().to_owned();
        let earlier = before.get(&agent).unwrap_or(&anybody);
        n_prefix += tokens.iter().zip(earlier).take_while(|(a, b)| a == b).count();
        n_prompt += tokens.len();
        if call.stream.ends_with(", page") {
            n_pages += 1;
            n_page_prompt += tokens.len();
        }
        if let tape::Outcome::Reply(reply) = &call.outcome {
            n_replies += count(&reply.text).len();
        }
        anybody.clone_from(&tokens);
        before.insert(agent, tokens);
    }
    Cost {
        tokens_a_page: (n_prompt + n_replies) as f64 / f64::from(n_pages),
        tokens_a_page_prompt: n_page_prompt as f64 / f64::from(n_pages),
        prefix_share: n_prefix as f64 / n_prompt as f64,
    }
}

/// Tokens a page of the recorded agents: prompts and replies of the calls `page` and `decide`.
fn recorded(data: &Path, count: &dyn Fn(&str) -> Vec<i32>) -> f64 {
    let text =
        std::fs::read_to_string(data.join("agent4rec/recorded/llm_calls_mf100.jsonl")).expect("a file");
    let (mut n_pages, mut n_tokens) = (0, 0);
    for line in text.lines() {
        let call: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let words = |key: &str| count(call[key].as_str().unwrap_or_default()).len();
        match call["kind"].as_str() {
            Some("page") => n_pages += 1,
            Some("decide") => {}
            _ => continue,
        }
        n_tokens += words("prompt") + words("response");
    }
    f64::from(n_tokens as u32) / f64::from(n_pages)
}

#[test]
fn a_page_costs_less_than_half_of_what_the_recorded_agents_took() {
    let data =
        std::env::var_os("WINDTUNNEL_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let tokenizer = data.join("minilm/all-MiniLM-L6-v2-f16.gguf");
    if !tokenizer.exists() || !data.join("agent4rec").exists() {
        eprintln!("SKIPPED: no {}; tokens a page are not counted", tokenizer.display());
        return;
    }
    let backend = windtunnel::llm::llama::backend().expect("llama.cpp");
    let params = LlamaModelParams::default().with_vocab_only(true);
    let model = LlamaModel::load_from_file(backend, &tokenizer, &params).expect("a vocabulary");
    let count = |text: &str| -> Vec<i32> {
        model.vocab().tokenize(text.as_bytes(), false, false).into_iter().map(|token| token.0).collect()
    };
    let theirs = recorded(&data, &count);
    for calls_per_page in [1, 2] {
        let ours = cost(&data, calls_per_page, &count);
        println!(
            "{calls_per_page} calls a page: {:.0} tokens a page, prompts and replies, of which the page prompt {:.0}; {:.1} % of prompts are prefix; recorded agents {theirs:.0}",
            ours.tokens_a_page,
            ours.tokens_a_page_prompt,
            100.0 * ours.prefix_share
        );
        assert!(ours.tokens_a_page_prompt <= 1000.0, "{:.0} tokens", ours.tokens_a_page_prompt);
        assert!(ours.prefix_share >= 0.6, "{:.3}", ours.prefix_share);
        if calls_per_page == 1 {
            assert!(ours.tokens_a_page <= 1000.0, "{:.0} tokens", ours.tokens_a_page);
            assert!(ours.tokens_a_page <= 0.6 * theirs, "{:.0} beside {theirs:.0}", ours.tokens_a_page);
        }
    }
}

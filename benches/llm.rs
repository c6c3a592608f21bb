//! How fast many agents are answered by a model in this process, against a bare loop over the same library and
//! against one agent at a time. `cargo bench --features llama --bench llm`; `-- 3` for three repetitions.
//!
//! The model has the shape of SmolLM-135M and random weights (`tests/support/gguf.rs`). Agents share a long beginning,
//! have a profile of their own, and write a fixed number of tokens. The ways to do it take turns, since machines
//! are seldom quiet; what counts is the ratio.

#[path = "../tests/support/gguf.rs"]
mod gguf;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use windtunnel::llm::llama::{Engine, LlamaParams, backend};
use windtunnel::llm::shape::Shape;
use windtunnel::llm::{Backend, ChatRequest, Message, Role, Sampling};

/// Agents in all, a multiple of what is computed at once.
const N_AGENTS: usize = 64;
const N_WORKERS: usize = 2;
const N_SEQUENCES: usize = 16;
/// Tokens each agent writes.
const N_WRITTEN: u32 = 64;
const CONTEXT_TOKENS: u32 = 1024;

fn main() {
    // Cargo passes `--bench` along.
    let n_repetitions = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5);
    let path = model_file();
    let library = backend().expect("llama.cpp starts");
    let model =
        LlamaModel::load_from_file(library, &path, &LlamaModelParams::default()).expect("model loads");
    let texts: Vec<String> = (0..N_AGENTS).map(prompt).collect();
    let prompts: Vec<Vec<LlamaToken>> = texts
        .iter()
        .map(|text| {
            let mut tokens = vec![model.vocab().bos()];
            tokens.extend(model.vocab().tokenize(text.as_bytes(), false, false));
            tokens
        })
        .collect();
    let n_shared = prompts[0].iter().zip(&prompts[1]).take_while(|(a, b)| a == b).count();
    println!(
        "{N_AGENTS} agents, prompts of {} tokens ({n_shared} shared), {N_WRITTEN} written each, {N_WORKERS} workers of {N_SEQUENCES}",
        prompts[0].len()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("runtime");
    let mut spent: [Vec<Spent>; 6] = Default::default();
    for repetition in 0..n_repetitions {
        spent[0].push(bare(&model, library, &prompts, n_shared));
        spent[1].push(engine(&runtime, &path, &texts, None));
        spent[2].push(engine(&runtime, &path, &texts, Some(shape())));
        // A few agents tell how long all would take.
        let few = &prompts[..N_AGENTS / 16];
        let all_threads = N_WORKERS as i32;
        spent[3].push(one_at_a_time(vec![context(&model, library, 1, all_threads)], few, 0).times(16.0));
        let one_thread_each = || (0..N_WORKERS).map(|_| context(&model, library, 1, 1)).collect();
        spent[4].push(one_at_a_time(one_thread_each(), few, 0).times(16.0));
        spent[5].push(one_at_a_time(one_thread_each(), few, n_shared).times(16.0));
        let last: Vec<String> = spent.iter().map(|all| all[repetition].to_string()).collect();
        eprintln!("repetition {}: {}", repetition + 1, last.join(", "));
    }
    let n_tokens = f64::from(N_WRITTEN) * N_AGENTS as f64;
    println!(
        "\n| | tokens/s | tokens/CPU s | against the bare loop (wall, CPU) | against one at a time (wall, CPU) |"
    );
    println!("|---|---|---|---|---|");
    let names = [
        "bare batched loop",
        "engine",
        "engine, replies under a grammar",
        "one agent at a time, all threads",
        "one agent at a time on each thread",
        "the same, shared beginning kept",
    ];
    for (name, own) in names.iter().zip(&spent) {
        let rate = |of: fn(&Spent) -> f64| n_tokens / median(own.iter().map(of));
        let ratio = |base: usize, of: fn(&Spent) -> f64| {
            median(own.iter().zip(&spent[base]).map(|(own, base)| of(base) / of(own)))
        };
        let wall = |spent: &Spent| spent.wall_s;
        let cpu = |spent: &Spent| spent.cpu_s;
        println!(
            "| {name} | {:.0} | {:.0} | {:.2}, {:.2} | {:.2}, {:.2} |",
            rate(wall),
            rate(cpu),
            ratio(0, wall),
            ratio(0, cpu),
            ratio(3, wall),
            ratio(3, cpu)
        );
    }
}

/// What a piece of work took. On a machine that others use, too, the CPU time is the better witness.
struct Spent {
    wall_s: f64,
    cpu_s: f64,
}

impl Spent {
    fn times(self, factor: f64) -> Self {
        Spent { wall_s: self.wall_s * factor, cpu_s: self.cpu_s * factor }
    }
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s ({:.1} CPU s)", self.wall_s, self.cpu_s)
    }
}

/// Measures from its making on.
struct Stopwatch {
    begun: Instant,
    cpu_s: f64,
}

impl Stopwatch {
    fn start() -> Self {
        Stopwatch { begun: Instant::now(), cpu_s: cpu_s() }
    }

    fn stop(self) -> Spent {
        Spent { wall_s: self.begun.elapsed().as_secs_f64(), cpu_s: cpu_s() - self.cpu_s }
    }
}

/// CPU seconds of this process so far, on Linux; not a number elsewhere.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15 after the name in brackets, in hundredths.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |k: usize| fields.get(k).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

/// The model, written when it is missing.
fn model_file() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join("random-135m-q8.gguf");
    if !path.exists() {
        std::fs::create_dir_all(dir).expect("folder for the model");
        let partial = path.with_extension("partial");
        gguf::Model::like_smollm_135m(1).write(&partial).expect("model written");
        std::fs::rename(&partial, &path).expect("model in place");
    }
    path
}

/// The prompt of an agent: rules that all share, then a profile.
fn prompt(agent: usize) -> String {
    let rules =
        "the rules of this place are the same for all of us and every one has read them before ".repeat(16);
    let word =
        |k: usize| ["quiet", "loud", "slow", "fast", "dark", "bright", "old", "new"][(agent * 7 + k * 3) % 8];
    let profile: Vec<&str> = (0..24).map(word).collect();
    format!("{rules}agent {agent} likes {}", profile.join(" and "))
}

/// A reply that never ends before its tokens are spent.
fn shape() -> Shape {
    let text = || Shape::Text { max_chars: 400 };
    Shape::object([("fits", Shape::Boolean), ("slot", Shape::Integer { low: 1, high: 4 }), ("why", text())])
}

fn context<'m>(
    model: &'m LlamaModel,
    library: &LlamaBackend,
    n_sequences: usize,
    n_threads: i32,
) -> LlamaContext<'m> {
    static MAKING: Mutex<()> = Mutex::new(());
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(CONTEXT_TOKENS * n_sequences as u32))
        .with_n_batch(528)
        .with_n_ubatch(512)
        .with_n_seq_max(n_sequences as u32)
        .with_n_threads(n_threads)
        .with_n_threads_batch(n_threads)
        .with_no_perf(true)
        .with_kv_unified(false);
    let _one_at_a_time = MAKING.lock().expect("no panic");
    model.new_context(library, params).expect("context")
}

fn likeliest(logits: &[f32]) -> LlamaToken {
    let first = (0, f32::NEG_INFINITY);
    let best =
        (0..).zip(logits).fold(first, |best, (k, logit)| if *logit > best.1 { (k, *logit) } else { best });
    LlamaToken(best.0)
}

/// The least that has to be done: contexts of one thread each; the shared beginning computed once a context and
/// copied; as many sequences together as fit, all starting and ending together.
fn bare(model: &LlamaModel, library: &LlamaBackend, prompts: &[Vec<LlamaToken>], n_shared: usize) -> Spent {
    let contexts: Vec<_> = (0..N_WORKERS).map(|_| context(model, library, N_SEQUENCES, 1)).collect();
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        for (context, own) in contexts.into_iter().zip(prompts.chunks(prompts.len() / N_WORKERS)) {
            scope.spawn(move || bare_worker(context, own, n_shared));
        }
    });
    watch.stop()
}

fn bare_worker(mut context: LlamaContext<'_>, prompts: &[Vec<LlamaToken>], n_shared: usize) {
    let mut batch = LlamaBatch::new(528, 1);
    for (k, token) in prompts[0][..n_shared].iter().enumerate() {
        batch.add(*token, k as i32, &[0], false).expect("room");
    }
    context.decode(&mut batch).expect("computed");
    for sequence in 1..N_SEQUENCES as i32 {
        context.copy_kv_cache_seq(0, sequence, None, None).expect("copied");
    }
    for group in prompts.chunks(N_SEQUENCES) {
        for sequence in 0..N_SEQUENCES as u32 {
            context.clear_kv_cache_seq(Some(sequence), Some(n_shared as u32), None).expect("cut");
        }
        let mut next = read_ends(&mut context, &mut batch, group, n_shared);
        for k in 1..N_WRITTEN as usize {
            batch.clear();
            for (sequence, token) in next.iter().enumerate() {
                let position = (group[sequence].len() + k - 1) as i32;
                batch.add(*token, position, &[sequence as i32], true).expect("room");
            }
            context.decode(&mut batch).expect("computed");
            next = (0..group.len() as i32).map(|row| likeliest(context.get_logits_ith(row))).collect();
        }
    }
}

/// Reads what prompts have beyond the shared beginning, and draws the first token of each.
fn read_ends(
    context: &mut LlamaContext<'_>,
    batch: &mut LlamaBatch<'_>,
    group: &[Vec<LlamaToken>],
    n_shared: usize,
) -> Vec<LlamaToken> {
    let mut next = Vec::new();
    let mut rows: Vec<i32> = Vec::new();
    batch.clear();
    for (sequence, prompt) in group.iter().enumerate() {
        if batch.n_tokens() as usize + prompt.len() - n_shared > 512 {
            context.decode(batch).expect("computed");
            next.extend(rows.drain(..).map(|row| likeliest(context.get_logits_ith(row))));
            batch.clear();
        }
        for (k, token) in prompt.iter().enumerate().skip(n_shared) {
            batch.add(*token, k as i32, &[sequence as i32], k + 1 == prompt.len()).expect("room");
        }
        rows.push(batch.n_tokens() - 1);
    }
    context.decode(batch).expect("computed");
    next.extend(rows.drain(..).map(|row| likeliest(context.get_logits_ith(row))));
    next
}

/// No batching: each context has one sequence and answers its agents one after the other, keeping the first
/// `n_kept` tokens between them, which are computed before the clock starts.
fn one_at_a_time(mut contexts: Vec<LlamaContext<'_>>, prompts: &[Vec<LlamaToken>], n_kept: usize) -> Spent {
    for context in contexts.iter_mut().filter(|_| n_kept > 0) {
        let mut batch = LlamaBatch::new(528, 1);
        batch.add_sequence(&prompts[0][..n_kept], 0, false).expect("room");
        context.decode(&mut batch).expect("computed");
    }
    let n_own = prompts.len() / contexts.len();
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        for (context, own) in contexts.into_iter().zip(prompts.chunks(n_own)) {
            scope.spawn(move || one_at_a_time_worker(context, own, n_kept));
        }
    });
    watch.stop()
}

fn one_at_a_time_worker(mut context: LlamaContext<'_>, prompts: &[Vec<LlamaToken>], n_kept: usize) {
    let mut batch = LlamaBatch::new(528, 1);
    for prompt in prompts {
        context.clear_kv_cache_seq(Some(0), Some(n_kept as u32), None).expect("cut");
        batch.clear();
        for (k, token) in prompt.iter().enumerate().skip(n_kept) {
            batch.add(*token, k as i32, &[0], k + 1 == prompt.len()).expect("room");
        }
        for k in 0..N_WRITTEN as usize {
            context.decode(&mut batch).expect("computed");
            let token = likeliest(context.get_logits_ith(batch.n_tokens() - 1));
            batch.clear();
            batch.add(token, (prompt.len() + k) as i32, &[0], true).expect("room");
        }
    }
}

/// The engine, asked by all agents at once.
fn engine(runtime: &tokio::runtime::Runtime, path: &Path, texts: &[String], shape: Option<Shape>) -> Spent {
    let params = LlamaParams {
        n_workers: N_WORKERS as u32,
        n_sequences: N_SEQUENCES as u32,
        context_tokens: CONTEXT_TOKENS,
        ..LlamaParams::new(path.to_string_lossy())
    };
    let engine = Arc::new(Engine::start(&params, Path::new("")).expect("engine starts"));
    let shape = shape.map(Arc::new);
    let sampling = Sampling { temperature: 0.0, top_p: 1.0, max_tokens: N_WRITTEN, seed: 1 };
    let watch = Stopwatch::start();
    let send = |(agent, text): (usize, &String)| {
        let (engine, shape, text) = (engine.clone(), shape.clone(), text.clone());
        runtime.spawn(async move {
            if shape.is_none() {
                return engine.complete_text(&text, sampling, agent as u64).await;
            }
            let messages = vec![Message { role: Role::User, content: text }];
            let stream = agent.to_string();
            engine.complete(&ChatRequest { messages, sampling, shape, stream, speaker: agent as u64 }).await
        })
    };
    let sent: Vec<_> = texts.iter().enumerate().map(send).collect();
    for reply in sent {
        let reply = runtime.block_on(reply).expect("no panic").expect("a reply");
        assert_eq!(reply.usage.completion_tokens, u64::from(N_WRITTEN), "the same work everywhere");
    }
    watch.stop()
}

//! The encoder `gguf`: reference vectors of a real model where it is at hand, and a tiny random one that shows
//! everywhere that a row does not depend on its batch, that long texts are cut and that broken files are told.
#![cfg(feature = "llama")]

#[path = "support/gguf.rs"]
mod gguf;

use gguf::Bert;
use std::path::{Path, PathBuf};
use windtunnel::encoder::gguf::model::Model;
use windtunnel::encoder::gguf::{Gguf, GgufParams, Pooling};
use windtunnel::encoder::{Encoder, EncoderKind, Entry, Identity};
use windtunnel::progress::Quiet;
use windtunnel::recommender::dense::Matrix;

fn load(dir: &Path, change: impl FnOnce(&mut GgufParams)) -> Result<Model, String> {
    let mut params = GgufParams { n_workers: 2, ..GgufParams::new("model.gguf") };
    change(&mut params);
    Model::load(&params, dir).map_err(|error| error.to_string())
}

fn tiny(change: impl FnOnce(&mut Bert)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bert = Bert::tiny(5);
    change(&mut bert);
    bert.write(&dir.path().join("model.gguf")).expect("written");
    dir
}

fn encode(model: &Model, texts: &[&str]) -> Matrix {
    let entries: Vec<Entry<'_>> = texts.iter().map(|text| Entry { id: text, text }).collect();
    model.encode(&entries, &Quiet).unwrap_or_else(|error| panic!("{error}"))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    let dir = tiny(|_| ());
    let texts: Vec<String> = (0..150)
        .map(|k| "the quick brown fox jumps over it ".repeat(1 + k % 5)[k % 7..].to_owned())
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let model = load(dir.path(), |_| ()).expect("loaded");
    let together = encode(&model, &texts);
    assert_eq!((together.n_rows, together.n_cols), (150, 32));
    let one_worker = load(dir.path(), |params| params.n_workers = 1).expect("loaded");
    assert_eq!(encode(&one_worker, &texts), together, "the same bits by any number of workers");
    let small = load(dir.path(), |params| params.batch_tokens = 16).expect("loaded");
    let apart = encode(&small, &texts);
    for (row, text) in texts.iter().enumerate() {
        let alone = encode(&one_worker, &[text]);
        for other in [alone.row(0), apart.row(row)] {
            let furthest =
                together.row(row).iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest < 1e-5, "row {row} is {furthest} away");
        }
    }
    // Different texts, different rows: the comparison above could have failed.
    assert!(cosine(together.row(0), together.row(1)) < 0.999);
}

#[test]
fn pooling_is_told_apart_and_stands_in_the_identity() {
    let dir = tiny(|_| ());
    let with = |pooling: Pooling| load(dir.path(), |params| params.pooling = pooling).expect("loaded");
    let [as_file, mean, cls, last] = [Pooling::Model, Pooling::Mean, Pooling::Cls, Pooling::Last].map(with);
    let row = |model: &Model| encode(model, &["a film of many words"]).row(0).to_vec();
    assert_eq!(row(&as_file), row(&mean));
    assert!(cosine(&row(&mean), &row(&cls)) < 0.999);
    assert!(cosine(&row(&last), &row(&cls)) < 0.999);
    assert_eq!(as_file.identity(), mean.identity());
    let Identity::PerText(identity) = cls.identity() else { panic!("a text alone decides") };
    assert!(identity.contains("pooling=cls") && identity.contains("max_tokens=64"), "{identity}");
    assert_ne!(mean.identity(), cls.identity());
    let other = tiny(|bert| bert.seed = 6);
    assert_ne!(load(other.path(), |_| ()).expect("loaded").identity(), as_file.identity());
}

#[test]
fn long_texts_are_cut_and_keep_their_markers() {
    let dir = tiny(|_| ());
    let model = load(dir.path(), |params| params.max_tokens = 10).expect("loaded");
    // Eight letters and two markers are ten tokens.
    let long = "abcdefgh".to_owned() + &"xyz ".repeat(9_000);
    let rows = encode(&model, &["abcdefgh", &long, "abcdefg"]);
    assert!(cosine(rows.row(0), rows.row(1)) > 0.999_999);
    assert!(cosine(rows.row(0), rows.row(2)) < 0.999_9);
    // Never more than the model knows places for, 64, whatever is asked.
    let model = load(dir.path(), |params| params.max_tokens = 8192).expect("loaded");
    let rows = encode(&model, &[&"a".repeat(62), &"a".repeat(63), &"a".repeat(61)]);
    assert!(cosine(rows.row(0), rows.row(1)) > 0.999_999);
    assert!(cosine(rows.row(0), rows.row(2)) < 0.999_999);
}

#[test]
fn words_that_nobody_knows_have_a_row_too() {
    let dir = tiny(|_| ());
    let model = load(dir.path(), |_| ()).expect("loaded");
    let rows = encode(&model, &["\u{4e16}\u{754c}", "[CLS] [SEP]", "\u{1F600}\u{0}\u{7f}", "\u{2028}\u{a0}"]);
    assert!(rows.data.iter().all(|x| x.is_finite()));
    assert!((0..rows.n_rows).all(|row| rows.row(row).iter().any(|&x| x != 0.0)));
    assert_eq!(encode(&model, &[]).n_rows, 0);
}

#[test]
fn files_that_cannot_encode_are_told_by_name() {
    let told = |dir: &tempfile::TempDir| {
        let told = load(dir.path(), |_| ()).err().expect("refused");
        assert!(told.contains("model.gguf"), "{told}");
        told
    };
    let dir = tiny(|_| ());
    let path = dir.path().join("model.gguf");
    let whole = std::fs::read(&path).expect("read");
    for n in [0, 3, 4, 11, 24, 1000, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..n]).expect("written");
        let told = told(&dir);
        assert!(told.contains("truncated") || told.contains("expected"), "{told}");
    }
    let with = |from: &[u8], to: &[u8]| {
        let at = whole.windows(from.len()).position(|window| window == from).expect("there");
        let mut bytes = whole.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        std::fs::write(&path, &bytes).expect("written");
        told(&dir)
    };
    assert!(with(b"bert.block_count", b"bert.block_counx").contains("llama.cpp cannot load it"));
    assert!(with(b"blk.1.attn_q.weight", b"blk.1.attn_x.weight").contains("llama.cpp cannot load it"));
    assert!(with(b"general.architecture", b"general.architectura").contains("architecture is missing"));
    let number = |key: &str, value: u32| {
        let from = [key.as_bytes(), &4u32.to_le_bytes()].concat();
        with(&from, &[&from[..], &value.to_le_bytes()].concat())
    };
    assert!(number("bert.attention.head_count", 0).contains("head_count is 0"));
    assert!(number("bert.embedding_length", 0).contains("embedding_length is 0"));
    assert!(number("bert.context_length", 3).contains("model.gguf"));
    assert!(number("bert.pooling_type", 4).contains("is a reranker"));
    assert!(number("bert.pooling_type", 77).contains("pooling_type is 77, expected 1 (mean)"));
    // A marker outside the vocabulary, and the place where llama.cpp looks for it then outside as well.
    let short = tiny(|bert| (bert.n_vocab_max, bert.separator) = (60, 9999));
    let outside = told(&short);
    assert!(
        outside.contains("last token of a text is -1, expected a place in its vocabulary of 60"),
        "{outside}"
    );
    assert!(told(&tiny(|bert| bert.pooling_type = None)).contains("bert.pooling_type is missing"));
    std::fs::remove_file(&path).expect("removed");
    assert!(told(&dir).contains("cannot be read"));
}

#[test]
fn a_model_that_writes_encodes_only_where_pooling_is_said() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    gguf::Model::tiny(3).write(&dir.path().join("model.gguf")).expect("written");
    let with = |pooling: Pooling| load(dir.path(), |params| params.pooling = pooling);
    let told = with(Pooling::Model).err().expect("says nothing");
    assert!(told.contains("llama.pooling_type is missing") && told.contains("say pooling = "), "{told}");
    assert!(with(Pooling::Cls).err().expect("no look ahead").contains("has seen no other"));
    for pooling in [Pooling::Mean, Pooling::Last] {
        let model = with(pooling).expect("loaded");
        let texts = ["one film", "another, longer film", "one film more"];
        let together = encode(&model, &texts);
        for (row, text) in texts.iter().enumerate() {
            let alone = encode(&model, &[text]);
            assert!(cosine(together.row(row), alone.row(0)) > 0.999_99, "{text}");
        }
        assert!(cosine(together.row(0), together.row(1)) < 0.999);
    }
}

#[test]
fn a_scenario_comes_to_a_model() {
    let dir = tiny(|_| ());
    let table: toml::Table = "path = \"model.gguf\"\npooling = \"mean\"".parse().expect("TOML");
    let plan = Gguf.check("encoders.x", &table).expect("good settings");
    let encoder = plan.start(dir.path()).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(encoder.identity(), Identity::PerText(_)));
}

/// The folder of the real model, where there is one.
fn minilm() -> Option<PathBuf> {
    let root = std::env::var("WINDTUNNEL_DATA")
        .unwrap_or_else(|_| format!("{}/../shared/data", env!("CARGO_MANIFEST_DIR")));
    let dir = Path::new(&root).join("minilm");
    if !dir.exists() {
        eprintln!("SKIPPED: no {}; set WINDTUNNEL_DATA to a folder that has it", dir.display());
        return None;
    }
    Some(dir)
}

fn real(dir: &Path) -> Model {
    // As many workers as there are threads.
    load(dir, |params| (params.path, params.n_workers) = ("all-MiniLM-L6-v2-f16.gguf".to_owned(), 0))
        .expect("loaded")
}

/// Reference texts with their vectors: `NAME.texts.jsonl` and `NAME.f16.npy`, every `step`th.
fn reference(dir: &Path, name: &str, step: usize) -> Vec<(String, Vec<f32>)> {
    let path = |end: &str| dir.join("ref").join(format!("{name}.{end}"));
    let lines = std::fs::read_to_string(path("texts.jsonl")).expect("texts");
    let bytes = std::fs::read(path("f16.npy")).expect("vectors");
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let n_head = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let head = String::from_utf8_lossy(&bytes[10..10 + n_head]);
    assert!(head.contains("'<f2'") && head.contains("'fortran_order': False"), "{head}");
    let (halves, _) = bytes[10 + n_head..].as_chunks::<2>();
    let vectors: Vec<f32> = halves.iter().map(|&half| from_half(u16::from_le_bytes(half))).collect();
    let n_texts = lines.lines().count();
    assert_eq!(vectors.len(), n_texts * 384, "{name}");
    let text = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
        entry["text"].as_str().expect("a text").to_owned()
    };
    let all = lines.lines().map(text).zip(vectors.chunks(384).map(<[f32]>::to_vec));
    all.step_by(step).collect()
}

fn from_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * mantissa * 2f32.powi(-24),
        _ => sign * (1.0 + mantissa / 1024.0) * 2f32.powi(exponent - 15),
    }
}

/// Holds what the model gives against the reference: the bounds of the project's promise.
fn hold(model: &Model, name: &str, expected: &[(String, Vec<f32>)]) {
    let texts: Vec<&str> = expected.iter().map(|(text, _)| text.as_str()).collect();
    let rows = encode(model, &texts);
    let cosines: Vec<f64> =
        expected.iter().enumerate().map(|(row, (_, vector))| cosine(rows.row(row), vector)).collect();
    let (worst, lowest) =
        cosines.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).expect("there are texts");
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    println!("{name}: {} texts, cosine mean {mean:.7}, lowest {lowest:.7}", cosines.len());
    assert!(*lowest >= 0.999, "{name}: cosine {lowest} for {:?}", texts[worst]);
    assert!(mean >= 0.9999, "{name}: mean cosine {mean}");
}

const SETS: [&str; 5] = [
    "ml1m_title_genres",
    "agent4rec_title_genres_summary",
    "gear_user_personas_first1000",
    "jester_jokes",
    "mlls_title_genres",
];

/// Oracle: vectors computed with numpy from the published weights (`SOURCE.txt` beside the model).
#[test]
fn a_real_model_gives_the_reference_vectors() {
    let Some(dir) = minilm() else { return };
    let model = real(&dir);
    let golden = std::fs::read(dir.join("ref/golden_f32.json")).expect("golden vectors");
    let golden: Vec<serde_json::Value> = serde_json::from_slice(&golden).expect("JSON");
    let number = |x: &serde_json::Value| x.as_f64().expect("a number") as f32;
    let golden: Vec<(String, Vec<f32>)> = golden
        .iter()
        .map(|entry| {
            let vector = entry["embedding"].as_array().expect("a vector").iter().map(number).collect();
            (entry["text"].as_str().expect("a text").to_owned(), vector)
        })
        .collect();
    assert_eq!(golden.len(), 7);
    hold(&model, "golden", &golden);
    for name in SETS {
        hold(&model, name, &reference(&dir, name, 197));
    }
}

#[test]
#[ignore = "encodes the 3,883 films of MovieLens-1M with a real model"]
fn a_real_model_gives_every_reference_vector_of_movielens_1m() {
    let Some(dir) = minilm() else { return };
    hold(&real(&dir), SETS[0], &reference(&dir, SETS[0], 1));
}

#[test]
#[ignore = "encodes 14,134 texts with a real model"]
fn a_real_model_gives_every_other_reference_vector() {
    let Some(dir) = minilm() else { return };
    let model = real(&dir);
    for name in &SETS[1..] {
        hold(&model, name, &reference(&dir, name, 1));
    }
}

//! A writer of small language models: llama architecture, random weights from a seed, a SentencePiece
//! vocabulary of our own; and of small encoders, bert architecture with word pieces. For tests and benches, so that
//! they need no download and no Python. Must not know what is tested with the files.
//!
//! The layout is that of the GGUF specification, version 3 (`docs/gguf.md` of the ggml project); the names of keys
//! and tensors are those llama.cpp reads for `general.architecture = "llama"` and `"bert"`.
#![allow(dead_code, reason = "each test and bench that includes this file uses a part of it")]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// How weights are stored; norms are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Four bytes each.
    F32,
    /// Two bytes each.
    F16,
    /// 34 bytes for 32 of them.
    Q8,
}

/// What a model is made of.
#[derive(Clone, Debug)]
pub struct Model {
    /// Layers.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width inside the feed-forward part.
    pub ffn_width: usize,
    /// Tokens the model says it was trained on.
    pub context_tokens: u32,
    /// Tokens in the vocabulary; at least those `pieces` makes.
    pub n_vocab: usize,
    /// How weights are stored.
    pub weights: Weights,
    /// Whether the output reads the embedding table.
    pub tied: bool,
    /// Jinja template of a chat.
    pub chat_template: Option<String>,
    /// Of the weights.
    pub seed: u64,
}

impl Model {
    /// A model of a few hundred kilobytes.
    pub fn tiny(seed: u64) -> Self {
        Model {
            n_layers: 2,
            width: 64,
            n_heads: 4,
            n_kv_heads: 2,
            ffn_width: 96,
            context_tokens: 2048,
            n_vocab: 512,
            weights: Weights::F32,
            tied: false,
            chat_template: Some(CHATML.to_owned()),
            seed,
        }
    }

    /// The layers and widths of SmolLM-135M (30 layers of 576, 9 and 3 heads, 1536 inside, 49152 tokens), Q8_0.
    pub fn like_smollm_135m(seed: u64) -> Self {
        Model {
            n_layers: 30,
            width: 576,
            n_heads: 9,
            n_kv_heads: 3,
            ffn_width: 1536,
            context_tokens: 2048,
            n_vocab: 49152,
            weights: Weights::Q8,
            tied: true,
            chat_template: Some(CHATML.to_owned()),
            seed,
        }
    }

    /// Writes the model.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write(path, &self.keys(), &self.tensors(), self.seed)
    }

    fn tensors(&self) -> Vec<Tensor> {
        let kv_width = self.width / self.n_heads * self.n_kv_heads;
        let matrix = |name: String, n_in: usize, n_out: usize| Tensor {
            name,
            n_in,
            n_out: Some(n_out),
            weights: self.weights,
        };
        let norm = |name: String| Tensor { name, n_in: self.width, n_out: None, weights: Weights::F32 };
        let mut tensors = vec![
            matrix("token_embd.weight".into(), self.width, self.n_vocab),
            norm("output_norm.weight".into()),
        ];
        if !self.tied {
            tensors.push(matrix("output.weight".into(), self.width, self.n_vocab));
        }
        for layer in 0..self.n_layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            tensors.extend([
                norm(name("attn_norm")),
                matrix(name("attn_q"), self.width, self.width),
                matrix(name("attn_k"), self.width, kv_width),
                matrix(name("attn_v"), self.width, kv_width),
                matrix(name("attn_output"), self.width, self.width),
                norm(name("ffn_norm")),
                matrix(name("ffn_gate"), self.width, self.ffn_width),
                matrix(name("ffn_up"), self.width, self.ffn_width),
                matrix(name("ffn_down"), self.ffn_width, self.width),
            ]);
        }
        tensors
    }

    fn keys(&self) -> Keys {
        let vocabulary = pieces(self.n_vocab);
        let mut keys = Keys::default();
        keys.text("general.architecture", "llama");
        keys.text("general.name", "random");
        keys.number("llama.context_length", self.context_tokens);
        keys.number("llama.embedding_length", self.width as u32);
        keys.number("llama.block_count", self.n_layers as u32);
        keys.number("llama.feed_forward_length", self.ffn_width as u32);
        keys.number("llama.attention.head_count", self.n_heads as u32);
        keys.number("llama.attention.head_count_kv", self.n_kv_heads as u32);
        keys.number("llama.rope.dimension_count", (self.width / self.n_heads) as u32);
        keys.real("llama.attention.layer_norm_rms_epsilon", 1e-5);
        keys.text("tokenizer.ggml.model", "llama");
        keys.texts("tokenizer.ggml.tokens", vocabulary.iter().map(|(piece, _)| piece.as_str()));
        let scores: Vec<f32> = (0..vocabulary.len()).map(|k| -(k as f32)).collect();
        keys.array("tokenizer.ggml.scores", 6, scores.iter().map(|score| score.to_le_bytes()));
        keys.array("tokenizer.ggml.token_type", 5, vocabulary.iter().map(|(_, kind)| kind.to_le_bytes()));
        keys.number("tokenizer.ggml.unknown_token_id", 0);
        keys.number("tokenizer.ggml.bos_token_id", 1);
        keys.number("tokenizer.ggml.eos_token_id", 2);
        keys.flag("tokenizer.ggml.add_bos_token", true);
        if let Some(template) = &self.chat_template {
            keys.text("tokenizer.chat_template", template);
        }
        keys
    }
}

/// What a small encoder is made of: bert architecture, f32 weights, word pieces of single letters.
#[derive(Clone, Debug)]
pub struct Bert {
    /// Layers.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Heads.
    pub n_heads: usize,
    /// Tokens of a text at most.
    pub context_tokens: u32,
    /// `bert.pooling_type`: 1 mean, 2 CLS; none leaves the key out.
    pub pooling_type: Option<u32>,
    /// Word pieces at most.
    pub n_vocab_max: usize,
    /// The token at the end of every text.
    pub separator: u32,
    /// Of the weights.
    pub seed: u64,
}

impl Bert {
    /// A model of a hundred kilobytes.
    pub fn tiny(seed: u64) -> Self {
        Bert {
            n_layers: 2,
            width: 32,
            n_heads: 2,
            context_tokens: 64,
            pooling_type: Some(1),
            n_vocab_max: usize::MAX,
            separator: 3,
            seed,
        }
    }

    /// Writes the model.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write(path, &self.keys(), &self.tensors(), self.seed)
    }

    fn keys(&self) -> Keys {
        let pieces = word_pieces(self.n_vocab_max);
        let mut keys = Keys::default();
        keys.text("general.architecture", "bert");
        keys.number("bert.context_length", self.context_tokens);
        keys.number("bert.embedding_length", self.width as u32);
        keys.number("bert.block_count", self.n_layers as u32);
        keys.number("bert.feed_forward_length", 2 * self.width as u32);
        keys.number("bert.attention.head_count", self.n_heads as u32);
        keys.real("bert.attention.layer_norm_epsilon", 1e-12);
        keys.flag("bert.attention.causal", false);
        if let Some(pooling_type) = self.pooling_type {
            keys.number("bert.pooling_type", pooling_type);
        }
        keys.text("tokenizer.ggml.model", "bert");
        keys.number("tokenizer.ggml.token_type_count", 2);
        keys.texts("tokenizer.ggml.tokens", pieces.iter().map(|(piece, _)| piece.as_str()));
        keys.array("tokenizer.ggml.token_type", 5, pieces.iter().map(|(_, kind)| kind.to_le_bytes()));
        keys.number("tokenizer.ggml.padding_token_id", 0);
        keys.number("tokenizer.ggml.unknown_token_id", 1);
        keys.number("tokenizer.ggml.bos_token_id", 2);
        // Spelt so by the format.
        keys.number("tokenizer.ggml.seperator_token_id", self.separator);
        keys
    }

    fn tensors(&self) -> Vec<Tensor> {
        let (width, inner) = (self.width, 2 * self.width);
        let tensor = |name: String, n_in: usize, n_out: Option<usize>| Tensor {
            name,
            n_in,
            n_out,
            weights: Weights::F32,
        };
        let norm = |name: &str| {
            [tensor(format!("{name}.weight"), width, None), tensor(format!("{name}.bias"), width, None)]
        };
        let linear = |name: String, n_in: usize, n_out: usize| {
            [tensor(format!("{name}.weight"), n_in, Some(n_out)), tensor(format!("{name}.bias"), n_out, None)]
        };
        let mut tensors = vec![
            tensor("token_embd.weight".into(), width, Some(word_pieces(self.n_vocab_max).len())),
            tensor("position_embd.weight".into(), width, Some(self.context_tokens as usize)),
            tensor("token_types.weight".into(), width, Some(2)),
        ];
        tensors.extend(norm("token_embd_norm"));
        for layer in 0..self.n_layers {
            for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
                tensors.extend(linear(format!("blk.{layer}.{part}"), width, width));
            }
            tensors.extend(norm(&format!("blk.{layer}.attn_output_norm")));
            tensors.extend(linear(format!("blk.{layer}.ffn_up"), width, inner));
            tensors.extend(linear(format!("blk.{layer}.ffn_down"), inner, width));
            tensors.extend(norm(&format!("blk.{layer}.layer_output_norm")));
        }
        tensors
    }
}

/// Markers, then every printable character at the beginning of a word and inside one.
fn word_pieces(n_max: usize) -> Vec<(String, i32)> {
    let markers = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].iter().map(|marker| ((*marker).to_owned(), 3));
    let printable = || (33..127u8).map(char::from).filter(|letter| !letter.is_ascii_uppercase());
    let first = printable().map(|letter| (format!("\u{2581}{letter}"), 1));
    markers.chain(first).chain(printable().map(|letter| (letter.to_string(), 1))).take(n_max).collect()
}

/// Writes a file: what it says of itself, then its tensors.
fn write(path: &Path, keys: &Keys, tensors: &[Tensor], seed: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let head = head(keys, tensors);
    out.write_all(&head)?;
    pad(&mut out, head.len())?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for tensor in tensors {
        let n_bytes = tensor.write_random(&mut out, &mut rng)?;
        pad(&mut out, n_bytes)?;
    }
    out.flush()
}

/// Everything before the weights.
fn head(keys: &Keys, tensors: &[Tensor]) -> Vec<u8> {
    let mut head = b"GGUF".to_vec();
    head.extend(3u32.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend(keys.n.to_le_bytes());
    head.extend(&keys.bytes);
    let mut offset = 0u64;
    for tensor in tensors {
        tensor.describe(&mut head, offset);
        offset += (tensor.n_bytes() as u64).next_multiple_of(ALIGNMENT as u64);
    }
    head
}

/// The template of many small chat models; also trims what is said, as some do.
pub const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + \
     message['content'] | trim + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}\
     {{ '<|im_start|>assistant\n' }}{% endif %}";

/// Tensors start at multiples of this many bytes.
const ALIGNMENT: usize = 32;

fn pad(out: &mut impl Write, n_written: usize) -> io::Result<()> {
    let n = n_written.next_multiple_of(ALIGNMENT) - n_written;
    out.write_all(&[0; ALIGNMENT][..n])
}

/// The pieces of a vocabulary of this size with their kinds: markers, bytes, then text from short to long.
fn pieces(n_vocab: usize) -> Vec<(String, i32)> {
    const NORMAL: i32 = 1;
    const UNKNOWN: i32 = 2;
    const CONTROL: i32 = 3;
    const BYTE: i32 = 6;
    let mut pieces = vec![
        ("<unk>".to_owned(), UNKNOWN),
        ("<s>".to_owned(), CONTROL),
        ("</s>".to_owned(), CONTROL),
        ("<|im_start|>".to_owned(), CONTROL),
        ("<|im_end|>".to_owned(), CONTROL),
    ];
    pieces.extend((0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), BYTE)));
    let space = '\u{2581}';
    pieces.push((space.to_string(), NORMAL));
    pieces.extend((33..127u8).map(|byte| (char::from(byte).to_string(), NORMAL)));
    pieces.extend(["{\"", "\":", "\",", ",\"", "\"}", "true", "false", "},"].map(|p| (p.to_owned(), NORMAL)));
    let letters = || (b'a'..=b'z').map(char::from);
    let longer = |stems: &[String]| -> Vec<String> {
        stems.iter().flat_map(|stem| letters().map(move |letter| format!("{stem}{letter}"))).collect()
    };
    let mut inner: Vec<String> = letters().map(String::from).collect();
    let mut first: Vec<String> = vec![space.to_string()];
    while pieces.len() < n_vocab {
        first = longer(&first);
        pieces.extend(first.iter().map(|piece| (piece.clone(), NORMAL)));
        inner = longer(&inner);
        pieces.extend(inner.iter().map(|piece| (piece.clone(), NORMAL)));
    }
    pieces.truncate(n_vocab);
    pieces
}

/// Metadata on its way into the file.
#[derive(Default)]
struct Keys {
    n: u64,
    bytes: Vec<u8>,
}

impl Keys {
    fn key(&mut self, name: &str, kind: u32) {
        self.n += 1;
        self.string(name);
        self.bytes.extend(kind.to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        self.bytes.extend((text.len() as u64).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn number(&mut self, name: &str, value: u32) {
        self.key(name, 4);
        self.bytes.extend(value.to_le_bytes());
    }

    fn real(&mut self, name: &str, value: f32) {
        self.key(name, 6);
        self.bytes.extend(value.to_le_bytes());
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.key(name, 7);
        self.bytes.push(u8::from(value));
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name, 8);
        self.string(value);
    }

    fn texts<'a>(&mut self, name: &str, values: impl ExactSizeIterator<Item = &'a str>) {
        self.key(name, 9);
        self.bytes.extend(8u32.to_le_bytes());
        self.bytes.extend((values.len() as u64).to_le_bytes());
        for value in values {
            self.string(value);
        }
    }

    fn array(&mut self, name: &str, kind: u32, values: impl ExactSizeIterator<Item = [u8; 4]>) {
        self.key(name, 9);
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend((values.len() as u64).to_le_bytes());
        self.bytes.extend(values.flatten());
    }
}

/// A tensor: a vector of ones (zeros for a bias), or a matrix of `n_out` rows of `n_in` random weights.
struct Tensor {
    name: String,
    n_in: usize,
    n_out: Option<usize>,
    weights: Weights,
}

impl Tensor {
    fn n_bytes(&self) -> usize {
        let n = self.n_in * self.n_out.unwrap_or(1);
        match self.weights {
            Weights::F32 => n * 4,
            Weights::F16 => n * 2,
            Weights::Q8 => n / 32 * 34,
        }
    }

    fn describe(&self, head: &mut Vec<u8>, offset: u64) {
        head.extend((self.name.len() as u64).to_le_bytes());
        head.extend(self.name.as_bytes());
        let dimensions: Vec<usize> = std::iter::once(self.n_in).chain(self.n_out).collect();
        head.extend((dimensions.len() as u32).to_le_bytes());
        for n in dimensions {
            head.extend((n as u64).to_le_bytes());
        }
        let kind: u32 = match self.weights {
            Weights::F32 => 0,
            Weights::F16 => 1,
            Weights::Q8 => 8,
        };
        head.extend(kind.to_le_bytes());
        head.extend(offset.to_le_bytes());
    }

    /// Writes the weights, uniform with variance `1 / n_in`, and says how many bytes they took.
    fn write_random(&self, out: &mut impl Write, rng: &mut ChaCha8Rng) -> io::Result<usize> {
        let Some(n_out) = self.n_out else {
            let one = if self.name.ends_with(".bias") { 0f32 } else { 1f32 };
            for _ in 0..self.n_in {
                out.write_all(&one.to_le_bytes())?;
            }
            return Ok(self.n_bytes());
        };
        // A uniform variable on -1..1 has variance 1/3.
        let half_width = (3.0 / self.n_in as f32).sqrt();
        let mut draw = || (rng.next_u32() >> 8) as f32 / (1u32 << 23) as f32 - 1.0;
        match self.weights {
            Weights::F32 => {
                for _ in 0..self.n_in * n_out {
                    out.write_all(&(draw() * half_width).to_le_bytes())?;
                }
            }
            Weights::F16 => {
                for _ in 0..self.n_in * n_out {
                    out.write_all(&half(draw() * half_width).to_le_bytes())?;
                }
            }
            Weights::Q8 => {
                let scale = half(half_width / 127.0).to_le_bytes();
                let mut block = [0u8; 34];
                block[..2].copy_from_slice(&scale);
                for _ in 0..self.n_in * n_out / 32 {
                    rng.fill_bytes(&mut block[2..]);
                    out.write_all(&block)?;
                }
            }
        }
        Ok(self.n_bytes())
    }
}

/// The nearest half-precision number, as bits, towards zero; for numbers of ordinary size.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = ((bits >> 23) & 0xff) as i32 - 127 + 15;
    let mantissa = (bits >> 13) as u16 & 0x3ff;
    match exponent {
        ..=0 => {
            // Subnormal: the hidden bit becomes visible and moves right.
            let shift = u32::try_from(1 - exponent).unwrap_or(u32::MAX);
            sign | (mantissa | 0x400).checked_shr(shift).unwrap_or(0)
        }
        31.. => sign | 0x7bff,
        _ => sign | (exponent as u16) << 10 | mantissa,
    }
}

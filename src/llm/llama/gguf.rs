//! A first look at a model file, before llama.cpp is trusted with it: is it a GGUF file, is it whole, is it a
//! model that writes or one that reads; and a hash that tells it from other files. Must not know how models run.
//!
//! Source: the GGUF specification, versions 2 and 3 (`docs/gguf.md` of the ggml project).

use crate::digest::hex;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Why a file is not a model that can answer.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("starts with the bytes {found:02x?}, expected a GGUF file, which starts with \"GGUF\"")]
    NotGguf {
        /// What it starts with.
        found: Vec<u8>,
    },
    /// It is too new or too old.
    #[error("is GGUF version {found}, expected 2 or 3")]
    Version {
        /// Its version.
        found: u32,
    },
    /// It ends too early.
    #[error("is truncated: {what} ends at byte {end}, the file has {size}")]
    Truncated {
        /// What is cut.
        what: String,
        /// Where it should end.
        end: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// It says something that cannot be.
    #[error("{what} is {found}, expected {expected}")]
    Malformed {
        /// What is wrong.
        what: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
}

fn malformed(what: impl Into<String>, found: impl ToString, expected: impl Into<String>) -> GgufError {
    GgufError::Malformed { what: what.into(), found: found.to_string(), expected: expected.into() }
}

/// What the head of a file says.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// `general.architecture`.
    pub architecture: String,
    /// Whether every token sees only those before it.
    pub causal: bool,
    /// `ARCHITECTURE.pooling_type`: how the model's makers pool the vectors of its tokens.
    pub pooling_type: Option<u32>,
    /// 16 hexadecimal digits, of the file's size, its first and its last mebibyte.
    pub hash: String,
}

impl Head {
    /// Whether the model reads a whole text at once and cannot write one.
    pub fn only_reads(&self) -> bool {
        let encodes = ["bert", "t5", "clip", "embed"].iter().any(|part| self.architecture.contains(part));
        encodes || !self.causal
    }
}

/// Looks at a file.
///
/// # Errors
/// If it is not a whole GGUF file of a model that writes text.
pub fn look_at(path: &Path) -> Result<Head, GgufError> {
    let head = inspect(path)?;
    match head.only_reads() {
        true => Err(malformed(
            "general.architecture",
            format!("\"{}\", a model that reads but does not write", head.architecture),
            "a decoder such as \"llama\"",
        )),
        false => Ok(head),
    }
}

/// Looks at a file of any model.
///
/// # Errors
/// If it is not a whole GGUF file.
pub fn inspect(path: &Path) -> Result<Head, GgufError> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic)?;
    if magic != b"GGUF" {
        return Err(GgufError::NotGguf { found: magic });
    }
    let mut reader = Reader { inner: BufReader::with_capacity(1 << 16, &file), at: 4, size };
    let keys = read_head(&mut reader)?;
    let architecture = keys.architecture()?;
    Ok(Head {
        architecture,
        causal: keys.causal,
        pooling_type: keys.pooling_type,
        hash: hash(&mut file, size)?,
    })
}

fn hash(file: &mut File, size: u64) -> io::Result<String> {
    const PART: u64 = 1 << 20;
    let mut hasher = Sha256::new();
    hasher.update(size.to_le_bytes());
    for start in [0, size.saturating_sub(PART)] {
        let mut part = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(PART).read_to_end(&mut part)?;
        hasher.update(&part);
    }
    Ok(hex(&hasher.finalize()[..8]))
}

/// Most keys, tensors and dimensions that are believed.
const N_MAX: u64 = 1 << 17;

/// Reads metadata and tensor table, and answers the metadata.
fn read_head(reader: &mut Reader<'_>) -> Result<Keys, GgufError> {
    let version = reader.u32("the version")?;
    if !(2..=3).contains(&version) {
        return Err(GgufError::Version { found: version });
    }
    let n_tensors = reader.u64("the number of tensors")?;
    let n_keys = reader.u64("the number of keys")?;
    for (what, n) in [("the number of tensors", n_tensors), ("the number of keys", n_keys)] {
        if !(1..=N_MAX).contains(&n) {
            return Err(malformed(what, n, format!("1..={N_MAX}")));
        }
    }
    let mut keys = Keys::default();
    for _ in 0..n_keys {
        keys.read(reader)?;
    }
    keys.agree()?;
    let mut ends = Vec::new();
    for _ in 0..n_tensors {
        ends.extend(tensor_end(reader)?);
    }
    let data = reader.at.next_multiple_of(u64::from(keys.alignment));
    for (name, end) in ends {
        let end = data.saturating_add(end);
        if end > reader.size {
            return Err(GgufError::Truncated { what: format!("tensor {name}"), end, size: reader.size });
        }
    }
    Ok(keys)
}

/// What is kept of the metadata.
struct Keys {
    architecture: Option<String>,
    causal: bool,
    pooling_type: Option<u32>,
    /// Width of a token's vector.
    width: Option<u32>,
    n_heads: Option<u32>,
    alignment: u32,
    /// Lengths of the vocabulary's tables.
    vocabulary: Vec<(String, u64)>,
}

impl Default for Keys {
    fn default() -> Self {
        Keys {
            architecture: None,
            causal: true,
            pooling_type: None,
            width: None,
            n_heads: None,
            alignment: 32,
            vocabulary: Vec::new(),
        }
    }
}

impl Keys {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), GgufError> {
        let name = reader.string("a key")?;
        let kind = reader.u32(&name)?;
        match (name.as_str(), kind) {
            ("general.architecture", 8) => self.architecture = Some(reader.string(&name)?),
            ("general.alignment", 4) => {
                self.alignment = reader.u32(&name)?;
                if !self.alignment.is_power_of_two() || self.alignment > 1 << 20 {
                    return Err(malformed(name, self.alignment, "a power of two up to 1048576"));
                }
            }
            (_, 7) if name.ends_with(".attention.causal") => self.causal = reader.bytes::<1>(&name)? != [0],
            (_, 4) if name.ends_with(".embedding_length") => self.width = Some(reader.u32(&name)?),
            (_, 4) if name.ends_with(".attention.head_count") => self.n_heads = Some(reader.u32(&name)?),
            (_, 4) if name.matches('.').count() == 1 && name.ends_with(".pooling_type") => {
                self.pooling_type = Some(reader.u32(&name)?);
            }
            ("tokenizer.ggml.tokens" | "tokenizer.ggml.scores" | "tokenizer.ggml.token_type", 9) => {
                let n = reader.skip_array(&name)?;
                self.vocabulary.push((name, n));
            }
            _ => reader.skip_value(&name, kind)?,
        }
        Ok(())
    }

    fn architecture(&self) -> Result<String, GgufError> {
        let name = self.architecture.clone();
        name.ok_or_else(|| malformed("general.architecture", "missing", "the name of an architecture"))
    }

    /// Refuses what contradicts itself: llama.cpp would end the process over it.
    fn agree(&self) -> Result<(), GgufError> {
        self.architecture()?;
        if let Some(pair) = self.vocabulary.windows(2).find(|pair| pair[0].1 != pair[1].1) {
            return Err(malformed(
                &pair[1].0,
                format!("{} long", pair[1].1),
                format!("{} as {}", pair[0].1, pair[0].0),
            ));
        }
        match (self.width, self.n_heads) {
            (Some(0), _) => Err(malformed("embedding_length", 0, "1 at least")),
            (_, Some(0)) => Err(malformed("attention.head_count", 0, "1 at least")),
            _ => Ok(()),
        }
    }
}

/// Reads one line of the tensor table: its name and where it ends, counted from the start of the data; nothing
/// for formats not known here.
fn tensor_end(reader: &mut Reader<'_>) -> Result<Option<(String, u64)>, GgufError> {
    let name = reader.string("the name of a tensor")?;
    let n_dimensions = reader.u32(&name)?;
    if !(1..=4).contains(&n_dimensions) {
        return Err(malformed(format!("the number of dimensions of {name}"), n_dimensions, "1..=4"));
    }
    let mut n_weights: u64 = 1;
    for _ in 0..n_dimensions {
        let n = reader.u64(&name)?;
        n_weights = n_weights
            .checked_mul(n)
            .filter(|total| (1..1 << 48).contains(total))
            .ok_or_else(|| malformed(format!("a dimension of {name}"), n, "a size that memory can hold"))?;
    }
    let kind = reader.u32(&name)?;
    let offset = reader.u64(&name)?;
    Ok(block(kind).map(|(n_in_block, n_bytes)| {
        let end = offset.saturating_add(n_weights.div_ceil(n_in_block) * n_bytes);
        (name, end)
    }))
}

/// Weights in a block of a tensor format, and its bytes.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        23 => (256, 136),
        24 => (1, 1),
        27 | 28 => (1, 8),
        _ => return None,
    })
}

/// A file read from front to back, every length held against what is left of it.
struct Reader<'f> {
    inner: BufReader<&'f File>,
    at: u64,
    size: u64,
}

impl Reader<'_> {
    /// Refuses to go `n` bytes on where the file ends before.
    fn claim(&mut self, what: &str, n: u64) -> Result<(), GgufError> {
        let end = self.at.saturating_add(n);
        if end > self.size {
            return Err(GgufError::Truncated { what: what.to_owned(), end, size: self.size });
        }
        self.at = end;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        self.claim(what, N as u64)?;
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        self.bytes(what).map(u64::from_le_bytes)
    }

    fn string(&mut self, what: &str) -> Result<String, GgufError> {
        let n = self.u64(what)?;
        self.claim(what, n)?;
        if n > 1 << 20 {
            return Err(malformed(format!("the length of {what}"), n, "at most 1048576"));
        }
        let mut bytes = vec![0; n as usize];
        self.inner.read_exact(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn skip(&mut self, what: &str, n: u64) -> Result<(), GgufError> {
        self.claim(what, n)?;
        // `claim` has held `n` against the size of the file, so it fits.
        self.inner.seek_relative(n as i64)?;
        Ok(())
    }

    fn skip_value(&mut self, what: &str, kind: u32) -> Result<(), GgufError> {
        match kind {
            8 => {
                let n = self.u64(what)?;
                self.skip(what, n)
            }
            9 => self.skip_array(what).map(|_| ()),
            _ => self.skip(what, scalar_bytes(what, kind)?),
        }
    }

    fn skip_array(&mut self, what: &str) -> Result<u64, GgufError> {
        let kind = self.u32(what)?;
        let n = self.u64(what)?;
        if kind == 8 {
            // Every string takes eight bytes at least, so the loop ends with the file.
            for _ in 0..n {
                self.skip_value(what, kind)?;
            }
        } else {
            self.skip(what, n.saturating_mul(scalar_bytes(what, kind)?))?;
        }
        Ok(n)
    }
}

fn scalar_bytes(what: &str, kind: u32) -> Result<u64, GgufError> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(malformed(format!("the type of {what}"), kind, "0..=12")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head of two keys and one tensor of 32 f32 weights, with so many bytes of data.
    fn file(architecture: &str, n_data: usize) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        let string = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        bytes.extend(
            [string("general.architecture"), 8u32.to_le_bytes().to_vec(), string(architecture)].concat(),
        );
        bytes.extend(
            [string("llama.rope.scale"), 6u32.to_le_bytes().to_vec(), 1f32.to_le_bytes().to_vec()].concat(),
        );
        bytes.extend(
            [string("output.weight"), 1u32.to_le_bytes().to_vec(), 32u64.to_le_bytes().to_vec()].concat(),
        );
        bytes.extend([0u32.to_le_bytes().to_vec(), 0u64.to_le_bytes().to_vec()].concat());
        bytes.resize(bytes.len().next_multiple_of(32) + n_data, 0);
        bytes
    }

    fn look(bytes: &[u8]) -> Result<Head, String> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), bytes).expect("written");
        look_at(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_file_is_told_from_others_and_every_cut_is_noticed() {
        let whole = file("llama", 128);
        let head = look(&whole).expect("whole");
        assert_eq!(head.architecture, "llama");
        let mut other = whole.clone();
        *other.last_mut().expect("not empty") = 1;
        assert_ne!(look(&other).expect("whole").hash, head.hash);
        for n in 0..whole.len() {
            let told = look(&whole[..n]).expect_err("cut");
            let expected = if n < 4 { "expected a GGUF file" } else { "is truncated" };
            assert!(told.contains(expected), "{n} bytes: {told}");
        }
    }

    #[test]
    fn what_cannot_be_is_said_so() {
        assert!(look(&file("bert", 128)).expect_err("encoder").contains("reads but does not write"));
        let with = |at: usize, patch: &[u8]| {
            let mut bytes = file("llama", 128);
            bytes[at..at + patch.len()].copy_from_slice(patch);
            look(&bytes).expect_err("patched")
        };
        assert!(with(4, &9u32.to_le_bytes()).contains("is GGUF version 9, expected 2 or 3"));
        assert!(with(8, &u64::MAX.to_le_bytes()).contains("the number of tensors is 18446744073709551615"));
        assert!(with(16, &u64::MAX.to_le_bytes()).contains("the number of keys"));
        // The length of the first key, and the type of its value.
        assert!(with(24, &u64::MAX.to_le_bytes()).contains("is truncated: a key"));
        assert!(with(52, &77u32.to_le_bytes()).contains("the type of general.architecture is 77"));
    }
}

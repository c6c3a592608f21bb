//! Uniform numbers of many streams at once, the same ones that [`ChaCha8Rng`](super::ChaCha8Rng) gives.
//!
//! A step of an agent draws a handful of numbers from a stream of its own, so that what it costs is
//! opening the stream. The generator computes four blocks ahead; here it is one, and those of eight
//! streams side by side, which takes a third of the instructions. Must not know what is drawn for.

/// Words of a ChaCha block, and of its input.
const N_WORDS: usize = 16;

/// Streams whose blocks are computed side by side.
pub const LANES: usize = 8;

/// One word of every stream's block.
type Lanes = [u32; LANES];

/// A stream of random numbers, made one block of 16 words at a time (Bernstein 2008, with 8 rounds, a 64-bit
/// counter and no nonce).
#[derive(Clone, Debug)]
pub struct Uniforms {
    key: [u32; 8],
    block: [u32; N_WORDS],
    /// The words of the block that are used up.
    n_used: usize,
    /// The blocks that are used up.
    n_blocks: u32,
}

impl Uniforms {
    /// The streams of these keys, at their beginning.
    pub(super) fn of(keys: &[[u32; 8]; LANES]) -> [Uniforms; LANES] {
        let blocks = first_blocks(keys);
        std::array::from_fn(|lane| Uniforms {
            key: keys[lane],
            block: std::array::from_fn(|word| blocks[word][lane]),
            n_used: 0,
            n_blocks: 0,
        })
    }

    /// The next number, uniform on 0..1: what `random::<f64>()` draws.
    pub fn draw(&mut self) -> f64 {
        if self.n_used == N_WORDS {
            self.n_blocks += 1;
            self.n_used = 0;
            self.block = block(&self.key, self.n_blocks);
        }
        let (low, high) = (self.block[self.n_used], self.block[self.n_used + 1]);
        self.n_used += 2;
        let bits = u64::from(high) << 32 | u64::from(low);
        (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

/// The first block of every stream: word by word, one lane a stream.
fn first_blocks(keys: &[[u32; 8]; LANES]) -> [Lanes; N_WORDS] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "calls a function compiled for a detected feature")]
        // SAFETY: AVX2 was just detected.
        return unsafe { avx2::first_blocks(keys) };
    }
    let blocks: [[u32; N_WORDS]; LANES] = std::array::from_fn(|lane| block(&keys[lane], 0));
    std::array::from_fn(|word| std::array::from_fn(|lane| blocks[lane][word]))
}

const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Eight blocks side by side, one in each lane of 32 bits.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{CONSTANTS, LANES, Lanes, N_WORDS};
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_or_si256, _mm256_set_epi32, _mm256_set1_epi32,
        _mm256_setzero_si256, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256, _mm256_xor_si256,
    };

    #[target_feature(enable = "avx2")]
    pub(super) fn first_blocks(keys: &[[u32; 8]; LANES]) -> [Lanes; N_WORDS] {
        let key = |word: usize| {
            let at = |lane: usize| keys[lane][word].cast_signed();
            _mm256_set_epi32(at(7), at(6), at(5), at(4), at(3), at(2), at(1), at(0))
        };
        let constant = |word: usize| _mm256_set1_epi32(CONSTANTS[word].cast_signed());
        let zero = _mm256_setzero_si256();
        let input = [
            constant(0),
            constant(1),
            constant(2),
            constant(3),
            key(0),
            key(1),
            key(2),
            key(3),
            key(4),
            key(5),
            key(6),
            key(7),
            zero,
            zero,
            zero,
            zero,
        ];
        let mut x = input;
        for _ in 0..4 {
            quarter(&mut x, [0, 4, 8, 12]);
            quarter(&mut x, [1, 5, 9, 13]);
            quarter(&mut x, [2, 6, 10, 14]);
            quarter(&mut x, [3, 7, 11, 15]);
            quarter(&mut x, [0, 5, 10, 15]);
            quarter(&mut x, [1, 6, 11, 12]);
            quarter(&mut x, [2, 7, 8, 13]);
            quarter(&mut x, [3, 4, 9, 14]);
        }
        let mut blocks = [[0; LANES]; N_WORDS];
        for (block, (x, input)) in blocks.iter_mut().zip(x.into_iter().zip(input)) {
            let sum = _mm256_add_epi32(x, input);
            #[expect(unsafe_code, reason = "stores a register")]
            // SAFETY: a lane array is as wide as the register.
            unsafe {
                _mm256_storeu_si256(block.as_mut_ptr().cast(), sum);
            }
        }
        blocks
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn quarter(x: &mut [__m256i; N_WORDS], [a, b, c, d]: [usize; 4]) {
        x[a] = _mm256_add_epi32(x[a], x[b]);
        x[d] = turned::<16, 16>(_mm256_xor_si256(x[d], x[a]));
        x[c] = _mm256_add_epi32(x[c], x[d]);
        x[b] = turned::<12, 20>(_mm256_xor_si256(x[b], x[c]));
        x[a] = _mm256_add_epi32(x[a], x[b]);
        x[d] = turned::<8, 24>(_mm256_xor_si256(x[d], x[a]));
        x[c] = _mm256_add_epi32(x[c], x[d]);
        x[b] = turned::<7, 25>(_mm256_xor_si256(x[b], x[c]));
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn turned<const LEFT: i32, const RIGHT: i32>(x: __m256i) -> __m256i {
        _mm256_or_si256(_mm256_slli_epi32::<LEFT>(x), _mm256_srli_epi32::<RIGHT>(x))
    }
}

/// One block of one stream.
fn block(key: &[u32; 8], number: u32) -> [u32; N_WORDS] {
    let input: [u32; N_WORDS] = std::array::from_fn(|word| match word {
        0..4 => CONSTANTS[word],
        4..12 => key[word - 4],
        12 => number,
        _ => 0,
    });
    let mut x = input;
    let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
        x[a] = x[a].wrapping_add(x[b]);
        x[d] = (x[d] ^ x[a]).rotate_left(16);
        x[c] = x[c].wrapping_add(x[d]);
        x[b] = (x[b] ^ x[c]).rotate_left(12);
        x[a] = x[a].wrapping_add(x[b]);
        x[d] = (x[d] ^ x[a]).rotate_left(8);
        x[c] = x[c].wrapping_add(x[d]);
        x[b] = (x[b] ^ x[c]).rotate_left(7);
    };
    for _ in 0..4 {
        quarter(0, 4, 8, 12);
        quarter(1, 5, 9, 13);
        quarter(2, 6, 10, 14);
        quarter(3, 7, 11, 15);
        quarter(0, 5, 10, 15);
        quarter(1, 6, 11, 12);
        quarter(2, 7, 8, 13);
        quarter(3, 4, 9, 14);
    }
    std::array::from_fn(|word| x[word].wrapping_add(input[word]))
}

#[cfg(test)]
mod tests {
    use super::super::{Purpose, Streams};
    use super::*;
    use rand::RngExt;

    #[test]
    fn every_stream_gives_the_generators_numbers() {
        let streams = Streams::new(0x0123_4567_89ab_cdef);
        let of: [(u32, u64, u32); LANES] =
            std::array::from_fn(|lane| (lane as u32 % 2, (1 << 33) | (7 * lane as u64), lane as u32 / 3));
        let all = streams.uniforms(Purpose::Watch, &of);
        for (mut uniforms, (round, subject, page)) in all.into_iter().zip(of) {
            let mut generator = streams.stream(Purpose::Watch, round, subject, page);
            for _ in 0..100 {
                assert_eq!(uniforms.draw(), generator.random::<f64>());
            }
        }
    }

    #[test]
    fn blocks_side_by_side_are_those_of_one_at_a_time() {
        let keys: [[u32; 8]; LANES] = std::array::from_fn(|lane| [lane as u32; 8]);
        let blocks = first_blocks(&keys);
        for lane in 0..LANES {
            assert_eq!(blocks.map(|word| word[lane]), block(&keys[lane], 0));
        }
    }
}

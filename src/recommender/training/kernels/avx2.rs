//! Inner products for processors with AVX2 and FMA: the sums of the parent module, in the
//! same order. Must not know models, users or items.
//!
//! Written with intrinsics because the compiler, left alone, cuts the lanes into the pairs
//! that the final sum adds, and works on two numbers at a time instead of eight.

use super::{Lane, lanes};
use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm256_castps256_ps128,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_sub_ps,
};

/// `user · (pos − neg)` over padded rows.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn dot_difference(user: &[f32], pos: &[f32], neg: &[f32]) -> f32 {
    let mut acc = _mm256_setzero_ps();
    for ((u, p), n) in lanes(user).iter().zip(lanes(pos)).zip(lanes(neg)) {
        acc = _mm256_fmadd_ps(load(u), _mm256_sub_ps(load(p), load(n)), acc);
    }
    sum(acc)
}

/// `a · b` over padded rows.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut acc = _mm256_setzero_ps();
    for (x, y) in lanes(a).iter().zip(lanes(b)) {
        acc = _mm256_fmadd_ps(load(x), load(y), acc);
    }
    sum(acc)
}

/// The sum of all lanes, in the tree of the plain one.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum(lanes: __m256) -> f32 {
    let fours = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let twos = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
    _mm_cvtss_f32(_mm_add_ss(twos, _mm_movehdup_ps(twos)))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(from: &Lane) -> __m256 {
    // SAFETY: `from` is eight floats long, and the load needs no alignment.
    #[expect(unsafe_code, reason = "loads a register")]
    unsafe {
        _mm256_loadu_ps(from.as_ptr())
    }
}

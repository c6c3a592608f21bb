//! The passes over rows in which the solvers spend nearly all their time, four rows at a
//! time, for processors with AVX2 and FMA. Must not know what is being solved.
//!
//! Written with intrinsics because the compiler, left alone, transposes the four rows
//! instead of giving each its own register (measured: half the speed).

use super::{LANES, Problem, fused};
use std::arch::x86_64::{
    __m256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};

/// `out += sign · YᵀY v + Σ_owned (base + slope · y·v) y`.
#[target_feature(enable = "avx2,fma")]
pub fn add_products(
    problem: &Problem<'_>,
    owned: &[u32],
    v: &[f32],
    sign: f32,
    base: f32,
    slope: f32,
    out: &mut [f32],
) {
    let width = problem.width;
    let (lanes, out) = (v.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
    for (rows, v) in problem.gram.chunks_exact(4 * width).zip(v.as_chunks::<4>().0) {
        let (a, rest) = rows.split_at(width);
        let (b, rest) = rest.split_at(width);
        let (c, d) = rest.split_at(width);
        add_four(out, [a, b, c, d], [sign * v[0], sign * v[1], sign * v[2], sign * v[3]]);
    }
    let (fours, rest) = owned.as_chunks::<4>();
    let factor = |product: f32| fused::<true>(slope, product, base);
    for &[i, j, k, l] in fours {
        let rows = [problem.row(i), problem.row(j), problem.row(k), problem.row(l)];
        let [p, q, r, s] = dot_four(rows, lanes);
        add_four(out, rows, [factor(p), factor(q), factor(r), factor(s)]);
    }
    for &other in rest {
        // Alone, a row goes through the same lanes as in a group of four.
        let row = problem.row(other);
        let [p, ..] = dot_four([row, row, row, row], lanes);
        super::add::<true>(out.as_flattened_mut(), row, factor(p));
    }
}

/// `out[i, j] = z_i · y_j` of the rows met, for j ≥ i, z from `solved`; `stride` numbers a row
/// of `out`, a multiple of four. Places before the diagonal and past the last row met may get
/// any number.
#[target_feature(enable = "avx2,fma")]
pub fn products(problem: &Problem<'_>, solved: &[f32], owned: &[u32], stride: usize, out: &mut [f32]) {
    let width = problem.width;
    let last = owned.len() - 1;
    for (at, (out, &i)) in out.chunks_exact_mut(stride).zip(owned).enumerate() {
        let z = solved[i as usize * width..][..width].as_chunks::<LANES>().0;
        for (four, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate().skip(at / 4) {
            let first = 4 * four;
            if first > last {
                break;
            }
            // Past the end the last row stands in: its products are overwritten.
            *out = dot_four([0, 1, 2, 3].map(|k| problem.row(owned[last.min(first + k)])), z);
        }
    }
}

/// `out += Σ factor · row`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_four(out: &mut [[f32; LANES]], [a, b, c, d]: [&[f32]; 4], factors: [f32; 4]) {
    let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
    let (c, d) = (c.as_chunks::<LANES>().0, d.as_chunks::<LANES>().0);
    let n = out.len();
    assert!(a.len() == n && b.len() == n && c.len() == n && d.len() == n, "rows of one width");
    let (p, q) = (_mm256_set1_ps(factors[0]), _mm256_set1_ps(factors[1]));
    let (r, s) = (_mm256_set1_ps(factors[2]), _mm256_set1_ps(factors[3]));
    for at in 0..n {
        let sum = _mm256_fmadd_ps(p, load(&a[at]), load(&out[at]));
        let sum = _mm256_fmadd_ps(q, load(&b[at]), sum);
        let sum = _mm256_fmadd_ps(r, load(&c[at]), sum);
        store(&mut out[at], _mm256_fmadd_ps(s, load(&d[at]), sum));
    }
}

/// Four inner products with the same vector.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn dot_four([a, b, c, d]: [&[f32]; 4], v: &[[f32; LANES]]) -> [f32; 4] {
    let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
    let (c, d) = (c.as_chunks::<LANES>().0, d.as_chunks::<LANES>().0);
    let n = v.len();
    assert!(a.len() == n && b.len() == n && c.len() == n && d.len() == n, "rows of one width");
    let zero = _mm256_setzero_ps();
    let (mut p, mut q, mut r, mut s) = (zero, zero, zero, zero);
    for at in 0..n {
        let v = load(&v[at]);
        p = _mm256_fmadd_ps(load(&a[at]), v, p);
        q = _mm256_fmadd_ps(load(&b[at]), v, q);
        r = _mm256_fmadd_ps(load(&c[at]), v, r);
        s = _mm256_fmadd_ps(load(&d[at]), v, s);
    }
    sum_each([p, q, r, s])
}

/// The sum of the lanes of each of four vectors.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum_each([p, q, r, s]: [__m256; 4]) -> [f32; 4] {
    use std::arch::x86_64::{_mm_add_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_hadd_ps};
    let halves = _mm256_hadd_ps(_mm256_hadd_ps(p, q), _mm256_hadd_ps(r, s));
    let sums = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
    let mut out = [0f32; 4];
    // SAFETY: `out` is four floats long, and the store needs no alignment.
    #[expect(unsafe_code, reason = "stores a register")]
    unsafe {
        std::arch::x86_64::_mm_storeu_ps(out.as_mut_ptr(), sums);
    }
    out
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(from: &[f32; LANES]) -> __m256 {
    // SAFETY: `from` is eight floats long, and the load needs no alignment.
    #[expect(unsafe_code, reason = "loads a register")]
    unsafe {
        _mm256_loadu_ps(from.as_ptr())
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store(to: &mut [f32; LANES], value: __m256) {
    // SAFETY: `to` is eight floats long, and the store needs no alignment.
    #[expect(unsafe_code, reason = "stores a register")]
    unsafe {
        _mm256_storeu_ps(to.as_mut_ptr(), value);
    }
}

//! The hot inner loops, compiled twice: for any machine, and for AVX2 with fused
//! multiply-add, chosen at run time. Both add in the same order; the fused one rounds
//! less often, so results are reproducible on one machine and close on another.
//! Must not know models, users or items.

#[cfg(target_arch = "x86_64")]
mod avx2;

/// Whether this machine runs the AVX2 and FMA versions.
#[inline]
pub fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// `a * b + c`, fused where `FMA` says that the instruction exists.
#[inline(always)]
pub fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Eight numbers handled as one. Always loaded, computed and stored whole, so that the
/// compiler sees no aliasing between the rows of a step and keeps them in registers.
pub type Lane = [f32; 8];

/// A padded row in eights.
#[inline(always)]
pub fn lanes(row: &[f32]) -> &[Lane] {
    row.as_chunks::<8>().0
}

/// A padded row in eights, to write to.
#[inline(always)]
pub fn lanes_mut(row: &mut [f32]) -> &mut [Lane] {
    row.as_chunks_mut::<8>().0
}

/// `a * b + c` of every lane.
#[inline(always)]
pub fn fma_lane<const FMA: bool>(a: Lane, b: Lane, c: Lane) -> Lane {
    std::array::from_fn(|k| mul_add::<FMA>(a[k], b[k], c[k]))
}

#[inline(always)]
fn sub_lane(a: Lane, b: Lane) -> Lane {
    std::array::from_fn(|k| a[k] - b[k])
}

/// `a * b` of every lane.
#[inline(always)]
pub fn scale_lane(a: f32, b: Lane) -> Lane {
    std::array::from_fn(|k| a * b[k])
}

/// The sum of all lanes, always in the same tree.
#[inline(always)]
fn sum(l: Lane) -> f32 {
    let q = [l[0] + l[4], l[1] + l[5], l[2] + l[6], l[3] + l[7]];
    (q[0] + q[2]) + (q[1] + q[3])
}

/// `e^x` to 3e-7, for `x` held inside ±87; not a number for NaN. A polynomial instead of the
/// system's library, so that the bits depend on nothing but this crate.
#[inline(always)]
pub fn exp<const FMA: bool>(x: f32) -> f32 {
    let y = x.clamp(-87.0, 87.0) * std::f32::consts::LOG2_E;
    // Adding and taking away 1.5 · 2^23 rounds to the nearest whole number.
    let shifted = y + 12_582_912.0;
    let whole = shifted - 12_582_912.0;
    let part = y - whole;
    let mut power = POWER[6];
    for k in (0..6).rev() {
        power = mul_add::<FMA>(power, part, POWER[k]);
    }
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    power * scale
}

/// Coefficients of 2^x on ±½, least relative error at Chebyshev nodes (fitted with numpy).
const POWER: [f32; 7] =
    [1.0, std::f32::consts::LN_2, 0.240_226_46, 0.05550329, 0.009_618_52, 0.001_339_986, 0.000_153_375_77];

/// `user · (pos − neg)` over padded rows.
#[inline(always)]
pub fn dot_difference<const FMA: bool>(user: &[f32], pos: &[f32], neg: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if FMA {
        // SAFETY: only functions compiled for AVX2 and FMA pass `FMA = true`.
        #[expect(unsafe_code, reason = "calls a function compiled for a detected feature")]
        return unsafe { avx2::dot_difference(user, pos, neg) };
    }
    let mut acc = [0f32; 8];
    for ((u, p), n) in lanes(user).iter().zip(lanes(pos)).zip(lanes(neg)) {
        acc = fma_lane::<FMA>(*u, sub_lane(*p, *n), acc);
    }
    sum(acc)
}

/// `a · b` over padded rows.
#[inline(always)]
pub fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if FMA {
        // SAFETY: only functions compiled for AVX2 and FMA pass `FMA = true`.
        #[expect(unsafe_code, reason = "calls a function compiled for a detected feature")]
        return unsafe { avx2::dot(a, b) };
    }
    let mut acc = [0f32; 8];
    for (x, y) in lanes(a).iter().zip(lanes(b)) {
        acc = fma_lane::<FMA>(*x, *y, acc);
    }
    sum(acc)
}

/// Asks for a row that will be needed soon, so that waiting for memory and computing overlap.
#[inline(always)]
pub fn prefetch(row: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(16) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program could see, and `line` is in bounds.
        #[expect(unsafe_code, reason = "prefetches a cache line")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// One pairwise step: every row shrinks by `keep`, then moves by `step` up its gradient.
#[inline(always)]
pub fn pairwise_step<const FMA: bool>(
    user: &mut [f32],
    pos: &mut [f32],
    neg: &mut [f32],
    step: f32,
    keep: f32,
) {
    let rows = lanes_mut(user).iter_mut().zip(lanes_mut(pos)).zip(lanes_mut(neg));
    for ((to_user, to_pos), to_neg) in rows {
        let (u, p, n) = (*to_user, *to_pos, *to_neg);
        *to_user = fma_lane::<FMA>([step; 8], sub_lane(p, n), scale_lane(keep, u));
        *to_pos = fma_lane::<FMA>([step; 8], u, scale_lane(keep, p));
        *to_neg = fma_lane::<FMA>([-step; 8], u, scale_lane(keep, n));
    }
}

/// One pointwise step: both rows shrink by `keep`, then move by `step` along each other.
#[inline(always)]
pub fn pointwise_step<const FMA: bool>(user: &mut [f32], item: &mut [f32], step: f32, keep: f32) {
    for (to_user, to_item) in lanes_mut(user).iter_mut().zip(lanes_mut(item)) {
        let (u, i) = (*to_user, *to_item);
        *to_user = fma_lane::<FMA>([step; 8], i, scale_lane(keep, u));
        *to_item = fma_lane::<FMA>([step; 8], u, scale_lane(keep, i));
    }
}

/// `e / (1 + e)`: with e^−x the factor σ(−x) of every gradient here.
#[inline(always)]
pub fn share(odds: f32) -> f32 {
    odds / (1.0 + odds)
}

/// `Σ ln(1 + e)`: with e^−x the summed loss −ln σ(x). One logarithm for several terms.
pub struct LogSum {
    product: f64,
    total: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        LogSum { product: 1.0, total: 0.0 }
    }
}

impl LogSum {
    /// Adds the term of one `e`.
    #[inline(always)]
    pub fn add(&mut self, odds: f32) {
        self.product *= 1.0 + f64::from(odds);
        // One more factor is below 2^129: the product cannot overflow.
        if self.product > 1e200 {
            self.total += self.product.ln();
            self.product = 1.0;
        }
    }

    /// The sum.
    pub fn finish(self) -> f64 {
        self.total + self.product.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_library() {
        for step in -8000..8000 {
            let x = step as f32 * 0.01;
            let expected = f64::from(x).exp();
            // Rounding x · log2(e) to single precision alone costs up to |x| · 6e-8.
            let bound = 4e-7 + 1.2e-7 * f64::from(x.abs());
            assert!((f64::from(exp::<false>(x)) / expected - 1.0).abs() < bound, "{x}");
        }
        assert!(exp::<false>(f32::NAN).is_nan());
        assert!(exp::<false>(f32::INFINITY).is_finite());
        assert!(exp::<false>(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn dots_of_every_padded_length() {
        for n_lanes in 0..7 {
            let x: Vec<f32> = (0..8 * n_lanes).map(|i| i as f32).collect();
            let zero = vec![0f32; x.len()];
            let expected: f32 = x.iter().map(|x| x * x).sum();
            assert_eq!(dot::<false>(&x, &x), expected);
            assert_eq!(dot_difference::<false>(&x, &x, &zero), expected);
        }
    }
}

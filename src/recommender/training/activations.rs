//! Elementwise functions of dense layers, compiled for any machine and for AVX2.
//! Must not know layers.

use super::kernels::{exp, has_avx2};

/// `tanh` of every number.
pub fn tanh(row: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[expect(unsafe_code, reason = "calls a function compiled for AVX2 and FMA")]
        // SAFETY: the instructions it needs were just found on this machine.
        return unsafe { tanh_avx2(row) };
    }
    tanh_with::<false>(row);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn tanh_avx2(row: &mut [f32]) {
    tanh_with::<true>(row);
}

#[inline(always)]
fn tanh_with<const FMA: bool>(row: &mut [f32]) {
    for x in row {
        *x = 1.0 - 2.0 / (1.0 + exp::<FMA>(2.0 * *x));
    }
}

/// Turns logits into probabilities; returns the logarithm of the sum of their exponentials.
pub fn softmax(row: &mut [f32]) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[expect(unsafe_code, reason = "calls a function compiled for AVX2 and FMA")]
        // SAFETY: the instructions it needs were just found on this machine.
        return unsafe { softmax_avx2(row) };
    }
    softmax_with::<false>(row)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn softmax_avx2(row: &mut [f32]) -> f64 {
    softmax_with::<true>(row)
}

#[inline(always)]
fn softmax_with<const FMA: bool>(row: &mut [f32]) -> f64 {
    let largest = row.iter().fold(f32::NEG_INFINITY, |largest, &x| if x > largest { x } else { largest });
    // Sixteen running sums, so that the order of addition is fixed and vectorises.
    let mut sums = [0f32; 16];
    let (lanes, rest) = row.as_chunks_mut::<16>();
    for lane in lanes {
        for k in 0..16 {
            lane[k] = exp::<FMA>(lane[k] - largest);
            sums[k] += lane[k];
        }
    }
    let mut sum = 0f64;
    for x in rest {
        *x = exp::<FMA>(*x - largest);
        sum += f64::from(*x);
    }
    sum += sums.iter().map(|&x| f64::from(x)).sum::<f64>();
    let scale = (1.0 / sum) as f32;
    row.iter_mut().for_each(|x| *x *= scale);
    f64::from(largest) + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_agree_with_the_library() {
        let row: Vec<f32> = (0..103).map(|k| (k as f32 * 0.7).sin() * 9.0).collect();
        let mut t = row.clone();
        tanh(&mut t);
        for (x, y) in row.iter().zip(&t) {
            assert!((f64::from(*y) - f64::from(*x).tanh()).abs() < 1e-6, "{x}: {y}");
        }
        let mut p = row.clone();
        let log_sum = softmax(&mut p);
        let expected: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        assert!((log_sum - expected.ln()).abs() < 1e-6);
        for (x, y) in row.iter().zip(&p) {
            let share = f64::from(*x).exp() / expected;
            assert!((f64::from(*y) - share).abs() < 1e-6 * share + 1e-9, "{x}: {y} {share}");
        }
        let mut broken = [0.0, f32::NAN];
        assert!(softmax(&mut broken).is_nan());
    }
}

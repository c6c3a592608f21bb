//! Adam (Kingma and Ba, ICLR 2015, algorithm 1) over whole tables.
//! Must not know where gradients come from.

use super::kernels::has_avx2;
use rayon::prelude::*;

/// Decay of the first moment.
const BETA_1: f32 = 0.9;
/// Decay of the second moment.
const BETA_2: f32 = 0.999;
/// Keeps the division finite.
const EPSILON: f32 = 1e-8;

/// Numbers a thread takes at once.
const PART: usize = 8192;

/// The step length of step `t` (from 1), both bias corrections folded in (end of section 2
/// of the paper).
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    alpha: f32,
    epsilon: f32,
}

impl Rate {
    /// The rate of step `t`, from 1.
    pub fn of_step(learning_rate: f32, t: u64) -> Self {
        let t = i32::try_from(t).unwrap_or(i32::MAX);
        let unbias_1 = 1.0 - f64::from(BETA_1).powi(t);
        let unbias_2 = (1.0 - f64::from(BETA_2).powi(t)).sqrt();
        Rate {
            alpha: (f64::from(learning_rate) * unbias_2 / unbias_1) as f32,
            epsilon: (f64::from(EPSILON) * unbias_2) as f32,
        }
    }
}

/// First and second moments of one table.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Decayed mean of the gradients.
    pub first: Vec<f32>,
    /// Decayed mean of their squares.
    pub second: Vec<f32>,
}

impl Moments {
    /// Moments of a table of this length.
    pub fn zeros(len: usize) -> Self {
        Moments { first: vec![0.0; len], second: vec![0.0; len] }
    }

    /// Moves every parameter against its gradient plus `decay` times itself (L2).
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: Rate, decay: f32) {
        assert_eq!(parameters.len(), gradient.len(), "one gradient a parameter");
        assert_eq!(parameters.len(), self.first.len(), "one moment a parameter");
        parameters
            .par_chunks_mut(PART)
            .zip(gradient.par_chunks(PART))
            .zip(self.first.par_chunks_mut(PART).zip(self.second.par_chunks_mut(PART)))
            .for_each(|((p, g), (m, v))| update(p, g, m, v, rate, decay));
    }
}

fn update(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], rate: Rate, decay: f32) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[expect(unsafe_code, reason = "calls a function compiled for AVX2 and FMA")]
        // SAFETY: the instructions it needs were just found on this machine.
        return unsafe { update_avx2(p, g, m, v, rate, decay) };
    }
    update_with(p, g, m, v, rate, decay);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn update_avx2(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], rate: Rate, decay: f32) {
    update_with(p, g, m, v, rate, decay);
}

/// No fused operation here, so both versions give the same bits.
#[inline(always)]
fn update_with(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], rate: Rate, decay: f32) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g + decay * *p;
        *m = BETA_1 * *m + (1.0 - BETA_1) * g;
        *v = BETA_2 * *v + (1.0 - BETA_2) * g * g;
        *p -= rate.alpha * *m / (v.sqrt() + rate.epsilon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_steps_follow_the_papers_recursion() {
        let gradients = [[0.5f32, -2.0], [0.1, 3.0], [-0.7, 0.0]];
        let (mut p, mut moments) = (vec![1.0f32, -1.0], Moments::zeros(2));
        let (mut q, mut m, mut v) = ([1.0f64, -1.0], [0f64; 2], [0f64; 2]);
        for (t, g) in gradients.iter().enumerate() {
            let t = t as u64 + 1;
            moments.step(&mut p, g, Rate::of_step(0.1, t), 0.01);
            for k in 0..2 {
                let g = f64::from(g[k]) + 0.01 * q[k];
                m[k] = 0.9 * m[k] + 0.1 * g;
                v[k] = 0.999 * v[k] + 0.001 * g * g;
                let m_hat = m[k] / (1.0 - 0.9f64.powi(t as i32));
                let v_hat = v[k] / (1.0 - 0.999f64.powi(t as i32));
                q[k] -= 0.1 * m_hat / (v_hat.sqrt() + 1e-8);
                assert!((f64::from(p[k]) - q[k]).abs() < 1e-5, "step {t}: {p:?} {q:?}");
            }
        }
    }
}

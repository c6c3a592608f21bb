//! Adam (Kingma and Ba, ICLR 2015, algorithm 1) over whole tables, and AdamW (Loshchilov and Hutter, ICLR
//! 2019, algorithm 2), whose decay is apart from the gradient.
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
    learning_rate: f32,
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
            learning_rate,
        }
    }
}

/// How parameters are kept small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// They are not.
    None,
    /// So much of each parameter is added to its gradient (L2).
    L2(f32),
    /// Each parameter shrinks by the step length times this (AdamW).
    Decoupled(f32),
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

    /// Moves every parameter against its gradient, with this decay.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: Rate, decay: Decay) {
        let (keep, l2) = match decay {
            Decay::None => (1.0, 0.0),
            Decay::L2(l2) => (1.0, l2),
            Decay::Decoupled(decay) => (1.0 - rate.learning_rate * decay, 0.0),
        };
        assert_eq!(parameters.len(), gradient.len(), "one gradient a parameter");
        assert_eq!(parameters.len(), self.first.len(), "one moment a parameter");
        parameters
            .par_chunks_mut(PART)
            .zip(gradient.par_chunks(PART))
            .zip(self.first.par_chunks_mut(PART).zip(self.second.par_chunks_mut(PART)))
            .for_each(|((p, g), (m, v))| update(p, g, m, v, rate, keep, l2));
    }
}

fn update(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], rate: Rate, keep: f32, l2: f32) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[expect(unsafe_code, reason = "calls a function compiled for AVX2 and FMA")]
        // SAFETY: the instructions it needs were just found on this machine.
        return unsafe { update_avx2(p, g, m, v, rate, keep, l2) };
    }
    update_with(p, g, m, v, rate, keep, l2);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn update_avx2(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], rate: Rate, keep: f32, l2: f32) {
    update_with(p, g, m, v, rate, keep, l2);
}

/// No fused operation here, so both versions give the same bits.
#[inline(always)]
fn update_with(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], rate: Rate, keep: f32, l2: f32) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g + l2 * *p;
        *m = BETA_1 * *m + (1.0 - BETA_1) * g;
        *v = BETA_2 * *v + (1.0 - BETA_2) * g * g;
        *p = keep * *p - rate.alpha * *m / (v.sqrt() + rate.epsilon);
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
            moments.step(&mut p, g, Rate::of_step(0.1, t), Decay::L2(0.01));
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

    #[test]
    fn decoupled_decay_leaves_the_moments_alone() {
        let (mut p, mut plain) = (vec![2.0f32], vec![2.0f32]);
        let (mut moments, mut plain_moments) = (Moments::zeros(1), Moments::zeros(1));
        moments.step(&mut p, &[0.5], Rate::of_step(0.1, 1), Decay::Decoupled(0.3));
        plain_moments.step(&mut plain, &[0.5], Rate::of_step(0.1, 1), Decay::None);
        assert_eq!(moments.first, plain_moments.first);
        assert!((p[0] - (plain[0] - 0.1 * 0.3 * 2.0)).abs() < 1e-6, "{p:?} {plain:?}");
    }
}

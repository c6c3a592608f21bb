//! Plain stochastic gradient descent over one [`Meeting`] of a user block and an item
//! block, with the pairwise (BPR) or the pointwise loss. Must not know epochs.

use super::blocks::Meeting;
use super::kernels::{
    LogSum, dot, dot_difference, exp, has_avx2, pairwise_step, pointwise_step, prefetch, share,
};
use super::negatives::Seen;

/// What one step costs and moves.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Length of a padded row.
    pub stride: usize,
    /// Step length.
    pub learning_rate: f32,
    /// Weight decay: gradient of `reg / 2 · |row|²` a sample.
    pub reg: f32,
    /// Negatives a positive (pointwise only).
    pub n_negatives: u32,
}

/// Which loss a sample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// `-ln σ(x_ui − x_uj)`: Rendle et al. (2009), equation in section 4.1, one negative a positive.
    Pairwise,
    /// `-ln σ(x_ui) − Σ_j ln σ(−x_uj)`: binary cross-entropy with sampled negatives.
    Pointwise,
}

/// Takes one step for every positive pair of the meeting; returns the summed loss.
pub fn descend(objective: Objective, meeting: Meeting<'_>, seen: &Seen<'_>, step: Step) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[expect(unsafe_code, reason = "calls a function compiled for AVX2 and FMA")]
        // SAFETY: the instructions it needs were just found on this machine.
        return unsafe { descend_avx2(objective, meeting, seen, step) };
    }
    dispatch::<false>(objective, meeting, seen, step)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn descend_avx2(objective: Objective, meeting: Meeting<'_>, seen: &Seen<'_>, step: Step) -> f64 {
    dispatch::<true>(objective, meeting, seen, step)
}

#[inline(always)]
fn dispatch<const FMA: bool>(objective: Objective, meeting: Meeting<'_>, seen: &Seen<'_>, step: Step) -> f64 {
    match objective {
        Objective::Pairwise => pairwise::<FMA>(meeting, seen, step),
        Objective::Pointwise => pointwise::<FMA>(meeting, seen, step),
    }
}

/// Positives whose negatives are drawn together, apart from the arithmetic: the processor then
/// works on several steps at once.
const DRAWN_TOGETHER: usize = 64;

/// How many steps ahead rows are asked for: their memory takes longer to come than one step.
const AHEAD: usize = 3;

/// In place of a negative, where the user has every item.
const NOBODY: u32 = u32::MAX;

#[inline(always)]
fn pairwise<const FMA: bool>(mut meeting: Meeting<'_>, seen: &Seen<'_>, step: Step) -> f64 {
    let Step { stride, learning_rate, reg, .. } = step;
    let keep = 1.0 - learning_rate * reg;
    let mut loss = LogSum::default();
    let mut negatives = [NOBODY; DRAWN_TOGETHER];
    for pairs in meeting.pairs.chunks(DRAWN_TOGETHER) {
        for (negative, &(user, _)) in negatives.iter_mut().zip(pairs) {
            let user = meeting.user_start as u32 + user;
            *negative = seen.draw(user, meeting.item_ids, &mut meeting.rng).unwrap_or(NOBODY);
        }
        for (at, (&negative, &(user, pos))) in negatives.iter().zip(pairs).enumerate() {
            if let Some(&(user, pos)) = pairs.get(at + AHEAD) {
                prefetch(&meeting.users[user as usize * stride..][..stride]);
                prefetch(&meeting.items[pos as usize * stride..][..stride]);
                if let Some(row) = meeting.items.get(negatives[at + AHEAD] as usize * stride..) {
                    prefetch(&row[..stride.min(row.len())]);
                }
            }
            if negative == NOBODY {
                continue;
            }
            let u = &mut meeting.users[user as usize * stride..][..stride];
            let (pos, neg) = (pos as usize * stride, negative as usize * stride);
            // A negative is never the positive, so the rows are two.
            let Ok([p, n]) = meeting.items.get_disjoint_mut([pos..pos + stride, neg..neg + stride]) else {
                continue;
            };
            let odds = exp::<FMA>(-dot_difference::<FMA>(u, p, n));
            loss.add(odds);
            pairwise_step::<FMA>(u, p, n, learning_rate * share(odds), keep);
        }
    }
    loss.finish()
}

#[inline(always)]
fn pointwise<const FMA: bool>(mut meeting: Meeting<'_>, seen: &Seen<'_>, step: Step) -> f64 {
    let Step { stride, learning_rate, reg, n_negatives } = step;
    let keep = 1.0 - learning_rate * reg;
    let mut loss = LogSum::default();
    for &(user, pos) in meeting.pairs {
        let u = &mut meeting.users[user as usize * stride..][..stride];
        let p = &mut meeting.items[pos as usize * stride..][..stride];
        let odds = exp::<FMA>(-dot::<FMA>(u, p));
        loss.add(odds);
        pointwise_step::<FMA>(u, p, learning_rate * share(odds), keep);
        for _ in 0..n_negatives {
            let Some(neg) = seen.draw(meeting.user_start as u32 + user, meeting.item_ids, &mut meeting.rng)
            else {
                break;
            };
            let n = &mut meeting.items[neg as usize * stride..][..stride];
            let odds = exp::<FMA>(dot::<FMA>(u, n));
            loss.add(odds);
            pointwise_step::<FMA>(u, n, -learning_rate * share(odds), keep);
        }
    }
    loss.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::sparse::Csr;
    use crate::rng::{Purpose, Streams};

    /// One user, one positive, one possible negative: the step must follow the finite-difference
    /// gradient of the loss.
    #[test]
    fn a_step_goes_down_the_gradient_of_its_loss() {
        let train = Csr::new(1, 2, vec![0, 1], vec![0], vec![1.0]);
        let seen = Seen::new(&train);
        let start: Vec<f64> = (0..24).map(|k| 0.1 * f64::from(k % 7) - 0.25).collect();
        let (reg, n) = (0.3, 1.0);
        let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
        for objective in [Objective::Pairwise, Objective::Pointwise] {
            let loss = |v: &[f64]| -> f64 {
                let dot = |at: usize| (0..8).map(|k| v[k] * v[at + k]).sum::<f64>();
                let squares: f64 = v.iter().map(|x| x * x).sum();
                let fit = match objective {
                    Objective::Pairwise => -sigma(dot(8) - dot(16)).ln(),
                    Objective::Pointwise => -sigma(dot(8)).ln() - n * sigma(-dot(16)).ln(),
                };
                fit + reg / 2.0 * squares
            };
            let rate = 1e-4f32;
            let mut users: Vec<f32> = start[..8].iter().map(|&x| x as f32).collect();
            let mut items: Vec<f32> = start[8..].iter().map(|&x| x as f32).collect();
            let meeting = Meeting {
                user_start: 0,
                users: &mut users,
                items: &mut items,
                item_ids: &[0, 1],
                pairs: &[(0, 0)],
                rng: Streams::new(1).stream(Purpose::Training, 0, 0, 0),
            };
            let step = Step { stride: 8, learning_rate: rate, reg: reg as f32, n_negatives: 1 };
            let got = descend(objective, meeting, &seen, step);
            assert!((got - loss(&start) + reg / 2.0 * start.iter().map(|x| x * x).sum::<f64>()).abs() < 1e-4);
            for (k, after) in users.iter().chain(&items).enumerate() {
                let (mut up, mut down) = (start.clone(), start.clone());
                up[k] += 1e-5;
                down[k] -= 1e-5;
                let slope = (loss(&up) - loss(&down)) / 2e-5;
                let moved = (start[k] - f64::from(*after)) / f64::from(rate);
                // The pointwise user row decays once a sample, so twice here.
                let twice = objective == Objective::Pointwise && k < 8;
                let slope = if twice { slope + reg * start[k] } else { slope };
                assert!((moved - slope).abs() < 5e-3, "{objective:?} {k}: {moved} against {slope}");
            }
        }
    }
}

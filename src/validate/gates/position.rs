//! Gates: on shuffled pages every slot is as relevant as any other, so what is left of a fall in
//! watching from slot to slot is position itself; and it never rises.

use super::probe::common_luck;
use super::{CONFIDENCE, FittedArm, gate};
use crate::event::{Page, Session};
use crate::id::UserId;
use crate::report::estimate::{Estimate, Mean};
use crate::validate::ValidateError;
use crate::validate::check::{Bound, Check};
use crate::validate::simulate::Stage;
use crate::world::{Presentation, SessionRules};

/// Largest slope of relevance over slots, in standard deviations of taste a slot.
const RELEVANCE_SLOPE_MAX: f64 = 0.03;

/// Runs the gates; with them comes the watch rate by slot.
pub fn run(stage: &Stage<'_>, arm: &FittedArm) -> Result<(Vec<Check>, Vec<Option<Estimate>>), ValidateError> {
    let rules = SessionRules { presentation: Presentation::Shuffled, ..stage.rules() };
    let sessions = stage.sessions(&arm.name, &arm.recommender, rules, common_luck(stage.prepared))?;
    let n_slots = rules.items_per_page;
    let watched = |_: &Session, page: &Page, slot: usize| f64::from(u8::from(page.slots[slot].watched));
    let liked = |session: &Session, page: &Page, slot: usize| {
        let user: UserId = stage.prepared.agents.profile(session.agent).user;
        f64::from(stage.prepared.facts.taste.affinity(user, page.slots[slot].item))
    };
    let slope = slope(n_slots);
    let steps = (1..n_slots).filter_map(|slot| contrast(&sessions, &step(n_slots, slot), watched));
    let worst = steps.max_by(|a, b| a.low.total_cmp(&b.low));
    let checks = vec![
        gate("position: relevance", "index", contrast(&sessions, &slope, liked))
            .bounded(Bound::Within(RELEVANCE_SLOPE_MAX))
            .about("the slope of true liking over the slots of shuffled pages, in standard deviations a slot"),
        gate("position: slope", "share", contrast(&sessions, &slope, watched))
            .bounded(Bound::NotPositive)
            .about("the slope of the watch rate over the slots of shuffled pages: position bias, free of relevance"),
        gate("position: steps", "share", worst)
            .bounded(Bound::NotPositive)
            .about("the largest rise of the watch rate from one slot of a shuffled page to the next"),
    ];
    let slots = (0..n_slots).map(|slot| contrast(&sessions, &unit(n_slots, slot), watched)).collect();
    Ok((checks, slots))
}

/// Weights that sum the slots up to their least-squares slope.
fn slope(n_slots: usize) -> Vec<f64> {
    let centre = (n_slots as f64 - 1.0) / 2.0;
    let squares: f64 = (0..n_slots).map(|k| (k as f64 - centre).powi(2)).sum();
    (0..n_slots).map(|k| (k as f64 - centre) / squares).collect()
}

/// Weights of one slot minus the one before.
fn step(n_slots: usize, slot: usize) -> Vec<f64> {
    (0..n_slots).map(|k| f64::from(u8::from(k == slot)) - f64::from(u8::from(k + 1 == slot))).collect()
}

/// Weights of one slot alone.
fn unit(n_slots: usize, slot: usize) -> Vec<f64> {
    (0..n_slots).map(|k| f64::from(u8::from(k == slot))).collect()
}

/// The weighted sum over the slots of a page: the mean over the full pages of a person, then over
/// people. `None` where weights are no numbers or no page is full.
fn contrast(
    sessions: &[Session],
    weights: &[f64],
    value: impl Fn(&Session, &Page, usize) -> f64,
) -> Option<Estimate> {
    if weights.iter().any(|weight| !weight.is_finite()) {
        return None;
    }
    let mut mean = Mean::default();
    for session in sessions {
        let full: Vec<&Page> =
            session.pages.iter().filter(|page| page.slots.len() == weights.len()).collect();
        let of = |page: &&Page| -> f64 {
            weights.iter().enumerate().map(|(slot, weight)| weight * value(session, page, slot)).sum()
        };
        if !full.is_empty() {
            mean.add(full.iter().map(of).sum::<f64>() / full.len() as f64);
        }
    }
    mean.estimate(CONFIDENCE)
}

//! Models in which a page is read from the top: the cascade model (Craswell et al. 2008), which ends with the first
//! watch, and the dependent click model (Guo, Liu and Wang 2009), which goes on after a watch with a probability by
//! slot. Must not know what slots and kinds are.
//!
//! Both are fitted by counting what was surely read: all slots down to the last watch, or the whole page where nothing
//! was watched. For the dependent click model that is a bound (Guo et al. 2009, §4): some went on below
//! the last watch and liked nothing. Steps of expectation maximisation share them out, from there.

use super::click_model::{ClickModel, FittedClickModel, Prior, inside};
use super::pages::{Page, Pages};

/// Steps after which fitting stops at the latest.
const N_STEPS_MAX: usize = 1000;
/// Largest change of a probability of going on at which it has converged.
const TOLERANCE: f64 = 1e-7;
/// Pseudo-observations of going on, half of them yes.
const GOING_ON_STRENGTH: f64 = 1.0;

/// The cascade model: whoever watches something reads no further.
pub struct Cascade {
    /// Pseudo-exposures of the prior.
    pub strength: f64,
}

/// The dependent click model: whoever watches something may read on.
pub struct DependentClick {
    /// Pseudo-exposures of the prior.
    pub strength: f64,
}

/// A model that reads from the top, with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedCascade {
    /// P(watched, once read), by kind.
    pub attractiveness: Vec<f64>,
    /// P(reading on after a watch), by slot; what the last slot says matters to nothing.
    pub going_on: Vec<f64>,
}

/// What the counts say so far.
struct Counts {
    /// Watched and read, by kind.
    kinds: Vec<(f64, f64)>,
    /// Went on and could have, by slot.
    slots: Vec<(f64, f64)>,
}

impl Counts {
    fn new(pages: &Pages) -> Self {
        Counts { kinds: vec![(0.0, 0.0); pages.n_kinds()], slots: vec![(0.0, 0.0); pages.n_slots()] }
    }

    /// Takes in slots that were read with this weight.
    fn read(&mut self, kinds: &[u32], watched: &[bool], weight: f64) {
        for (&kind, &watched) in kinds.iter().zip(watched) {
            let count = &mut self.kinds[kind as usize];
            count.0 += if watched { weight } else { 0.0 };
            count.1 += weight;
        }
    }

    /// Takes in a page of a model that goes on; `on` says how likely somebody read on below the last watch.
    fn page(&mut self, page: Page<'_>, weight: f64, on: impl FnOnce(usize) -> f64) {
        let Some(last) = page.watched.iter().rposition(|&watched| watched) else {
            return self.read(page.kinds, page.watched, weight);
        };
        self.read(&page.kinds[..=last], &page.watched[..=last], weight);
        for slot in (0..last).filter(|&slot| page.watched[slot]) {
            self.slots[slot].0 += weight;
            self.slots[slot].1 += weight;
        }
        let below = last + 1;
        if below < page.kinds.len() {
            let on = on(last);
            self.slots[last].0 += weight * on;
            self.slots[last].1 += weight;
            self.read(&page.kinds[below..], &page.watched[below..], weight * on);
        }
    }

    fn attractiveness(&self, prior: Prior) -> Vec<f64> {
        self.kinds.iter().map(|&(watched, read)| prior.share_of(watched, read)).collect()
    }

    fn going_on(&self) -> Vec<f64> {
        let share = |&(on, all): &(f64, f64)| (on + GOING_ON_STRENGTH / 2.0) / (all + GOING_ON_STRENGTH);
        self.slots.iter().map(|slot| inside(share(slot))).collect()
    }
}

impl Cascade {
    /// Fits it and gives its numbers: of every page, what is read until the first watch.
    pub fn numbers(&self, pages: &Pages, weights: &[f64]) -> FittedCascade {
        let mut counts = Counts::new(pages);
        for page in pages.iter() {
            let n_read =
                page.watched.iter().position(|&watched| watched).map_or(page.kinds.len(), |at| at + 1);
            counts.read(&page.kinds[..n_read], &page.watched[..n_read], weights[page.person as usize]);
        }
        let prior = Prior::around(pages, weights, self.strength);
        FittedCascade { attractiveness: counts.attractiveness(prior), going_on: vec![0.0; pages.n_slots()] }
    }
}

impl DependentClick {
    /// Fits it and gives its numbers.
    pub fn numbers(&self, pages: &Pages, weights: &[f64]) -> FittedCascade {
        let prior = Prior::around(pages, weights, self.strength);
        let count = |before: Option<&FittedCascade>| {
            let mut counts = Counts::new(pages);
            for page in pages.iter().filter(|page| weights[page.person as usize] > 0.0) {
                let on = |last| before.map_or(0.0, |fitted| fitted.went_on(page, last));
                counts.page(page, weights[page.person as usize], on);
            }
            FittedCascade { attractiveness: counts.attractiveness(prior), going_on: counts.going_on() }
        };
        let mut fitted = count(None);
        for _ in 0..N_STEPS_MAX {
            let next = count(Some(&fitted));
            let changes = next.going_on.iter().zip(&fitted.going_on).map(|(a, b)| (a - b).abs());
            let change = changes.fold(0.0, f64::max);
            fitted = next;
            if change < TOLERANCE {
                break;
            }
        }
        fitted
    }
}

impl FittedCascade {
    fn likes(&self, kind: u32) -> f64 {
        self.attractiveness[kind as usize]
    }

    /// P(nothing of these is watched, all being read).
    fn passed_over(&self, kinds: &[u32]) -> f64 {
        kinds.iter().map(|&kind| 1.0 - self.likes(kind)).product()
    }

    /// P(read on below the last watch, given that nothing there was watched).
    fn went_on(&self, page: Page<'_>, last: usize) -> f64 {
        let on = self.going_on[last] * self.passed_over(&page.kinds[last + 1..]);
        on / (1.0 - self.going_on[last] + on)
    }
}

impl ClickModel for Cascade {
    fn name(&self) -> &'static str {
        "cascade"
    }

    fn fit(&self, pages: &Pages, weights: &[f64]) -> Box<dyn FittedClickModel> {
        Box::new(self.numbers(pages, weights))
    }
}

impl ClickModel for DependentClick {
    fn name(&self) -> &'static str {
        "dependent_click"
    }

    fn fit(&self, pages: &Pages, weights: &[f64]) -> Box<dyn FittedClickModel> {
        Box::new(self.numbers(pages, weights))
    }
}

impl FittedClickModel for FittedCascade {
    fn log_likelihood(&self, page: Page<'_>) -> f64 {
        let Some(last) = page.watched.iter().rposition(|&watched| watched) else {
            return self.passed_over(page.kinds).ln();
        };
        let mut log = 0.0;
        for slot in 0..=last {
            let likes = self.likes(page.kinds[slot]);
            log += if page.watched[slot] { likes.ln() } else { (-likes).ln_1p() };
            if page.watched[slot] && slot < last {
                log += self.going_on[slot].ln();
            }
        }
        let on = self.going_on[last];
        log + (1.0 - on + on * self.passed_over(&page.kinds[last + 1..])).ln()
    }

    fn marginals(&self, kinds: &[u32]) -> Vec<f64> {
        let mut reads = 1.0;
        let slots = kinds.iter().zip(&self.going_on);
        slots
            .map(|(&kind, on)| {
                let likes = self.likes(kind);
                let watched = reads * likes;
                reads *= 1.0 - likes + likes * on;
                watched
            })
            .collect()
    }

    fn hazards(&self, kinds: &[u32]) -> Vec<f64> {
        kinds.iter().map(|&kind| self.likes(kind)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_cascade_are_its_maximum() {
        // Kind 0 read 3 times and watched once, kind 1 read twice and watched once.
        let mut pages = Pages::new(2, 1, 2);
        pages.push(Page { person: 0, kinds: &[0, 1], watched: &[true, false] });
        pages.push(Page { person: 0, kinds: &[0, 1], watched: &[false, true] });
        pages.push(Page { person: 0, kinds: &[1, 0], watched: &[false, false] });
        let fitted = Cascade { strength: 1e-9 }.numbers(&pages, &[1.0]);
        assert!((fitted.attractiveness[0] - 1.0 / 3.0).abs() < 1e-6);
        assert!((fitted.attractiveness[1] - 1.0 / 2.0).abs() < 1e-6);
        let twice = Page { person: 0, kinds: &[0, 1], watched: &[true, true] };
        assert_eq!(fitted.log_likelihood(twice), f64::NEG_INFINITY, "a cascade ends with a watch");
    }
}

//! The position-based model: P(watched) = examination(slot) · attractiveness(kind), slots apart
//! (Richardson, Dominowska and Ragno 2007; Craswell et al. 2008; Chuklin, Markov and de Rijke 2015, §3.3), and
//! the model without any examination beside it. Must not know what slots and kinds are.
//!
//! Fitted by expectation maximisation (Chuklin et al. 2015, §4.2.1) on counts by kind and slot, which hold all
//! that the likelihood needs. Only products are identified: examination is told relative to the
//! first slot. A Beta prior on attractiveness keeps kinds that were hardly shown near the mean; between
//! equal products it prefers the smallest attractiveness, so the most examined slot tends to 1.

use super::click_model::{ClickModel, FittedClickModel, Prior, independent, inside};
use super::pages::{Page, Pages};
use crate::rng::{Purpose, Streams};
use crate::stats::summary::quantile;
use rand::RngExt;
use rayon::prelude::*;

/// Steps after which fitting stops at the latest.
const N_STEPS_MAX: usize = 5000;
/// Largest change of a relative examination at which it has converged.
const TOLERANCE: f64 = 1e-7;

/// The position-based model.
pub struct PositionBased {
    /// Pseudo-exposures of the prior.
    pub strength: f64,
}

/// Its special case in which every slot is examined: what is watched depends on the kind alone.
pub struct PositionBlind {
    /// Pseudo-exposures of the prior.
    pub strength: f64,
}

/// A position-based model with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedPositionBased {
    /// P(looked at), by slot; identified up to a common factor.
    pub examination: Vec<f64>,
    /// P(watched, once looked at), by kind; up to the inverse of that factor.
    pub attractiveness: Vec<f64>,
    /// Steps taken.
    pub n_steps: usize,
    /// Whether fitting came to rest before its last step.
    pub has_converged: bool,
}

/// How often a kind stood in a slot, and how often it was watched there.
#[derive(Clone, Copy, Debug)]
struct Cell {
    kind: usize,
    slot: usize,
    shown: f64,
    watched: f64,
}

/// Counts of all pages, by kind and slot; cells that nobody saw are left out.
fn cells(pages: &Pages, weights: &[f64]) -> Vec<Cell> {
    let n_slots = pages.n_slots();
    let mut counts = vec![(0.0, 0.0); pages.n_kinds() * n_slots];
    for page in pages.iter() {
        let weight = weights[page.person as usize];
        for (slot, (&kind, &watched)) in page.kinds.iter().zip(page.watched).enumerate() {
            let cell = &mut counts[kind as usize * n_slots + slot];
            cell.0 += weight;
            cell.1 += if watched { weight } else { 0.0 };
        }
    }
    let shown = counts.into_iter().enumerate().filter(|(_, (shown, _))| *shown > 0.0);
    shown
        .map(|(at, (shown, watched))| Cell { kind: at / n_slots, slot: at % n_slots, shown, watched })
        .collect()
}

impl PositionBased {
    /// Fits it and gives its numbers.
    pub fn numbers(&self, pages: &Pages, weights: &[f64]) -> FittedPositionBased {
        let prior = Prior::around(pages, weights, self.strength);
        let cells = cells(pages, weights);
        let mut fitted = start(&cells, pages, prior);
        while fitted.n_steps < N_STEPS_MAX && !fitted.has_converged {
            let before = fitted.relative_examination();
            step(&mut fitted, &cells, prior);
            let after = fitted.relative_examination();
            let change = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            fitted.has_converged = change < TOLERANCE;
        }
        fitted
    }
}

impl PositionBased {
    /// Intervals of the relative examination, by slot: percentiles over fits to resampled people. `None` where fewer
    /// than half of them say anything.
    pub fn intervals(
        &self,
        pages: &Pages,
        n_replicates: usize,
        confidence: f64,
        streams: &Streams,
    ) -> Vec<Option<(f64, f64)>> {
        let fits: Vec<Vec<f64>> = (0..n_replicates)
            .into_par_iter()
            .map(|nth| {
                self.numbers(pages, &resampled(pages.n_persons(), nth, streams)).relative_examination()
            })
            .collect();
        let interval = |slot: usize| {
            let mut values: Vec<f64> = fits.iter().map(|fit| fit[slot]).filter(|x| x.is_finite()).collect();
            values.sort_by(f64::total_cmp);
            let tail = (1.0 - confidence) / 2.0;
            let ends = Some((quantile(&values, tail)?, quantile(&values, 1.0 - tail)?));
            ends.filter(|_| values.len() * 2 >= n_replicates)
        };
        (0..pages.n_slots()).map(interval).collect()
    }
}

/// How often every person is drawn, of as many draws as there are people.
fn resampled(n_persons: usize, nth: usize, streams: &Streams) -> Vec<f64> {
    let mut rng = streams.stream(Purpose::ClickModel, 0, nth as u64, 1);
    let mut weights = vec![0.0; n_persons];
    (0..n_persons).for_each(|_| weights[rng.random_range(0..n_persons as u32) as usize] += 1.0);
    weights
}

/// Examination as the plain watch rates have it, attractiveness as the prior has it.
fn start(cells: &[Cell], pages: &Pages, prior: Prior) -> FittedPositionBased {
    let mut by_slot = vec![(0.0, 0.0); pages.n_slots()];
    for cell in cells {
        by_slot[cell.slot].0 += cell.watched;
        by_slot[cell.slot].1 += cell.shown;
    }
    let rates: Vec<f64> = by_slot.iter().map(|(watched, shown)| watched / shown.max(1e-12)).collect();
    let best = rates.iter().copied().fold(1e-12, f64::max);
    FittedPositionBased {
        // Away from 1: a slot that is surely examined would stay so.
        examination: rates.iter().map(|rate| inside(0.95 * rate / best)).collect(),
        attractiveness: vec![prior.share; pages.n_kinds()],
        n_steps: 0,
        has_converged: false,
    }
}

/// One step of expectation maximisation.
fn step(fitted: &mut FittedPositionBased, cells: &[Cell], prior: Prior) {
    let mut of_slots = vec![(0.0, 0.0); fitted.examination.len()];
    let mut of_kinds = vec![(0.0, 0.0); fitted.attractiveness.len()];
    for cell in cells {
        let (look, like) = (fitted.examination[cell.slot], fitted.attractiveness[cell.kind]);
        let unwatched = (cell.shown - cell.watched) / (1.0 - look * like);
        // What is not watched was looked at and did not please, or would have pleased and was not looked at.
        of_slots[cell.slot].0 += cell.watched + unwatched * look * (1.0 - like);
        of_slots[cell.slot].1 += cell.shown;
        of_kinds[cell.kind].0 += cell.watched + unwatched * like * (1.0 - look);
        of_kinds[cell.kind].1 += cell.shown;
    }
    for (look, (seen, shown)) in fitted.examination.iter_mut().zip(of_slots) {
        if shown > 0.0 {
            *look = inside(seen / shown);
        }
    }
    for (like, (pleased, shown)) in fitted.attractiveness.iter_mut().zip(of_kinds) {
        *like = prior.share_of(pleased, shown);
    }
    fitted.n_steps += 1;
}

impl FittedPositionBased {
    /// Examination by slot over that of the first.
    pub fn relative_examination(&self) -> Vec<f64> {
        self.examination.iter().map(|look| look / self.examination[0]).collect()
    }
}

impl ClickModel for PositionBased {
    fn name(&self) -> &'static str {
        "position_based"
    }

    fn fit(&self, pages: &Pages, weights: &[f64]) -> Box<dyn FittedClickModel> {
        Box::new(self.numbers(pages, weights))
    }
}

impl ClickModel for PositionBlind {
    fn name(&self) -> &'static str {
        "position_blind"
    }

    fn fit(&self, pages: &Pages, weights: &[f64]) -> Box<dyn FittedClickModel> {
        let prior = Prior::around(pages, weights, self.strength);
        let mut of_kinds = vec![(0.0, 0.0); pages.n_kinds()];
        for cell in cells(pages, weights) {
            of_kinds[cell.kind].0 += cell.watched;
            of_kinds[cell.kind].1 += cell.shown;
        }
        Box::new(FittedPositionBased {
            examination: vec![1.0; pages.n_slots()],
            attractiveness: of_kinds
                .into_iter()
                .map(|(watched, shown)| prior.share_of(watched, shown))
                .collect(),
            n_steps: 0,
            has_converged: true,
        })
    }
}

impl FittedClickModel for FittedPositionBased {
    fn log_likelihood(&self, page: Page<'_>) -> f64 {
        independent(&self.marginals(page.kinds), page.watched)
    }

    fn marginals(&self, kinds: &[u32]) -> Vec<f64> {
        let slots = self.examination.iter().zip(kinds);
        slots.map(|(look, &kind)| look * self.attractiveness[kind as usize]).collect()
    }

    fn hazards(&self, kinds: &[u32]) -> Vec<f64> {
        self.marginals(kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two kinds in two slots, watched so many times of a hundred.
    fn pages(watched: [[usize; 2]; 2]) -> Pages {
        let mut pages = Pages::new(2, 1, 2);
        for at in 0..100 {
            for kind in [0u32, 1] {
                let other = 1 - kind;
                let is_watched = [at < watched[kind as usize][0], at < watched[other as usize][1]];
                pages.push(Page { person: 0, kinds: &[kind, other], watched: &is_watched });
            }
        }
        pages
    }

    #[test]
    fn exact_products_are_found_again() {
        // Attractiveness .8 and .4, examination 1 and .5, without sampling noise.
        let fitted = PositionBased { strength: 1e-6 }.numbers(&pages([[80, 40], [40, 20]]), &[1.0]);
        let products = [fitted.marginals(&[0, 0]), fitted.marginals(&[1, 1])];
        for (found, expected) in products.concat().into_iter().zip([0.8, 0.4, 0.4, 0.2]) {
            assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
        }
        assert!((fitted.relative_examination()[1] - 0.5).abs() < 1e-4 && fitted.has_converged);
    }

    #[test]
    fn a_step_never_lowers_the_posterior() {
        let pages = pages([[70, 30], [35, 25]]);
        let prior = Prior::around(&pages, &[1.0], 10.0);
        let cells = cells(&pages, &[1.0]);
        let mut fitted = start(&cells, &pages, prior);
        let posterior = |fitted: &FittedPositionBased| {
            let data: f64 = pages.iter().map(|page| fitted.log_likelihood(page)).sum();
            let (yes, no) = (prior.strength * prior.share, prior.strength * (1.0 - prior.share));
            data + fitted.attractiveness.iter().map(|p| yes * p.ln() + no * (-p).ln_1p()).sum::<f64>()
        };
        let mut before = posterior(&fitted);
        for _ in 0..200 {
            step(&mut fitted, &cells, prior);
            let after = posterior(&fitted);
            assert!(after >= before - 1e-9, "{after} after {before}");
            before = after;
        }
    }

    #[test]
    fn people_without_weight_are_as_if_they_were_not_there() {
        let (mut both, mut one) = (Pages::new(2, 2, 2), Pages::new(2, 2, 2));
        for page in pages([[80, 40], [40, 20]]).iter() {
            both.push(page);
            one.push(page);
            both.push(Page { person: 1, kinds: page.kinds, watched: &[false, true] });
        }
        let model = PositionBased { strength: 1.0 };
        let (left, right) = (model.numbers(&both, &[2.0, 0.0]), model.numbers(&one, &[2.0, 0.0]));
        assert_eq!(left, right);
    }
}

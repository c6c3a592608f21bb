//! What plots need to know of the sessions: counts and sums, gathered one session at a
//! time, so that memory does not grow with the population.
//!
//! Distributions describe the last feedback round; the way there is in `metrics.csv`.
//! Knows sessions, items and agents as a run folder has them, and nothing of drawing.

use super::estimate::{Mean, Ratio};
use super::visible::visible;
use crate::event::{ExitReason, Session};
use crate::metric::{Catalogue, Population};

/// The traits by which agents are told apart, in the order of [`RoundFigures::tiers`].
pub const TRAITS: [&str; 3] = ["activity", "diversity", "conformity"];

/// The plot data of every arm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// One entry an arm, in the manifest's order.
    pub arms: Vec<ArmFigures>,
    /// Genre names.
    pub genres: Vec<String>,
    /// Share of each genre in the training interactions.
    pub train_genres: Vec<f64>,
    /// Training interactions of each item.
    pub train_counts: Vec<u64>,
    /// Titles, in item order, fit to be seen.
    pub titles: Vec<String>,
}

/// The plot data of one arm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmFigures {
    /// Sessions of all rounds.
    pub n_sessions: u64,
    /// Sessions of all rounds in which something failed.
    pub n_failed_sessions: u64,
    /// Failures of all rounds.
    pub n_failures: u64,
    /// The last round's sessions.
    pub last: RoundFigures,
}

/// The sessions of one arm in one round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoundFigures {
    /// Feedback round, from 0.
    pub round: u32,
    /// Sessions.
    pub n_sessions: u64,
    /// How often each interview score 1..=10 was given.
    pub satisfaction: [u64; 10],
    /// How often each rating 1..=5 was given.
    pub ratings: [u64; 5],
    /// Sessions that ended after 0, 1, 2, … pages; those that a failure ended are left out, as in `n_exit`.
    pub ended_after: Vec<u64>,
    /// How often each reason of [`ExitReason::ALL`] ended a session.
    pub exits: [u64; 4],
    /// Watched / shown, by slot from 0.
    pub watch_by_slot: Vec<Ratio>,
    /// Watched / shown, by page from 1 (entry 0).
    pub watch_by_page: Vec<Ratio>,
    /// (satisfaction, fatigue) of the reflections, by page from 1 (entry 0).
    pub mood_by_page: Vec<(Mean, Mean)>,
    /// Exposures of each item.
    pub exposures: Vec<u64>,
    /// Share of each genre in the exposures, times the exposures; an item counts equally for each of its genres.
    pub genres: Vec<f64>,
    /// By trait of [`TRAITS`] and tier 1..=3 (entry 0..=2).
    pub tiers: [[TierFigures; 3]; 3],
}

/// The agents of one tier of one trait.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TierFigures {
    /// Watched / shown.
    pub p_view: Ratio,
    /// Interview score.
    pub s_sat: Mean,
    /// Pages seen.
    pub n_exit: Mean,
}

impl Figures {
    /// Figures of `n_arms` arms before any session.
    pub fn new(n_arms: usize, catalogue: &Catalogue) -> Self {
        let mut train_genres = vec![0.0; catalogue.genres.len()];
        for item in &catalogue.items {
            for genre in &item.genres {
                if let Some(share) = train_genres.get_mut(genre.idx()) {
                    *share += f64::from(item.n_train) / item.genres.len() as f64;
                }
            }
        }
        let total: f64 = train_genres.iter().sum();
        if total > 0.0 {
            train_genres.iter_mut().for_each(|share| *share /= total);
        }
        Figures {
            arms: vec![ArmFigures::default(); n_arms],
            genres: catalogue.genres.clone(),
            train_genres,
            train_counts: catalogue.items.iter().map(|item| u64::from(item.n_train)).collect(),
            titles: catalogue.items.iter().map(|item| visible(&item.title)).collect(),
        }
    }

    /// Takes in one session of an arm. Sessions may come in any order of rounds.
    ///
    /// # Panics
    /// When there is no such arm.
    pub fn observe(&mut self, arm: usize, session: &Session, catalogue: &Catalogue, population: &Population) {
        let arm = &mut self.arms[arm];
        arm.n_sessions += 1;
        arm.n_failures += u64::from(session.n_failures);
        arm.n_failed_sessions += u64::from(session.n_failures > 0);
        if session.round > arm.last.round {
            arm.last = RoundFigures { round: session.round, ..RoundFigures::default() };
        }
        if session.round == arm.last.round {
            arm.last.observe(session, catalogue, population);
        }
    }
}

impl RoundFigures {
    fn observe(&mut self, session: &Session, catalogue: &Catalogue, population: &Population) {
        self.n_sessions += 1;
        if session.exit != Some(ExitReason::Failure) {
            count(&mut self.ended_after, session.pages.len());
        }
        if let Some(exit) = session.exit {
            self.exits[ExitReason::ALL.iter().position(|reason| *reason == exit).unwrap_or(0)] += 1;
        }
        if let Some(score @ 1..=10) = session.satisfaction {
            self.satisfaction[usize::from(score) - 1] += 1;
        }
        self.observe_watches(session);
        for (page, satisfaction, fatigue) in &session.reflections {
            // Pages past the session's own would be a broken log; they must not cost memory.
            let place = *page as usize;
            if (1..=session.pages.len()).contains(&place) {
                let mood = entry(&mut self.mood_by_page, place - 1);
                mood.0.add(f64::from(*satisfaction));
                mood.1.add(f64::from(*fatigue));
            }
        }
        self.observe_items(session, catalogue);
        self.observe_tiers(session, population);
    }

    fn observe_watches(&mut self, session: &Session) {
        let mut by_slot: Vec<(f64, f64)> = Vec::new();
        for (p, page) in session.pages.iter().enumerate() {
            let n_watched = page.slots.iter().filter(|slot| slot.watched).count();
            entry(&mut self.watch_by_page, p).add(n_watched as f64, page.slots.len() as f64);
            for (s, slot) in page.slots.iter().enumerate() {
                let sums = entry(&mut by_slot, s);
                sums.0 += f64::from(u8::from(slot.watched));
                sums.1 += 1.0;
                if let Some(rating @ 1..=5) = slot.rating {
                    self.ratings[usize::from(rating) - 1] += 1;
                }
            }
        }
        for (s, (watched, shown)) in by_slot.into_iter().enumerate() {
            entry(&mut self.watch_by_slot, s).add(watched, shown);
        }
    }

    fn observe_items(&mut self, session: &Session, catalogue: &Catalogue) {
        self.exposures.resize(catalogue.items.len(), 0);
        self.genres.resize(catalogue.genres.len(), 0.0);
        for slot in session.slots() {
            let Some(item) = catalogue.items.get(slot.item.idx()) else { continue };
            self.exposures[slot.item.idx()] += 1;
            for genre in &item.genres {
                if let Some(weight) = self.genres.get_mut(genre.idx()) {
                    *weight += 1.0 / item.genres.len() as f64;
                }
            }
        }
    }

    fn observe_tiers(&mut self, session: &Session, population: &Population) {
        let Some(agent) = population.get(session.agent) else { return };
        let (n_watched, n_shown) = (session.n_watched() as f64, session.n_shown() as f64);
        for (tiers, tier) in
            self.tiers.iter_mut().zip([agent.activity(), agent.diversity(), agent.conformity()])
        {
            let Some(figures) = usize::from(tier).checked_sub(1).and_then(|t| tiers.get_mut(t)) else {
                continue;
            };
            figures.p_view.add(n_watched, n_shown);
            if session.exit != Some(ExitReason::Failure) {
                figures.n_exit.add(session.pages.len() as f64);
            }
            if let Some(score) = session.satisfaction {
                figures.s_sat.add(f64::from(score));
            }
        }
    }

    /// Sessions without fatal failure that saw page `page` (from 1); of page 0, all of them.
    pub fn n_reached(&self, page: usize) -> u64 {
        self.ended_after.iter().skip(page).sum()
    }

    /// The most pages any session saw.
    pub fn n_pages_max(&self) -> usize {
        self.ended_after.len().saturating_sub(1)
    }
}

/// The entry at `place`, made with all before it where they are not there yet.
fn entry<T: Default + Clone>(table: &mut Vec<T>, place: usize) -> &mut T {
    if table.len() <= place {
        table.resize(place + 1, T::default());
    }
    &mut table[place]
}

fn count(table: &mut Vec<u64>, place: usize) {
    *entry(table, place) += 1;
}

//! What happened to every item in an arm, as numbers that causes can be looked for in. Must not know how they are looked
//! for.

use super::observations::{CausesError, Observations};
use super::prior::Prior;
use crate::event::Session;
use crate::metric::Catalogue;
use std::ops::Range;

/// The variables, causes before effects as the prior order has them.
pub const VARIABLES: [&str; 5] = ["quality", "popularity", "exposure", "click", "rating"];
/// Their tiers: quality and popularity are there before anything is shown; only what is shown is watched, and only
/// what is watched is rated.
pub const TIERS: [u32; 5] = [0, 0, 1, 2, 3];
/// The place of exposure among the variables.
pub const EXPOSURE: usize = 2;
/// The place of clicks among them.
pub const CLICK: usize = 3;
/// The place of ratings among them.
pub const RATING: usize = 4;

/// What happened to one item.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Sessions in which it was shown.
    pub n_shown: u32,
    /// Sessions in which it was watched.
    pub n_watched: u32,
    /// Sessions in which it was rated.
    pub n_rated: u32,
    /// The sum of those ratings.
    pub sum_of_ratings: u32,
}

impl Counts {
    /// The mean of its ratings.
    pub fn mean_rating(&self) -> Option<f64> {
        (self.n_rated > 0).then(|| f64::from(self.sum_of_ratings) / f64::from(self.n_rated))
    }
}

/// What happened to every item of an arm, round by round.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    n_items: usize,
    rounds: Vec<(u32, Vec<Counts>)>,
}

/// What happened to every item in some rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    /// Sessions.
    pub n_sessions: u32,
    /// One entry an item.
    pub items: Vec<Counts>,
}

impl Tally {
    /// Nothing has happened yet.
    pub fn new(n_items: usize) -> Self {
        Tally { n_items, rounds: Vec::new() }
    }

    /// Counts a session; a page never repeats what a session has shown.
    pub fn take(&mut self, session: &Session) {
        let round = session.round as usize;
        if self.rounds.len() <= round {
            self.rounds.resize(round + 1, (0, vec![Counts::default(); self.n_items]));
        }
        let (n_sessions, items) = &mut self.rounds[round];
        *n_sessions += 1;
        for slot in session.slots() {
            let Some(counts) = items.get_mut(slot.item.idx()) else { continue };
            counts.n_shown += 1;
            counts.n_watched += u32::from(slot.watched);
            if let Some(rating) = slot.rating {
                counts.n_rated += 1;
                counts.sum_of_ratings += u32::from(rating);
            }
        }
    }

    /// Rounds that were counted.
    pub fn n_rounds(&self) -> usize {
        self.rounds.len()
    }

    /// These rounds taken together; those that there are not count nothing.
    pub fn over(&self, rounds: Range<usize>) -> Totals {
        let mut totals = Totals { n_sessions: 0, items: vec![Counts::default(); self.n_items] };
        for (n_sessions, items) in self.rounds.iter().take(rounds.end).skip(rounds.start) {
            totals.n_sessions += n_sessions;
            for (total, one) in totals.items.iter_mut().zip(items) {
                total.n_shown += one.n_shown;
                total.n_watched += one.n_watched;
                total.n_rated += one.n_rated;
                total.sum_of_ratings += one.sum_of_ratings;
            }
        }
        totals
    }
}

impl Totals {
    /// Share of sessions, for a number of them.
    pub fn share(&self, n: u32) -> f64 {
        f64::from(n) / f64::from(self.n_sessions.max(1))
    }

    /// The table of items, in the order of [`VARIABLES`]: mean rating in training, share of people who have it there,
    /// share of sessions in which it was shown and in which it was watched, mean rating by agents. Items shown in fewer
    /// than `min_exposures` sessions or rated in fewer than `min_ratings` are left out.
    ///
    /// # Errors
    /// As [`Observations::new`].
    pub fn observations(
        &self,
        catalogue: &Catalogue,
        min_exposures: u32,
        min_ratings: u32,
    ) -> Result<Observations, CausesError> {
        let n_people = f64::from(catalogue.n_train_users.max(1));
        let mut columns = vec![Vec::new(); VARIABLES.len()];
        for (item, counts) in catalogue.items.iter().zip(&self.items) {
            let (Some(quality), Some(rating)) = (item.mean_rating, counts.mean_rating()) else { continue };
            if counts.n_shown < min_exposures || counts.n_rated < min_ratings {
                continue;
            }
            let row = [
                f64::from(quality),
                f64::from(item.n_train) / n_people,
                self.share(counts.n_shown),
                self.share(counts.n_watched),
                rating,
            ];
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
        Observations::new(&VARIABLES, columns)
    }
}

/// The prior order of the variables, or none.
pub fn prior(is_ordered: bool) -> Prior {
    if is_ordered { Prior::of_tiers(&TIERS) } else { Prior::nothing(TIERS.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Page, Slot};
    use crate::id::{AgentId, ItemId};
    use crate::metric::CatalogueItem;

    fn session(round: u32, slots: &[(u32, Option<u8>)]) -> Session {
        let slot = |&(item, rating): &(u32, Option<u8>)| Slot {
            item: ItemId(item),
            aligned: None,
            held_out: false,
            propensity: None,
            advertised: None,
            watched: rating.is_some(),
            rating,
        };
        Session {
            round,
            agent: AgentId(0),
            pages: vec![Page { number: 1, slots: slots.iter().map(slot).collect() }],
            reflections: Vec::new(),
            exit: None,
            satisfaction: None,
            n_failures: 0,
        }
    }

    #[test]
    fn items_are_counted_by_round_and_told_by_session() {
        let mut tally = Tally::new(3);
        tally.take(&session(0, &[(0, Some(5)), (1, None)]));
        tally.take(&session(0, &[(0, Some(2)), (2, None)]));
        tally.take(&session(1, &[(0, None), (1, Some(4))]));
        assert_eq!(tally.n_rounds(), 2);
        let first = tally.over(0..1);
        assert_eq!(first.n_sessions, 2);
        assert_eq!(first.items[0], Counts { n_shown: 2, n_watched: 2, n_rated: 2, sum_of_ratings: 7 });
        let all = tally.over(0..9);
        assert_eq!((all.n_sessions, all.items[0].n_shown, all.items[1].n_watched), (3, 3, 1));
        assert_eq!((all.share(all.items[0].n_shown), all.items[0].mean_rating()), (1.0, Some(3.5)));
        assert_eq!(all.items[2].mean_rating(), None);
    }

    #[test]
    fn items_hardly_shown_or_never_rated_are_left_out() {
        let mut tally = Tally::new(40);
        for agent in 0..60u32 {
            let slots: Vec<(u32, Option<u8>)> = (0..40)
                .filter(|item| item * 3 % 37 + 12 >= agent)
                .map(|item| {
                    let watched = (item * 7 + agent * 5) % 11 < 3 + item % 3;
                    (item, watched.then_some(1 + ((item + agent * agent) % 5) as u8))
                })
                .collect();
            tally.take(&session(0, &slots));
        }
        let items = (0..40u32).map(|item| CatalogueItem {
            n_train: 3 + item * item % 17,
            mean_rating: (item != 5).then_some(2.0 + (item * 13 % 29) as f32 / 10.0),
            ..CatalogueItem::default()
        });
        let catalogue = Catalogue { items: items.collect(), n_train_users: 20, ..Catalogue::default() };
        let totals = tally.over(0..1);
        let kept = |shown: u32, rated: u32| {
            let is_kept = |(at, counts): (usize, &Counts)| {
                at != 5 && counts.n_shown >= shown && counts.n_rated >= rated.max(1)
            };
            totals.items.iter().enumerate().filter(|(at, counts)| is_kept((*at, counts))).count()
        };
        for (shown, rated) in [(1, 1), (25, 1), (1, 9)] {
            let seen = totals.observations(&catalogue, shown, rated).expect("enough items");
            assert_eq!(seen.n_rows(), kept(shown, rated));
        }
        assert!(kept(25, 1) < 39 && kept(1, 9) < 39);
        let error = totals.observations(&catalogue, 1000, 1).expect_err("no item").to_string();
        assert_eq!(error, "there are 0 rows, expected 7 or more for 5 variables");
    }
}

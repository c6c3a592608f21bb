//! Questions of taste: some items a person chose among others they never met, the others drawn
//! at random or as popular as the chosen ones. Must not know who answers.

use crate::id::{ItemId, UserId};
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use rand::seq::{IndexedRandom, SliceRandom};

/// Where the items come from that a person did not choose. None was ever observed of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negatives {
    /// All alike: mostly obscure ones, so that popularity alone tells them.
    Unobserved,
    /// As popular as the chosen ones: of the [`WINDOW`] nearest in popularity, any.
    PopularityMatched,
}

impl Negatives {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Negatives::Unobserved => "unobserved",
            Negatives::PopularityMatched => "popularity_matched",
        }
    }
}

/// How many items of nearest popularity a matched one is drawn from.
pub const WINDOW: usize = 20;

/// Items put before a person, and which of them they chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Who is asked.
    pub user: UserId,
    /// What about, and whether it was chosen.
    pub items: Vec<(ItemId, bool)>,
}

/// Whoever asks: knows how popular every item is.
pub struct Examiner {
    counts: Vec<u32>,
    /// Items by popularity, equals in random order.
    by_popularity: Vec<u32>,
    /// Every item's place in it.
    places: Vec<u32>,
}

impl Examiner {
    /// An examiner for whom items are as popular as these counts.
    pub fn new(counts: &[u32], streams: Streams) -> Examiner {
        let mut by_popularity: Vec<u32> = (0..counts.len() as u32).collect();
        by_popularity.shuffle(&mut streams.stream(Purpose::TasteTest, 0, 0, 0));
        by_popularity.sort_by_key(|&item| counts[item as usize]);
        let mut places = vec![0; counts.len()];
        for (place, &item) in by_popularity.iter().enumerate() {
            places[item as usize] = place as u32;
        }
        Examiner { counts: counts.to_vec(), by_popularity, places }
    }

    /// A question with so many items of either kind; `None` where the person has too few.
    ///
    /// `positives` are the items to choose from, `observed` all that were ever observed of the
    /// person, ascending.
    pub fn ask(
        &self,
        user: UserId,
        positives: &[u32],
        observed: &[u32],
        [n_positives, n_negatives]: [usize; 2],
        negatives: Negatives,
        rng: &mut ChaCha8Rng,
    ) -> Option<Question> {
        let n_unobserved = self.counts.len().saturating_sub(observed.len());
        if n_positives == 0 || positives.len() < n_positives || n_unobserved < n_negatives {
            return None;
        }
        let mut chosen = positives.to_vec();
        let chosen = chosen.partial_shuffle(rng, n_positives).0.to_vec();
        let others = match negatives {
            Negatives::Unobserved => {
                let free = |item: &u32| observed.binary_search(item).is_err();
                let mut all: Vec<u32> = (0..self.counts.len() as u32).filter(free).collect();
                all.partial_shuffle(rng, n_negatives).0.to_vec()
            }
            Negatives::PopularityMatched => self.matched(&chosen, observed, n_negatives, rng),
        };
        let yes = chosen.into_iter().map(|item| (ItemId(item), true));
        let items = yes.chain(others.into_iter().map(|item| (ItemId(item), false))).collect();
        Some(Question { user, items })
    }

    /// Items as popular as the chosen ones, in turn.
    fn matched(&self, chosen: &[u32], observed: &[u32], n: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
        let mut taken: Vec<u32> = Vec::with_capacity(n);
        for like in chosen.iter().cycle().take(n) {
            let near =
                self.nearest(*like, |item| observed.binary_search(&item).is_err() && !taken.contains(&item));
            taken.extend(near.choose(rng));
        }
        taken
    }

    /// The free items nearest in popularity, at most [`WINDOW`].
    fn nearest(&self, like: u32, free: impl Fn(u32) -> bool) -> Vec<u32> {
        let place = self.places[like as usize] as usize;
        let mut below = self.by_popularity[..place].iter().rev().filter(|&&item| free(item)).peekable();
        let mut above = self.by_popularity[place + 1..].iter().filter(|&&item| free(item)).peekable();
        let away = |item: u32| self.counts[item as usize].abs_diff(self.counts[like as usize]);
        let mut near = Vec::with_capacity(WINDOW);
        while near.len() < WINDOW {
            let next = match (below.peek(), above.peek()) {
                (Some(&&low), Some(&&high)) if away(low) < away(high) => below.next(),
                (_, Some(_)) => above.next(),
                (Some(_), None) => below.next(),
                (None, None) => break,
            };
            near.extend(next);
        }
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Item k was met k/4 times; the person met every tenth item and chose those from 300 on.
    fn examine(negatives: Negatives, n: [usize; 2]) -> Option<Question> {
        let counts: Vec<u32> = (0..400).map(|item| item / 4).collect();
        let observed: Vec<u32> = (0..400).step_by(10).collect();
        let positives: Vec<u32> = (300..400).step_by(10).collect();
        let mut rng = Streams::new(1).stream(Purpose::TasteTest, 1, 0, 0);
        Examiner::new(&counts, Streams::new(1)).ask(UserId(0), &positives, &observed, n, negatives, &mut rng)
    }

    #[test]
    fn negatives_were_never_observed_and_matched_ones_are_as_popular() {
        for negatives in [Negatives::Unobserved, Negatives::PopularityMatched] {
            let question = examine(negatives, [5, 15]).expect("enough items");
            let of = |chosen| question.items.iter().filter(move |x| x.1 == chosen).map(|x| x.0.0);
            assert_eq!((of(true).count(), of(false).count()), (5, 15));
            assert!(of(true).all(|item| item >= 300 && item % 10 == 0), "{question:?}");
            assert!(of(false).all(|item| item % 10 != 0));
            let mut distinct: Vec<u32> = question.items.iter().map(|x| x.0.0).collect();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), 20);
            let mean = |chosen| of(chosen).sum::<u32>() as f64 / of(chosen).count() as f64;
            let apart = mean(true) - mean(false);
            match negatives {
                Negatives::Unobserved => assert!(apart > 50.0, "{apart}"),
                // At most half a window of 20 items and the observed ones among them.
                Negatives::PopularityMatched => assert!(apart.abs() < 15.0, "{apart}"),
            }
        }
    }

    #[test]
    fn nobody_is_asked_more_than_there_is() {
        for negatives in [Negatives::Unobserved, Negatives::PopularityMatched] {
            assert!(examine(negatives, [11, 9]).is_none(), "10 positives");
            assert!(examine(negatives, [1, 361]).is_none(), "360 others");
            assert_eq!(examine(negatives, [10, 360]).map(|q| q.items.len()), Some(370));
            assert!(examine(negatives, [0, 5]).is_none());
        }
    }
}

//! Step 2, which of what fits do I watch: one item after another, until the agent has enough.
//!
//! A continuation-ratio model of how many (Tutz 1991) over a multinomial logit of which (McFadden
//! 1974): having watched `j` of `n` fitting items, the agent goes on with a probability that depends
//! on `n`, `j`, its tiers and what is left, and then takes one of those left in proportion to
//! exp(value). What is like something already watched is worth less: satiation.

use super::align::repeated;
use super::logit::{log_probability, logistic};
use super::view::{Person, Prospect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coefficients of watching, in logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Going on: row `n − 1` is for `n` fitting items, entry `j` for `j` of them watched already. Where more
    /// fit than there are rows, one entry of the last row stands for several items.
    pub appetite: Vec<Vec<f64>>,
    /// Added to going on by activity tier.
    pub by_activity: [f64; 3],
    /// Added to going on by diversity tier.
    pub by_diversity: [f64; 3],
    /// Going on, per unit of what is left (the log of the mean of exp(value), slots apart).
    pub worth: f64,
    /// Value by slot, from the top; further slots repeat the last.
    pub by_slot: Vec<f64>,
    /// Value per standard deviation of affinity.
    pub taste: f64,
    /// Value per standard deviation of general quality.
    pub quality: f64,
    /// Value per standard deviation of log popularity.
    pub popularity: f64,
    /// Value lost per like item watched on the same page (likeness 0..=1, summed).
    pub satiation_on_page: f64,
    /// Value lost per like item watched earlier and remembered (squared likeness, summed).
    pub satiation_earlier: f64,
}

/// The fitting items of one page, and how like each other they are.
pub struct Fitting<'a> {
    /// Who looks.
    pub person: Person,
    /// The items that fit, in slot order.
    pub items: &'a [Prospect],
    /// Likeness 0..=1 of two of them, by their places in `items`.
    pub likeness: &'a dyn Fn(usize, usize) -> f64,
}

/// What watching one page takes, kept for the next: room for its items and what was watched of them.
#[derive(Clone, Debug, Default)]
pub struct Room {
    items: Vec<InRoom>,
    watched: Vec<usize>,
}

/// A fitting item while its page is watched.
#[derive(Clone, Copy, Debug)]
struct InRoom {
    /// What it is worth before anything is taken off.
    value: f64,
    /// What is taken off for its like that is remembered.
    satiation: f64,
    /// exp(value of its slot).
    prominence: f64,
    /// How much of its like was watched on this page.
    alike: f64,
    is_left: bool,
    weight: f64,
}

impl Room {
    fn total(&self) -> f64 {
        self.items.iter().map(|item| item.weight).sum()
    }

    /// The place of uniform luck among the weights.
    fn pick(&self, luck: f64) -> usize {
        let mut left = luck * self.total();
        let mut last = 0;
        for (item, InRoom { weight, .. }) in self.items.iter().enumerate() {
            if *weight > 0.0 {
                last = item;
                if left < *weight {
                    break;
                }
                left -= weight;
            }
        }
        last
    }
}

impl Watch {
    /// The utility of going on, where that has to be decided: `None` where one decision stands for several items.
    fn decision(&self, n_fitting: usize, n_watched: usize) -> Option<f64> {
        let row = self.appetite.get(n_fitting - 1).or(self.appetite.last())?;
        let n_steps = row.len();
        if n_fitting <= n_steps || n_watched >= n_fitting {
            return row.get(n_watched).copied();
        }
        let step = |watched: usize| watched * n_steps / n_fitting;
        let decided_before = n_watched > 0 && step(n_watched) == step(n_watched - 1);
        (!decided_before).then(|| row[step(n_watched)])
    }

    /// What an item is worth apart from where it stands, before anything of the page was watched and what is
    /// remembered taken off.
    fn value(&self, prospect: &Prospect) -> f64 {
        self.taste * prospect.taste
            + self.quality * prospect.quality
            + self.popularity * prospect.popularity
            + prospect.nudge
    }

    /// Comes to a page of which nothing is watched.
    fn enter(&self, page: &Fitting<'_>, room: &mut Room) {
        room.watched.clear();
        room.items.clear();
        room.items.extend(page.items.iter().map(|prospect| InRoom {
            value: self.value(prospect),
            satiation: self.satiation_earlier * prospect.satiation,
            prominence: repeated(&self.by_slot, prospect.slot, 0.0).exp(),
            alike: 0.0,
            is_left: true,
            weight: 0.0,
        }));
    }

    /// Takes an item of the page.
    fn take(&self, page: &Fitting<'_>, item: usize, room: &mut Room) {
        room.watched.push(item);
        room.items[item].is_left = false;
        for (other, in_room) in room.items.iter_mut().enumerate().filter(|(_, other)| other.is_left) {
            in_room.alike += (page.likeness)(item, other);
        }
    }

    /// Utility of going on; gives each item its (unnormalised) weight, 0 for those watched.
    fn outlook(&self, page: &Fitting<'_>, room: &mut Room) -> Option<f64> {
        // Values are taken against the best of them, so that no exponential overflows.
        let mut best = f64::NEG_INFINITY;
        for item in room.items.iter_mut().filter(|item| item.is_left) {
            item.weight = item.value - self.satiation_on_page * item.alike - item.satiation;
            best = best.max(item.weight);
        }
        let (mut total, mut n_left) = (0.0, 0);
        for item in &mut room.items {
            if !item.is_left {
                item.weight = 0.0;
                continue;
            }
            let relative = (item.weight - best).exp();
            total += relative;
            n_left += 1;
            item.weight = relative * item.prominence;
        }
        let decision = self.decision(page.items.len(), room.watched.len()).filter(|_| n_left > 0)?;
        Some(
            decision
                + self.by_activity[page.person.activity]
                + self.by_diversity[page.person.diversity]
                + self.worth * (best + (total / f64::from(n_left)).ln()),
        )
    }

    /// The items watched, in the order they were taken; `luck` gives uniform numbers on 0..1, two a step.
    pub fn choose<'a>(
        &self,
        page: &Fitting<'_>,
        mut luck: impl FnMut() -> f64,
        room: &'a mut Room,
    ) -> &'a [usize] {
        self.enter(page, room);
        while room.watched.len() < page.items.len() {
            let decision = self.outlook(page, room);
            let (go, which) = (luck(), luck());
            if decision.is_some_and(|utility| go >= logistic(utility)) {
                break;
            }
            self.take(page, room.pick(which), room);
        }
        &room.watched
    }

    /// log P(exactly these were watched, in whatever order): a sum over the subsets that led there.
    pub fn log_probability(&self, page: &Fitting<'_>, watched: &[usize]) -> f64 {
        let n = watched.len();
        let mut reached = vec![f64::NEG_INFINITY; 1 << n];
        reached[0] = 0.0;
        let mut room = Room::default();
        for set in 0..reached.len() - 1 {
            self.enter(page, &mut room);
            for bit in (0..n).filter(|bit| set >> bit & 1 == 1) {
                self.take(page, watched[bit], &mut room);
            }
            let decision = self.outlook(page, &mut room);
            let total = room.total();
            let goes_on = reached[set] + decision.map_or(0.0, |utility| log_probability(true, utility));
            for bit in (0..n).filter(|bit| set >> bit & 1 == 0) {
                let path = goes_on + (room.items[watched[bit]].weight / total).ln();
                let next = &mut reached[set | 1 << bit];
                *next = log_sum(*next, path);
            }
        }
        let last = reached[reached.len() - 1];
        if n == page.items.len() {
            return last;
        }
        self.enter(page, &mut room);
        watched.iter().for_each(|&item| self.take(page, item, &mut room));
        match self.outlook(page, &mut room) {
            Some(utility) => last + log_probability(false, utility),
            // One decision stands for several items here: stopping in between cannot happen.
            None => f64::NEG_INFINITY,
        }
    }
}

fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn watch() -> Watch {
        Watch {
            appetite: vec![vec![1.0], vec![2.0, 0.5], vec![2.0, 0.7, -0.4]],
            by_activity: [0.0, 0.3, 0.6],
            by_diversity: [0.0, -0.1, 0.2],
            worth: 0.5,
            by_slot: vec![0.0, -0.5],
            taste: 0.8,
            quality: 0.2,
            popularity: 0.1,
            satiation_on_page: 1.5,
            satiation_earlier: 0.5,
        }
    }

    fn items(n: usize) -> Vec<Prospect> {
        let item = |slot: usize| Prospect {
            slot,
            taste: 0.4 * slot as f64 - 0.3,
            quality: 0.5,
            popularity: -0.2 * slot as f64,
            satiation: if slot == 1 { 0.5 } else { 0.0 },
            nudge: 0.0,
        };
        (0..n).map(item).collect()
    }

    const PERSON: Person = Person { activity: 1, diversity: 2, conformity: 0, leniency: 0.0 };

    #[test]
    fn sets_are_chosen_as_often_as_their_probability_says() {
        let (watch, items) = (watch(), items(3));
        let likeness = |a: usize, b: usize| if a + b == 2 { 1.0 } else { 0.25 };
        let page = Fitting { person: PERSON, items: &items, likeness: &likeness };
        let sets: [&[usize]; 8] = [&[], &[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];
        let probabilities = sets.map(|set| watch.log_probability(&page, set).exp());
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mut rng = crate::rng::Streams::new(5).stream(crate::rng::Purpose::Watch, 0, 0, 0);
        let n = 40_000;
        let mut counts = [0u32; 8];
        let mut room = Room::default();
        for _ in 0..n {
            let mut chosen = watch.choose(&page, || rng.random(), &mut room).to_vec();
            chosen.sort_unstable();
            counts[sets.iter().position(|set| *set == chosen.as_slice()).expect("a set")] += 1;
        }
        for (count, p) in counts.into_iter().zip(probabilities) {
            let error = 4.0 * (p * (1.0 - p) / f64::from(n)).sqrt();
            assert!((f64::from(count) / f64::from(n) - p).abs() < error, "{count} of {n}, expected {p}");
        }
    }

    #[test]
    fn the_third_of_a_kind_is_worth_less_than_the_second_and_that_less_than_the_first() {
        let (mut watch, items) = (watch(), vec![items(1)[0]; 3]);
        watch.appetite = vec![vec![0.0], vec![0.0; 2], vec![0.0; 3]];
        let alike = |_: usize, _: usize| 1.0;
        let page = Fitting { person: PERSON, items: &items, likeness: &alike };
        let mut room = Room::default();
        let mut goes_on = |watched: &[usize]| {
            watch.enter(&page, &mut room);
            watched.iter().for_each(|&item| watch.take(&page, item, &mut room));
            watch.outlook(&page, &mut room).unwrap_or(f64::NAN)
        };
        assert!(goes_on(&[]) > goes_on(&[0]) && goes_on(&[0]) > goes_on(&[0, 1]));
    }

    #[test]
    fn beyond_the_table_the_appetite_grows_with_what_fits() {
        let mut watch = watch();
        watch.appetite = vec![vec![0.0], vec![9.0, -9.0]];
        let items = items(10);
        let unlike = |_: usize, _: usize| 0.0;
        let page = Fitting { person: PERSON, items: &items, likeness: &unlike };
        let mut rng = crate::rng::Streams::new(5).stream(crate::rng::Purpose::Watch, 0, 0, 0);
        assert_eq!(watch.choose(&page, || rng.random(), &mut Room::default()).len(), 5);
    }
}

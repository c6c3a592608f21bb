//! Recommenders that explore: they fill a list place by place, each by a draw from a distribution over what is left at
//! the head of another arm's list, and say with which probability. What they share is here: the pool, the draw,
//! the probabilities, and the policy that off-policy evaluation asks for ([`Policy`]).
//!
//! Every place is one draw from a distribution that is known ([`Drawer::next`]), so that the probability of an item at
//! its place, given those above it, is exact. It is so given the list of the arm inside: where that one draws too,
//! its luck is taken for fixed. Behind the pool the list goes on as the arm inside has it, with probability 1. Luck is keyed
//! by round, agent and page. Must not know what became of what was shown.

pub mod epsilon_greedy;
pub mod posterior;
pub mod softmax;
pub mod thompson;

use super::rank::reciprocal_ranks;
use super::wrapping::{Inner, check_wraps};
use super::{Policy, Ranked, RecommendError, Recommender, Request};
use crate::id::ItemId;
use crate::rng::{Purpose, Streams};
use crate::scenario::params::{Complaint, within};
use rand::RngExt;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// Items of a list that are drawn from, unless told otherwise.
pub const N_CANDIDATES: u32 = 50;

/// Refuses what no exploring recommender takes: no arm to wrap, or a pool out of bounds.
fn check_shared(at: &str, wraps: &str, n_candidates: u32) -> Result<(), Complaint> {
    check_wraps(at, wraps)?;
    within(at, "n_candidates", n_candidates, 2, 1000)
}

/// What one list is drawn from: the head of the list of the arm inside.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The items, best first.
    pub items: Vec<ItemId>,
    /// How good the arm inside finds each, with mean 0 and standard deviation 1 over the pool.
    pub values: Vec<f64>,
}

impl Pool {
    /// The first `n_candidates` items of a list. Where their scores cannot tell them apart places do, in equal steps.
    fn new(list: &Ranked, n_candidates: usize) -> Self {
        let n = list.items.len().min(n_candidates);
        let scores: Vec<f64> = list.scores.iter().take(n).map(|&score| f64::from(score)).collect();
        let by_place = || (0..n).map(|place| -(place as f64)).collect::<Vec<f64>>();
        let values = standardised(&scores).or_else(|| standardised(&by_place()));
        Pool { items: list.items[..n].to_vec(), values: values.unwrap_or_else(|| vec![0.0; n]) }
    }
}

/// The same values with mean 0 and standard deviation 1; `None` where they do not differ or are not finite.
fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    (deviation.is_finite() && deviation > 0.0)
        .then(|| values.iter().map(|x| (x - mean) / deviation).collect())
}

/// How a place is filled.
pub trait Explorer: Send + Sync {
    /// Whatever of a pool is worked out once.
    fn prepare(&self, pool: Pool) -> Box<dyn Drawer>;

    /// Writes `model.json` and whatever else it needs into the folder of the whole.
    fn save(&self, dir: &Path) -> Result<(), RecommendError>;
}

/// One pool, ready to be drawn from.
pub trait Drawer: Send + Sync {
    /// What is drawn from.
    fn pool(&self) -> &Pool;

    /// The probability of each item of the pool to be drawn next, where `is_left` says which are still there (at
    /// least one is): 0 for those that are not, 1 in all.
    fn next(&self, is_left: &[bool]) -> Vec<f64>;
}

/// A recommender made of an arm and of how places are filled from the head of its lists.
struct Exploring {
    inner: Inner,
    by: Box<dyn Explorer>,
    seed: u64,
}

impl Exploring {
    fn answer(&self, request: &Request<'_>, list: Ranked) -> Ranked {
        if request.n == 0 || list.items.is_empty() {
            return Ranked::default();
        }
        let drawer = self.by.prepare(Pool::new(&list, self.inner.n_candidates()));
        let streams = Streams::new(self.seed);
        let mut rng = streams.stream(Purpose::Explore, request.round, request.luck, request.page);
        let n_pool = drawer.pool().items.len();
        let n = request.n.min(list.items.len());
        let mut is_left = vec![true; n_pool];
        let (mut items, mut propensities) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for _ in 0..n.min(n_pool) {
            let next = drawer.next(&is_left);
            let at = drawn(&next, rng.random());
            is_left[at] = false;
            items.push(drawer.pool().items[at]);
            propensities.push(next[at] as f32);
        }
        items.extend(&list.items[items.len()..n]);
        propensities.resize(n, 1.0);
        Ranked { scores: reciprocal_ranks(n), items, propensities }
    }
}

/// The place whose share of 0..1 holds `luck`: one whose probability is above 0.
fn drawn(probabilities: &[f64], luck: f64) -> usize {
    let mut left = luck * probabilities.iter().sum::<f64>();
    let mut last = 0;
    for (at, &p) in probabilities.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        last = at;
        left -= p;
        if left < 0.0 {
            break;
        }
    }
    last
}

impl Recommender for Exploring {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let lists = self.inner.recommend(requests)?;
        let pairs = requests.par_iter().zip(lists);
        Ok(pairs.map(|(request, list)| self.answer(request, list)).collect())
    }

    fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        let lists = self.inner.recommend_each(requests);
        let pairs = requests.par_iter().zip(lists);
        pairs.map(|(request, list)| list.map(|list| self.answer(request, list))).collect()
    }

    fn policies(&self, requests: &[Request<'_>]) -> Result<Vec<Arc<dyn Policy>>, RecommendError> {
        let policy = |list: Ranked| -> Arc<dyn Policy> {
            let drawer = self.by.prepare(Pool::new(&list, self.inner.n_candidates()));
            Arc::new(Drawn { drawer, list: list.items })
        };
        Ok(self.inner.recommend(requests)?.into_iter().map(policy).collect())
    }

    fn adapts_in_session(&self) -> bool {
        self.inner.adapts()
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        self.by.save(dir)?;
        self.inner.save(dir)
    }
}

/// The policy of one request.
struct Drawn {
    drawer: Box<dyn Drawer>,
    /// The whole list of the arm inside.
    list: Vec<ItemId>,
}

impl Policy for Drawn {
    fn next(&self, above: &[ItemId]) -> Vec<(ItemId, f64)> {
        let pool = &self.drawer.pool().items;
        let is_left: Vec<bool> = pool.iter().map(|item| !above.contains(item)).collect();
        if !is_left.contains(&true) {
            let behind = self.list[pool.len()..].iter().find(|item| !above.contains(item));
            return behind.map(|&item| (item, 1.0)).into_iter().collect();
        }
        let next = self.drawer.next(&is_left);
        pool.iter().copied().zip(next).filter(|(_, p)| *p > 0.0).collect()
    }
}

#[cfg(test)]
mod toy {
    //! What the tests of all three share.

    use super::*;

    /// A pool of as many items as there are scores, numbered from 10.
    pub fn pool(scores: &[f32]) -> Pool {
        let items: Vec<ItemId> = (0..scores.len() as u32).map(|k| ItemId(10 + k)).collect();
        Pool::new(&Ranked::plain(items, scores.to_vec()), scores.len())
    }

    /// Probabilities add up to 1, and nothing is drawn twice, whatever is left.
    pub fn check_distribution(drawer: &dyn Drawer) {
        let n = drawer.pool().items.len();
        for missing in 0..(1u32 << n) - 1 {
            let is_left: Vec<bool> = (0..n).map(|at| missing >> at & 1 == 0).collect();
            let next = drawer.next(&is_left);
            assert!((next.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{next:?}");
            assert!(next.iter().zip(&is_left).all(|(p, left)| *p >= 0.0 && (*left || *p == 0.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::progress::Quiet;
    use crate::recommender::popular::Popular;
    use crate::recommender::{FitContext, Wrapped};

    /// Ranks 12 items by number, with scores that fall.
    struct ByNumber;

    impl Recommender for ByNumber {
        fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
            let rank = |request: &Request<'_>| {
                let items: Vec<ItemId> = (0..12).take(request.n).map(ItemId).collect();
                Ranked::plain(items.clone(), items.iter().map(|item| 5.0 - item.0 as f32).collect())
            };
            Ok(requests.iter().map(rank).collect())
        }

        fn adapts_in_session(&self) -> bool {
            false
        }

        fn save(&self, _: &Path) -> Result<(), RecommendError> {
            Ok(())
        }
    }

    fn exploring(by: Box<dyn Explorer>) -> Exploring {
        let mut context = FitContext::plain(Streams::new(1), &Quiet);
        context.wrapped = Some(Wrapped { kind: &Popular, model: Arc::new(ByNumber) });
        let inner = Inner::fitted("soft", "numbers", &context, 5, None).expect("there is an arm");
        Exploring { inner, by, seed: 7 }
    }

    fn request(luck: u64, page: u32, n: usize) -> Request<'static> {
        Request { user: UserId(0), luck, round: 0, page, n, known: &[], shown: &[], feedback: &[] }
    }

    fn soft(temperature: f64) -> Exploring {
        exploring(Box::new(softmax::tests_support(temperature)))
    }

    #[test]
    fn behind_the_pool_the_list_goes_on_and_luck_is_the_requests_own() {
        let model = soft(1.0);
        let list = |luck, page, n| model.recommend(&[request(luck, page, n)]).expect("a list").remove(0);
        let whole = list(3, 1, 9);
        let mut head: Vec<u32> = whole.items[..5].iter().map(|item| item.0).collect();
        head.sort_unstable();
        assert_eq!(head, [0, 1, 2, 3, 4]);
        assert_eq!(whole.items[5..].iter().map(|item| item.0).collect::<Vec<_>>(), [5, 6, 7, 8]);
        assert_eq!(
            whole.propensities[4..],
            [1.0; 5],
            "the last of the pool, and those behind it, are certain"
        );
        assert_eq!(list(3, 1, 4).items, whole.items[..4], "the head of a list is the list of less");
        let differs = |other: Ranked| other.items != whole.items;
        assert!(
            (0..20).any(|luck| differs(list(luck, 1, 9))) && (2..20).any(|page| differs(list(3, page, 9)))
        );
    }

    /// The probability that a list says, and that its policy says, is how often it happens.
    #[test]
    fn probabilities_are_how_often_it_happens() {
        let model = soft(0.8);
        let requests: Vec<Request<'_>> = (0..40_000).map(|luck| request(luck, 1, 3)).collect();
        let lists = model.recommend(&requests).expect("lists");
        let policy = model.policies(&requests[..1]).expect("a policy").remove(0);
        let begins = [ItemId(1), ItemId(0)];
        let (mut n_top, mut n_second, mut thirds) = (0, 0, [0u32; 5]);
        for list in &lists {
            let exact: Vec<f64> = (0..3)
                .map(|at| {
                    let next = policy.next(&list.items[..at]);
                    next.iter().find(|(item, _)| *item == list.items[at]).expect("possible").1
                })
                .collect();
            assert!(exact.iter().zip(&list.propensities).all(|(a, b)| (a - f64::from(*b)).abs() < 1e-6));
            n_top += u32::from(list.items[0] == begins[0]);
            if list.items[..2] == begins {
                n_second += 1;
                thirds[list.items[2].idx()] += 1;
            }
        }
        let p = |above: &[ItemId], item: ItemId| {
            policy.next(above).iter().find(|(other, _)| *other == item).map_or(0.0, |(_, p)| *p)
        };
        // Five standard deviations of a binomial share.
        let near = |count: u32, of: u32, p: f64| {
            let bound = 5.0 * (p * (1.0 - p) / f64::from(of)).sqrt();
            assert!((f64::from(count) / f64::from(of) - p).abs() < bound, "{count} of {of}, expected {p}");
        };
        near(n_top, 40_000, p(&[], begins[0]));
        near(n_second, n_top, p(&begins[..1], begins[1]));
        for third in 2..5 {
            near(thirds[third as usize], n_second, p(&begins, ItemId(third)));
        }
        let everything: Vec<ItemId> = (0..12).map(ItemId).collect();
        assert_eq!(policy.next(&everything[..5]), [], "the arm inside was asked for no more than the pool");
        assert_eq!(policy.next(&everything), []);
    }

    #[test]
    fn where_scores_cannot_tell_places_do() {
        for scores in [vec![1.0; 4], vec![f32::INFINITY, 2.0, 1.0, 0.0], vec![f32::NAN; 4]] {
            let values = toy::pool(&scores).values;
            assert!(values.is_sorted_by(|a, b| a > b) && values.iter().sum::<f64>().abs() < 1e-12);
        }
        assert_eq!(toy::pool(&[3.0]).values, [0.0]);
        assert_eq!(toy::pool(&[3.0, 1.0]).values, [1.0, -1.0]);
    }
}

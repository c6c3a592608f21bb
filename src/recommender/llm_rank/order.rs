//! From replies to one order of the candidates. Must not know prompts or who answers.

use crate::llm::account::Slips;
use crate::llm::shape::Shape;
use serde_json::Value;

/// The key under which a reply has its list.
const KEY: &str = "order";

/// What a reply to `n` candidates looks like.
pub fn shape(n: usize) -> Shape {
    Shape::object([(KEY, Shape::Order { n: n as u32 })])
}

/// The candidates in the order of a reply, best first, all of them: `shown[slot - 1]` is the candidate that stood at
/// a slot, numbered by the retriever's order. Numbers that are no slot and slots named once more are passed over;
/// candidates that are not named follow in the retriever's order.
pub fn read(reply: &Value, shown: &[usize]) -> (Vec<usize>, Slips) {
    let mut slips = Slips::default();
    let mut is_named = vec![false; shown.len()];
    let mut order = Vec::with_capacity(shown.len());
    for number in reply[KEY].as_array().into_iter().flatten() {
        let slot = number.as_u64().and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
        match slot.and_then(|slot| shown.get(slot)) {
            None => slips.n_unknown += 1,
            Some(&candidate) if is_named[candidate] => slips.n_repeated += 1,
            Some(&candidate) => {
                is_named[candidate] = true;
                order.push(candidate);
            }
        }
    }
    slips.n_unnamed = (shown.len() - order.len()) as u64;
    order.extend((0..shown.len()).filter(|&candidate| !is_named[candidate]));
    (order, slips)
}

/// One order from several of the same candidates: by mean rank (Borda), ties by the retriever's order.
pub fn merge(orders: &[Vec<usize>]) -> Vec<usize> {
    let n = orders.first().map_or(0, Vec::len);
    let mut rank_sums = vec![0u64; n];
    for order in orders {
        order.iter().zip(0u64..).for_each(|(&candidate, rank)| rank_sums[candidate] += rank);
    }
    let mut merged: Vec<usize> = (0..n).collect();
    merged.sort_by_key(|&candidate| rank_sums[candidate]);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn slots_mean_the_candidates_that_stood_there() {
        // Slot 1 showed candidate 2, slot 2 candidate 0, slot 3 candidate 1.
        let (order, slips) = read(&json!({"order": [3, 1, 2]}), &[2, 0, 1]);
        assert_eq!((order, slips), (vec![1, 2, 0], Slips::default()));
    }

    #[test]
    fn what_is_no_slot_or_named_twice_is_passed_over_and_counted() {
        let (order, slips) = read(&json!({"order": [4, 9, 4, -1, 0, 2, 4]}), &[3, 2, 1, 0]);
        assert_eq!(order, [0, 2, 1, 3], "the unnamed follow as the retriever had them");
        assert_eq!(slips, Slips { n_unknown: 3, n_repeated: 2, n_unnamed: 2 });
    }

    #[test]
    fn rounds_are_merged_by_mean_rank_and_ties_are_the_retrievers() {
        assert_eq!(merge(&[vec![2, 1, 0], vec![2, 0, 1]]), [2, 0, 1], "0 and 1 are tied");
        // Ranks of 0: 3, 0, 0; of 1: 0, 1, 1; of 2: 1, 2, 3; of 3: 2, 3, 2. Sums 3, 2, 6, 7 by hand.
        assert_eq!(merge(&[vec![1, 2, 3, 0], vec![0, 1, 2, 3], vec![0, 1, 3, 2]]), [1, 0, 2, 3]);
        assert_eq!(merge(&[vec![1, 0]]), [1, 0]);
        assert!(merge(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn whatever_is_said_every_candidate_comes_once(numbers in prop::collection::vec(-3i64..30, 0..60), seed in 0usize..24) {
            let shown: Vec<usize> = (0..24).map(|slot| (slot + seed) % 24).collect();
            let (order, slips) = read(&json!({"order": numbers}), &shown);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..24).collect::<Vec<_>>());
            prop_assert_eq!(slips.n_unknown + slips.n_repeated + 24 - slips.n_unnamed, numbers.len() as u64);
        }
    }
}

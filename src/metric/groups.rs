//! Items by how well they are known: cold, tail and head. Must not know who asks.
//!
//! The long tail has no one definition. Common is to cut by shares of the ratings: the head is the most
//! popular items that together have 80 % of them (the Pareto rule; Celma and Cano 2008; Abdollahpouri,
//! Burke and Mobasher 2017), the tail is the rest. Items that nobody has in training are apart from both:
//! what is true of rare items (little to learn from) is not what is true of these (nothing).

use crate::id::ItemId;

/// The tail has at most one interaction in this many: 20 %.
const TAIL_ONE_IN: u64 = 5;

/// How well an item is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Nobody has it in training.
    Cold,
    /// Of the least popular warm items that together have 20 % of the training interactions.
    Tail,
    /// The other warm items.
    Head,
}

/// The group of every item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    of: Vec<Group>,
}

impl Groups {
    /// Groups items by their training interactions, given in `ItemId` order. The tail is filled from the least
    /// popular item up, of equally popular ones the first in the catalogue first, for as long as all its
    /// interactions are at most 20 % of all.
    pub fn new(n_train: &[u32]) -> Self {
        let total: u64 = n_train.iter().map(|&n| u64::from(n)).sum();
        let mut of: Vec<Group> =
            n_train.iter().map(|&n| if n == 0 { Group::Cold } else { Group::Head }).collect();
        let mut warm: Vec<usize> = (0..n_train.len()).filter(|&item| n_train[item] > 0).collect();
        warm.sort_by_key(|&item| (n_train[item], item));
        let mut in_tail = 0u64;
        for item in warm {
            in_tail += u64::from(n_train[item]);
            if in_tail * TAIL_ONE_IN > total {
                break;
            }
            of[item] = Group::Tail;
        }
        Groups { of }
    }

    /// The group of an item.
    ///
    /// # Panics
    /// When the item is not in the catalogue.
    pub fn of(&self, item: ItemId) -> Group {
        self.of[item.idx()]
    }

    /// Whether any item is in this group.
    pub fn has_any(&self, group: Group) -> bool {
        self.of.contains(&group)
    }

    /// Items that pass, ascending.
    pub fn items(&self, is_in: impl Fn(Group) -> bool) -> Vec<u32> {
        (0..).zip(&self.of).filter(|(_, group)| is_in(**group)).map(|(item, _)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_tail_is_a_fifth_of_the_interactions_from_below() {
        // 20 interactions: 1 + 1 + 2 = 4 are a fifth; of the two with 2 the first is in.
        let groups = Groups::new(&[2, 0, 8, 1, 2, 6, 1]);
        assert_eq!(groups.items(|group| group == Group::Tail), [0, 3, 6]);
        assert_eq!(groups.items(|group| group == Group::Cold), [1]);
        assert_eq!(groups.items(|group| group == Group::Head), [2, 4, 5]);
        assert!(!Groups::new(&[3]).has_any(Group::Tail) && !Groups::new(&[]).has_any(Group::Cold));
    }

    proptest! {
        #[test]
        fn no_item_of_the_tail_is_more_popular_than_one_of_the_head(
            n_train in prop::collection::vec(0u32..50, 0..60),
        ) {
            let groups = Groups::new(&n_train);
            let of = |group| groups.items(|g| g == group).into_iter().map(|item| n_train[item as usize]);
            let (tail, total): (u32, u32) = (of(Group::Tail).sum(), n_train.iter().sum());
            prop_assert!(of(Group::Cold).all(|n| n == 0));
            prop_assert!(5 * tail <= total);
            if let (Some(most), Some(least)) = (of(Group::Tail).max(), of(Group::Head).min()) {
                prop_assert!(most <= least);
            }
            // One more would be too many.
            if let Some(least) = of(Group::Head).min() {
                prop_assert!(5 * (tail + least) > total);
            }
        }
    }
}

//! Items by how much of all interaction they have: head, middle, tail. Must not know who asks.
//!
//! After Abdollahpouri, Mansoury, Burke, Mobasher and Malthouse, "User-centered Evaluation of Popularity Bias in
//! Recommender Systems" (UMAP 2021): the head are the most popular items that together have about 20 % of the
//! interactions, the tail the least popular that have as much, the middle is what is between.

use crate::id::ItemId;

/// Head and tail have one interaction in this many: 20 %.
const ONE_IN: u64 = 5;

/// How many groups there are.
pub const N_GROUPS: usize = 3;

/// Which part of the catalogue an item is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popularity {
    /// Of the most popular.
    Head,
    /// Between.
    Middle,
    /// Of the least popular, those that nobody has included.
    Tail,
}

impl Popularity {
    /// All, the most popular first.
    pub const ALL: [Popularity; N_GROUPS] = [Popularity::Head, Popularity::Middle, Popularity::Tail];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Popularity::Head => "head",
            Popularity::Middle => "middle",
            Popularity::Tail => "tail",
        }
    }
}

/// The group of every item, from its interactions in `ItemId` order.
///
/// The head is filled from the most popular item down until it has 20 % of all interactions, the tail from the least
/// popular up for as long as it has at most 20 %; of equally popular items the first in the catalogue is taken first.
pub fn groups(n_interactions: &[u32]) -> Vec<Popularity> {
    let total: u64 = n_interactions.iter().map(|&n| u64::from(n)).sum();
    let mut groups = vec![Popularity::Middle; n_interactions.len()];
    let mut order: Vec<usize> = (0..n_interactions.len()).collect();
    order.sort_by_key(|&item| (std::cmp::Reverse(n_interactions[item]), item));
    let mut in_head = 0u64;
    for &item in order.iter().take_while(|&&item| n_interactions[item] > 0) {
        if in_head * ONE_IN >= total {
            break;
        }
        in_head += u64::from(n_interactions[item]);
        groups[item] = Popularity::Head;
    }
    order.sort_by_key(|&item| (n_interactions[item], item));
    let mut in_tail = 0u64;
    for item in order {
        in_tail += u64::from(n_interactions[item]);
        if in_tail * ONE_IN > total || groups[item] == Popularity::Head {
            break;
        }
        groups[item] = Popularity::Tail;
    }
    groups
}

/// How many of these items are in each group, in the order of [`Popularity::ALL`].
pub fn counts(groups: &[Popularity], items: impl Iterator<Item = ItemId>) -> [f64; N_GROUPS] {
    let mut counts = [0.0; N_GROUPS];
    items.filter_map(|item| groups.get(item.idx())).for_each(|&group| counts[group as usize] += 1.0);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use Popularity::{Head, Middle, Tail};

    #[test]
    fn head_and_tail_have_a_fifth_each() {
        // 40 interactions: 8 are a fifth.
        assert_eq!(
            groups(&[3, 9, 0, 7, 2, 6, 6, 4, 3]),
            [Tail, Head, Tail, Middle, Tail, Middle, Middle, Middle, Tail]
        );
        assert_eq!(groups(&[5, 4, 5]), [Head, Middle, Middle], "the first of equals");
        assert_eq!(groups(&[7]), [Head]);
        assert_eq!(groups(&[0, 0]), [Tail, Tail]);
        assert!(groups(&[]).is_empty());
        let counts = counts(&groups(&[3, 9, 0, 7]), [1, 1, 3, 2, 9].into_iter().map(ItemId));
        assert_eq!(counts, [2.0, 1.0, 1.0]);
    }
}

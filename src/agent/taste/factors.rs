//! Tastes of the form `users · items + quality`. Must not know where the vectors come from.

use super::RawTaste;
use crate::id::{ItemId, UserId};

/// Vectors of users and items, and what is good about an item for everybody.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    /// Width of the vectors.
    pub n_factors: usize,
    /// `n_users × n_factors`, row-major.
    pub users: Vec<f32>,
    /// `n_items × n_factors`, row-major.
    pub items: Vec<f32>,
    /// One an item.
    pub quality: Vec<f32>,
}

impl Factors {
    /// A user's vector.
    pub(super) fn user(&self, user: UserId) -> &[f32] {
        &self.users[user.idx() * self.n_factors..][..self.n_factors]
    }

    /// An item's vector.
    pub(super) fn item(&self, item: ItemId) -> &[f32] {
        &self.items[item.idx() * self.n_factors..][..self.n_factors]
    }
}

impl RawTaste for Factors {
    fn raw(&self, user: UserId, item: ItemId) -> f32 {
        let dot: f32 = self.user(user).iter().zip(self.item(item)).map(|(a, b)| a * b).sum();
        dot + self.quality[item.idx()]
    }
}

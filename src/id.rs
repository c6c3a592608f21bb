//! Dense identifiers: indices into the tables of one [`Dataset`](crate::dataset::Dataset)
//! or one population. They must not know raw ids; the vocabulary translates.

use serde::{Deserialize, Serialize};

/// A person of the dataset, `0..n_users`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct UserId(pub u32);

/// A thing that can be recommended, `0..n_items`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct ItemId(pub u32);

/// A simulated person, `0..n_agents`. Several agents may stand for one [`UserId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct AgentId(pub u32);

/// A genre or category of the dataset, `0..n_genres`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct GenreId(pub u16);

impl UserId {
    /// The row of this user in any per-user table.
    pub fn idx(self) -> usize {
        self.0 as usize
    }
}

impl ItemId {
    /// The row of this item in any per-item table.
    pub fn idx(self) -> usize {
        self.0 as usize
    }
}

impl AgentId {
    /// The row of this agent in any per-agent table.
    pub fn idx(self) -> usize {
        self.0 as usize
    }
}

impl GenreId {
    /// The row of this genre in any per-genre table.
    pub fn idx(self) -> usize {
        self.0 as usize
    }
}

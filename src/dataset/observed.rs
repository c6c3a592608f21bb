//! Ratings that are known to be true whoever recommends: a part of a person's judgements that was
//! gathered apart from what they chose themselves. Recommenders are never given any of it.
//! Must not know agents, recommenders or file formats.

use super::Dataset;
use super::sparse::Csr;
use crate::id::{ItemId, UserId};

/// What a dataset knows of people's true judgement, cell by cell.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedRatings {
    /// User × item, true ratings on the dataset's own scale; a cell that is not stored is not known.
    pub matrix: Csr,
    /// The lowest rating that counts as liked.
    pub liked_from: f32,
    /// How these ratings came about, in words.
    pub about: String,
}

impl ObservedRatings {
    /// From rows by raw user id, each ascending by dense item number; users whom the dataset
    /// left out are left out here too, and users without a row know nothing.
    pub(crate) fn by_raw_user<'a>(
        dataset: &Dataset,
        row_of: impl Fn(&str) -> &'a [(u32, f32)],
        liked_from: f32,
        about: String,
    ) -> Self {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for raw in dataset.users.all() {
            for &(item, rating) in row_of(raw) {
                indices.push(item);
                values.push(rating);
            }
            indptr.push(indices.len());
        }
        let matrix = Csr::new(dataset.n_users(), dataset.n_items(), indptr, indices, values);
        ObservedRatings { matrix, liked_from, about }
    }

    /// The true rating of a cell, where it is known.
    pub fn rating(&self, user: UserId, item: ItemId) -> Option<f32> {
        let (items, ratings) = self.matrix.row(user.idx());
        items.binary_search(&item.0).ok().map(|at| ratings[at])
    }

    /// The items of which the user's true rating is known, ascending.
    pub fn items_of(&self, user: UserId) -> &[u32] {
        self.matrix.row(user.idx()).0
    }
}

//! How alike two items are: by their genres, or by an encoder's vectors of their text. Must not know what is
//! made of it.

use super::super::dense::Matrix;
use super::super::{FitContext, RecommendError, Training, model_file};
use super::labels::{Labels, jaccard};
use crate::id::ItemId;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What tells how alike items are. Both make positive semidefinite kernels with 1 on the diagonal (Bouchard,
/// Jousselme and Doré 2013 for Jaccard similarity).
#[derive(Clone, Debug, PartialEq)]
pub enum Similarity {
    /// Jaccard similarity of genres. An item without any is like itself alone.
    Genres(Labels),
    /// Cosine of unit vectors, one row an item; one of zeros is like itself alone.
    Vectors(Matrix),
}

/// What `model.json` remembers of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum SavedAs {
    /// Labels, of this many genres.
    Genres(usize),
    /// Vectors.
    Vectors,
}

impl Similarity {
    /// By the vectors of this encoder, or by genres where there is none.
    pub fn new(
        training: &Training<'_>,
        context: &FitContext<'_>,
        encoder: Option<&str>,
    ) -> Result<Self, RecommendError> {
        Ok(match encoder {
            Some(encoder) => Similarity::Vectors(training.item_vectors(encoder, context)?.vectors.clone()),
            None => Similarity::Genres(Labels::genres(training)),
        })
    }

    /// How alike two items are, at most 1; what is not in the catalogue is like itself alone.
    pub fn between(&self, a: ItemId, b: ItemId) -> f32 {
        if a == b {
            return 1.0;
        }
        match self {
            Similarity::Genres(labels) => jaccard(labels.of(a), labels.of(b)),
            Similarity::Vectors(vectors) if a.idx().max(b.idx()) < vectors.n_rows => {
                let pairs = vectors.row(a.idx()).iter().zip(vectors.row(b.idx()));
                pairs.map(|(a, b)| a * b).sum::<f32>().min(1.0)
            }
            Similarity::Vectors(_) => 0.0,
        }
    }

    /// What to remember of it.
    pub fn saved_as(&self) -> SavedAs {
        match self {
            Similarity::Genres(labels) => SavedAs::Genres(labels.n_labels()),
            Similarity::Vectors(_) => SavedAs::Vectors,
        }
    }

    /// Writes its arrays: labels, or `item_vectors.npy`.
    pub fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        match self {
            Similarity::Genres(labels) => labels.save(dir),
            Similarity::Vectors(vectors) => model_file::write_matrix(&dir.join("item_vectors.npy"), vectors),
        }
    }

    /// Reads what [`Similarity::save`] wrote.
    pub fn load(dir: &Path, saved: SavedAs) -> Result<Self, RecommendError> {
        Ok(match saved {
            SavedAs::Genres(n_genres) => Similarity::Genres(Labels::load(dir, n_genres)?),
            SavedAs::Vectors => Similarity::Vectors(model_file::read_matrix(&dir.join("item_vectors.npy"))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_is_what_shares_genres_or_points_the_same_way() {
        let labels = Labels::new(3, [vec![0, 1], vec![1], vec![], vec![]].into_iter());
        let genres = Similarity::Genres(labels);
        let like = |of: &Similarity, a, b| of.between(ItemId(a), ItemId(b));
        assert_eq!([like(&genres, 0, 1), like(&genres, 2, 3), like(&genres, 2, 2)], [0.5, 0.0, 1.0]);
        let vectors = Similarity::Vectors(Matrix::new(3, 2, vec![1.0, 0.0, 0.6, 0.8, 0.0, 0.0]));
        assert_eq!([like(&vectors, 0, 1), like(&vectors, 2, 2), like(&vectors, 0, 9)], [0.6, 1.0, 0.0]);
        for similarity in [genres, vectors] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            similarity.save(dir.path()).expect("written");
            assert_eq!(Similarity::load(dir.path(), similarity.saved_as()).expect("read"), similarity);
        }
    }
}

//! Random lists with genres or vectors, small enough to work everything out by definition. For tests alone.

use super::super::dense::Matrix;
use super::super::{Ranked, Request};
use super::labels::Labels;
use super::similarity::Similarity;
use crate::id::{ItemId, UserId};
use crate::rng::{Purpose, Streams};
use rand::RngExt;

/// Items in a list.
pub const N_ITEMS: usize = 14;
/// Genres there are.
pub const N_GENRES: usize = 5;

/// A scored list, and what its items are like.
pub struct Case {
    scores: Vec<f32>,
    order: Vec<u32>,
    genres: Vec<Vec<u32>>,
    vectors: Option<Matrix>,
}

impl Case {
    /// The list of the arm inside.
    pub fn list(&self) -> Ranked {
        let items = self.order.iter().map(|&item| ItemId(item)).collect();
        Ranked { items, scores: self.scores.clone(), ..Ranked::default() }
    }

    /// The genres of every item.
    pub fn labels(&self) -> Labels {
        Labels::new(N_GENRES, self.genres.iter().map(|genres| genres.iter().copied()))
    }

    /// How alike items are: by vectors where the case has some.
    pub fn similarity(&self) -> Similarity {
        match &self.vectors {
            Some(vectors) => Similarity::Vectors(vectors.clone()),
            None => Similarity::Genres(self.labels()),
        }
    }
}

/// Forty cases, half of them with genres and half with vectors.
pub fn cases() -> Vec<Case> {
    let mut rng = Streams::new(17).stream(Purpose::Evaluation, 0, 0, 0);
    let mut case = |with_vectors: bool| {
        let mut scores: Vec<f32> = (0..N_ITEMS).map(|_| rng.random_range(-3.0..5.0)).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let mut order: Vec<u32> = (0..N_ITEMS as u32).collect();
        (1..N_ITEMS).for_each(|last| order.swap(last, rng.random_range(0..=last)));
        let mut genres = || (0..N_GENRES as u32).filter(|_| rng.random_range(0..3) == 0).collect();
        let genres = (0..N_ITEMS).map(|_| genres()).collect();
        let vectors = with_vectors.then(|| {
            let mut vectors = Matrix::zeros(N_ITEMS, 16);
            for item in 0..N_ITEMS {
                let row = vectors.row_mut(item);
                row.iter_mut().for_each(|x| *x = rng.random_range(-0.6..1.0));
                let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                row.iter_mut().for_each(|x| *x /= norm);
            }
            vectors
        });
        Case { scores, order, genres, vectors }
    };
    (0..40).map(|number| case(number % 2 == 1)).collect()
}

/// A request of a first page.
pub fn request(n: usize) -> Request<'static> {
    Request { user: UserId(0), luck: 0, round: 0, page: 1, n, known: &[], shown: &[], feedback: &[] }
}

/// Mean distance between two items of a list.
pub fn distance(similarity: &Similarity, items: &[u32]) -> f64 {
    let mut distances = Vec::new();
    for (place, &a) in items.iter().enumerate() {
        let others = &items[place + 1..];
        distances.extend(others.iter().map(|&b| 1.0 - f64::from(similarity.between(ItemId(a), ItemId(b)))));
    }
    distances.iter().sum::<f64>() / distances.len() as f64
}

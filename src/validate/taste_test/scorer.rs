//! Who takes the taste test: the agents' taste, popularity, and recommenders fitted to the
//! training part. Recommenders are asked for their whole ranking, so any kind can take part.

use super::Contestant;
use crate::agent::taste::Taste;
use crate::dataset::{Dataset, Interactions, Split};
use crate::experiment::fit;
use crate::id::{ItemId, UserId};
use crate::progress::Progress;
use crate::recommender::{self, FitContext, RecommendError, Recommender, Request};
use crate::rng::Streams;
use rayon::prelude::*;
use std::path::PathBuf;

/// What a contestant stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The taste of simulated people.
    Agents,
    /// The same order for everybody.
    Popularity,
    /// Collaborative filtering.
    Cf,
}

impl Role {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Role::Agents => "agents",
            Role::Popularity => "popularity",
            Role::Cf => "cf",
        }
    }
}

/// An opinion of every item.
pub trait Scorer: Sync {
    /// For each user one score an item, better liked ones higher; not a number without an opinion.
    fn scores(&self, users: &[UserId]) -> Result<Vec<Vec<f32>>, RecommendError>;
}

/// The agents' taste.
pub struct TasteScorer<'a> {
    /// The taste; for an honest test built from the training part alone.
    pub taste: &'a Taste,
    /// Items in the catalogue.
    pub n_items: usize,
}

impl Scorer for TasteScorer<'_> {
    fn scores(&self, users: &[UserId]) -> Result<Vec<Vec<f32>>, RecommendError> {
        let items = || (0..self.n_items as u32).map(ItemId);
        let of = |&user: &UserId| items().map(|item| self.taste.affinity(user, item)).collect();
        Ok(users.par_iter().map(of).collect())
    }
}

/// A recommender fitted to the training part.
pub struct Baseline<'a> {
    /// Its kind.
    pub name: String,
    /// What it stands for.
    pub role: Role,
    recommender: Box<dyn Recommender>,
    train: &'a Interactions,
}

/// Fits recommenders of these kinds, at their defaults, to the training part. Those that stop
/// early watch the validation part, half of what the test asks about: their advantage.
///
/// # Errors
/// When a kind is not in the list, needs parameters or cannot be fitted.
pub fn fit_baselines<'a>(
    dataset: &Dataset,
    split: &'a Split,
    kinds: &[&str],
    streams: Streams,
    progress: &dyn Progress,
) -> Result<Vec<Baseline<'a>>, RecommendError> {
    let bad = |problem: String| RecommendError::BadTraining { problem };
    let fit = |&name: &&str| {
        let kind =
            recommender::kind(name).ok_or_else(|| bad(format!("no recommender is called {name:?}")))?;
        let trainer = kind.check("baseline", &toml::Table::new()).map_err(|c| bad(c.to_string()))?;
        let checkpoint_dir: Option<PathBuf> = None;
        let mut context = FitContext { checkpoint_dir, ..FitContext::plain(streams, progress) };
        progress.begin(&format!("fit {name}"), 0);
        let recommender = trainer.fit(&fit::training(dataset, split), &mut context);
        progress.end();
        let role = if name == "popular" { Role::Popularity } else { Role::Cf };
        Ok(Baseline { name: name.to_owned(), role, recommender: recommender?, train: &split.train })
    };
    kinds.iter().map(fit).collect()
}

impl Baseline<'_> {
    /// It as one who takes the test.
    pub fn contestant(&self) -> Contestant<'_> {
        Contestant { name: self.name.clone(), role: self.role, scorer: self }
    }
}

impl Scorer for Baseline<'_> {
    fn scores(&self, users: &[UserId]) -> Result<Vec<Vec<f32>>, RecommendError> {
        let n_items = self.train.matrix.n_cols;
        let request = |&user: &UserId| Request {
            user,
            luck: u64::from(user.0),
            round: 0,
            page: 1,
            n: n_items,
            known: self.train.items_of(user),
            shown: &[],
            feedback: &[],
        };
        let requests: Vec<Request<'_>> = users.iter().map(request).collect();
        let row = |ranked: recommender::Ranked| {
            let mut row = vec![f32::NAN; n_items];
            ranked.items.iter().zip(&ranked.scores).for_each(|(item, &score)| row[item.idx()] = score);
            row
        };
        Ok(self.recommender.recommend(&requests)?.into_iter().map(row).collect())
    }
}

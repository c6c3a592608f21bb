//! `als`: matrix factorisation of implicit feedback by alternating least squares.
//!
//! Y. Hu, Y. Koren, C. Volinsky, "Collaborative Filtering for Implicit Feedback Datasets",
//! ICDM 2008. With preference p = 1 for what was met and 0 otherwise, and confidence
//! c = 1 + α for what was met and 1 otherwise, minimises (equation 3)
//!
//! ```text
//! Σ_ui c_ui (p_ui - x_u · y_i)² + λ (Σ_u ‖x_u‖² + Σ_i ‖y_i‖²)
//! ```
//!
//! by solving for all items (equation 5), then for all users (equation 4), `epochs` times.
//! `solver = "cg"` takes a few steps of conjugate gradient from the last solution
//! (G. Takács, I. Pilászy, D. Tikk, RecSys 2011); `"cholesky"` solves exactly.
//!
//! Deviations: ratings are not used (r_ui = 1, so c is 1 + α and not 1 + α r_ui); items
//! are solved first, so that users end up fitting the final items, which is also what
//! folding in a session computes: the user's row again, exactly, with what was watched
//! added. People without any history get the most popular items.
//!
//! `reg` and `alpha` were chosen on the Agent4Rec validation set among 5–150 and 1–20; what
//! is best depends on the size of the data, as λ is not scaled by counts.

use super::als_solve::{LANES, Method, Problem, Scratch, gram, low_rank};
use super::dense::{Matrix, dot};
use super::factors::Factors;
use super::history::History;
use super::{
    About, ColdItems, CurvePoint, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind,
    Request, Surroundings, Trainer, Training, model_file,
};
use crate::rng::Purpose;
use crate::scenario::params::{self, Complaint};
use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The kind `als`.
pub struct Als;

const NAME: &str = "als";

/// Rows one task solves.
const CHUNK: usize = 8;

/// How a row of factors is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    /// A few steps of conjugate gradient from the last solution.
    Cg,
    /// Exactly.
    Cholesky,
}

/// Hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Width of the factors, 1..=1024.
    pub embedding_size: u32,
    /// Times every row is solved, 1..=1000.
    pub epochs: u32,
    /// λ, the L2 regularisation of both sides.
    pub reg: f64,
    /// α, the extra confidence in what was met: 1 + alpha instead of 1.
    pub alpha: f64,
    /// How a row is solved: "cg" or "cholesky".
    pub solver: Solver,
    /// Steps of conjugate gradient, 1..=100.
    pub cg_steps: u32,
    /// Whether the loss is measured after every epoch, for the learning curve.
    pub track_loss: bool,
    /// Whether what is watched in a session changes its next page.
    pub fold_in: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            embedding_size: 64,
            epochs: 15,
            reg: 60.0,
            alpha: 8.0,
            solver: Solver::Cg,
            cg_steps: 3,
            track_loss: true,
            fold_in: false,
        }
    }
}

impl RecommenderKind for Als {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "factors of implicit feedback by alternating least squares",
            source: "Hu, Koren and Volinsky, ICDM 2008; Takács, Pilászy and Tikk, RecSys 2011",
            needs: Needs::Interactions,
            folds_in: true,
            cold_items: ColdItems::Unknown,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Params)
    }

    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: Params = params::parse(at, params)?;
        params::within(at, "embedding_size", params.embedding_size, 1, 1024)?;
        params::within(at, "epochs", params.epochs, 1, 1000)?;
        params::within(at, "reg", params.reg, 1e-4, 1e6)?;
        params::within(at, "alpha", params.alpha, 0.0, 1e6)?;
        params::within(at, "cg_steps", params.cg_steps, 1, 100)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let params: Params = model_file::read_header(dir, NAME)?;
        let factors = Factors::load(dir)?;
        let history = History::load(dir, factors.items().n_rows)?;
        let (found, expected) = (params.embedding_size as usize, factors.items().n_cols);
        if found != expected {
            let problem = format!("embedding_size is {found}, must be {expected} as in items.npy");
            return Err(model_file::bad(&dir.join("model.json"), problem));
        }
        if history.n_users() != factors.users().n_rows {
            let problem = format!("has {} users, must have {}", history.n_users(), factors.users().n_rows);
            return Err(model_file::bad(&dir.join("history_lengths.npy"), problem));
        }
        Ok(Box::new(Fitted::new(params, factors, history)))
    }
}

impl Params {
    /// Factor width in memory: padded, so that the solvers need no odd ends.
    fn width(&self) -> usize {
        (self.embedding_size as usize).next_multiple_of(LANES)
    }

    fn method(&self) -> Method {
        match self.solver {
            Solver::Cg => Method::ConjugateGradient(self.cg_steps),
            Solver::Cholesky => Method::Cholesky,
        }
    }

    fn problem<'a>(&self, others: &'a [f32], gram: &'a [f32], solved: Option<&'a [f32]>) -> Problem<'a> {
        let (alpha, reg) = (self.alpha as f32, self.reg as f32);
        Problem { width: self.width(), others, gram, alpha, reg, solved }
    }

    /// Small random rows for the users that have interactions, zeros for the others.
    fn initial_users(&self, history: &History, context: &FitContext<'_>) -> Vec<f32> {
        let (width, used) = (self.width(), self.embedding_size as usize);
        let mut rng = context.streams.stream(Purpose::Init, context.round, 0, 0);
        let mut users = vec![0f32; history.n_users() * width];
        for (user, row) in users.chunks_exact_mut(width).enumerate() {
            if !history.row(user).is_empty() {
                row[..used].iter_mut().for_each(|value| *value = (rng.random::<f32>() - 0.5) * 0.1);
            }
        }
        users
    }
}

impl Trainer for Params {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let history = History::new(training.train);
        let by_item = history.by_item();
        let width = self.width();
        let mut users = self.initial_users(&history, context);
        let mut items = vec![0f32; history.n_items() * width];
        context.progress.begin(NAME, u64::from(self.epochs));
        for epoch in 1..=self.epochs {
            context.progress.go_on()?;
            self.solve_side(&users, &by_item, &mut items, epoch)?;
            self.solve_side(&items, &history, &mut users, epoch)?;
            if self.track_loss {
                let value = self.loss(&history, &users, &items);
                if !value.is_finite() {
                    return Err(RecommendError::Diverged { epoch, measure: "loss".to_owned(), value });
                }
                context.curve.push(CurvePoint { epoch, measure: "loss".to_owned(), value });
            }
            context.progress.advance(1, "");
        }
        context.progress.end();
        let users = self.unpadded(&users);
        let items = self.unpadded(&items);
        let factors = Factors::new(users, items, None, training.train);
        Ok(Box::new(Fitted::new(*self, factors, history)))
    }
}

impl Params {
    /// Solves every row of one side, given the other side and who met whom.
    fn solve_side(
        &self,
        others: &[f32],
        met: &History,
        rows: &mut [f32],
        epoch: u32,
    ) -> Result<(), RecommendError> {
        let width = self.width();
        let gram = gram(others, width);
        let solved = match self.solver {
            Solver::Cg => None,
            Solver::Cholesky => low_rank::solve_all(others, &gram, width, self.reg as f32),
        };
        let problem = self.problem(others, &gram, solved.as_deref());
        let failed = AtomicBool::new(false);
        rows.par_chunks_mut(CHUNK * width).enumerate().for_each_init(
            Scratch::default,
            |scratch, (at, rows)| {
                for (row, x) in rows.chunks_exact_mut(width).enumerate() {
                    let solved = problem.solve(self.method(), met.row(at * CHUNK + row), x, scratch);
                    if !solved || !x.iter().all(|value| value.is_finite()) {
                        failed.store(true, Ordering::Relaxed);
                    }
                }
            },
        );
        if failed.into_inner() {
            let problem = format!(
                "a row cannot be solved in epoch {epoch}; reg is {}, raise it, or lower alpha ({})",
                self.reg, self.alpha
            );
            return Err(RecommendError::BadTraining { problem });
        }
        Ok(())
    }

    /// The objective of equation 3, summed over users in a fixed order.
    fn loss(&self, history: &History, users: &[f32], items: &[f32]) -> f64 {
        let width = self.width();
        // Σ over everything of (x·y)² is the trace of XᵀX YᵀY; then correct what was met.
        let (user_gram, item_gram) = (gram(users, width), gram(items, width));
        let product = |(a, b): (&f32, &f32)| f64::from(*a) * f64::from(*b);
        let everything: f64 = user_gram.iter().zip(&item_gram).map(product).sum();
        let norms: f64 =
            (0..width).map(|at| f64::from(user_gram[at * width + at] + item_gram[at * width + at])).sum();
        let met: Vec<f64> = (0..history.n_users())
            .into_par_iter()
            .map(|user| {
                let x = &users[user * width..][..width];
                let of = |&item: &u32| {
                    let found = f64::from(dot(x, &items[item as usize * width..][..width]));
                    (1.0 + self.alpha) * (1.0 - found).powi(2) - found.powi(2)
                };
                history.row(user).iter().map(of).sum()
            })
            .collect();
        everything + met.iter().sum::<f64>() + self.reg * norms
    }

    fn unpadded(&self, rows: &[f32]) -> Matrix {
        let (width, used) = (self.width(), self.embedding_size as usize);
        let data = rows.chunks_exact(width).flat_map(|row| &row[..used]).copied().collect();
        Matrix::new(rows.len() / width, used, data)
    }
}

/// Fitted: the factors, and what folding in needs.
struct Fitted {
    params: Params,
    factors: Factors,
    history: History,
    /// Padded item factors and their Gram matrix; empty without `fold_in`.
    items: Vec<f32>,
    gram: Vec<f32>,
}

impl Fitted {
    fn new(params: Params, factors: Factors, history: History) -> Self {
        let (width, used) = (params.width(), params.embedding_size as usize);
        let (mut items, mut item_gram) = (Vec::new(), Vec::new());
        if params.fold_in {
            items = vec![0f32; factors.items().n_rows * width];
            for (item, row) in items.chunks_exact_mut(width).enumerate() {
                row[..used].copy_from_slice(factors.items().row(item));
            }
            item_gram = gram(&items, width);
        }
        Fitted { params, factors, history, items, gram: item_gram }
    }

    /// The user's row with the session folded in; without anything watched, as it was learned.
    fn vector(&self, request: &Request<'_>, row: &mut [f32]) -> bool {
        let owned = self.history.with_session(request, self.params.fold_in);
        if owned.len() > self.history.of(request.user).len() {
            let mut x = vec![0f32; self.params.width()];
            let problem = self.params.problem(&self.items, &self.gram, None);
            if problem.solve(Method::Cholesky, &owned, &mut x, &mut Scratch::default()) {
                row.copy_from_slice(&x[..row.len()]);
                return true;
            }
        }
        match self.factors.user(request.user) {
            Some(learned) => row.copy_from_slice(learned),
            None => return false,
        }
        true
    }
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        Ok(self.factors.recommend_with(requests, |request, row| self.vector(request, row)))
    }

    fn adapts_in_session(&self) -> bool {
        self.params.fold_in
    }

    fn answers_alike(&self) -> bool {
        true
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &self.params)?;
        self.factors.save(dir)?;
        self.history.save(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Interaction, Interactions};
    use crate::id::{ItemId, UserId};
    use crate::progress::Quiet;
    use crate::rng::Streams;

    fn curve(params: Params) -> Vec<f64> {
        let mut rng = Streams::new(2).stream(Purpose::Synthesis, 0, 0, 0);
        let pairs: Vec<Interaction> = (0..40)
            .flat_map(|user| (0..30).map(move |item| (user, item)))
            .filter(|(user, item)| rng.random_bool(if user % 3 == item % 3 { 0.6 } else { 0.1 }))
            .map(|(user, item)| Interaction { user: UserId(user), item: ItemId(item), rating: 1.0, order: 0 })
            .collect();
        let train = Interactions::from_sorted(40, 30, &pairs);
        let valid = Interactions::from_sorted(40, 30, &[]);
        let vocabulary = crate::dataset::Vocabulary::new();
        let training = Training {
            train: &train,
            valid: &valid,
            catalogue: &[],
            users: &vocabulary,
            items: &vocabulary,
            genres: &vocabulary,
            has_ratings: false,
            user_profiles: None,
        };
        let streams = Streams::new(1);
        let mut context = FitContext::plain(streams, &Quiet);
        params.fit(&training, &mut context).expect("a fit");
        context.curve.iter().map(|point| point.value).collect()
    }

    #[test]
    fn exact_alternation_never_raises_the_loss_and_cg_ends_near_it() {
        let exact =
            Params { embedding_size: 5, reg: 1.0, solver: Solver::Cholesky, epochs: 12, ..Params::default() };
        let losses = curve(exact);
        assert!(losses.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-5)), "{losses:?}");
        let near = curve(Params { solver: Solver::Cg, epochs: 30, ..exact });
        let (exact, near) = (losses[losses.len() - 1], near[near.len() - 1]);
        assert!((near / exact - 1.0).abs() < 0.02, "{near} {exact}");
    }
}

//! Who ranks: the traits every recommender implements, and the list of all of them.
//!
//! A recommender sees a [`Training`] set, item text and, page by page, what its own
//! user did in the session ([`Feedback`]). It must not know agents: what people truly
//! like never crosses this border (there is no type here that could carry it).
//!
//! Stages are separate types: parameters (TOML) -> [`Trainer`] (checked) ->
//! [`Recommender`] (fitted).

pub mod cholesky;
pub mod dense;
pub mod factors;
pub mod fitted;
pub mod history;
pub mod model_file;
pub mod rank;
pub mod training;
pub mod without;
pub mod wrapping;

pub mod alpharec;
pub mod als;
pub mod als_solve;
pub mod boost;
pub mod ease;
pub mod explore;
pub mod foreign;
pub mod item_knn;
pub mod lightgcn;
pub mod llm_rank;
pub mod mf;
pub mod mult_vae;
pub mod mult_vae_network;
pub mod popular;
pub mod random;
pub mod rerank;
pub mod rlmrec;
pub mod text_towers;
pub mod two_tower;
pub mod user_knn;

use crate::dataset::{Interactions, Item, Vocabulary};
use crate::encoder::EncodeError;
use crate::encoder::library::{Encoded, Encoders};
use crate::id::{ItemId, UserId};
use crate::llm::LlmError;
use crate::llm::client::Client;
use crate::progress::Progress;
use crate::rng::Streams;
use crate::scenario::params::Complaint;
use crate::stop::Stopped;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a recommender may learn from.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// Training interactions, `n_users × n_items`.
    pub train: &'a Interactions,
    /// Validation interactions for early stopping; may be empty.
    pub valid: &'a Interactions,
    /// Item text, in `ItemId` order.
    pub catalogue: &'a [Item],
    /// Raw user ids, for recommenders outside this process.
    pub users: &'a Vocabulary,
    /// Raw item ids, likewise.
    pub items: &'a Vocabulary,
    /// Genre names.
    pub genres: &'a Vocabulary,
    /// Whether ratings mean more than the fact of interaction.
    pub has_ratings: bool,
    /// What a language model wrote of each user from their training interactions, where there is such text.
    pub user_profiles: Option<&'a [Option<String>]>,
}

impl Training<'_> {
    /// Number of users.
    pub fn n_users(&self) -> usize {
        self.train.matrix.n_rows
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.train.matrix.n_cols
    }

    /// One unit vector an item, by the encoder of this name.
    pub fn item_vectors(
        &self,
        encoder: &str,
        context: &FitContext<'_>,
    ) -> Result<Arc<Encoded>, RecommendError> {
        let encoders = &context.around.encoders;
        Ok(encoders.items(encoder, self.items, self.catalogue, self.genres, context.progress)?)
    }
}

/// One point of a learning curve.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CurvePoint {
    /// Epoch, from 1.
    pub epoch: u32,
    /// What was measured: `loss`, `recall@20`, …
    pub measure: String,
    /// Its value.
    pub value: f64,
}

/// What recommenders find around them, at fitting and at loading.
#[derive(Clone)]
pub struct Surroundings {
    /// How text becomes vectors.
    pub encoders: Arc<Encoders>,
    /// The way to language models.
    pub llm: Arc<Client>,
}

impl Surroundings {
    /// The default encoder and no language model.
    pub fn plain() -> Self {
        Surroundings { encoders: Encoders::plain(), llm: Client::none() }
    }
}

/// A fitted recommender inside another that reorders what it ranks.
#[derive(Clone)]
pub struct Wrapped {
    /// What it is.
    pub kind: &'static dyn RecommenderKind,
    /// The model.
    pub model: Arc<dyn Recommender>,
}

/// The surroundings of one fit.
pub struct FitContext<'a> {
    /// Encoders and language models.
    pub around: Surroundings,
    /// Under which name calls of language models are booked: the arm's.
    pub arm: &'a str,
    /// The fitted model of the arm that [`Trainer::wraps`] names.
    pub wrapped: Option<Wrapped>,
    /// Randomness of this fit.
    pub streams: Streams,
    /// Feedback round, from 0: part of every random key.
    pub round: u32,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
    /// Learning curves, for the manifest.
    pub curve: Vec<CurvePoint>,
    /// Where checkpoints may be written.
    pub checkpoint_dir: Option<PathBuf>,
}

impl<'a> FitContext<'a> {
    /// A fit of the first round with nothing around it.
    pub fn plain(streams: Streams, progress: &'a dyn Progress) -> Self {
        FitContext {
            around: Surroundings::plain(),
            arm: "",
            wrapped: None,
            streams,
            round: 0,
            progress,
            curve: Vec::new(),
            checkpoint_dir: None,
        }
    }
}

/// What a user did with one item in the running session, oldest first in a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feedback {
    /// The item shown.
    pub item: ItemId,
    /// The page it was shown on, from 1.
    pub page: u32,
    /// Whether it was watched.
    pub watched: bool,
    /// The rating, where one was given.
    pub rating: Option<f32>,
}

/// One question to a recommender: the best `n` items for this user now.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// For whom; users past `n_users` of the training set are unknown people.
    pub user: UserId,
    /// A number that is this request's own luck key (the agent), for stochastic recommenders.
    pub luck: u64,
    /// Feedback round, from 0.
    pub round: u32,
    /// The page to fill, from 1.
    pub page: u32,
    /// How many items are wanted.
    pub n: usize,
    /// Items never to return, ascending: what the user has in training (and validation, by policy).
    pub known: &'a [u32],
    /// Items shown in this session, any order: never to return either.
    pub shown: &'a [ItemId],
    /// What the user did in this session, oldest first.
    pub feedback: &'a [Feedback],
}

/// A ranked list, best first: no repeats, nothing excluded, at most `n`
/// (fewer only when the catalogue is exhausted).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranked {
    /// The items, best first.
    pub items: Vec<ItemId>,
    /// The score of each, on the model's own scale.
    pub scores: Vec<f32>,
    /// For recommenders that explore: the probability with which each item was put at its place, given those above
    /// it. Empty for all others.
    pub propensities: Vec<f32>,
}

impl Ranked {
    /// A list that was not drawn: best first, with the score of each.
    pub fn plain(items: Vec<ItemId>, scores: Vec<f32>) -> Self {
        Ranked { items, scores, propensities: Vec::new() }
    }
}

/// From what distribution one list is filled, place by place.
pub trait Policy: Send + Sync {
    /// What may stand below these, and with which probability: each above 0, 1 in all; nothing where the list ends.
    fn next(&self, above: &[ItemId]) -> Vec<(ItemId, f64)>;
}

/// The policy of a list that is not drawn: the first item that is not above already.
struct Fixed(Vec<ItemId>);

impl Policy for Fixed {
    fn next(&self, above: &[ItemId]) -> Vec<(ItemId, f64)> {
        self.0.iter().find(|item| !above.contains(item)).map(|&item| (item, 1.0)).into_iter().collect()
    }
}

/// A fitted recommender.
pub trait Recommender: Send + Sync {
    /// Ranks for a batch of requests: one list a request, in request order.
    ///
    /// The answer for a request must not depend on what else is in the batch.
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError>;

    /// The same where one failure must not spoil the rest: one list or failure a request.
    ///
    /// Whoever can tell what concerns one request from what concerns all overrides this, so that
    /// a recommender that is gone is not asked again for everybody.
    fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        if let Ok(lists) = self.recommend(requests) {
            return lists.into_iter().map(Ok).collect();
        }
        let one = |request| self.recommend(std::slice::from_ref(request)).map(|mut lists| lists.pop());
        requests.iter().map(|request| Ok(one(request)?.unwrap_or_default())).collect()
    }

    /// From what distribution it fills the places of a list, one policy a request.
    ///
    /// Whoever does not draw puts its list as it is.
    fn policies(&self, requests: &[Request<'_>]) -> Result<Vec<Arc<dyn Policy>>, RecommendError> {
        let fixed = |list: Ranked| -> Arc<dyn Policy> { Arc::new(Fixed(list.items)) };
        Ok(self.recommend(requests)?.into_iter().map(fixed).collect())
    }

    /// Whether it wants to be asked again on every page; otherwise it is asked once a
    /// session for all pages at once.
    fn adapts_in_session(&self) -> bool;

    /// Whether two requests that differ in nothing but [`Request::luck`] get the same list: it is then
    /// ranked once for all agents of one person.
    fn answers_alike(&self) -> bool {
        false
    }

    /// Writes everything [`RecommenderKind::load`] needs into an existing, empty folder.
    fn save(&self, dir: &Path) -> Result<(), RecommendError>;
}

/// Checked hyper-parameters, ready to fit.
pub trait Trainer: Send + Sync {
    /// Learns from the training set.
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError>;

    /// The encoder it needs, by its name in the scenario.
    fn encoder(&self) -> Option<&str> {
        None
    }

    /// The language model it asks, likewise.
    fn llm(&self) -> Option<&str> {
        None
    }

    /// The arm whose lists it reorders, likewise.
    fn wraps(&self) -> Option<&str> {
        None
    }
}

/// What a recommender's author tells its users.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// One line.
    pub summary: &'static str,
    /// Paper or peer the definition comes from.
    pub source: &'static str,
    /// What it learns from.
    pub needs: Needs,
    /// Whether in-session feedback changes its next page without a refit.
    pub folds_in: bool,
    /// What it makes of items that nobody has in training.
    pub cold_items: ColdItems,
}

/// What a recommender makes of items that nobody has in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColdItems {
    /// It ranks them as well as it can: by their text, or as it ranks any other.
    Ranked,
    /// It knows items by who has them, and of these it knows nothing.
    Unknown,
}

/// What a recommender learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Interactions (collaborative filtering).
    Interactions,
    /// Item text, and interactions to learn what to make of it.
    Text,
    /// A language model, and an arm whose lists it reorders.
    Llm,
    /// An arm whose lists it reorders.
    Arm,
    /// Something outside this process.
    Foreign,
}

impl Needs {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Needs::Nothing => "nothing",
            Needs::Interactions => "interactions",
            Needs::Text => "text",
            Needs::Llm => "llm",
            Needs::Arm => "arm",
            Needs::Foreign => "foreign",
        }
    }
}

/// A kind of recommender: one unit struct a file, one entry in [`ALL`].
pub trait RecommenderKind: Sync {
    /// Its name in a scenario: `kind = "mf"`.
    fn name(&self) -> &'static str;
    /// What it is.
    fn about(&self) -> About;
    /// JSON Schema of its hyper-parameters, defaults included.
    fn params_schema(&self) -> schemars::Schema;
    /// Checks the hyper-parameters found at the dotted path `at` (the key `kind` already removed).
    fn check(&self, at: &str, params: &toml::Table) -> Result<Box<dyn Trainer>, Complaint>;
    /// Reads what [`Recommender::save`] wrote.
    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError>;
}

/// Every recommender, in alphabetical order.
pub static ALL: &[&dyn RecommenderKind] = &[
    // One a line, so that two branches that add one each can be merged.
    &alpharec::AlphaRec,
    &als::Als,
    &boost::Boost,
    &rerank::calibrated::Calibrated,
    &rerank::dpp::Dpp,
    &ease::Ease,
    &foreign::embeddings::Embeddings,
    &explore::epsilon_greedy::EpsilonGreedy,
    &foreign::http::Http,
    &item_knn::ItemKnn,
    &lightgcn::LightGcn,
    &llm_rank::LlmRank,
    &mf::Mf,
    &rerank::mmr::Mmr,
    &mult_vae::MultVae,
    &popular::Popular,
    &foreign::process::Process,
    &random::Random,
    &foreign::ranking::Ranking,
    &foreign::recorded::Recorded,
    &rlmrec::RlmRec,
    &explore::softmax::Softmax,
    &explore::thompson::Thompson,
    &two_tower::TwoTower,
    &user_knn::UserKnn,
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn RecommenderKind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

/// Why a recommender could not be fitted, saved, loaded or asked.
#[derive(Debug, thiserror::Error)]
pub enum RecommendError {
    /// The work was asked to stop.
    #[error("the work was stopped")]
    Stopped(#[from] Stopped),
    /// A model file could not be read or written.
    #[error("cannot access model file {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model file is not what it should be.
    #[error("model file {path}: {problem}")]
    BadModel {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// Training produced numbers that are not finite.
    #[error("training diverged in epoch {epoch}: {measure} is {value}; lower the learning rate or raise reg")]
    Diverged {
        /// Epoch, from 1.
        epoch: u32,
        /// What was not finite.
        measure: String,
        /// The value.
        value: f64,
    },
    /// The training set cannot serve this model.
    #[error("cannot train: {problem}")]
    BadTraining {
        /// What is missing.
        problem: String,
    },
    /// Item text could not be turned into vectors.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A language model cannot be used.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// A recommender outside this process did not even answer a greeting.
    #[error("{recommender} cannot be used: {cause}")]
    ForeignStart {
        /// What it is.
        recommender: String,
        /// What went wrong.
        cause: String,
    },
    /// A recommender outside this process, or a language model, broke the protocol or could not be reached.
    #[error("recommender answered badly for user {user}, page {page}: {cause}")]
    Foreign {
        /// Raw id of the user.
        user: String,
        /// The page asked for, from 1.
        page: u32,
        /// What went wrong.
        cause: String,
    },
}

impl RecommendError {
    /// Whether nobody will be answered any more, as against one request failing: a spent budget, say.
    pub fn stops_run(&self) -> bool {
        match self {
            RecommendError::Llm(error) => error.stops_run(),
            RecommendError::Stopped(_) => true,
            _ => false,
        }
    }

    /// What went wrong, for a place that already names user and page.
    pub fn cause(&self) -> String {
        match self {
            RecommendError::Foreign { cause, .. } => cause.clone(),
            other => other.to_string(),
        }
    }
}

//! `ranking`: ready lists from a file, one a user, best first. What the user already has or has
//! been shown is left out, so lists must be longer than what is shown.
//!
//! New behaviour changes nothing in a session. Must not know file formats: those are in
//! `ranking_file.rs`.

use super::super::history::History;
use super::super::rank::reciprocal_ranks;
use super::super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Surroundings,
};
use super::super::{Request, Trainer, Training, model_file};
use super::bad;
use super::ranking_file::{self, Lists};
use super::roster::check_raw_ids;
use crate::id::ItemId;
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name in a scenario.
const NAME: &str = "ranking";

/// Parameters of `ranking`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RankingParams {
    /// The file: `.csv` or `.parquet` with columns user and item, and rank or score or neither; any
    /// other name is text, a line a user: `user item item …`. A path starts at the folder the command is
    /// given in.
    pub path: PathBuf,
    /// What follows a list that is too short: `error`, or `popular` items.
    #[serde(default)]
    pub fill: Fill,
}

/// What follows a list that is too short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Nothing: it is an error.
    #[default]
    Error,
    /// The most popular items that are not in it.
    Popular,
}

/// The kind `ranking`.
pub struct Ranking;

impl RecommenderKind for Ranking {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "ready lists made elsewhere, from a text, CSV or Parquet file",
            source: "docs/foreign-recommenders.md",
            needs: Needs::Foreign,
            folds_in: false,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(RankingParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let path = ("path", "the file with the lists");
        Ok(Box::new(params::parse_with::<RankingParams>(at, table, &[path])?))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let header: Header = model_file::read_header(dir, NAME)?;
        let n_items = header.n_items;
        let lists = Lists::load(dir, header.users.len(), n_items, header.has_scores)?;
        let path = dir.join("popular.npy");
        let by_popularity = model_file::read_ids(&path, Some(n_items), n_items as u32)?;
        let popular = Lists { starts: vec![0, n_items], items: by_popularity.clone(), scores: None };
        if popular.repeated(n_items).is_some() {
            return Err(bad(&path, "repeats an item"));
        }
        Ok(Box::new(Fitted { params: header.params, users: header.users, lists, by_popularity }))
    }
}

/// What `model.json` remembers.
#[derive(Serialize, Deserialize)]
struct Header {
    params: RankingParams,
    users: Vec<String>,
    n_items: usize,
    has_scores: bool,
}

impl Trainer for RankingParams {
    fn fit(
        &self,
        training: &Training<'_>,
        _context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        check_raw_ids(training)?;
        let lists = ranking_file::read(&self.path, training.users, training.items)?;
        let counts = History::new(training.train).popularity();
        let mut by_popularity: Vec<u32> = (0..training.n_items() as u32).collect();
        // Stable: of equally popular items the lower id comes first.
        by_popularity.sort_by(|&a, &b| counts[b as usize].total_cmp(&counts[a as usize]));
        let users = training.users.all().to_vec();
        Ok(Box::new(Fitted { params: self.clone(), users, lists, by_popularity }))
    }
}

/// The lists, and what follows them.
struct Fitted {
    params: RankingParams,
    /// Raw ids, to name in errors.
    users: Vec<String>,
    lists: Lists,
    by_popularity: Vec<u32>,
}

impl Fitted {
    fn answer(&self, request: &Request<'_>) -> Result<Ranked, RecommendError> {
        let may_rank = |item: &u32| {
            request.known.binary_search(item).is_err() && !request.shown.contains(&ItemId(*item))
        };
        let (items, scores) = self.lists.of(request.user.idx());
        let places: Vec<usize> =
            (0..items.len()).filter(|&at| may_rank(&items[at])).take(request.n).collect();
        let own_scores = match scores {
            Some(scores) => places.iter().map(|&at| scores[at]).collect(),
            None => reciprocal_ranks(places.len()),
        };
        let mut ranked = Ranked::plain(places.iter().map(|&at| ItemId(items[at])).collect(), own_scores);
        if ranked.items.len() == request.n {
            return Ok(ranked);
        }
        let n_own = ranked.items.len();
        let rest = self.by_popularity.iter().filter(|item| may_rank(item) && !items.contains(item));
        ranked.items.extend(rest.map(|&item| ItemId(item)).take(request.n - n_own));
        let n_all = ranked.items.len();
        if n_all == n_own {
            return Ok(ranked);
        }
        if self.params.fill == Fill::Error {
            return Err(self.too_short(request, items.len(), n_own, n_all));
        }
        match scores {
            Some(_) => {
                let last = ranked.scores.last().copied().unwrap_or(0.0);
                ranked.scores.extend((1..=n_all - n_own).map(|place| last - place as f32));
            }
            None => ranked.scores = reciprocal_ranks(n_all),
        }
        Ok(ranked)
    }

    fn too_short(&self, request: &Request<'_>, n_list: usize, n_own: usize, n: usize) -> RecommendError {
        let user = self.users.get(request.user.idx()).cloned();
        let cause = match n_list {
            0 => format!("has no list in {}, expected {n} items", self.params.path.display()),
            _ => format!(
                "of the {n_list} items in {} {n_own} are not excluded, expected {n}",
                self.params.path.display()
            ),
        };
        RecommendError::Foreign {
            user: user.unwrap_or_else(|| format!("number {} (not in training)", request.user.0)),
            page: request.page,
            cause: cause + "; fill = \"popular\" would fill it up",
        }
    }
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        requests.iter().map(|request| self.answer(request)).collect()
    }

    fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        requests.iter().map(|request| self.answer(request)).collect()
    }

    fn adapts_in_session(&self) -> bool {
        false
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let header = Header {
            params: self.params.clone(),
            users: self.users.clone(),
            n_items: self.by_popularity.len(),
            has_scores: self.lists.scores.is_some(),
        };
        model_file::write_header(dir, NAME, &header)?;
        self.lists.save(dir)?;
        model_file::write_ids(&dir.join("popular.npy"), &self.by_popularity)
    }
}

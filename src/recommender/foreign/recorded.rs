//! `recorded`: what a record of sessions says was shown, to the same people in the same order. Nobody else
//! gets anything, and nobody more than the record holds. Of a record only what was shown is looked at,
//! never what was made of it. Must not know how records are written: that is `event/recorded.rs`.

use super::super::rank::reciprocal_ranks;
use super::super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Surroundings,
};
use super::super::{Request, Trainer, Training, model_file};
use super::bad;
use super::ranking_file::Lists;
use super::roster::check_raw_ids;
use crate::event::EventError;
use crate::event::recorded::{self, Names};
use crate::id::{ItemId, UserId};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name in a scenario.
const NAME: &str = "recorded";

/// Parameters of `recorded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedParams {
    /// The record: a file of sessions (`sessions_*.jsonl`) or of language-model calls (`llm_calls_*.jsonl`).
    /// A path starts at the folder the command is given in.
    pub transcripts: PathBuf,
}

/// The kind `recorded`.
pub struct Recorded;

impl RecommenderKind for Recorded {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "the pages of recorded sessions, to the same people",
            source: "docs/foreign-recommenders.md",
            needs: Needs::Foreign,
            folds_in: false,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(RecordedParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let transcripts = ("transcripts", "the file of recorded sessions or calls");
        Ok(Box::new(params::parse_with::<RecordedParams>(at, table, &[transcripts])?))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let Header { params, users, items } = model_file::read_header(dir, NAME)?;
        let lists = Lists::load(dir, users.len(), items.len(), false)?;
        Ok(Box::new(Fitted { params, users, items, lists }))
    }
}

/// What `model.json` remembers.
#[derive(Serialize, Deserialize)]
struct Header {
    params: RecordedParams,
    users: Vec<String>,
    items: Vec<String>,
}

impl Trainer for RecordedParams {
    fn fit(
        &self,
        training: &Training<'_>,
        _context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        check_raw_ids(training)?;
        let names = Names::new(
            training.users.all().iter().map(String::as_str),
            training.items.all().iter().map(String::as_str),
            training.catalogue.iter().map(|item| item.title.as_str()),
        );
        let sessions =
            recorded::read_either(&self.transcripts, &names).map_err(|error| self.unread(error))?;
        let mut shown: Vec<Vec<u32>> = vec![Vec::new(); training.n_users()];
        for session in sessions.iter().map(|recorded| &recorded.session) {
            shown[session.agent.idx()] = session.slots().map(|slot| slot.item.0).collect();
        }
        let starts = std::iter::once(0).chain(shown.iter().scan(0, |end, list| {
            *end += list.len();
            Some(*end)
        }));
        let lists = Lists { starts: starts.collect(), items: shown.concat(), scores: None };
        let fitted = Fitted {
            params: self.clone(),
            users: training.users.all().to_vec(),
            items: training.items.all().to_vec(),
            lists,
        };
        fitted.check(training)?;
        Ok(Box::new(fitted))
    }
}

impl RecordedParams {
    fn unread(&self, error: EventError) -> RecommendError {
        match error {
            EventError::Io { path, source } => RecommendError::Io { path, source },
            EventError::BadRow { path, row, problem } => bad(&path, format!("row {row}: {problem}")),
            EventError::Parquet { .. } => bad(&self.transcripts, "is no record"),
        }
    }
}

/// The lists of the record.
struct Fitted {
    params: RecordedParams,
    /// Raw ids, to name in errors.
    users: Vec<String>,
    items: Vec<String>,
    lists: Lists,
}

impl Fitted {
    /// Refuses a record that repeats an item in a session or shows what people have in training.
    fn check(&self, training: &Training<'_>) -> Result<(), RecommendError> {
        let path = &self.params.transcripts;
        if let Some((user, item)) = self.lists.repeated(training.n_items()) {
            let (user, item) = (&self.users[user], &self.items[item as usize]);
            return Err(bad(
                path,
                format!("user {user} is shown item {item} twice, a session never repeats one"),
            ));
        }
        for user in (0..training.n_users() as u32).map(UserId) {
            let known = training.train.items_of(user);
            let (items, _) = self.lists.of(user.idx());
            if let Some(&item) = items.iter().find(|item| known.binary_search(item).is_ok()) {
                return Err(bad(path, self.excluded(user, item)));
            }
        }
        Ok(())
    }

    fn excluded(&self, user: UserId, item: u32) -> String {
        format!(
            "user {} is shown item {}, which session.exclude keeps from this user",
            self.users[user.idx()],
            self.items[item as usize]
        )
    }

    fn answer(&self, request: &Request<'_>) -> Result<Ranked, RecommendError> {
        let (items, _) = self.lists.of(request.user.idx());
        if let Some(&item) = items.iter().find(|item| request.known.binary_search(item).is_ok()) {
            return Err(RecommendError::Foreign {
                user: self.users[request.user.idx()].clone(),
                page: request.page,
                cause: format!(
                    "{}: {}",
                    self.params.transcripts.display(),
                    self.excluded(request.user, item)
                ),
            });
        }
        let left = items.iter().map(|&item| ItemId(item)).filter(|item| !request.shown.contains(item));
        let items: Vec<ItemId> = left.take(request.n).collect();
        let scores = reciprocal_ranks(items.len());
        Ok(Ranked::plain(items, scores))
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
        let header =
            Header { params: self.params.clone(), users: self.users.clone(), items: self.items.clone() };
        model_file::write_header(dir, NAME, &header)?;
        self.lists.save(dir)
    }
}

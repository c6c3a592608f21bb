//! `llm_rank`: a language model puts the head of another arm's list in order, after Hou, Zhang, Lin, Lu, Xie,
//! McAuley and Zhao, "Large Language Models are Zero-Shot Rankers for Recommender Systems" (ECIR 2024).
//!
//! From the paper: the three ways to tell a history (sequential, recency-focused, in-context learning), 20 candidates,
//! several rounds over shuffled candidates merged against position bias (bootstrapping), and short histories against
//! popularity bias. Rounds are merged by mean rank, which is the sum of Borda scores of the authors' code
//! (github.com/RUCAIBox/LLMRank). Deviations: the model answers with numbers and not with titles, so nothing is
//! matched by words; every round has an order of its own (the code's shuffle gives all rounds the same one); ties,
//! and candidates that a reply does not name, take the retriever's order; candidates are what one arm finds, and the
//! list goes on behind them as that arm had it; the wording is our own.
//!
//! [`prompts`] has the words, [`known`] what may be told, [`scene`] makes the calls of a request, [`gather`] has them
//! answered side by side, [`order`] reads and merges the replies. Nothing is trained.

pub mod gather;
pub mod known;
pub mod order;
pub mod prompts;
pub mod scene;

use super::rank::reciprocal_ranks;
use super::{
    About, ColdItems, FitContext, Needs, Ranked, RecommendError, Recommender, RecommenderKind, Request,
    Surroundings, Trainer, Training, Wrapped, model_file,
};
use crate::llm::account::Slips;
use crate::llm::client::{Caller, Client};
use crate::llm::words::ItemWords;
use crate::llm::{ChatRequest, LlmError};
use crate::rng::Streams;
use crate::scenario::params::{self, Complaint, within};
use gather::{Calls, Tag};
use known::Known;
use prompts::{PromptFile, Prompts, Style};
use scene::Scene;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// The name in a scenario.
const NAME: &str = "llm_rank";

/// Calls that may be under way or wait for a slot at the client; more are not even written down.
const N_UNDER_WAY_MAX: usize = 4096;

/// Where the inner model is saved.
const WRAPPED: &str = "wrapped";

/// Settings of `llm_rank`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LlmRankParams {
    /// The arm whose lists are reordered; must be given.
    pub wraps: String,
    /// The language model that is asked, a name in `llm.models`; must be given.
    pub llm: String,
    /// Items from the head of the list that are put in order, 2..=100.
    pub n_candidates: u32,
    /// How the history is told: `sequential`, `recency` (the latest item pointed out) or `in_context` (the latest
    /// item as the answer of an example).
    pub prompt: Style,
    /// The newest items of a history that are told, 1..=1000 (`in_context`: 2..=1000); short ones weaken popularity
    /// bias, and 5 is what the paper's experiments use.
    pub n_history: u32,
    /// Shuffled orders in which the candidates are shown, a call each, 1..=50; 1 leaves position bias as it is.
    pub n_bootstraps: u32,
    /// A shipped set of prompts (`ranker`), or the path of a TOML file of the same form.
    pub prompts: String,
    /// What is recommended, in words: `{ one = "film", many = "films", verb = "watch" }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_words: Option<ItemWords>,
    /// 0 takes the likeliest token every time, up to 2.
    pub temperature: f32,
    /// Tokens of a reply at most, 0..=32768; 0 is what the list takes and some to spare, too little for models that
    /// think aloud.
    pub max_tokens: u32,
    /// Whether it is asked again on every page, with what was watched in the session at the end of the history;
    /// else once a session.
    pub adapts: bool,
}

impl Default for LlmRankParams {
    fn default() -> Self {
        LlmRankParams {
            wraps: String::new(),
            llm: String::new(),
            n_candidates: 20,
            prompt: Style::Sequential,
            n_history: 5,
            n_bootstraps: 3,
            prompts: "ranker".to_owned(),
            item_words: None,
            temperature: 0.0,
            max_tokens: 0,
            adapts: false,
        }
    }
}

impl LlmRankParams {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        for (key, value, expected) in [
            ("wraps", &self.wraps, "the name of the arm whose lists are reordered"),
            ("llm", &self.llm, "the name of a model in llm.models"),
        ] {
            if value.is_empty() {
                let (path, expected) = (format!("{at}.{key}"), expected.to_owned());
                return Err(Complaint::Missing { path, expected });
            }
        }
        within(at, "n_candidates", self.n_candidates, 2, 100)?;
        // An example needs something before its answer.
        within(at, "n_history", self.n_history, if self.prompt == Style::InContext { 2 } else { 1 }, 1000)?;
        within(at, "n_bootstraps", self.n_bootstraps, 1, 50)?;
        within(at, "temperature", self.temperature, 0.0, 2.0)?;
        within(at, "max_tokens", self.max_tokens, 0, 32_768)
    }
}

/// The kind `llm_rank`.
pub struct LlmRank;

impl RecommenderKind for LlmRank {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> About {
        About {
            summary: "a language model reorders the head of another arm's list, by number, over several shuffled \
                      rounds; learns from a session where `adapts` says so",
            source: "Hou et al., ECIR 2024",
            needs: Needs::Llm,
            folds_in: true,
            // It ranks what it is given by its text; whether that holds cold items is up to the arm it wraps.
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(LlmRankParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let params: LlmRankParams = params::parse(at, table)?;
        params.check(at)?;
        let prompts =
            PromptFile::named(&format!("{at}.prompts"), &params.prompts, params.item_words.clone())?;
        Prompts::new(&params.prompts, prompts.clone())?;
        Ok(Box::new(Checked { params, prompts }))
    }

    fn load(&self, dir: &Path, around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        let saved: Saved = model_file::read_header(dir, NAME)?;
        let path = dir.join("model.json");
        let bad = |problem: String| model_file::bad(&path, problem);
        saved.params.check("model.params").map_err(|complaint| bad(complaint.to_string()))?;
        let kind = super::kind(&saved.wrapped)
            .ok_or_else(|| bad(format!("wraps a {:?}, which is not known", saved.wrapped)))?;
        let known = Known::load(dir)?;
        let model = kind.load(&dir.join(WRAPPED), around)?.into();
        let prompts = Prompts::new(&saved.params.prompts, saved.prompts.clone());
        let prompts = prompts.map_err(|complaint| bad(complaint.to_string()))?;
        Ok(Box::new(Fitted::new(saved, prompts, known, Wrapped { kind, model }, around)?))
    }
}

/// Checked settings, and the words they name.
struct Checked {
    params: LlmRankParams,
    prompts: PromptFile,
}

impl Trainer for Checked {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        let wrapped = context.wrapped.clone().ok_or_else(|| RecommendError::BadTraining {
            problem: format!(
                "{NAME} reorders the lists of {:?}, and there is no such arm",
                self.params.wraps
            ),
        })?;
        let saved = Saved {
            params: self.params.clone(),
            prompts: self.prompts.clone(),
            seed: context.streams.seed(),
            arm: context.arm.to_owned(),
            wrapped: wrapped.kind.name().to_owned(),
        };
        let prompts = Prompts::new(&self.params.prompts, self.prompts.clone());
        let prompts =
            prompts.map_err(|complaint| RecommendError::BadTraining { problem: complaint.to_string() })?;
        let known = Known::new(training, self.params.n_history as usize);
        Ok(Box::new(Fitted::new(saved, prompts, known, wrapped, &context.around)?))
    }

    fn llm(&self) -> Option<&str> {
        Some(&self.params.llm)
    }

    fn wraps(&self) -> Option<&str> {
        Some(&self.params.wraps)
    }
}

/// What `model.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Saved {
    params: LlmRankParams,
    prompts: PromptFile,
    seed: u64,
    /// Under which arm calls are booked.
    arm: String,
    /// The kind of the inner model.
    wrapped: String,
}

/// An arm's model with a language model behind it.
struct Fitted {
    saved: Saved,
    prompts: Prompts,
    known: Known,
    wrapped: Wrapped,
    client: Arc<Client>,
    caller: Caller,
}

/// What is being asked about one request.
struct Asked {
    /// The retriever's list.
    list: Ranked,
    /// Which candidates each round showed, in its order.
    shown: Vec<Vec<usize>>,
    /// What came of each round, as it comes in.
    replies: Vec<Option<Result<Value, LlmError>>>,
}

impl Fitted {
    fn new(
        saved: Saved,
        prompts: Prompts,
        known: Known,
        wrapped: Wrapped,
        around: &Surroundings,
    ) -> Result<Self, RecommendError> {
        let client = around.llm.clone();
        let caller = Caller { model: client.model(&saved.params.llm)?, arm: saved.arm.as_str().into() };
        Ok(Fitted { saved, prompts, known, wrapped, client, caller })
    }

    /// How many items the inner model is asked for.
    fn n_inner(&self, request: &Request<'_>) -> usize {
        match request.n {
            0 => 0,
            n => n.max(self.saved.params.n_candidates as usize),
        }
    }

    /// The same requests, for lists long enough to reorder.
    fn widened<'a>(&self, requests: &[Request<'a>]) -> Vec<Request<'a>> {
        requests.iter().map(|request| Request { n: self.n_inner(request), ..*request }).collect()
    }

    /// Puts the head of every list that there is in order.
    fn rerank(
        &self,
        requests: &[Request<'_>],
        lists: Vec<Result<Ranked, RecommendError>>,
    ) -> Vec<Result<Ranked, RecommendError>> {
        let mut calls = Calls::new(&self.client, &self.caller);
        let mut asked: Vec<Result<Asked, RecommendError>> = Vec::with_capacity(requests.len());
        let mut stop = None;
        for (at, (request, list)) in requests.iter().zip(lists).enumerate() {
            let prepared = list.and_then(|list| self.prepared(request, list));
            asked.push(prepared.map(|(prepared, rounds)| {
                let numbered = rounds.into_iter().enumerate();
                numbered.for_each(|(round, call)| calls.send(Tag { at, round }, call));
                prepared
            }));
            while calls.n_under_way() > N_UNDER_WAY_MAX && stop.is_none() {
                stop = take(&mut calls, &mut asked);
            }
            if stop.is_some() {
                break;
            }
        }
        while calls.n_under_way() > 0 && stop.is_none() {
            stop = take(&mut calls, &mut asked);
        }
        if let Some(error) = stop {
            return requests.iter().map(|_| Err(error.clone().into())).collect();
        }
        let merged = asked.into_iter().zip(requests);
        merged.map(|(asked, request)| self.merged(request, asked?)).collect()
    }

    /// What is asked about one request; nothing, where there is nothing to put in order.
    fn prepared(
        &self,
        request: &Request<'_>,
        list: Ranked,
    ) -> Result<(Asked, Vec<ChatRequest>), RecommendError> {
        let n_candidates = list.items.len().min(self.saved.params.n_candidates as usize);
        if n_candidates < 2 || request.n == 0 {
            return Ok((Asked { list, shown: Vec::new(), replies: Vec::new() }, Vec::new()));
        }
        let scene = Scene {
            prompts: &self.prompts,
            known: &self.known,
            params: &self.saved.params,
            streams: Streams::new(self.saved.seed),
            backend: self.caller.model.backend(),
        };
        let rounds = scene.rounds(request, &list.items[..n_candidates]);
        let rounds = rounds.map_err(|problem| self.failure(request, problem.to_string()))?;
        let (shown, calls): (Vec<_>, Vec<_>) =
            rounds.into_iter().map(|round| (round.shown, round.call)).unzip();
        let replies = vec![None; calls.len()];
        Ok((Asked { list, shown, replies }, calls))
    }

    /// The list as the rounds that came to something have it.
    fn merged(&self, request: &Request<'_>, asked: Asked) -> Result<Ranked, RecommendError> {
        let Asked { mut list, shown, replies } = asked;
        let mut orders = Vec::with_capacity(shown.len());
        let mut slips = Slips::default();
        let mut failure = None;
        for (shown, reply) in shown.iter().zip(replies.into_iter().flatten()) {
            match reply {
                Ok(reply) => {
                    let (order, slipped) = order::read(&reply, shown);
                    slips.add(slipped);
                    orders.push(order);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        if slips != Slips::default() {
            self.client.slipped(&self.caller, slips);
        }
        match (orders.is_empty(), failure) {
            (true, Some(error)) => return Err(self.failure(request, error.to_string())),
            (true, None) => {}
            (false, _) => {
                let head: Vec<_> =
                    order::merge(&orders).into_iter().map(|candidate| list.items[candidate]).collect();
                list.items[..head.len()].copy_from_slice(&head);
            }
        }
        list.items.truncate(request.n);
        list.scores = reciprocal_ranks(list.items.len());
        // Whoever drew the list drew it in another order.
        list.propensities.clear();
        Ok(list)
    }

    fn failure(&self, request: &Request<'_>, cause: String) -> RecommendError {
        RecommendError::Foreign { user: self.known.user(request.user), page: request.page, cause }
    }
}

/// Takes the next reply in; the end of everything is given back.
fn take(calls: &mut Calls<'_>, asked: &mut [Result<Asked, RecommendError>]) -> Option<LlmError> {
    let (tag, reply) = calls.wait();
    match (reply, &mut asked[tag.at]) {
        (Err(error), _) if error.stops_run() => return Some(error),
        (reply, Ok(asked)) => asked.replies[tag.round] = Some(reply),
        (_, Err(_)) => {}
    }
    None
}

impl Recommender for Fitted {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let lists = self.wrapped.model.recommend(&self.widened(requests))?;
        assert_eq!(lists.len(), requests.len(), "a recommender answers every request");
        self.rerank(requests, lists.into_iter().map(Ok).collect()).into_iter().collect()
    }

    fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        let lists = self.wrapped.model.recommend_each(&self.widened(requests));
        assert_eq!(lists.len(), requests.len(), "a recommender answers every request");
        self.rerank(requests, lists)
    }

    fn adapts_in_session(&self) -> bool {
        self.saved.params.adapts
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, NAME, &self.saved)?;
        self.known.save(dir)?;
        let path = dir.join(WRAPPED);
        std::fs::create_dir(&path).map_err(|source| RecommendError::Io { path: path.clone(), source })?;
        self.wrapped.model.save(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(toml: &str) -> String {
        let table = toml.parse().expect("test TOML");
        LlmRank.check("arms.x", &table).err().map(|complaint| complaint.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_must_be_given_and_what_is_out_of_bounds_is_told() {
        let given = "wraps = \"mf\"\nllm = \"small\"\n";
        let with = |more: &str| complaint(&format!("{given}{more}"));
        assert_eq!(with(""), "");
        assert_eq!(with("prompt = \"in_context\"\nn_history = 2\nadapts = true"), "");
        assert!(complaint("llm = \"small\"").starts_with("arms.x.wraps is missing"));
        assert!(complaint("wraps = \"mf\"").starts_with("arms.x.llm is missing"));
        assert_eq!(with("n_candidates = 1"), "arms.x.n_candidates is 1, must be 2..=100");
        assert_eq!(with("n_history = 0"), "arms.x.n_history is 0, must be 1..=1000");
        let example = with("prompt = \"in_context\"\nn_history = 1");
        assert_eq!(example, "arms.x.n_history is 1, must be 2..=1000");
        assert_eq!(with("n_bootstraps = 0"), "arms.x.n_bootstraps is 0, must be 1..=50");
        assert_eq!(with("temperature = nan"), "arms.x.temperature is NaN, must be 0..=2");
        assert!(with("prompt = \"recent\"").contains("arms.x.prompt"));
        assert!(with("prompts = \"rankre\"").contains("arms.x.prompts"));
        assert!(with("promt = \"recency\"").contains("did you mean `prompt`"));
    }
}

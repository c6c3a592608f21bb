//! From a request and its candidates to calls: one a shuffled round. A prompt runs from what never changes to what
//! changes with every round (rules, history, candidates), so that all rounds of a request begin alike. Where it
//! does not fit into the model, the oldest of the history are left out. Must not know who answers.

use super::super::Request;
use super::known::Known;
use super::prompts::{Prompts, Told};
use super::{LlmRankParams, order};
use crate::id::ItemId;
use crate::llm::client::prompt_tokens;
use crate::llm::{Backend, ChatRequest, Message, Role, Sampling};
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::sync::Arc;

/// Tokens that a reply may take besides twice what its list takes at most.
const SPARE_TOKENS: u32 = 64;

/// Speakers of this model: agents who think with one have numbers of their own, and their prompts begin otherwise.
const SPEAKER: u64 = 1 << 63;

/// How requests are asked about: everything that is the same for all of them.
pub struct Scene<'a> {
    /// The words.
    pub prompts: &'a Prompts,
    /// What may be told.
    pub known: &'a Known,
    /// The settings.
    pub params: &'a LlmRankParams,
    /// The fit's randomness.
    pub streams: Streams,
    /// Who will be asked, for how much fits.
    pub backend: &'a dyn Backend,
}

/// One shuffled round.
#[derive(Clone, Debug)]
pub struct Round {
    /// The candidate at each slot, by its place in the retriever's list.
    pub shown: Vec<usize>,
    /// What is asked.
    pub call: ChatRequest,
}

/// Why a request cannot be asked about.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// A template asks for what is not there.
    #[error("prompt template: {0}")]
    Template(#[from] minijinja::Error),
    /// Not even without a history does the prompt fit.
    #[error("the prompt does not fit into the model's context even without a history")]
    TooLong,
}

impl Scene<'_> {
    /// The rounds of a request. Orders and luck come from one stream of (round, luck, page), one draw after the
    /// other, so that more rounds begin with the same ones.
    pub fn rounds(&self, request: &Request<'_>, candidates: &[ItemId]) -> Result<Vec<Round>, SceneError> {
        let mut luck = self.streams.stream(Purpose::Rerank, request.round, request.luck, request.page);
        let mut rounds = Vec::with_capacity(self.params.n_bootstraps as usize);
        for number in 1..=self.params.n_bootstraps {
            let mut shown: Vec<usize> = (0..candidates.len()).collect();
            shown.shuffle(&mut luck);
            // Servers take whole numbers that fit into 53 bits.
            let call = self.call(request, candidates, &shown, luck.random::<u64>() >> 11, number)?;
            rounds.push(Round { shown, call });
        }
        self.fit(request, &mut rounds)?;
        Ok(rounds)
    }

    fn call(
        &self,
        request: &Request<'_>,
        candidates: &[ItemId],
        shown: &[usize],
        seed: u64,
        number: u32,
    ) -> Result<ChatRequest, SceneError> {
        let slot = |(slot, &candidate): (usize, &usize)| self.known.tell(candidates[candidate], Some(slot));
        let listed: Vec<Told> = (1..).zip(shown).map(slot).collect();
        let shape = order::shape(candidates.len());
        let max_tokens = match self.params.max_tokens {
            0 => SPARE_TOKENS + 2 * shape.closing_bytes(),
            given => given,
        };
        let (user, Request { luck, round, page, .. }) = (self.known.user(request.user), *request);
        Ok(ChatRequest {
            // The beginning is put in once it is known how much of the history fits.
            messages: vec![
                Message { role: Role::System, content: String::new() },
                Message { role: Role::User, content: self.prompts.candidates(&listed)? },
            ],
            sampling: Sampling { temperature: self.params.temperature, top_p: 1.0, max_tokens, seed },
            shape: Some(Arc::new(shape)),
            stream: format!(
                "ranking for user {user}, luck {luck}, round {round}, page {page}, order {number}"
            ),
            speaker: SPEAKER | luck,
        })
    }

    /// Puts rules and history at the beginning of every round: as much of the history as fits with each of them.
    fn fit(&self, request: &Request<'_>, rounds: &mut [Round]) -> Result<(), SceneError> {
        let mut history: &[Told] = &self.history(request);
        loop {
            let beginning = self.prompts.beginning(self.params.prompt, history)?;
            rounds.iter_mut().for_each(|round| round.call.messages[0].content.clone_from(&beginning));
            let fits = |round: &Round| {
                let room = self.backend.context_tokens().saturating_sub(round.call.sampling.max_tokens);
                prompt_tokens(self.backend, &round.call) <= room
            };
            if rounds.iter().all(fits) {
                return Ok(());
            }
            history = history.get(1..).ok_or(SceneError::TooLong)?;
        }
    }

    /// What is told of the user's history, oldest first: training, and where it adapts what was watched in this
    /// session; the newest `n_history` of all that.
    fn history(&self, request: &Request<'_>) -> Vec<Told> {
        let trained = self.known.history(request.user).iter().map(|&item| ItemId(item));
        let feedback = if self.params.adapts { request.feedback } else { &[] };
        let watched = feedback.iter().filter(|feedback| feedback.watched).map(|feedback| feedback.item);
        let all: Vec<ItemId> = trained.chain(watched).collect();
        let newest = &all[all.len().saturating_sub(self.params.n_history as usize)..];
        newest.iter().map(|&item| self.known.tell(item, None)).collect()
    }
}

//! The lists that are ranked once a session: what an arm that does not follow the session would show each agent on
//! all its pages.
//!
//! Where an arm answers two requests alike that differ in luck only, agents of one person share one list, which is
//! ranked once and kept for those who come later. Must not know how pages are laid out.

use super::{OnError, Tunnel, WorldError};
use crate::agent::profile::Profile;
use crate::dataset::Interactions;
use crate::event::Text;
use crate::id::{ItemId, UserId};
use crate::recommender::{Ranked, RecommendError, Recommender, Request};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What an agent begins a session with: its list, or why the recommender gave none.
pub(super) type Opening = Result<Arc<Ranked>, Text>;

/// Lists of people, for further agents of the same.
#[derive(Default)]
pub(super) struct Lists(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// What was asked; whatever else is asked makes these lists worthless.
    asked: Option<Asked>,
    lists: HashMap<UserId, Opening>,
}

/// What lists depend on beside the person.
#[derive(Clone)]
struct Asked {
    recommender: Arc<dyn Recommender>,
    known: Arc<Interactions>,
    round: u32,
    n: usize,
}

impl Asked {
    fn is_same(&self, other: &Asked) -> bool {
        let same_model = std::ptr::addr_eq(Arc::as_ptr(&self.recommender), Arc::as_ptr(&other.recommender));
        same_model && Arc::ptr_eq(&self.known, &other.known) && (self.round, self.n) == (other.round, other.n)
    }
}

impl Lists {
    /// Asks for everybody's list, in the order of these agents.
    pub(super) fn open(&self, tunnel: &Tunnel, agents: &[Profile]) -> Result<Vec<Opening>, WorldError> {
        let asked = Asked {
            recommender: tunnel.recommender.clone(),
            known: tunnel.known.clone(),
            round: tunnel.round,
            n: tunnel.rules.items_per_page * tunnel.rules.max_pages as usize,
        };
        if !asked.recommender.answers_alike() {
            let agents: Vec<&Profile> = agents.iter().collect();
            return rank(tunnel, &asked, &agents);
        }
        let mut first_of: HashMap<UserId, &Profile> = HashMap::new();
        for agent in agents {
            first_of.entry(agent.user).or_insert(agent);
        }
        let mut lists = self.kept(&asked, &first_of);
        let mut missing: Vec<&Profile> =
            first_of.into_values().filter(|agent| !lists.contains_key(&agent.user)).collect();
        missing.sort_unstable_by_key(|agent| agent.user);
        // Nothing is locked while the recommender is at work, which may well be on this thread's other tasks.
        let ranked = rank(tunnel, &asked, &missing)?;
        lists.extend(missing.iter().map(|agent| agent.user).zip(ranked));
        let openings = agents.iter().map(|agent| lists[&agent.user].clone()).collect();
        self.keep(asked, lists);
        Ok(openings)
    }

    /// The lists of these people that were asked for before.
    fn kept(&self, asked: &Asked, people: &HashMap<UserId, &Profile>) -> HashMap<UserId, Opening> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.asked.as_ref().is_some_and(|before| before.is_same(asked)) {
            return HashMap::new();
        }
        let wanted = |user: &UserId| people.contains_key(user);
        kept.lists.iter().filter(|(user, _)| wanted(user)).map(|(user, list)| (*user, list.clone())).collect()
    }

    /// Keeps the lists of these people, and of nobody else: as many as there are in one cohort.
    fn keep(&self, asked: Asked, lists: HashMap<UserId, Opening>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept { asked: Some(asked), lists };
    }
}

/// Asks for the lists of these agents.
fn rank(tunnel: &Tunnel, asked: &Asked, agents: &[&Profile]) -> Result<Vec<Opening>, WorldError> {
    let requests: Vec<Request<'_>> = agents
        .iter()
        .map(|agent| Request {
            user: agent.user,
            luck: u64::from(agent.agent.0),
            round: asked.round,
            page: 1,
            n: asked.n,
            known: asked.known.items_of(agent.user),
            shown: &[],
            feedback: &[],
        })
        .collect();
    let answers = answers(tunnel, &requests)?;
    let opening = |(answer, request): (Result<Ranked, RecommendError>, &Request<'_>)| match answer {
        Ok(list) => {
            assert_fits(request, &list.items);
            Ok(Ok(Arc::new(list)))
        }
        Err(error) if error.stops_run() => Err(error.into()),
        Err(error) => Ok(Err(Text::from(error.cause()))),
    };
    answers.into_iter().zip(&requests).map(opening).collect()
}

/// One answer a request; the first failure instead, where the rules say to stop.
pub(super) fn answers(
    tunnel: &Tunnel,
    requests: &[Request<'_>],
) -> Result<Vec<Result<Ranked, RecommendError>>, WorldError> {
    let answers: Vec<_> = match tunnel.rules.on_error {
        OnError::Stop => tunnel.recommender.recommend(requests)?.into_iter().map(Ok).collect(),
        OnError::SkipSession => tunnel.recommender.recommend_each(requests),
    };
    assert_eq!(answers.len(), requests.len(), "a recommender answers every request");
    Ok(answers)
}

/// A list never repeats an item, in itself or in the session, nor holds what the person already has.
pub(super) fn assert_fits(request: &Request<'_>, items: &[ItemId]) {
    let mut sorted: Vec<ItemId> = items.to_vec();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        assert!(pair[0] != pair[1], "a list repeats item {}", pair[0].0);
    }
    for item in items {
        let user = request.user.0;
        assert!(!request.shown.contains(item), "a session repeats item {}", item.0);
        assert!(
            request.known.binary_search(&item.0).is_err(),
            "item {} is already known to user {user}",
            item.0
        );
    }
}

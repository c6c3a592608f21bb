//! The same people again and again: simulations in memory, each with luck of its own.
//! Must not know what the sessions will be compared with.

use super::ValidateError;
use crate::agent::profile::Profile;
use crate::event::Session;
use crate::event::assemble;
use crate::experiment::prepare::Prepared;
use crate::experiment::{RunError, tunnel};
use crate::metric::Setting;
use crate::progress::Quiet;
use crate::recommender::{Ranked, RecommendError, Recommender, Request};
use crate::rng::{Purpose, Streams};
use crate::scenario::Scenario;
use crate::world::{SessionRules, WorldError};
use rand::RngExt;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// A world and the people in it that are looked at.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// What it prepared.
    pub prepared: &'a Prepared,
    /// Who is simulated, ascending by agent.
    pub profiles: &'a [Profile],
}

impl Stage<'_> {
    /// The rules of the scenario.
    pub fn rules(&self) -> SessionRules {
        let known = self.prepared.known.clone();
        tunnel(self.scenario, self.prepared, Arc::new(Listed::default()), known, 0).rules
    }

    /// What metrics are computed against.
    pub fn setting(&self) -> Setting<'_> {
        Setting {
            catalogue: &self.prepared.catalogue,
            population: &self.prepared.population,
            items_per_page: self.scenario.file.session.items_per_page as usize,
        }
    }

    /// Everybody's session with this recommender, by these rules, with this luck.
    pub fn sessions(
        &self,
        arm: &str,
        recommender: &Arc<dyn Recommender>,
        rules: SessionRules,
        luck: Streams,
    ) -> Result<Vec<Session>, ValidateError> {
        let known = self.prepared.known.clone();
        let mut tunnel = tunnel(self.scenario, self.prepared, recommender.clone(), known, 0);
        tunnel.behavior = self.prepared.begin(self.scenario, luck).map_err(RunError::from)?;
        tunnel.streams = luck;
        tunnel.rules = rules;
        let mut sessions = Vec::with_capacity(self.profiles.len());
        let cohort_size = self.scenario.file.world.cohort_size as usize;
        tunnel
            .simulate(self.profiles, cohort_size, &Quiet, |events| {
                sessions.extend(assemble::sessions(events));
                Ok(())
            })
            .map_err(|source| match source {
                WorldError::Recommend(source) => ValidateError::recommend(arm, source),
                WorldError::Behavior(source) => RunError::from(source).into(),
                WorldError::Stopped(stopped) => RunError::from(stopped).into(),
            })?;
        Ok(sessions)
    }

    /// The same `n` times over, each time with other luck; lists of a recommender that does not
    /// follow the session are asked for once.
    pub fn repetitions(
        &self,
        arm: &str,
        recommender: &Arc<dyn Recommender>,
        n: usize,
    ) -> Result<Vec<Vec<Session>>, ValidateError> {
        let listed = self.listed(arm, recommender)?;
        (0..n as u64)
            .into_par_iter()
            .map(|nth| self.sessions(arm, &listed, self.rules(), self.luck(nth)))
            .collect()
    }

    /// The luck of the n-th repetition.
    pub fn luck(&self, nth: u64) -> Streams {
        Streams::new(self.prepared.streams.stream(Purpose::Repetition, 0, nth, 0).random())
    }

    /// A recommender that answers as this one does, from memory where that is possible.
    pub fn listed(
        &self,
        arm: &str,
        recommender: &Arc<dyn Recommender>,
    ) -> Result<Arc<dyn Recommender>, ValidateError> {
        if recommender.adapts_in_session() {
            return Ok(recommender.clone());
        }
        let rules = self.rules();
        let request = |profile: &Profile| Request {
            user: profile.user,
            luck: u64::from(profile.agent.0),
            round: 0,
            page: 1,
            n: rules.items_per_page * rules.max_pages as usize,
            known: self.prepared.known.items_of(profile.user),
            shown: &[],
            feedback: &[],
        };
        let requests: Vec<Request<'_>> = self.profiles.iter().map(request).collect();
        let lists = recommender.recommend(&requests).map_err(|e| ValidateError::recommend(arm, e))?;
        Ok(Arc::new(Listed::new(self.profiles.iter().map(|profile| profile.agent.0).zip(lists))))
    }
}

/// A recommender whose lists were made beforehand, one an agent. It is no plug-in: what it shows may
/// know what no recommender may.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    lists: Vec<Ranked>,
}

impl Listed {
    /// From the list of each agent; an agent without one is shown nothing.
    pub fn new(lists: impl IntoIterator<Item = (u32, Ranked)>) -> Self {
        let mut listed = Listed::default();
        for (agent, list) in lists {
            let at = agent as usize;
            if listed.lists.len() <= at {
                listed.lists.resize(at + 1, Ranked::default());
            }
            listed.lists[at] = list;
        }
        listed
    }
}

impl Recommender for Listed {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        let answer = |request: &Request<'_>| {
            let list = usize::try_from(request.luck).ok().and_then(|agent| self.lists.get(agent));
            let mut list = list.cloned().unwrap_or_default();
            list.items.truncate(request.n);
            list.scores.truncate(request.n);
            list
        };
        Ok(requests.iter().map(answer).collect())
    }

    fn adapts_in_session(&self) -> bool {
        false
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        let problem = "lists made for a validation are not kept".to_owned();
        Err(RecommendError::BadModel { path: dir.to_owned(), problem })
    }
}

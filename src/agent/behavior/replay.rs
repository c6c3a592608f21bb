//! Recorded sessions once more: on the pages of the record, an agent does what the record says its person
//! did, in the record's words. It acts for nobody else, and where a page shows anything else the step
//! fails: nothing is invented. Must not know how records are written.
//!
//! A record is a file of sessions or a transcript of language-model agents (`event/recorded.rs`,
//! `event/transcript.rs`). A feeling after a page becomes a reflection with satisfaction 1 or 0; a record
//! without any feelings makes no reflections.

use super::{
    Answer, Behavior, BehaviorError, BehaviorKind, BehaviorPlan, Decision, Interview, Reaction, Reflection,
    Setting, SlotReaction, Step, StepFailure, Visit,
};
use crate::agent::memory::Mood;
use crate::dataset::Dataset;
use crate::event::recorded::{self, Names, PageWords, Recorded};
use crate::event::{EventError, Page};
use crate::id::UserId;
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The `replay` behaviour.
pub struct Replay;

/// What is replayed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReplayParams {
    /// The record: a file of sessions (`sessions_*.jsonl`) or of language-model calls (`llm_calls_*.jsonl`).
    transcripts: PathBuf,
}

impl BehaviorKind for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn about(&self) -> &'static str {
        "recorded sessions once more, page by page; only in front of the pages of the record"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(ReplayParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn BehaviorPlan>, Complaint> {
        if !table.contains_key("transcripts") {
            let expected = "the file of recorded sessions or calls".to_owned();
            return Err(Complaint::Missing { path: format!("{at}.transcripts"), expected });
        }
        Ok(Box::new(params::parse::<ReplayParams>(at, table)?))
    }
}

impl BehaviorPlan for ReplayParams {
    fn statement(&self) -> String {
        let name = self.transcripts.file_name().map(|name| name.to_string_lossy().into_owned());
        format!("replay: what people did in the record {}, again", name.unwrap_or_default())
    }

    fn people(&self, dataset: &Dataset, base_dir: &Path) -> Result<Option<Vec<UserId>>, BehaviorError> {
        let mut people: Vec<UserId> =
            self.read(dataset, base_dir)?.iter().map(|recorded| UserId(recorded.session.agent.0)).collect();
        people.sort_unstable();
        Ok(Some(people))
    }

    fn begin(&self, setting: &Setting<'_>) -> Result<Arc<dyn Behavior>, BehaviorError> {
        let sessions = self.read(setting.dataset, setting.base_dir)?;
        for recorded in &sessions {
            check(recorded, setting).map_err(BehaviorError::BadInput)?;
        }
        let tells_feelings = sessions.iter().any(|recorded| recorded.feelings.iter().any(Option::is_some));
        let mut by_user: Vec<Option<Recorded>> = vec![None; setting.dataset.n_users()];
        for recorded in sessions {
            let user = recorded.session.agent.idx();
            by_user[user] = Some(recorded);
        }
        Ok(Arc::new(Replayed { by_user, tells_feelings }))
    }
}

impl ReplayParams {
    /// The sessions, numbered by the users of the dataset.
    fn read(&self, dataset: &Dataset, base_dir: &Path) -> Result<Vec<Recorded>, EventError> {
        let titles = dataset.catalogue.iter().map(|item| item.title.as_str());
        let [users, items] = [&dataset.users, &dataset.items].map(|all| all.all().iter().map(String::as_str));
        recorded::read_either(&base_dir.join(&self.transcripts), &Names::new(users, items, titles))
    }
}

/// Whether a session can be met again in this setting; the error says why not.
fn check(recorded: &Recorded, setting: &Setting<'_>) -> Result<(), String> {
    let (session, per_page) = (&recorded.session, setting.items_per_page);
    let user = setting.dataset.users.raw(session.agent.0);
    for page in &session.pages {
        let (n, is_last) = (page.slots.len(), page.number as usize == session.pages.len());
        if n > per_page || (n < per_page && !is_last) {
            return Err(format!(
                "page {} of user {user} shows {n} items in the record, session.items_per_page is {per_page}",
                page.number
            ));
        }
        let known = setting.known.items_of(UserId(session.agent.0));
        if let Some(slot) = page.slots.iter().find(|slot| known.binary_search(&slot.item.0).is_ok()) {
            return Err(format!(
                "page {} of user {user} shows item {} in the record, which session.exclude keeps from this user",
                page.number,
                setting.dataset.items.raw(slot.item.0)
            ));
        }
    }
    Ok(())
}

/// The record, by user.
struct Replayed {
    by_user: Vec<Option<Recorded>>,
    /// Whether the record knows how anybody felt.
    tells_feelings: bool,
}

/// One page of the record, with all that belongs to it.
struct Found<'a> {
    page: &'a Page,
    words: Option<&'a PageWords>,
    feeling: Option<bool>,
    goes_on: Option<bool>,
}

impl Replayed {
    fn recorded(&self, visit: &Visit<'_>) -> Result<&Recorded, String> {
        let user = visit.profile.user;
        let recorded = self.by_user.get(user.idx()).and_then(Option::as_ref);
        recorded.ok_or_else(|| "this person is not in the record".to_owned())
    }

    /// What the record holds of the page before an agent.
    fn found(&self, visit: &Visit<'_>) -> Result<Found<'_>, String> {
        let recorded = self.recorded(visit)?;
        let k = (visit.page as usize).wrapping_sub(1);
        let page = recorded.session.pages.get(k).ok_or_else(|| {
            format!(
                "page {} is not in the record, which ends with page {}",
                visit.page,
                recorded.session.pages.len()
            )
        })?;
        if !page.slots.iter().map(|slot| &slot.item).eq(visit.items) {
            return Err(format!("page {} shows other items than the record", visit.page));
        }
        Ok(Found {
            page,
            words: recorded.words.pages.get(k),
            feeling: recorded.feelings.get(k).copied().flatten(),
            goes_on: recorded.goes_on.get(k).copied().flatten(),
        })
    }
}

/// Every visit answered at once; the step is named where it fails.
fn now<T>(
    step: &'static str,
    visits: &[Visit<'_>],
    answer: impl Fn(&Visit<'_>) -> Result<T, String>,
) -> Vec<Answer<T>> {
    let one = |visit| -> Step<T> { answer(visit).map_err(|cause| StepFailure { step, cause }) };
    visits.iter().map(|visit| Answer::Now(one(visit))).collect()
}

impl Behavior for Replayed {
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reaction>> {
        now("react", visits, |visit| {
            let found = self.found(visit)?;
            let feeling = |slot: usize| {
                found.words.and_then(|words| words.feelings.get(slot)).cloned().unwrap_or_default().into()
            };
            let react = |(k, slot): (usize, &crate::event::Slot)| SlotReaction {
                aligned: slot.aligned,
                watched: slot.watched,
                rating: slot.rating.map(|rating| (rating, feeling(k))),
            };
            Ok(Reaction { slots: found.page.slots.iter().enumerate().map(react).collect(), foretold: None })
        })
    }

    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reflection>> {
        now("reflect", visits, |visit| {
            let found = self.found(visit)?;
            let feeling =
                found.feeling.ok_or_else(|| format!("no feeling in the record after page {}", visit.page))?;
            // How tired it was the record does not tell in numbers: that stays as it is.
            let mood = Mood { satisfaction: f32::from(u8::from(feeling)), ..visit.mood };
            let text = found.words.map(|words| words.overall.clone()).unwrap_or_default();
            Ok(Reflection { mood, text: text.into() })
        })
    }

    fn decide(&self, visits: &[Visit<'_>]) -> Vec<Answer<Decision>> {
        now("decide", visits, |visit| {
            let found = self.found(visit)?;
            let text = found.words.map(|words| words.decision.clone()).unwrap_or_default();
            // Whoever neither went on nor said so left.
            Ok(Decision { goes_on: found.goes_on == Some(true), text: text.into() })
        })
    }

    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Answer<Interview>> {
        now("interview", visits, |visit| {
            let recorded = self.recorded(visit)?;
            let satisfaction =
                recorded.session.satisfaction.ok_or_else(|| "no score in the record".to_owned())?;
            Ok(Interview { satisfaction, text: recorded.words.interview.clone().into() })
        })
    }

    fn answers_at_once(&self) -> bool {
        true
    }

    fn reflection_threshold(&self) -> f32 {
        if self.tells_feelings { 0.0 } else { f32::INFINITY }
    }
}

//! A rehearsal: sessions in which every prompt is written and counted, but nobody is asked. What agents
//! do comes from another behaviour, put into replies of the usual length, so that memories grow as they
//! would. Must not know prices or time.

use super::cast::{Role, role_of};
use super::scene::{Stage, Task};
use crate::agent::behavior::{
    Answer, Behavior, Decision, Interview, Reaction, Reflection, Step, StepFailure, Visit,
};
use crate::event::Text;
use crate::llm::client::{Model, prompt_tokens};
use crate::llm::{ChatRequest, Usage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What agents are taken to write wherever they write a text.
const USUAL_TEXT: &str = "It was much as I had hoped, warm and easy to follow, though a little long.";

/// What one model would be asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Calls.
    pub n_calls: u64,
    /// Tokens; cached are those that the same agent's call before began with too, or another agent's where it is
    /// the first.
    pub usage: Usage,
    /// A few requests as they would be sent.
    pub samples: Vec<ChatRequest>,
}

/// Requests kept as samples of each model.
const N_SAMPLES: usize = 32;

/// The counts of a rehearsal, by model.
pub type Tallies = Arc<Mutex<BTreeMap<String, Tally>>>;

/// Agents that rehearse.
pub struct Rehearsal {
    stage: Arc<Stage>,
    roles: Arc<[Role]>,
    models: Vec<Arc<Model>>,
    arm: String,
    inner: Arc<dyn Behavior>,
    reflection_threshold: f32,
    tallies: Tallies,
    /// The words of each agent's last call.
    last: Mutex<BTreeMap<u64, String>>,
}

impl Rehearsal {
    /// Agents that do what `inner` does; `models` are the behaviour's own and then that of each role.
    pub fn new(
        stage: Arc<Stage>,
        roles: Arc<[Role]>,
        models: Vec<Arc<Model>>,
        inner: Arc<dyn Behavior>,
        reflection_threshold: f32,
        tallies: Tallies,
    ) -> Self {
        let (arm, last) = (String::new(), Mutex::default());
        Rehearsal { stage, roles, models, arm, inner, reflection_threshold, tallies, last }
    }

    fn count(&self, task: Task, visit: &Visit<'_>, reply: &str) -> Result<(), StepFailure> {
        let role = role_of(&self.roles, &self.arm, visit.profile, self.stage.streams);
        let model = &self.models[role.map_or(0, |role| role + 1)];
        let asked = self.stage.ask(task, visit, model.backend());
        let asked = asked.map_err(|error| StepFailure { step: task.name(), cause: error.to_string() })?;
        let words: String = asked.request.messages.iter().map(|message| message.content.as_str()).collect();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let anybody = last.values().next().cloned().unwrap_or_default();
        let before = last.insert(asked.request.speaker, words.clone()).unwrap_or(anybody);
        let begins_alike = common_prefix(&before, &words);
        let cached_tokens = u64::from(model.backend().count_tokens(begins_alike));
        let prompt_tokens = u64::from(prompt_tokens(model.backend(), &asked.request));
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry(model.name().to_owned()).or_default();
        tally.n_calls += 1;
        tally.usage.prompt_tokens += prompt_tokens;
        tally.usage.cached_tokens += cached_tokens.min(prompt_tokens);
        tally.usage.completion_tokens += u64::from(model.backend().count_tokens(reply));
        if tally.samples.len() < N_SAMPLES {
            tally.samples.push(asked.request);
        }
        Ok(())
    }

    /// The inner behaviour's answers, each counted with the reply it would have been.
    fn counted<T>(
        &self,
        task: Task,
        visits: &[Visit<'_>],
        answers: Vec<Answer<T>>,
        said: impl Fn(&mut T) -> String,
    ) -> Vec<Answer<T>> {
        let count = |(visit, answer): (&Visit<'_>, Answer<T>)| {
            let Answer::Now(step) = answer else { return answer };
            let step: Step<T> = step.and_then(|mut value| {
                let reply = said(&mut value);
                self.count(task, visit, &reply).map(|()| value)
            });
            Answer::Now(step)
        };
        visits.iter().zip(answers).map(count).collect()
    }
}

/// What two texts begin with alike.
fn common_prefix<'a>(a: &str, b: &'a str) -> &'a str {
    let n_bytes = a.char_indices().zip(b.char_indices()).take_while(|(x, y)| x == y).last();
    &b[..n_bytes.map_or(0, |(_, (at, c))| at + c.len_utf8())]
}

impl Behavior for Rehearsal {
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reaction>> {
        let decides = self.stage.decides_with_page;
        self.counted(Task::Page, visits, self.inner.react(visits), |reaction| {
            let slots = reaction.slots.iter_mut().map(|slot| match (&mut slot.rating, slot.aligned) {
                (Some((rating, feeling)), _) => {
                    *feeling = Text::Borrowed(USUAL_TEXT);
                    format!("\"1\":{{\"rating\":{rating},\"feeling\":\"{USUAL_TEXT}\"}}")
                }
                (None, Some(true)) => "\"1\":\"fits\"".to_owned(),
                _ => "\"1\":\"no\"".to_owned(),
            });
            let mut reply = slots.collect::<Vec<_>>().join(",");
            if decides {
                reply.push_str(&format!(
                    ",\"thought\":\"{USUAL_TEXT}\",\"satisfaction\":7,\"fatigue\":3,\"next\":true"
                ));
            }
            format!("{{{reply}}}")
        })
    }

    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reflection>> {
        let answers = self.inner.reflect(visits);
        if self.stage.decides_with_page {
            return answers;
        }
        self.counted(Task::Reflect, visits, answers, |reflection| {
            reflection.text = Text::Borrowed(USUAL_TEXT);
            format!("{{\"thought\":\"{USUAL_TEXT}\",\"satisfaction\":7,\"fatigue\":3}}")
        })
    }

    fn decide(&self, visits: &[Visit<'_>]) -> Vec<Answer<Decision>> {
        let answers = self.inner.decide(visits);
        if self.stage.decides_with_page {
            return answers;
        }
        self.counted(Task::Decide, visits, answers, |_| format!("{{\"why\":\"{USUAL_TEXT}\",\"next\":true}}"))
    }

    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Answer<Interview>> {
        self.counted(Task::Interview, visits, self.inner.interview(visits), |_| {
            format!("{{\"why\":\"{USUAL_TEXT}\",\"satisfaction\":7}}")
        })
    }

    fn reflection_threshold(&self) -> f32 {
        self.reflection_threshold
    }

    fn in_arm(&self, arm: &str) -> Option<Arc<dyn Behavior>> {
        let (stage, roles, models) = (self.stage.clone(), self.roles.clone(), self.models.clone());
        let mut rehearsal = Rehearsal::new(
            stage,
            roles,
            models,
            self.inner.clone(),
            self.reflection_threshold,
            self.tallies.clone(),
        );
        arm.clone_into(&mut rehearsal.arm);
        Some(Arc::new(rehearsal))
    }
}

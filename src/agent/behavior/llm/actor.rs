//! Agents at work: every step becomes a request that goes its way beside all others, and comes back as
//! an arrival. Must not know the words of prompts or how models are reached.

use super::cast::{Role, role_of};
use super::reply;
use super::scene::{Asked, SceneError, Stage, Task};
use crate::agent::behavior::{
    Answer, Arrival, Arrived, Behavior, BehaviorError, Decision, Foretold, Interview, Reaction, Reflection,
    StepFailure, Visit,
};
use crate::id::AgentId;
use crate::llm::LlmError;
use crate::llm::client::{Caller, Client, Model};
use rayon::prelude::*;
use serde_json::Value;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long the world waits for a reply before it looks up: so long does it take a run to notice that it is to stop.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// The `llm` behaviour in front of one arm.
pub struct Actor {
    stage: Arc<Stage>,
    client: Arc<Client>,
    roles: Arc<[Role]>,
    /// The behaviour's own model, then that of each role.
    callers: Vec<Caller>,
    arm: Arc<str>,
    reflection_threshold: f32,
    sender: Sender<Result<Arrival, LlmError>>,
    arrivals: Mutex<Receiver<Result<Arrival, LlmError>>>,
}

impl Actor {
    /// Agents that are in front of no arm yet; `models` are the behaviour's own and then that of each role.
    pub fn new(
        stage: Arc<Stage>,
        client: Arc<Client>,
        models: Vec<Arc<Model>>,
        roles: Arc<[Role]>,
        reflection_threshold: f32,
    ) -> Actor {
        let arm: Arc<str> = "".into();
        let callers = models.into_iter().map(|model| Caller { model, arm: arm.clone() }).collect();
        let (sender, arrivals) = channel();
        let arrivals = Mutex::new(arrivals);
        Actor { stage, client, roles, callers, arm, reflection_threshold, sender, arrivals }
    }

    /// Who answers for this agent.
    fn caller(&self, visit: &Visit<'_>) -> &Caller {
        let role = role_of(&self.roles, &self.arm, visit.profile, self.stage.streams);
        &self.callers[role.map_or(0, |role| role + 1)]
    }

    /// Asks for one step of each visit; `mean` says what a reply means for it.
    fn ask<T>(
        &self,
        task: Task,
        visits: &[Visit<'_>],
        mean: impl Fn(Result<Value, StepFailure>, usize) -> Arrived + Copy + Send + Sync + 'static,
    ) -> Vec<Answer<T>> {
        let asked: Vec<_> = visits
            .par_iter()
            .map(|visit| self.stage.ask(task, visit, self.caller(visit).model.backend()))
            .collect();
        let answer = |(visit, asked): (&Visit<'_>, Result<Asked, SceneError>)| match asked {
            Ok(Asked { request, n_forgotten }) => {
                let (caller, client) = (self.caller(visit).clone(), self.client.clone());
                let (agent, n_slots) = (visit.profile.agent, visit.items.len());
                let promise = Promise(Some(self.sender.clone()));
                let work = async move {
                    let said = client.converse(&caller, request).await;
                    promise.keep(arrival(task, agent, said, |said| mean(said, n_slots)));
                };
                if let Err(error) = self.client.spawn(work) {
                    let _ = self.sender.send(Err(error));
                }
                Answer::Later { n_forgotten }
            }
            Err(error) => Answer::Now(Err(StepFailure { step: task.name(), cause: error.to_string() })),
        };
        visits.iter().zip(asked).map(answer).collect()
    }
}

/// Something that will arrive, whatever happens: a conversation that breaks off stops the run instead of
/// leaving the world waiting for it.
struct Promise(Option<Sender<Result<Arrival, LlmError>>>);

impl Promise {
    fn keep(mut self, arrival: Result<Arrival, LlmError>) {
        if let Some(sender) = self.0.take() {
            // Nobody listens any more only where the run has been given up.
            let _ = sender.send(arrival);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(Err(LlmError::Stop("a conversation broke off".to_owned())));
        }
    }
}

/// What comes back to the world: an answer, a step that failed, or the end of everything.
fn arrival(
    task: Task,
    agent: AgentId,
    said: Result<Value, LlmError>,
    mean: impl FnOnce(Result<Value, StepFailure>) -> Arrived,
) -> Result<Arrival, LlmError> {
    match said {
        Err(error) if error.stops_run() => Err(error),
        said => {
            let said = said.map_err(|error| StepFailure { step: task.name(), cause: error.to_string() });
            Ok(Arrival { agent, answer: mean(said) })
        }
    }
}

/// What the agent said of this step together with its reaction.
fn foretold<T: Clone>(task: Task, visit: &Visit<'_>, part: fn(&Foretold) -> &T) -> Answer<T> {
    let told = visit.foretold.map(|foretold| part(foretold).clone());
    Answer::Now(told.ok_or_else(|| StepFailure {
        step: task.name(),
        cause: "the reply to the page did not say".to_owned(),
    }))
}

impl Behavior for Actor {
    fn react(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reaction>> {
        let text_chars = self.stage.text_chars;
        self.ask(Task::Page, visits, move |said, n_slots| {
            Arrived::Reaction(said.map(|said| reply::reaction(&said, n_slots, text_chars)))
        })
    }

    fn reflect(&self, visits: &[Visit<'_>]) -> Vec<Answer<Reflection>> {
        if self.stage.decides_with_page {
            return visits.iter().map(|visit| foretold(Task::Reflect, visit, |f| &f.reflection)).collect();
        }
        let text_chars = self.stage.text_chars;
        self.ask(Task::Reflect, visits, move |said, _| {
            Arrived::Reflection(said.map(|said| reply::reflected(&said, text_chars)))
        })
    }

    fn decide(&self, visits: &[Visit<'_>]) -> Vec<Answer<Decision>> {
        if self.stage.decides_with_page {
            return visits.iter().map(|visit| foretold(Task::Decide, visit, |f| &f.decision)).collect();
        }
        let text_chars = self.stage.text_chars;
        self.ask(Task::Decide, visits, move |said, _| {
            Arrived::Decision(said.map(|said| reply::decided(&said, text_chars)))
        })
    }

    fn interview(&self, visits: &[Visit<'_>]) -> Vec<Answer<Interview>> {
        let text_chars = self.stage.text_chars;
        self.ask(Task::Interview, visits, move |said, _| {
            Arrived::Interview(said.map(|said| reply::interviewed(&said, text_chars)))
        })
    }

    fn reflection_threshold(&self) -> f32 {
        self.reflection_threshold
    }

    fn arrivals(&self, wait: bool) -> Result<Vec<Arrival>, BehaviorError> {
        let receiver = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut arrivals = Vec::new();
        if wait {
            match receiver.recv_timeout(WAIT_MAX) {
                Ok(first) => arrivals.push(first?),
                Err(RecvTimeoutError::Timeout) => return Ok(arrivals),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(LlmError::Stop("nobody answers".to_owned()).into());
                }
            }
        }
        for arrival in receiver.try_iter() {
            arrivals.push(arrival?);
        }
        Ok(arrivals)
    }

    fn in_arm(&self, arm: &str) -> Option<Arc<dyn Behavior>> {
        let models = self.callers.iter().map(|caller| caller.model.clone()).collect();
        let (stage, client, roles) = (self.stage.clone(), self.client.clone(), self.roles.clone());
        let mut actor = Actor::new(stage, client, models, roles, self.reflection_threshold);
        actor.arm = arm.into();
        actor.callers.iter_mut().for_each(|caller| caller.arm = actor.arm.clone());
        Some(Arc::new(actor))
    }

    fn remark(&self) -> String {
        self.client.remark()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_that_breaks_off_is_an_arrival_too() {
        let (sender, arrivals) = channel();
        drop(Promise(Some(sender.clone())));
        let kept = Arrival {
            agent: AgentId(3),
            answer: Arrived::Decision(Ok(Decision { goes_on: true, text: "".into() })),
        };
        Promise(Some(sender)).keep(Ok(kept.clone()));
        assert!(arrivals.recv().expect("an arrival").is_err_and(|error| error.stops_run()));
        assert_eq!(arrivals.recv().expect("another"), Ok(kept));
        assert!(arrivals.recv().is_err(), "one each");
    }
}

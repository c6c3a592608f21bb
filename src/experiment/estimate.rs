//! `windtunnel estimate`: what a run with a language model would take in calls, tokens, money and time,
//! before anything is spent. A sample of agents goes through the real session with the real prompts,
//! deciding by the choice model where they think with a language model; recommenders that ask one are answered by
//! one that pretends. Only models in this process are tried out, for their speed. Must not write a run folder.

use super::prepare::Prepared;
use super::pretend::Pretender;
use super::{RunError, RunOptions, WRONG_BEHAVIOR, tunnel, wrong_behavior};
use crate::agent::behavior::choice::Choice;
use crate::agent::behavior::llm::rehearsal::Tally;
use crate::agent::behavior::{BehaviorError, BehaviorKind, Setting};
use crate::id::AgentId;
use crate::llm::client::{Caller, Client};
use crate::llm::plan::LlmPlan;
use crate::llm::{LlmError, Usage};
use crate::scenario::Scenario;
use crate::world::WorldError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

/// Agents that rehearse, where the population has more.
const N_REHEARSING: usize = 200;

/// Who asks a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The people in front of the arm.
    Agents,
    /// The arm itself.
    Recommender,
}

/// What one arm would take of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The arm.
    pub arm: String,
    /// Who asks in it: the agents or the recommender.
    pub asker: Asker,
    /// The model's name in the scenario.
    pub model: String,
    /// Calls.
    pub n_calls: f64,
    /// Tokens read.
    pub prompt_tokens: f64,
    /// How many of them the same agent's call before began with, or everybody's.
    pub prefix_tokens: f64,
    /// Tokens written.
    pub completion_tokens: f64,
    /// US dollars where no prefix is cached.
    pub usd_most: f64,
    /// US dollars where every prefix is.
    pub usd_least: f64,
    /// Seconds with every slot in use.
    pub seconds: f64,
    /// Where the time comes from.
    pub pace: String,
}

/// An estimate of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimates {
    /// Agents of the run.
    pub n_agents: usize,
    /// How many of them rehearsed.
    pub n_rehearsed: usize,
    /// Whether they think with a language model, and decided by the choice model for now.
    pub agents_ask: bool,
    /// By arm and model, agents before recommenders; rounds are counted in.
    pub rows: Vec<Estimate>,
}

/// Estimates a scenario; `latency_ms` is how long a call to a server is taken to last.
pub fn run(scenario: &Scenario, latency_ms: u32, options: &RunOptions<'_>) -> Result<Estimates, RunError> {
    let llm = Client::new(scenario.llm.clone(), options.base_dir, None);
    let found = rehearse(scenario, &llm, latency_ms, options);
    llm.close();
    found
}

fn rehearse(
    scenario: &Scenario,
    llm: &Arc<Client>,
    latency_ms: u32,
    options: &RunOptions<'_>,
) -> Result<Estimates, RunError> {
    let mut prepared = Prepared::new(scenario, options.base_dir, llm, options.progress)?;
    let (pretenders, pretending) = pretending(scenario, llm)?;
    prepared.around.llm = pretending.clone();
    let setting = Setting { llm: llm.clone(), ..prepared.setting(scenario, prepared.streams) };
    let parameters = toml::Table::from_iter([("parameters".to_owned(), "gpt35-movielens".into())]);
    let choice = Choice.check("estimate", &parameters).expect("a shipped set needs no check");
    let inner = choice.begin(&setting)?;
    let n_agents = prepared.agents.len();
    // Every n-th agent, so that no order of the people matters.
    let step = n_agents.div_ceil(N_REHEARSING).max(1);
    let sample: Vec<_> =
        (0..n_agents as u32).step_by(step).map(|agent| prepared.agents.profile(AgentId(agent))).collect();
    let scale = n_agents as f64 / sample.len().max(1) as f64 * f64::from(scenario.file.rounds);
    let (mut rows, mut agents_ask) = (Vec::new(), false);
    let row = |asker, arm: &str, name: &str, tally: &Tally| {
        estimate(scenario, llm, (asker, arm, name), tally, scale, latency_ms)
    };
    for arm in &scenario.arms {
        let (model, _) =
            prepared.workshop(&scenario.arms, None, options.progress).fit(&prepared.split, arm, 0)?;
        let rehearsal = scenario.behavior.rehearse(&setting, inner.clone())?;
        if rehearsal.is_none() && pretenders.is_empty() {
            return Err(wrong_behavior(scenario, WRONG_BEHAVIOR));
        }
        let mut tunnel = tunnel(scenario, &prepared, model.into(), prepared.known.clone(), 0);
        let tallies = rehearsal.map(|(behavior, tallies)| {
            tunnel.behavior = behavior;
            tallies
        });
        tunnel.behavior = tunnel.behavior.in_arm(&arm.name).unwrap_or(tunnel.behavior);
        options.progress.begin(&format!("rehearse {}", arm.name), sample.len() as u64);
        let done: Result<(), WorldError> =
            tunnel.simulate(&sample, sample.len().max(1), options.progress, |_| Ok(()));
        options.progress.end();
        done.map_err(|error| match error {
            WorldError::Recommend(source) => RunError::Recommend { arm: arm.name.clone(), source },
            WorldError::Behavior(source) => RunError::Behavior(source),
            WorldError::Stopped(stopped) => RunError::Stopped(stopped),
        })?;
        let Some(tallies) = tallies else { continue };
        agents_ask = true;
        let tallies = tallies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for (name, tally) in tallies {
            rows.push(row(Asker::Agents, &arm.name, &name, &tally)?);
        }
    }
    for ((arm, name), account) in pretending.ledger().accounts() {
        let samples = pretenders.get(name).map(|pretender| pretender.samples()).unwrap_or_default();
        let tally = Tally { n_calls: account.n_calls, usage: account.usage, samples };
        rows.push(row(Asker::Recommender, arm, name, &tally)?);
    }
    pretending.close();
    Ok(Estimates { n_agents, n_rehearsed: sample.len(), agents_ask, rows })
}

/// Models that pretend, for all that recommenders ask, and a client that knows no others.
type Pretending = (BTreeMap<String, Arc<Pretender>>, Arc<Client>);

fn pretending(scenario: &Scenario, llm: &Arc<Client>) -> Result<Pretending, RunError> {
    let client = Client::new(Arc::new(LlmPlan::default()), std::path::Path::new("."), None);
    let mut pretenders = BTreeMap::new();
    for name in scenario.arms.iter().filter_map(|arm| arm.trainer.llm()) {
        let model = llm.model(name).map_err(BehaviorError::from)?;
        let pretender = Arc::new(Pretender::new(model.clone()));
        client.install(name, pretender.clone(), model.price());
        pretenders.insert(name.to_owned(), pretender);
    }
    Ok((pretenders, client))
}

fn estimate(
    scenario: &Scenario,
    llm: &Arc<Client>,
    (asker, arm, name): (Asker, &str, &str),
    tally: &Tally,
    scale: f64,
    latency_ms: u32,
) -> Result<Estimate, RunError> {
    let model = llm.model(name).map_err(BehaviorError::from)?;
    let (price, usage) = (model.price(), tally.usage);
    let n_calls = tally.n_calls as f64 * scale;
    let is_local = scenario.llm.model(name).is_some_and(|plan| plan.backend.is_local());
    let (seconds_a_call, pace) = if is_local {
        let seconds = tried_out(llm, Caller { model, arm: "estimate".into() }, tally)?;
        (seconds, format!("{:.1} calls a second, tried out here", 1.0 / seconds.max(1e-9)))
    } else {
        let n_slots = model.backend().n_slots().max(1);
        let seconds = f64::from(latency_ms) / 1000.0 / n_slots as f64;
        (seconds, format!("{n_slots} calls at once of {latency_ms} ms each, which is an assumption"))
    };
    Ok(Estimate {
        arm: arm.to_owned(),
        asker,
        model: name.to_owned(),
        n_calls,
        prompt_tokens: usage.prompt_tokens as f64 * scale,
        prefix_tokens: usage.cached_tokens as f64 * scale,
        completion_tokens: usage.completion_tokens as f64 * scale,
        usd_most: price.of(Usage { cached_tokens: 0, ..usage }) * scale,
        usd_least: price.of(usage) * scale,
        seconds: n_calls * seconds_a_call,
        pace,
    })
}

/// Seconds a call, from a few requests asked at once of a model that costs nothing.
fn tried_out(llm: &Arc<Client>, caller: Caller, tally: &Tally) -> Result<f64, RunError> {
    let started = Instant::now();
    let (sender, receiver) = channel();
    for request in tally.samples.clone() {
        let (client, caller, sender) = (llm.clone(), caller.clone(), sender.clone());
        let work = async move {
            // Nobody listens any more only where the estimate has been given up.
            let _ = sender.send(client.ask(&caller, &request).await.map(|_| ()));
        };
        llm.spawn(work).map_err(BehaviorError::from)?;
    }
    drop(sender);
    let answers: Vec<Result<(), LlmError>> = receiver.into_iter().collect();
    let n_answered = answers.iter().filter(|answer| answer.is_ok()).count();
    if let (0, Some(Err(error))) = (n_answered, answers.into_iter().next()) {
        return Err(BehaviorError::from(error).into());
    }
    Ok(started.elapsed().as_secs_f64() / n_answered.max(1) as f64)
}

//! What a run says about itself, gathered into `manifest.json`. The only file with timings.

use super::prepare::Prepared;
use super::simulate::Failures;
use crate::dataset::split::{SplitKind, SplitParams};
use crate::id::UserId;
use crate::llm::account::{Account, Ledger};
use crate::recommender::without::cold_items;
use crate::report::manifest::{ArmInfo, DatasetInfo, FailureInfo, LlmUsage, Manifest, Timing};
use crate::scenario::Scenario;
use std::time::Instant;

/// Wall-clock time, phase by phase.
pub struct Clock {
    last: Instant,
    timings: Vec<Timing>,
}

impl Clock {
    /// Starts timing.
    pub fn start() -> Self {
        Clock { last: Instant::now(), timings: Vec::new() }
    }

    /// Adds the phases of other processes.
    pub fn add(&mut self, timings: &[Timing]) {
        for other in timings {
            match self.timings.iter_mut().find(|timing| timing.phase == other.phase) {
                Some(timing) => timing.seconds += other.seconds,
                None => self.timings.push(other.clone()),
            }
        }
    }

    /// The phases so far.
    pub fn timings(self) -> Vec<Timing> {
        self.timings
    }

    /// Ends a phase; the same phase again adds up.
    pub fn lap(&mut self, phase: &str) {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        match self.timings.iter_mut().find(|timing| timing.phase == phase) {
            Some(timing) => timing.seconds += seconds,
            None => self.timings.push(Timing { phase: phase.to_owned(), seconds }),
        }
    }
}

/// The manifest's text.
pub fn of(
    scenario: &Scenario,
    prepared: &Prepared,
    arms: Vec<(ArmInfo, Failures)>,
    llm: Vec<LlmUsage>,
    clock: Clock,
) -> String {
    let file = &scenario.file;
    let failures = arms.iter().flat_map(|(arm, failures)| failures.iter().map(move |f| (&arm.name, f)));
    let failures = failures.map(|(arm, ((step, cause), &count))| FailureInfo {
        arm: arm.clone(),
        step: step.clone(),
        cause: cause.clone(),
        count,
    });
    let failures = failures.collect();
    let baseline = file.statistics.baseline.clone().or_else(|| arms.first().map(|(arm, _)| arm.name.clone()));
    let manifest = Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_revision: option_env!("WINDTUNNEL_GIT_REVISION").map(str::to_owned),
        title: file.name.clone(),
        seed: file.seed,
        dataset: dataset(scenario, prepared),
        n_agents: prepared.agents.len() as u64,
        population: population(scenario, prepared),
        taste: prepared.taste.statement(prepared.taste_evidence),
        behavior: scenario.behavior.statement(),
        items_per_page: file.session.items_per_page,
        max_pages: file.session.max_pages,
        n_rounds: file.rounds,
        n_threads: rayon::current_num_threads() as u32,
        arms: arms.into_iter().map(|(arm, _)| arm).collect(),
        baseline,
        studies: scenario.studies.iter().map(|planned| planned.name.clone()).collect(),
        confidence: file.statistics.confidence,
        power: file.statistics.power,
        timings: clock.timings,
        failures,
        encodings: prepared.around.encoders.reports(),
        llm,
        ..Manifest::default()
    };
    manifest.to_json()
}

/// What was asked of language models, by arm and model.
pub fn llm_usage(scenario: &Scenario, ledger: &Ledger) -> Vec<LlmUsage> {
    let usage = |((arm, model), account): (&(String, String), &Account)| {
        let latency = account.latency();
        LlmUsage {
            arm: arm.clone(),
            model: model.clone(),
            about: scenario.llm.model(model).map(|plan| plan.backend.statement()).unwrap_or_default(),
            n_calls: account.n_calls,
            n_replayed: account.n_replayed,
            n_retries: account.n_retries,
            n_repairs: account.n_repairs,
            n_failures: account.n_failures,
            n_unknown_slots: account.slips.n_unknown,
            n_repeated_slots: account.slips.n_repeated,
            n_unnamed_slots: account.slips.n_unnamed,
            prompt_tokens: account.usage.prompt_tokens,
            cached_tokens: account.usage.cached_tokens,
            completion_tokens: account.usage.completion_tokens,
            cost_usd: account.usd(),
            replayed_tokens: account.replayed.prompt_tokens + account.replayed.completion_tokens,
            replayed_usd: account.replayed_usd(),
            latency_p50_ms: latency.map(|latency| latency.p50_ms),
            latency_p90_ms: latency.map(|latency| latency.p90_ms),
            latency_p99_ms: latency.map(|latency| latency.p99_ms),
        }
    };
    ledger.accounts().iter().map(usage).collect()
}

fn dataset(scenario: &Scenario, prepared: &Prepared) -> DatasetInfo {
    let dataset = &prepared.dataset;
    let report = dataset.load_report;
    let mut load_report = vec![format!("{} rows read", report.n_rows)];
    if report.n_skipped > 0 {
        load_report.push(format!("{} malformed rows skipped", report.n_skipped));
    }
    if report.n_duplicates > 0 {
        load_report.push(format!("{} repeated pairs, the last one counted", report.n_duplicates));
    }
    if report.n_without_profile > 0 {
        load_report.push(format!("{} items or people without a profile", report.n_without_profile));
    }
    DatasetInfo {
        source: dataset.source.clone(),
        hash: prepared.dataset_hash.clone(),
        n_users: dataset.n_users() as u64,
        n_items: dataset.n_items() as u64,
        n_interactions: dataset.interactions.len() as u64,
        n_train_users: u64::from(prepared.catalogue.n_train_users),
        n_train: prepared.split.train.len() as u64,
        split: split(scenario, prepared),
        load_report,
        genres: dataset.genres.all().to_vec(),
    }
}

/// The rule and what came of it.
fn split(scenario: &Scenario, prepared: &Prepared) -> String {
    let SplitParams { kind, cold: cold_share, .. } = scenario.file.split;
    let split = &prepared.split;
    let (n_train, n_valid, n_test) = (split.train.len(), split.valid.len(), split.test.len());
    let mut told = format!("{}: {n_train} train, {n_valid} validation, {n_test} test", kind.name());
    if kind == SplitKind::ColdItems {
        let cold = cold_items(&split.train);
        let held_out = split.test.item_counts();
        let n_cold = cold.iter().filter(|&&item| held_out[item as usize] > 0).count();
        let share = cold_share.unwrap_or_default();
        told.push_str(&format!(
            "; {n_cold} items that nobody has in training (a share of {share} held out whole)"
        ));
    }
    if kind == SplitKind::ColdUsers {
        let is_cold =
            |&user: &UserId| split.train.items_of(user).is_empty() && !split.test.items_of(user).is_empty();
        let n_cold = (0..prepared.dataset.n_users() as u32).map(UserId).filter(is_cold).count();
        let share = cold_share.unwrap_or_default();
        told.push_str(&format!(
            "; {n_cold} people with nothing in training (a share of {share} held out whole)"
        ));
    }
    told
}

fn population(scenario: &Scenario, prepared: &Prepared) -> String {
    let (n_agents, n_users) = (prepared.agents.len(), prepared.dataset.n_users());
    let traits = "activity, diversity and conformity from each person's interactions";
    if n_agents <= n_users {
        format!("{n_agents} of {n_users} people, each once; {traits}")
    } else {
        let jitter = scenario.file.population.jitter.0;
        let copies = match prepared.dataset.published_personas {
            Some(_) => "with the published traits of their person".to_owned(),
            None => format!("with traits jittered by {jitter}"),
        };
        format!("{n_users} people resampled to {n_agents} agents, {copies}; {traits}")
    }
}

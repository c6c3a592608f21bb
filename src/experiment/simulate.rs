//! One arm through all its rounds: fit, simulate, log; from the second round on it is refitted
//! on what its own agents did. Must not know other arms.

use super::fit::Workshop;
use super::folder::RunFolder;
use super::manifest::Clock;
use super::model_store::ModelStore;
use super::prepare::{Prepared, never_shown};
use super::{RunError, RunOptions, prepare, shards};
use crate::agent::cue::Cues;
use crate::dataset::{Interaction, Interactions, Split};
use crate::event::read::for_some_events;
use crate::event::write::{EventWriter, RawIds};
use crate::event::{Event, EventError, What};
use crate::id::{AgentId, ItemId, UserId};
use crate::progress::Progress;
use crate::recommender::Recommender;
use crate::report::manifest::{ArmInfo, FitInfo};
use crate::scenario::file::MemorySwitch;
use crate::scenario::{Arm, Feedback, Scenario};
use crate::world::{Backstage, SessionRules, Tunnel, WorldError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// An arm's model of the first round, and how it came about.
pub struct Fitted {
    recommender: Arc<dyn Recommender>,
    info: Option<FitInfo>,
}

impl Fitted {
    /// The model.
    pub fn recommender(&self) -> Arc<dyn Recommender> {
        self.recommender.clone()
    }
}

/// Fits or loads an arm for the first round.
pub fn first_fit(
    scenario: &Scenario,
    prepared: &Prepared,
    arm: &Arm,
    options: &RunOptions<'_>,
    clock: &mut Clock,
) -> Result<Fitted, RunError> {
    let store = options.models.map(|dir| ModelStore { dir, scenario: &scenario.file });
    fitted(&scenario.arms, prepared, arm, (&prepared.split, 0), store, options, clock)
}

fn fitted(
    arms: &[Arm],
    prepared: &Prepared,
    arm: &Arm,
    (split, round): (&Split, u32),
    models: Option<ModelStore<'_>>,
    options: &RunOptions<'_>,
    clock: &mut Clock,
) -> Result<Fitted, RunError> {
    let started = Instant::now();
    let workshop = Workshop { models, ..prepared.workshop(arms, options.checkpoints, options.progress) };
    let (recommender, curve) = workshop.fit(split, arm, round)?;
    clock.lap(&format!("fit {}", arm.name));
    let info = Some(FitInfo { round, seconds: started.elapsed().as_secs_f64(), curve });
    Ok(Fitted { recommender: recommender.into(), info })
}

/// Runs one arm, from its model of the first round on, and writes its events.
pub fn arm(
    scenario: &Scenario,
    prepared: &Prepared,
    arm: &Arm,
    first: Fitted,
    folder: &RunFolder,
    options: &RunOptions<'_>,
    clock: &mut Clock,
) -> Result<(ArmInfo, Failures), RunError> {
    let progress = options.progress;
    let mut failures = Failures::new();
    let mut info = ArmInfo {
        name: arm.name.clone(),
        kind: arm.kind.name().to_owned(),
        needs: arm.kind.about().needs.name().to_owned(),
        loaded_from: arm.model.as_ref().map(|dir| dir.display().to_string()),
        fits: Vec::new(),
    };
    let mut model = first;
    let mut split = prepared.split.clone();
    let mut known = prepared.known.clone();
    for round in 0..scenario.file.rounds {
        if round > 0 && arm.feedback == Feedback::Refit {
            model = fitted(&scenario.arms, prepared, arm, (&split, round), None, options, clock)?;
        }
        info.fits.extend(model.info.take());
        let mut tunnel = tunnel(scenario, prepared, model.recommender.clone(), known, round);
        tunnel.rules.cues = cues(scenario, arm);
        if let Some(behavior) = tunnel.behavior.in_arm(&arm.name) {
            tunnel.behavior = behavior;
        }
        let mut watched = Vec::new();
        let mut tell = |events: &[Event]| {
            if round + 1 < scenario.file.rounds {
                watched.extend(events.iter().filter_map(watch));
            }
            count_failures(events, &mut failures);
        };
        let agents = shards::agents(prepared.agents.len(), options.shard);
        progress.begin(&format!("simulate {}", arm.name), agents.len() as u64);
        let parts = Parts { scenario, prepared, folder, arm, round, agents };
        let simulated = parts.simulate(&tunnel, progress, &mut tell);
        progress.end();
        simulated?;
        clock.lap(&format!("simulate {}", arm.name));
        if round + 1 < scenario.file.rounds {
            split.train = grown(prepared, &split.train, &watched, round);
        }
        known = match scenario.file.session.show_again {
            true => prepared.known.clone(),
            false => Arc::new(never_shown(&prepared.dataset, &split, &scenario.file.session)?),
        };
    }
    Ok((info, failures))
}

/// The parts of an arm's log in one round.
struct Parts<'a> {
    scenario: &'a Scenario,
    prepared: &'a Prepared,
    folder: &'a RunFolder,
    arm: &'a Arm,
    round: u32,
    /// Those who are simulated here.
    agents: std::ops::Range<usize>,
}

impl Parts<'_> {
    /// Writes the parts that are not there yet, and tells of all events in order.
    fn simulate(
        &self,
        tunnel: &Tunnel,
        progress: &dyn Progress,
        tell: &mut dyn FnMut(&[Event]),
    ) -> Result<(), RunError> {
        let per_part = self.scenario.file.world.agents_per_part as usize;
        let first = self.round as usize * self.agents.len().div_ceil(per_part);
        let mut ids = None;
        for (number, start) in (first..).zip(self.agents.clone().step_by(per_part)) {
            let path = self.folder.part(&self.arm.name, number)?;
            if self.is_kept(&path) {
                let ids = ids.get_or_insert_with(|| self.prepared.ids());
                for_some_events(&path, ids, |events| {
                    tell(events);
                    Ok(())
                })?;
                progress.advance(per_part.min(self.agents.end - start) as u64, "");
                continue;
            }
            self.simulate_part(
                tunnel,
                start..(start + per_part).min(self.agents.end),
                &path,
                progress,
                tell,
            )?;
        }
        Ok(())
    }

    /// Whether a part is whole and this run's already. Where language models are asked, everything is done again from
    /// the tape, which costs nothing and counts every call.
    fn is_kept(&self, path: &Path) -> bool {
        path.is_file() && self.scenario.llm.models.is_empty()
    }

    fn simulate_part(
        &self,
        tunnel: &Tunnel,
        agents: std::ops::Range<usize>,
        path: &Path,
        progress: &dyn Progress,
        tell: &mut dyn FnMut(&[Event]),
    ) -> Result<(), RunError> {
        let cohort_size = self.scenario.file.world.cohort_size as usize;
        let raw = Raw(self.prepared);
        let mut writer = EventWriter::create(path, &raw)?;
        for start in agents.clone().step_by(cohort_size) {
            let profiles = self.prepared.agents.profiles(start..(start + cohort_size).min(agents.end));
            let simulated: Result<(), Trouble> =
                tunnel.simulate(&profiles, cohort_size, progress, |events| {
                    tell(events);
                    Ok(writer.write(events)?)
                });
            simulated.map_err(|trouble| trouble.of(&self.arm.name))?;
        }
        Ok(writer.finish()?)
    }
}

/// How often each step failed for each cause.
pub type Failures = BTreeMap<(String, String), u64>;

/// Different causes that are told apart in one arm; a foreign recommender can invent new ones without end.
const CAUSES_MAX: usize = 100;

pub(super) fn count_failures(events: &[Event], failures: &mut Failures) {
    for event in events {
        if let What::Failure { step, cause } = &event.what {
            let mut key = (step.to_string(), cause.to_string());
            if failures.len() >= CAUSES_MAX && !failures.contains_key(&key) {
                key.1 = "other causes".to_owned();
            }
            *failures.entry(key).or_default() += 1;
        }
    }
}

/// Why simulating cannot go on.
enum Trouble {
    World(WorldError),
    Event(EventError),
}

impl From<WorldError> for Trouble {
    fn from(error: WorldError) -> Self {
        Trouble::World(error)
    }
}

impl From<EventError> for Trouble {
    fn from(error: EventError) -> Self {
        Trouble::Event(error)
    }
}

impl Trouble {
    fn of(self, arm: &str) -> RunError {
        match self {
            Trouble::World(WorldError::Recommend(source)) => {
                RunError::Recommend { arm: arm.to_owned(), source }
            }
            Trouble::World(WorldError::Behavior(source)) => RunError::Behavior(source),
            Trouble::World(WorldError::Stopped(stopped)) => RunError::Stopped(stopped),
            Trouble::Event(source) => RunError::Event(source),
        }
    }
}

/// What stands beside the items on an arm's pages.
fn cues(scenario: &Scenario, arm: &Arm) -> Cues {
    Cues::of(arm.cues.as_deref().unwrap_or(&scenario.file.session.cues))
}

/// The world of one arm in one round, by the scenario's rules.
pub fn tunnel(
    scenario: &Scenario,
    prepared: &Prepared,
    recommender: Arc<dyn Recommender>,
    known: Arc<Interactions>,
    round: u32,
) -> Tunnel {
    let session = &scenario.file.session;
    let memory_entries = match session.memory {
        MemorySwitch::On => session.memory_entries as usize,
        MemorySwitch::Off => 0,
    };
    Tunnel {
        recommender,
        behavior: prepared.behavior.clone(),
        known,
        held_out: prepared.held_out.clone(),
        rules: SessionRules {
            items_per_page: session.items_per_page as usize,
            max_pages: session.max_pages,
            presentation: session.presentation,
            cues: Cues::of(&session.cues),
            advert_share: session.advert_share,
            memory_entries,
            on_error: scenario.file.world.on_error,
        },
        streams: prepared.streams,
        round,
        backstage: Backstage::default(),
    }
}

/// Raw ids of the run, for the event file.
pub(super) struct Raw<'a>(pub &'a Prepared);

impl RawIds for Raw<'_> {
    fn agent(&self, agent: AgentId) -> Cow<'_, str> {
        self.0.agents.raw_id(agent)
    }

    fn item(&self, item: ItemId) -> &str {
        self.0.dataset.items.raw(item.0)
    }
}

/// What an event adds to the next round's training: an item watched, and its rating.
fn watch(event: &Event) -> Option<(AgentId, ItemId, Option<u8>)> {
    match event.what {
        What::Watch { item, .. } => Some((event.agent, item, None)),
        What::Rating { item, rating, .. } => Some((event.agent, item, Some(rating))),
        _ => None,
    }
}

/// The training set with what the agents watched added under the people they stand for. Ratings
/// are put on the dataset's own scale; agents of one person agree on the last agent's rating.
fn grown(
    prepared: &prepare::Prepared,
    train: &Interactions,
    watched: &[(AgentId, ItemId, Option<u8>)],
    round: u32,
) -> Interactions {
    let scale = |rating: u8| match prepared.dataset.rating_range {
        Some((low, high)) => low + (high - low) * (f32::from(rating) - 1.0) / 4.0,
        None => 1.0,
    };
    let middle = prepared.dataset.rating_range.map_or(1.0, |(low, high)| 0.5 * (low + high));
    let newest = train.order.iter().copied().max().unwrap_or(0);
    let mut all: BTreeMap<(UserId, ItemId), Interaction> = BTreeMap::new();
    for user in 0..train.matrix.n_rows as u32 {
        all.extend(train.history_of(UserId(user)).map(|x| ((x.user, x.item), x)));
    }
    for &(agent, item, rating) in watched {
        let user = prepared.agents.user(agent);
        let rating = rating.map_or(middle, scale);
        let order = newest.saturating_add(1 + i64::from(round));
        all.insert((user, item), Interaction { user, item, rating, order });
    }
    let all: Vec<Interaction> = all.into_values().collect();
    Interactions::from_sorted(train.matrix.n_rows, train.matrix.n_cols, &all)
}

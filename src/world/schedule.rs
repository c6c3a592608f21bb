//! One page tick, on one screen: the protocol of a session as an explicit chain of systems.
//!
//! Agents whose answers come at once go through a whole page in a tick. Those who have to wait for
//! a language model stay at their stage, and move on in the tick in which their answer has come,
//! whatever the others do: nobody waits for the slowest.
//!
//! The chain is single-threaded; parallelism is inside the systems, or between worlds. Two
//! systems that touch the same data without an order between them are an error, not a race.

use super::systems;
use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, Schedule, ScheduleBuildSettings, ScheduleLabel, SingleThreadedExecutor,
};

/// The schedule that gives every browsing agent one page.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PageTick;

/// A step further for everybody who can make one.
pub fn page_tick() -> Schedule {
    let mut schedule = strict(PageTick);
    schedule.add_systems(
        (
            systems::arrive,     // answers that were on their way
            systems::turn_page,  // whoever went on is on the next page
            systems::ask, // 1. the recommender ranks, on every page if it adapts (else before the first)
            systems::present, // 2. the page is laid out, slot by slot
            systems::react, // 3. the agent aligns, watches and rates
            systems::remember, // 4. what happened becomes log, feedback and factual memory
            systems::reflect, // 5. enough has happened: satisfaction and fatigue are written down
            systems::stay_or_go, // 6. next page or exit
            systems::leave, // those who exit stop browsing
            systems::interview, // and are asked how it was
            systems::depart, // whose session is over
        )
            .chain(),
    );
    schedule
}

/// An empty schedule in which ambiguity is an error.
fn strict(label: impl ScheduleLabel) -> Schedule {
    let mut schedule = Schedule::new(label);
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.set_build_settings(ScheduleBuildSettings {
        ambiguity_detection: LogLevel::Error,
        ..ScheduleBuildSettings::default()
    });
    schedule
}

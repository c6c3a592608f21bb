//! One page tick, on one screen: the protocol of a session as an explicit chain of systems.
//!
//! The chain is single-threaded; parallelism is inside the batches (scoring, choosing). Two
//! systems that touch the same data without an order between them are an error, not a race.

use super::systems;
use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, Schedule, ScheduleBuildSettings, ScheduleLabel, SingleThreadedExecutor,
};

/// The schedule that gives every browsing agent one page.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PageTick;

/// The schedule that interviews everybody who has left.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Interviews;

/// One page for everybody who still browses.
pub fn page_tick() -> Schedule {
    let mut schedule = strict(PageTick);
    schedule.add_systems(
        (
            systems::turn_page,  // everybody who browses is on the next page
            systems::ask,        // 1. the recommender ranks, once a session or on every page
            systems::present,    // 2. the page is laid out, slot by slot
            systems::react,      // 3. the agent aligns, watches and rates
            systems::remember,   // 4. what happened becomes log, feedback and factual memory
            systems::reflect,    // 5. enough has happened: satisfaction and fatigue are written down
            systems::stay_or_go, // 6. next page or exit
            systems::leave,      // those who exit stop browsing
        )
            .chain(),
    );
    schedule
}

/// The interview after the exit.
pub fn interviews() -> Schedule {
    let mut schedule = strict(Interviews);
    schedule.add_systems(systems::interview);
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

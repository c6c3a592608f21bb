//! Agents that go through their sessions side by side: one `bevy_ecs` world, used again for others when they
//! are through. Must not know what happens on a page.

use super::lists::Opening;
use super::{Backstage, Tunnel, WorldError, schedule};
use crate::agent::memory::{Memory, Mood};
use crate::agent::profile::Profile;
use crate::agent::session::SessionState;
use crate::event::Event;
use crate::progress::Progress;
use bevy_ecs::query::QueryState;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::Schedule;
use bevy_ecs::world::World;

/// The first reason to stop in this tick.
#[derive(Resource, Default)]
pub(super) struct Trouble(pub(super) Option<WorldError>);

/// How many sessions ended in this tick.
#[derive(Resource, Default)]
pub(super) struct Departed(pub(super) usize);

/// Room for some agents. They stay in one table of the world, in which nobody ever moves: they are met in the
/// order in which they were admitted.
pub(super) struct Flock {
    world: World,
    page_tick: Schedule,
    seats: QueryState<(&'static mut Profile, &'static mut Memory, &'static mut SessionState)>,
    n_seats: usize,
}

impl Default for Flock {
    fn default() -> Self {
        let mut world = World::new();
        world.init_resource::<Trouble>();
        world.init_resource::<Departed>();
        let seats = world.query();
        Flock { page_tick: schedule::page_tick(), seats, n_seats: 0, world }
    }
}

impl Flock {
    /// Runs page ticks until the session of every one of these agents is over, and adds their events, agent by
    /// agent. `openings` has the list of each, where lists are made once a session.
    ///
    /// A flock that met trouble is of no more use.
    pub(super) fn run(
        &mut self,
        tunnel: &Tunnel,
        agents: &[Profile],
        openings: Option<&[Opening]>,
        progress: &dyn Progress,
        events: &mut Vec<Event>,
    ) -> Result<(), WorldError> {
        // Worlds are kept backstage: one that held on to it would keep itself.
        self.world.insert_resource(Tunnel { backstage: Backstage::default(), ..tunnel.clone() });
        self.admit(tunnel, agents, openings);
        let mut n_browsing = agents.len();
        while n_browsing > 0 {
            progress.go_on()?;
            self.page_tick.run(&mut self.world);
            if let Some(error) = self.world.resource_mut::<Trouble>().0.take() {
                return Err(error);
            }
            let n_departed = std::mem::take(&mut self.world.resource_mut::<Departed>().0);
            n_browsing -= n_departed;
            progress.advance(n_departed as u64, &tunnel.behavior.remark());
        }
        for (_, _, mut session) in self.seats.iter_mut(&mut self.world).take(agents.len()) {
            events.append(&mut session.events);
        }
        Ok(())
    }

    /// Gives every agent a seat; seats that are left over stay out of the loop.
    fn admit(&mut self, tunnel: &Tunnel, agents: &[Profile], openings: Option<&[Opening]>) {
        let further = agents.iter().skip(self.n_seats);
        self.world.spawn_batch(
            further.map(|&agent| (agent, Memory::default(), SessionState::over())).collect::<Vec<_>>(),
        );
        self.n_seats = self.n_seats.max(agents.len());
        let seats = self.seats.iter_mut(&mut self.world).zip(agents).enumerate();
        for (k, ((mut profile, mut memory, mut session), &agent)) in seats {
            *profile = agent;
            memory.clear(tunnel.rules.memory_entries);
            session.begin(tunnel.round, Mood::NEUTRAL);
            match openings.map(|openings| &openings[k]) {
                Some(Ok(list)) => session.ranked = list.clone(),
                Some(Err(cause)) => session.refusal = Some(cause.clone()),
                None => {}
            }
        }
    }
}

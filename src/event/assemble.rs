//! From what happened to whole sessions: the one place that knows how events of one agent
//! add up, whether they come from memory or from a file. Must not know where they come from.

use super::story::{About, Story, Words};
use super::{Event, ExitReason, Page, Session, Slot, What};
use crate::id::{AgentId, ItemId};

/// What one event tells, of its texts too; those that were not given are empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told<'a> {
    /// An item was shown.
    Exposure {
        slot: Option<u32>,
        item: ItemId,
        aligned: Option<bool>,
        held_out: bool,
        propensity: Option<f32>,
    },
    /// The item in this slot was watched.
    Watch { slot: Option<u32> },
    /// The item in this slot was rated.
    Rating { slot: Option<u32>, rating: Option<u8>, feeling: &'a str },
    /// The agent took stock.
    Reflection { satisfaction: f32, fatigue: f32, text: &'a str },
    /// Memories were left out: nothing that a session is made of.
    Forgetting { text: &'a str },
    /// The session ended.
    Exit { reason: ExitReason, text: &'a str },
    /// The interview.
    Interview { satisfaction: u8, text: &'a str },
    /// Something failed.
    Failure { step: &'a str, cause: &'a str },
}

/// The sessions told by events in memory, in the order in which they begin.
///
/// # Panics
/// When the events are not those of whole sessions, agent after agent: a fault of the world.
pub fn sessions(events: &[Event]) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for event in events {
        let goes_on = sessions.last().is_some_and(|s| s.agent == event.agent && s.round == event.round);
        if !goes_on {
            sessions.push(Session::new(event.round, event.agent));
        }
        let session = sessions.last_mut().expect("one has just been begun");
        session.apply(event.page, told(&event.what)).expect("the world logs whole sessions");
    }
    sessions
}

fn told(what: &What) -> Told<'_> {
    match what {
        &What::Exposure { slot, item, aligned, held_out, propensity, .. } => {
            Told::Exposure { slot: Some(slot), item, aligned, held_out, propensity }
        }
        &What::Watch { slot, .. } => Told::Watch { slot: Some(slot) },
        What::Rating { slot, rating, feeling, .. } => {
            Told::Rating { slot: Some(*slot), rating: Some(*rating), feeling }
        }
        What::Reflection { satisfaction, fatigue, text } => {
            Told::Reflection { satisfaction: *satisfaction, fatigue: *fatigue, text }
        }
        What::Exit { reason, text } => Told::Exit { reason: *reason, text },
        What::Interview { satisfaction, text } => Told::Interview { satisfaction: *satisfaction, text },
        What::Failure { step, cause } => Told::Failure { step, cause },
        What::Forgetting { text } => Told::Forgetting { text },
    }
}

impl Session {
    /// A session in which nothing has happened yet.
    pub fn new(round: u32, agent: AgentId) -> Self {
        Session {
            round,
            agent,
            pages: Vec::new(),
            reflections: Vec::new(),
            exit: None,
            satisfaction: None,
            n_failures: 0,
        }
    }

    /// Takes in what happened on a page; the error says what does not fit.
    pub(super) fn apply(&mut self, page: u32, told: Told<'_>) -> Result<(), String> {
        match told {
            Told::Exposure { slot, item, aligned, held_out, propensity } => {
                if self.pages.last().is_none_or(|p| p.number != page) {
                    self.pages.push(Page { number: page, slots: Vec::new() });
                }
                let slots = self.pages.last_mut().map(|p| &mut p.slots).ok_or("no page")?;
                if slot != Some(slots.len() as u32) {
                    return Err(format!("exposure in slot {slot:?}, expected {}", slots.len()));
                }
                slots.push(Slot { item, aligned, held_out, propensity, watched: false, rating: None });
            }
            Told::Watch { slot } => self.slot_mut(page, slot)?.watched = true,
            Told::Rating { slot, rating, .. } => self.slot_mut(page, slot)?.rating = rating,
            Told::Reflection { satisfaction, fatigue, .. } => {
                self.reflections.push((page, satisfaction, fatigue));
            }
            Told::Exit { reason, .. } => self.exit = Some(reason),
            Told::Interview { satisfaction, .. } => self.satisfaction = Some(satisfaction),
            Told::Failure { .. } => self.n_failures += 1,
            Told::Forgetting { .. } => {}
        }
        Ok(())
    }

    fn slot_mut(&mut self, page: u32, slot: Option<u32>) -> Result<&mut Slot, String> {
        let slot = slot.ok_or("a watch or rating without a slot")?;
        self.pages
            .iter_mut()
            .find(|p| p.number == page)
            .and_then(|p| p.slots.get_mut(slot as usize))
            .ok_or_else(|| format!("a watch or rating on page {page}, slot {slot}, where nothing was shown"))
    }
}

impl Story {
    /// Takes in what happened on a page, with the words; the error says what does not fit.
    pub(super) fn apply(&mut self, page: u32, told: Told<'_>) -> Result<(), String> {
        self.session.apply(page, told)?;
        let (about, text) = match told {
            Told::Exposure { .. } | Told::Watch { .. } => return Ok(()),
            // The session has made sure of the slot.
            Told::Rating { slot, feeling, .. } => (About::Rating { slot: slot.unwrap_or(0) }, feeling),
            Told::Reflection { text, .. } => (About::Reflection, text),
            Told::Forgetting { text } => (About::Forgetting, text),
            Told::Exit { text, .. } => (About::Exit, text),
            Told::Interview { text, .. } => (About::Interview, text),
            Told::Failure { step, cause } => (About::Failure { step: step.to_owned() }, cause),
        };
        self.words.push(Words { page, about, text: text.to_owned() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_add_up_to_sessions_agent_by_agent() {
        let event = |agent, page, what| Event { round: 0, agent: AgentId(agent), page, what };
        let shown = |slot, item| What::Exposure {
            slot,
            item: ItemId(item),
            score: 0.0,
            propensity: None,
            aligned: Some(true),
            held_out: item == 8,
        };
        let watch = What::Watch { slot: 1, item: ItemId(8) };
        let rating = What::Rating { slot: 1, item: ItemId(8), rating: 4, feeling: "good".into() };
        let events = [
            event(3, 1, shown(0, 7)),
            event(3, 1, shown(1, 8)),
            event(3, 1, watch),
            event(3, 1, rating),
            event(3, 1, What::Reflection { satisfaction: 0.5, fatigue: 0.1, text: "fine".into() }),
            event(3, 1, What::Exit { reason: ExitReason::Left, text: "".into() }),
            event(3, 1, What::Interview { satisfaction: 6, text: "so so".into() }),
            event(5, 1, shown(0, 8)),
            event(5, 1, What::Failure { step: "watch".into(), cause: "silence".into() }),
        ];
        let found = sessions(&events);
        assert_eq!(found.iter().map(|s| s.agent.0).collect::<Vec<_>>(), [3, 5]);
        let first = &found[0];
        assert_eq!((first.n_shown(), first.n_watched(), first.n_liked()), (2, 1, 1));
        assert_eq!((first.exit, first.satisfaction), (Some(ExitReason::Left), Some(6)));
        assert_eq!(first.reflections, [(1, 0.5, 0.1)]);
        assert!(first.pages[0].slots[1].held_out);
        assert_eq!((found[1].n_failures, found[1].exit), (1, None));
    }
}

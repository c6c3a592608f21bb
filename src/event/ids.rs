//! Dense numbers for the raw ids of an event file. Must not know where either comes from.

use crate::id::{AgentId, ItemId};
use crate::naming::Naming;
use std::collections::HashMap;

/// Dense ids for the raw ids of an event file.
pub struct DenseIds {
    /// The place of every person.
    people: HashMap<String, u32>,
    naming: Naming,
    /// Where each person's agents begin in `agents`; one entry more than there are people.
    begins: Vec<u32>,
    /// The agents of every person, in the order of their copies.
    agents: Vec<AgentId>,
    items: HashMap<String, ItemId>,
}

impl DenseIds {
    /// From the raw ids in dense order.
    pub fn new<'a>(
        agents: impl IntoIterator<Item = &'a str>,
        items: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let names: Vec<&str> = agents.into_iter().collect();
        DenseIds::of_copies(&names, &Naming::of(names.iter().copied()), 0..names.len() as u32, items)
    }

    /// From people by their raw ids, how their agents are called, the person of every agent in dense order, and the
    /// raw ids of items in dense order. The agents of a person are its copies in that order.
    ///
    /// # Panics
    /// When an agent is of nobody.
    pub fn of_copies<'a>(
        people: &[&str],
        naming: &Naming,
        person_of: impl Iterator<Item = u32> + Clone,
        items: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut begins = vec![0u32; people.len() + 1];
        person_of.clone().for_each(|person| begins[person as usize + 1] += 1);
        (1..begins.len()).for_each(|k| begins[k] += begins[k - 1]);
        let mut next = begins.clone();
        let mut agents = vec![AgentId(0); begins.last().copied().unwrap_or(0) as usize];
        for (agent, person) in (0..).zip(person_of) {
            agents[next[person as usize] as usize] = AgentId(agent);
            next[person as usize] += 1;
        }
        DenseIds {
            people: (0..).zip(people).map(|(k, raw)| ((*raw).to_owned(), k)).collect(),
            naming: naming.clone(),
            begins,
            agents,
            items: (0..).zip(items).map(|(k, raw)| (raw.to_owned(), ItemId(k))).collect(),
        }
    }

    /// The agent of this raw id.
    pub fn agent(&self, raw: &str) -> Option<AgentId> {
        let (person, copy) = match self.people.get(raw) {
            Some(&person) => (person, 0),
            None => {
                let (person, copy) = self.naming.split(raw)?;
                (*self.people.get(person)?, copy)
            }
        };
        let (begin, end) = (self.begins[person as usize], self.begins[person as usize + 1]);
        let at = begin.checked_add(copy).filter(|at| *at < end)?;
        Some(self.agents[at as usize])
    }

    /// The item of this raw id.
    pub fn item(&self, raw: &str) -> Option<ItemId> {
        self.items.get(raw).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_found_by_their_spelling() {
        let people = ["a", "b"];
        let naming = Naming::of(people);
        let ids = DenseIds::of_copies(&people, &naming, [0, 1, 0, 1, 1].into_iter(), ["x"]);
        let found = |raw: &str| ids.agent(raw).map(|agent| agent.0);
        assert_eq!(["a", "b", "a~1", "b~1", "b~2"].map(found), [0, 1, 2, 3, 4].map(Some));
        assert_eq!(["a~2", "b~3", "c", "a~0", "b~4294967295", ""].map(found), [None; 6]);
        let plain = DenseIds::new(["a", "a~1"], ["x", "y"]);
        assert_eq!((plain.agent("a~1"), plain.item("y")), (Some(AgentId(1)), Some(ItemId(1))));
    }
}

//! What metrics may know about the people of a run and the agents that stand for them (files `people.csv` and
//! `agents.csv` of a run folder). Must not know where it comes from.

use crate::dataset::popularity::N_GROUPS;
use crate::event::ids::DenseIds;
use crate::id::AgentId;
use crate::naming::Naming;
use std::borrow::Cow;

/// Everybody in a run. Agents come in rounds: first every person once, in their order, then further agents of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Population {
    people: Vec<PersonRecord>,
    agents: Vec<AgentRecord>,
    naming: Naming,
}

/// One person as metrics know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonRecord {
    /// Raw id of the user.
    pub raw_id: String,
    /// Training interactions.
    pub n_train: u32,
    /// Held-out interactions.
    pub n_held_out: u32,
    /// Share of each genre in the training interactions, summing to 1 (or all 0); an item's weight is divided
    /// equally among its genres.
    pub genre_shares: Vec<f32>,
    /// Mean `n_train` of the items in the training interactions.
    pub mean_popularity: f32,
    /// Shares of head, middle and tail items ([`crate::dataset::popularity`]) in the training interactions;
    /// all 0 where there are none.
    pub popularity_shares: [f32; N_GROUPS],
}

/// What tells one agent of a person from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentRecord {
    /// The person's place in the population.
    pub person: u32,
    /// Which of the person's agents it is, from 0.
    pub copy: u32,
    /// Tiers of activity, diversity and conformity, 1..=3 each.
    pub tiers: [u8; 3],
}

/// One agent and the person it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'a> {
    /// The person.
    pub person: &'a PersonRecord,
    record: AgentRecord,
    naming: &'a Naming,
}

impl<'a> Agent<'a> {
    /// As it is called in the events: like the person, with `~k` behind it for the k-th further agent.
    pub fn raw_id(&self) -> Cow<'a, str> {
        self.naming.name(&self.person.raw_id, self.record.copy)
    }

    /// Whether it is a further agent of a person who has one already.
    pub fn is_copy(&self) -> bool {
        self.record.copy > 0
    }

    /// Activity tier 1..=3.
    pub fn activity(&self) -> u8 {
        self.record.tiers[0]
    }

    /// Diversity tier 1..=3.
    pub fn diversity(&self) -> u8 {
        self.record.tiers[1]
    }

    /// Conformity tier 1..=3.
    pub fn conformity(&self) -> u8 {
        self.record.tiers[2]
    }
}

impl PersonRecord {
    /// Share of the training interactions that are with items of the head in the sense of
    /// [`groups::Group::Head`](super::groups::Group::Head): all that are not of the long tail.
    pub fn head_share(&self) -> f32 {
        self.popularity_shares[0] + self.popularity_shares[1]
    }
}

impl Population {
    /// These people, with one agent each of these tiers.
    pub fn new(people: Vec<(PersonRecord, [u8; 3])>) -> Self {
        let (people, tiers): (Vec<PersonRecord>, Vec<[u8; 3]>) = people.into_iter().unzip();
        let mut population = Population::of_people(people);
        tiers.into_iter().enumerate().for_each(|(k, tiers)| population.push(k, tiers));
        population
    }

    /// So many people of whom nothing is known, with one agent each: for tests.
    #[cfg(test)]
    pub(crate) fn strangers(n_people: usize) -> Self {
        let person = |k: usize| PersonRecord { raw_id: k.to_string(), ..PersonRecord::default() };
        Population::new((0..n_people).map(|k| (person(k), [0; 3])).collect())
    }

    /// These people, before any agent.
    pub fn of_people(people: Vec<PersonRecord>) -> Self {
        let naming = Naming::of(people.iter().map(|person| person.raw_id.as_str()));
        Population { people, agents: Vec::new(), naming }
    }

    /// Adds the next agent.
    ///
    /// # Panics
    /// When it stands for nobody, or is out of turn (see [`Population::is_next`]).
    pub fn push(&mut self, person: usize, tiers: [u8; 3]) {
        let copy = self.copy_of_next();
        assert!(self.is_next(person), "agent {} of person {person} is out of turn", self.agents.len());
        self.agents.push(AgentRecord { person: person as u32, copy, tiers });
    }

    /// Whether the next agent may be one of this person: agents come round after round, in every round but the last
    /// one of each person, in the order of the people.
    pub fn is_next(&self, person: usize) -> bool {
        let place = self.agents.len() % self.people.len().max(1);
        let after_last = match (place, self.agents.last()) {
            (0, _) | (_, None) => true,
            (_, Some(last)) => person > last.person as usize,
        };
        let is_whole_round = self.agents.len() < self.people.len();
        person < self.people.len() && after_last && (!is_whole_round || person == place)
    }

    /// The round that the next agent is of.
    fn copy_of_next(&self) -> u32 {
        (self.agents.len() / self.people.len().max(1)) as u32
    }

    /// Number of agents.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// The people, in order.
    pub fn people(&self) -> &[PersonRecord] {
        &self.people
    }

    /// How agents are called.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// What tells agents apart, in order.
    pub fn records(&self) -> &[AgentRecord] {
        &self.agents
    }

    /// One agent; `None` where there is no such.
    pub fn get(&self, agent: AgentId) -> Option<Agent<'_>> {
        let record = *self.agents.get(agent.idx())?;
        Some(Agent { person: &self.people[record.person as usize], record, naming: &self.naming })
    }

    /// One agent.
    ///
    /// # Panics
    /// When there is no such agent.
    pub fn agent(&self, agent: AgentId) -> Agent<'_> {
        self.get(agent).expect("an agent of this population")
    }

    /// The person an agent stands for.
    ///
    /// # Panics
    /// When there is no such agent.
    pub fn person(&self, agent: AgentId) -> &PersonRecord {
        &self.people[self.agents[agent.idx()].person as usize]
    }

    /// The agent under whose number all agents of one person are added up: its first. Agents of one person are one
    /// witness.
    ///
    /// # Panics
    /// When there is no such agent.
    pub fn witness(&self, agent: AgentId) -> AgentId {
        AgentId(self.agents[agent.idx()].person)
    }

    /// The numbers of these agents and of items, by their raw ids in order, in event files.
    pub fn ids<'a>(&self, items: impl IntoIterator<Item = &'a str>) -> DenseIds {
        let people: Vec<&str> = self.people.iter().map(|person| person.raw_id.as_str()).collect();
        DenseIds::of_copies(&people, &self.naming, self.agents.iter().map(|agent| agent.person), items)
    }

    /// Every agent, in order.
    pub fn iter(&self) -> impl Iterator<Item = Agent<'_>> {
        (0..self.agents.len() as u32).map(|agent| self.agent(AgentId(agent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(raw_id: &str) -> PersonRecord {
        PersonRecord { raw_id: raw_id.to_owned(), ..PersonRecord::default() }
    }

    #[test]
    fn agents_come_in_rounds_and_are_witnesses_of_their_person() {
        let mut population = Population::of_people(vec![person("a"), person("b~"), person("c")]);
        assert!(!population.is_next(1), "the first round is in the order of people");
        [0, 1, 2, 0, 1, 2, 1, 2].into_iter().for_each(|k| population.push(k, [1, 2, 3]));
        assert!(!population.is_next(0), "a round goes up");
        let names: Vec<String> = population.iter().map(|agent| agent.raw_id().into_owned()).collect();
        assert_eq!(names, ["a", "b~", "c", "a~~1", "b~~~1", "c~~1", "b~~~2", "c~~2"]);
        assert_eq!(population.witness(AgentId(6)), AgentId(1));
        assert_eq!(population.agent(AgentId(7)).conformity(), 3);
        assert!(population.get(AgentId(8)).is_none());
    }
}

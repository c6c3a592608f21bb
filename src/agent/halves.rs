//! Halves of recorded people: one to fit agents to, the other to hold them against.
//!
//! The deal is stratified by who people are and by what they did, as cross-validation is stratified
//! by its labels (Kohavi, IJCAI 1995): two halves of a few hundred people dealt blindly differ in mean exit
//! page or score by more than good agents may, and the luck of the deal would be judged instead of the
//! agents. Must not know what is fitted.

use super::profile::Profile;
use crate::event::Session;
use crate::id::UserId;
use crate::rng::{Purpose, Streams};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The deal on which a fit and its validation agree where nothing else is said.
pub const DEAL: u64 = 1;

/// Which of some recorded people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// Everybody.
    #[default]
    Both,
    /// Those dealt first.
    First,
    /// The others.
    Second,
}

impl Half {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Half::Both => "both",
            Half::First => "first",
            Half::Second => "second",
        }
    }

    /// For each of these people, whether it belongs to this half of the given deal, see [`halves`].
    pub fn of(self, people: &[Dealt], deal: u64) -> Vec<bool> {
        let has = |dealt: u8| match self {
            Half::Both => true,
            Half::First => dealt == 0,
            Half::Second => dealt == 1,
        };
        halves(people, Streams::new(deal)).into_iter().map(has).collect()
    }
}

/// Somebody to be dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dealt {
    /// Who.
    pub user: UserId,
    /// What is to be alike in both halves, the most important first.
    pub strata: (u8, u32, u32, u8),
}

impl Dealt {
    /// One whose session was recorded: dealt by activity tier, exit page, interview score, diversity tier.
    pub fn by_session(profile: &Profile, session: &Session) -> Self {
        let (exit, score) = (session.pages.len() as u32, u32::from(session.satisfaction.unwrap_or(0)));
        let tiers = profile.tiers;
        Dealt { user: profile.user, strata: (tiers.activity, exit, score, tiers.diversity) }
    }

    /// One of whom no session was recorded: dealt by tiers alone.
    pub fn by_tiers(profile: &Profile) -> Self {
        Dealt { user: profile.user, strata: (profile.tiers.activity, 0, 0, profile.tiers.diversity) }
    }
}

/// Deals people into two halves, `0` or `1` for each: those of one stratum are shuffled and dealt
/// alternately, stratum after stratum. What stands twice for one person goes where its first goes. The deal
/// depends on who the people are, not on their order.
pub fn halves(people: &[Dealt], streams: Streams) -> Vec<u8> {
    let mut strata: BTreeMap<(u8, u32, u32, u8), Vec<UserId>> = BTreeMap::new();
    let mut half_of: BTreeMap<UserId, u8> = BTreeMap::new();
    for person in people {
        if half_of.insert(person.user, 0).is_none() {
            strata.entry(person.strata).or_default().push(person.user);
        }
    }
    let mut n_dealt = 0u32;
    for (stratum, mut members) in (0u64..).zip(strata.into_values()) {
        members.sort_unstable();
        members.shuffle(&mut streams.stream(Purpose::Halves, 0, stratum, 0));
        for person in members {
            half_of.insert(person, (n_dealt % 2) as u8);
            n_dealt += 1;
        }
    }
    people.iter().map(|person| half_of[&person.user]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_the_same_make_up_and_do_not_depend_on_order() {
        let person = |k: u32| Dealt {
            user: UserId(k % 97),
            strata: (1 + (k % 97 % 3) as u8, 0, 0, 1 + (k % 97 / 7 % 3) as u8),
        };
        let people: Vec<Dealt> = (0..150).map(person).collect();
        let dealt = halves(&people, Streams::new(DEAL));
        let n = |half: u8, tiers: Option<(u8, u8)>| {
            let with = people[..97]
                .iter()
                .zip(&dealt)
                .filter(|(p, h)| **h == half && tiers.is_none_or(|t| t == (p.strata.0, p.strata.3)));
            with.count()
        };
        assert_eq!((n(0, None), n(1, None)), (49, 48));
        for tiers in (1..=3).flat_map(|a| (1..=3).map(move |d| (a, d))) {
            assert!(n(0, Some(tiers)).abs_diff(n(1, Some(tiers))) <= 1, "{tiers:?}");
        }
        assert_eq!(dealt[..53], dealt[97..], "copies of a person stay together");
        let reversed: Vec<Dealt> = people.iter().rev().copied().collect();
        let mut backwards = halves(&reversed, Streams::new(DEAL));
        backwards.reverse();
        assert_eq!(dealt, backwards);
        assert_ne!(dealt, halves(&people, Streams::new(DEAL + 1)));
    }
}

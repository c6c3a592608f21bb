//! What the choice model sees of a person, an item and a page, in the units its coefficients
//! are in. The behaviour and the fit both look through these, so that what is fitted is what
//! is simulated. Must not know where any of it comes from in an experiment's files.

use crate::agent::behavior::PageOutcome;
use crate::agent::facts::Facts;
use crate::agent::memory::{Memory, Mood, Recollection};
use crate::agent::profile::Profile;
use crate::id::ItemId;

/// How many memories come to mind for one item.
const N_RECALLED: usize = 8;

/// A person: tiers as table indices from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Person {
    /// Activity tier.
    pub activity: usize,
    /// Diversity tier.
    pub diversity: usize,
    /// Conformity tier.
    pub conformity: usize,
    /// How much higher than others the person rates, in rating points.
    pub leniency: f64,
}

impl Person {
    /// As the profile has it.
    pub fn of(profile: &Profile) -> Self {
        let index = |tier: u8| usize::from(tier.clamp(1, 3)) - 1;
        Person {
            activity: index(profile.tiers.activity),
            diversity: index(profile.tiers.diversity),
            conformity: index(profile.tiers.conformity),
            leniency: f64::from(profile.traits.leniency),
        }
    }
}

/// An item before a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prospect {
    /// Place on the page, from 0.
    pub slot: usize,
    /// The person's affinity, as a normal score.
    pub taste: f64,
    /// General quality, in standard deviations.
    pub quality: f64,
    /// Log popularity, in standard deviations.
    pub popularity: f64,
    /// How much of its like comes to mind as watched on earlier pages, from 0.
    pub satiation: f64,
    /// What lines beside it add to its appeal, in logits.
    pub nudge: f64,
}

impl Prospect {
    /// The item as this person sees it in this slot, with this memory.
    pub fn of(
        slot: usize,
        item: ItemId,
        profile: &Profile,
        memory: &Memory,
        page: u32,
        facts: &Facts,
    ) -> Self {
        let mut recollection = Recollection::default();
        recollection.look_back(memory, page);
        Prospect::after(slot, item, profile, &mut recollection, facts)
    }

    /// The item as this person sees it in this slot, looking back at this.
    pub fn after(
        slot: usize,
        item: ItemId,
        profile: &Profile,
        recollection: &mut Recollection,
        facts: &Facts,
    ) -> Self {
        let watched = recollection.watched_alike(item, N_RECALLED, facts).iter();
        Prospect {
            slot,
            taste: f64::from(facts.taste.affinity(profile.user, item)),
            quality: f64::from(facts.quality[item.idx()]),
            popularity: f64::from(facts.popularity[item.idx()]),
            satiation: watched.map(|memory| f64::from(memory.relevance * memory.relevance)).sum(),
            nudge: 0.0,
        }
    }
}

/// What remains of the pages so far when deciding: the latest mood, and the mood as remembered.
///
/// Without memory, or before the first reflection, nothing remains: satisfaction is neutral and nobody is tired.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remembered {
    /// Satisfaction 0..=1 at the latest reflection.
    pub latest: f64,
    /// Satisfaction 0..=1 over all reflections, recent ones weighing more.
    pub overall: f64,
    /// Fatigue 0..=1 at the latest reflection, where there was one.
    pub fatigue: Option<f64>,
}

impl Remembered {
    /// As this memory has it, seen from `page`.
    pub fn of(memory: &Memory, page: u32) -> Self {
        match (memory.latest_mood(), memory.recall_mood(page)) {
            (Some(latest), Some(overall)) => Remembered {
                latest: f64::from(latest.satisfaction),
                overall: f64::from(overall.satisfaction),
                fatigue: Some(f64::from(latest.fatigue)),
            },
            _ => Remembered {
                latest: f64::from(Mood::NEUTRAL.satisfaction),
                overall: f64::from(Mood::NEUTRAL.satisfaction),
                fatigue: None,
            },
        }
    }
}

/// What came of some pages: shares of what was shown, and the mean rating's distance from 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Share of the shown items that fit, less one half.
    pub fitting: f64,
    /// Share of the shown items that were watched, less one half.
    pub watched: f64,
    /// Mean rating less 4; 0 where nothing was rated.
    pub rating: f64,
}

impl Outcome {
    /// Of these pages taken together.
    pub fn of(pages: &[PageOutcome]) -> Self {
        let sum =
            |count: fn(&PageOutcome) -> u32| pages.iter().map(|page| f64::from(count(page))).sum::<f64>();
        let n_shown = sum(|page| page.n_shown).max(1.0);
        let (n_rated, ratings) = (sum(|page| page.n_rated), sum(|page| page.sum_of_ratings));
        Outcome {
            fitting: sum(|page| page.n_fitting) / n_shown - 0.5,
            watched: sum(|page| page.n_watched) / n_shown - 0.5,
            rating: if n_rated > 0.0 { ratings / n_rated - 4.0 } else { 0.0 },
        }
    }
}

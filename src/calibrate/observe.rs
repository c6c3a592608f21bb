//! A recorded session as the choice model would have seen it: the session is lived again, with the
//! same memory the world keeps, and every step is noted with what it depended on.
//! Must not know parameters.

use crate::agent::behavior::PageOutcome;
use crate::agent::behavior::choice::view::{Outcome, Person, Prospect, Remembered};
use crate::agent::facts::Facts;
use crate::agent::memory::{Factual, Memory, Mood};
use crate::agent::profile::Profile;
use crate::event::Page;
use crate::event::recorded::Recorded;
use crate::id::UserId;

/// One page, as it was met and answered.
#[derive(Clone, Debug)]
pub struct PageSeen {
    /// Who.
    pub person: Person,
    /// The page, from 1.
    pub page: u32,
    /// What was on it, in slot order.
    pub items: Vec<Prospect>,
    /// How like each other they are, `items × items`.
    pub likeness: Vec<f64>,
    /// What was found to fit; `None` where the record says that nobody looked.
    pub aligned: Vec<Option<bool>>,
    /// Whether the record tells slots nobody looked at from slots that do not fit.
    pub tells_looks: bool,
    /// Slots watched.
    pub watched: Vec<usize>,
    /// Ratings 1..=5, one a slot.
    pub ratings: Vec<Option<u8>>,
    /// Satisfaction 0..=1 before the page.
    pub before: f64,
    /// What came of the page.
    pub outcome: Outcome,
    /// Whether the feeling after the page was good, where it is known.
    pub feeling: Option<bool>,
    /// What remained of the pages so far when it came to leaving.
    pub remembered: Remembered,
    /// Whether the agent left, where it is known.
    pub left: Option<bool>,
}

/// The end of a session, as the interview met it.
#[derive(Clone, Debug)]
pub struct SessionSeen {
    /// Who.
    pub person: Person,
    /// The page of the exit, from 1.
    pub page: u32,
    /// What remained of the session.
    pub remembered: Remembered,
    /// What came of it.
    pub outcome: Outcome,
    /// The score 1..=10.
    pub score: u8,
}

/// One rating of one item.
#[derive(Clone, Copy, Debug)]
pub struct RatingSeen {
    /// Who.
    pub person: Person,
    /// What.
    pub item: Prospect,
    /// 1..=5.
    pub rating: u8,
}

/// Everything one person was seen to do.
#[derive(Clone, Debug)]
pub struct PersonSeen {
    /// Who: all that one person did is left out of a fit together.
    pub user: UserId,
    /// What one observation of this person counts.
    pub weight: f64,
    /// Pages met.
    pub pages: Vec<PageSeen>,
    /// Interviews given.
    pub sessions: Vec<SessionSeen>,
    /// Ratings given.
    pub ratings: Vec<RatingSeen>,
}

impl PersonSeen {
    /// Nothing yet of this person, every observation to count once.
    pub fn nothing(user: UserId) -> Self {
        PersonSeen { user, weight: 1.0, pages: Vec::new(), sessions: Vec::new(), ratings: Vec::new() }
    }
}

/// Lives a session again. Where the record does not say how the agent felt, it is taken as neutral.
pub fn relive(recorded: &Recorded, profile: &Profile, facts: &Facts, tells_looks: bool) -> PersonSeen {
    let person = Person::of(profile);
    let mut memory = Memory::with_capacity(recorded.session.n_shown().max(1));
    let mut outcomes: Vec<PageOutcome> = Vec::new();
    let mut before = f64::from(Mood::NEUTRAL.satisfaction);
    let mut seen = PersonSeen::nothing(profile.user);
    for (k, page) in recorded.session.pages.iter().enumerate() {
        let items: Vec<Prospect> = page
            .slots
            .iter()
            .enumerate()
            .map(|(slot, shown)| Prospect::of(slot, shown.item, profile, &memory, page.number, facts))
            .collect();
        outcomes.push(outcome(page));
        remember(page, &mut memory);
        let feeling = recorded.feelings[k];
        let satisfaction = match feeling {
            Some(is_good) => f32::from(u8::from(is_good)),
            None => Mood::NEUTRAL.satisfaction,
        };
        // How tired the agent is follows from page and person; the fit puts it in.
        memory.reflect(page.number, Mood { satisfaction, fatigue: 0.0 }, "".into());
        let ratings: Vec<Option<u8>> = page.slots.iter().map(|slot| slot.rating).collect();
        seen.ratings.extend(
            items
                .iter()
                .zip(&ratings)
                .filter_map(|(&item, &rating)| Some(RatingSeen { person, item, rating: rating? })),
        );
        seen.pages.push(PageSeen {
            person,
            page: page.number,
            likeness: likeness(page, facts),
            aligned: page.slots.iter().map(|slot| slot.aligned).collect(),
            tells_looks,
            watched: (0..page.slots.len()).filter(|&slot| page.slots[slot].watched).collect(),
            items,
            ratings,
            before,
            outcome: Outcome::of(&outcomes[k..]),
            feeling,
            remembered: Remembered::of(&memory, page.number),
            left: recorded.goes_on[k].map(|goes_on| !goes_on),
        });
        before = f64::from(satisfaction);
    }
    if let (Some(score), Some(last)) = (recorded.session.satisfaction, seen.pages.last()) {
        let outcome = Outcome::of(&outcomes);
        seen.sessions.push(SessionSeen {
            person,
            page: last.page,
            remembered: last.remembered,
            outcome,
            score,
        });
    }
    seen
}

fn outcome(page: &Page) -> PageOutcome {
    let count =
        |of: fn(&crate::event::Slot) -> bool| page.slots.iter().filter(|slot| of(slot)).count() as u32;
    PageOutcome {
        n_shown: page.slots.len() as u32,
        n_fitting: count(|slot| slot.aligned == Some(true)),
        n_watched: count(|slot| slot.watched),
        n_rated: count(|slot| slot.rating.is_some()),
        sum_of_ratings: page.slots.iter().filter_map(|slot| slot.rating).map(u32::from).sum(),
    }
}

fn remember(page: &Page, memory: &mut Memory) {
    for slot in &page.slots {
        memory.remember(Factual {
            page: page.number,
            item: slot.item,
            watched: slot.watched,
            rating: slot.rating,
        });
    }
}

fn likeness(page: &Page, facts: &Facts) -> Vec<f64> {
    let pairs = page.slots.iter().flat_map(|a| page.slots.iter().map(move |b| (a.item, b.item)));
    pairs.map(|(a, b)| f64::from(facts.likeness(a, b))).collect()
}

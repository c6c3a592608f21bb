//! A session as a conversation: what was shown, and what the agent said to it, in words that the
//! terminal and the page both use. Every text in it is fit to be seen (see [`visible`]); a page still has
//! to escape its markup. Must not know files.

pub mod terminal;

use super::format;
use super::visible::visible;
use crate::event::story::{About, Story};
use crate::event::{ExitReason, Page, Slot};
use crate::id::ItemId;
use crate::metric::{Agent, Catalogue, Population};

/// What a tier 1..=3 is called.
const TIERS: [&str; 3] = ["low", "middle", "high"];
/// Genres named of a person's history.
const N_FAVOURITES_MAX: usize = 3;

/// One session, told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// The agent's raw id.
    pub user: String,
    /// Who the agent is.
    pub who: String,
    /// Page by page.
    pub pages: Vec<PageTold>,
    /// What happened outside all pages, as where nothing could be shown.
    pub aside: Vec<Line>,
    /// The interview, where there was one.
    pub interview: Option<Interview>,
    /// The session in a few numbers.
    pub summary: String,
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageTold {
    /// Its number, from 1.
    pub number: u32,
    /// What was shown, in order.
    pub slots: Vec<SlotTold>,
    /// What came of it: moods, failures, and whether the agent goes on.
    pub after: Vec<Line>,
}

/// One item, and what the agent made of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotTold {
    /// Its place, from 1, as agents count.
    pub slot: usize,
    /// Its title.
    pub title: String,
    /// Its genres.
    pub genres: String,
    /// Whether the person is known to have chosen it, and recommenders were not told.
    pub is_held_out: bool,
    /// Whether it was watched.
    pub is_watched: bool,
    /// What the agent did, in words.
    pub answer: String,
    /// What it felt like; empty where nothing was said.
    pub words: String,
}

/// Something that was said or happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// What.
    pub what: String,
    /// In the agent's words, or those of a failure; empty where there are none.
    pub words: String,
}

/// The interview.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interview {
    /// 1..=10.
    pub score: u8,
    /// Why; empty where nothing was said.
    pub words: String,
}

impl Conversation {
    /// Puts a story into words. Items and agents that are not in the tables go by their numbers.
    pub fn of(story: &Story, catalogue: &Catalogue, population: &Population) -> Self {
        let session = &story.session;
        let agent = population.get(session.agent);
        let (n_pages, n_watched) = (session.pages.len(), session.n_watched());
        Conversation {
            user: visible(&agent.map_or("?".into(), |agent| agent.raw_id())),
            who: agent.map(|agent| who(agent, catalogue)).unwrap_or_default(),
            pages: session.pages.iter().map(|page| told(story, page, catalogue)).collect(),
            aside: lines(story, |page| session.pages.iter().all(|shown| shown.number != page)),
            interview: session
                .satisfaction
                .map(|score| Interview { score, words: visible(story.interview()) }),
            summary: format!(
                "{n_pages} page{}, {n_watched} of {} watched",
                if n_pages == 1 { "" } else { "s" },
                session.n_shown()
            ),
        }
    }
}

/// Who an agent is, in a line.
fn who(agent: Agent<'_>, catalogue: &Catalogue) -> String {
    let tier = |tier: u8| TIERS.get(usize::from(tier).wrapping_sub(1)).copied().unwrap_or(format::UNKNOWN);
    let mut parts = vec![format!(
        "activity {}, diversity {}, conformity {}",
        tier(agent.activity()),
        tier(agent.diversity()),
        tier(agent.conformity())
    )];
    if agent.is_copy() {
        parts.insert(0, format!("stands for user {}", visible(&agent.person.raw_id)));
    }
    parts.push(format!(
        "history of {}, of it {}",
        format::count(u64::from(agent.person.n_train) + u64::from(agent.person.n_held_out)),
        match agent.person.n_held_out {
            0 => "none held out".to_owned(),
            n => format!("{} held out", format::count(u64::from(n))),
        }
    ));
    let mut favourites: Vec<(&str, f32)> =
        catalogue.genres.iter().map(String::as_str).zip(agent.person.genre_shares.iter().copied()).collect();
    favourites.retain(|(_, share)| *share > 0.0);
    favourites.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let favourites = favourites.iter().take(N_FAVOURITES_MAX);
    let favourites: Vec<String> = favourites
        .map(|(genre, share)| format!("{} {:.0}\u{202f}%", visible(genre), share * 100.0))
        .collect();
    if !favourites.is_empty() {
        parts.push(format!("mostly {}", favourites.join(", ")));
    }
    parts.join("; ")
}

fn told(story: &Story, page: &Page, catalogue: &Catalogue) -> PageTold {
    let slots = page.slots.iter().enumerate().map(|(place, slot)| {
        let item = catalogue.items.get(slot.item.idx());
        let genres = item.map_or(&[][..], |item| &item.genres);
        let genres = genres.iter().filter_map(|genre| catalogue.genres.get(genre.idx()));
        SlotTold {
            slot: place + 1,
            title: visible(&title(slot.item, catalogue)),
            genres: genres.map(|genre| visible(genre)).collect::<Vec<_>>().join(", "),
            is_held_out: slot.held_out,
            is_watched: slot.watched,
            answer: answer(slot),
            words: visible(story.words(page.number, &About::Rating { slot: place as u32 })),
        }
    });
    PageTold { number: page.number, slots: slots.collect(), after: after(story, page.number) }
}

/// The title of an item as it stands in the table, or what else it is known by.
pub fn title(item: ItemId, catalogue: &Catalogue) -> String {
    match catalogue.items.get(item.idx()) {
        Some(found) if !found.title.is_empty() => found.title.clone(),
        Some(found) => format!("item {}", found.raw_id),
        None => format!("item number {}", item.0),
    }
}

fn answer(slot: &Slot) -> String {
    let fits = match slot.aligned {
        Some(true) => "fits",
        Some(false) => "no",
        None => "no answer",
    };
    match (slot.watched, slot.rating) {
        (false, _) => fits.to_owned(),
        (true, rating) => {
            let fits = if slot.aligned == Some(true) { "fits, " } else { "" };
            let rating = rating.map_or(String::new(), |rating| format!(", rated {rating} of 5"));
            format!("{fits}watched{rating}")
        }
    }
}

/// What came of a page.
fn after(story: &Story, page: u32) -> Vec<Line> {
    let session = &story.session;
    let mut after = lines(story, |of| of == page);
    let is_last = session.pages.last().is_none_or(|last| last.number == page);
    after.push(match (is_last, session.exit) {
        (false, _) => Line { what: "goes on".to_owned(), words: String::new() },
        (true, exit) => Line {
            what: match exit {
                Some(ExitReason::Left) => "leaves",
                Some(ExitReason::MaxPages) => "would go on, but this was the last page",
                Some(ExitReason::CatalogueExhausted) => "nothing is left to be shown",
                Some(ExitReason::Failure) => "a failure ended the session",
                None => "the log ends here",
            }
            .to_owned(),
            words: visible(story.words(page, &About::Exit)),
        },
    });
    after
}

/// Moods, what was forgotten and what failed, on the pages that `is_wanted` lets through, in the order of the log.
fn lines(story: &Story, is_wanted: impl Fn(u32) -> bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for words in story.words.iter().filter(|words| is_wanted(words.page)) {
        let what = match &words.about {
            About::Reflection => {
                let moods = &story.session.reflections;
                let mood = moods.iter().find(|(page, ..)| *page == words.page);
                let Some((_, satisfaction, fatigue)) = mood else { continue };
                format!("mood: satisfied {}, tired {}", tenths(*satisfaction), tenths(*fatigue))
            }
            About::Forgetting => "forgets, for want of room".to_owned(),
            About::Failure { step } => format!("step {} failed", visible(step)),
            About::Rating { .. } | About::Exit | About::Interview => continue,
        };
        lines.push(Line { what, words: visible(&words.text) });
    }
    lines
}

/// A share 0..=1 out of ten.
fn tenths(share: f32) -> String {
    format!("{} of 10", format::plain((f64::from(share) * 100.0).round() / 10.0))
}

#[cfg(test)]
mod tests;

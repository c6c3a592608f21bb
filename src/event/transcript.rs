//! Sessions out of a transcript: every prompt and reply of language-model agents, as Agent4Rec (Zhang et
//! al., SIGIR 2024) logs them, one call a line. Must not know what the sessions will be used for.
//!
//! A line is `{"agent": …, "page": …, "kind": "page" | "decide" | "interview", "prompt": …, "response": …}`.
//! What was shown stands in the prompt of a page as a list of titles, `<- TITLE -> <- History ratings: … -> …`;
//! what was done stands in the replies, by title. Titles are matched after normalisation ([`titles`]), and a
//! line of a reply that could mean two slots lands on none and is counted ([`reply`]).

pub mod decision;
pub mod fields;
pub mod reply;
pub mod titles;

use super::recorded::{Names, PageWords, Recorded, Words, bad, for_each_line, raw_id};
use super::{EventError, ExitReason, Page, Session, Slot};
use crate::id::AgentId;
use decision::{Decision, Interview};
use reply::{Lines, Said};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use titles::Catalogue;

/// What a transcript gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The sessions with what was said, in the order in which they begin. Nothing is marked as held out:
    /// a transcript does not know.
    pub sessions: Vec<Recorded>,
    /// Lines that say what fits.
    pub align: Lines,
    /// Titles named to be watched.
    pub watch: Lines,
    /// Lines that rate.
    pub rating: Lines,
    /// Align and rating lines for slots that had one already; the first counts.
    pub n_repeated: u64,
    /// Lines that say that there is nothing to say.
    pub n_empty: u64,
    /// Slots named to be watched and never rated in the form asked for: they are not watched.
    pub n_chosen_unrated: u64,
    /// Slots rated without having been named to be watched: they are watched.
    pub n_rated_unchosen: u64,
    /// Calls of kinds that tell nothing of a session.
    pub n_other_calls: u64,
}

/// One call.
#[derive(Deserialize)]
struct Call {
    agent: Value,
    page: Option<u32>,
    kind: String,
    #[serde(default)]
    prompt: String,
    response: String,
}

/// A session being put together.
struct Gathered {
    first_row: u64,
    raw: String,
    agent: AgentId,
    pages: Vec<(Page, PageWords)>,
    decisions: BTreeMap<u32, Decision>,
    interview: Option<Interview>,
}

/// Reads a transcript.
///
/// # Errors
/// Names the file, the line and what was expected there, when a line is no call, a user or a title is
/// unknown, a page comes twice or without the one before it, or a page's prompt shows no list.
pub fn read(path: &Path, names: &Names) -> Result<Parsed, EventError> {
    let mut parsed = Parsed::default();
    let mut sessions: Vec<Gathered> = Vec::new();
    let mut places: BTreeMap<AgentId, usize> = BTreeMap::new();
    for_each_line(path, |row, call: Call| {
        let raw = raw_id(&call.agent);
        let wrong = |problem: String| bad(path, row, format!("agent {raw:?}: {problem}"));
        let agent =
            names.ids.agent(&raw).ok_or_else(|| wrong("expected a user of the dataset".to_owned()))?;
        let place = *places.entry(agent).or_insert(sessions.len());
        if place == sessions.len() {
            sessions.push(Gathered::new(row, &raw, agent));
        }
        let session = &mut sessions[place];
        match call.kind.as_str() {
            "page" => session.page(&call, &names.titles, &mut parsed).map_err(wrong),
            "decide" => session.decide(&call).map_err(wrong),
            "interview" => session.interview(&call).map_err(wrong),
            _ => {
                parsed.n_other_calls += 1;
                Ok(())
            }
        }
    })?;
    if let Some(empty) = sessions.iter().find(|session| session.pages.is_empty()) {
        let problem = format!("agent {:?}: has no call of kind \"page\", expected one", empty.raw);
        return Err(bad(path, empty.first_row, problem));
    }
    parsed.sessions = sessions.into_iter().map(Gathered::recorded).collect();
    Ok(parsed)
}

impl Gathered {
    fn new(first_row: u64, raw: &str, agent: AgentId) -> Self {
        let (pages, decisions) = (Vec::new(), BTreeMap::new());
        Gathered { first_row, raw: raw.to_owned(), agent, pages, decisions, interview: None }
    }

    fn page(&mut self, call: &Call, catalogue: &Catalogue, parsed: &mut Parsed) -> Result<(), String> {
        let number = self.pages.len() as u32 + 1;
        if call.page != Some(number) {
            return Err(format!("page is {}, expected {number} here", told(call.page)));
        }
        if self.interview.is_some() {
            return Err(format!("page {number} comes after the interview, expected it before"));
        }
        let shown = shown(&call.prompt);
        if shown.is_empty() {
            return Err(format!("page {number}: the prompt has no line `<- TITLE -> <- History ratings: …`"));
        }
        let mut slots: Vec<Slot> = Vec::new();
        for title in &shown {
            let item = catalogue.item(title).map_err(|problem| format!("page {number}: {problem}"))?;
            if slots.iter().any(|slot| slot.item == item) {
                return Err(format!("page {number}: {title:?} is shown twice"));
            }
            slots.push(Slot {
                item,
                aligned: None,
                held_out: false,
                propensity: None,
                watched: false,
                rating: None,
            });
        }
        let said = reply::read(&call.response, &shown);
        let tells_fits = said.slots.iter().any(|slot| slot.fits.is_some());
        for (slot, said) in slots.iter_mut().zip(&said.slots) {
            // Whatever was not said to fit does not, as in files of sessions; no word at all is no answer.
            slot.aligned = tells_fits.then(|| said.fits == Some(true));
            (slot.watched, slot.rating) = (said.watched, said.rating);
        }
        parsed.count(&said, &self.raw, number);
        let (reasons, feelings) = said.slots.into_iter().map(|slot| (slot.reason, slot.feeling)).unzip();
        let words = PageWords { reasons, feelings, ..PageWords::default() };
        self.pages.push((Page { number, slots }, words));
        Ok(())
    }

    fn decide(&mut self, call: &Call) -> Result<(), String> {
        let page = call.page.filter(|page| (1..=self.pages.len()).contains(&(*page as usize)));
        let page = page.ok_or_else(|| {
            format!(
                "decides after page {}, expected a page of the {} before it",
                told(call.page),
                self.pages.len()
            )
        })?;
        match self.decisions.insert(page, decision::decision(&call.response)) {
            None => Ok(()),
            Some(_) => Err(format!("decides twice after page {page}, expected one decision a page")),
        }
    }

    fn interview(&mut self, call: &Call) -> Result<(), String> {
        let last = self.pages.len() as u32;
        if call.page.is_some_and(|page| page != last) {
            return Err(format!("is interviewed on page {}, expected the last one, {last}", told(call.page)));
        }
        match self.interview.replace(decision::interview(&call.response)) {
            None => Ok(()),
            Some(_) => Err("is interviewed twice, expected one interview".to_owned()),
        }
    }

    fn recorded(mut self) -> Recorded {
        let n_pages = self.pages.len();
        let (mut pages, mut words) = (Vec::with_capacity(n_pages), Words::default());
        let (mut goes_on, mut feelings) = (Vec::new(), Vec::new());
        for (page, said) in self.pages {
            let decision = self.decisions.remove(&page.number).unwrap_or_default();
            // Whoever saw another page went on, said or unsaid.
            goes_on.push(if (page.number as usize) < n_pages { Some(true) } else { decision.goes_on });
            feelings.push(decision.is_positive);
            words.pages.push(PageWords { overall: decision.feeling, decision: decision.reason, ..said });
            pages.push(page);
        }
        let interview = self.interview.unwrap_or_default();
        words.interview = interview.reason;
        let exit = if goes_on.last() == Some(&Some(true)) { ExitReason::MaxPages } else { ExitReason::Left };
        let session = Session {
            round: 0,
            agent: self.agent,
            pages,
            reflections: Vec::new(),
            exit: Some(exit),
            satisfaction: interview.score,
            n_failures: 0,
        };
        Recorded { session, goes_on, feelings, words }
    }
}

impl Parsed {
    fn count(&mut self, said: &Said, agent: &str, page: u32) {
        self.align.add(said.align.clone(), agent, page);
        self.watch.add(said.watch.clone(), agent, page);
        self.rating.add(said.rating.clone(), agent, page);
        self.n_repeated += said.n_repeated;
        self.n_empty += said.n_empty;
        for slot in &said.slots {
            self.n_chosen_unrated += u64::from(slot.chosen && !slot.watched);
            self.n_rated_unchosen += u64::from(slot.watched && !slot.chosen);
        }
    }
}

fn told(page: Option<u32>) -> String {
    page.map_or_else(|| "missing".to_owned(), |page| page.to_string())
}

/// Where the list of a page's prompt begins.
const LIST_MARK: &str = "Recommended List";
/// What stands between a title and the rest of its line.
const TITLE_END: &str = "-> <- History ratings:";

/// The titles that a page's prompt shows, in slot order: they stand behind the mark, until the list ends.
fn shown(prompt: &str) -> Vec<String> {
    let list = prompt.find(LIST_MARK).map_or(prompt, |at| &prompt[at..]);
    let title = |line: &str| {
        let (title, _) = line.trim_start().strip_prefix("<-")?.split_once(TITLE_END)?;
        Some(title.trim().to_owned())
    };
    list.lines().filter_map(title).collect()
}

#[cfg(test)]
mod tests;

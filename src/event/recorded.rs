//! Sessions that somebody else's agents left, as JSON lines: one session a line, an item by
//! its raw id, a slot by its number. They come out as the [`Session`]s our own log gives, with
//! what only such a record knows beside them. Must not know what they will be compared with.
//!
//! A line is `{"agent": …, "pages": [{"page": 1, "shown": […], "held_out": […], "aligned": [slots],
//! "watched": [slots], "rating": [one a watched slot], "next": "NEXT" | "EXIT" | null}, …],
//! "exit_page": …, "satisfaction": 1..=10 | null}`. Feelings come from a second file, the calls
//! behind the sessions: lines with `agent`, `page`, `kind = "decide"` and the `response` in words.

use super::read::DenseIds;
use super::transcript::decision::is_positive;
use super::transcript::titles::Catalogue;
use super::{EventError, ExitReason, Page, Session, Slot, transcript};
use crate::id::{AgentId, ItemId};
use crate::intake;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The longest record, bytes: it is read as a whole.
const RECORD_BYTES_MAX: u64 = 8 << 30;

/// A recorded session.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// What was shown, watched and rated, where it ended, and the interview.
    pub session: Session,
    /// After each page, whether the agent went on, or said it would; `None` where it neither did nor said.
    pub goes_on: Vec<Option<bool>>,
    /// After each page, whether its overall feeling was positive; `None` where it is not known.
    pub feelings: Vec<Option<bool>>,
    /// What was said along with it.
    pub words: Words,
}

/// What was said in a session; nothing where a record holds no words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    /// Page by page; none in a record without words.
    pub pages: Vec<PageWords>,
    /// Why the interview gave its score.
    pub interview: String,
}

/// What was said of one page; empty texts where nothing was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageWords {
    /// Why each slot fits or does not.
    pub reasons: Vec<String>,
    /// What each watched slot felt like, one entry a slot.
    pub feelings: Vec<String>,
    /// The overall feeling after the page.
    pub overall: String,
    /// Why to go on or to leave.
    pub decision: String,
}

/// A line as it stands in the file.
#[derive(Deserialize)]
struct Line {
    agent: Value,
    pages: Vec<PageLine>,
    exit_page: u32,
    satisfaction: Option<u8>,
}

#[derive(Deserialize)]
struct PageLine {
    page: u32,
    shown: Vec<Value>,
    #[serde(default)]
    held_out: Vec<Value>,
    aligned: Vec<usize>,
    watched: Vec<usize>,
    rating: Vec<Option<u8>>,
    next: Option<String>,
}

/// Reads every session of a file, in file order.
///
/// # Errors
/// Names the file, the line and what was expected there, when a line is no JSON, a user or an item is
/// unknown, a slot lies off its page, or a rating or score is out of bounds.
pub fn read(path: &Path, calls: Option<&Path>, ids: &DenseIds) -> Result<Vec<Recorded>, EventError> {
    let feelings = calls.map(read_feelings).transpose()?.unwrap_or_default();
    let mut sessions: Vec<Recorded> = Vec::new();
    for_each_line(path, |row, line: Line| {
        let raw = raw_id(&line.agent);
        let mut recorded = recorded(line, ids).map_err(|problem| bad(path, row, problem))?;
        let agent = recorded.session.agent;
        if sessions.iter().any(|other| other.session.agent == agent) {
            return Err(bad(path, row, "a second session of this agent, expected one an agent".to_owned()));
        }
        for (page, feeling) in recorded.session.pages.iter().zip(&mut recorded.feelings) {
            *feeling = feelings.get(&(raw.clone(), page.number)).copied();
        }
        sessions.push(recorded);
        Ok(())
    })?;
    Ok(sessions)
}

/// Who and what the names in a record stand for.
pub struct Names {
    /// By raw id.
    pub ids: DenseIds,
    /// Items by title.
    pub titles: Catalogue,
}

impl Names {
    /// From raw ids of agents, and raw ids and titles of items, all in dense order.
    pub fn new<'a>(
        agents: impl IntoIterator<Item = &'a str>,
        items: impl IntoIterator<Item = &'a str>,
        titles: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Names { ids: DenseIds::new(agents, items), titles: Catalogue::new(titles) }
    }
}

/// Reads a record whichever it is, told by its first line: sessions, or the calls of a transcript. What
/// is held out of each person is marked as it says in a file of sessions; a transcript does not know.
///
/// # Errors
/// Those of [`read`] and [`transcript::read`]; and when the first line is neither.
pub fn read_either(path: &Path, names: &Names) -> Result<Vec<Recorded>, EventError> {
    match first_line(path)? {
        Some((_, line)) if line.get("response").is_some() => Ok(transcript::read(path, names)?.sessions),
        Some((row, line)) if line.get("pages").is_none() => {
            Err(bad(path, row, "expected a session with `pages` or a call with `response`".to_owned()))
        }
        _ => read(path, None, &names.ids),
    }
}

/// Marks what is held out of each person.
pub fn mark_held_out(sessions: &mut [Recorded], is_held_out: impl Fn(AgentId, ItemId) -> bool) {
    for Session { agent, pages, .. } in sessions.iter_mut().map(|recorded| &mut recorded.session) {
        for slot in pages.iter_mut().flat_map(|page| &mut page.slots) {
            slot.held_out = is_held_out(*agent, slot.item);
        }
    }
}

/// Calls `take` with every line that is not blank, and its number from 1.
pub(super) fn for_each_line<T: for<'de> Deserialize<'de>>(
    path: &Path,
    mut take: impl FnMut(u64, T) -> Result<(), EventError>,
) -> Result<(), EventError> {
    let bytes = read_bytes(path)?;
    for (row, line) in lines(&bytes) {
        take(row, serde_json::from_slice(line).map_err(|error| bad(path, row, error.to_string()))?)?;
    }
    Ok(())
}

/// The first line that is not blank, and its number from 1.
fn first_line(path: &Path) -> Result<Option<(u64, Value)>, EventError> {
    let bytes = read_bytes(path)?;
    let first = lines(&bytes).next();
    let parsed =
        first.map(|(row, line)| Ok((row, serde_json::from_slice(line).map_err(|error| (row, error))?)));
    parsed.transpose().map_err(|(row, error): (u64, serde_json::Error)| bad(path, row, error.to_string()))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, EventError> {
    intake::bytes(path, RECORD_BYTES_MAX).map_err(|source| EventError::Io { path: path.to_owned(), source })
}

/// Lines that are not blank, with their numbers from 1. They need not be UTF-8.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let is_blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
    (1..).zip(bytes.split(|&byte| byte == b'\n')).filter(move |(_, line)| !is_blank(line))
}

pub(super) fn bad(path: &Path, row: u64, problem: String) -> EventError {
    EventError::BadRow { path: path.to_owned(), row, problem }
}

/// A raw id: text, or a number as it is written.
pub(super) fn raw_id(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn recorded(line: Line, ids: &DenseIds) -> Result<Recorded, String> {
    let raw = raw_id(&line.agent);
    let agent = ids.agent(&raw).ok_or_else(|| format!("agent is {raw:?}, expected a user of the dataset"))?;
    if line.pages.is_empty() || line.pages.last().is_some_and(|page| page.page != line.exit_page) {
        return Err(format!("exit_page is {}, expected the number of the last page", line.exit_page));
    }
    if line.satisfaction.is_some_and(|score| !(1..=10).contains(&score)) {
        return Err(format!("satisfaction is {}, expected 1..=10", line.satisfaction.unwrap_or_default()));
    }
    let mut goes_on: Vec<Option<bool>> = line.pages.iter().map(goes_on).collect::<Result<_, _>>()?;
    // Whoever saw another page went on, said or unsaid.
    goes_on.iter_mut().rev().skip(1).for_each(|goes_on| *goes_on = Some(true));
    let pages: Vec<Page> = (1..)
        .zip(&line.pages)
        .map(|(number, page)| self::page(number, page, ids))
        .collect::<Result<_, _>>()?;
    let exit = if goes_on.last() == Some(&Some(true)) { ExitReason::MaxPages } else { ExitReason::Left };
    let session = Session {
        round: 0,
        agent,
        reflections: Vec::new(),
        exit: Some(exit),
        satisfaction: line.satisfaction,
        n_failures: 0,
        pages,
    };
    Ok(Recorded { feelings: vec![None; session.pages.len()], session, goes_on, words: Words::default() })
}

fn goes_on(page: &PageLine) -> Result<Option<bool>, String> {
    match page.next.as_deref() {
        None => Ok(None),
        Some("NEXT") => Ok(Some(true)),
        Some("EXIT") => Ok(Some(false)),
        Some(other) => Err(format!("page {}: next is {other:?}, expected NEXT, EXIT or null", page.page)),
    }
}

fn page(number: u32, page: &PageLine, ids: &DenseIds) -> Result<Page, String> {
    let told = |problem: String| format!("page {}: {problem}", page.page);
    if page.page != number {
        return Err(told(format!("expected page {number} here")));
    }
    if page.rating.len() != page.watched.len() {
        let (ratings, watched) = (page.rating.len(), page.watched.len());
        return Err(told(format!("{ratings} ratings for {watched} watched slots, expected as many")));
    }
    let mut slots: Vec<Slot> = Vec::new();
    for shown in &page.shown {
        let item = item(shown, ids).map_err(told)?;
        if slots.iter().any(|slot| slot.item == item) {
            return Err(told(format!("item {shown} is shown twice")));
        }
        slots.push(Slot {
            item,
            aligned: Some(false),
            held_out: false,
            propensity: None,
            advertised: None,
            watched: false,
            rating: None,
        });
    }
    let n_slots = slots.len();
    let at = |slot: usize| match slot {
        slot if slot < n_slots => Ok(slot),
        _ => Err(told(format!("slot {slot} is not on a page of {n_slots}"))),
    };
    for &slot in &page.aligned {
        slots[at(slot)?].aligned = Some(true);
    }
    for (&slot, &rating) in page.watched.iter().zip(&page.rating) {
        if rating.is_some_and(|rating| !(1..=5).contains(&rating)) {
            return Err(told(format!("a rating is {}, expected 1..=5", rating.unwrap_or_default())));
        }
        let slot = &mut slots[at(slot)?];
        (slot.watched, slot.rating) = (true, rating);
    }
    for held_out in &page.held_out {
        let item = item(held_out, ids).map_err(told)?;
        slots.iter_mut().filter(|slot| slot.item == item).for_each(|slot| slot.held_out = true);
    }
    Ok(Page { number, slots })
}

fn item(value: &Value, ids: &DenseIds) -> Result<ItemId, String> {
    ids.item(&raw_id(value)).ok_or_else(|| format!("item {value} is not of the dataset"))
}

/// One call behind a session.
#[derive(Deserialize)]
struct Call {
    agent: Value,
    page: Option<u32>,
    kind: String,
    response: String,
}

/// Whether the overall feeling was positive, by raw agent and page.
fn read_feelings(path: &Path) -> Result<BTreeMap<(String, u32), bool>, EventError> {
    let mut feelings = BTreeMap::new();
    for_each_line(path, |_, call: Call| {
        let page = call.page.filter(|_| call.kind == "decide");
        if let (Some(page), Some(positive)) = (page, is_positive(&call.response)) {
            feelings.insert((raw_id(&call.agent), page), positive);
        }
        Ok(())
    })?;
    Ok(feelings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"agent": 7, "pages": [{"page": 1, "shown": [3, 5], "held_out": [5], "aligned": [1], "watched": [1], "rating": [4], "next": "NEXT"}, {"page": 2, "shown": ["8"], "aligned": [], "watched": [], "rating": [], "next": null}], "exit_page": 2, "satisfaction": 6}"#;

    fn read_text(text: &str, calls: Option<&str>) -> Result<Vec<Recorded>, EventError> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let ids = DenseIds::new(["6", "7"], ["3", "5", "8"]);
        let path = dir.path().join("sessions.jsonl");
        std::fs::write(&path, text).expect("written");
        let calls = calls.map(|text| {
            let path = dir.path().join("calls.jsonl");
            std::fs::write(&path, text).expect("written");
            path
        });
        read(&path, calls.as_deref(), &ids)
    }

    #[test]
    fn a_line_becomes_a_session() {
        let calls = r#"{"agent": 7, "page": 1, "kind": "decide", "prompt": "", "response": "Negative: nothing. Positive? no."}
            {"agent": 7, "page": 2, "kind": "page", "prompt": "", "response": "POSITIVE: this is no decision"}"#;
        let found = read_text(GOOD, Some(calls)).expect("read");
        assert_eq!(found.len(), 1);
        let Recorded { session, goes_on, feelings, .. } = &found[0];
        assert_eq!((session.agent, session.satisfaction), (AgentId(1), Some(6)));
        assert_eq!(session.exit, Some(ExitReason::Left));
        assert_eq!(goes_on, &[Some(true), None]);
        assert_eq!(feelings, &[Some(false), None]);
        let slot = session.pages[0].slots[1];
        assert_eq!((slot.item, slot.aligned, slot.held_out), (ItemId(1), Some(true), true));
        assert_eq!((slot.watched, slot.rating), (true, Some(4)));
        assert_eq!((session.n_shown(), session.n_watched()), (3, 1));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (from, to, told) in [
            ("\"agent\": 7", "\"agent\": 9", "agent is \"9\", expected a user"),
            ("\"shown\": [3, 5]", "\"shown\": [3, 4]", "page 1: item 4 is not of the dataset"),
            ("\"shown\": [3, 5]", "\"shown\": [5, 5]", "page 1: item 5 is shown twice"),
            ("\"aligned\": [1]", "\"aligned\": [2]", "page 1: slot 2 is not on a page of 2"),
            ("\"rating\": [4]", "\"rating\": [6]", "page 1: a rating is 6, expected 1..=5"),
            ("\"rating\": [4]", "\"rating\": []", "page 1: 0 ratings for 1 watched slots"),
            ("\"next\": \"NEXT\"", "\"next\": \"STAY\"", "page 1: next is \"STAY\", expected NEXT, EXIT"),
            ("\"page\": 2", "\"page\": 3", "exit_page is 2"),
            ("\"exit_page\": 2", "\"exit_page\": 1", "exit_page is 1"),
            ("\"satisfaction\": 6", "\"satisfaction\": 11", "satisfaction is 11, expected 1..=10"),
            ("\"pages\"", "\"sites\"", "missing field `pages`"),
            ("{\"agent\"", "agent", "expected value"),
        ] {
            let spoilt = GOOD.replacen(from, to, 1);
            assert_ne!(spoilt, GOOD, "{from}");
            let error = read_text(&format!("\n{spoilt}\n"), None).expect_err(told).to_string();
            assert!(error.contains("row 2: ") && error.contains(told), "{told}: {error}");
        }
        let twice = read_text(&format!("{GOOD}\n{GOOD}"), None).expect_err("twice").to_string();
        assert!(twice.contains("row 2: a second session of this agent"), "{twice}");
    }
}

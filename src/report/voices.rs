//! What agents said: a sample of interviews from every arm with the sessions behind them, where agents have
//! words of their own. Chosen by score alone, from the lowest to the highest, so that nobody can pick
//! the quotes; which of those with the same score is decided by a fixed scramble of their numbers, so that
//! the same people are met in several arms where they can be. Must not know who wrote the words.

use super::conversation::{Conversation, Line, PageTold};
use super::visible::clipped;
use super::{Report, ReportError, Subjects, event_files};
use crate::event::Session;
use crate::event::read::for_each_story;
use crate::id::AgentId;
use minijinja::{Value, context};
use std::borrow::Cow;
use std::path::Path;

/// Interviews of an arm.
pub const N_VOICES_MAX: usize = 5;
/// Arms whose agents are heard.
pub const N_ARMS_MAX: usize = 8;
/// Pages of a session that the report tells.
const N_PAGES_MAX: usize = 10;
/// Slots of a page that the report tells.
const N_SLOTS_MAX: usize = 20;
/// Characters of a text.
const WORDS_CHARS_MAX: usize = 600;
/// Characters of a title.
const TITLE_CHARS_MAX: usize = 160;
/// Behaviours whose agents have words of their own, as a manifest's statement begins.
const SPEAKING: [&str; 2] = ["llm", "replay"];

/// One agent that is heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    /// The arm, by its place in the manifest.
    pub arm: usize,
    /// The session.
    pub conversation: Conversation,
}

/// Whether the agents of this behaviour (a statement as manifests have it) have words of their own.
pub fn have_words(behavior: &str) -> bool {
    let name = behavior.split([',', ':', ' ', '(']).next().unwrap_or_default();
    SPEAKING.contains(&name)
}

/// Chooses whom to hear, while sessions stream by; its size does not grow with their number.
#[derive(Clone, Debug, Default)]
pub struct Chooser {
    arms: Vec<Choice>,
}

/// The candidates of an arm in its last round.
#[derive(Clone, Debug, Default)]
struct Choice {
    round: u32,
    /// How often each score 1..=10 was given.
    counts: [u64; 10],
    /// Of each score, some who gave it: least scrambled number first.
    candidates: [Vec<(u64, AgentId)>; 10],
}

impl Chooser {
    /// For so many arms.
    pub fn new(n_arms: usize) -> Self {
        Chooser { arms: vec![Choice::default(); n_arms.min(N_ARMS_MAX)] }
    }

    /// Takes in one session of an arm.
    pub fn observe(&mut self, arm: usize, session: &Session) {
        let Some(choice) = self.arms.get_mut(arm) else { return };
        if session.round > choice.round {
            *choice = Choice { round: session.round, ..Choice::default() };
        }
        let score = session.satisfaction.filter(|score| (1..=10).contains(score));
        let (Some(score), true) = (score, session.round == choice.round) else { return };
        let place = usize::from(score) - 1;
        choice.counts[place] += 1;
        let candidates = &mut choice.candidates[place];
        let candidate = (scrambled(session.agent), session.agent);
        let at = candidates.partition_point(|other| *other < candidate);
        if at < N_VOICES_MAX {
            candidates.insert(at, candidate);
            candidates.truncate(N_VOICES_MAX);
        }
    }

    /// The round and the agents of an arm to be heard, lowest score first.
    fn chosen(&self, arm: usize) -> Option<(u32, Vec<AgentId>)> {
        let choice = self.arms.get(arm)?;
        let n: u64 = choice.counts.iter().sum();
        let n_voices = n.min(N_VOICES_MAX as u64);
        let mut taken = [0; 10];
        let mut chosen = Vec::new();
        for nth in 0..n_voices {
            // Lowest, quartiles, highest; everybody where there are not more.
            let rank = (nth * (n - 1) + (n_voices - 1) / 2).checked_div(n_voices - 1).unwrap_or(0);
            let mut above = 0;
            let score = choice.counts.iter().position(|count| {
                above += count;
                rank < above
            })?;
            chosen.push(choice.candidates[score].get(taken[score])?.1);
            taken[score] += 1;
        }
        Some((choice.round, chosen))
    }
}

/// A fixed one-to-one scramble (the finaliser of splitmix64).
fn scrambled(agent: AgentId) -> u64 {
    let mut z = u64::from(agent.0).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Reads the sessions of the chosen from the run folder: by arm, lowest score first.
pub(super) fn read(
    run_dir: &Path,
    arms: &[&str],
    chooser: &Chooser,
    subjects: &Subjects,
) -> Result<Vec<Voice>, ReportError> {
    let mut voices = Vec::new();
    for (arm, name) in arms.iter().enumerate() {
        let Some((round, chosen)) = chooser.chosen(arm) else { continue };
        let raw = |agent: &AgentId| subjects.population.get(*agent).map(|agent| agent.raw_id());
        let users: Vec<Cow<'_, str>> = chosen.iter().filter_map(raw).collect();
        let users: Vec<&str> = users.iter().map(AsRef::as_ref).collect();
        if users.is_empty() {
            continue;
        }
        let mut found = Vec::new();
        for path in event_files(run_dir, name)? {
            for_each_story(&path, &subjects.ids, round, &users, |story| {
                let place = chosen.iter().position(|agent| *agent == story.session.agent);
                let conversation = Conversation::of(story, &subjects.catalogue, &subjects.population);
                found.push((place, Voice { arm, conversation: bounded(conversation) }));
            })?;
        }
        found.sort_by_key(|(place, _)| *place);
        voices.extend(found.into_iter().map(|(_, voice)| voice));
    }
    Ok(voices)
}

/// As much of a conversation as a page about many can hold.
fn bounded(mut told: Conversation) -> Conversation {
    let clip = |text: &mut String| *text = clipped(text, WORDS_CHARS_MAX);
    for page in &mut told.pages {
        let n_left = page.slots.len().saturating_sub(N_SLOTS_MAX);
        page.slots.truncate(N_SLOTS_MAX);
        for slot in &mut page.slots {
            slot.title = clipped(&slot.title, TITLE_CHARS_MAX);
            slot.genres = clipped(&slot.genres, TITLE_CHARS_MAX);
            clip(&mut slot.words);
        }
        if n_left > 0 {
            page.after.insert(0, Line { what: left_out(n_left, "slots"), ..Default::default() });
        }
        page.after.iter_mut().for_each(|line| clip(&mut line.words));
    }
    if told.pages.len() > N_PAGES_MAX {
        // The end of a session says more than its middle.
        let last = told.pages.pop().unwrap_or_default();
        let n_left = told.pages.len() + 1 - N_PAGES_MAX;
        told.pages.truncate(N_PAGES_MAX - 1);
        if let Some(PageTold { after, .. }) = told.pages.last_mut() {
            after.push(Line { what: left_out(n_left, "pages"), ..Default::default() });
        }
        told.pages.push(last);
    }
    told.aside.iter_mut().for_each(|line| clip(&mut line.words));
    if let Some(interview) = &mut told.interview {
        clip(&mut interview.words);
    }
    told
}

fn left_out(n: usize, what: &str) -> String {
    format!("{n} more {what}, which this page leaves out")
}

/// The section of the page: by arm its name, its class and those that are heard; `None` where nobody is.
pub(super) fn section(report: &Report) -> Option<Value> {
    let has_words =
        |voice: &Voice| voice.conversation.interview.as_ref().is_some_and(|i| !i.words.is_empty());
    if !report.voices.iter().any(has_words) {
        return None;
    }
    let arms = report.arms().into_iter().enumerate().map(|(arm, (name, style))| {
        let heard = report.voices.iter().filter(|voice| voice.arm == arm).zip(1..);
        let heard = heard.map(|(voice, nth)| value(&format!("said-{}-{nth}", arm + 1), &voice.conversation));
        context! { arm => name, class => style.class, heard => heard.collect::<Vec<_>>() }
    });
    Some(context! {
        arms => arms.collect::<Vec<_>>(),
        n_more => report.manifest.arms.len().saturating_sub(N_ARMS_MAX),
    })
}

/// One that is heard, as templates take it.
fn value(id: &str, told: &Conversation) -> Value {
    let interview = told.interview.as_ref();
    context! {
        id,
        user => &told.user,
        who => &told.who,
        summary => &told.summary,
        score => interview.map(|interview| interview.score),
        words => interview.map(|interview| &interview.words),
        pages => told.pages.iter().map(page).collect::<Vec<_>>(),
        aside => lines(&told.aside),
    }
}

fn page(page: &PageTold) -> Value {
    let slots = page.slots.iter().map(|slot| {
        context! {
            slot => slot.slot,
            title => &slot.title,
            genres => &slot.genres,
            is_held_out => slot.is_held_out,
            is_watched => slot.is_watched,
            answer => &slot.answer,
            words => &slot.words,
        }
    });
    context! { number => page.number, slots => slots.collect::<Vec<_>>(), after => lines(&page.after) }
}

fn lines(lines: &[Line]) -> Vec<Value> {
    lines.iter().map(|line| context! { what => &line.what, words => &line.words }).collect()
}

#[cfg(test)]
mod tests;

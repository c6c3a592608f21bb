//! The prompts and replies behind a session, from the tape of its run.
//!
//! A tape does not say for which arm a call was made: arms that show the same share it, and arms that
//! do not have calls of the same name. So steps that this session did not take are left out, and of
//! several calls of one name those are shown whose prompt names most of what this session was shown.

use super::super::{CliError, base_dir};
use crate::event::story::About;
use crate::llm::Role;
use crate::llm::fence::fenced;
use crate::llm::tape::{Call, FILE_NAME, Filter, Outcome, Tape, TapeMode};
use crate::report::format;
use crate::report::show::Found;
use crate::report::visible::{filled, visible};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Characters of a title by which it is looked for in a prompt; prompts cut longer ones.
const TITLE_CHARS: usize = 40;

/// A call with its place in the session.
struct Placed {
    page: u32,
    task: String,
    repair: u32,
    call: Call,
}

/// The calls in the order of the session, for a terminal of this width.
pub fn told(dir: &Path, user: &str, round: u32, found: &Found, width: usize) -> Result<String, CliError> {
    let path = tape_of(dir)?;
    let of_tape = |error: crate::llm::tape::TapeError| match error.is_bad_input() {
        true => CliError::bad_input(error),
        false => CliError::failed(error),
    };
    let prefix = format!("agent {user}, round {round}, ");
    let filter = Filter { stream_prefix: prefix.clone(), model: None };
    let calls = Tape::open(&path, TapeMode::Replay).and_then(|tape| tape.calls(&filter)).map_err(of_tape)?;
    let placed: Vec<Placed> = calls.into_iter().filter_map(|call| place(call, &prefix)).collect();
    let n_all = placed.len();
    let placed = of_this_session(placed, found);
    let mut text = format!("calls: {} on {}", placed.len(), visible(&path.display().to_string()));
    if placed.len() < n_all {
        let n_left = n_all - placed.len();
        text.push_str(&format!("; {n_left} more of this user left out, made in front of other pages"));
    }
    text.push('\n');
    let mut rules: Vec<String> = Vec::new();
    for placed in &placed {
        text.push_str(&call(placed, &mut rules, width));
    }
    Ok(text)
}

/// The tape the run's scenario names, from where the command was given, or that of the folder.
fn tape_of(dir: &Path) -> Result<PathBuf, CliError> {
    let path = dir.join("scenario.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        CliError::failed(anyhow::Error::new(error).context(format!("cannot access {}", path.display())))
    })?;
    let scenario: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        CliError::bad_input(anyhow::anyhow!("{}: {}", path.display(), error.message()))
    })?;
    let named = scenario.get("llm").and_then(|llm| llm.get("tape")).and_then(toml::Value::as_str);
    Ok(match named {
        Some(named) => base_dir()?.join(named),
        None => dir.join(FILE_NAME),
    })
}

/// `page 2, decide` or `page 2, decide, repair 1` behind the prefix; `None` for what is no step of a session.
fn place(call: Call, prefix: &str) -> Option<Placed> {
    let mut parts = call.stream.strip_prefix(prefix)?.split(", ");
    let page = parts.next()?.strip_prefix("page ")?.parse().ok()?;
    let task = parts.next()?.to_owned();
    let repair = match parts.next() {
        Some(repair) => repair.strip_prefix("repair ")?.parse().ok()?,
        None => 0,
    };
    Some(Placed { page, task, repair, call })
}

/// In the order of the session, without those that were made before other pages.
fn of_this_session(placed: Vec<Placed>, found: &Found) -> Vec<Placed> {
    // Agents take stock before they decide.
    let order =
        |task: &str| ["page", "reflect", "decide", "interview"].iter().position(|known| *known == task);
    let is_whole = |placed: &Placed| {
        let titles = found.titles.iter().find(|(page, _)| *page == placed.page);
        titles.is_some_and(|(_, titles)| n_named(placed, found).0 == titles.len())
    };
    // Where prompts name what is shown at all, they name all of it.
    let names_titles = placed.iter().any(|placed| placed.task == "page" && is_whole(placed));
    let mut steps: BTreeMap<(u32, Option<usize>, String, u32), Vec<Placed>> = BTreeMap::new();
    for placed in placed {
        let is_elsewhere = names_titles && placed.task == "page" && !is_whole(&placed);
        if took_step(&placed, found) && !is_elsewhere {
            let step = (placed.page, order(&placed.task), placed.task.clone(), placed.repair);
            steps.entry(step).or_default().push(placed);
        }
    }
    let mut kept = Vec::new();
    for (_, calls) in steps {
        let n_named: Vec<(usize, usize)> = calls.iter().map(|placed| n_named(placed, found)).collect();
        let most = n_named.iter().max().copied();
        kept.extend(
            calls.into_iter().zip(n_named).filter(|(_, n)| Some(*n) == most).map(|(placed, _)| placed),
        );
    }
    kept
}

/// Whether the log has this session take the step of the call.
fn took_step(placed: &Placed, found: &Found) -> bool {
    let session = &found.story.session;
    let failed = |step: &str| {
        let about = About::Failure { step: step.to_owned() };
        found.story.words.iter().any(|words| words.page == placed.page && words.about == about)
    };
    let was_shown = session.pages.iter().any(|page| page.number == placed.page);
    let is_last = session.pages.last().is_some_and(|page| page.number == placed.page);
    was_shown
        && match placed.task.as_str() {
            "reflect" => {
                session.reflections.iter().any(|(page, ..)| *page == placed.page) || failed("reflect")
            }
            "decide" => !failed("page") && !failed("reflect"),
            "interview" => is_last && (session.satisfaction.is_some() || failed("interview")),
            _ => true,
        }
}

/// How many titles of its own page a prompt names in the order shown, and how many of the pages before.
fn n_named(placed: &Placed, found: &Found) -> (usize, usize) {
    let user = placed.call.messages.iter().find(|message| message.role == Role::User);
    let prompt = user.map_or("", |message| &message.content);
    let (mut n_own, mut n_before, mut rest) = (0, 0, prompt);
    for (page, titles) in found.titles.iter().filter(|(page, _)| *page <= placed.page) {
        for title in titles {
            let title = fenced(title, TITLE_CHARS);
            if *page < placed.page {
                n_before += usize::from(prompt.contains(&title));
            } else if let Some(at) = rest.find(&title) {
                n_own += 1;
                rest = &rest[at + title.len()..];
            }
        }
    }
    (n_own, n_before)
}

/// One call; the rules are told where they are new.
fn call(placed: &Placed, rules: &mut Vec<String>, width: usize) -> String {
    let Placed { page, task, repair, call } = placed;
    let repair = if *repair > 0 { format!(", repair {repair}") } else { String::new() };
    let mut text = format!("\n── page {page}, {}{repair}; {}\n", visible(task), took(call));
    let mut last_of_user = None;
    for (nth, message) in call.messages.iter().enumerate() {
        match message.role {
            Role::System => {
                if !rules.contains(&message.content) {
                    rules.push(message.content.clone());
                    text.push_str(&lines("rules, told with every call", &message.content, width));
                }
            }
            Role::User => last_of_user = Some(nth),
            Role::Assistant => {}
        }
    }
    // A repair repeats the whole conversation: what is new is the last question.
    if let Some(message) = last_of_user.and_then(|nth| call.messages.get(nth)) {
        text.push_str(&lines("asked", &message.content, width));
    }
    match &call.outcome {
        Outcome::Reply(reply) => text.push_str(&lines("said", &reply.text, width)),
        Outcome::Failed { cause } => {
            let cause = crate::llm::LlmError::from(cause.clone()).to_string();
            text.push_str(&lines("failed", &cause, width));
        }
    }
    text
}

/// The model, and what the call took.
fn took(call: &Call) -> String {
    let model = visible(&call.model);
    match &call.outcome {
        Outcome::Reply(reply) => format!(
            "{model}: {} tokens read, {} written, {}",
            format::count(reply.usage.prompt_tokens),
            format::count(reply.usage.completion_tokens),
            format::seconds(f64::from(reply.latency_ms) / 1000.0)
        ),
        Outcome::Failed { .. } => model,
    }
}

/// A text of several lines under its heading.
fn lines(heading: &str, text: &str, width: usize) -> String {
    let mut told = format!("{heading}:\n");
    for line in text.trim_end().lines() {
        told.push_str(&filled(&visible(line), width, "  ", "    "));
    }
    told
}

//! What a language model writes of items and of people: short profiles, first of items, then of people from what
//! they rated and from the items' profiles. They feed encoders, recommenders and agents.
//!
//! After Ren, Wei, Xia, Su, Cheng, Wang, Yin and Huang, "Representation Learning with Large Language Models for
//! Recommendation", WWW 2024, the section on profile generation. Deviations: there are no reviews, so ratings are told
//! in their place; a person's sample is that of Agent4Rec (25 ratings, three of them liked); the reply is the
//! profile alone, without the model's reasoning.
//!
//! Nothing here may know sessions, recommenders, or how profiles are used.

pub mod items;
pub mod users;
pub mod words;

use crate::llm::client::{Caller, Client};
use crate::llm::shape::Shape;
use crate::llm::{ChatRequest, LlmError, Message, Role, Sampling};
use crate::progress::Progress;
use crate::scenario::params::{self, Complaint};
use crate::stop::Stopped;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use words::Words;

/// The table `[profiles]` of a scenario: files of profiles, and how new ones are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProfilesSection {
    /// The file of the items' profiles, which `windtunnel items build` writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
    /// The file of people's profiles, which `windtunnel users build` writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// Characters of a profile that is written, 40..=2000.
    pub text_chars: u32,
    /// In which words profiles are asked for: the shipped `profiler`, or the path of a TOML file of the same form.
    pub prompts: String,
}

impl Default for ProfilesSection {
    fn default() -> Self {
        ProfilesSection { items: None, users: None, text_chars: 400, prompts: "profiler".to_owned() }
    }
}

impl ProfilesSection {
    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// The first setting that is wrong, at its dotted path below `at`.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        params::within(at, "text_chars", self.text_chars, 40, 2000)?;
        for (key, path) in [("items", &self.items), ("users", &self.users)] {
            if path.as_ref().is_some_and(|path| path.trim().is_empty()) {
                return Err(Complaint::out_of_range(
                    format!("{at}.{key}"),
                    "empty",
                    "the path of a TOML file",
                ));
            }
        }
        Words::named(&format!("{at}.prompts"), &self.prompts).map(drop)
    }
}

/// How long a reply is waited for before the work looks whether it is to stop.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// Why profiles cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ProfilerError {
    /// The work was asked to stop.
    #[error("the work was stopped")]
    Interrupted(#[from] Stopped),
    /// The scenario does not say which language model shall write.
    #[error("{found}, expected {expected}")]
    WhichModel {
        /// What there is.
        found: String,
        /// What would do.
        expected: String,
    },
    /// The words are not what they should be.
    #[error(transparent)]
    Words(#[from] Complaint),
    /// A template asks for what is not there.
    #[error("prompt template: {0}")]
    Template(#[from] minijinja::Error),
    /// Nobody answers any more.
    #[error("the profiles' language model: {0}")]
    Stopped(#[from] LlmError),
}

impl ProfilerError {
    /// Whether the input, rather than the work, is at fault.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, ProfilerError::Stopped(_) | ProfilerError::Interrupted(_))
    }
}

/// One profile to be asked for.
pub struct Subject {
    /// Of whom or what: the dense id.
    pub number: u32,
    /// Its raw id.
    pub raw: String,
    /// What is asked, or why nothing is: there is nothing to tell.
    pub asked: Result<Vec<Message>, &'static str>,
}

/// Profiles that were written, and what has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// By raw id.
    pub profiles: BTreeMap<String, String>,
    /// Raw id and cause, in the order of the dataset.
    pub failures: Vec<(String, String)>,
}

/// How profiles are asked for.
pub struct Desk<'a> {
    /// The way to the model.
    pub llm: &'a Arc<Client>,
    /// Its name in the scenario.
    pub model: &'a str,
    /// What is described: `item`, `user`.
    pub what: &'static str,
    /// Characters of a profile.
    pub text_chars: usize,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

impl Desk<'_> {
    /// Has the model describe all of them, as many at once as it takes.
    ///
    /// # Errors
    /// When nobody answers any more; what was said until then is on the tape. Whom a single reply fails is among
    /// the failures.
    pub fn write(&self, subjects: Vec<Subject>) -> Result<Written, ProfilerError> {
        let caller = Caller { model: self.llm.model(self.model)?, arm: "profiles".into() };
        self.progress.begin(&format!("write {} profiles", self.what), subjects.len() as u64);
        let (sender, arrivals) = channel();
        let mut failures = Vec::new();
        for Subject { number, raw, asked } in subjects {
            let messages = match asked {
                Ok(messages) => messages,
                Err(cause) => {
                    failures.push((number, raw, cause.to_owned()));
                    self.progress.advance(1, "");
                    continue;
                }
            };
            let request = self.request(number, &raw, messages);
            let (client, caller, sender) = (self.llm.clone(), caller.clone(), sender.clone());
            self.llm.spawn(async move {
                let said = client.converse(&caller, request).await;
                // Nobody listens any more only where the work has been given up.
                let _ = sender.send((number, raw, said));
            })?;
        }
        drop(sender);
        let mut written = Written::default();
        loop {
            self.progress.go_on()?;
            let (number, raw, said) = match arrivals.recv_timeout(WAIT_MAX) {
                Ok(arrived) => arrived,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            match said.map(|said| self.read(&said)) {
                Ok(Some(profile)) => _ = written.profiles.insert(raw, profile),
                Ok(None) => failures.push((number, raw, "the model wrote nothing".to_owned())),
                Err(error) if error.stops_run() => return Err(error.into()),
                Err(error) => failures.push((number, raw, error.to_string())),
            }
            self.progress.advance(1, &self.llm.remark());
        }
        self.progress.end();
        failures.sort();
        written.failures = failures.into_iter().map(|(_, raw, cause)| (raw, cause)).collect();
        Ok(written)
    }

    fn request(&self, number: u32, raw: &str, messages: Vec<Message>) -> ChatRequest {
        let shape = Shape::object([("profile", Shape::Text { max_chars: self.text_chars })]);
        // A token a character leaves room for any language, the frame takes a few.
        let max_tokens = self.text_chars as u32 + 16 + shape.closing_bytes();
        ChatRequest {
            messages,
            // A description is to be the same whenever it is asked for, as far as the model allows.
            sampling: Sampling { temperature: 0.0, top_p: 1.0, max_tokens, seed: 0 },
            shape: Some(Arc::new(shape)),
            stream: format!("{} {raw}, profile", self.what),
            speaker: u64::from(number),
        }
    }

    /// The profile in a reply, on one line and not too long; none where nothing is left of it.
    fn read(&self, said: &serde_json::Value) -> Option<String> {
        let said = said["profile"].as_str().unwrap_or_default();
        let words: Vec<&str> = said.split_whitespace().collect();
        let line: String =
            words.join(" ").chars().filter(|c| !c.is_control()).take(self.text_chars).collect();
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }
}

/// The rules, then what is known.
fn messages(
    words: &Words,
    what: words::Template,
    text_chars: usize,
    known: minijinja::Value,
) -> Result<Vec<Message>, minijinja::Error> {
    let (system, user) = what.pair();
    let rules = words.fill(system, minijinja::context! { text_chars })?;
    Ok(vec![
        Message { role: Role::System, content: rules },
        Message { role: Role::User, content: words.fill(user, known)? },
    ])
}

/// The language model that writes: the one asked for, else the only one there is.
///
/// # Errors
/// When there is none of that name, none at all, or a choice.
pub fn model_of<'s>(known: &[&'s str], asked: Option<&str>) -> Result<&'s str, ProfilerError> {
    let which = |found: String, expected: String| Err(ProfilerError::WhichModel { found, expected });
    match (asked, known) {
        (Some(name), known) => match known.iter().find(|model| **model == name) {
            Some(model) => Ok(model),
            None => Err(Complaint::unknown_name("--model", name, known.iter().copied()).into()),
        },
        (None, [only]) => Ok(only),
        (None, []) => which(
            "the scenario has no language model".to_owned(),
            "a table [llm.models.NAME] with a backend".to_owned(),
        ),
        (None, several) => which(
            format!("the scenario has {} language models", several.len()),
            format!("--model with one of: {}", several.join(", ")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_model_writes_unless_another_is_named() {
        let told = |known: &[&'static str], asked| model_of(known, asked).map_err(|error| error.to_string());
        assert_eq!(told(&["a"], None), Ok("a"));
        assert_eq!(told(&["a", "b"], Some("b")), Ok("b"));
        assert!(told(&["a", "b"], None).expect_err("a choice").contains("--model with one of: a, b"));
        assert!(told(&[], None).expect_err("none").contains("[llm.models.NAME]"));
        let unknown = told(&["small", "large"], Some("smal")).expect_err("unknown");
        assert!(unknown.contains("--model is \"smal\"") && unknown.contains("did you mean `small`?"));
    }

    #[test]
    fn the_section_is_checked() {
        let told = |change: fn(&mut ProfilesSection)| {
            let mut section = ProfilesSection::default();
            change(&mut section);
            section.check("profiles").map_err(|complaint| complaint.to_string())
        };
        assert_eq!(told(|_| ()), Ok(()));
        assert_eq!(
            told(|section| section.text_chars = 39),
            Err("profiles.text_chars is 39, must be 40..=2000".to_owned())
        );
        assert!(told(|section| section.items = Some(" ".to_owned())).is_err());
        assert!(
            told(|section| section.prompts = "profilr".to_owned())
                .expect_err("unknown")
                .contains("did you mean `profiler`?")
        );
    }
}

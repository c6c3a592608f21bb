//! The words in which a language model is asked to put candidates in order: a TOML file, shipped or the user's own.
//! Must not know histories or candidates; it fills in what it is given.

use crate::llm::words::{ItemWords, Templates};
use crate::scenario::params::{self, Complaint};
use minijinja::{Value, context};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shipped sets of prompts, by name.
const SHIPPED: &[(&str, &str)] = &[("ranker", include_str!("../../../agents/prompts/ranker.toml"))];

/// How a history is told: the three prompting strategies of Hou et al.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// In the order of time.
    Sequential,
    /// The same, with the latest item pointed out.
    Recency,
    /// All but the latest item as the question of an example, and the latest as its answer.
    InContext,
}

impl Style {
    fn template(self) -> &'static str {
        match self {
            Style::Sequential => "sequential",
            Style::Recency => "recency",
            Style::InContext => "in_context",
        }
    }
}

/// What may be said of an item; every text is fenced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The number of its slot, for a candidate.
    pub slot: Option<usize>,
    /// Title, with the year where it is known.
    pub title: String,
    /// A few genres in one line, or nothing.
    pub genres: String,
    /// A sentence or two, or nothing.
    pub summary: String,
    /// What a language model wrote of it, or nothing.
    pub profile: String,
}

impl Told {
    fn value(&self) -> Value {
        let Told { slot, title, genres, summary, profile } = self;
        context! { slot => *slot, title, genres, summary, profile }
    }
}

/// The templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Texts {
    system: String,
    sequential: String,
    recency: String,
    in_context: String,
    candidates: String,
}

/// A file of prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptFile {
    description: String,
    item_words: ItemWords,
    templates: Texts,
}

impl PromptFile {
    /// A shipped set, or the file at this path, with these words in the place of its own; `at` is the scenario key
    /// that named it.
    pub fn named(at: &str, name: &str, item_words: Option<ItemWords>) -> Result<Self, Complaint> {
        let table = params::shipped_or_file(at, name, SHIPPED)?;
        let mut file: PromptFile = params::parse(name, &table)?;
        if let Some(words) = item_words {
            file.item_words = words;
        }
        Ok(file)
    }
}

/// Prompts ready to be filled in.
#[derive(Clone, Debug)]
pub struct Prompts {
    templates: Templates,
}

impl Prompts {
    /// Compiles the set called `name` and fills in every template for somebody with and without a history, so that
    /// mistakes are told before anybody is asked.
    pub fn new(name: &str, file: PromptFile) -> Result<Self, Complaint> {
        let texts = &file.templates;
        let named = [
            ("system", texts.system.as_str()),
            ("sequential", &texts.sequential),
            ("recency", &texts.recency),
            ("in_context", &texts.in_context),
            ("candidates", &texts.candidates),
        ];
        let templates = Templates::new(name, &named, file.item_words)?;
        let told = || Told { title: "x".to_owned(), ..Told::default() };
        let candidate = Told { slot: Some(1), ..told() };
        templates.try_out(name, &["system"], &context! {})?;
        templates.try_out(name, &["candidates"], &context! { candidates => values(&[candidate]) })?;
        for history in [vec![], vec![told()], vec![told(), told()]] {
            templates.try_out(name, &["sequential", "recency", "in_context"], &past(&history))?;
        }
        Ok(Prompts { templates })
    }

    /// The rules and the history: what is the same for every order in which candidates are shown.
    pub fn beginning(&self, style: Style, history: &[Told]) -> Result<String, minijinja::Error> {
        let rules = self.templates.fill("system", context! {})?;
        let past = self.templates.fill(style.template(), past(history))?;
        Ok(if past.is_empty() { rules } else { format!("{rules}\n{past}") })
    }

    /// The task.
    pub fn candidates(&self, candidates: &[Told]) -> Result<String, minijinja::Error> {
        self.templates.fill("candidates", context! { candidates => values(candidates) })
    }
}

/// The values of a template of the history.
fn past(history: &[Told]) -> Value {
    let earlier = &history[..history.len().saturating_sub(1)];
    context! {
        history => values(history),
        earlier => values(earlier),
        last => history.last().map(Told::value),
    }
}

fn values(told: &[Told]) -> Value {
    told.iter().map(Told::value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(title: &str) -> Told {
        Told { title: title.to_owned(), ..Told::default() }
    }

    fn beginning(style: Style, titles: &[&str]) -> String {
        let file = PromptFile::named("arms.x.prompts", "ranker", None).expect("shipped");
        let prompts = Prompts::new("ranker", file).expect("it fills in");
        let history: Vec<Told> = titles.iter().map(|title| told(title)).collect();
        prompts.beginning(style, &history).expect("filled in")
    }

    #[test]
    fn the_three_ways_to_tell_a_history_differ_in_what_they_make_of_the_latest() {
        let titles = ["Alpha", "Beta", "Gamma"];
        let plain = beginning(Style::Sequential, &titles);
        assert!(plain.ends_with("<<\nAlpha\nBeta\nGamma\n>>"), "{plain}");
        let recency = beginning(Style::Recency, &titles);
        assert!(recency.contains("<<\nAlpha\nBeta\nGamma\n>>"), "{recency}");
        assert!(recency.contains("the latest of these is <<Gamma>>"), "{recency}");
        let example = beginning(Style::InContext, &titles);
        assert!(example.contains("<<\nAlpha\nBeta\n>>") && example.contains("was <<Gamma>>"), "{example}");
        assert_eq!(example.matches("Gamma").count(), 1);
        for style in [Style::Sequential, Style::Recency, Style::InContext] {
            assert!(beginning(style, &[]).contains("Nothing is known"), "{style:?}");
            assert!(beginning(style, &["Alpha"]).contains("Alpha"), "{style:?}");
        }
    }

    #[test]
    fn mistakes_in_a_set_of_ones_own_are_told() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("own.toml");
        let name = path.to_string_lossy();
        for (find, put, place) in [
            ("<<never>>", "", ""),
            ("{{ item.slot }} |", "{{ item.slto }} |", "own.toml.templates.candidates"),
            ("{{ last.title }}{{ close }}: what", "{{ lsat.title }}: what", "own.toml.templates.recency"),
            ("{%- elif last %}", "{%- elif %}", "own.toml.templates.in_context"),
        ] {
            std::fs::write(&path, SHIPPED[0].1.replace(find, put)).expect("written");
            let made = PromptFile::named("arms.x.prompts", &name, None)
                .and_then(|file| Prompts::new(&name, file).map(|_| ()));
            match made {
                Ok(()) => assert!(place.is_empty(), "{put} is taken"),
                Err(complaint) => {
                    assert!(complaint.to_string().contains(place) && !place.is_empty(), "{complaint}")
                }
            }
        }
        std::fs::write(&path, SHIPPED[0].1.replace("[templates]", "[templates]\nextra = \"\""))
            .expect("written");
        assert!(PromptFile::named("arms.x.prompts", &name, None).is_err());
    }
}

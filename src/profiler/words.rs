//! The words in which profiles are asked for: a TOML file of templates, shipped or the user's own.
//! Must not know datasets; it fills in what it is given.

use crate::llm::fence;
use crate::scenario::params::{self, Complaint};
use minijinja::{Environment, UndefinedBehavior, Value, context};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Shipped sets of words, by name.
const SHIPPED: &[(&str, &str)] = &[("profiler", include_str!("../../agents/prompts/profiler.toml"))];

/// A file of words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WordsFile {
    description: String,
    templates: Templates,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Templates {
    item_system: String,
    item: String,
    user_system: String,
    user: String,
}

/// What is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// An item.
    Item,
    /// A person.
    User,
}

impl Template {
    /// The names of its templates: the rules, then what is known.
    pub fn pair(self) -> (&'static str, &'static str) {
        match self {
            Template::Item => ("item_system", "item"),
            Template::User => ("user_system", "user"),
        }
    }
}

/// Words ready to be filled in.
#[derive(Clone, Debug)]
pub struct Words {
    environment: Arc<Environment<'static>>,
}

impl Words {
    /// A shipped set, or the file at this path; `at` is the scenario key that named it. Every template is filled
    /// in once, so that one that asks for more than there is is told before anybody is described.
    ///
    /// # Errors
    /// When there is no such set, or a template is broken.
    pub fn named(at: &str, name: &str) -> Result<Self, Complaint> {
        let table = params::shipped_or_file(at, name, SHIPPED)?;
        let file: WordsFile = params::parse(name, &table)?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let Templates { item_system, item, user_system, user } = file.templates;
        let wrong = |template: &str, error: minijinja::Error| Complaint::WrongType {
            path: format!("{name}.templates.{template}"),
            problem: error.to_string(),
        };
        let all =
            [("item_system", item_system), ("item", item), ("user_system", user_system), ("user", user)];
        let names = all.each_ref().map(|(template, _)| *template);
        for (template, text) in all {
            environment.add_template_owned(template, text).map_err(|error| wrong(template, error))?;
        }
        let words = Words { environment: Arc::new(environment) };
        let line = context! { rating => "x", title => "x", genres => "x", profile => "x" };
        let everything = context! {
            text_chars => 1, title => "x", year => 1, genres => "x", summary => "x", ratings => [line],
        };
        for template in names {
            words.fill(template, everything.clone()).map_err(|error| wrong(template, error))?;
        }
        Ok(words)
    }

    /// Fills in a template.
    ///
    /// # Errors
    /// When a template of the user's own asks for what is not there.
    pub fn fill(&self, template: &str, values: Value) -> Result<String, minijinja::Error> {
        let values = context! { open => fence::OPEN, close => fence::CLOSE, ..values };
        let text = self.environment.get_template(template)?.render(values)?;
        Ok(text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_words_fill_in_and_mistakes_are_told() {
        let words = Words::named("profiles.prompts", "profiler").expect("shipped");
        for (system, _) in [Template::Item.pair(), Template::User.pair()] {
            let rules = words.fill(system, context! { text_chars => 321 }).expect("filled in");
            assert!(rules.contains("321") && rules.contains("between << and >>"), "{rules}");
        }
        let bare = words.fill("item", context! { title => "T", year => (), genres => "", summary => "" });
        assert_eq!(bare.expect("filled in").matches('|').count(), 1);
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("own.toml");
        std::fs::write(&path, SHIPPED[0].1.replace("{{ title }}", "{{ titel }}")).expect("written");
        let complaint = Words::named("profiles.prompts", &path.to_string_lossy()).expect_err("no titel");
        assert!(complaint.to_string().contains("own.toml.templates.item"), "{complaint}");
    }
}

//! The words of a prompt: a TOML file of wording and templates, shipped or the user's own.
//! Must not know agents; it fills in what it is given.

use crate::llm::words;
pub use crate::llm::words::ItemWords;
use crate::scenario::params::{self, Complaint};
use minijinja::{Value, context};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Shipped sets of prompts, by name.
const SHIPPED: &[(&str, &str)] = &[("viewer", include_str!("../../../../agents/prompts/viewer.toml"))];

/// Three wordings of a trait, by tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    low: String,
    middle: String,
    high: String,
}

impl Wording {
    /// The wording of a tier 1..=3.
    pub fn of(&self, tier: u8) -> &str {
        match tier {
            0 | 1 => &self.low,
            2 => &self.middle,
            _ => &self.high,
        }
    }
}

/// The templates, in the order of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Templates {
    system: String,
    profile: String,
    memory: String,
    page: String,
    decide: String,
    reflect: String,
    interview: String,
    taste_system: String,
    taste: String,
}

/// A file of prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PromptFile {
    description: String,
    item_words: ItemWords,
    activity: Wording,
    diversity: Wording,
    conformity: Wording,
    templates: Templates,
}

impl Templates {
    fn texts(&self) -> [(&'static str, &str); 9] {
        let texts = [
            &self.system,
            &self.profile,
            &self.memory,
            &self.page,
            &self.decide,
            &self.reflect,
            &self.interview,
            &self.taste_system,
            &self.taste,
        ];
        std::array::from_fn(|k| (TEMPLATES[k], texts[k].as_str()))
    }
}

/// The names of the templates, in the order of a session.
const TEMPLATES: [&str; 9] =
    ["system", "profile", "memory", "page", "decide", "reflect", "interview", "taste_system", "taste"];

/// Prompts ready to be filled in.
#[derive(Clone, Debug)]
pub struct Prompts {
    file: Arc<PromptFile>,
    templates: Arc<words::Templates>,
}

impl Prompts {
    /// A shipped set, or the file at this path; `at` is the scenario key that named it.
    pub fn named(at: &str, name: &str, item_words: Option<ItemWords>) -> Result<Self, Complaint> {
        let table = params::shipped_or_file(at, name, SHIPPED)?;
        let file: PromptFile = params::parse(name, &table)?;
        let item_words = item_words.unwrap_or_else(|| file.item_words.clone());
        let templates = words::Templates::new(name, &file.templates.texts(), item_words)?;
        let prompts = Prompts { file: Arc::new(file), templates: Arc::new(templates) };
        prompts.try_out(name)?;
        Ok(prompts)
    }

    /// Fills in every template once with all that any of them is given, so that one that asks for more is told
    /// before an agent meets it.
    fn try_out(&self, name: &str) -> Result<(), Complaint> {
        let item = context! { slot => 1, title => "x", genres => "x", mean_rating => "3.0", summary => "x", n_people => 1, advert => "x" };
        let all = context! {
            decides_with_page => true, text_chars => 1, activity => "x", diversity => "x", conformity => "x",
            taste => "x", memories => ["x"], page => 1, pages_max => 1, items => [item], ratings => ["x"],
        };
        self.templates.try_out(name, &TEMPLATES, &all)
    }

    /// What the set is, in words.
    pub fn description(&self) -> &str {
        &self.file.description
    }

    /// The wordings of activity, diversity and conformity at these tiers.
    pub fn traits(&self, activity: u8, diversity: u8, conformity: u8) -> [&str; 3] {
        [
            self.file.activity.of(activity),
            self.file.diversity.of(diversity),
            self.file.conformity.of(conformity),
        ]
    }

    /// Fills in a template of this set.
    ///
    /// # Errors
    /// When a template of the user's own asks for what is not there.
    pub fn fill(&self, template: &str, values: Value) -> Result<String, minijinja::Error> {
        self.templates.fill(template, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_set_fills_in_and_mistakes_are_told() {
        let prompts = Prompts::named("behavior.prompts", "viewer", None).expect("shipped");
        let system = prompts.fill("system", context! { decides_with_page => false, text_chars => 80 });
        let system = system.expect("filled in");
        assert!(system.contains("Task decide") && system.contains("between << and >>"), "{system}");
        let with_page = prompts.fill("system", context! { decides_with_page => true, text_chars => 80 });
        assert!(!with_page.expect("filled in").contains("Task decide"));
        assert!(prompts.fill("system", context! {}).is_err(), "a value is missing");
        assert!(Prompts::named("behavior.prompts", "veiwer", None).is_err());
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("own.toml");
        let shipped = SHIPPED[0].1;
        std::fs::write(&path, shipped.replace("after page {{ page }} of", "after {{ pgae }} of"))
            .expect("written");
        let own = path.to_string_lossy();
        let complaint = Prompts::named("behavior.prompts", &own, None).expect_err("there is no pgae");
        assert!(complaint.to_string().contains("own.toml.templates.decide"), "{complaint}");
    }
}

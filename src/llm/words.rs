//! Templates of prompts, compiled once and tried out before anybody is asked, and the words in which they
//! speak of what is recommended. Must not know what a prompt is for.

use super::fence;
use crate::scenario::params::Complaint;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is recommended, in the forms that sentences need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemWords {
    /// `film`.
    pub one: String,
    /// `films`.
    pub many: String,
    /// `watch`.
    pub verb: String,
}

/// Named templates of one set of prompts.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Environment<'static>,
    item_words: ItemWords,
}

impl Templates {
    /// Compiles templates, given as (name, text), of the set called `set`.
    ///
    /// # Errors
    /// A mistake in one is told with its line, as `SET.templates.NAME`.
    pub fn new(set: &str, texts: &[(&'static str, &str)], item_words: ItemWords) -> Result<Self, Complaint> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        for &(name, text) in texts {
            let added = environment.add_template_owned(name, text.to_owned());
            added.map_err(|error| complaint(set, name, &error))?;
        }
        Ok(Templates { environment, item_words })
    }

    /// Fills in these templates once, so that one that asks for what it is not given is told before anybody
    /// meets it.
    pub fn try_out(&self, set: &str, names: &[&str], values: &Value) -> Result<(), Complaint> {
        for name in names {
            self.fill(name, values.clone()).map_err(|error| complaint(set, name, &error))?;
        }
        Ok(())
    }

    /// Fills in a template; besides the values it is given `open` and `close`, which fence data, and the words
    /// `one`, `many` and `verb`.
    ///
    /// # Errors
    /// When a template asks for what is not there.
    pub fn fill(&self, name: &str, values: Value) -> Result<String, minijinja::Error> {
        let words = &self.item_words;
        let all = context! {
            open => fence::OPEN,
            close => fence::CLOSE,
            one => &words.one,
            many => &words.many,
            verb => &words.verb,
            ..values
        };
        Ok(self.environment.get_template(name)?.render(all)?.trim().to_owned())
    }
}

fn complaint(set: &str, name: &str, error: &minijinja::Error) -> Complaint {
    Complaint::WrongType { path: format!("{set}.templates.{name}"), problem: error.to_string() }
}

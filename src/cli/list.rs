//! `windtunnel list`: what a scenario can name.

use super::{CliError, print};
use crate::{agent::behavior, dataset, encoder, llm, metric, recommender, study};
use clap::{Args, ValueEnum};
use recommender::Needs;

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to list
    what: What,
}

/// The lists.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Kinds of recommenders, with their hyper-parameters and defaults
    Recommenders,
    /// Kinds of agent behaviour
    Behaviors,
    /// Dataset sources
    Datasets,
    /// Backends of language models
    Backends,
    /// Ways from text to vectors
    Encoders,
    /// Metrics
    Metrics,
    /// Questions that a run can answer
    Studies,
}

/// Prints the list.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    let text: String = match arguments.what {
        What::Recommenders => recommender::ALL.iter().map(|k| recommender_entry(*k)).collect(),
        What::Behaviors => {
            behavior::ALL.iter().map(|k| entry(k.name(), k.about(), &k.params_schema())).collect()
        }
        What::Datasets => {
            dataset::ALL.iter().map(|k| entry(k.name(), k.about(), &k.params_schema())).collect()
        }
        What::Backends => llm::ALL.iter().map(|k| entry(k.name(), k.about(), &k.params_schema())).collect(),
        What::Encoders => {
            encoder::ALL.iter().map(|k| entry(k.name(), k.about(), &k.params_schema())).collect()
        }
        What::Metrics => metric::ALL.iter().map(|k| format!("{:24} {}\n", k.name(), k.about())).collect(),
        What::Studies => study::ALL.iter().map(|k| entry(k.name(), k.about(), &k.params_schema())).collect(),
    };
    print(&text)
}

fn recommender_entry(kind: &dyn recommender::RecommenderKind) -> String {
    let about = kind.about();
    let needs = match about.needs {
        Needs::Nothing => "nothing",
        Needs::Interactions => "interactions",
        Needs::Text => "item text",
        Needs::Llm => "a language model's judgement of another arm's lists",
        Needs::Foreign => "something outside this process",
    };
    let feedback = if about.folds_in { "can follow a session" } else { "needs a refit to follow a session" };
    let head = entry(kind.name(), about.summary, &kind.params_schema());
    format!("{head}    source: {}\n    learns from {needs}; {feedback}\n", about.source)
}

/// Name, line, and parameters with defaults.
fn entry(name: &str, about: &str, schema: &schemars::Schema) -> String {
    let mut text = format!("{name:16} {about}\n");
    let properties = schema.get("properties").and_then(|p| p.as_object());
    for (key, property) in properties.into_iter().flatten() {
        let default = match property.get("default") {
            Some(value) if !value.is_null() => format!(" = {value}"),
            _ => String::new(),
        };
        let about = property.get("description").and_then(|d| d.as_str()).unwrap_or_default();
        let about = about.lines().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("    {key}{default}  # {about}\n"));
    }
    text
}

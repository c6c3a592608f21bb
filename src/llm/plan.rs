//! What a scenario says of language models, checked: which there are, where their tape is, what may
//! be spent. Must not know what is asked of them.

use super::BackendPlan;
use super::budget::Budget;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use toml::Table;

/// The table `[llm]` of a scenario.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LlmSection {
    /// The tape that holds every reply; `tape.sqlite` in the run folder where it is not given. Several runs
    /// may share one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tape: Option<String>,
    /// How often a reply that cannot be understood is asked for again, with what was wrong with it.
    pub repairs_max: u32,
    /// What may be spent.
    pub budget: Budget,
    /// The models by name: `backend` and that backend's settings.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub models: Table,
}

impl Default for LlmSection {
    fn default() -> Self {
        LlmSection { tape: None, repairs_max: 1, budget: Budget::default(), models: Table::new() }
    }
}

/// The same, checked.
#[derive(Default)]
pub struct LlmPlan {
    /// The tape, where the scenario names one.
    pub tape: Option<PathBuf>,
    /// How often a reply is asked for again.
    pub repairs_max: u32,
    /// What may be spent.
    pub budget: Budget,
    /// The models, in the order of the file.
    pub models: Vec<ModelPlan>,
}

/// One model of a scenario.
pub struct ModelPlan {
    /// Its name in the scenario.
    pub name: String,
    /// What answers, with its checked settings.
    pub backend: Box<dyn BackendPlan>,
}

impl LlmPlan {
    /// The model of this name.
    pub fn model(&self, name: &str) -> Option<&ModelPlan> {
        self.models.iter().find(|model| model.name == name)
    }
}

//! The `llm` behaviour: the six steps of a session as prompts, after Agent4Rec (Zhang et al., SIGIR
//! 2024, §2): one call a page that aligns, watches and rates by slot number, one decision and, when enough
//! has happened, a reflection (in the same call or their own), and an interview.
//!
//! [`scene`] turns a visit into a request, [`reply`] says what a reply means, [`actor`] sends one and
//! hands on the other, [`cast`] chooses the model.

pub mod actor;
pub mod biography;
pub mod cast;
pub mod persona;
pub mod prompts;
pub mod rehearsal;
pub mod reply;
pub mod scene;

use super::{Behavior, BehaviorError, BehaviorKind, BehaviorPlan, Rehearsed, Setting};
use crate::llm::client::Model;
use crate::progress::Progress;
use crate::scenario::params::{self, Complaint};
use actor::Actor;
use biography::Biographies;
use cast::Role;
use persona::PersonaFile;
use prompts::{ItemWords, Prompts};
use rehearsal::{Rehearsal, Tallies};
use scene::Stage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// The `llm` behaviour.
pub struct Llm;

/// What a scenario says about it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct LlmParams {
    /// The model that plays everybody to whom no role gives another: a name in `llm.models`.
    model: String,
    /// A shipped set of prompts (`viewer`), or the path of a TOML file of the same form.
    prompts: String,
    /// What is recommended, in words: `{ one = "film", many = "films", verb = "watch" }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    item_words: Option<ItemWords>,
    /// A file of personas that `windtunnel agents build` wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    personas: Option<PathBuf>,
    /// 1: the reply to a page also takes stock and says whether to go on. 2: these are calls of their own.
    calls_per_page: u32,
    /// Accumulated importance of what happened at which an agent takes stock; a page of films on which two are
    /// watched and liked has about 1.5.
    reflection_threshold: f32,
    /// 0 takes the likeliest token every time.
    temperature: f32,
    /// Nucleus sampling; 1 switches it off.
    top_p: f32,
    /// Characters of a text that an agent writes.
    text_chars: u32,
    /// Which model plays whom; the first rule that fits counts.
    roles: Vec<Role>,
}

impl Default for LlmParams {
    fn default() -> Self {
        LlmParams {
            model: String::new(),
            prompts: "viewer".to_owned(),
            item_words: None,
            personas: None,
            calls_per_page: 1,
            reflection_threshold: 2.5,
            temperature: 0.7,
            top_p: 1.0,
            text_chars: 120,
            roles: Vec::new(),
        }
    }
}

impl BehaviorKind for Llm {
    fn name(&self) -> &'static str {
        "llm"
    }

    fn about(&self) -> &'static str {
        "a language model plays each person: the steps of a session as prompts"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(LlmParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn BehaviorPlan>, Complaint> {
        let checked: LlmParams = params::parse(at, table)?;
        if checked.model.is_empty() {
            let expected = "the name of a model in llm.models".to_owned();
            return Err(Complaint::Missing { path: format!("{at}.model"), expected });
        }
        params::within(at, "calls_per_page", checked.calls_per_page, 1, 2)?;
        params::within(at, "reflection_threshold", checked.reflection_threshold, 0.0, 1e3)?;
        params::within(at, "temperature", checked.temperature, 0.0, 2.0)?;
        params::within(at, "top_p", checked.top_p, 0.01, 1.0)?;
        params::within(at, "text_chars", checked.text_chars, 20, 1000)?;
        for (k, role) in checked.roles.iter().enumerate() {
            role.check(&format!("{at}.roles[{k}]"))?;
        }
        let prompts = Prompts::named(&format!("{at}.prompts"), &checked.prompts, checked.item_words.clone())?;
        Ok(Box::new(Plan { params: checked, prompts }))
    }
}

/// The behaviour, checked.
struct Plan {
    params: LlmParams,
    prompts: Prompts,
}

impl BehaviorPlan for Plan {
    fn statement(&self) -> String {
        let models: Vec<&str> = self.models();
        format!("llm, played by {}: {}", models.join(", "), self.prompts.description())
    }

    fn models(&self) -> Vec<&str> {
        let mut models = vec![self.params.model.as_str()];
        for role in &self.params.roles {
            if !models.contains(&role.model.as_str()) {
                models.push(&role.model);
            }
        }
        models
    }

    fn arms(&self) -> Vec<&str> {
        self.params.roles.iter().flat_map(|role| role.arms.iter().map(String::as_str)).collect()
    }

    fn begin(&self, setting: &Setting<'_>) -> Result<Arc<dyn Behavior>, BehaviorError> {
        let (models, threshold) = (self.started(setting)?, self.params.reflection_threshold);
        let (client, roles) = (setting.llm.clone(), self.params.roles.clone().into());
        Ok(Arc::new(Actor::new(self.stage(setting)?, client, models, roles, threshold)))
    }

    fn rehearse(
        &self,
        setting: &Setting<'_>,
        inner: Arc<dyn Behavior>,
    ) -> Result<Option<Rehearsed>, BehaviorError> {
        let (models, threshold) = (self.started(setting)?, self.params.reflection_threshold);
        let roles = self.params.roles.clone().into();
        let tallies = Tallies::default();
        let rehearsal =
            Rehearsal::new(self.stage(setting)?, roles, models, inner, threshold, tallies.clone());
        Ok(Some((Arc::new(rehearsal), tallies)))
    }

    fn biographies(
        &self,
        setting: &Setting<'_>,
        progress: &dyn Progress,
    ) -> Result<Option<Biographies>, BehaviorError> {
        biography::write(&self.prompts, &self.params.model, setting, progress).map(Some)
    }
}

impl Plan {
    /// The behaviour's own model, then that of each role.
    fn started(&self, setting: &Setting<'_>) -> Result<Vec<Arc<Model>>, BehaviorError> {
        let roles = self.params.roles.iter().map(|role| &role.model);
        let names = std::iter::once(&self.params.model).chain(roles);
        Ok(names.map(|name| setting.llm.model(name)).collect::<Result<_, _>>()?)
    }

    /// How agents are asked in this setting.
    fn stage(&self, setting: &Setting<'_>) -> Result<Arc<Stage>, BehaviorError> {
        let params = &self.params;
        let file = params.personas.as_ref().map(|path| PersonaFile::read(&setting.base_dir.join(path)));
        let file = file.transpose()?;
        Ok(Arc::new(Stage {
            prompts: self.prompts.clone(),
            facts: setting.facts.clone(),
            tastes: persona::tastes(setting.dataset, setting.evidence, file.as_ref(), setting.streams),
            agents: setting.agents.clone(),
            advert: setting.advert.to_owned(),
            streams: setting.streams,
            temperature: params.temperature,
            top_p: params.top_p,
            text_chars: params.text_chars as usize,
            decides_with_page: params.calls_per_page == 1,
            pages_max: setting.pages_max,
        }))
    }
}

//! The tables `[encoders.NAME]`, and whether arms name encoders, language models and arms that there are.
//! Must not know what is encoded.

use super::Arm;
use super::check::{Checked, Sink};
use super::params::Complaint;
use crate::encoder::library::{DEFAULT, EncoderSpec, Missing};
use crate::encoder::template::{self, Template};
use crate::encoder::{self, EncoderPlan};
use crate::llm::plan::ModelPlan;
use serde::Deserialize;
use toml::{Table, Value};

/// The encoder of a table that names no kind.
const DEFAULT_KIND: &str = "tfidf_svd";

impl Sink {
    /// Checks every encoder and writes its defaults out; there is always one called `default`.
    pub(super) fn encoders(&mut self, table: &Table, resolved: &mut Table) -> Vec<EncoderSpec> {
        let mut tables = match table.get("encoders") {
            Some(Value::Table(encoders)) => encoders.clone(),
            _ => Table::new(),
        };
        tables.entry(DEFAULT).or_insert_with(|| Value::Table(Table::new()));
        let mut specs = Vec::new();
        for (name, section) in &tables {
            if let Some((spec, table)) = self.encoder(name, section) {
                resolved.insert(name.clone(), Value::Table(table));
                specs.push(spec);
            }
        }
        specs
    }

    fn encoder(&mut self, name: &str, section: &Value) -> Option<(EncoderSpec, Table)> {
        let at = format!("encoders.{name}");
        let Value::Table(section) = section else {
            let problem = format!("expected a table with a kind, found {}", section.type_str());
            self.complaints.push(Complaint::WrongType { path: at, problem });
            return None;
        };
        let mut section = section.clone();
        let text = section.remove("text").unwrap_or_else(|| Value::String(template::DEFAULT.to_owned()));
        let template = match &text {
            Value::String(source) => self.note(Template::new(&format!("{at}.text"), source)),
            other => {
                let problem = format!("expected a template, found {}", other.type_str());
                self.complaints.push(Complaint::WrongType { path: format!("{at}.text"), problem });
                None
            }
        };
        let missing = section.remove("missing").unwrap_or_else(|| Value::String("mean".to_owned()));
        let kind = Missing::deserialize(missing.clone()).map_err(|error| Complaint::WrongType {
            path: format!("{at}.missing"),
            problem: error.message().trim().to_owned(),
        });
        let kind = self.note(kind);
        let default = Value::String(DEFAULT_KIND.to_owned());
        let (plan, mut table) = self.named(&section, &at, "kind", Some(&default), check_encoder)?;
        table.insert("text".to_owned(), text);
        table.insert("missing".to_owned(), missing);
        Some((EncoderSpec { name: name.to_owned(), template: template?, missing: kind?, plan }, table))
    }

    /// An arm may only name encoders, models and arms that there are, and must not wrap itself.
    pub(super) fn arms_name_what_there_is(
        &mut self,
        arms: &[(Arm, Table)],
        encoders: &[EncoderSpec],
        models: &[ModelPlan],
    ) {
        for (arm, _) in arms {
            let at = |key: &str| format!("arms.{}.{key}", arm.name);
            let mut known = |key: &str, name: Option<&str>, known: Vec<&str>| {
                let unknown = name.filter(|name| !known.contains(name));
                self.complaints.extend(unknown.map(|name| Complaint::unknown_name(at(key), name, known)));
            };
            known("encoder", arm.trainer.encoder(), encoders.iter().map(|spec| spec.name.as_str()).collect());
            known("llm", arm.trainer.llm(), models.iter().map(|model| model.name.as_str()).collect());
            known("wraps", arm.trainer.wraps(), arms.iter().map(|(arm, _)| arm.name.as_str()).collect());
            if wraps_itself(arm, arms) {
                let bound = "an arm that does not lead back to this one";
                let name = arm.trainer.wraps().unwrap_or_default();
                self.complaints.push(Complaint::out_of_range(at("wraps"), format!("{name:?}"), bound));
            }
        }
    }
}

/// Whether following `wraps` from the arm comes back to it, or never ends.
fn wraps_itself(arm: &Arm, arms: &[(Arm, Table)]) -> bool {
    let mut at = arm;
    for _ in 0..arms.len() {
        let next = at.trainer.wraps().and_then(|name| arms.iter().find(|(other, _)| other.name == name));
        match next {
            Some((next, _)) => at = next,
            None => return false,
        }
    }
    true
}

fn check_encoder(at: &str, name: &str, params: &Table) -> Checked<Box<dyn EncoderPlan>> {
    let kind = encoder::kind(name).ok_or_else(|| {
        Complaint::unknown_name(format!("{at}.kind"), name, encoder::ALL.iter().map(|k| k.name()))
    })?;
    Ok((kind.check(at, params)?, kind.params_schema()))
}

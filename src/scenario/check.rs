//! From table to [`Scenario`]: every section is read and checked on its own, so that all
//! complaints come at once.

use super::file::{
    CandidateRule, EvaluationSection, HeldOut, PopulationSection, ScenarioFile, SessionSection, SplitPart,
    WorldSection,
};
use super::params::{self, Complaint};
use super::{Arm, Feedback, PlannedStudy, Scenario, version};
use crate::agent::behavior::{self, BehaviorPlan};
use crate::agent::cue::Cue;
use crate::agent::taste::{TasteEvidence, TasteSource};
use crate::dataset::split::SplitKind;
use crate::dataset::{self, Source};
use crate::llm::plan::{LlmPlan, LlmSection, ModelPlan};
use crate::llm::{self, BackendPlan};
use crate::metric::evaluate::Mask;
use crate::recommender::without::ColdRule;
use crate::recommender::{self, ColdItems};
use crate::study;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
use toml::{Table, Value};

/// Arms a scenario may have.
const MAX_ARMS: usize = 64;

/// Unknown keys after which the others are not looked at.
const MAX_UNKNOWN: usize = 100;

/// Checks a whole scenario.
pub fn check(table: &Table) -> Result<Scenario, Vec<Complaint>> {
    // Whatever else seems wrong with a file of another version may be right in it.
    if let Some(complaint) = version::complaint(table) {
        return Err(vec![complaint]);
    }
    let mut sink = Sink::default();
    let mut file = top_level(table, &mut sink);
    file.split = sink.section(table, "split");
    sink.note(file.split.check("split"));
    file.population = sink.section(table, "population");
    sink.population(&file.population);
    file.session = sink.section(table, "session");
    sink.session(&file.session);
    file.world = sink.section(table, "world");
    sink.world(&file.world);
    file.statistics = sink.section(table, "statistics");
    file.evaluation = sink.section(table, "evaluation");
    sink.evaluation(&file.evaluation);
    file.validation = sink.section(table, "validation");
    sink.complaints.extend(file.validation.complaints("validation"));
    let source = sink.plugin(table, "dataset", "source", &file.dataset, check_source);
    let behavior = sink.plugin(table, "behavior", "kind", &file.behavior, check_behavior);
    file.llm = sink.llm_section(table);
    let models = sink.models(&mut file.llm);
    let encoders = sink.encoders(table, &mut file.encoders);
    file.profiles = sink.section(table, "profiles");
    sink.note(file.profiles.check("profiles"));
    let arms = sink.arms(table);
    sink.arms_name_what_there_is(&arms, &encoders, &models);
    sink.refits(file.rounds, &arms);
    sink.cold_items(file.split.kind, &arms);
    let studies = sink.studies(table, &mut file.studies, &arms);
    let named = table.get("arms").and_then(Value::as_table).into_iter().flat_map(Table::keys);
    sink.complaints.extend(file.statistics.complaints("statistics", named.map(String::as_str)));
    if let Some((behavior, _)) = &behavior {
        sink.known_to(behavior.as_ref(), &models, &arms);
    }
    match (source, behavior) {
        (Some((source, dataset)), Some((behavior, behavior_table))) if sink.complaints.is_empty() => {
            file.split = file.split.resolved();
            file.dataset = dataset;
            file.behavior = behavior_table;
            file.arms = arms.iter().map(|(arm, t)| (arm.name.clone(), Value::Table(t.clone()))).collect();
            let arms = arms.into_iter().map(|(arm, _)| arm).collect();
            let llm = Arc::new(LlmPlan {
                tape: file.llm.tape.as_ref().map(PathBuf::from),
                repairs_max: file.llm.repairs_max,
                budget: file.llm.budget,
                models,
            });
            Ok(Scenario { file, source, behavior, llm, encoders: Arc::new(encoders), arms, studies })
        }
        _ => Err(sink.complaints),
    }
}

/// The keys beside the sections; sections are left at their defaults.
fn top_level(table: &Table, sink: &mut Sink) -> ScenarioFile {
    const SECTIONS: &[&str] = &[
        "dataset",
        "split",
        "population",
        "session",
        "world",
        "behavior",
        "llm",
        "encoders",
        "profiles",
        "arms",
        "studies",
        "statistics",
        "evaluation",
        "validation",
    ];
    let expected = params::keys::<ScenarioFile>();
    let mut scalars = Table::new();
    for (key, value) in table {
        if sink.complaints.len() >= MAX_UNKNOWN {
            break;
        }
        if !expected.contains(key) {
            sink.complaints.push(Complaint::UnknownKey {
                path: key.clone(),
                nearest: params::nearest(key, &expected),
                expected: expected.clone(),
            });
        } else if SECTIONS.contains(&key.as_str()) {
            if !value.is_table() {
                sink.complaints.push(Complaint::WrongType {
                    path: key.clone(),
                    problem: format!("expected a table [{key}], found {}", value.type_str()),
                });
            }
        } else {
            scalars.insert(key.clone(), value.clone());
        }
    }
    let mut file = ScenarioFile::default();
    for (key, value) in &scalars {
        // One key at a time, so that one wrong type does not hide another.
        match params::parse::<ScenarioFile>("", &Table::from_iter([(key.clone(), value.clone())])) {
            Ok(parsed) => match key.as_str() {
                "version" => file.version = parsed.version,
                "name" => file.name = parsed.name,
                "description" => file.description = parsed.description,
                "seed" => file.seed = parsed.seed,
                _ => file.rounds = parsed.rounds,
            },
            Err(Complaint::WrongType { problem, .. }) => {
                sink.complaints.push(Complaint::WrongType { path: key.clone(), problem });
            }
            Err(other) => sink.complaints.push(other),
        }
    }
    sink.range("rounds", file.rounds, 1, 1000);
    file
}

/// Where complaints gather.
#[derive(Default)]
pub(super) struct Sink {
    pub(super) complaints: Vec<Complaint>,
}

impl Sink {
    /// The value, or its complaint noted.
    pub(super) fn note<T>(&mut self, result: Result<T, Complaint>) -> Option<T> {
        result.map_err(|complaint| self.complaints.push(complaint)).ok()
    }

    fn range(&mut self, path: &str, value: u32, low: u32, high: u32) {
        if !(low..=high).contains(&value) {
            let bound = if low == high { format!("{low}") } else { format!("{low}..={high}") };
            self.complaints.push(Complaint::out_of_range(path, value, bound));
        }
    }

    /// A typed section; its default when it is absent or wrong.
    fn section<T: DeserializeOwned + JsonSchema + Default>(&mut self, table: &Table, key: &str) -> T {
        match table.get(key) {
            Some(Value::Table(section)) => self.note(params::parse(key, section)).unwrap_or_default(),
            _ => T::default(),
        }
    }

    fn population(&mut self, population: &PopulationSection) {
        self.range("population.n_agents", population.n_agents, 0, 100_000_000);
        let jitter = population.jitter.0;
        if !(0.0..=2.0).contains(&jitter) {
            self.complaints.push(Complaint::out_of_range("population.jitter", jitter, "0..=2"));
        }
        if population.taste == TasteSource::HeldOut && population.taste_evidence == TasteEvidence::Train {
            let bound = "\"all\" when taste is \"held_out\"";
            self.complaints.push(Complaint::out_of_range("population.taste_evidence", "\"train\"", bound));
        }
    }

    fn session(&mut self, session: &SessionSection) {
        self.range("session.items_per_page", session.items_per_page, 1, 1000);
        self.range("session.max_pages", session.max_pages, 1, 1000);
        self.range("session.memory_entries", session.memory_entries, 1, 10_000);
        if !(0.0..=1.0).contains(&session.advert_share) {
            let (at, found) = ("session.advert_share", session.advert_share);
            self.complaints.push(Complaint::out_of_range(at, found, "0..=1"));
        }
        if !session.exclude.contains(&SplitPart::Train) {
            let found = format!("{:?}", session.exclude).to_lowercase();
            self.complaints.push(Complaint::out_of_range(
                "session.exclude",
                found,
                "a list with \"train\" in it",
            ));
        }
    }

    fn world(&mut self, world: &WorldSection) {
        self.range("world.cohort_size", world.cohort_size, 1, 1 << 24);
        self.range("world.agents_per_part", world.agents_per_part, 1, 1 << 24);
    }

    fn evaluation(&mut self, evaluation: &EvaluationSection) {
        if evaluation.cutoffs.is_empty() || evaluation.cutoffs.len() > 32 {
            let found = format!("{} cutoffs", evaluation.cutoffs.len());
            self.complaints.push(Complaint::out_of_range("evaluation.cutoffs", found, "1..=32 of them"));
        }
        for (k, &cutoff) in evaluation.cutoffs.iter().enumerate() {
            self.range("evaluation.cutoffs", cutoff, 1, 10_000);
            if evaluation.cutoffs[..k].contains(&cutoff) {
                let found = format!("{cutoff} twice");
                self.complaints.push(Complaint::out_of_range("evaluation.cutoffs", found, "all different"));
            }
        }
        self.range("evaluation.n_candidates", evaluation.n_candidates, 1, 1_000_000);
        if evaluation.candidates == CandidateRule::Stored && evaluation.candidates_path.is_none() {
            self.complaints.push(Complaint::Missing {
                path: "evaluation.candidates_path".to_owned(),
                expected: "the file of candidates, one line a user (`user item item …`)".to_owned(),
            });
        }
        if evaluation.held_out == HeldOut::Valid && evaluation.mask == Mask::TrainValid {
            let bound = "\"train\" when held_out is \"valid\"";
            self.complaints.push(Complaint::out_of_range("evaluation.mask", "\"train_valid\"", bound));
        }
    }

    /// A section that names a plug-in by `name_key`; gives the checked plug-in and its resolved table.
    fn plugin<T>(
        &mut self,
        table: &Table,
        at: &str,
        name_key: &str,
        default: &Table,
        check: impl Fn(&str, &str, &Table) -> Result<(T, schemars::Schema), Complaint>,
    ) -> Option<(T, Table)> {
        let section = match table.get(at) {
            Some(Value::Table(section)) => section,
            None => default,
            Some(_) => return None,
        };
        self.named(section, at, name_key, default.get(name_key), check)
    }

    pub(super) fn named<T>(
        &mut self,
        section: &Table,
        at: &str,
        name_key: &str,
        default_name: Option<&Value>,
        check: impl Fn(&str, &str, &Table) -> Result<(T, schemars::Schema), Complaint>,
    ) -> Option<(T, Table)> {
        let name = match section.get(name_key).or(default_name) {
            Some(Value::String(name)) => name.clone(),
            Some(other) => {
                let problem = format!("expected a string, found {}", other.type_str());
                self.complaints.push(Complaint::WrongType { path: format!("{at}.{name_key}"), problem });
                return None;
            }
            None => {
                let expected = format!("{name_key} = \"…\" names what this is");
                self.complaints.push(Complaint::Missing { path: format!("{at}.{name_key}"), expected });
                return None;
            }
        };
        let mut params = section.clone();
        params.remove(name_key);
        let (checked, schema) = self.note(check(at, &name, &params))?;
        Some((checked, resolved(name_key, &name, &params, &schema)))
    }

    /// The section `[llm]`; its models are left as they stand.
    fn llm_section(&mut self, table: &Table) -> LlmSection {
        let llm: LlmSection = self.section(table, "llm");
        self.range("llm.repairs_max", llm.repairs_max, 0, 5);
        if !(0.0..=1e9).contains(&llm.budget.usd) {
            self.complaints.push(Complaint::out_of_range("llm.budget.usd", llm.budget.usd, "0..=1e9"));
        }
        llm
    }

    /// Checks every model of `[llm.models]` and writes its defaults out.
    fn models(&mut self, llm: &mut LlmSection) -> Vec<ModelPlan> {
        let mut models = Vec::new();
        for (name, section) in std::mem::take(&mut llm.models) {
            let at = format!("llm.models.{name}");
            let Value::Table(table) = &section else {
                let problem = format!("expected a table with a backend, found {}", section.type_str());
                self.complaints.push(Complaint::WrongType { path: at, problem });
                continue;
            };
            if let Some((backend, table)) = self.named(table, &at, "backend", None, check_backend) {
                llm.models.insert(name.clone(), Value::Table(table));
                models.push(ModelPlan { name, backend });
            }
        }
        models
    }

    /// A behaviour may only name models and arms that there are.
    fn known_to(&mut self, behavior: &dyn BehaviorPlan, models: &[ModelPlan], arms: &[(Arm, Table)]) {
        for name in behavior.models() {
            if !models.iter().any(|model| model.name == name) {
                let known = models.iter().map(|model| model.name.as_str());
                self.complaints.push(Complaint::unknown_name("behavior.model", name, known));
            }
        }
        for name in behavior.arms() {
            if !arms.iter().any(|(arm, _)| arm.name == name) {
                let known = arms.iter().map(|(arm, _)| arm.name.as_str());
                self.complaints.push(Complaint::unknown_name("behavior.roles.arms", name, known));
            }
        }
    }

    fn arms(&mut self, table: &Table) -> Vec<(Arm, Table)> {
        let empty = Table::new();
        let arms = match table.get("arms") {
            Some(Value::Table(arms)) => arms,
            _ => &empty,
        };
        if arms.is_empty() {
            self.complaints.push(Complaint::Missing {
                path: "arms".to_owned(),
                expected: "at least one table [arms.NAME] with a kind".to_owned(),
            });
        }
        if arms.len() > MAX_ARMS {
            self.complaints.push(Complaint::out_of_range("arms", arms.len(), format!("1..={MAX_ARMS} arms")));
        }
        arms.iter().take(MAX_ARMS).filter_map(|(name, arm)| self.arm(name, arm)).collect()
    }

    /// From the second round on arms are refitted; one that was fitted elsewhere cannot be.
    fn refits(&mut self, rounds: u32, arms: &[(Arm, Table)]) {
        let cannot = |arm: &Arm| arm.model.is_some() && arm.feedback == Feedback::Refit;
        for (arm, _) in arms.iter().filter(|(arm, _)| rounds > 1 && cannot(arm)) {
            let bound = format!(
                "1 while arms.{} has a model: a fitted model is not refitted (feedback = \"frozen\" leaves it as it is)",
                arm.name
            );
            self.complaints.push(Complaint::out_of_range("rounds", rounds, bound));
        }
    }

    /// A split that holds items out whole asks for items of which some models know nothing.
    fn cold_items(&mut self, split: SplitKind, arms: &[(Arm, Table)]) {
        let knows_nothing = |arm: &Arm| arm.kind.about().cold_items == ColdItems::Unknown;
        let refused = |arm: &&(Arm, Table)| arm.0.cold_items == ColdRule::Refuse && knows_nothing(&arm.0);
        if split != SplitKind::ColdItems {
            return;
        }
        for (arm, _) in arms.iter().filter(refused) {
            let bound = format!(
                "\"exclude\" or \"as_scored\" while split.kind is \"cold_items\": {} knows items by who has them, and \
                 nobody has those that are held out whole",
                arm.kind.name()
            );
            let at = format!("arms.{}.cold_items", arm.name);
            self.complaints.push(Complaint::out_of_range(at, "\"refuse\"", bound));
        }
    }

    fn arm(&mut self, name: &str, arm: &Value) -> Option<(Arm, Table)> {
        let at = format!("arms.{name}");
        let fits = !name.is_empty()
            && name.len() <= 64
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if !fits {
            let bound = "1 to 64 letters, digits, `_`, `-` or `.`, not starting with `.` (it names a folder)";
            self.complaints.push(Complaint::out_of_range("arms", format!("{name:?}"), bound));
            return None;
        }
        let Value::Table(section) = arm else {
            let problem = format!("expected a table with a kind, found {}", arm.type_str());
            self.complaints.push(Complaint::WrongType { path: at, problem });
            return None;
        };
        let mut section = section.clone();
        let model = self.model(&at, &mut section);
        let cold_items: Option<(ColdRule, Value)> = self.taken(&at, "cold_items", &mut section);
        let feedback: Option<(Feedback, Value)> = self.taken(&at, "feedback", &mut section);
        let cues: Option<(Vec<Cue>, Value)> = self.taken(&at, "cues", &mut section);
        let default_name = Value::String(name.to_owned());
        let by_name = recommender::kind(name).map(|_| &default_name);
        let ((kind, trainer), mut table) = self.named(&section, &at, "kind", by_name, check_recommender)?;
        if let Some(model) = &model {
            table.insert("model".to_owned(), Value::String(model.display().to_string()));
        }
        if let Some((_, given)) = &cold_items {
            table.insert("cold_items".to_owned(), given.clone());
        }
        if let Some((_, given)) = &feedback {
            table.insert("feedback".to_owned(), given.clone());
        }
        if let Some((_, given)) = &cues {
            table.insert("cues".to_owned(), given.clone());
        }
        let cues = cues.map(|(cues, _)| cues);
        let cold_items = cold_items.map_or(ColdRule::default(), |(rule, _)| rule);
        let feedback = feedback.map_or(Feedback::default(), |(feedback, _)| feedback);
        Some((Arm { name: name.to_owned(), kind, trainer, model, cold_items, feedback, cues }, table))
    }

    /// Takes a key that every arm may have out of one: what it says, and as it stands there.
    fn taken<T: DeserializeOwned>(&mut self, at: &str, key: &str, section: &mut Table) -> Option<(T, Value)> {
        let given = section.remove(key)?;
        let said = T::deserialize(given.clone()).map_err(|error| Complaint::WrongType {
            path: format!("{at}.{key}"),
            problem: error.message().trim().to_owned(),
        });
        Some((self.note(said)?, given))
    }

    /// Checks every study of `[studies]` and writes its defaults out.
    fn studies(&mut self, table: &Table, resolved: &mut Table, arms: &[(Arm, Table)]) -> Vec<PlannedStudy> {
        let mut studies = Vec::new();
        let Some(Value::Table(named)) = table.get("studies") else { return studies };
        for (name, section) in named {
            let at = format!("studies.{name}");
            let fits =
                name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
            let Value::Table(section) = section else {
                let problem = format!("expected a table [{at}], found {}", section.type_str());
                self.complaints.push(Complaint::WrongType { path: at, problem });
                continue;
            };
            if name.is_empty() || !fits {
                let bound = "1 to 64 letters, digits, `_` or `-` (it names a file)";
                self.complaints.push(Complaint::out_of_range("studies", format!("{name:?}"), bound));
                continue;
            }
            let default_name = Value::String(name.clone());
            let by_name = study::kind(name).map(|_| &default_name);
            let Some(((kind, study), table)) = self.named(section, &at, "kind", by_name, check_study) else {
                continue;
            };
            for arm in study.arms().into_iter().filter(|name| !arms.iter().any(|(arm, _)| arm.name == *name))
            {
                let known = arms.iter().map(|(arm, _)| arm.name.as_str());
                self.complaints.push(Complaint::unknown_name(at.clone(), arm, known));
            }
            resolved.insert(name.clone(), Value::Table(table));
            studies.push(PlannedStudy { name: name.clone(), kind, study });
        }
        studies
    }

    /// Takes `model = "DIR"` out of an arm.
    fn model(&mut self, at: &str, section: &mut Table) -> Option<PathBuf> {
        match section.remove("model")? {
            Value::String(dir) => Some(PathBuf::from(dir)),
            other => {
                let problem = format!("expected the folder of a fitted model, found {}", other.type_str());
                self.complaints.push(Complaint::WrongType { path: format!("{at}.model"), problem });
                None
            }
        }
    }
}

pub(super) type Checked<T> = Result<(T, schemars::Schema), Complaint>;

fn check_source(at: &str, name: &str, params: &Table) -> Checked<Box<dyn Source>> {
    let kind = dataset::kind(name).ok_or_else(|| {
        Complaint::unknown_name(format!("{at}.source"), name, dataset::ALL.iter().map(|k| k.name()))
    })?;
    Ok((kind.check(at, params)?, kind.params_schema()))
}

fn check_behavior(at: &str, name: &str, params: &Table) -> Checked<Box<dyn BehaviorPlan>> {
    let kind = behavior::kind(name).ok_or_else(|| {
        Complaint::unknown_name(format!("{at}.kind"), name, behavior::ALL.iter().map(|k| k.name()))
    })?;
    Ok((kind.check(at, params)?, kind.params_schema()))
}

fn check_backend(at: &str, name: &str, params: &Table) -> Checked<Box<dyn BackendPlan>> {
    let kind = llm::kind(name).ok_or_else(|| {
        Complaint::unknown_name(format!("{at}.backend"), name, llm::ALL.iter().map(|k| k.name()))
    })?;
    Ok((kind.check(at, params)?, kind.params_schema()))
}

type CheckedStudy = (&'static dyn study::StudyKind, Box<dyn study::Study>);

fn check_study(at: &str, name: &str, params: &Table) -> Checked<CheckedStudy> {
    let kind = study::kind(name).ok_or_else(|| {
        Complaint::unknown_name(format!("{at}.kind"), name, study::ALL.iter().map(|k| k.name()))
    })?;
    Ok(((kind, kind.check(at, params)?), kind.params_schema()))
}

type CheckedKind = (&'static dyn recommender::RecommenderKind, Box<dyn recommender::Trainer>);

fn check_recommender(at: &str, name: &str, params: &Table) -> Checked<CheckedKind> {
    let kind = recommender::kind(name).ok_or_else(|| {
        Complaint::unknown_name(format!("{at}.kind"), name, recommender::ALL.iter().map(|k| k.name()))
    })?;
    Ok(((kind, kind.check(at, params)?), kind.params_schema()))
}

/// The table with its name first, then every parameter, defaults filled in from the schema.
fn resolved(name_key: &str, name: &str, params: &Table, schema: &schemars::Schema) -> Table {
    let mut table = Table::from_iter([(name_key.to_owned(), Value::String(name.to_owned()))]);
    let properties = schema.get("properties").and_then(|p| p.as_object());
    for (key, property) in properties.into_iter().flatten() {
        let default = property.get("default").and_then(|value| Value::try_from(value).ok());
        if let Some(value) = params.get(key).cloned().or(default) {
            table.insert(key.clone(), value);
        }
    }
    for (key, value) in params {
        table.entry(key.clone()).or_insert_with(|| value.clone());
    }
    table
}

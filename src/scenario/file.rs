//! The scenario file, key by key: a plain mirror of the TOML with its defaults.
//! Must not check anything beyond types.

use crate::agent::cue::Cue;
use crate::agent::taste::{TasteEvidence, TasteSource};
use crate::dataset::split::SplitParams;
use crate::llm::plan::LlmSection;
use crate::metric::evaluate::Mask;
use crate::profiler::ProfilesSection;
use crate::stats::params::StatsParams;
use crate::validate::bounds::ValidationParams;
use crate::world::{OnError, Presentation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

/// A scenario file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScenarioFile {
    /// Version of this file format; this program reads 1.
    pub version: u32,
    /// A short name, shown in the report.
    pub name: String,
    /// What the scenario is for, shown in the report.
    pub description: String,
    /// The root of all randomness.
    pub seed: u64,
    /// Rounds of feedback: from the second on, every arm is refitted on what its own agents did.
    pub rounds: u32,
    /// Where the data comes from: `source` and that source's parameters.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub dataset: Table,
    /// How interactions are cut into train, validation and test.
    pub split: SplitParams,
    /// Who is simulated.
    pub population: PopulationSection,
    /// The rules of a session.
    pub session: SessionSection,
    /// How the simulation is carried out.
    pub world: WorldSection,
    /// How agents behave: `kind` and that behaviour's parameters.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub behavior: Table,
    /// The language models that agents and recommenders may ask.
    pub llm: LlmSection,
    /// How text becomes vectors, by name: `kind`, `text` (the template of an item's text), `missing`, and that encoder's
    /// settings. The one called `default` serves whoever names none.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub encoders: Table,
    /// Files of what a language model wrote of items and people, and how such are written.
    pub profiles: ProfilesSection,
    /// The recommenders under test, by name: `kind` and that recommender's hyper-parameters.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub arms: Table,
    /// The questions that the run shall answer, by name: `kind` (the name, where it is that of a kind) and that study's
    /// parameters.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub studies: Table,
    /// Intervals, tests and corrections.
    pub statistics: StatsParams,
    /// What `windtunnel evaluate` measures.
    pub evaluation: EvaluationSection,
    /// What `windtunnel validate` takes as close enough.
    pub validation: ValidationParams,
}

impl Default for ScenarioFile {
    fn default() -> Self {
        let named = |key: &str, value: &str| Table::from_iter([(key.to_owned(), value.into())]);
        ScenarioFile {
            version: super::version::CURRENT,
            name: "unnamed".to_owned(),
            description: String::new(),
            seed: 42,
            rounds: 1,
            dataset: named("source", "synthetic"),
            split: SplitParams::default(),
            population: PopulationSection::default(),
            session: SessionSection::default(),
            world: WorldSection::default(),
            behavior: named("kind", "choice"),
            llm: LlmSection::default(),
            encoders: Table::new(),
            profiles: ProfilesSection::default(),
            arms: Table::new(),
            studies: Table::new(),
            statistics: StatsParams::default(),
            evaluation: EvaluationSection::default(),
            validation: ValidationParams::default(),
        }
    }
}

/// Who is simulated.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PopulationSection {
    /// How many agents; everybody in the dataset when 0. Beyond the number of people, people are resampled.
    pub n_agents: u32,
    /// Whether those drawn are all the people there are: recommenders learn from them alone, so that what they do
    /// in a round weighs in the next.
    pub closed: bool,
    /// Standard deviation of the log-normal jitter of a resampled person's traits.
    pub jitter: Jitter,
    /// Where taste comes from.
    pub taste: TasteSource,
    /// Which interactions taste is built from.
    pub taste_evidence: TasteEvidence,
}

/// The jitter of resampled traits, in standard deviations of the log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Jitter(pub f32);

impl Default for Jitter {
    fn default() -> Self {
        Jitter(0.1)
    }
}

/// The rules of a session.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSection {
    /// Items a page shows.
    pub items_per_page: u32,
    /// Pages after which a session ends at the latest.
    pub max_pages: u32,
    /// How a page is presented.
    pub presentation: Presentation,
    /// What stands beside every item on a page; an arm may say otherwise.
    pub cues: Vec<Cue>,
    /// The share of what is shown that is advertised, where `cues` has `advert`, 0..=1; which items is drawn anew for
    /// every page.
    pub advert_share: f64,
    /// What an advert says, to agents that read.
    pub advert: String,
    /// Which interactions a person already has and is never shown.
    pub exclude: Vec<SplitPart>,
    /// Whether what was watched in an earlier round may be shown again: songs are heard twice, films hardly.
    pub show_again: bool,
    /// What can be shown at all.
    pub candidates: Candidates,
    /// Whether agents remember anything.
    pub memory: MemorySwitch,
    /// How many shown items an agent remembers at most.
    pub memory_entries: u32,
}

impl Default for SessionSection {
    fn default() -> Self {
        SessionSection {
            items_per_page: 4,
            max_pages: 5,
            presentation: Presentation::default(),
            cues: vec![Cue::Rating],
            advert_share: 0.25,
            advert: "Everybody is talking about this one.".to_owned(),
            exclude: vec![SplitPart::Train, SplitPart::Valid],
            show_again: false,
            candidates: Candidates::All,
            memory: MemorySwitch::On,
            memory_entries: 100,
        }
    }
}

/// A part of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitPart {
    /// Training interactions.
    Train,
    /// Validation interactions.
    Valid,
    /// Held-out interactions.
    Test,
}

/// What a session can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Candidates {
    /// The whole catalogue, what is excluded aside.
    All,
    /// Only items of which the person's true rating is known; needs a dataset with observed truth.
    /// Held out is then what the person truly liked of them.
    Observed,
}

/// Whether agents remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemorySwitch {
    /// They do.
    On,
    /// Every page meets a blank mind: no satiation across pages, no remembered mood.
    Off,
}

/// How the simulation is carried out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorldSection {
    /// Agents in memory at once; changes speed and memory, never results.
    pub cohort_size: u32,
    /// Agents whose events of one round stand in one file of the log: what a killed run that is resumed does again at most.
    pub agents_per_part: u32,
    /// What a recommender's failure to answer does.
    pub on_error: OnError,
}

impl Default for WorldSection {
    fn default() -> Self {
        WorldSection { cohort_size: 65_536, agents_per_part: 65_536, on_error: OnError::default() }
    }
}

/// What `windtunnel evaluate` measures: offline ranking accuracy, without agents.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSection {
    /// Cutoffs N of the metrics @N.
    pub cutoffs: Vec<u32>,
    /// What must not be ranked.
    pub mask: Mask,
    /// Which part of the split is held out.
    pub held_out: HeldOut,
    /// What the held-out items are ranked among.
    pub candidates: CandidateRule,
    /// How many items are drawn for each user, with `candidates = "sampled"`.
    pub n_candidates: u32,
    /// Whether every measure is also taken for groups of items: `head`, `tail` (the least popular items that have
    /// 20 % of the training interactions together), both as `warm`, and `cold` (no training interactions), each ranked
    /// among all items, and cold ones among themselves as `cold_only`: `ndcg@20.cold`.
    pub groups: bool,
    /// The file of stored candidates, one line a user (`user item item …`, raw ids), with
    /// `candidates = "stored"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates_path: Option<String>,
}

impl Default for EvaluationSection {
    fn default() -> Self {
        EvaluationSection {
            cutoffs: vec![10, 20],
            mask: Mask::default(),
            held_out: HeldOut::Test,
            candidates: CandidateRule::All,
            n_candidates: 100,
            groups: false,
            candidates_path: None,
        }
    }
}

/// The part of the split that offline evaluation holds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldOut {
    /// The test part.
    Test,
    /// The validation part, to choose hyper-parameters by; the mask must then be `train`.
    Valid,
}

/// What held-out items are ranked among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CandidateRule {
    /// Everything that is not masked.
    All,
    /// A fresh draw of `n_candidates` for each user, the same in every arm.
    Sampled,
    /// The lists in `candidates_path`.
    Stored,
}

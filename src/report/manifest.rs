//! What a run says about itself: `manifest.json`. The run writes it, the report reads it.
//!
//! The only file of a run folder that may hold timings. Reading is lenient: what is
//! missing or of another shape is left at its default, so that old runs stay readable.

use crate::encoder::library::EncodingReport;
use crate::recommender::CurvePoint;
use serde::{Deserialize, Serialize};

/// The contents of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Version of the layout of the run folder; events of format 1 had no `propensity`, folders of format 2 no `people.csv`.
    pub format: u32,
    /// Version of Windtunnel.
    pub version: String,
    /// Its git revision, where known.
    pub git_revision: Option<String>,
    /// What the run is called.
    pub title: String,
    /// The seed everything random comes from.
    pub seed: u64,
    /// The data.
    pub dataset: DatasetInfo,
    /// Simulated people an arm.
    pub n_agents: u64,
    /// How the agents were made, in words: traits, jitter, resampling.
    pub population: String,
    /// How their taste was made, in words.
    pub taste: String,
    /// What decides what they do: `choice`, `llm`, `random`, `replay`, …
    pub behavior: String,
    /// Items a full page holds.
    pub items_per_page: u32,
    /// Pages a session has at most.
    pub max_pages: u32,
    /// Feedback rounds.
    pub n_rounds: u32,
    /// Threads the run was given.
    pub n_threads: u32,
    /// The recommenders compared, in the scenario's order.
    pub arms: Vec<ArmInfo>,
    /// The arm the others are compared with.
    pub baseline: Option<String>,
    /// The studies, by name, in the order of the scenario.
    pub studies: Vec<String>,
    /// Coverage of the intervals; what is left of 1 is the level of the tests.
    pub confidence: f64,
    /// Power at which minimum detectable effects are told.
    pub power: f64,
    /// Wall-clock seconds of each phase, in order.
    pub timings: Vec<Timing>,
    /// What failed, by step and cause.
    pub failures: Vec<FailureInfo>,
    /// How text became vectors.
    pub encodings: Vec<EncodingReport>,
    /// What language models used, by arm and model.
    pub llm: Vec<LlmUsage>,
}

/// The data of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatasetInfo {
    /// Which source read it.
    pub source: String,
    /// Content hash.
    pub hash: String,
    /// Users.
    pub n_users: u64,
    /// Items.
    pub n_items: u64,
    /// Interactions.
    pub n_interactions: u64,
    /// Users with at least one training interaction.
    pub n_train_users: u64,
    /// Training interactions.
    pub n_train: u64,
    /// How the interactions were split, in words.
    pub split: String,
    /// What reading it met: rows skipped, duplicates, and the like, a line each.
    pub load_report: Vec<String>,
    /// Genre names in dense order, the order of `genre_shares` in `people.csv`.
    pub genres: Vec<String>,
}

/// One arm of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArmInfo {
    /// Its name in every file.
    pub name: String,
    /// The kind of recommender.
    pub kind: String,
    /// What it learns from: `nothing`, `interactions`, `text`, `llm`, `arm` or `foreign`.
    pub needs: String,
    /// Folder of the model it was loaded from, where it was not fitted.
    pub loaded_from: Option<String>,
    /// One entry a round in which it was fitted.
    pub fits: Vec<FitInfo>,
}

/// One fit of an arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FitInfo {
    /// Feedback round, from 0.
    pub round: u32,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Learning curves.
    pub curve: Vec<CurvePoint>,
}

/// How long a phase took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// What was done, e.g. `simulate mf`.
    pub phase: String,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// A kind of failure and how often it happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureInfo {
    /// In which arm.
    pub arm: String,
    /// The step that failed.
    pub step: String,
    /// What went wrong.
    pub cause: String,
    /// How often.
    pub count: u64,
}

/// What one arm used of one language model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LlmUsage {
    /// The arm, or another purpose.
    pub arm: String,
    /// The model's name in the scenario.
    pub model: String,
    /// What it is, in words.
    pub about: String,
    /// Calls answered, by the tape or by the model.
    pub n_calls: u64,
    /// How many of them the tape answered.
    pub n_replayed: u64,
    /// Attempts that failed before a reply came.
    pub n_retries: u64,
    /// Replies that were asked for again, since they could not be understood.
    pub n_repairs: u64,
    /// Calls that came to nothing for good.
    pub n_failures: u64,
    /// Numbers in orders of slots that are no slot; such orders are used as far as they go.
    #[serde(skip_serializing_if = "is_zero")]
    pub n_unknown_slots: u64,
    /// Slots that such orders name once more.
    #[serde(skip_serializing_if = "is_zero")]
    pub n_repeated_slots: u64,
    /// Slots that they do not name.
    #[serde(skip_serializing_if = "is_zero")]
    pub n_unnamed_slots: u64,
    /// Tokens read, of calls that the model answered.
    pub prompt_tokens: u64,
    /// How many of these were not computed again.
    pub cached_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What they cost, in US dollars.
    pub cost_usd: f64,
    /// Tokens read and written of calls that the tape answered.
    pub replayed_tokens: u64,
    /// What these once cost, in US dollars.
    pub replayed_usd: f64,
    /// Milliseconds within which half of the calls were answered; `None` where no model was asked.
    pub latency_p50_ms: Option<u32>,
    /// The same for nine in ten.
    pub latency_p90_ms: Option<u32>,
    /// The same for 99 in a hundred.
    pub latency_p99_ms: Option<u32>,
}

impl LlmUsage {
    /// Adds what another process asked; percentiles of two cannot be told from the percentiles of each.
    pub fn add(&mut self, other: &LlmUsage) {
        self.n_calls += other.n_calls;
        self.n_replayed += other.n_replayed;
        self.n_retries += other.n_retries;
        self.n_repairs += other.n_repairs;
        self.n_failures += other.n_failures;
        self.n_unknown_slots += other.n_unknown_slots;
        self.n_repeated_slots += other.n_repeated_slots;
        self.n_unnamed_slots += other.n_unnamed_slots;
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.completion_tokens += other.completion_tokens;
        self.cost_usd += other.cost_usd;
        self.replayed_tokens += other.replayed_tokens;
        self.replayed_usd += other.replayed_usd;
        (self.latency_p50_ms, self.latency_p90_ms, self.latency_p99_ms) = (None, None, None);
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest {
            format: 3,
            version: String::new(),
            git_revision: None,
            title: String::new(),
            seed: 0,
            dataset: DatasetInfo::default(),
            n_agents: 0,
            population: String::new(),
            taste: String::new(),
            behavior: String::new(),
            items_per_page: 0,
            max_pages: 0,
            n_rounds: 1,
            n_threads: 0,
            arms: Vec::new(),
            baseline: None,
            studies: Vec::new(),
            confidence: 0.95,
            power: 0.8,
            timings: Vec::new(),
            failures: Vec::new(),
            encodings: Vec::new(),
            llm: Vec::new(),
        }
    }
}

impl Manifest {
    /// What is wrong with the format of a run folder, and what to do about it.
    pub fn format_problem(&self) -> Option<String> {
        let read = Manifest::default().format;
        let of = match self.version.as_str() {
            "" => "the windtunnel that wrote it".to_owned(),
            version => format!("windtunnel {version}, which wrote it"),
        };
        let remedy = match self.format.cmp(&read) {
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Less => {
                format!("run its scenario.toml again, or take {of}")
            }
            std::cmp::Ordering::Greater => format!("take {of}, or a newer one"),
        };
        Some(format!("format is {}, this windtunnel reads {read}: {remedy}", self.format))
    }

    /// Reads a manifest, leaving out what has another shape than expected. Only a file
    /// that is no JSON object is an error.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let whole: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
        let mut readable = serde_json::Map::new();
        for (key, value) in whole {
            let alone = serde_json::Map::from_iter([(key.clone(), value.clone())]);
            if serde_json::from_value::<Manifest>(alone.into()).is_ok() {
                readable.insert(key, value);
            }
        }
        serde_json::from_value(readable.into())
    }

    /// The manifest as it stands in its file.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest has only string keys");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_named_with_what_to_do() {
        let read = Manifest::default().format;
        let of = |format, version: &str| {
            let manifest = Manifest { format, version: version.to_owned(), ..Manifest::default() };
            manifest.format_problem()
        };
        assert_eq!(of(read, "0.1.0"), None);
        let older = format!(
            "format is 1, this windtunnel reads {read}: run its scenario.toml again, or take windtunnel 0.0.1, which wrote it"
        );
        assert_eq!(of(1, "0.0.1"), Some(older));
        let newer = of(read + 1, "").expect("refused");
        assert!(newer.ends_with("take the windtunnel that wrote it, or a newer one"), "{newer}");
    }

    #[test]
    fn what_is_readable_is_read() {
        let manifest = Manifest {
            title: "t".into(),
            arms: vec![ArmInfo { name: "mf".into(), kind: "mf".into(), ..ArmInfo::default() }],
            ..Manifest::default()
        };
        assert_eq!(Manifest::from_json(&manifest.to_json()).expect("own file"), manifest);
        let odd = Manifest::from_json(r#"{"seed": "seven", "title": "x", "new": 1}"#).expect("an object");
        assert_eq!((odd.seed, odd.title.as_str()), (0, "x"));
        assert!(Manifest::from_json("[]").is_err());
    }
}

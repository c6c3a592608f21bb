//! The fitted form of recommenders in other processes: parameters, what they are told, and the
//! line to them. A model folder holds the first two; loading it connects anew. Must not know how
//! messages travel.

use super::super::{FitContext, Ranked, RecommendError, Recommender, Request, Training, model_file};
use super::remote::{Remote, Settings, Transport};
use super::roster::Roster;
use crate::rng::Streams;
use crate::scenario::params::{Complaint, within};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// The longest a recommender may be waited for, milliseconds.
const TIMEOUT_MS_MAX: u64 = 3_600_000;

/// Parameters of a recommender in another process.
pub trait Connect: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind's name.
    const NAME: &'static str;
    /// What errors call the recommender.
    fn name(&self) -> String;
    /// The parameters that do not depend on how messages travel.
    fn common(&self) -> Common;
    /// The line to it, not yet open.
    fn transport(&self) -> Result<Box<dyn Transport>, RecommendError>;
}

/// Parameters that `http` and `process` share.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// Requests in a message at most.
    pub batch_size: u32,
    /// Milliseconds an answer may take.
    pub timeout_ms: u64,
    /// Milliseconds the first answer may take.
    pub start_timeout_ms: u64,
    /// Further tries after a failure.
    pub retries: u32,
    /// Bytes an answer may have.
    pub max_response_bytes: u64,
    /// Interactions of a user that are told at most.
    pub history_max: u32,
    /// Whether it is asked on every page.
    pub fold_in: bool,
}

impl Common {
    /// Complains about what is out of range.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "batch_size", self.batch_size, 1, 65_536)?;
        within(at, "timeout_ms", self.timeout_ms, 1, TIMEOUT_MS_MAX)?;
        within(at, "start_timeout_ms", self.start_timeout_ms, 1, TIMEOUT_MS_MAX)?;
        within(at, "retries", self.retries, 0, 10)?;
        within(at, "max_response_bytes", self.max_response_bytes, 1024, 1 << 30)?;
        within(at, "history_max", self.history_max, 0, 1_000_000)
    }
}

/// Complains about a command without a program.
pub fn check_command(at: &str, key: &str, command: &[String]) -> Result<(), Complaint> {
    match command.first() {
        Some(program) if !program.is_empty() => Ok(()),
        _ => Err(Complaint::out_of_range(
            format!("{at}.{key}"),
            format!("{command:?}"),
            "a program and its arguments, e.g. [\"python3\", \"recommender.py\"]",
        )),
    }
}

/// A recommender in another process that has been greeted.
struct Connected<P> {
    params: P,
    seed: u64,
    remote: Remote,
}

/// Connects with what a training set tells.
pub fn fit<P: Connect>(
    params: &P,
    training: &Training<'_>,
    context: &FitContext<'_>,
) -> Result<Box<dyn Recommender>, RecommendError> {
    let roster = Roster::new(training, params.common().history_max as usize)?;
    open(params.clone(), roster, context.streams.seed())
}

/// Connects with what a model folder tells.
pub fn load<P: Connect>(dir: &Path) -> Result<Box<dyn Recommender>, RecommendError> {
    let (params, seed): (P, u64) = model_file::read_header(dir, P::NAME)?;
    if let Err(complaint) = params.common().check("model") {
        return Err(super::bad(&dir.join("model.json"), complaint.to_string()));
    }
    open(params, Roster::load(dir)?, seed)
}

fn open<P: Connect>(params: P, roster: Roster, seed: u64) -> Result<Box<dyn Recommender>, RecommendError> {
    let common = params.common();
    let settings = Settings {
        batch_size: common.batch_size as usize,
        timeout: Duration::from_millis(common.timeout_ms),
        start_timeout: Duration::from_millis(common.start_timeout_ms),
        retries: common.retries,
        streams: Streams::new(seed),
    };
    let remote = Remote::connect(&params.name(), roster, settings, params.transport()?)?;
    Ok(Box::new(Connected { params, seed, remote }))
}

impl<P: Connect> Recommender for Connected<P> {
    fn recommend(&self, requests: &[Request<'_>]) -> Result<Vec<Ranked>, RecommendError> {
        self.remote.recommend(requests)
    }

    fn recommend_each(&self, requests: &[Request<'_>]) -> Vec<Result<Ranked, RecommendError>> {
        self.remote.recommend_each(requests)
    }

    fn adapts_in_session(&self) -> bool {
        self.params.common().fold_in
    }

    fn save(&self, dir: &Path) -> Result<(), RecommendError> {
        model_file::write_header(dir, P::NAME, &(&self.params, self.seed))?;
        self.remote.roster().save(dir)
    }
}

//! `process`: a program that is started here and answers on its standard output, one JSON line
//! for every line on its standard input, as `docs/foreign-recommenders.md` says. It is started
//! when it is fitted or loaded, again after a failure, and killed when it is no longer needed.
//! Must not know what the lines say.

use super::super::{
    About, ColdItems, FitContext, Needs, RecommendError, Recommender, RecommenderKind, Surroundings, Trainer,
    Training,
};
use super::child::{Child, NoLine};
use super::connected::{self, Common, Connect};
use super::remote::{Fault, Transport};
use crate::scenario::params::{self, Complaint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Parameters of `process`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessParams {
    /// The program and its arguments; no shell is involved. Paths start at the folder the command is given in.
    pub command: Vec<String>,
    /// Requests in a message at most, 1..=65536.
    pub batch_size: u32,
    /// Milliseconds an answer may take, 1..=3600000.
    pub timeout_ms: u64,
    /// Milliseconds from the start to the answer to the greeting, 1..=3600000.
    pub start_timeout_ms: u64,
    /// Further tries after a failure, 0..=10; a program that failed is started again for each.
    pub retries: u32,
    /// Bytes an answer may have, 1024..=1073741824.
    pub max_response_bytes: u64,
    /// The newest interactions of a user that are told, 0..=1000000.
    pub history_max: u32,
    /// Whether it is asked again on every page, with what the user did in the session.
    pub fold_in: bool,
}

impl Default for ProcessParams {
    fn default() -> Self {
        ProcessParams {
            command: Vec::new(),
            batch_size: 256,
            timeout_ms: 10_000,
            start_timeout_ms: 60_000,
            retries: 2,
            max_response_bytes: 64 << 20,
            history_max: 1000,
            fold_in: false,
        }
    }
}

/// The kind `process`.
pub struct Process;

impl RecommenderKind for Process {
    fn name(&self) -> &'static str {
        ProcessParams::NAME
    }

    fn about(&self) -> About {
        About {
            summary: "a program of yours, asked over its standard input and output",
            source: "docs/foreign-recommenders.md",
            needs: Needs::Foreign,
            folds_in: true,
            cold_items: ColdItems::Ranked,
        }
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(ProcessParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Trainer>, Complaint> {
        let command = ("command", "the program and its arguments, e.g. [\"python3\", \"recommender.py\"]");
        let params: ProcessParams = params::parse_with(at, table, &[command])?;
        connected::check_command(at, "command", &params.command)?;
        params.common().check(at)?;
        Ok(Box::new(params))
    }

    fn load(&self, dir: &Path, _around: &Surroundings) -> Result<Box<dyn Recommender>, RecommendError> {
        connected::load::<ProcessParams>(dir)
    }
}

impl Trainer for ProcessParams {
    fn fit(
        &self,
        training: &Training<'_>,
        context: &mut FitContext<'_>,
    ) -> Result<Box<dyn Recommender>, RecommendError> {
        connected::fit(self, training, context)
    }
}

impl Connect for ProcessParams {
    const NAME: &'static str = "process";

    fn name(&self) -> String {
        format!("process `{}`", self.command.join(" "))
    }

    fn common(&self) -> Common {
        Common {
            batch_size: self.batch_size,
            timeout_ms: self.timeout_ms,
            start_timeout_ms: self.start_timeout_ms,
            retries: self.retries,
            max_response_bytes: self.max_response_bytes,
            history_max: self.history_max,
            fold_in: self.fold_in,
        }
    }

    fn transport(&self) -> Result<Box<dyn Transport>, RecommendError> {
        let (command, bytes_max) = (self.command.clone(), self.max_response_bytes);
        Ok(Box::new(Pipes { command, bytes_max, child: None }))
    }
}

/// Lines over pipes; the child is started with the first.
struct Pipes {
    command: Vec<String>,
    bytes_max: u64,
    child: Option<Child>,
}

impl Transport for Pipes {
    fn exchange(&mut self, message: &[u8], timeout: Duration) -> Result<Vec<u8>, Fault> {
        let child = match &mut self.child {
            Some(child) => child,
            None => {
                let child = Child::start(&self.command, self.bytes_max, None).map_err(Fault::Silent)?;
                self.child.insert(child)
            }
        };
        child.send(message);
        child.receive(timeout).map_err(|trouble| match trouble {
            NoLine::Late => {
                let waited = format!("no answer within {} ms", timeout.as_millis());
                Fault::Silent(waited + &child.stderr())
            }
            NoLine::Ended(how) => Fault::Unusable(format!("the process {how}")),
            NoLine::TooLong => Fault::Unusable(format!("answer is longer than {} bytes", self.bytes_max)),
        })
    }

    fn hang_up(&mut self) {
        self.child = None;
    }
}

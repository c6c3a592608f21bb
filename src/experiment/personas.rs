//! `windtunnel agents build`: everybody's taste in words, written by the scenario's language model.
//! Must not know arms or sessions.

use super::prepare::Prepared;
use super::{RunError, RunOptions, WRONG_BEHAVIOR};
use crate::agent::behavior::llm::biography::Biographies;
use crate::llm::client::{Client, TapePlace};
use crate::scenario::Scenario;
use std::sync::Arc;

/// Has the personas of a scenario written into the file `options.out`. What has been said before is on the
/// tape, which lies beside the file where the scenario names none.
pub fn build(scenario: &Scenario, options: &RunOptions<'_>) -> Result<Biographies, RunError> {
    let path = match &scenario.llm.tape {
        Some(path) => options.base_dir.join(path),
        None => options.out.with_extension("tape.sqlite"),
    };
    let place = TapePlace { path, mode: options.tape };
    build_with(scenario, &Client::new(scenario.llm.clone(), options.base_dir, Some(place)), options)
}

/// The same with language models of the caller's own.
pub fn build_with(
    scenario: &Scenario,
    llm: &Arc<Client>,
    options: &RunOptions<'_>,
) -> Result<Biographies, RunError> {
    if options.out.exists() && !options.replaces() {
        return Err(RunError::Occupied { path: options.out.to_owned() });
    }
    let written = Prepared::new(scenario, options.base_dir, llm, options.progress).and_then(|prepared| {
        let setting = prepared.setting(scenario, prepared.streams);
        Ok(scenario.behavior.biographies(&setting, options.progress)?)
    });
    llm.close();
    let found = written?.ok_or_else(|| super::wrong_behavior(scenario, WRONG_BEHAVIOR))?;
    let text = toml::to_string(&found.file).expect("personas are TOML");
    let io = |source| RunError::Io { path: options.out.to_owned(), source };
    if let Some(parent) = options.out.parent() {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    crate::files::write_whole(options.out, text.as_bytes()).map_err(io)?;
    Ok(found)
}

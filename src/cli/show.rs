//! `windtunnel show`: one session as a conversation, and on request the prompts and replies behind it.

mod calls;

use super::{CliError, print};
use crate::report::conversation::terminal;
use crate::report::show::{Wanted, find};
use crate::report::visible::visible;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder
    dir: PathBuf,
    /// Whose session: an id of agents.csv
    #[arg(long, value_name = "USER", allow_hyphen_values = true)]
    user: String,
    /// In front of which arm; the first when not given
    #[arg(long, value_name = "ARM")]
    arm: Option<String>,
    /// In which feedback round
    #[arg(long, value_name = "N", default_value_t = 0)]
    round: u32,
    /// Print the prompts and replies behind it, too, from the run's tape
    #[arg(long)]
    calls: bool,
}

/// Shows the session.
pub fn run(arguments: &Arguments) -> Result<(), CliError> {
    let dir = &arguments.dir;
    if !dir.join("manifest.json").is_file() {
        let dir = dir.display();
        return Err(CliError::BadInput(anyhow::anyhow!(
            "{dir} is not a finished run: it has no manifest.json"
        )));
    }
    let wanted = Wanted { user: &arguments.user, arm: arguments.arm.as_deref(), round: arguments.round };
    let found = find(dir, wanted).map_err(|error| match error.is_bad_input() {
        true => CliError::bad_input(error),
        false => CliError::failed(error),
    })?;
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100);
    let mut text = format!("arm {}, round {}\n", visible(&found.arm), arguments.round);
    text.push_str(&terminal::text(&found.conversation, width));
    if arguments.calls {
        text.push('\n');
        text.push_str(&calls::told(dir, &arguments.user, arguments.round, &found, width)?);
    }
    print(&text)
}

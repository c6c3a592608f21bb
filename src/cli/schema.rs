//! `windtunnel schema`: the JSON Schema of the scenario file.

use super::{CliError, print};

/// Prints the schema.
pub fn run() -> Result<(), CliError> {
    let schema = crate::scenario::schema::schema();
    let text = serde_json::to_string_pretty(&schema).map_err(CliError::failed)?;
    print(&format!("{text}\n"))
}

//! The version of the scenario format: which files this program reads, and what it says of others. Must not know the
//! keys.
//!
//! The number counts breaks. It is raised when a key is renamed, goes away or comes to mean something else, so that a
//! file that was right is never read as something else; a key that is added raises nothing, since whoever does not
//! know it refuses it by name. A file without `version` is of the version that the program reads.

use super::params::Complaint;
use toml::{Table, Value};

/// The version that this program writes and reads.
pub const CURRENT: u32 = 1;

/// What is wrong with the version of a scenario: one of the future, or one that never was. A version of the wrong
/// type is the business of whoever reads the key.
pub fn complaint(table: &Table) -> Option<Complaint> {
    let version = table.get("version").and_then(Value::as_integer)?;
    let program = env!("CARGO_PKG_VERSION");
    let bound = match version {
        v if v == i64::from(CURRENT) => return None,
        v if v > i64::from(CURRENT) => format!(
            "{CURRENT}, the newest that windtunnel {program} reads: take a windtunnel that reads version {v} \
             (`windtunnel schema` prints what each reads), or write the scenario for version {CURRENT}"
        ),
        _ => format!("{CURRENT}: there is no earlier version of the scenario format"),
    };
    Some(Complaint::out_of_range("version", version, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(toml: &str) -> Option<String> {
        complaint(&toml.parse().expect("test TOML")).map(|complaint| complaint.to_string())
    }

    #[test]
    fn the_own_version_and_none_are_read_and_others_told_apart() {
        assert_eq!((told("version = 1"), told(""), told("version = \"1\"")), (None, None, None));
        let newer = told("version = 7").expect("refused");
        assert!(newer.starts_with("version is 7, must be 1, the newest that windtunnel "), "{newer}");
        assert!(newer.contains("take a windtunnel that reads version 7"), "{newer}");
        let never = told("version = 0").expect("refused");
        assert_eq!(never, "version is 0, must be 1: there is no earlier version of the scenario format");
    }
}

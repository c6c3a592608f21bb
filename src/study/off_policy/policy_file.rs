//! `policies.csv` of a run folder: what stood on everybody's first page of an arm that explores, what came of it, and
//! with which probability that arm and others would have put it there. Must not know recommenders.

use crate::intake::records::Bounded;
use crate::study::StudyError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Its name in a run folder.
pub const FILE_NAME: &str = "policies.csv";

/// One item that stood, or could have stood, at one place of an agent's first page in the first round.
///
/// For every place there is one row that was shown, and one for every other item that the target might have put there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// The arm whose log this is.
    pub logging: String,
    /// The arm whose value is asked for.
    pub target: String,
    /// Raw id of the agent.
    pub user: String,
    /// The place in the logging arm's list, from 1.
    pub place: u32,
    /// Raw id of the item.
    pub item: String,
    /// 1 where it was shown, else 0.
    pub shown: u8,
    /// Whether it was watched; of what was not shown, nothing is known.
    pub watched: Option<u8>,
    /// Whether it was rated 4 or more, likewise.
    pub liked: Option<u8>,
    /// Probability under the logging arm, given what stands above on the logged page; of what was shown.
    pub p_behaviour: Option<f64>,
    /// Probability under the logging arm, whatever stands above.
    pub p_behaviour_marginal: f64,
    /// Probability under the target, given what stands above on the logged page; of what was shown.
    pub p_target: Option<f64>,
    /// Probability under the target, whatever stands above.
    pub p_target_marginal: f64,
}

impl PolicyRow {
    /// The columns, in order.
    pub const HEADER: [&'static str; 12] = [
        "logging",
        "target",
        "user",
        "place",
        "item",
        "shown",
        "watched",
        "liked",
        "p_behaviour",
        "p_behaviour_marginal",
        "p_target",
        "p_target_marginal",
    ];
}

/// The rows of these two arms, in file order.
///
/// # Errors
/// When the file cannot be read or a row is not what it should be.
pub fn read(run_dir: &Path, logging: &str, targets: &[String]) -> Result<Vec<PolicyRow>, StudyError> {
    let path = run_dir.join(FILE_NAME);
    let file = std::fs::File::open(&path);
    let file = file.map_err(|source| StudyError::Io { path: path.clone(), source })?;
    let mut reader = csv::Reader::from_reader(Bounded::new(file));
    let mut rows = Vec::new();
    let bad = |error: csv::Error| StudyError::BadFile {
        path: path.clone(),
        line: error.position().map_or(0, csv::Position::line),
        problem: error.to_string(),
    };
    let header = reader.headers().map_err(bad)?.clone();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(bad)? {
        reader.get_mut().begin();
        let row: PolicyRow = record.deserialize(Some(&header)).map_err(bad)?;
        if row.logging == logging && targets.contains(&row.target) {
            rows.push(row);
        }
    }
    Ok(rows)
}

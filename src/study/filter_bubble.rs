//! Filter bubble and homogenisation: does what people are shown narrow, and do they come to be shown the same,
//! as arms learn from what their own agents did?
//!
//! Narrowing is a rising share of the top genre and falling numbers of genres, entropy and intra-list distance
//! within a session (Zhang et al., SIGIR 2024, §4.2); homogenisation is a rising Jaccard likeness between
//! people (Chaney, Stewart & Engelhardt, RecSys 2018). Both are held against a control without feedback. Must not
//! know recommenders.

use super::rounds::{Change, Rounds, RoundsParams, told};
use super::{Evidence, Study, StudyError, StudyKind, Told};
use crate::scenario::params::{self, Complaint};

/// The kind `filter_bubble`.
pub struct FilterBubble;

const NAME: &str = "filter_bubble";

/// What is looked at, the two published measures first. Films are of several genres at once, so the share of the top
/// genre is that of the items that are of it, whatever else they are; where an item's weight is divided among its
/// genres, more genres an item look like more variety.
const METRICS: [&str; 6] = [
    "top1_genre_items",
    "n_genres",
    "top1_genre_share",
    "genre_entropy",
    "intra_list_distance",
    "homogenisation",
];

/// The study, told its control.
struct Asked(RoundsParams);

impl StudyKind for FilterBubble {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "does what people are shown narrow over rounds of feedback, and do they come to be shown the same?"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(RoundsParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        Ok(Box::new(Asked(params::parse(at, table)?)))
    }
}

impl Study for Asked {
    fn arms(&self) -> Vec<&str> {
        self.0.control.as_deref().into_iter().collect()
    }

    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let rounds = Rounds::of(NAME, evidence, self.0.control.as_deref())?;
        let changes = rounds.changes(&METRICS);
        let mut warnings = Vec::new();
        if rounds.control.is_none() {
            warnings.push(rounds.no_control());
        }
        Ok(Told {
            question: "Does what people are shown narrow as arms learn from what their own agents did?".to_owned(),
            answer: answer(&rounds, &changes),
            findings: changes.iter().flat_map(|change| change.findings(rounds.control)).collect(),
            warnings,
            limits: vec![
                "How many genres a session shows depends on how many items it shows, and on how many genres those have: \
                 popular items tend to have more."
                    .to_owned(),
                "Nobody's taste changes here: a bubble is one of exposure, not of opinion.".to_owned(),
                rounds.on_being_used_up().to_owned(),
            ],
            tables: vec![rounds.table(&changes)],
            charts: METRICS.iter().filter_map(|metric| rounds.chart(metric)).collect(),
            ..Told::default()
        })
    }
}

/// Which arms narrow, against the control where there is one.
fn answer(rounds: &Rounds<'_>, changes: &[Change]) -> String {
    let find = |arm: &str, metric: &str| changes.iter().find(|c| c.arm == arm && c.metric == metric);
    let sentences = rounds.arms().filter_map(|arm| {
        let (top, genres) = (find(arm, "top1_genre_items")?, find(arm, "n_genres")?);
        let against = top.against_control.zip(genres.against_control);
        let (of_top, of_genres) = against.or(top.change.zip(genres.change))?;
        let verdict =
            match (of_top.is_shown() && of_top.value > 0.0, of_genres.is_shown() && of_genres.value < 0.0) {
                (true, true) => "narrows",
                (false, false) if of_top.is_shown() && of_genres.is_shown() => "widens",
                (false, false) => "does not narrow as far as can be shown",
                _ => "narrows by one measure only",
            };
        let yardstick = match (against, rounds.control) {
            (Some(_), Some(control)) => format!(" against {control}"),
            _ => String::new(),
        };
        Some(format!(
            "{arm} {verdict}{yardstick}: items of the top genre {}; genres in a session {}.",
            told(&of_top, &top.unit),
            told(&of_genres, &genres.unit)
        ))
    });
    let sentences: Vec<String> = sentences.collect();
    if sentences.is_empty() {
        "Nothing could be compared over rounds.".to_owned()
    } else {
        sentences.join(" ")
    }
}

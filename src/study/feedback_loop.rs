//! Feedback-loop drift: where do popularity, concentration and satisfaction go as arms learn from what their own
//! agents did?
//!
//! Mansoury et al. (CIKM 2020, "Feedback Loop and Bias Amplification in Recommender Systems") follow average
//! popularity, diversity and the drift of profiles over rounds; here the same is held against a control without
//! feedback, so that what the catalogue running dry does is not taken for learning. Must not know recommenders.

use super::rounds::{Change, Rounds, RoundsParams, told};
use super::{Evidence, Study, StudyError, StudyKind, Told};
use crate::report::{format, labels};
use crate::scenario::params::{self, Complaint};

/// The kind `feedback_loop`.
pub struct FeedbackLoop;

const NAME: &str = "feedback_loop";

/// What is followed: popularity and concentration first, then what people make of it.
const METRICS: [&str; 8] = [
    "average_popularity",
    "novelty",
    "tail_share",
    "exposure_gini",
    "catalogue_coverage",
    "homogenisation",
    "p_view",
    "s_sat",
];

/// The study, told its control.
struct Asked(RoundsParams);

impl StudyKind for FeedbackLoop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "where do popularity, concentration and satisfaction drift over rounds of feedback?"
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
            question: "Where do popularity, concentration and satisfaction go as arms learn from their own agents?"
                .to_owned(),
            answer: answer(&rounds, &changes),
            findings: changes.iter().flat_map(|change| change.findings(rounds.control)).collect(),
            warnings,
            limits: vec![
                rounds.on_being_used_up().to_owned(),
                "Only what agents watched feeds back: no item is added, nobody joins or leaves, and nobody's taste \
                 moves."
                    .to_owned(),
                "Popularity is that of the first training set throughout, so a rise means that what was popular at \
                 the start is shown more."
                    .to_owned(),
            ],
            tables: vec![rounds.table(&changes)],
            charts: METRICS.iter().filter_map(|metric| rounds.chart(metric)).collect(),
            ..Told::default()
        })
    }
}

/// What drifted in every arm, against the control where there is one.
fn answer(rounds: &Rounds<'_>, changes: &[Change]) -> String {
    let sentences = rounds.arms().map(|arm| {
        let own = changes.iter().filter(|change| change.arm == arm);
        let drifts = own.filter_map(|change| {
            let found = change.against_control.or(change.change)?;
            let direction = if found.value > 0.0 { "up" } else { "down" };
            let what = labels::heading(&change.metric);
            found.is_shown().then(|| format!("{what} {direction} ({})", told(&found, &change.unit)))
        });
        let drifts: Vec<String> = drifts.collect();
        match drifts.as_slice() {
            [] => format!("{arm}: no drift could be shown."),
            drifts => format!("{arm}: {}.", drifts.join("; ")),
        }
    });
    let yardstick = match rounds.control {
        Some(control) => {
            format!("Against {control}, which learns nothing, from round 1 to {}: ", rounds.ends.1 + 1)
        }
        None => format!("From round 1 to {}: ", rounds.ends.1 + 1),
    };
    let concentration = rounds.arms().filter_map(|arm| {
        let gini = changes.iter().find(|change| change.arm == arm && change.metric == "exposure_gini")?;
        let (first, last) = (format::number(gini.values.0), format::number(gini.values.1));
        Some(format!("{arm} {first} → {last}"))
    });
    let concentration: Vec<String> = concentration.collect();
    format!(
        "{yardstick}{} Gini index of exposure: {}.",
        sentences.collect::<Vec<_>>().join(" "),
        concentration.join(", ")
    )
}

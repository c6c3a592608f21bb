//! Causes: what leads to what among items, as DirectLiNGAM finds it in what happened (Zhang et al., SIGIR 2024, §5.2:
//! quality, popularity, exposure, clicks, ratings), beside what an experiment on exposure measures.
//!
//! The experiment is an arm of kind `boost` that wraps the arm looked at: which items it raised is drawn again from the
//! run's key. Must not know recommenders: of that arm it reads the name of its kind and its share, no more.

pub mod experiment;
pub mod items;
pub mod lars;
pub mod linear;
pub mod lingam;
pub mod observations;
pub mod prior;
pub mod stability;
mod telling;

#[cfg(test)]
mod oracle;

use super::{ArmEvidence, Evidence, Study, StudyError, StudyKind, Told};
use crate::rng::Purpose;
use crate::scenario::params::{self, Complaint, within};
use crate::stats::assignment::treated;
use experiment::{Change, Effect, effect};
use items::{Counts, Tally, Totals, prior};
use observations::CausesError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stability::{Stability, stability};

/// The kind `causes`.
pub struct Causes;

const NAME: &str = "causes";

/// The kind of an arm that raises some items at random.
const BOOST: &str = "boost";

/// Parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CausesParams {
    /// The arm that is looked at; the one that the experiment wraps, where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// The experiment: an arm of kind `boost` that wraps the one looked at. The first there is, where none is named;
    /// without one, nothing is measured beside what is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boosted: Option<String>,
    /// Whether the order quality and popularity, exposure, clicks, ratings is known beforehand.
    pub prior_order: bool,
    /// How often items are drawn anew, 50..=10000.
    pub n_bootstrap: u32,
    /// Sessions in which an item must have been shown to be among those looked at, 1..=100000.
    pub min_exposures: u32,
    /// Ratings that it must have got, 1..=100000.
    pub min_ratings: u32,
}

impl Default for CausesParams {
    fn default() -> Self {
        CausesParams {
            arm: None,
            boosted: None,
            prior_order: true,
            n_bootstrap: 500,
            min_exposures: 10,
            min_ratings: 3,
        }
    }
}

impl StudyKind for Causes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "what leads to what among items (quality, popularity, exposure, clicks, ratings), and does an experiment agree?"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(CausesParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        let params = params::parse::<CausesParams>(at, table)?;
        within(at, "n_bootstrap", params.n_bootstrap, 50, 10_000)?;
        within(at, "min_exposures", params.min_exposures, 1, 100_000)?;
        within(at, "min_ratings", params.min_ratings, 1, 100_000)?;
        Ok(Box::new(params))
    }
}

impl Study for CausesParams {
    fn arms(&self) -> Vec<&str> {
        self.arm.as_deref().into_iter().chain(self.boosted.as_deref()).collect()
    }

    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let (arm, boosted) = self.looked_at(evidence)?;
        let observed = tally(evidence, arm)?;
        let found = self.discovered(evidence, &observed.over(0..observed.n_rounds()))?;
        let measured = match boosted {
            Some(boosted) => measured(evidence, arm, boosted, &observed)?,
            None => None,
        };
        let warnings = match (boosted, &measured) {
            (None, _) => vec![format!(
                "There is no experiment: nothing is measured beside what is found. Add an arm with `kind = \"{BOOST}\"` \
                 and `wraps = \"{}\"`.",
                evidence.arms[arm].name
            )],
            (Some(boosted), None) => vec![format!(
                "{} cannot be read as an experiment: it has too few items, or loads a model that another run fitted.",
                evidence.arms[boosted].name
            )],
            _ => Vec::new(),
        };
        let boosted = boosted.map(|boosted| evidence.arms[boosted].name.as_str());
        let names = telling::Names { arm: &evidence.arms[arm].name, boosted };
        Ok(telling::told(&names, &found, measured.as_ref(), self.prior_order, warnings))
    }
}

/// What was found.
pub struct Found {
    /// With the prior order, where there is one.
    pub stability: Stability,
    /// Without it; the same where there is none.
    pub without_prior: Stability,
    /// Standard deviation of each variable.
    pub spreads: Vec<f64>,
    /// Items looked at.
    pub n_items: usize,
}

/// What was measured.
pub struct Measured {
    /// Effects of exposure, each on a variable (by its place), with the unit of the outcome.
    pub on: Vec<(usize, Effect)>,
    /// Its effect on how many people have the item when the last round is fitted, in people an exposure; with several
    /// rounds, of arms that learn.
    pub on_next_popularity: Option<Effect>,
    /// Mean exposure of raised items without the experiment, to read its gain against.
    pub exposure_before: f64,
}

impl CausesParams {
    /// The arm looked at and the experiment, by their places.
    fn looked_at(&self, evidence: &Evidence<'_>) -> Result<(usize, Option<usize>), StudyError> {
        let is_boost = |arm: &&ArmEvidence| arm.kind == BOOST;
        let wraps = |arm: &ArmEvidence, name: &str| arm.wraps.as_deref() == Some(name);
        let boosted = match (&self.boosted, &self.arm) {
            (Some(name), _) => evidence.arm(name),
            (None, Some(arm)) => evidence.arms.iter().position(|a| is_boost(&a) && wraps(a, arm)),
            (None, None) => evidence.arms.iter().position(|a| is_boost(&a)),
        };
        let wrapped = boosted.and_then(|boosted| evidence.arm(evidence.arms[boosted].wraps.as_deref()?));
        let arm = self.arm.as_deref().and_then(|name| evidence.arm(name)).or(wrapped).unwrap_or(0);
        if evidence.arms.is_empty() {
            return Err(unanswerable("there are no arms".to_owned()));
        }
        if let Some(boosted) = boosted.map(|at| &evidence.arms[at]) {
            let name = &evidence.arms[arm].name;
            if boosted.kind != BOOST || !wraps(boosted, name) {
                return Err(unanswerable(format!(
                    "{} is a {} of {}, expected a {BOOST} of {name}",
                    boosted.name,
                    boosted.kind,
                    boosted.wraps.as_deref().unwrap_or("nothing")
                )));
            }
        }
        Ok((arm, boosted))
    }

    /// Causes in what happened.
    fn discovered(&self, evidence: &Evidence<'_>, totals: &Totals) -> Result<Found, StudyError> {
        if evidence.catalogue.items.iter().all(|item| item.mean_rating.is_none()) {
            return Err(unanswerable("the data have no ratings, and quality is told by them".to_owned()));
        }
        let failed = |error: CausesError| {
            let (shown, rated) = (self.min_exposures, self.min_ratings);
            let which = format!("of the items shown {shown} times or more and rated {rated} times or more");
            unanswerable(format!("{which}: {error}"))
        };
        let seen =
            totals.observations(evidence.catalogue, self.min_exposures, self.min_ratings).map_err(failed)?;
        let confidence = evidence.statistics.confidence;
        let search = |ordered: bool| {
            stability(&seen, &prior(ordered), self.n_bootstrap, confidence, &evidence.streams).map_err(failed)
        };
        let stability = search(self.prior_order)?;
        let without_prior = if self.prior_order { search(false)? } else { stability.clone() };
        let covariances = &seen.moments().covariances;
        let spreads = (0..seen.n_variables()).map(|at| covariances.at(at, at).sqrt()).collect();
        Ok(Found { stability, without_prior, spreads, n_items: seen.n_rows() })
    }
}

fn unanswerable(problem: String) -> StudyError {
    StudyError::Unanswerable { study: NAME.to_owned(), problem }
}

fn tally(evidence: &Evidence<'_>, arm: usize) -> Result<Tally, StudyError> {
    let mut tally = Tally::new(evidence.catalogue.items.len());
    evidence.for_each_session(arm, &mut |session| tally.take(session))?;
    Ok(tally)
}

/// What the experiment says; `None` where it cannot be read.
fn measured(
    evidence: &Evidence<'_>,
    arm: usize,
    boosted: usize,
    without: &Tally,
) -> Result<Option<Measured>, StudyError> {
    let table = evidence.scenario.arms.get(&evidence.arms[boosted].name).and_then(toml::Value::as_table);
    let share = table.and_then(|table| table.get("share")).and_then(toml::Value::as_float);
    let is_loaded = table.is_some_and(|table| table.contains_key("model"));
    let Some(share) = share.filter(|_| !is_loaded) else { return Ok(None) };
    let is_raised = treated(evidence.catalogue.items.len(), share, Purpose::Boost, &evidence.streams);
    let with = tally(evidence, boosted)?;
    let n_rounds = without.n_rounds().max(with.n_rounds());
    let (before, after) = (without.over(0..n_rounds), with.over(0..n_rounds));
    let run = |before: &Totals, after: &Totals, outcome: &dyn Fn(&Totals, &Counts) -> Option<f64>| {
        effect(&changes(&is_raised, before, after, outcome), evidence.statistics, &evidence.streams)
    };
    let click = run(&before, &after, &|totals, counts| Some(totals.share(counts.n_watched)));
    let rating = run(&before, &after, &|_, counts| counts.mean_rating());
    let Some(click) = click else { return Ok(None) };
    let learns = n_rounds > 1 && evidence.arms[arm].is_refitted && evidence.arms[boosted].is_refitted;
    let next = n_rounds.saturating_sub(1);
    // Who watches an item has it in the training of the rounds to come.
    let gained = |totals: &Totals, counts: &Counts| Some(totals.share(counts.n_watched));
    let on_next_popularity =
        if learns { run(&without.over(0..next), &with.over(0..next), &gained) } else { None };
    let raised = is_raised.iter().zip(&before.items).filter(|(is_raised, _)| **is_raised);
    let shown: Vec<f64> = raised.map(|(_, counts)| before.share(counts.n_shown)).collect();
    let on = std::iter::once((items::CLICK, click)).chain(rating.map(|rating| (items::RATING, rating)));
    Ok(Some(Measured {
        on: on.collect(),
        on_next_popularity,
        exposure_before: shown.iter().sum::<f64>() / shown.len().max(1) as f64,
    }))
}

/// What changed for every item that has the outcome in both arms.
fn changes(
    is_raised: &[bool],
    before: &Totals,
    after: &Totals,
    outcome: &dyn Fn(&Totals, &Counts) -> Option<f64>,
) -> Vec<Change> {
    let items = is_raised.iter().zip(before.items.iter().zip(&after.items));
    let change = |(&is_raised, (old, new)): (&bool, (&Counts, &Counts))| {
        Some(Change {
            is_raised,
            exposure: after.share(new.n_shown) - before.share(old.n_shown),
            outcome: outcome(after, new)? - outcome(before, old)?,
        })
    };
    items.filter_map(change).collect()
}

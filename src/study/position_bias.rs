//! Position bias: how much does the place on the page decide what is watched?
//!
//! On pages in random order watch rates by slot are in the ratio of examination probabilities, and click models are
//! fitted and compared; on ranked pages slot and relevance are confounded, and the study says so, shows what the
//! naive estimate would be, and what the differences between arms can make up for. Parts: [`propensity`] without a
//! model, [`position_based`] and [`cascade`] as models, [`compare`] on people they were not fitted on. Must not know
//! recommenders.

pub mod cascade;
pub mod click_model;
pub mod compare;
mod gather;
pub mod pages;
pub mod position_based;
pub mod propensity;
mod sentences;
mod tables;
#[cfg(test)]
mod tests;
mod truth;

use super::{Evidence, Study, StudyError, StudyKind, Told};
use crate::scenario::params::{self, Complaint};
use crate::world::Presentation;
use cascade::{Cascade, DependentClick};
use click_model::ClickModel;
use compare::{Advantage, Score};
use position_based::{PositionBased, PositionBlind};
use propensity::Propensity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truth::Truth;

/// The kind `position_bias`.
pub struct PositionBias;

const NAME: &str = "position_bias";

/// Most fits to resampled people behind the intervals of a click model.
const N_FITS_MAX: u32 = 200;

/// What one attractiveness is shared by, in click models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attractiveness {
    /// Each item has its own, the same to everybody.
    #[default]
    Item,
    /// Items that match a profile's genres alike and are alike in popularity (50 kinds).
    Match,
}

/// Parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PositionBiasParams {
    /// What one attractiveness is shared by, in click models.
    pub attractiveness: Attractiveness,
    /// How many exposures at the mean watch rate each attractiveness starts from, above 0 and at most 1000.
    pub prior_strength: f64,
}

impl Default for PositionBiasParams {
    fn default() -> Self {
        PositionBiasParams { attractiveness: Attractiveness::Item, prior_strength: 10.0 }
    }
}

impl StudyKind for PositionBias {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "how much does the place on the page decide what is watched? propensities by slot, click models compared"
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(PositionBiasParams)
    }

    fn check(&self, at: &str, table: &toml::Table) -> Result<Box<dyn Study>, Complaint> {
        let params: PositionBiasParams = params::parse(at, table)?;
        let strength = params.prior_strength;
        if !(strength > 0.0 && strength <= 1000.0) {
            let at = format!("{at}.prior_strength");
            return Err(Complaint::out_of_range(at, strength, "above 0 and at most 1000"));
        }
        Ok(Box::new(params))
    }
}

/// Everything found, before it is told.
struct Found<'a> {
    evidence: &'a Evidence<'a>,
    is_shuffled: bool,
    n_pages: usize,
    /// Watch rates by slot and their ratios, of all arms together.
    by_slot: Vec<Propensity>,
    /// The same arm by arm.
    by_arm: Vec<Vec<Propensity>>,
    /// From items that two arms showed the same agent in both slots; empty on shuffled pages.
    harvested: Vec<Propensity>,
    /// Relative examination in the position-based model, with intervals.
    position_based: Vec<(f64, Option<(f64, f64)>)>,
    has_converged: bool,
    scores: Vec<Score>,
    /// How much likelier a page is to the best model than to each, in nats, with its interval.
    behind: Vec<Option<Advantage>>,
    truth: Option<Truth>,
}

/// The model that tells best what people it was not fitted on watch, of those that call no page impossible.
fn best(scores: &[Score]) -> Option<&Score> {
    let possible = scores.iter().filter(|score| score.n_impossible == 0);
    possible.max_by(|a, b| a.per_page().total_cmp(&b.per_page()))
}

fn behind_best(scores: &[Score], evidence: &Evidence<'_>) -> Vec<Option<Advantage>> {
    let behind = |score: &Score| {
        let best = best(scores).filter(|best| best.model != score.model)?;
        compare::advantage((best, score), |s| &s.log_likelihood, evidence.statistics, &evidence.streams)
    };
    scores.iter().map(behind).collect()
}

impl Study for PositionBiasParams {
    fn tell(&self, evidence: &Evidence<'_>) -> Result<Told, StudyError> {
        let gathered = gather::gather(evidence, self.attractiveness)?;
        let is_shuffled = evidence.scenario.session.presentation == Presentation::Shuffled;
        let (statistics, streams) = (evidence.statistics, &evidence.streams);
        let strength = self.prior_strength;
        let (pages, n_persons) = (&gathered.pooled, gathered.persons.len());
        let based = PositionBased { strength };
        let fitted = based.numbers(pages, &vec![1.0; n_persons]);
        let n_fits = statistics.n_bootstrap.min(N_FITS_MAX) as usize;
        let intervals = based.intervals(pages, n_fits, statistics.confidence, streams);
        let (blind, cascade, dependent) =
            (PositionBlind { strength }, Cascade { strength }, DependentClick { strength });
        let models: [&dyn ClickModel; 4] = [&based, &dependent, &cascade, &blind];
        let of_arm = |pages| propensity::by_slot(pages, statistics, streams);
        let person_of = |agent: u32| gathered.persons[agent as usize];
        let people = (n_persons, &person_of as &dyn Fn(u32) -> u32);
        let scores = compare::cross_fitted(pages, &models, streams);
        Found {
            evidence,
            is_shuffled,
            n_pages: pages.len(),
            by_slot: of_arm(pages),
            by_arm: gathered.by_arm.iter().map(of_arm).collect(),
            harvested: propensity::harvested(
                gathered.sightings,
                pages.n_slots(),
                people,
                statistics,
                streams,
            ),
            position_based: fitted.relative_examination().into_iter().zip(intervals).collect(),
            has_converged: fitted.has_converged,
            behind: behind_best(&scores, evidence),
            scores,
            truth: truth::of(evidence.scenario, pages.n_slots()),
        }
        .told()
    }
}

impl Found<'_> {
    fn told(&self) -> Result<Told, StudyError> {
        Ok(Told {
            question: "How much does the place on the page decide what is watched?".to_owned(),
            answer: self.answer(),
            findings: self.findings(),
            warnings: self.warnings(),
            limits: self.limits(),
            tables: self.tables(),
            charts: self.charts(),
            ..Told::default()
        })
    }

    /// The last slot of a page.
    fn last(&self) -> usize {
        self.by_slot.len() - 1
    }

    fn best(&self) -> Option<&Score> {
        best(&self.scores)
    }

    /// How much better the best model is than this one, in nats a page.
    fn behind(&self, score: &Score) -> Option<Advantage> {
        let at = self.scores.iter().position(|own| own.model == score.model)?;
        self.behind[at]
    }
}

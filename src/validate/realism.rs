//! The simulation beside the reference: aggregates, distances, tiers and the discriminator, of
//! the same people. Must not know where the reference came from.

use super::aggregates;
use super::check::{Bound, Check, Group};
use super::discriminator::{Classifier, N_REPETITIONS_MAX, Rows, discriminate, features};
use super::distances::{self, Distribution};
use super::simulate::Stage;
use super::tiers::{self, TierPair};
use crate::event::Session;
use crate::report::estimate::{Estimate, Ratio};

/// What stood beside the reference, for the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Realism {
    /// Every check.
    pub checks: Vec<Check>,
    /// The distributions.
    pub distributions: Vec<Distribution>,
    /// The tiers.
    pub tiers: Vec<TierPair>,
    /// Watch rate by slot, reference and simulation.
    pub slots: Vec<(Option<Estimate>, Option<Estimate>)>,
    /// What gives the simulation away, feature by feature.
    pub features: Vec<FeatureRow>,
}

/// One feature of the discriminator.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow {
    /// Its name.
    pub name: String,
    /// Mean over the reference.
    pub reference: f64,
    /// Mean over the simulation.
    pub simulated: f64,
    /// Area under the curve of this feature alone: the chance that a recorded session has more of it.
    pub auc: Option<f64>,
}

/// Compares. `simulated` holds, repetition by repetition, the sessions of the people of `reference`
/// in the same order.
///
/// # Panics
/// When a repetition does not have exactly these people.
pub fn compare(stage: &Stage<'_>, reference: &[Session], simulated: &[Vec<Session>]) -> Realism {
    for sessions in simulated {
        let same = sessions.iter().map(|s| s.agent).eq(reference.iter().map(|s| s.agent));
        assert!(same, "every repetition has the people of the reference");
    }
    let (file, rules, streams) = (&stage.scenario.file, stage.rules(), stage.prepared.streams);
    let (bounds, confidence) = (&file.validation, file.statistics.confidence);
    let extent = (rules.items_per_page, rules.max_pages as usize);
    let mut found = Realism {
        checks: aggregates::checks(reference, simulated, stage.setting(), bounds, &file.statistics, &streams),
        ..Realism::default()
    };
    let (checks, distributions) =
        distances::compare(reference, simulated, extent, bounds, confidence, &streams);
    found.checks.extend(checks);
    found.distributions = distributions;
    let (checks, tiers) = tiers::compare(reference, simulated, stage.profiles, extent.1, bounds, confidence);
    found.checks.extend(checks);
    found.tiers = tiers;
    let (checks, features) = discriminator(stage, reference, simulated);
    found.checks.extend(checks);
    found.features = features;
    found.slots = slots(reference, simulated, extent.0, confidence);
    found
}

/// Both classifiers against the reference, and as a floor one repetition against another.
fn discriminator(
    stage: &Stage<'_>,
    reference: &[Session],
    simulated: &[Vec<Session>],
) -> (Vec<Check>, Vec<FeatureRow>) {
    let n_slots = stage.rules().items_per_page;
    let setting = stage.setting();
    let rows = |sessions: &[Session]| -> Rows {
        let of = |session: &Session| {
            let agent = setting.population.agent(session.agent);
            features::of(session, agent, setting.catalogue, n_slots)
        };
        sessions.iter().map(of).collect()
    };
    let real = rows(reference);
    let made: Vec<Rows> = simulated.iter().take(N_REPETITIONS_MAX).map(|s| rows(s)).collect();
    let confidence = stage.scenario.file.statistics.confidence;
    let streams = stage.prepared.streams;
    let check = |classifier: Classifier| {
        let found = discriminate(classifier, &real, &made, confidence, streams);
        let mut check = Check::new(Group::Discriminator, format!("auc {}", classifier.name()), "index", found)
            .bounded(Bound::AtMost(stage.scenario.file.validation.auc))
            .about("area under the curve of a classifier that tells recorded sessions from simulated ones; .5 is perfect");
        let floor = made
            .split_first()
            .filter(|(_, others)| !others.is_empty())
            .and_then(|(one, others)| discriminate(classifier, one, others, confidence, streams));
        check.floor.luck = floor.map(|floor| floor.value);
        check
    };
    let checks = Classifier::ALL.map(check).to_vec();
    (checks, feature_rows(&real, &made, &features::names(n_slots)))
}

fn feature_rows(real: &Rows, made: &[Rows], names: &[String]) -> Vec<FeatureRow> {
    use super::discriminator::auc::{Scored, auc};
    let column = |rows: &Rows, k: usize| -> Vec<f64> { rows.iter().map(|row| row[k]).collect() };
    let row = |(k, name): (usize, &String)| {
        let theirs = column(real, k);
        let ours: Vec<f64> = made.iter().flat_map(|rows| column(rows, k)).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let side = |values: &[f64], positive| -> Vec<Scored> {
            values.iter().map(|&score| Scored { score, positive, weight: 1.0 }).collect()
        };
        FeatureRow {
            name: name.clone(),
            reference: mean(&theirs),
            simulated: mean(&ours),
            auc: auc([side(&theirs, true), side(&ours, false)].concat()),
        }
    };
    names.iter().enumerate().map(row).collect()
}

/// Watch rate by slot, clustered by person.
fn slots(
    reference: &[Session],
    simulated: &[Vec<Session>],
    n_slots: usize,
    confidence: f64,
) -> Vec<(Option<Estimate>, Option<Estimate>)> {
    let rate = |slot: usize, repetitions: &[&[Session]]| {
        let mut ratio = Ratio::default();
        for person in 0..reference.len() {
            let seen: Vec<bool> = repetitions
                .iter()
                .flat_map(|sessions| &sessions[person].pages)
                .filter_map(|page| page.slots.get(slot))
                .map(|slot| slot.watched)
                .collect();
            ratio.add(seen.iter().filter(|watched| **watched).count() as f64, seen.len() as f64);
        }
        ratio.estimate(confidence)
    };
    let ours: Vec<&[Session]> = simulated.iter().map(Vec::as_slice).collect();
    (0..n_slots).map(|slot| (rate(slot, &[reference]), rate(slot, &ours))).collect()
}

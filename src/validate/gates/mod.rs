//! Sanity gates: what must hold in any world whose verdicts are worth something. Each has a
//! name, a measured value with its interval, a bound and a sentence. They need no reference.
//!
//! People meet every probe with the same luck, so differences are taken person by person. The
//! arms made here know taste; they exist for the length of a validation and are in no list.

mod diversity;
mod memory;
mod order;
mod position;
mod probe;
mod relevance;
mod repetition;

use super::ValidateError;
use super::check::{Check, Group};
use super::simulate::Stage;
use crate::event::Session;
use crate::experiment::RunError;
use crate::progress::Progress;
use crate::recommender::without::ColdRule;
use crate::recommender::{self, Recommender};
use crate::report::estimate::{Estimate, Mean};
use crate::scenario::{Arm, Feedback};
use probe::Probes;
use std::path::Path;
use std::sync::Arc;

/// Coverage of the intervals of gates. Gates are many and run often, so each may only rarely
/// fail by chance.
pub const CONFIDENCE: f64 = 0.99;

/// What the gates found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gates {
    /// One check a gate.
    pub checks: Vec<Check>,
    /// Mean satisfaction by arm, the best expected first.
    pub order: Vec<(String, Option<Estimate>)>,
    /// Mean satisfaction by share of the page that holds what the agent likes best.
    pub doses: Vec<(f64, Option<Estimate>)>,
    /// Watch rate by slot on shuffled pages.
    pub slots: Vec<Option<Estimate>>,
}

/// A fitted arm.
#[derive(Clone)]
struct FittedArm {
    name: String,
    recommender: Arc<dyn Recommender>,
}

/// The arms that gates compare.
struct Arms {
    /// Arms of the scenario that learn, in its order.
    trained: Vec<FittedArm>,
    popular: FittedArm,
    random: FittedArm,
}

/// Runs every gate.
pub fn run(
    stage: &Stage<'_>,
    checkpoints: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Gates, ValidateError> {
    let arms = Arms::fit(stage, checkpoints, progress)?;
    progress.begin("gates", 6);
    let probes = Probes::new(stage, diversity::n_items(stage));
    let order = order::run(stage, &arms, &probes)?;
    progress.advance(1, "order");
    progress.go_on().map_err(RunError::Stopped)?;
    let best = order.best.clone();
    let mut checks = order.checks;
    let (aa, common) = repetition::run(stage, &best)?;
    checks.extend(aa);
    checks.push(common);
    progress.advance(1, "repetition");
    progress.go_on().map_err(RunError::Stopped)?;
    let (relevance, doses) = relevance::run(stage, &probes)?;
    checks.push(relevance);
    progress.advance(1, "relevance");
    progress.go_on().map_err(RunError::Stopped)?;
    checks.push(diversity::run(stage, &probes)?);
    progress.advance(1, "diversity");
    progress.go_on().map_err(RunError::Stopped)?;
    let (position, slots) = position::run(stage, &best)?;
    checks.extend(position);
    progress.advance(1, "position");
    progress.go_on().map_err(RunError::Stopped)?;
    checks.push(memory::run(stage, &best)?);
    progress.advance(1, "memory");
    progress.end();
    Ok(Gates { checks, order: order.means, doses, slots })
}

impl Arms {
    /// Fits the scenario's arms, and popularity and chance where it has none.
    fn fit(
        stage: &Stage<'_>,
        checkpoints: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<Arms, ValidateError> {
        let fitted = |arm: &Arm| -> Result<FittedArm, ValidateError> {
            let p = stage.prepared;
            let workshop = p.workshop(&stage.scenario.arms, checkpoints, progress);
            let (model, _) = workshop.fit(&p.split, arm, 0)?;
            Ok(FittedArm { name: arm.name.clone(), recommender: model.into() })
        };
        let is = |arm: &Arm, kind: &str| arm.kind.name() == kind;
        let untrained = |kind: &str| match stage.scenario.arms.iter().find(|arm| is(arm, kind)) {
            Some(arm) => fitted(arm),
            None => fitted(&plain(kind)),
        };
        let learns = |arm: &&Arm| !is(arm, "popular") && !is(arm, "random");
        Ok(Arms {
            trained: stage.scenario.arms.iter().filter(learns).map(fitted).collect::<Result<_, _>>()?,
            popular: untrained("popular")?,
            random: untrained("random")?,
        })
    }
}

/// An arm of this kind with its default parameters, under its own name.
fn plain(name: &str) -> Arm {
    let kind = recommender::kind(name).expect("a recommender that is always there");
    let trainer = kind.check(name, &toml::Table::new()).expect("its defaults are valid");
    Arm {
        name: name.to_owned(),
        kind,
        trainer,
        model: None,
        cold_items: ColdRule::AsScored,
        feedback: Feedback::default(),
        cues: None,
    }
}

/// The second minus the first, person by person, over those who have both.
fn paired(
    first: &[Session],
    second: &[Session],
    value: impl Fn(&Session) -> Option<f64>,
) -> Option<Estimate> {
    let mut mean = Mean::default();
    let mut others = second.iter().peekable();
    for one in first {
        while others.next_if(|other| other.agent < one.agent).is_some() {}
        let Some(other) = others.peek().filter(|other| other.agent == one.agent) else { continue };
        if let (Some(a), Some(b)) = (value(one), value(other)) {
            mean.add(b - a);
        }
    }
    mean.estimate(CONFIDENCE)
}

/// The mean over everybody who has the value.
fn mean(sessions: &[Session], value: impl Fn(&Session) -> Option<f64>) -> Option<Estimate> {
    let mut mean = Mean::default();
    sessions.iter().filter_map(value).for_each(|value| mean.add(value));
    mean.estimate(CONFIDENCE)
}

fn satisfaction(session: &Session) -> Option<f64> {
    session.satisfaction.map(f64::from)
}

fn gate(name: impl Into<String>, unit: &'static str, found: Option<Estimate>) -> Check {
    Check::new(Group::Gate, name, unit, found)
}

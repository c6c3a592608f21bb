//! The one training loop: epochs, learning curve, early stopping, checkpoints, progress.
//! Must not know what a [`Learner`] learns.

use super::checkpoint::{Checkpoint, Fingerprint};
use super::validation::{Holdout, MEASURE};
use crate::recommender::{CurvePoint, FitContext, RecommendError, Training};
use crate::scenario::params::{Complaint, within};
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// A model in training.
pub trait Learner {
    /// Runs one epoch, numbered from 1, and returns its mean loss.
    fn epoch(&mut self, epoch: u32) -> f64;

    /// The measure early stopping watches (higher is better).
    fn validate(&mut self, holdout: &Holdout<'_>) -> f64;

    /// Everything the next epoch depends on besides its number: the tables that make
    /// the model, then whatever the optimiser remembers.
    fn state(&mut self) -> Vec<&mut Vec<f32>>;

    /// How many tables of [`Learner::state`], from the first, make the model.
    fn n_model_tables(&self) -> usize;
}

/// How long to train.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Epochs at most.
    pub epochs: u32,
    /// Epochs between two validations.
    pub eval_every: u32,
    /// Validations without a new best before training stops.
    pub patience: u32,
}

impl Schedule {
    /// Checks the three against their bounds; `at` is the dotted path of the parameters.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        within(at, "epochs", self.epochs, 1, 100_000)?;
        within(at, "eval_every", self.eval_every, 1, 100_000)?;
        within(at, "patience", self.patience, 1, 100_000)
    }
}

/// The best model so far.
#[derive(Clone, Debug, Default)]
pub struct Best {
    /// Its measure.
    pub value: f64,
    /// Its epoch; 0 before the first validation.
    pub epoch: u32,
    /// Its tables.
    pub tables: Vec<Vec<f32>>,
}

/// Time between two checkpoints; it decides what a killed run repeats, never what it computes.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(20);

/// Trains until the epochs are used up or validation stops improving, and leaves the
/// learner with its best tables (its last, where there is no holdout).
///
/// `kind`, `params` and `inputs` (the hash of what is learned from beside the interactions, where there is such) tell
/// which checkpoint is this training's.
pub fn train(
    kind: &'static str,
    params: &impl Serialize,
    inputs: &str,
    learner: &mut dyn Learner,
    schedule: Schedule,
    training: &Training<'_>,
    context: &mut FitContext<'_>,
) -> Result<(), RecommendError> {
    let holdout = Holdout::new(training.train, training.valid);
    let params = serde_json::to_string(params).unwrap_or_default();
    let fingerprint = Fingerprint {
        kind,
        params: format!("{params} {inputs}"),
        train: training.train,
        valid: training.valid,
    };
    context.progress.begin(&format!("training {kind}"), u64::from(schedule.epochs));
    let result = run_epochs(learner, schedule, holdout.as_ref(), &fingerprint, context, CHECKPOINT_EVERY);
    context.progress.end();
    result
}

fn run_epochs(
    learner: &mut dyn Learner,
    schedule: Schedule,
    holdout: Option<&Holdout<'_>>,
    fingerprint: &Fingerprint<'_>,
    context: &mut FitContext<'_>,
    checkpoint_every: Duration,
) -> Result<(), RecommendError> {
    let folder = context.checkpoint_dir.clone();
    let hash = folder.as_ref().map(|_| fingerprint.hash(context));
    let mut best = Best::default();
    let mut first_epoch = 1;
    let curve_start = context.curve.len();
    if let (Some(dir), Some(hash)) = (&folder, &hash)
        && let Some(found) = Checkpoint::read(dir, hash)
        && found.restore_into(learner)
    {
        first_epoch = found.epoch + 1;
        context.progress.advance(u64::from(found.epoch), "resumed");
        context.curve.extend(found.curve.iter().cloned());
        best = found.best;
    }
    let mut checkpointed = Instant::now();
    for epoch in first_epoch..=schedule.epochs {
        if stale(&best, epoch - 1, schedule) {
            break;
        }
        if let Err(stopped) = context.progress.go_on() {
            if let (Some(dir), Some(hash), true) = (&folder, &hash, epoch > first_epoch) {
                write_checkpoint(dir, hash, epoch - 1, learner, &best, &context.curve[curve_start..])?;
            }
            return Err(stopped.into());
        }
        let loss = finite(epoch, "loss", learner.epoch(epoch))?;
        context.curve.push(CurvePoint { epoch, measure: "loss".to_owned(), value: loss });
        let mut note = format!("loss {loss:.4}");
        if let Some(holdout) = holdout
            && (epoch % schedule.eval_every == 0 || epoch == schedule.epochs)
        {
            let value = finite(epoch, MEASURE, learner.validate(holdout))?;
            context.curve.push(CurvePoint { epoch, measure: MEASURE.to_owned(), value });
            note = format!("{note}, {MEASURE} {value:.4}");
            if best.epoch == 0 || value > best.value {
                best = Best { value, epoch, tables: model_tables(learner) };
            }
        }
        context.progress.advance(1, &note);
        if let (Some(dir), Some(hash)) = (&folder, &hash)
            && checkpointed.elapsed() >= checkpoint_every
        {
            write_checkpoint(dir, hash, epoch, learner, &best, &context.curve[curve_start..])?;
            checkpointed = Instant::now();
        }
    }
    if best.epoch > 0 {
        for (table, best) in learner.state().into_iter().zip(best.tables) {
            *table = best;
        }
    }
    if let (Some(dir), Some(hash)) = (&folder, &hash) {
        Checkpoint::remove(dir, hash);
    }
    Ok(())
}

/// Whether `patience` validations have passed since the best.
fn stale(best: &Best, epoch: u32, schedule: Schedule) -> bool {
    best.epoch > 0 && epoch / schedule.eval_every >= best.epoch / schedule.eval_every + schedule.patience
}

fn finite(epoch: u32, measure: &str, value: f64) -> Result<f64, RecommendError> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(RecommendError::Diverged { epoch, measure: measure.to_owned(), value })
}

fn model_tables(learner: &mut dyn Learner) -> Vec<Vec<f32>> {
    let n = learner.n_model_tables();
    learner.state().into_iter().take(n).map(|table| table.clone()).collect()
}

fn write_checkpoint(
    dir: &Path,
    hash: &str,
    epoch: u32,
    learner: &mut dyn Learner,
    best: &Best,
    curve: &[CurvePoint],
) -> Result<(), RecommendError> {
    let tables = learner.state().into_iter().map(|table| table.clone()).collect();
    Checkpoint { epoch, tables, best: best.clone(), curve: curve.to_vec() }.write(dir, hash)
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;
    use crate::progress::Quiet;
    use crate::rng::Streams;

    /// Remembers a running mix of the epochs it has seen; "dies" in one of them.
    struct Chain {
        model: Vec<f32>,
        memory: Vec<f32>,
        dies_in: u32,
        recall: fn(u32) -> f64,
    }

    impl Learner for Chain {
        fn epoch(&mut self, epoch: u32) -> f64 {
            if epoch == self.dies_in {
                return f64::NAN;
            }
            self.memory[0] = self.memory[0] * 0.5 + epoch as f32;
            self.model[0] += self.memory[0];
            self.model[1] = epoch as f32;
            f64::from(self.model[0])
        }

        fn validate(&mut self, _holdout: &Holdout<'_>) -> f64 {
            (self.recall)(self.model[1] as u32)
        }

        fn state(&mut self) -> Vec<&mut Vec<f32>> {
            vec![&mut self.model, &mut self.memory]
        }

        fn n_model_tables(&self) -> usize {
            1
        }
    }

    fn train(
        dies_in: u32,
        recall: fn(u32) -> f64,
        dir: Option<&Path>,
        params: &str,
    ) -> (Chain, FitContext<'static>, bool) {
        let (train, valid) = toy::interactions();
        let holdout = Holdout::new(&train, &valid);
        let fingerprint =
            Fingerprint { kind: "chain", params: params.to_owned(), train: &train, valid: &valid };
        let mut context = FitContext {
            checkpoint_dir: dir.map(Path::to_owned),
            ..FitContext::plain(Streams::new(1), &Quiet)
        };
        let mut chain = Chain { model: vec![0.0; 2], memory: vec![0.0], dies_in, recall };
        let schedule = Schedule { epochs: 20, eval_every: 2, patience: 3 };
        let every = Duration::ZERO;
        let result = run_epochs(&mut chain, schedule, holdout.as_ref(), &fingerprint, &mut context, every);
        (chain, context, result.is_ok())
    }

    #[test]
    fn stops_after_patience_and_restores_the_best() {
        let (chain, context, ok) = train(0, |epoch| -(f64::from(epoch) - 6.0).abs(), None, "");
        assert!(ok);
        assert_eq!(chain.model[1], 6.0, "the best epoch");
        assert_eq!(context.curve.last().map(|point| point.epoch), Some(12), "6 + 3 validations of 2");
        let (chain, ..) = train(0, f64::from, None, "");
        assert_eq!(chain.model[1], 20.0, "still improving: to the end");
    }

    #[test]
    fn a_resumed_run_ends_as_an_uninterrupted_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let recall = |epoch: u32| -(f64::from(epoch) - 16.0).abs();
        let (whole, whole_context, _) = train(0, recall, None, "a");
        assert!(!train(9, recall, Some(dir.path()), "a").2, "dies in epoch 9");
        assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 1);
        let (other, ..) = train(1, recall, Some(dir.path()), "b");
        assert_eq!(other.model, [0.0; 2], "other parameters: the checkpoint is not theirs");
        let (resumed, context, ok) = train(1, recall, Some(dir.path()), "a");
        assert!(ok, "epoch 1 is not run again");
        assert_eq!(resumed.model, whole.model);
        assert_eq!(context.curve, whole_context.curve);
        assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 0, "done: removed");
    }

    #[test]
    fn a_damaged_checkpoint_is_ignored() {
        let dir = tempfile::tempdir().expect("a folder");
        train(9, f64::from, Some(dir.path()), "a");
        let mut files = std::fs::read_dir(dir.path()).expect("the folder");
        let path = files.next().expect("a checkpoint").expect("an entry").path();
        let whole = std::fs::read(&path).expect("written");
        for len in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..len]).expect("cut");
            assert!(!train(1, f64::from, Some(dir.path()), "a").2, "cut at {len}: starts over and dies");
        }
    }
}

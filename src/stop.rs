//! How long work is asked to stop: a flag that the command line raises and that work looks at between two
//! steps. Must not know signals or who raises it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A wish to stop, shared by whoever has it and whoever works. Once raised it stays.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Nobody wants to stop yet.
    pub fn new() -> Self {
        Stop::default()
    }

    /// Asks the work to stop at its next step.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it is to stop.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The flag itself, for what can only set flags.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

/// The work was asked to stop and did so between two steps: nothing failed. Errors of modules carry it as their
/// source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("stopped")]
pub struct Stopped;

/// Whether this error, or what caused it, is that the work was stopped.
pub fn is_stopped(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Stopped>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::RunError;
    use crate::recommender::RecommendError;

    #[test]
    fn a_stop_is_found_below_what_it_stopped() {
        let error = RunError::Recommend { arm: "mf".to_owned(), source: RecommendError::from(Stopped) };
        assert!(is_stopped(&error));
        assert!(is_stopped(&Stopped));
        assert!(is_stopped(&RunError::from(crate::dataset::DatasetError::from(Stopped))));
        assert!(!is_stopped(&RunError::Occupied { path: "x".into() }));
    }

    #[test]
    fn a_raised_flag_is_seen_by_every_copy() {
        let stop = Stop::new();
        let copy = stop.clone();
        assert!(!copy.is_requested());
        stop.flag().store(true, Ordering::SeqCst);
        assert!(copy.is_requested());
    }
}

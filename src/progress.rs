//! How long work tells how far it is, and hears that it is to stop. The library reports through this trait; only
//! the command line knows about terminals and signals.

use crate::stop::Stopped;

/// A listener for the progress of long work.
pub trait Progress: Send + Sync {
    /// A phase begins: what it is, and how many steps it has (0: unknown).
    fn begin(&self, phase: &str, n_steps: u64);
    /// `n_steps` more steps of the current phase are done; `note` is a short live remark.
    fn advance(&self, n_steps: u64, note: &str);
    /// The current phase is over.
    fn end(&self);
    /// Whether the work is to stop.
    fn is_stopped(&self) -> bool {
        false
    }
    /// What long work asks between two steps, wherever it may break off.
    ///
    /// # Errors
    /// [`Stopped`] when it is to stop; that travels up as any error does.
    fn go_on(&self) -> Result<(), Stopped> {
        if self.is_stopped() { Err(Stopped) } else { Ok(()) }
    }
}

/// Progress that nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _phase: &str, _n_steps: u64) {}
    fn advance(&self, _n_steps: u64, _note: &str) {}
    fn end(&self) {}
}

//! Progress bars on stderr, only where somebody can see them, only for what takes time.

use crate::progress::Progress;
use crate::report::visible::visible;
use crate::stop::Stop;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One bar at a time.
pub struct Bars {
    shown: bool,
    current: Mutex<Option<ProgressBar>>,
    stop: Stop,
}

impl Bars {
    /// Bars, unless `quiet` or stderr is not a terminal, over work that stops when `stop` says so.
    pub fn new(quiet: bool, stop: Stop) -> Self {
        Bars { shown: !quiet && std::io::stderr().is_terminal(), current: Mutex::new(None), stop }
    }
}

impl Progress for Bars {
    fn begin(&self, phase: &str, n_steps: u64) {
        if !self.shown {
            return;
        }
        let bar = if n_steps == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(n_steps) };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let template = match n_steps {
            0 => "{spinner} {prefix} {elapsed} {msg}",
            _ => "{prefix:24} {wide_bar} {pos}/{len} {elapsed} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(visible(phase));
        bar.enable_steady_tick(Duration::from_millis(250));
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn advance(&self, n_steps: u64, note: &str) {
        if let Some(bar) = self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            bar.inc(n_steps);
            if !note.is_empty() {
                bar.set_message(visible(note));
            }
        }
    }

    fn end(&self) {
        if let Some(bar) = self.current.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_requested()
    }
}

//! Ctrl-C and a polite kill: the first asks the work to stop at its next step, the second ends the process at once.
//! Must not know what the work is.

use crate::stop::Stop;

/// The exit code of work that was stopped, as shells have it for a process that Ctrl-C ended.
pub const EXIT_STOPPED: u8 = 130;

/// Raises `stop` on the first of these signals, and exits on the second.
#[cfg(unix)]
pub fn listen(stop: &Stop) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    for signal in [SIGINT, SIGTERM] {
        // In this order: the flag that the first signal raises is what makes the second end the process.
        flag::register_conditional_shutdown(signal, i32::from(EXIT_STOPPED), stop.flag())?;
        flag::register(signal, stop.flag())?;
    }
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            eprintln!("stopping at the next step; once more stops at once");
        }
    })?;
    Ok(())
}

/// Elsewhere Ctrl-C ends the process at once; what is on the disk is whole all the same.
#[cfg(not(unix))]
pub fn listen(_stop: &Stop) -> std::io::Result<()> {
    Ok(())
}

//! Drives a run.
//!
//! `decide` says, purely, what the run as a whole owes next; [`drive`] writes
//! it to the log, performs it, and waits for what comes of it. Recovery is the same loop over a replayed log.

/// A named place where a test makes the process die, as `kill -9` would.
#[cfg(feature = "failpoints")]
macro_rules! crash_point {
    ($when:literal, $what:expr) => {
        if fail::eval(&format!("{}.{}", $when, $what), |_| ()).is_some() {
            std::process::abort();
        }
    };
}
#[cfg(not(feature = "failpoints"))]
macro_rules! crash_point {
    ($when:literal, $what:expr) => {
        let _ = ($when, $what);
    };
}

mod decide;
mod driver;
mod finals;
pub mod search;

pub use decide::Mode;
pub use driver::{DriveError, Observer, Parts, Request, create, drive};

//! What an attempt has used so far, shared by all who need to know.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::processes::{Account, Sample};

/// A value this young is not measured again: a stage may report thousands of lines a second.
const FRESH: Duration = Duration::from_millis(50);

pub(super) struct Meter {
    started: Instant,
    state: Mutex<State>,
}

struct State {
    account: Account,
    last: Sample,
    at: Instant,
}

impl Meter {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        let state = State { account: Account::default(), last: Sample::default(), at: now };
        Self { started: now, state: Mutex::new(state) }
    }

    pub(super) fn wall_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Measures now.
    pub(super) fn measure(&self) -> Sample {
        lock(&self.state).measure()
    }

    /// Measures unless that was done a moment ago.
    pub(super) fn recent(&self) -> Sample {
        let mut state = lock(&self.state);
        if state.at.elapsed() < FRESH { state.last } else { state.measure() }
    }
}

impl State {
    fn measure(&mut self) -> Sample {
        self.last = self.account.measure();
        self.at = Instant::now();
        self.last
    }
}

/// A thread that panicked leaves a value that is whole, only older.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

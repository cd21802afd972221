//! What an attempt has used so far, shared by all who need to know.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::processes::{self, Sample};

/// A value this young is not measured again: a stage may report thousands of lines a second.
const FRESH: Duration = Duration::from_millis(50);

pub(super) struct Meter {
    started: Instant,
    last: Mutex<(Instant, Sample)>,
}

impl Meter {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self { started: now, last: Mutex::new((now, Sample::default())) }
    }

    pub(super) fn wall_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Measures now.
    pub(super) fn measure(&self) -> Sample {
        self.update(&mut lock(&self.last))
    }

    /// Measures unless that was done a moment ago.
    pub(super) fn recent(&self) -> Sample {
        let mut last = lock(&self.last);
        if last.0.elapsed() < FRESH { last.1 } else { self.update(&mut last) }
    }

    fn update(&self, last: &mut (Instant, Sample)) -> Sample {
        let mut sample = processes::sample();
        // Between a death and its being waited for, a process is in neither sum.
        sample.cpu_s = sample.cpu_s.max(last.1.cpu_s);
        *last = (Instant::now(), sample);
        sample
    }
}

/// A thread that panicked leaves a value that is whole, only older.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

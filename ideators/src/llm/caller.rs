//! Whether anybody still waits for an answer, and whether the run still asks. Once nobody does, nothing more is sent,
//! but what was sent is kept.

use autores_domain::ModelName;
use tokio::sync::watch;

use super::CallError;
use super::trouble::Trouble;

/// Ends the asking of a run, once and for all.
#[derive(Debug)]
pub(crate) struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whoever waits, and what the call knows of them.
    pub(crate) fn caller(&self) -> (Waiting, Caller) {
        let (sender, waiting) = watch::channel(());
        (Waiting { _never_sent: sender }, Caller { waiting, stop: self.0.subscribe() })
    }
}

/// Held by whoever waits; dropped, it tells that nobody does.
#[derive(Debug)]
pub(crate) struct Waiting {
    _never_sent: watch::Sender<()>,
}

/// What the call knows of whoever waits.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    waiting: watch::Receiver<()>,
    stop: watch::Receiver<bool>,
}

/// Why a call goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Nobody waits for its answer.
    Unwanted,
    /// The run stops.
    Stopping,
}

impl Over {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Unwanted => "nobody waits for the answer any more",
            Self::Stopping => "the run stops",
        }
    }

    /// What it means for a call that was tried so often.
    pub(crate) fn error(self, model: &ModelName, tries: usize) -> CallError {
        let model = model.clone();
        match self {
            Self::Unwanted => CallError::Unavailable {
                model,
                tries: tries as u32,
                words: self.words().to_owned(),
            },
            Self::Stopping => CallError::Stopping { model },
        }
    }
}

impl From<Over> for Trouble {
    fn from(over: Over) -> Self {
        Self::Over(over)
    }
}

impl Caller {
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.has_changed().is_err() || *self.stop.borrow()
    }

    /// What the work brings, unless nobody waits for it or the run stops before.
    pub(crate) async fn unless_over<T>(&self, work: impl Future<Output = T>) -> Result<T, Over> {
        let (mut waiting, mut stop) = (self.waiting.clone(), self.stop.clone());
        tokio::select! {
            biased;
            // Nothing is ever sent, so it ends when the other side is dropped.
            _ = waiting.wait_for(|()| false) => Err(Over::Unwanted),
            _ = stop.wait_for(|stops| *stops) => Err(Over::Stopping),
            value = work => Ok(value),
        }
    }
}

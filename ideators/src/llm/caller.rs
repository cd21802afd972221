//! Whether anybody still waits for an answer. Once nobody does, nothing more is sent, but what was sent is kept.

use tokio::sync::watch;

/// Held by whoever waits; dropped, it tells that nobody does.
#[derive(Debug)]
pub(crate) struct Waiting {
    _never_sent: watch::Sender<()>,
}

/// What the call knows of whoever waits.
#[derive(Debug, Clone)]
pub(crate) struct Caller(watch::Receiver<()>);

pub(crate) fn caller() -> (Waiting, Caller) {
    let (sender, receiver) = watch::channel(());
    (Waiting { _never_sent: sender }, Caller(receiver))
}

impl Caller {
    pub(crate) fn is_gone(&self) -> bool {
        self.0.has_changed().is_err()
    }

    /// What the work brings, or nothing once nobody waits for it.
    pub(crate) async fn unless_gone<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut waiting = self.0.clone();
        tokio::select! {
            biased;
            // Nothing is ever sent, so it ends when the other side is dropped.
            _ = waiting.wait_for(|()| false) => None,
            value = work => Some(value),
        }
    }
}

//! Ctrl-C and `autores stop` become requests to the driver.

use std::time::Duration;

use autores_domain::{RunId, StopReason};
use autores_engine::Request;
use autores_results::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::exit::Failure;

/// Requests reach the driver through this; the tasks end when the set is dropped.
pub(crate) fn listen(
    store: Store,
    run: RunId,
    notify: impl Fn(&str) + Send + 'static,
) -> Result<(mpsc::Receiver<Request>, JoinSet<()>), Failure> {
    let (sender, receiver) = mpsc::channel(8);
    let mut tasks = JoinSet::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let signals = sender.clone();
    tasks.spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let request = if asked {
                notify("ending the running jobs");
                Request::StopNow(StopReason::Signal)
            } else {
                notify("stopping once the running jobs have ended; again to end them now");
                Request::Stop(StopReason::Signal)
            };
            asked = true;
            if signals.send(request).await.is_err() {
                return;
            }
        }
    });
    tasks.spawn(async move {
        // Requests come from other processes, which can only leave them in the store.
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            let requests = match store.take_requests(&run).await {
                Ok(requests) => requests,
                Err(error) => {
                    tracing::warn!(%error, "cannot read requests");
                    continue;
                }
            };
            for request in requests {
                let request = match request {
                    autores_results::Request::Stop { now: true } => {
                        Request::StopNow(StopReason::Request)
                    }
                    autores_results::Request::Stop { now: false } => {
                        Request::Stop(StopReason::Request)
                    }
                    autores_results::Request::Pause => Request::Pause,
                    autores_results::Request::Unpause => Request::Unpause,
                };
                if sender.send(request).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok((receiver, tasks))
}

//! Ctrl-C, SIGTERM and `autores stop` become requests to the driver.

use std::sync::Arc;
use std::time::Duration;

use autores_domain::{RunId, StopReason};
use autores_engine::Request;
use autores_results::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::exit::Failure;
use crate::progress::Progress;

/// How often other processes' requests are looked for. They can only leave them in the store.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Requests reach the driver through the receiver; the tasks end when the set is dropped.
pub(crate) fn listen(
    store: &Arc<Store>,
    run: &RunId,
    progress: &Progress,
) -> Result<(mpsc::Receiver<Request>, JoinSet<()>), Failure> {
    let (sender, receiver) = mpsc::channel(8);
    let mut tasks = JoinSet::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tasks.spawn(forward_requests(store.clone(), run.clone(), sender.clone()));
    let progress = progress.clone();
    tasks.spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let request = if asked {
                progress.say("ending the running jobs");
                Request::StopNow(StopReason::Signal)
            } else {
                progress.say(
                    "stopping once the running jobs have ended; once more (Ctrl-C) ends them now",
                );
                Request::Stop(StopReason::Signal)
            };
            asked = true;
            if sender.send(request).await.is_err() {
                return;
            }
        }
    });
    Ok((receiver, tasks))
}

async fn forward_requests(store: Arc<Store>, run: RunId, sender: mpsc::Sender<Request>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let pending = match store.reader().pending_requests(&run).await {
            Ok(pending) => pending,
            Err(error) => {
                tracing::warn!(%error, "cannot read requests");
                continue;
            }
        };
        for asked in pending {
            let request = match asked.request {
                autores_results::Request::Stop { now: true } => {
                    Request::StopNow(StopReason::Request)
                }
                autores_results::Request::Stop { now: false } => Request::Stop(StopReason::Request),
                autores_results::Request::Pause => Request::Pause,
                autores_results::Request::Unpause => Request::Unpause,
            };
            if sender.send(request).await.is_err() {
                return;
            }
            if let Err(error) = store.take_requests(&run, asked.id).await {
                tracing::warn!(%error, "cannot mark a request as taken");
            }
        }
    }
}

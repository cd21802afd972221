//! Questions on their way. One that was sent is answered and kept even if nobody waits for it any more, since it is paid.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autores_domain::Call;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What an errand brings.
#[derive(Debug)]
pub(super) struct Brought<T> {
    /// The calls made.
    pub(super) calls: Vec<Call>,
    /// What they were made for.
    pub(super) answer: T,
    /// When it was there.
    pub(super) at: Instant,
}

/// The questions of one implementer.
#[derive(Debug, Default)]
pub(super) struct Errands {
    tasks: Mutex<JoinSet<()>>,
    /// Calls that nobody waited for, to be told with the next ones.
    late: Arc<Mutex<Vec<Call>>>,
}

impl Errands {
    /// Sends a question on its way.
    pub(super) fn send<T: Send + 'static>(
        &self,
        work: impl Future<Output = (Vec<Call>, T)> + Send + 'static,
    ) -> oneshot::Receiver<Brought<T>> {
        let (sender, receiver) = oneshot::channel();
        let late = self.late.clone();
        locked(&self.tasks).spawn(async move {
            let (calls, answer) = work.await;
            if let Err(brought) = sender.send(Brought { calls, answer, at: Instant::now() }) {
                locked(&late).extend(brought.calls);
            }
        });
        receiver
    }

    /// Waits until all questions are answered, and gives the calls that nobody else waited for.
    pub(super) async fn settle(&self) -> Vec<Call> {
        // They stay where they are, so that no answer is lost if nobody waits for this either.
        while poll_fn(|context| locked(&self.tasks).poll_join_next(context)).await.is_some() {}
        std::mem::take(&mut *locked(&self.late))
    }

    /// The calls that nobody waited for, as far as they are answered.
    pub(super) fn late(&self) -> Vec<Call> {
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        std::mem::take(&mut *locked(&self.late))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Questions on their way. One that was sent is answered and kept even if nobody waits for it any more, since it is paid.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autores_domain::Call;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// What an errand brings: the calls made, and what they were made for.
pub(super) type Brought<T> = (Vec<Call>, T);

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
        work: impl Future<Output = Brought<T>> + Send + 'static,
    ) -> oneshot::Receiver<Brought<T>> {
        let (sender, receiver) = oneshot::channel();
        let late = self.late.clone();
        locked(&self.tasks).spawn(async move {
            if let Err((calls, _)) = sender.send(work.await) {
                locked(&late).extend(calls);
            }
        });
        receiver
    }

    /// The calls that nobody waited for.
    pub(super) fn late(&self) -> Vec<Call> {
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        std::mem::take(&mut *locked(&self.late))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

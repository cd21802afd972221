//! One task under its supervisor, from start to verdict, in a folder that is gone afterwards.

use std::sync::Arc;

use autores_domain::{BackendError, Ended, Fault, FaultClass, ReportError};

use crate::attempt::AttemptFolder;
use crate::backend::local::{self, LocalSetup, Task};

/// A trial that was lost is made again so often.
const TRIES: u32 = 2;

/// Runs the task in the folder. The error says nothing of the task: it was not run to its end.
pub(super) async fn run(
    setup: &Arc<LocalSetup>,
    folder: &AttemptFolder,
    task: &Task,
) -> Result<Ended, Fault> {
    let mut last = Fault::new(FaultClass::Infra, format!("{} was not tried", task.name));
    for _ in 0..TRIES {
        let abandoned = EndIfAbandoned(Some(folder));
        local::ensure(setup, folder, task.clone()).await.map_err(not_started)?;
        let watched = local::watch(folder.clone()).await;
        abandoned.disarm();
        remove(folder.clone()).await?;
        match watched {
            Ok(ended) => return Ok(ended),
            // Also where an abandoned trial of the same tree was just being ended.
            Err(ReportError(fault)) => last = fault,
        }
    }
    Err(last)
}

/// Ends what an earlier process left running in the folder, and removes it.
pub(super) async fn end(folder: AttemptFolder) -> Result<(), Fault> {
    local::ask_to_end(&folder);
    // Whether it had ended or was stopped: what matters is that nothing is left.
    let _ = local::watch(folder.clone()).await;
    remove(folder).await
}

async fn remove(folder: AttemptFolder) -> Result<(), Fault> {
    let path = folder.path().to_owned();
    let removed = tokio::task::spawn_blocking(move || local::remove_folder(folder.path())).await;
    removed.map_err(std::io::Error::other).flatten().map_err(|error| {
        Fault::new(FaultClass::Infra, format!("cannot remove {}: {error}", path.display()))
    })
}

/// What keeps a trial from starting is never the patch: its commit was just written.
fn not_started(error: BackendError) -> Fault {
    let (BackendError::Rejected(fault) | BackendError::Unavailable(fault)) = error;
    Fault { class: FaultClass::Infra, ..fault }
}

/// Ends a trial that nobody waits for any more.
struct EndIfAbandoned<'a>(Option<&'a AttemptFolder>);

impl EndIfAbandoned<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for EndIfAbandoned<'_> {
    fn drop(&mut self) {
        if let Some(folder) = self.0 {
            local::ask_to_end(folder);
        }
    }
}

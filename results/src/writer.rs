//! The one task that appends events: takes what waits, writes it in one transaction, answers each caller
//! after the commit. Never acknowledges what is not on the disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autores_domain::{Event, Recorded, Run, RunId};
use sqlx::AnyConnection;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::connection::Connection;
use crate::error::{StoreError, Trouble};
use crate::{log, projection};

/// Appends that share a commit at most.
const BATCH: usize = 64;

pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Events to be appended to one run.
pub(crate) struct Append {
    pub(crate) run: RunId,
    pub(crate) after: u64,
    /// Each with its encoded form.
    pub(crate) events: Vec<(Event, String)>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Recorded>, StoreError>>,
}

pub(crate) struct Writer {
    pub(crate) path: PathBuf,
    pub(crate) connection: Arc<Mutex<Connection>>,
    pub(crate) clock: Clock,
    /// The runs written so far as they stand in the log, so that no append replays it.
    pub(crate) runs: HashMap<RunId, Run>,
}

impl Writer {
    /// Serves appends until the last sender is gone.
    pub(crate) async fn serve(mut self, mut appends: mpsc::Receiver<Append>) {
        let mut batch = Vec::with_capacity(BATCH);
        while appends.recv_many(&mut batch, BATCH).await > 0 {
            match self.commit(&batch).await {
                Ok(written) => {
                    for (append, recorded) in batch.drain(..).zip(written) {
                        // A caller that has gone away will find its events in the log.
                        let _ = append.reply.send(Ok(recorded));
                    }
                }
                Err(error) if batch.len() == 1 => {
                    if let Some(append) = batch.pop() {
                        let _ = append.reply.send(Err(error));
                    }
                }
                // One that fails must not fail its neighbours.
                Err(_) => {
                    for append in batch.drain(..) {
                        let result = self.commit(std::slice::from_ref(&append)).await;
                        let result = result.map(|written| written.into_iter().flatten().collect());
                        let _ = append.reply.send(result);
                    }
                }
            }
        }
    }

    /// All or none of them.
    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<Vec<Recorded>>, StoreError> {
        let connection = Arc::clone(&self.connection);
        let mut connection = connection.lock().await;
        let result = self.try_commit(&mut connection, batch).await;
        if result.is_err() {
            for append in batch {
                self.runs.remove(&append.run);
            }
        }
        self.runs.retain(|_, run| !run.status.is_terminal());
        connection.settle(result)
    }

    async fn try_commit(
        &mut self,
        connection: &mut Connection,
        batch: &[Append],
    ) -> Result<Vec<Vec<Recorded>>, Trouble> {
        let mut transaction = connection.begin().await?;
        let mut written = Vec::with_capacity(batch.len());
        for append in batch {
            written.push(self.append(&mut transaction, append).await?);
        }
        crash_point!("results.before_commit");
        transaction.commit().await?;
        crash_point!("results.after_commit");
        Ok(written)
    }

    async fn append(
        &mut self,
        connection: &mut AnyConnection,
        append: &Append,
    ) -> Result<Vec<Recorded>, Trouble> {
        let Append { run: id, after, events, .. } = append;
        let found = log::last_sequence(connection, id).await?;
        if found != *after {
            return Err(StoreError::Conflict { run: id.clone(), expected: *after, found }.into());
        }
        let mut run = self.as_logged(connection, id, found).await?;
        let at_ms = (self.clock)();
        let mut written = Vec::with_capacity(events.len());
        for (sequence, (event, body)) in (after + 1..).zip(events) {
            let recorded = Recorded { sequence, at_ms, event: event.clone() };
            let now = take_in(id, run, &recorded)?;
            log::insert(connection, id, &recorded, body).await?;
            projection::follow(connection, &now, &recorded).await?;
            run = Some(now);
            written.push(recorded);
        }
        if let Some(run) = run {
            projection::write_run(connection, &run).await?;
            self.runs.insert(id.clone(), run);
        }
        Ok(written)
    }

    async fn as_logged(
        &mut self,
        connection: &mut AnyConnection,
        id: &RunId,
        sequence: u64,
    ) -> Result<Option<Run>, Trouble> {
        match self.runs.remove(id) {
            Some(run) if run.sequence == sequence => Ok(Some(run)),
            Some(_) | None => replay(connection, id, &self.path).await,
        }
    }
}

/// The run as the log tells it; `None` without events.
async fn replay(
    connection: &mut AnyConnection,
    id: &RunId,
    path: &Path,
) -> Result<Option<Run>, Trouble> {
    let events = log::load(connection, id, path).await?;
    if events.is_empty() {
        return Ok(None);
    }
    let run = Run::replay(id, &events).map_err(|reason| unreadable(id, path, &reason))?;
    Ok(Some(run))
}

fn take_in(id: &RunId, run: Option<Run>, recorded: &Recorded) -> Result<Run, StoreError> {
    match run {
        None => Run::created(id, recorded),
        Some(mut run) => run.apply(recorded).map(|()| run),
    }
    .map_err(|reason| StoreError::Refused { run: id.clone(), reason })
}

/// Makes the rows of a run anew from its events.
pub(crate) async fn rebuild(
    connection: &mut Connection,
    id: &RunId,
    path: &Path,
) -> Result<(), Trouble> {
    let mut transaction = connection.begin().await?;
    projection::clear(&mut transaction, id).await?;
    let mut run = None;
    for recorded in log::load(&mut transaction, id, path).await? {
        let now = match run {
            None => Run::created(id, &recorded),
            Some(mut run) => Run::apply(&mut run, &recorded).map(|()| run),
        }
        .map_err(|reason| unreadable(id, path, &reason))?;
        projection::follow(&mut transaction, &now, &recorded).await?;
        run = Some(now);
    }
    if let Some(run) = run {
        projection::write_run(&mut transaction, &run).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn unreadable(id: &RunId, path: &Path, reason: &autores_domain::Illegal) -> StoreError {
    StoreError::Unreadable {
        path: path.to_owned(),
        what: format!("the log of run {id}"),
        reason: reason.to_string(),
    }
}

//! The store, opened to be written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{AttemptId, Event, EventLog, LogError, MetricPoint, Recorded, RunId};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::writer::{self, Append, Clock, Writer};
use crate::{Options, Reader, Request, log, metric, request, schema};

/// Appends that may wait for the writer before callers wait to hand theirs over.
const WAITING: usize = 256;

/// The store of one home folder.
pub struct Store {
    reader: Reader,
    appends: mpsc::Sender<Append>,
    writer: JoinHandle<()>,
    connection: Arc<Mutex<Connection>>,
    clock: Clock,
}

impl Store {
    /// Opens the store at a path; makes it, and its folder, if it is not there.
    /// `clock` gives the milliseconds since 1970 (UTC).
    ///
    /// # Errors
    /// If it cannot be made, written or understood.
    pub async fn open(
        path: &Path,
        clock: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        Self::open_with(path, clock, Options::default()).await
    }

    /// The same with settings of one's own.
    ///
    /// # Errors
    /// If it cannot be made, written or understood.
    pub async fn open_with(
        path: &Path,
        clock: impl Fn() -> i64 + Send + Sync + 'static,
        options: Options,
    ) -> Result<Self, StoreError> {
        let clock: Clock = Arc::new(clock);
        let path = prepare_folder(path)?;
        let mut connection = Connection::open(&path, options).await?;
        schema::migrate(&mut connection, &path, clock()).await?;
        let reader = Reader::open_with(&path, options).await?;
        let connection = Arc::new(Mutex::new(connection));
        let (appends, received) = mpsc::channel(WAITING);
        let writer = Writer {
            path,
            connection: Arc::clone(&connection),
            clock: Arc::clone(&clock),
            runs: HashMap::new(),
        };
        let writer = tokio::spawn(writer.serve(received));
        Ok(Self { reader, appends, writer, connection, clock })
    }

    /// What can be read of it.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Appends events after number `after` of the run's log, all or none, and returns when they are durable.
    ///
    /// # Errors
    /// If somebody else has written the run, an event cannot follow on the log, or the file cannot be written.
    pub async fn append(
        &self,
        run: &RunId,
        after: u64,
        events: &[Event],
    ) -> Result<Vec<Recorded>, StoreError> {
        let events = events
            .iter()
            .map(|event| Ok((event.clone(), log::encode(run, event)?)))
            .collect::<Result<_, StoreError>>()?;
        let (reply, answer) = oneshot::channel();
        let append = Append { run: run.clone(), after, events, reply };
        let closed = || StoreError::Closed { path: self.reader.path().to_owned() };
        self.appends.send(append).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Records what an attempt reported while it ran; replaces what was recorded for it before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn record_metrics(
        &self,
        attempt: &AttemptId,
        points: &[MetricPoint],
    ) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().await;
        let result = metric::replace(&mut connection, attempt, points).await;
        connection.settle(result)
    }

    /// Asks something of the process that works on a run; gives the request's number.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn request(&self, run: &RunId, request: Request) -> Result<i64, StoreError> {
        let mut connection = self.connection.lock().await;
        let result = request::insert(&mut connection, run, request, (self.clock)()).await;
        connection.settle(result)
    }

    /// Marks the run's requests up to this number as taken. Done after they were acted on: a request may
    /// be acted on twice, but is not lost.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn take_requests(&self, run: &RunId, through: i64) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().await;
        let result = request::take(&mut connection, run, through, (self.clock)()).await;
        connection.settle(result)
    }

    /// Makes the projections of a run anew from its events.
    ///
    /// # Errors
    /// If the log cannot be read or the rows not written.
    pub async fn rebuild(&self, run: &RunId) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().await;
        let result = writer::rebuild(&mut connection, run, self.reader.path()).await;
        connection.settle(result)
    }

    /// Writes what still waits and lets go of the file. Dropping the store loses nothing that was
    /// acknowledged, but leaves the write-ahead log beside the file for a moment longer.
    ///
    /// # Errors
    /// If the file cannot be closed in order.
    pub async fn close(self) -> Result<(), StoreError> {
        let Self { reader, appends, writer, connection, .. } = self;
        drop(appends);
        // It ends by itself; a panic in it was already reported to those who waited for it.
        let _ = writer.await;
        reader.close().await;
        connection.lock().await.close().await
    }
}

#[async_trait]
impl EventLog for Store {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        events: &[Event],
    ) -> Result<Vec<Recorded>, LogError> {
        Ok(Store::append(self, run, after, events).await?)
    }

    async fn record_metrics(
        &self,
        attempt: &AttemptId,
        metrics: &[MetricPoint],
    ) -> Result<(), LogError> {
        Ok(Store::record_metrics(self, attempt, metrics).await?)
    }
}

/// The path without links and `..`, so that it survives as the address of a database.
fn prepare_folder(path: &Path) -> Result<PathBuf, StoreError> {
    let refuse = |path: &Path, reason: &dyn ToString| StoreError::NoAccess {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let absolute = std::path::absolute(path).map_err(|error| refuse(path, &error))?;
    let (Some(folder), Some(file)) = (absolute.parent(), absolute.file_name()) else {
        return Err(refuse(path, &"it is not the path of a file"));
    };
    std::fs::create_dir_all(folder).map_err(|error| refuse(folder, &error))?;
    let folder = folder.canonicalize().map_err(|error| refuse(folder, &error))?;
    Ok(folder.join(file))
}

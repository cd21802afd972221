//! Reads the store, beside whoever writes it. Never writes.

use std::path::{Path, PathBuf};

use autores_domain::{AttemptId, MetricPoint, Recorded, RunId};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, AssertSqlSafe};

use crate::error::{StoreError, Trouble};
use crate::{Options, Pending, RunRow, connection, log, metric, request, schema};

/// The store, opened to be read.
#[derive(Debug, Clone)]
pub struct Reader {
    path: PathBuf,
    options: Options,
    pool: AnyPool,
}

impl Reader {
    /// Opens the store at a path.
    ///
    /// # Errors
    /// If there is none, or this program cannot read it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Options::default()).await
    }

    pub(crate) async fn open_with(path: &Path, options: Options) -> Result<Self, StoreError> {
        // An absolute path without links and `..` survives as the address of a database.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { path: path.to_owned() });
            }
            Err(error) => {
                let reason = error.to_string();
                return Err(StoreError::NoAccess { path: path.to_owned(), reason });
            }
        };
        let pool = connection::readers(&path, options.busy_timeout)
            .await
            .map_err(|error| Trouble::from(error).explain(&path, options.busy_timeout))?;
        let reader = Self { path, options, pool };
        let mut connection = reader.connection().await?;
        reader.settle(schema::check(&mut connection, &reader.path).await)?;
        Ok(reader)
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All runs, the last changed first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let sql = format!("select {} from run order by updated_ms desc, id", RunRow::COLUMNS);
        let mut connection = self.connection().await?;
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await;
        let runs = rows.and_then(|rows| rows.iter().map(RunRow::read).collect());
        self.settle(runs.map_err(Trouble::from))
    }

    /// One run; `None` if there is none of this name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn run(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        let sql = format!("select {} from run where id = $1", RunRow::COLUMNS);
        let mut connection = self.connection().await?;
        let query = sqlx::query(AssertSqlSafe(sql)).bind(run.as_str());
        let row = query.fetch_optional(&mut *connection).await;
        let row = row.and_then(|row| row.as_ref().map(RunRow::read).transpose());
        self.settle(row.map_err(Trouble::from))
    }

    /// All events of a run, in order; none if there is no such run.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn load(&self, run: &RunId) -> Result<Vec<Recorded>, StoreError> {
        let mut connection = self.connection().await?;
        self.settle(log::load(&mut connection, run, &self.path).await)
    }

    /// What an attempt reported while it ran, in order.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn metrics(&self, attempt: &AttemptId) -> Result<Vec<MetricPoint>, StoreError> {
        let mut connection = self.connection().await?;
        self.settle(metric::load(&mut connection, attempt, &self.path).await)
    }

    /// Requests for a run that were not taken, oldest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn pending_requests(&self, run: &RunId) -> Result<Vec<Pending>, StoreError> {
        let mut connection = self.connection().await?;
        self.settle(request::pending(&mut connection, run, &self.path).await)
    }

    /// Whether the process that works on the run has taken a request.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn is_taken(&self, request: i64) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        self.settle(request::is_taken(&mut connection, request).await)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn connection(&self) -> Result<PoolConnection<Any>, StoreError> {
        self.settle(self.pool.acquire().await.map_err(Trouble::from))
    }

    fn settle<T>(&self, result: Result<T, Trouble>) -> Result<T, StoreError> {
        result.map_err(|trouble| trouble.explain(&self.path, self.options.busy_timeout))
    }
}

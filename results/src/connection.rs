//! Connections to the file: the only place that knows it is SQLite. Never runs a statement on a table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection as _, Transaction,
};

use crate::error::{StoreError, Trouble, is_busy};

const READERS: u32 = 4;
/// Takes the write lock at once: a transaction that begins by reading could be refused it later.
const BEGIN: &str = "begin immediate";

/// How the file is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for another process that writes.
    pub busy_timeout: Duration,
    /// Largest size of the file, in pages of 4 KiB.
    pub max_pages: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(10), max_pages: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// The one connection that writes. It is made anew after a failure, because SQLite may have ended the
/// transaction by itself, of which the driver is not told.
pub(crate) struct Connection {
    path: PathBuf,
    options: Options,
    open: Option<AnyConnection>,
}

impl Connection {
    pub(crate) async fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let mut connection = Self { path: path.to_owned(), options, open: None };
        let result = connection.usable().await.map(drop);
        connection.settle(result)?;
        Ok(connection)
    }

    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_, Any>, sqlx::Error> {
        self.usable().await?.begin_with(BEGIN).await
    }

    /// Hands on the result of a transaction.
    pub(crate) fn settle<T>(
        &mut self,
        result: Result<T, impl Into<Trouble>>,
    ) -> Result<T, StoreError> {
        result.map_err(|trouble| {
            let trouble = trouble.into();
            if matches!(trouble, Trouble::Sql(_)) {
                self.open = None;
            }
            trouble.explain(&self.path, self.options.busy_timeout)
        })
    }

    pub(crate) async fn close(&mut self) -> Result<(), StoreError> {
        let result = match self.open.take() {
            Some(open) => open.close().await,
            None => Ok(()),
        };
        self.settle(result)
    }

    async fn usable(&mut self) -> Result<&mut AnyConnection, sqlx::Error> {
        let open = match self.open.take() {
            Some(open) => open,
            None => connect_to_write(&self.path, self.options).await?,
        };
        Ok(self.open.insert(open))
    }
}

async fn connect_to_write(path: &Path, options: Options) -> Result<AnyConnection, sqlx::Error> {
    install_default_drivers();
    let mut connection = address(path, Mode::Write)?.connect().await?;
    set_timeout(&mut connection, options.busy_timeout).await?;
    use_wal(&mut connection, options.busy_timeout).await?;
    // Every commit reaches the disk: what was acknowledged survives a loss of power.
    sqlx::query("pragma synchronous = full").execute(&mut connection).await?;
    if let Some(pages) = options.max_pages {
        let pragma = format!("pragma max_page_count = {pages}");
        sqlx::query(AssertSqlSafe(pragma)).fetch_all(&mut connection).await?;
    }
    Ok(connection)
}

/// Switching to the write-ahead log does not wait for other processes that do the same.
async fn use_wal(connection: &mut AnyConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let begun = Instant::now();
    loop {
        match sqlx::query("pragma journal_mode = wal").fetch_all(&mut *connection).await {
            Err(error) if is_busy(&error) && begun.elapsed() < patience => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error),
            Ok(_) => return Ok(()),
        }
    }
}

/// Connections that only read, beside whoever writes.
pub(crate) async fn readers(path: &Path, timeout: Duration) -> Result<AnyPool, sqlx::Error> {
    install_default_drivers();
    AnyPoolOptions::new()
        .max_connections(READERS)
        .after_connect(move |connection, _| {
            Box::pin(async move { set_timeout(connection, timeout).await })
        })
        .connect_with(address(path, Mode::Read)?)
        .await
}

async fn set_timeout(connection: &mut AnyConnection, timeout: Duration) -> Result<(), sqlx::Error> {
    let pragma = format!("pragma busy_timeout = {}", timeout.as_millis());
    sqlx::query(AssertSqlSafe(pragma)).fetch_all(connection).await.map(drop)
}

pub(crate) async fn has_table(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query("select name from sqlite_schema where type = 'table' and name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await
        .map(|row| row.is_some())
}

fn address(path: &Path, mode: Mode) -> Result<AnyConnectOptions, sqlx::Error> {
    let mut address = String::from("sqlite://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                address.push(char::from(*byte));
            }
            _ => {
                write!(address, "%{byte:02X}").map_err(|e| sqlx::Error::Configuration(e.into()))?
            }
        }
    }
    address.push_str(match mode {
        Mode::Read => "?mode=ro",
        Mode::Write => "?mode=rwc",
    });
    address.parse()
}

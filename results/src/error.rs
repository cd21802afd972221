//! Why the store did not do what was asked, with what to do about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use autores_domain::{Illegal, LogError, RunId};

use crate::Version;

/// Why the store could not be opened, read or written. What was recorded before is kept in every case.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was ever recorded here.
    #[error(
        "there is no store at {}: nothing was run here yet; start with `autores run`, or name the folder with --dir",
        path.display()
    )]
    Missing {
        /// The file looked for.
        path: PathBuf,
    },
    /// The file or its folder cannot be opened, made or written.
    #[error(
        "cannot use {}: {reason}; make it writable for this user, or choose another folder with --dir",
        path.display()
    )]
    NoAccess {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// No room for more.
    #[error(
        "no space left to write {}: what was recorded before is kept; free some space, then `autores resume`",
        path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Another process did not let go of the file.
    #[error(
        "{} was locked by another process for more than {} s; end the program that holds it open (a backup or an SQL shell?) and try again",
        path.display(),
        waited.as_secs_f64()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file is not a store, or not any more.
    #[error(
        "{} is damaged or not a store: {reason}; keep a copy, then restore a backup, save what can be saved with `sqlite3 FILE .recover`, or start afresh with --dir",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A later program wrote it.
    #[error(
        "{} has schema {found}, and this program knows schemas up to {known}; use the newer autores that wrote it, or another folder with --dir",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: Version,
        /// The newest schema that this program knows.
        known: Version,
    },
    /// An earlier program wrote it, and it was opened only to be read.
    #[error(
        "{} has the older schema {found}, and this program reads {known}; `autores resume` on any run brings it up to date",
        path.display()
    )]
    OlderSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: Version,
        /// The schema that this program reads.
        known: Version,
    },
    /// The log has grown by another hand.
    #[error(
        "somebody else writes run {run}: its log has {found} events where {expected} were expected; stop the other process, then `autores resume {run}`"
    )]
    Conflict {
        /// The run.
        run: RunId,
        /// Events that the writer knew of.
        expected: u64,
        /// Events that there are.
        found: u64,
    },
    /// The event would make the log unreadable.
    #[error("run {run} cannot take the event: {reason}")]
    Refused {
        /// The run.
        run: RunId,
        /// Why.
        reason: Illegal,
    },
    /// The event would read back as another one, as a number that is not finite does.
    #[error("run {run} cannot record {event}: it does not read back as it was written")]
    Unrecordable {
        /// The run.
        run: RunId,
        /// Name of the event.
        event: &'static str,
    },
    /// What is stored is not what this program writes.
    #[error(
        "cannot read {what} in {}: {reason}; it was written by another version or changed by hand",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The thing.
        what: String,
        /// Why.
        reason: String,
    },
    /// The store was closed, or its runtime ended.
    #[error("{} is closed", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that the database said.
    #[error("cannot use {}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
}

impl From<StoreError> for LogError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Corrupt { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::OlderSchema { .. }
            | StoreError::Unreadable { .. } => Self::Unreadable(text),
            StoreError::Missing { .. }
            | StoreError::NoAccess { .. }
            | StoreError::DiskFull { .. }
            | StoreError::Locked { .. }
            | StoreError::Conflict { .. }
            | StoreError::Refused { .. }
            | StoreError::Unrecordable { .. }
            | StoreError::Closed { .. }
            | StoreError::Database { .. } => Self::Unavailable(text),
        }
    }
}

/// A failure before it is known to the caller: of the database, or of what was asked of it.
#[derive(Debug)]
pub(crate) enum Trouble {
    Sql(sqlx::Error),
    Store(StoreError),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Trouble {
    pub(crate) fn explain(self, path: &Path, waited: Duration) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => explain(error, path, waited),
        }
    }
}

/// SQLite's extended code for a shared-memory file that cannot grow, which happens first on a full disk.
const IOERR_SHMSIZE: i32 = 4874;

fn explain(error: sqlx::Error, path: &Path, waited: Duration) -> StoreError {
    let path = path.to_owned();
    let Some(database) = error.as_database_error() else {
        return StoreError::Database { path, source: error };
    };
    let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
    let reason = database.message().to_owned();
    match code & 0xff {
        5 | 6 => StoreError::Locked { path, waited },
        3 | 8 | 14 => StoreError::NoAccess { path, reason },
        13 => StoreError::DiskFull { path },
        _ if code == IOERR_SHMSIZE => StoreError::DiskFull { path },
        11 | 26 => StoreError::Corrupt { path, reason },
        _ => StoreError::Database { path, source: error },
    }
}

pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}

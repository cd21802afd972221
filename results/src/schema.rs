//! The schema's versions and the way from one to the next. Never removes what an older program wrote.

use std::fmt;
use std::path::Path;

use sqlx::{AnyConnection, Row};

use crate::connection::{self, Connection};
use crate::error::{StoreError, Trouble};

/// A version of the schema. A higher minor only adds; a higher major cannot be used by older programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Raised by a change that older programs do not understand.
    pub major: i64,
    /// Raised by an addition.
    pub minor: i64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

struct Migration {
    version: Version,
    sql: &'static str,
}

/// In order; one that was released is never changed.
const MIGRATIONS: [Migration; 2] = [
    Migration { version: Version { major: 1, minor: 0 }, sql: include_str!("../schema/1.0.sql") },
    Migration { version: Version { major: 1, minor: 1 }, sql: include_str!("../schema/1.1.sql") },
];

const KNOWN: Version = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Brings the schema up to date.
pub(crate) async fn migrate(
    connection: &mut Connection,
    path: &Path,
    at_ms: i64,
) -> Result<(), StoreError> {
    let result = try_migrate(connection, path, at_ms).await;
    connection.settle(result)
}

async fn try_migrate(connection: &mut Connection, path: &Path, at_ms: i64) -> Result<(), Trouble> {
    let mut transaction = connection.begin().await?;
    sqlx::query(
        "create table if not exists schema_version (major bigint not null, minor bigint not null, at_ms bigint not null)",
    )
    .execute(&mut *transaction)
    .await?;
    let found = version(&mut transaction).await?;
    if let Some(found) = found {
        refuse_newer(found, path)?;
    }
    for migration in MIGRATIONS.iter().filter(|m| found.is_none_or(|found| m.version > found)) {
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await?;
        sqlx::query("insert into schema_version (major, minor, at_ms) values ($1, $2, $3)")
            .bind(migration.version.major)
            .bind(migration.version.minor)
            .bind(at_ms)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Whether this program can read what is there.
pub(crate) async fn check(connection: &mut AnyConnection, path: &Path) -> Result<(), Trouble> {
    let found = if connection::has_table(connection, "schema_version").await? {
        version(connection).await?
    } else {
        None
    };
    let Some(found) = found else {
        return Err(StoreError::Missing { path: path.to_owned() }.into());
    };
    refuse_newer(found, path)?;
    if found < KNOWN {
        return Err(StoreError::OlderSchema { path: path.to_owned(), found, known: KNOWN }.into());
    }
    Ok(())
}

fn refuse_newer(found: Version, path: &Path) -> Result<(), StoreError> {
    if found.major > KNOWN.major {
        return Err(StoreError::NewerSchema { path: path.to_owned(), found, known: KNOWN });
    }
    Ok(())
}

async fn version(connection: &mut AnyConnection) -> Result<Option<Version>, sqlx::Error> {
    let newest = "select major, minor from schema_version order by major desc, minor desc limit 1";
    let row = sqlx::query(newest).fetch_optional(connection).await?;
    row.map(|row| Ok(Version { major: row.try_get(0)?, minor: row.try_get(1)? })).transpose()
}

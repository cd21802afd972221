//! What other commands ask of the process that works on a run. Never an event: the engine makes one of it.

use std::path::Path;

use autores_domain::RunId;
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row};

use crate::connection::Connection;
use crate::error::{StoreError, Trouble};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Let go of the run.
    Stop {
        /// End the running attempts too, rather than wait for them.
        now: bool,
    },
    /// Start no more jobs.
    Pause,
    /// Start jobs again.
    Unpause,
}

impl Request {
    /// The word used in the store.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stop { .. } => "stop",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
        }
    }
}

/// A request that was not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number, which grows.
    pub id: i64,
    /// When it was made, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// What is asked.
    pub request: Request,
}

pub(crate) async fn insert(
    connection: &mut Connection,
    run: &RunId,
    request: Request,
    at_ms: i64,
) -> Result<i64, Trouble> {
    let body = serde_json::to_string(&request).map_err(|e| sqlx::Error::Encode(e.into()))?;
    let mut transaction = connection.begin().await?;
    let id = sqlx::query(
        "insert into request (id, run, at_ms, kind, body) \
         select coalesce(max(id), 0) + 1, $1, $2, $3, $4 from request returning id",
    )
    .bind(run.as_str())
    .bind(at_ms)
    .bind(request.name())
    .bind(body)
    .fetch_one(&mut *transaction)
    .await?
    .try_get(0)?;
    transaction.commit().await?;
    Ok(id)
}

pub(crate) async fn take(
    connection: &mut Connection,
    run: &RunId,
    through: i64,
    at_ms: i64,
) -> Result<(), Trouble> {
    let mut transaction = connection.begin().await?;
    sqlx::query(
        "update request set taken_at_ms = $3 where run = $1 and id <= $2 and taken_at_ms is null",
    )
    .bind(run.as_str())
    .bind(through)
    .bind(at_ms)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

pub(crate) async fn pending(
    connection: &mut AnyConnection,
    run: &RunId,
    path: &Path,
) -> Result<Vec<Pending>, Trouble> {
    let rows = sqlx::query(
        "select id, at_ms, body from request where run = $1 and taken_at_ms is null order by id",
    )
    .bind(run.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let id = row.try_get(0)?;
            let request =
                serde_json::from_str(row.try_get(2)?).map_err(|error| StoreError::Unreadable {
                    path: path.to_owned(),
                    what: format!("request {id}"),
                    reason: error.to_string(),
                })?;
            Ok(Pending { id, at_ms: row.try_get(1)?, request })
        })
        .collect()
}

pub(crate) async fn is_taken(connection: &mut AnyConnection, id: i64) -> Result<bool, Trouble> {
    let taken: i64 =
        sqlx::query("select count(*) from request where id = $1 and taken_at_ms is not null")
            .bind(id)
            .fetch_one(connection)
            .await?
            .try_get(0)?;
    Ok(taken > 0)
}

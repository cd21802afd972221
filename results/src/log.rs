//! Events as rows. Never interprets them beyond their JSON.

use std::path::Path;

use autores_domain::{Event, Recorded, RunId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::error::{StoreError, Trouble};

/// The event as text, refused if it would read back as another one.
pub(crate) fn encode(run: &RunId, event: &Event) -> Result<String, StoreError> {
    let unrecordable = || StoreError::Unrecordable { run: run.clone(), event: event.name() };
    let body = serde_json::to_string(event).map_err(|_| unrecordable())?;
    match serde_json::from_str::<Event>(&body) {
        Ok(read) if read == *event => Ok(body),
        Ok(_) | Err(_) => Err(unrecordable()),
    }
}

pub(crate) async fn last_sequence(
    connection: &mut AnyConnection,
    run: &RunId,
) -> Result<u64, sqlx::Error> {
    let last: i64 = sqlx::query("select coalesce(max(sequence), 0) from event where run = $1")
        .bind(run.as_str())
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    Ok(last as u64)
}

pub(crate) async fn insert(
    connection: &mut AnyConnection,
    run: &RunId,
    recorded: &Recorded,
    body: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into event (run, sequence, at_ms, name, body) values ($1, $2, $3, $4, $5)")
        .bind(run.as_str())
        .bind(recorded.sequence as i64)
        .bind(recorded.at_ms)
        .bind(recorded.event.name())
        .bind(body)
        .execute(connection)
        .await
        .map(drop)
}

pub(crate) async fn load(
    connection: &mut AnyConnection,
    run: &RunId,
    path: &Path,
) -> Result<Vec<Recorded>, Trouble> {
    let rows =
        sqlx::query("select sequence, at_ms, body from event where run = $1 order by sequence")
            .bind(run.as_str())
            .fetch_all(connection)
            .await?;
    rows.iter().map(|row| decode(row, run, path)).collect()
}

fn decode(row: &AnyRow, run: &RunId, path: &Path) -> Result<Recorded, Trouble> {
    let sequence = row.try_get::<i64, _>(0)? as u64;
    let event = serde_json::from_str(row.try_get(2)?).map_err(|error| StoreError::Unreadable {
        path: path.to_owned(),
        what: format!("event {sequence} of run {run}"),
        reason: error.to_string(),
    })?;
    Ok(Recorded { sequence, at_ms: row.try_get(1)?, event })
}

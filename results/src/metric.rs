//! What attempts reported while they ran. Never part of the log, and never needed to replay it.

use std::path::Path;

use autores_domain::{AttemptId, MetricPoint};
use sqlx::{AnyConnection, Row};

use crate::connection::Connection;
use crate::error::{StoreError, Trouble};

pub(crate) async fn replace(
    connection: &mut Connection,
    attempt: &AttemptId,
    points: &[MetricPoint],
) -> Result<(), Trouble> {
    let id = attempt.to_string();
    let mut transaction = connection.begin().await?;
    sqlx::query("delete from metric where attempt = $1")
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await?;
    for (n, point) in points.iter().enumerate() {
        // JSON has no word for a number that is not finite, so it is absent.
        let finite: std::collections::BTreeMap<_, _> =
            point.values.iter().filter(|(_, value)| value.is_finite()).collect();
        let body = serde_json::to_string(&finite).map_err(|e| sqlx::Error::Encode(e.into()))?;
        sqlx::query(
            "insert into metric (attempt, n, wall_s, cpu_s, body) values ($1, $2, $3, $4, $5)",
        )
        .bind(id.as_str())
        .bind(n as i64)
        .bind(point.wall_s)
        .bind(point.cpu_s)
        .bind(body)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

pub(crate) async fn load(
    connection: &mut AnyConnection,
    attempt: &AttemptId,
    path: &Path,
) -> Result<Vec<MetricPoint>, Trouble> {
    let rows = sqlx::query("select wall_s, cpu_s, body from metric where attempt = $1 order by n")
        .bind(attempt.to_string())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let values =
                serde_json::from_str(row.try_get(2)?).map_err(|error| StoreError::Unreadable {
                    path: path.to_owned(),
                    what: format!("the metrics of {attempt}"),
                    reason: error.to_string(),
                })?;
            Ok(MetricPoint { wall_s: row.try_get(0)?, cpu_s: row.try_get(1)?, values })
        })
        .collect()
}

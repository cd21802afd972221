//! A run in one line, for lists of many.

use std::collections::BTreeMap;

use autores_domain::{ExperimentState, IdError, IdeaId, Purpose, Run, RunId, stats};
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// Its name.
    pub id: RunId,
    /// The problem's name.
    pub problem: String,
    /// The scale at which ideas are measured.
    pub scale: String,
    /// The word for its status: running, paused, stopped, finished or failed.
    pub status: String,
    /// When it was created, in milliseconds since 1970 (UTC).
    pub created_ms: i64,
    /// When its last event was written.
    pub updated_ms: i64,
    /// Number of its last event.
    pub sequence: u64,
    /// Ideas so far, without the baseline.
    pub ideas: u64,
    /// Experiments that wait.
    pub queued: u64,
    /// Experiments that hold a slot.
    pub running: u64,
    /// Experiments with a result.
    pub measured: u64,
    /// Experiments without one.
    pub failed: u64,
    /// Experiments given up.
    pub cancelled: u64,
    /// Mean reward of the baseline.
    pub baseline_reward: Option<f64>,
    /// Mean reward of the best idea in its screening.
    pub best_reward: Option<f64>,
    /// That idea.
    pub best_idea: Option<IdeaId>,
    /// US dollars that models were paid, as far as prices are known; absent where none was asked.
    pub usd: Option<f64>,
    /// Tokens that models read and wrote.
    pub tokens: Option<u64>,
}

impl RunRow {
    pub(crate) const COLUMNS: &str = "id, problem, scale, status, created_ms, updated_ms, sequence, ideas, \
         queued, running, measured, failed, cancelled, baseline_reward, best_reward, best_idea, usd, tokens";

    /// The line that a run's log comes to.
    pub fn of(run: &Run) -> Self {
        let best = best(run);
        let spent = Some(run.spent()).filter(|spent| spent.calls > 0);
        let mut row = Self {
            id: run.id.clone(),
            problem: run.problem.name.clone(),
            scale: run.config.scale.clone(),
            status: run.status.name().into(),
            created_ms: run.created_ms,
            updated_ms: run.updated_ms,
            sequence: run.sequence,
            ideas: run.ideas.len() as u64 - 1,
            queued: 0,
            running: 0,
            measured: 0,
            failed: 0,
            cancelled: 0,
            baseline_reward: stats::mean(&run.rewards(&run.baseline(), Purpose::Baseline)),
            best_reward: best.as_ref().map(|(_, reward)| *reward),
            best_idea: best.map(|(idea, _)| idea),
            usd: spent.map(|spent| spent.usd),
            tokens: spent.map(|spent| spent.tokens.input + spent.tokens.output),
        };
        for record in &run.experiments {
            *match record.state {
                ExperimentState::Queued { .. } => &mut row.queued,
                ExperimentState::Running { .. } => &mut row.running,
                ExperimentState::Measured { .. } => &mut row.measured,
                ExperimentState::Failed { .. } => &mut row.failed,
                ExperimentState::Cancelled { .. } => &mut row.cancelled,
            } += 1;
        }
        row
    }

    pub(crate) fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let id = |text: String| text.parse().map_err(undecodable);
        let count = |name: &str| row.try_get::<i64, _>(name).map(|n| n as u64);
        Ok(Self {
            id: row.try_get::<String, _>("id")?.parse().map_err(undecodable)?,
            problem: row.try_get("problem")?,
            scale: row.try_get("scale")?,
            status: row.try_get("status")?,
            created_ms: row.try_get("created_ms")?,
            updated_ms: row.try_get("updated_ms")?,
            sequence: count("sequence")?,
            ideas: count("ideas")?,
            queued: count("queued")?,
            running: count("running")?,
            measured: count("measured")?,
            failed: count("failed")?,
            cancelled: count("cancelled")?,
            baseline_reward: row.try_get("baseline_reward")?,
            best_reward: row.try_get("best_reward")?,
            best_idea: row.try_get::<Option<String>, _>("best_idea")?.map(id).transpose()?,
            usd: row.try_get("usd")?,
            tokens: row.try_get::<Option<i64>, _>("tokens")?.map(|n| n as u64),
        })
    }
}

fn undecodable(error: IdError) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// The idea with the highest mean reward in its screening; the earlier one of equals.
fn best(run: &Run) -> Option<(IdeaId, f64)> {
    let mut rewards: BTreeMap<&IdeaId, Vec<f64>> = BTreeMap::new();
    for record in run.experiments_for(Purpose::Screen) {
        let Some(measurement) = record.state.measurement() else { continue };
        if record.experiment.idea.number > 0 {
            rewards.entry(&record.experiment.idea).or_default().push(measurement.reward);
        }
    }
    rewards
        .into_iter()
        .filter_map(|(idea, rewards)| stats::mean(&rewards).map(|mean| (idea, mean)))
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map(|(idea, mean)| (idea.clone(), mean))
}

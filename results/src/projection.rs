//! Rows that follow from the log, for lists and for people who know SQL. Never the truth: they can be made
//! anew from the events at any time.

use autores_domain::{
    AttemptId, Call, Event, ExperimentId, ExperimentState, Fault, IdeaId, IdeaState, Outcome,
    Recorded, Run, RunId, Usage,
};
use sqlx::AnyConnection;

use crate::RunRow;

type Written = Result<(), sqlx::Error>;

/// Writes the rows that an event changed; `run` has taken it in already.
pub(crate) async fn follow(
    connection: &mut AnyConnection,
    run: &Run,
    recorded: &Recorded,
) -> Written {
    let at_ms = recorded.at_ms;
    for call in recorded.event.calls() {
        write_call(connection, run, call, at_ms).await?;
    }
    match &recorded.event {
        Event::RunCreated { .. } => write_idea(connection, run, &run.baseline()).await,
        // These change the run's own row only, which is written after the last event.
        Event::RunOpened { .. }
        | Event::RunPaused
        | Event::RunUnpaused
        | Event::RunStopped { .. }
        | Event::RunFinished { .. }
        | Event::RunFailed { .. }
        | Event::BudgetChanged { .. }
        | Event::CallsMade { .. }
        | Event::BriefIssued { .. }
        | Event::BriefFailed { .. }
        | Event::LessonsIssued { .. }
        | Event::LessonsLearnt { .. }
        | Event::LessonsFailed { .. } => Ok(()),
        Event::BriefAnswered { ideas, .. } => {
            for idea in ideas {
                write_idea(connection, run, &idea.id).await?;
            }
            Ok(())
        }
        Event::IdeaPatched { idea, .. }
        | Event::IdeaCommitted { idea, .. }
        | Event::IdeaRejected { idea, .. }
        | Event::RepairIssued { idea, .. }
        | Event::RepairFailed { idea, .. }
        | Event::ResultReused { idea, .. } => write_idea(connection, run, idea).await,
        Event::ExperimentQueued { experiment } => {
            write_experiment(connection, run, &experiment.id, at_ms).await
        }
        Event::ExperimentCancelled { experiment, .. } => {
            write_experiment(connection, run, experiment, at_ms).await
        }
        Event::AttemptStarted { attempt, slot, .. } => {
            sqlx::query(
                "insert into attempt (id, run, experiment, number, slot, gpus, state, started_ms) \
                 values ($1, $2, $3, $4, $5, $6, 'running', $7)",
            )
            .bind(attempt.to_string())
            .bind(run.id.as_str())
            .bind(attempt.experiment.to_string())
            .bind(i64::from(attempt.number))
            .bind(i64::from(slot.index))
            .bind(json(&slot.gpus)?)
            .bind(at_ms)
            .execute(&mut *connection)
            .await?;
            write_experiment(connection, run, &attempt.experiment, at_ms).await
        }
        Event::AttemptMeasured { attempt, measurement } => {
            end_attempt(connection, attempt, "measured", at_ms, Some(&measurement.usage), None)
                .await?;
            write_experiment(connection, run, &attempt.experiment, at_ms).await
        }
        Event::AttemptFailed { attempt, fault, usage, .. } => {
            end_attempt(connection, attempt, "failed", at_ms, usage.as_ref(), Some(fault)).await?;
            write_experiment(connection, run, &attempt.experiment, at_ms).await
        }
        Event::AttemptLost { attempt, fault } => {
            end_attempt(connection, attempt, "lost", at_ms, None, Some(fault)).await?;
            write_experiment(connection, run, &attempt.experiment, at_ms).await
        }
    }
}

/// Writes the run's own row.
pub(crate) async fn write_run(connection: &mut AnyConnection, run: &Run) -> Written {
    let row = RunRow::of(run);
    sqlx::query(
        "insert into run (id, problem, scale, status, created_ms, updated_ms, sequence, ideas, queued, running, \
         measured, failed, cancelled, baseline_reward, best_reward, best_idea, config, usd, tokens) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) \
         on conflict (id) do update set status = excluded.status, updated_ms = excluded.updated_ms, \
         sequence = excluded.sequence, ideas = excluded.ideas, queued = excluded.queued, \
         running = excluded.running, measured = excluded.measured, failed = excluded.failed, \
         cancelled = excluded.cancelled, baseline_reward = excluded.baseline_reward, \
         best_reward = excluded.best_reward, best_idea = excluded.best_idea, \
         config = excluded.config, usd = excluded.usd, tokens = excluded.tokens",
    )
    .bind(row.id.as_str())
    .bind(row.problem)
    .bind(row.scale)
    .bind(row.status)
    .bind(row.created_ms)
    .bind(row.updated_ms)
    .bind(row.sequence as i64)
    .bind(row.ideas as i64)
    .bind(row.queued as i64)
    .bind(row.running as i64)
    .bind(row.measured as i64)
    .bind(row.failed as i64)
    .bind(row.cancelled as i64)
    .bind(row.baseline_reward)
    .bind(row.best_reward)
    .bind(row.best_idea.map(|id| id.to_string()))
    .bind(json(&run.config)?)
    .bind(row.usd)
    .bind(row.tokens.map(|tokens| tokens as i64))
    .execute(connection)
    .await
    .map(drop)
}

/// Removes all rows of a run.
pub(crate) async fn clear(connection: &mut AnyConnection, run: &RunId) -> Written {
    for statement in [
        "delete from run where id = $1",
        "delete from idea where run = $1",
        "delete from experiment where run = $1",
        "delete from attempt where run = $1",
        "delete from call where run = $1",
    ] {
        sqlx::query(statement).bind(run.as_str()).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_idea(connection: &mut AnyConnection, run: &Run, id: &IdeaId) -> Written {
    let Some(record) = run.ideas.get(id.number as usize) else { return Ok(()) };
    let fault = match &record.state {
        IdeaState::Rejected { fault } => Some(fault),
        IdeaState::Proposed
        | IdeaState::Patched { .. }
        | IdeaState::Ready { .. }
        | IdeaState::Broken { .. } => None,
    };
    let reward = match run.outcome(record) {
        Outcome::Measured { reward } => Some(reward),
        Outcome::Pending | Outcome::Failed(_) => None,
    };
    let idea = &record.idea;
    sqlx::query(
        "insert into idea (id, run, number, title, operator, parents, origin, techniques, state, commit_hash, \
         fault_class, fault_reason, reward) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         on conflict (id) do update set state = excluded.state, commit_hash = excluded.commit_hash, \
         fault_class = excluded.fault_class, fault_reason = excluded.fault_reason, reward = excluded.reward",
    )
    .bind(idea.id.to_string())
    .bind(run.id.as_str())
    .bind(i64::from(idea.id.number))
    .bind(idea.title.as_str())
    .bind(idea.operator.map(|operator| operator.as_str()))
    .bind(json(&idea.parents)?)
    .bind(idea.origin.as_str())
    .bind(json(&idea.techniques)?)
    .bind(record.state.name())
    .bind(record.state.revision().map(|revision| revision.commit.as_str()))
    .bind(fault.map(|fault| fault.class.as_str()))
    .bind(fault.map(|fault| fault.reason.as_str()))
    .bind(reward)
    .execute(connection)
    .await
    .map(drop)
}

/// A call that is told of twice was made once.
async fn write_call(connection: &mut AnyConnection, run: &Run, call: &Call, at_ms: i64) -> Written {
    sqlx::query(
        "insert into call (run, call_key, role, model, at_ms, input_tokens, cached_tokens, output_tokens, usd, \
         latency_ms, error, round) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         on conflict (run, call_key, round) do nothing",
    )
    .bind(run.id.as_str())
    .bind(call.key.as_str())
    .bind(call.role.as_str())
    .bind(call.model.to_string())
    .bind(at_ms)
    .bind(call.tokens.input as i64)
    .bind(call.tokens.cached as i64)
    .bind(call.tokens.output as i64)
    .bind(call.usd)
    .bind(call.latency_ms as i64)
    .bind(call.error.as_deref())
    .bind(i64::from(call.round))
    .execute(connection)
    .await
    .map(drop)
}

/// What an experiment's state adds to its row.
#[derive(Default)]
struct End<'a> {
    attempt: Option<&'a AttemptId>,
    metric: Option<f64>,
    reward: Option<f64>,
    result: Option<String>,
    fault: Option<&'a Fault>,
    cancelled: Option<&'a str>,
}

fn end(state: &ExperimentState) -> Result<End<'_>, sqlx::Error> {
    Ok(match state {
        ExperimentState::Queued { .. } => End::default(),
        ExperimentState::Running { attempt, .. } => {
            End { attempt: Some(attempt), ..End::default() }
        }
        ExperimentState::Measured { attempt, measurement } => End {
            attempt: Some(attempt),
            metric: Some(measurement.metric),
            reward: Some(measurement.reward),
            result: Some(json(&measurement.values)?),
            ..End::default()
        },
        ExperimentState::Failed { attempt, fault, .. } => {
            End { attempt: Some(attempt), fault: Some(fault), ..End::default() }
        }
        ExperimentState::Cancelled { reason } => End { cancelled: Some(reason), ..End::default() },
    })
}

/// The experiment's row, and with it the reward of its idea.
async fn write_experiment(
    connection: &mut AnyConnection,
    run: &Run,
    id: &ExperimentId,
    at_ms: i64,
) -> Written {
    let Some(record) = run.experiment(id) else { return Ok(()) };
    let end = end(&record.state)?;
    let experiment = &record.experiment;
    sqlx::query(
        "insert into experiment (id, run, number, idea, purpose, scale, seed, state, attempt, queued_ms, ended_ms, \
         metric, reward, result, fault_class, fault_reason) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
         on conflict (id) do update set state = excluded.state, attempt = excluded.attempt, \
         ended_ms = excluded.ended_ms, metric = excluded.metric, reward = excluded.reward, \
         result = excluded.result, fault_class = excluded.fault_class, fault_reason = excluded.fault_reason",
    )
    .bind(experiment.id.to_string())
    .bind(run.id.as_str())
    .bind(i64::from(experiment.id.number))
    .bind(experiment.idea.to_string())
    .bind(experiment.purpose.as_str())
    .bind(experiment.scale.as_str())
    .bind(experiment.seed.to_string())
    .bind(record.state.name())
    .bind(end.attempt.map(ToString::to_string))
    .bind(at_ms)
    .bind(record.state.is_terminal().then_some(at_ms))
    .bind(end.metric)
    .bind(end.reward)
    .bind(end.result)
    .bind(end.fault.map(|fault| fault.class.as_str()))
    .bind(end.fault.map(|fault| fault.reason.as_str()).or(end.cancelled))
    .execute(&mut *connection)
    .await?;
    write_idea(connection, run, &experiment.idea).await
}

async fn end_attempt(
    connection: &mut AnyConnection,
    attempt: &AttemptId,
    state: &str,
    at_ms: i64,
    usage: Option<&Usage>,
    fault: Option<&Fault>,
) -> Written {
    sqlx::query(
        "update attempt set state = $2, ended_ms = $3, wall_s = $4, cpu_s = $5, peak_memory_mb = $6, \
         peak_gpu_memory_mb = $7, fault_class = $8, fault_reason = $9 where id = $1",
    )
    .bind(attempt.to_string())
    .bind(state)
    .bind(at_ms)
    .bind(usage.map(|usage| usage.wall_s))
    .bind(usage.map(|usage| usage.cpu_s))
    .bind(usage.map(|usage| usage.peak_memory_mb))
    .bind(usage.and_then(|usage| usage.peak_gpu_memory_mb))
    .bind(fault.map(|fault| fault.class.as_str()))
    .bind(fault.map(|fault| fault.reason.as_str()))
    .execute(connection)
    .await
    .map(drop)
}

fn json(value: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

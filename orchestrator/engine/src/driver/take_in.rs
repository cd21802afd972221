//! What the end of an effect means for the run.

use std::collections::BTreeMap;
use std::time::Duration;

use autores_domain::{
    Answered, AttemptId, Call, Event, ExperimentState, Fault, FaultClass, IdeaId, IdeaState,
    MAX_LOSSES, Measurement, MetricPoint, Patch, Proposal, Refusal, StopReason,
};
use tracing::warn;

use super::effect::{Done, Effect, Executed};
use super::{DriveError, Driver};

/// Waits before models are asked again that did not answer, although each call was tried several times.
const SILENCES: [Duration; 5] = [
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
];

/// Points of a learning curve that are kept with a result.
const CURVE: usize = 12;

impl Driver<'_> {
    pub(super) async fn take_in(&mut self, effect: Effect, done: Done) -> Result<(), DriveError> {
        match done {
            Done::Answered(number, answer) => {
                for (number, answer) in self.answers.take(number, answer) {
                    self.answered(Effect::Answer(number), number, answer).await?;
                }
                Ok(())
            }
            Done::Implemented(idea, answer) => self.implemented(effect, idea, answer).await,
            Done::Distilled(number, Answered { result, calls }) => match result {
                Ok(lessons) => {
                    self.silences = 0;
                    self.record(vec![Event::LessonsLearnt { number, lessons, calls }]).await
                }
                // A run is worth its end without lessons, whoever refuses them.
                Err(
                    Refusal::Failed(reason)
                    | Refusal::Budget(reason)
                    | Refusal::Unavailable { reason, .. },
                ) => self.record(vec![Event::LessonsFailed { number, reason, calls }]).await,
            },
            Done::Committed(idea, Ok(revision)) => {
                self.record(vec![Event::IdeaCommitted { idea, revision }]).await
            }
            // The idea is not to blame, and it still has its patch.
            Done::Committed(idea, Err(fault)) if fault.class.is_retried() => {
                Err(DriveError::Workspace { idea, fault })
            }
            Done::Committed(idea, Err(fault)) => {
                let event = self.came_to_nothing(idea, fault, Vec::new());
                self.record(vec![event]).await
            }
            Done::Executed(attempt, executed) => {
                let event = self.conclude(attempt, executed).await?;
                self.record(vec![event]).await
            }
            Done::Waited => {
                self.waiting -= 1;
                Ok(())
            }
        }
    }

    async fn answered(
        &mut self,
        effect: Effect,
        number: u32,
        answer: Answered<Result<Vec<Proposal>, Refusal<String>>>,
    ) -> Result<(), DriveError> {
        let Answered { result, calls } = answer;
        let event = match result {
            Ok(proposals) => {
                self.silences = 0;
                let first = self.run.ideas.len() as u32;
                let run = &self.run.id;
                let numbered = proposals.into_iter().zip(first..).map(|(proposal, number)| {
                    proposal.numbered(IdeaId { run: run.clone(), number })
                });
                Event::BriefAnswered { number, ideas: numbered.collect(), calls }
            }
            Err(Refusal::Failed(reason)) => Event::BriefFailed { number, reason, calls },
            Err(refusal) => return self.put_off(effect, refusal, calls).await,
        };
        self.record(vec![event]).await
    }

    async fn implemented(
        &mut self,
        effect: Effect,
        idea: IdeaId,
        answer: Answered<Result<Patch, Refusal<Fault>>>,
    ) -> Result<(), DriveError> {
        let Answered { result, calls } = answer;
        let event = match result {
            Ok(patch) => {
                self.silences = 0;
                Event::IdeaPatched { idea, patch, calls }
            }
            // The machine is to blame; the idea stays open.
            Err(Refusal::Failed(fault)) if fault.class.is_retried() => {
                return Err(DriveError::Workspace { idea, fault });
            }
            Err(Refusal::Failed(fault)) => self.came_to_nothing(idea, fault, calls),
            Err(refusal) => return self.put_off(effect, refusal, calls).await,
        };
        self.record(vec![event]).await
    }

    /// An idea without a commit is rejected; one that has a commit keeps it.
    fn came_to_nothing(&self, idea: IdeaId, fault: Fault, calls: Vec<Call>) -> Event {
        let record = self.run.ideas.get(idea.number as usize);
        match record.map(|record| &record.state) {
            Some(IdeaState::Broken { .. } | IdeaState::Patched { onto: Some(_), .. }) => {
                Event::RepairFailed { idea, fault, calls }
            }
            Some(
                IdeaState::Proposed
                | IdeaState::Patched { onto: None, .. }
                | IdeaState::Ready { .. }
                | IdeaState::Rejected { .. },
            )
            | None => Event::IdeaRejected { idea, fault, calls },
        }
    }

    /// What could not be asked stays open: until there is more budget, or until models answer again.
    async fn put_off<E>(
        &mut self,
        effect: Effect,
        refusal: Refusal<E>,
        calls: Vec<Call>,
    ) -> Result<(), DriveError> {
        match refusal {
            // Its callers have placed it.
            Refusal::Failed(_) => {}
            Refusal::Budget(reason) => {
                self.stop(StopReason::Budget);
                self.trouble.get_or_insert(reason);
            }
            Refusal::Unavailable { reason, is_lasting } => match self.patience() {
                Some(wait) if !is_lasting && self.stopping.is_none() => {
                    warn!(reason, wait_s = wait.as_secs(), "no model answers");
                    self.waiting += 1;
                    self.in_flight.insert(effect.clone());
                    self.effects.spawn(async move {
                        tokio::time::sleep(wait).await;
                        (effect, Done::Waited)
                    });
                }
                Some(_) | None => {
                    warn!(reason, "no model answers");
                    self.trouble.get_or_insert(reason);
                    self.stop(StopReason::Models);
                }
            },
        }
        if calls.is_empty() { Ok(()) } else { self.record(vec![Event::CallsMade { calls }]).await }
    }

    /// How long to wait this time; `None` once that is over. What is refused while others wait waits with them.
    fn patience(&mut self) -> Option<Duration> {
        if self.waiting == 0 {
            self.silences += 1;
        }
        SILENCES.get(self.silences.saturating_sub(1)).copied()
    }

    /// What the end of an attempt means for its experiment.
    async fn conclude(
        &mut self,
        attempt: AttemptId,
        executed: Executed,
    ) -> Result<Event, DriveError> {
        let ended = match executed {
            Executed::Ended(ended) => ended,
            Executed::Rejected(fault) => {
                return Ok(Event::AttemptFailed { attempt, fault, usage: None, curve: Vec::new() });
            }
            Executed::Unavailable(fault) => return Err(DriveError::Backend { attempt, fault }),
            Executed::Lost(fault) => {
                let losses = match self.run.experiment(&attempt.experiment).map(|e| &e.state) {
                    Some(ExperimentState::Running { losses, .. }) => *losses,
                    Some(_) | None => 0,
                };
                let final_loss = fault.class == FaultClass::Infra && losses + 1 >= MAX_LOSSES;
                warn!(%attempt, %fault, "attempt lost");
                return Ok(if final_loss {
                    Event::AttemptFailed { attempt, fault, usage: None, curve: Vec::new() }
                } else {
                    Event::AttemptLost { attempt, fault }
                });
            }
        };
        // Metrics come before the event that closes the attempt, so that a crash between the two loses neither.
        self.parts.log.record_metrics(&attempt, &ended.metrics).await?;
        crash_point!("engine.after", "record_metrics");
        let curve = match &self.run.problem.metric.curve {
            Some(key) => curve(&ended.metrics, key),
            None => Vec::new(),
        };
        Ok(match ended.outcome.and_then(|values| self.measure(values)) {
            Ok((metric, reward, values)) => Event::AttemptMeasured {
                attempt,
                measurement: Measurement { metric, reward, values, usage: ended.usage, curve },
            },
            Err(fault) => Event::AttemptFailed { attempt, fault, usage: Some(ended.usage), curve },
        })
    }

    fn measure(
        &self,
        values: BTreeMap<String, f64>,
    ) -> Result<(f64, f64, BTreeMap<String, f64>), Fault> {
        let name = &self.run.problem.metric.name;
        let metric = *values.get(name).ok_or_else(|| {
            Fault::new(FaultClass::Crash, format!("the evaluation's result has no {name}"))
        })?;
        let reward = self.run.problem.reward.reward(metric).ok_or_else(|| {
            Fault::new(FaultClass::Diverged, format!("{name} = {metric} gives no finite reward"))
        })?;
        Ok((metric, reward, values))
    }
}

/// The finite values under a key, thinned to evenly spaced points; the first and the last stay.
fn curve(metrics: &[MetricPoint], key: &str) -> Vec<f64> {
    let values: Vec<f64> = metrics
        .iter()
        .filter_map(|point| point.values.get(key))
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    if values.len() <= CURVE {
        return values;
    }
    (0..CURVE).map(|point| values[point * (values.len() - 1) / (CURVE - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let point = |step: u32| MetricPoint {
            wall_s: 0.0,
            cpu_s: 0.0,
            values: [("loss".to_owned(), f64::from(step))].into(),
        };
        let metrics: Vec<MetricPoint> = (0..100).map(point).collect();
        let thinned = curve(&metrics, "loss");
        assert_eq!((thinned.len(), thinned[0], thinned[CURVE - 1]), (CURVE, 0.0, 99.0));
        assert_eq!(curve(&metrics[..3], "loss"), [0.0, 1.0, 2.0]);
        assert!(curve(&metrics, "accuracy").is_empty());
    }
}

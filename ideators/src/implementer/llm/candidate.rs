//! One candidate: from the reply of its model to a patch that passes, or to the reason why none does.

use autores_domain::{Fault, FaultClass, Gate, ModelName, Patch, Revision};

use super::job::{Job, Refused};
use crate::conversation::Unanswered;
use crate::llm::Reply;
use crate::reply::patch;

/// A candidate for the patch of an idea.
#[derive(Debug)]
pub(super) struct Candidate {
    /// From 0.
    pub(super) number: u32,
    pub(super) model: ModelName,
    /// Whether its model writes others too.
    pub(super) is_one_of_many: bool,
    /// Replies that were read.
    pub(super) replies: u32,
    pub(super) state: State,
}

/// How far a candidate has come.
#[derive(Debug)]
pub(super) enum State {
    /// It may be asked for.
    Open,
    /// Its newest patch did not pass; it may be asked for another.
    Refused {
        fault: Fault,
        /// What its model is shown; nothing where there was no reply to speak of.
        refused: Option<Refused>,
    },
    /// It passed the gate.
    Passed(Passed),
    /// The gate could not be asked about it.
    Unchecked(Fault),
    /// There is no more to be had from its model; the newest fault, if it got so far.
    Unanswered(Unanswered, Option<Fault>),
}

/// A patch that passed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Passed {
    pub(super) number: u32,
    pub(super) patch: Patch,
    pub(super) revision: Revision,
    /// How sure its model was.
    pub(super) mean_logprob: Option<f64>,
}

impl Candidate {
    pub(super) fn new(number: u32, model: ModelName, is_one_of_many: bool) -> Self {
        Self { number, model, is_one_of_many, replies: 0, state: State::Open }
    }

    pub(super) fn may_be_asked(&self) -> bool {
        match self.state {
            State::Open | State::Refused { .. } => true,
            State::Passed(_) | State::Unchecked(_) | State::Unanswered(..) => false,
        }
    }

    pub(super) fn has_passed(&self) -> bool {
        matches!(self.state, State::Passed(_))
    }

    /// Whether it came no further because the run stops.
    pub(super) fn is_stopped(&self) -> bool {
        match &self.state {
            State::Unanswered(error, _) => error.is_stop(),
            State::Open | State::Refused { .. } | State::Passed(_) | State::Unchecked(_) => false,
        }
    }

    /// What its model is shown of its last reply.
    pub(super) fn refused(&self) -> Option<Refused> {
        match &self.state {
            State::Refused { refused, .. } => refused.clone(),
            State::Open | State::Passed(_) | State::Unchecked(_) | State::Unanswered(..) => None,
        }
    }

    /// Why its newest patch did not pass.
    pub(super) fn fault(&self) -> Option<&Fault> {
        match &self.state {
            State::Refused { fault, .. } | State::Unanswered(_, Some(fault)) => Some(fault),
            State::Open | State::Passed(_) | State::Unchecked(_) | State::Unanswered(_, None) => {
                None
            }
        }
    }

    /// Reads the reply and takes its patch through the gate.
    pub(super) async fn judge(
        &mut self,
        answer: Result<Reply, Unanswered>,
        job: &Job,
        gate: &dyn Gate,
    ) {
        self.state = match answer {
            // It is kept, and is judged when the run goes on.
            Ok(_) if job.is_stopping() => {
                State::Unanswered(Unanswered::Stopping, self.fault().cloned())
            }
            Ok(reply) => {
                self.replies += 1;
                judged(self.number, reply, job, gate).await
            }
            Err(error) if error.is_chance() => {
                let fault = Fault::new(FaultClass::Patch, error.to_string());
                State::Refused { fault, refused: None }
            }
            Err(error) => State::Unanswered(error, self.fault().cloned()),
        };
    }
}

async fn judged(number: u32, reply: Reply, job: &Job, gate: &dyn Gate) -> State {
    let task = &job.task;
    let patch = match patch::parse(&reply.text, &task.code) {
        Ok(parsed) => parsed.patch,
        Err(refused) => {
            let report = refused.to_string();
            // The first line says what is wrong, the others show it.
            let mut lines = report.lines().map(str::to_owned);
            let fault = Fault::new(FaultClass::Patch, lines.next().unwrap_or_default())
                .with_tail(lines.collect());
            return State::Refused { fault, refused: Some(Refused { reply: reply.text, report }) };
        }
    };
    let onto = task.broken.as_ref().map(|broken| &broken.revision);
    match gate.pass(&task.idea, onto, &patch).await {
        Ok(revision) => {
            State::Passed(Passed { number, patch, revision, mean_logprob: reply.mean_logprob })
        }
        Err(fault) if fault.class.is_retried() => State::Unchecked(fault),
        Err(fault) => {
            let mut report = fault.to_string();
            if !fault.tail.is_empty() {
                report += &format!("\nThe last lines of output:\n{}", fault.tail.join("\n"));
            }
            State::Refused { fault, refused: Some(Refused { reply: reply.text, report }) }
        }
    }
}

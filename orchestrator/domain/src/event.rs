//! Everything that happens to a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AttemptId, Brief, Budget, Call, Experiment, ExperimentId, Fault, Idea, IdeaId, Lesson, Limits,
    Measurement, Patch, Problem, Revision, RunConfig, RunId, Slot, Usage, Verdict,
};

/// Why a run stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// A signal to the process, such as Ctrl-C.
    Signal,
    /// `autores stop`.
    Request,
    /// What the run may cost is used up.
    Budget,
    /// No model answers.
    Models,
}

/// One fact in the life of a run. The names and fields are stored for ever: fields are only added, with a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run exists.
    RunCreated {
        /// What it was asked to do.
        config: Box<RunConfig>,
        /// The problem as it was then.
        problem: Box<Problem>,
        /// The commit that every idea starts from.
        base: Revision,
        /// Version of the program.
        version: String,
        /// What the measurements depend on besides the code: names of the Python environment and of the prepared
        /// data, which are hashes of what they were made from.
        #[serde(default)]
        inputs: BTreeMap<String, String>,
        /// Lessons of earlier runs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lessons: Vec<Lesson>,
    },
    /// A process took up the run.
    RunOpened {
        /// Its process id.
        pid: u32,
        /// Its host.
        host: String,
        /// GPUs, or slots without a GPU, that it may use; 0 where that was not recorded.
        #[serde(default)]
        accelerators: u32,
    },
    /// No more jobs are started until further notice.
    RunPaused,
    /// Jobs are started again.
    RunUnpaused,
    /// The run may cost more, or less, than before.
    BudgetChanged {
        /// What it may cost from now on.
        budget: Budget,
    },
    /// Models were paid for something that is still open.
    CallsMade {
        /// The calls.
        calls: Vec<Call>,
    },
    /// The process let go of the run, which can be resumed.
    RunStopped {
        /// Why.
        reason: StopReason,
        /// The same in a sentence, where there is more to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Nothing more is owed. Terminal.
    RunFinished {
        /// What was found.
        verdict: Verdict,
    },
    /// The run cannot go on, for a reason that its ideas do not have. Terminal.
    RunFailed {
        /// Why.
        reason: String,
    },
    /// The search asks for ideas.
    BriefIssued {
        /// Number of the brief, from 0.
        number: u32,
        /// What is asked.
        brief: Brief,
    },
    /// The ideator answered.
    BriefAnswered {
        /// Number of the brief.
        number: u32,
        /// The ideas, numbered on from the last.
        ideas: Vec<Idea>,
        /// The calls of models that were made for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<Call>,
    },
    /// The ideator could not answer.
    BriefFailed {
        /// Number of the brief.
        number: u32,
        /// Why.
        reason: String,
        /// The calls of models that were made for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<Call>,
    },
    /// The implementer turned an idea into edits.
    IdeaPatched {
        /// The idea.
        idea: IdeaId,
        /// The edits: of the base, or of the revision that is mended.
        patch: Patch,
        /// The calls of models that were made for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<Call>,
    },
    /// The edits are a commit on the idea's branch.
    IdeaCommitted {
        /// The idea.
        idea: IdeaId,
        /// The commit.
        revision: Revision,
    },
    /// The idea came to no commit.
    IdeaRejected {
        /// The idea.
        idea: IdeaId,
        /// Why.
        fault: Fault,
        /// The calls of models that were made for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<Call>,
    },
    /// The idea's revision failed when it ran, and is to be mended.
    RepairIssued {
        /// The idea.
        idea: IdeaId,
        /// The experiment that failed.
        experiment: ExperimentId,
    },
    /// The revision could not be mended; the failure stands.
    RepairFailed {
        /// The idea.
        idea: IdeaId,
        /// Why.
        fault: Fault,
        /// The calls of models that were made for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<Call>,
    },
    /// The idea's code is the very same as that of an idea before it, whose result holds for both.
    ResultReused {
        /// The idea.
        idea: IdeaId,
        /// The other idea's experiment.
        experiment: ExperimentId,
    },
    /// Lessons are to be drawn from all that is known.
    LessonsIssued {
        /// How often that was asked before.
        number: u32,
    },
    /// Lessons were drawn; they take the place of those before.
    LessonsLearnt {
        /// Number of the request.
        number: u32,
        /// All lessons of the run.
        lessons: Vec<Lesson>,
        /// The calls of models that were made for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<Call>,
    },
    /// No lessons could be drawn; those before stand.
    LessonsFailed {
        /// Number of the request.
        number: u32,
        /// Why.
        reason: String,
        /// The calls of models that were made for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<Call>,
    },
    /// An experiment waits for a slot.
    ExperimentQueued {
        /// The experiment.
        experiment: Experiment,
    },
    /// An experiment is not needed any more.
    ExperimentCancelled {
        /// The experiment.
        experiment: ExperimentId,
        /// Why.
        reason: String,
    },
    /// An attempt is about to start: written before its process exists.
    AttemptStarted {
        /// The attempt.
        attempt: AttemptId,
        /// The slot it holds.
        slot: Slot,
        /// What it may use.
        limits: Limits,
    },
    /// The attempt ended with a result.
    AttemptMeasured {
        /// The attempt.
        attempt: AttemptId,
        /// The result.
        measurement: Measurement,
    },
    /// The attempt ended without one.
    AttemptFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        fault: Fault,
        /// What it cost, where that is known.
        #[serde(default)]
        usage: Option<Usage>,
        /// The learning curve as far as it came, at evenly spaced points.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        curve: Vec<f64>,
    },
    /// The attempt vanished or was stopped; the experiment is queued again.
    AttemptLost {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        fault: Fault,
    },
}

impl Event {
    /// The run that the event's ids belong to; `None` where it has none.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::RunCreated { .. }
            | Self::RunOpened { .. }
            | Self::RunPaused
            | Self::RunUnpaused
            | Self::RunStopped { .. }
            | Self::RunFinished { .. }
            | Self::RunFailed { .. }
            | Self::BudgetChanged { .. }
            | Self::CallsMade { .. }
            | Self::BriefIssued { .. }
            | Self::BriefFailed { .. }
            | Self::LessonsIssued { .. }
            | Self::LessonsLearnt { .. }
            | Self::LessonsFailed { .. } => None,
            Self::BriefAnswered { ideas, .. } => ideas.first().map(|idea| &idea.id.run),
            Self::IdeaPatched { idea, .. }
            | Self::IdeaCommitted { idea, .. }
            | Self::IdeaRejected { idea, .. }
            | Self::RepairIssued { idea, .. }
            | Self::RepairFailed { idea, .. }
            | Self::ResultReused { idea, .. } => Some(&idea.run),
            Self::ExperimentQueued { experiment } => Some(&experiment.id.run),
            Self::ExperimentCancelled { experiment, .. } => Some(&experiment.run),
            Self::AttemptStarted { attempt, .. }
            | Self::AttemptMeasured { attempt, .. }
            | Self::AttemptFailed { attempt, .. }
            | Self::AttemptLost { attempt, .. } => Some(&attempt.experiment.run),
        }
    }

    /// Whether nothing more can happen to the run after it.
    pub fn ends_the_run(&self) -> bool {
        matches!(self, Self::RunFinished { .. } | Self::RunFailed { .. })
    }

    /// The calls of models that the event tells of.
    pub fn calls(&self) -> &[Call] {
        match self {
            Self::BriefAnswered { calls, .. }
            | Self::BriefFailed { calls, .. }
            | Self::IdeaPatched { calls, .. }
            | Self::IdeaRejected { calls, .. }
            | Self::RepairFailed { calls, .. }
            | Self::LessonsLearnt { calls, .. }
            | Self::LessonsFailed { calls, .. }
            | Self::CallsMade { calls } => calls,
            Self::RunCreated { .. }
            | Self::RunOpened { .. }
            | Self::RunPaused
            | Self::RunUnpaused
            | Self::RunStopped { .. }
            | Self::RunFinished { .. }
            | Self::RunFailed { .. }
            | Self::BudgetChanged { .. }
            | Self::BriefIssued { .. }
            | Self::IdeaCommitted { .. }
            | Self::RepairIssued { .. }
            | Self::ResultReused { .. }
            | Self::LessonsIssued { .. }
            | Self::ExperimentQueued { .. }
            | Self::ExperimentCancelled { .. }
            | Self::AttemptStarted { .. }
            | Self::AttemptMeasured { .. }
            | Self::AttemptFailed { .. }
            | Self::AttemptLost { .. } => &[],
        }
    }

    /// The word used in the store and in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunCreated { .. } => "run_created",
            Self::RunOpened { .. } => "run_opened",
            Self::RunPaused => "run_paused",
            Self::RunUnpaused => "run_unpaused",
            Self::RunStopped { .. } => "run_stopped",
            Self::RunFinished { .. } => "run_finished",
            Self::RunFailed { .. } => "run_failed",
            Self::BudgetChanged { .. } => "budget_changed",
            Self::CallsMade { .. } => "calls_made",
            Self::BriefIssued { .. } => "brief_issued",
            Self::BriefAnswered { .. } => "brief_answered",
            Self::BriefFailed { .. } => "brief_failed",
            Self::IdeaPatched { .. } => "idea_patched",
            Self::IdeaCommitted { .. } => "idea_committed",
            Self::IdeaRejected { .. } => "idea_rejected",
            Self::RepairIssued { .. } => "repair_issued",
            Self::RepairFailed { .. } => "repair_failed",
            Self::ResultReused { .. } => "result_reused",
            Self::LessonsIssued { .. } => "lessons_issued",
            Self::LessonsLearnt { .. } => "lessons_learnt",
            Self::LessonsFailed { .. } => "lessons_failed",
            Self::ExperimentQueued { .. } => "experiment_queued",
            Self::ExperimentCancelled { .. } => "experiment_cancelled",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::AttemptMeasured { .. } => "attempt_measured",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::AttemptLost { .. } => "attempt_lost",
        }
    }
}

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Place in the run's log, from 1 without gaps.
    pub sequence: u64,
    /// When it was written, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

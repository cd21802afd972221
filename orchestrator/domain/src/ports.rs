//! What the engine needs from outside.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rand::RngCore;
use serde::{Deserialize, Serialize};

use crate::{
    Answered, AttemptId, Brief, Call, CallKey, Codebase, Event, Evidence, Fault, Idea, Lesson,
    Limits, Member, Patch, Population, Proposal, Recorded, Revision, RunId, Usage,
};

/// A place where one experiment runs at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// Its number, from 0.
    pub index: u32,
    /// Indices of its GPUs as NVML counts them; empty on the CPU.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<u32>,
}

/// An attempt to be executed.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The attempt, whose name every effect carries.
    pub attempt: AttemptId,
    /// The commit to run.
    pub commit: String,
    /// The scale.
    pub scale: String,
    /// The seed.
    pub seed: u64,
    /// The slot it holds.
    pub slot: Slot,
    /// What it may use.
    pub limits: Limits,
}

/// One line that an experiment reported while it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// Wall-clock seconds since the attempt's start, measured from outside.
    pub wall_s: f64,
    /// CPU seconds since the attempt's start, measured from outside.
    pub cpu_s: f64,
    /// The reported numbers: `step`, `tokens`, `flops`, `train_loss` and others.
    pub values: BTreeMap<String, f64>,
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Name of the stage.
    pub name: String,
    /// What it used.
    pub usage: Usage,
}

/// An attempt that ended by itself or was ended for a reason of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The numbers of the result file, or why there are none.
    pub outcome: Result<BTreeMap<String, f64>, Fault>,
    /// What it cost.
    pub usage: Usage,
    /// What it reported.
    pub metrics: Vec<MetricPoint>,
}

/// Why an attempt has no report: the fault is of class `infra` or `preempted`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("attempt was lost: {0}")]
pub struct ReportError(pub Fault);

/// Why a job cannot be started.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BackendError {
    /// Starting it again would fail again.
    #[error("job was refused: {0}")]
    Rejected(Fault),
    /// It may be tried again later.
    #[error("backend is not available: {0}")]
    Unavailable(Fault),
}

/// Where experiments run. Every method is safe to repeat.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The slots it offers.
    fn slots(&self) -> Vec<Slot>;

    /// Makes sure that the attempt was started exactly once, and is running or has ended.
    ///
    /// # Errors
    /// If it could not be started.
    async fn ensure(&self, job: &Job) -> Result<(), BackendError>;

    /// Waits until the attempt has ended.
    ///
    /// # Errors
    /// If it vanished or was stopped, so that the experiment is owed another attempt.
    async fn watch(&self, attempt: &AttemptId) -> Result<Ended, ReportError>;

    /// Ends the attempt, with grace; harmless if it has ended.
    async fn stop(&self, attempt: &AttemptId);

    /// Ends everything that runs for the run except these attempts: leftovers of a crash.
    async fn sweep(&self, run: &RunId, keep: &[AttemptId]);
}

/// Why the log did not take or give events.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store cannot be written or read: disk full, no permission, locked.
    #[error("{0}")]
    Unavailable(String),
    /// The store holds what this version cannot read.
    #[error("{0}")]
    Unreadable(String),
}

/// The truth about runs.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends events after number `after` of the run's log, all or none, and returns when they are durable.
    ///
    /// # Errors
    /// Also if the log has meanwhile grown beyond `after`: somebody else writes this run.
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        events: &[Event],
    ) -> Result<Vec<Recorded>, LogError>;

    /// Records what an attempt reported while it ran; replaces what was recorded for it before.
    ///
    /// # Errors
    /// If it cannot be written.
    async fn record_metrics(
        &self,
        attempt: &AttemptId,
        metrics: &[MetricPoint],
    ) -> Result<(), LogError>;
}

/// Why a transcript cannot be kept or found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TranscriptError(pub String);

/// The words of all calls of a run, by who asked. Blocking: a transcript is durable when `keep` returns.
pub trait Transcripts: Send + Sync {
    /// What was kept under the key.
    ///
    /// # Errors
    /// If it cannot be read.
    fn find(&self, key: &CallKey) -> Result<Option<Vec<u8>>, TranscriptError>;

    /// Keeps it under the key, in place of what was there.
    ///
    /// # Errors
    /// If it cannot be written.
    fn keep(&self, key: &CallKey, transcript: &[u8]) -> Result<(), TranscriptError>;

    /// All keys under which something is kept, in order.
    ///
    /// # Errors
    /// If they cannot be listed.
    fn keys(&self) -> Result<Vec<CallKey>, TranscriptError>;
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal<E> {
    /// It was tried and came to nothing, which is an answer.
    Failed(E),
    /// The run's budget does not allow for it. It stays open.
    Budget(String),
    /// No model answers. It stays open.
    Unavailable {
        /// Why.
        reason: String,
        /// Whether waiting is of no use: the key is wrong, or there is no such model.
        is_lasting: bool,
    },
}

impl<E> Refusal<E> {
    /// The same refusal with another word for what came to nothing.
    pub fn map<T>(self, change: impl FnOnce(E) -> T) -> Refusal<T> {
        match self {
            Self::Failed(error) => Refusal::Failed(change(error)),
            Self::Budget(reason) => Refusal::Budget(reason),
            Self::Unavailable { reason, is_lasting } => Refusal::Unavailable { reason, is_lasting },
        }
    }
}

/// Answers briefs.
#[async_trait]
pub trait Ideator: Send + Sync {
    /// How many briefs it answers at a time. One that must not repeat what a brief still open will bring answers one.
    fn at_once(&self) -> usize;

    /// Proposes `brief.count` ideas; fewer if it has no more. The number is the brief's, and names the calls.
    async fn propose(
        &self,
        number: u32,
        brief: &Brief,
        population: &Population,
    ) -> Answered<Result<Vec<Proposal>, Refusal<String>>>;

    /// Begins no further question; those under way are answered.
    fn stop(&self) {}
}

/// An idea that another builds on, as far as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Parent {
    /// The idea with its outcome.
    pub member: Member,
    /// Its code.
    pub code: Codebase,
}

/// A revision that failed when it ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// How often the idea was mended before.
    pub repairs: u32,
    /// The revision.
    pub revision: Revision,
    /// What went wrong.
    pub fault: Fault,
    /// How far it came.
    pub evidence: Evidence,
}

/// What an implementer is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The idea.
    pub idea: Idea,
    /// The code that the edits apply to: the base, or the revision to mend.
    pub code: Codebase,
    /// The ideas that it builds on.
    pub parents: Vec<Parent>,
    /// All that was measured so far.
    pub population: Population,
    /// The revision to mend; `None` for the first.
    pub broken: Option<Broken>,
}

impl Task {
    /// Ideas proposed before this one, whatever became of them.
    pub fn earlier(&self) -> impl Iterator<Item = &Member> {
        self.population.members.iter().filter(|member| member.idea.id < self.idea.id)
    }
}

/// Turns ideas into edits.
#[async_trait]
pub trait Implementer: Send + Sync {
    /// Edits of the task's code that carry out the idea.
    async fn implement(&self, task: &Task) -> Answered<Result<Patch, Refusal<Fault>>>;

    /// Begins no further question; those under way are answered.
    fn stop(&self) {}

    /// Waits for calls that were made and whose answers nobody needs any more, and tells them.
    async fn settle(&self) -> Vec<Call> {
        Vec::new()
    }
}

/// Draws lessons.
#[async_trait]
pub trait Distiller: Send + Sync {
    /// All lessons of the run: those of the population, and what has been learnt since. The number names the calls.
    async fn distil(
        &self,
        number: u32,
        population: &Population,
    ) -> Answered<Result<Vec<Lesson>, Refusal<String>>>;

    /// Begins no further question; those under way are answered.
    fn stop(&self) {}
}

/// The codebase under git. `onto` names the revision whose code the edits change; without it they change the base.
#[async_trait]
pub trait Workspace: Send + Sync {
    /// The text files at the base commit.
    fn codebase(&self) -> &Codebase;

    /// The text files at a revision.
    ///
    /// # Errors
    /// A fault of class `infra` if the repository has no such commit or cannot be read.
    async fn code(&self, revision: &Revision) -> Result<Codebase, Fault>;

    /// The commit that the edits make, on no branch; the same edits give the same commit.
    ///
    /// # Errors
    /// A fault of class `patch` or `policy`, or of class `infra` if the repository cannot be written.
    async fn draft(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault>;

    /// The same commit as of a draft, with the idea's branch moved to it.
    ///
    /// # Errors
    /// As of a draft.
    async fn commit(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault>;
}

/// What a patch must pass before it costs an experiment, the cheapest check first.
#[async_trait]
pub trait Gate: Send + Sync {
    /// The revision that the patch makes if it applies to the code, touches editable files only, compiles and runs.
    ///
    /// # Errors
    /// The fault of the first check that it does not pass, with the last lines of output. One of class `infra` or
    /// `preempted` says nothing of the patch: the check was not made.
    async fn pass(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault>;
}

/// What a search is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Number of the first brief.
    pub first: u32,
    /// The epoch, from 0.
    pub epoch: u32,
    /// How many ideas are wanted.
    pub count: u32,
}

/// Chooses what to ask for next. Pure: the same population and the same random numbers give the same briefs.
pub trait SearchStrategy: Send + Sync {
    /// Briefs for as many ideas as there is room for.
    fn propose(&self, population: &Population, room: Room, rng: &mut dyn RngCore) -> Vec<Brief>;
}

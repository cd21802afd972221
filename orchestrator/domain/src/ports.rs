//! What the engine needs from outside.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rand::RngCore;
use serde::{Deserialize, Serialize};

use crate::{
    AttemptId, Brief, Codebase, Event, Fault, Idea, Limits, Patch, Population, Proposal, Recorded,
    Revision, RunId, Usage,
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

/// Answers briefs.
#[async_trait]
pub trait Ideator: Send + Sync {
    /// How many briefs it answers at a time. One that must not repeat what a brief still open will bring answers one.
    fn at_once(&self) -> usize;

    /// Proposes `brief.count` ideas; fewer if it has no more.
    ///
    /// # Errors
    /// A sentence why there is none.
    async fn propose(
        &self,
        brief: &Brief,
        population: &Population,
    ) -> Result<Vec<Proposal>, String>;
}

/// Turns ideas into edits.
#[async_trait]
pub trait Implementer: Send + Sync {
    /// Edits of the codebase that carry out the idea.
    ///
    /// # Errors
    /// A fault of class `patch`.
    async fn implement(&self, idea: &Idea, codebase: &Codebase) -> Result<Patch, Fault>;
}

/// The codebase under git.
#[async_trait]
pub trait Workspace: Send + Sync {
    /// The text files at the base commit.
    fn codebase(&self) -> &Codebase;

    /// Commits the edits on the idea's branch; the same edits give the same commit.
    ///
    /// # Errors
    /// A fault of class `patch` or `policy`, or of class `infra` if the repository cannot be written.
    async fn commit(&self, idea: &Idea, patch: &Patch) -> Result<Revision, Fault>;
}

/// Chooses what to ask for next. Pure: the same population and the same random numbers give the same briefs.
pub trait SearchStrategy: Send + Sync {
    /// Briefs for `count` ideas of epoch `epoch` (from 0).
    fn propose(
        &self,
        population: &Population,
        epoch: u32,
        count: u32,
        rng: &mut dyn RngCore,
    ) -> Vec<Brief>;
}

//! What a supervisor is to run in one folder: an attempt's stages, or a patch's trial.

use autores_domain::{Job, Limits, Problem, Stage};

/// Commands of one commit at one scale, and what they may use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    /// Whose it is, in errors and in the report.
    pub(crate) name: String,
    pub(crate) commit: String,
    pub(crate) scale: String,
    pub(crate) seed: u64,
    /// Indices of its GPUs; empty on the CPU.
    pub(crate) gpus: Vec<u32>,
    pub(crate) limits: Limits,
    pub(crate) stages: Vec<Stage>,
    /// What the last stage measures; absent if all that counts is that the stages end well.
    pub(crate) metric: Option<String>,
    /// How far its processes stand back behind others, from 0 to 19.
    pub(crate) nice: i32,
}

impl Task {
    /// All stages of an experiment.
    pub(super) fn of(job: &Job, problem: &Problem) -> Self {
        Self {
            name: job.attempt.to_string(),
            commit: job.commit.clone(),
            scale: job.scale.clone(),
            seed: job.seed,
            gpus: job.slot.gpus.clone(),
            limits: job.limits.clone(),
            stages: problem.stages.clone(),
            metric: Some(problem.metric.name.clone()),
            nice: 0,
        }
    }
}

//! What autores speaks of: ids, states, events and ports.
//!
//! Pure: no I/O, no clock, no randomness of its own, no async runtime. Everything that happens to a
//! run is an [`Event`]; [`Run`] is the fold of them, live and at recovery alike.

#![warn(missing_docs)]

mod brief;
mod config;
mod event;
mod experiment;
mod fault;
mod id;
mod idea;
mod patch;
mod population;
mod ports;
mod problem;
mod reward;
mod run;
pub mod stats;
mod verdict;

pub use brief::{Brief, Operator};
pub use config::RunConfig;
pub use event::{Event, Recorded, StopReason};
pub use experiment::{
    Experiment, ExperimentState, ExperimentStep, MAX_LOSSES, Measurement, Purpose, Usage,
};
pub use fault::{Fault, FaultClass};
pub use id::{AttemptId, ExperimentId, IdError, IdeaId, RunId};
pub use idea::{Idea, IdeaState, IdeaStep, Proposal, Revision, TechniqueUse};
pub use patch::{CodePath, Codebase, Edit, Patch, PatchError, PathError};
pub use population::{Member, Outcome, Population};
pub use ports::{
    Backend, BackendError, Ended, EventLog, Ideator, Implementer, Job, LogError, MetricPoint,
    ReportError, SearchStrategy, Slot, StageReport, Workspace,
};
pub use problem::{Limits, Metric, Network, Problem, Reads, Scale, Stage};
pub use reward::RewardRule;
pub use run::{BriefState, ExperimentRecord, IdeaRecord, Illegal, Run, Status};
pub use verdict::{Comparison, Sample, Verdict};

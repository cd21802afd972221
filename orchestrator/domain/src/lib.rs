//! What autores speaks of: ids, states, events and ports.
//!
//! Pure: no I/O, no clock, no randomness of its own, no async runtime. Everything that happens to a
//! run is an [`Event`]; [`Run`] is the fold of them, live and at recovery alike.

#![warn(missing_docs)]

mod brief;
mod call;
mod config;
mod event;
mod experiment;
mod fault;
mod id;
mod idea;
mod lesson;
mod patch;
mod population;
mod ports;
mod problem;
mod reward;
mod run;
pub mod stats;
mod verdict;

pub use brief::{Brief, Operator};
pub use call::{Answered, Call, CallKey, ModelName, Role, Spent, Tokens};
pub use config::{
    Budget, Choice, LlmConfig, Replay, RunConfig, Selection, Vocabulary, WeightedModel,
};
pub use event::{Event, Recorded, StopReason};
pub use experiment::{
    Experiment, ExperimentState, ExperimentStep, MAX_LOSSES, Measurement, Purpose, Usage,
};
pub use fault::{Fault, FaultClass};
pub use id::{AttemptId, ExperimentId, IdError, IdeaId, RunId};
pub use idea::{Idea, IdeaState, IdeaStep, Proposal, Revision, TechniqueUse};
pub use lesson::{Advice, Lesson};
pub use patch::{CodePath, Codebase, Edit, Patch, PatchError, PathError};
pub use population::{Evidence, Member, Outcome, Population};
pub use ports::{
    Backend, BackendError, Broken, Distiller, Ended, EventLog, Gate, Ideator, Implementer, Job,
    LogError, MetricPoint, Parent, Refusal, ReportError, Room, SearchStrategy, Slot, StageReport,
    Task, TranscriptError, Transcripts, Workspace,
};
pub use problem::{Limits, Metric, Network, Problem, Reads, Scale, Smoke, Stage};
pub use reward::RewardRule;
pub use run::{BriefState, ExperimentRecord, IdeaRecord, Illegal, LessonsState, Run, Status};
pub use verdict::{Comparison, Sample, Verdict};

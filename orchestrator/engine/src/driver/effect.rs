//! What is done outside of the driver, and what comes of it.

use autores_domain::{
    Answered, AttemptId, Ended, Fault, IdeaId, Lesson, Patch, Proposal, Refusal, Revision,
};

/// Something that is being done outside, at most once at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Effect {
    Answer(u32),
    /// Also mends: which of the two is owed, the idea's state says.
    Implement(IdeaId),
    Commit(IdeaId),
    Execute(AttemptId),
    Distil(u32),
}

/// What an ideator said.
pub(super) type Proposed = Answered<Result<Vec<Proposal>, Refusal<String>>>;

/// What came of an effect.
pub(super) enum Done {
    Answered(u32, Proposed),
    Implemented(IdeaId, Answered<Result<Patch, Refusal<Fault>>>),
    Committed(IdeaId, Result<Revision, Fault>),
    Executed(AttemptId, Executed),
    Distilled(u32, Answered<Result<Vec<Lesson>, Refusal<String>>>),
    /// The time is over after which models are asked again.
    Waited,
}

/// What came of an attempt.
pub(super) enum Executed {
    Ended(Ended),
    Lost(Fault),
    Rejected(Fault),
    /// It could not be started, and that is not its fault.
    Unavailable(Fault),
}

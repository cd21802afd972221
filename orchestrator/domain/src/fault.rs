//! Why an experiment, or an idea, came to nothing. A fault is data: it is recorded, shown and learnt from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of failure, which decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultClass {
    /// The idea says what another said before.
    Duplicate,
    /// The edits cannot be applied to the codebase.
    Patch,
    /// The changed code does not compile or import.
    Build,
    /// A stage exited with an error, or ended without its result.
    Crash,
    /// More memory was needed than the limit, or than the device has.
    Oom,
    /// The wall-clock or compute limit was reached.
    Timeout,
    /// A loss or metric is not a finite number.
    Diverged,
    /// No output and no compute for longer than the limit.
    Stalled,
    /// A rule was broken: a frozen path, a forbidden read, a prediction that sees the future, too much output.
    Policy,
    /// The machine failed, not the idea.
    Infra,
    /// The job was stopped to make room, or by its owner.
    Preempted,
}

impl FaultClass {
    /// Whether the experiment is tried again at no cost to the idea.
    pub fn is_retried(self) -> bool {
        matches!(self, Self::Infra | Self::Preempted)
    }

    /// Whether other code could carry out the same idea. A limit that was reached and a rule that was broken are answers.
    pub fn is_mended(self) -> bool {
        match self {
            Self::Build | Self::Crash | Self::Oom | Self::Diverged => true,
            Self::Duplicate
            | Self::Patch
            | Self::Timeout
            | Self::Stalled
            | Self::Policy
            | Self::Infra
            | Self::Preempted => false,
        }
    }

    /// The word used in events, tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Patch => "patch",
            Self::Build => "build",
            Self::Crash => "crash",
            Self::Oom => "oom",
            Self::Timeout => "timeout",
            Self::Diverged => "diverged",
            Self::Stalled => "stalled",
            Self::Policy => "policy",
            Self::Infra => "infra",
            Self::Preempted => "preempted",
        }
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A failure with its class, a sentence for a person, and the last lines that explain it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{class}: {reason}")]
pub struct Fault {
    /// What kind of failure.
    pub class: FaultClass,
    /// One sentence, lowercase, that names the thing.
    pub reason: String,
    /// The last lines of output before the failure, oldest first; empty if there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
}

impl Fault {
    /// A fault without output.
    pub fn new(class: FaultClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), tail: Vec::new() }
    }

    /// The same fault with the last lines of output.
    pub fn with_tail(mut self, tail: Vec<String>) -> Self {
        self.tail = tail;
        self
    }
}

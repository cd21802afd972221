//! What a run has taught: short statements, each linked to what was measured.

use serde::{Deserialize, Serialize};

use crate::IdeaId;

/// Whether a lesson says what to do or what to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Advice {
    /// It raised the reward, or made a change work.
    Do,
    /// It lowered the reward, or failed.
    Avoid,
}

/// A statement drawn from results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// What to do with it.
    pub advice: Advice,
    /// What it is about, in a few words: two lessons on one topic are merged or contradict each other.
    pub topic: String,
    /// The statement, one or two sentences.
    pub text: String,
    /// The ideas whose results support it, at least one; of another run where it was imported.
    pub evidence: Vec<IdeaId>,
}

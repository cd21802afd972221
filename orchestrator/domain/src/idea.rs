//! A hypothesis, and how far it has come on the way to a commit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Event, ExperimentId, Fault, IdeaId, Illegal, Operator, Patch};

/// A hypothesis and a plan in words, with parents and origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idea {
    /// Its id.
    pub id: IdeaId,
    /// A short name.
    pub title: String,
    /// Why it should help.
    pub hypothesis: String,
    /// What is to be changed.
    pub plan: String,
    /// How it came to be; `None` for the baseline.
    pub operator: Option<Operator>,
    /// The ideas it builds on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<IdeaId>,
    /// Who proposed it: an ideator's or a model's name.
    pub origin: String,
    /// Papers and projects it comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The catalogue's techniques it consists of, in the order in which they are applied; empty for ideas in words only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub techniques: Vec<TechniqueUse>,
}

impl Idea {
    /// The unchanged codebase, which is idea 0 of every run.
    pub fn baseline(id: IdeaId) -> Self {
        Self {
            id,
            title: "baseline".into(),
            hypothesis: "the codebase as it is".into(),
            plan: "change nothing".into(),
            operator: None,
            parents: Vec::new(),
            origin: "autores".into(),
            sources: Vec::new(),
            techniques: Vec::new(),
        }
    }
}

/// An idea as an ideator gives it, before the run numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// How it relates to what was tried, which may differ from what was asked.
    pub operator: Operator,
    /// A short name.
    pub title: String,
    /// Why it should help.
    pub hypothesis: String,
    /// What is to be changed.
    pub plan: String,
    /// The ideas it builds on.
    pub parents: Vec<IdeaId>,
    /// Who proposed it.
    pub origin: String,
    /// Papers and projects it comes from.
    pub sources: Vec<String>,
    /// The catalogue's techniques it consists of.
    pub techniques: Vec<TechniqueUse>,
}

impl Proposal {
    /// The idea with its number.
    pub fn numbered(self, id: IdeaId) -> Idea {
        Idea {
            id,
            title: self.title,
            hypothesis: self.hypothesis,
            plan: self.plan,
            operator: Some(self.operator),
            parents: self.parents,
            origin: self.origin,
            sources: self.sources,
            techniques: self.techniques,
        }
    }
}

/// A technique of the catalogue with the settings of its knobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TechniqueUse {
    /// The technique's name.
    pub technique: String,
    /// Knob to value, as written into the code.
    pub knobs: BTreeMap<String, String>,
}

/// One commit that implements an idea.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The commit's hash.
    pub commit: String,
    /// The hash of its tree: equal trees are the same code.
    pub tree: String,
    /// Lines added and removed.
    pub lines: (u32, u32),
}

/// How far an idea has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum IdeaState {
    /// In words.
    Proposed,
    /// With edits that apply to the base, or to a revision that failed.
    Patched {
        /// The edits.
        patch: Patch,
        /// The revision that they mend; `None` for the first.
        onto: Option<Revision>,
    },
    /// On its branch, to be measured.
    Ready {
        /// The commit.
        revision: Revision,
    },
    /// Its revision failed when it ran, and is to be mended.
    Broken {
        /// The commit that failed.
        revision: Revision,
        /// The experiment that failed.
        experiment: ExperimentId,
    },
    /// It came to no commit.
    Rejected {
        /// Why.
        fault: Fault,
    },
}

/// What is owed to an idea.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdeaStep {
    /// Turn the words into a patch.
    Implement,
    /// Commit the patch on the idea's branch, after the revision that it mends.
    Commit(Patch, Option<Revision>),
    /// Turn what went wrong into a patch of the revision.
    Repair(Revision, ExperimentId),
}

impl IdeaState {
    /// The state after an event that concerns this idea.
    ///
    /// # Errors
    /// [`Illegal`] if the event cannot happen in this state; the state is then unchanged.
    pub fn next(&self, event: &Event) -> Result<Self, Illegal> {
        match (self, event) {
            (Self::Proposed, Event::IdeaPatched { patch, .. }) => {
                Ok(Self::Patched { patch: patch.clone(), onto: None })
            }
            (Self::Broken { revision, .. }, Event::IdeaPatched { patch, .. }) => {
                Ok(Self::Patched { patch: patch.clone(), onto: Some(revision.clone()) })
            }
            (Self::Patched { .. }, Event::IdeaCommitted { revision, .. }) => {
                Ok(Self::Ready { revision: revision.clone() })
            }
            (Self::Ready { revision }, Event::RepairIssued { experiment, .. }) => {
                Ok(Self::Broken { revision: revision.clone(), experiment: experiment.clone() })
            }
            (
                Self::Broken { revision, .. } | Self::Patched { onto: Some(revision), .. },
                Event::RepairFailed { .. },
            ) => Ok(Self::Ready { revision: revision.clone() }),
            (
                Self::Proposed | Self::Patched { onto: None, .. },
                Event::IdeaRejected { fault, .. },
            ) => Ok(Self::Rejected { fault: fault.clone() }),
            (state, event) => Err(Illegal::new(state.name(), event)),
        }
    }

    /// What is owed to the state; `None` where nothing is.
    pub fn step(&self) -> Option<IdeaStep> {
        match self {
            Self::Proposed => Some(IdeaStep::Implement),
            Self::Patched { patch, onto } => Some(IdeaStep::Commit(patch.clone(), onto.clone())),
            Self::Broken { revision, experiment } => {
                Some(IdeaStep::Repair(revision.clone(), experiment.clone()))
            }
            Self::Ready { .. } | Self::Rejected { .. } => None,
        }
    }

    /// The newest commit, if there is one.
    pub fn revision(&self) -> Option<&Revision> {
        match self {
            Self::Ready { revision }
            | Self::Broken { revision, .. }
            | Self::Patched { onto: Some(revision), .. } => Some(revision),
            Self::Proposed | Self::Patched { onto: None, .. } | Self::Rejected { .. } => None,
        }
    }

    /// The word used in tables and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Patched { .. } => "patched",
            Self::Ready { .. } => "ready",
            Self::Broken { .. } => "broken",
            Self::Rejected { .. } => "rejected",
        }
    }
}

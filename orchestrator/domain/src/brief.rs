//! What the search asks of an ideator.

use serde::{Deserialize, Serialize};

use crate::IdeaId;

/// The way in which new ideas are to relate to what was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operator {
    /// Ideas of its own, without looking at results.
    Fresh,
    /// Something unlike what the shown experiments tried.
    Explore,
    /// Combine and refine ideas that beat the baseline.
    Exploit,
}

impl Operator {
    /// The word used in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Explore => "explore",
            Self::Exploit => "exploit",
        }
    }
}

/// A request for ideas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// How the ideas are to relate to what was tried.
    pub operator: Operator,
    /// For `exploit`: the ideas to build on, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<IdeaId>,
    /// For `explore`: a random sample of everything tried, failures included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<IdeaId>,
    /// How many ideas are wanted, at least 1.
    pub count: u32,
    /// Seed of every random choice made in answering.
    pub seed: u64,
}

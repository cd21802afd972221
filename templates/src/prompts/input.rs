//! Facts about experiments, as prompts tell them.

use autores_domain::{FaultClass, TechniqueUse};

/// The unchanged codebase, measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Mean metric over its seeds.
    pub metric: f64,
    /// Standard deviation of the metric between seeds; absent where one seed was measured.
    pub metric_sd: Option<f64>,
    /// Mean reward over its seeds.
    pub reward: f64,
    /// Standard deviation of the reward between seeds.
    pub reward_sd: Option<f64>,
    /// How many seeds.
    pub seeds: u32,
}

/// An idea and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The idea's id.
    pub id: String,
    /// Its short name.
    pub title: String,
    /// What was changed, in words.
    pub plan: String,
    /// The techniques it consists of; empty for ideas in words.
    pub techniques: Vec<TechniqueUse>,
    /// What came of it.
    pub outcome: Outcome,
    /// Lines added and removed.
    pub lines: Option<(u32, u32)>,
    /// Largest memory in MiB, of the GPU where there is one.
    pub peak_memory_mb: Option<f64>,
    /// The learning curve in a line.
    pub curve: Option<String>,
    /// The change as a unified diff against the unchanged codebase.
    pub diff: Option<String>,
}

/// What came of an idea.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was measured.
    Measured {
        /// Mean metric over its seeds.
        metric: f64,
        /// Mean reward over its seeds.
        reward: f64,
        /// Standard deviation of its reward between seeds; absent where one seed was measured.
        reward_sd: Option<f64>,
        /// How many seeds.
        seeds: u32,
        /// Its reward less the baseline's, in standard deviations of the baseline between seeds.
        deviations: Option<f64>,
    },
    /// It came to nothing.
    Failed {
        /// The class of the failure.
        class: FaultClass,
        /// One sentence.
        reason: String,
    },
    /// It is not measured yet.
    Pending,
}

impl Tried {
    pub(super) fn reward(&self) -> Option<f64> {
        match self.outcome {
            Outcome::Measured { reward, .. } => Some(reward),
            Outcome::Failed { .. } | Outcome::Pending => None,
        }
    }
}

//! What a run was asked to do.

use serde::{Deserialize, Serialize};

/// The settings of one run, resolved once and recorded with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Name of the problem, or path of its folder.
    pub problem: String,
    /// The scale at which ideas are measured.
    pub scale: String,
    /// `local`.
    pub backend: String,
    /// `catalogue`.
    pub ideator: String,
    /// `evolutionary` or `best-of-n`.
    pub strategy: String,
    /// How many epochs of `batch` ideas.
    pub epochs: u32,
    /// Ideas in an epoch.
    pub batch: u32,
    /// Experiments at a time; `None` takes one for each core or GPU group.
    pub slots: Option<u32>,
    /// Seed of every random choice, and the first seed of the experiments.
    pub seed: u64,
    /// Strict generations: an epoch starts when all experiments of the one before have ended.
    pub barrier: bool,
    /// Ideas kept ready per slot, so that no slot waits for a patch.
    pub look_ahead: u32,
    /// Seeds with which the baseline is measured before the search.
    pub baseline_seeds: u32,
    /// Fresh seeds with which finalists and baseline are measured after the search.
    pub verify_seeds: u32,
    /// How many of the best ideas are measured again.
    pub finalists: u32,
}

impl RunConfig {
    /// Ideas that the whole run asks for.
    pub fn ideas(&self) -> u32 {
        self.epochs.saturating_mul(self.batch)
    }
}

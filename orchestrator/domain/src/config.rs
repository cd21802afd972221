//! What a run was asked to do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ModelName, Role, RunId};

/// The settings of one run, resolved once and recorded with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Name of the problem, or path of its folder.
    pub problem: String,
    /// The scale at which ideas are measured.
    pub scale: String,
    /// `local`.
    pub backend: String,
    /// `catalogue` or `llm`.
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
    /// How often an idea whose revision failed when it ran is mended.
    #[serde(default)]
    pub repairs: u32,
    /// What the run may cost.
    #[serde(default)]
    pub budget: Budget,
    /// The models and how they are used; absent where none is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<LlmConfig>,
}

/// What a run may cost. Absent is without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// US dollars for calls of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Tokens that models read and write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Hours in which accelerators are held: a slot's hours times its GPUs, or once for a slot on the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator_hours: Option<f64>,
}

/// What ideas are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vocabulary {
    /// Anything that can be said in words; an implementer writes the code.
    #[default]
    Free,
    /// Techniques of the problem's catalogue and their knobs, for models too weak to write code.
    Catalogue,
}

/// How one of several ideator models is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// At random by weight.
    #[default]
    Weights,
    /// By improvement of the reward per dollar, with a bonus for what was tried little.
    Bandit,
}

/// Which of the candidates that pass the gates becomes the revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// The first by number.
    #[default]
    First,
    /// The one that its model was least sure of, by mean log-probability of a token
    /// ("Surprisal-Guided Selection", arXiv 2602.07670).
    Surprisal,
    /// The one that changes the fewest lines.
    Smallest,
    /// The one that a judge prefers.
    Judge,
}

/// A model with the share of calls it gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightedModel {
    /// The model.
    pub model: ModelName,
    /// Its weight, positive; only ratios count.
    pub weight: f64,
}

/// The models of a run and how they are used. Never holds a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlmConfig {
    /// The models of each role, at least one.
    pub roles: BTreeMap<Role, Vec<WeightedModel>>,
    /// How one of several ideator models is chosen.
    #[serde(default)]
    pub choice: Choice,
    /// What ideas are made of.
    #[serde(default)]
    pub vocabulary: Vocabulary,
    /// Candidate patches written for each idea, at a time; at least 1.
    pub candidates: u32,
    /// How often a candidate is revised after a gate refused it.
    pub revisions: u32,
    /// Which of the candidates that pass is taken.
    #[serde(default)]
    pub select: Selection,
    /// A model that gives embeddings, to find ideas that say the same in other words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<ModelName>,
    /// Whether what models were asked and said is kept when the run is finished.
    #[serde(default = "yes")]
    pub keeps_transcripts: bool,
    /// The run that this one repeats with its recorded replies, without network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

fn yes() -> bool {
    true
}

/// A run that is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its name.
    pub run: RunId,
    /// How many briefs it issued: they are known, so none waits for a result.
    pub briefs: u32,
}

impl RunConfig {
    /// Ideas that the whole run asks for.
    pub fn ideas(&self) -> u32 {
        let all = self.epochs.saturating_mul(self.batch);
        let replay = self.llm.as_ref().and_then(|llm| llm.replay.as_ref());
        // A run that was left early had replies to no more than it asked for.
        replay.map_or(all, |replay| all.min(replay.briefs))
    }
}

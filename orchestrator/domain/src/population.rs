//! The read view of all that was measured, for the search.

use std::collections::BTreeMap;

use crate::{ExperimentState, Fault, Idea, Lesson, ModelName, Revision, Spent, Usage, stats};

/// What became of an idea.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Not known yet.
    Pending,
    /// It came to nothing.
    Failed(Fault),
    /// It was measured.
    Measured {
        /// Mean reward over its seeds.
        reward: f64,
    },
}

/// An idea with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The idea.
    pub idea: Idea,
    /// What became of it.
    pub outcome: Outcome,
    /// Its newest commit, if it has one.
    pub revision: Option<Revision>,
    /// The screening that decided, as far as it went.
    pub evidence: Option<Evidence>,
}

/// What a screening showed besides its reward.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The metric; `None` of a failure.
    pub metric: Option<f64>,
    /// What it cost, where that is known.
    pub usage: Option<Usage>,
    /// The learning curve as far as it came.
    pub curve: Vec<f64>,
}

impl Evidence {
    /// What an experiment's state shows; `None` where it has not ended.
    pub fn of(state: &ExperimentState) -> Option<Self> {
        match state {
            ExperimentState::Measured { measurement, .. } => Some(Self {
                metric: Some(measurement.metric),
                usage: Some(measurement.usage.clone()),
                curve: measurement.curve.clone(),
            }),
            ExperimentState::Failed { usage, curve, .. } => {
                Some(Self { metric: None, usage: usage.clone(), curve: curve.clone() })
            }
            ExperimentState::Queued { .. }
            | ExperimentState::Running { .. }
            | ExperimentState::Cancelled { .. } => None,
        }
    }
}

impl Member {
    /// Its reward, if it was measured.
    pub fn reward(&self) -> Option<f64> {
        match self.outcome {
            Outcome::Measured { reward } => Some(reward),
            Outcome::Pending | Outcome::Failed(_) => None,
        }
    }
}

/// Everything tried so far, in the order in which it was proposed, and the baseline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Population {
    /// Rewards of the baseline, one a seed: their spread is the noise.
    pub baseline: Vec<f64>,
    /// Reward of the baseline with the seed that the ideas are screened with. Ideas are compared with this one, since
    /// what a seed gives or takes, it gives or takes all of them.
    pub reference: Option<f64>,
    /// The baseline's metric, one a seed.
    pub baseline_metrics: Vec<f64>,
    /// The ideas, without the baseline.
    pub members: Vec<Member>,
    /// What the run has taught so far.
    pub lessons: Vec<Lesson>,
    /// What each model was paid for ideas.
    pub ideator_spent: BTreeMap<ModelName, Spent>,
}

impl Population {
    /// All ideas with a reward, best first.
    pub fn ranked(&self) -> Vec<(&Member, f64)> {
        let mut ranked: Vec<(&Member, f64)> = self
            .members
            .iter()
            .filter_map(|member| member.reward().map(|reward| (member, reward)))
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.idea.id.cmp(&b.0.idea.id)));
        ranked
    }

    /// Ideas whose reward is above the baseline's with the same seed by more than `deviations` of the standard
    /// deviation between the baseline's seeds, best first. None before that seed of the baseline is measured.
    pub fn above_baseline(&self, deviations: f64) -> Vec<&Member> {
        let Some(reference) = self.reference else { return Vec::new() };
        let noise = stats::standard_deviation(&self.baseline).unwrap_or(0.0);
        self.ranked()
            .into_iter()
            .filter(|(_, reward)| *reward > reference + deviations * noise)
            .map(|(member, _)| member)
            .collect()
    }
}

//! What may be said of the best ideas once they were measured again.

use serde::{Deserialize, Serialize};

use crate::{IdeaId, stats};

/// Rewards of one idea over several seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The rewards, one a seed.
    pub rewards: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation; absent for a single value.
    pub deviation: Option<f64>,
}

impl Sample {
    /// The sample of some rewards; `None` of nothing.
    pub fn of(rewards: Vec<f64>) -> Option<Self> {
        let mean = stats::mean(&rewards)?;
        let deviation = stats::standard_deviation(&rewards);
        Some(Self { rewards, mean, deviation })
    }
}

/// A finalist beside the baseline, both with the same fresh seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The finalist.
    pub idea: IdeaId,
    /// Its rewards.
    pub candidate: Sample,
    /// The baseline's.
    pub baseline: Sample,
    /// Difference of the means; positive where the finalist is better.
    pub difference: f64,
    /// Pooled standard error of that difference.
    pub standard_error: f64,
}

impl Comparison {
    /// Compares two sets of rewards; `None` if either has fewer than two.
    pub fn of(idea: IdeaId, candidate: Vec<f64>, baseline: Vec<f64>) -> Option<Self> {
        let standard_error = stats::pooled_standard_error(&candidate, &baseline)?;
        let (candidate, baseline) = (Sample::of(candidate)?, Sample::of(baseline)?);
        let difference = candidate.mean - baseline.mean;
        Some(Self { idea, candidate, baseline, difference, standard_error })
    }

    /// Whether the finalist beats the baseline by more than twice the pooled standard error.
    ///
    /// One that gives the same reward with every seed, where the baseline does not, may have fixed its own seed: then
    /// its spread says nothing of its noise.
    pub fn is_improvement(&self) -> bool {
        !self.ignores_seeds() && self.difference > 2.0 * self.standard_error
    }

    /// Whether the finalist's rewards are all equal while the baseline's are not.
    pub fn ignores_seeds(&self) -> bool {
        self.candidate.deviation == Some(0.0) && self.baseline.deviation != Some(0.0)
    }
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Every finalist that was measured with all fresh seeds, best first.
    pub comparisons: Vec<Comparison>,
}

impl Verdict {
    /// The best finalist that is an improvement; `None` where noise explains all that was seen.
    pub fn winner(&self) -> Option<&Comparison> {
        self.comparisons.iter().find(|comparison| comparison.is_improvement())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idea() -> IdeaId {
        "r/i1".parse().unwrap()
    }

    #[test]
    fn a_difference_within_the_noise_is_no_improvement() {
        let noisy = Comparison::of(idea(), vec![0.50, 0.56, 0.53], vec![0.51, 0.55, 0.50]).unwrap();
        assert!(noisy.difference > 0.0 && !noisy.is_improvement());
    }

    #[test]
    fn an_idea_that_fixes_its_seed_is_none() {
        let fixed = Comparison::of(idea(), vec![0.60, 0.60, 0.60], vec![0.51, 0.52, 0.50]).unwrap();
        assert!(fixed.difference > 2.0 * fixed.standard_error && !fixed.is_improvement());
    }

    #[test]
    fn a_clear_difference_is_one() {
        let clear = Comparison::of(idea(), vec![0.60, 0.61, 0.62], vec![0.51, 0.52, 0.50]).unwrap();
        assert!(clear.is_improvement());
        assert_eq!(Verdict { comparisons: vec![clear.clone()] }.winner(), Some(&clear));
    }
}

//! From a metric to a reward, where higher is always better.

use serde::{Deserialize, Serialize};

/// How a problem's metric becomes its reward. The direction is resolved here and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RewardRule {
    /// The metric itself: for one that is better the higher it is.
    Identity,
    /// `-metric`: for one that is better the lower it is.
    Negate,
    /// `1 / metric`: for a positive metric that is better the lower it is, such as a loss
    /// ("Towards Execution-Grounded Automated AI Research", pre-training).
    Reciprocal,
}

impl RewardRule {
    /// The reward of a metric; `None` if it would not be a finite number.
    pub fn reward(self, metric: f64) -> Option<f64> {
        let reward = match self {
            Self::Identity => metric,
            Self::Negate => -metric,
            // A loss of zero or less means that something else was measured.
            Self::Reciprocal if metric > 0.0 => 1.0 / metric,
            Self::Reciprocal => return None,
        };
        reward.is_finite().then_some(reward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_reward_is_finite_or_absent(metric: f64) {
            for rule in [RewardRule::Identity, RewardRule::Negate, RewardRule::Reciprocal] {
                if let Some(reward) = rule.reward(metric) {
                    prop_assert!(reward.is_finite());
                }
            }
        }

        #[test]
        fn a_lower_loss_is_a_higher_reward(a in 0.01f64..100.0, b in 0.01f64..100.0) {
            prop_assume!(a < b);
            prop_assert!(RewardRule::Reciprocal.reward(a) > RewardRule::Reciprocal.reward(b));
            prop_assert!(RewardRule::Negate.reward(a) > RewardRule::Negate.reward(b));
        }
    }
}

//! Chooses between models: by weights, or by what their ideas gained for what they cost. Pure,
//! given its random numbers; never asks a model.

use rand::Rng;

/// Things with weights, drawn in proportion to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted<T> {
    items: Vec<(T, f64)>,
    total: f64,
}

/// Why weights cannot be drawn by.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// There is nothing to draw from.
    #[error("there is nothing to choose from; name at least one model")]
    Nothing,
    /// A weight is no weight.
    #[error("weight {weight} of choice {number} is not a number of at least 0; correct it")]
    NoWeight {
        /// Which, from 1.
        number: usize,
        /// Its weight.
        weight: f64,
    },
    /// Nothing would ever be drawn.
    #[error("all {count} weights are 0; give at least one model a weight above 0")]
    AllZero {
        /// How many there are.
        count: usize,
    },
}

impl<T> Weighted<T> {
    /// Things with their weights.
    ///
    /// # Errors
    /// If there is none, or if a weight is negative or no number, or if all are 0.
    pub fn new(items: Vec<(T, f64)>) -> Result<Self, WeightError> {
        if items.is_empty() {
            return Err(WeightError::Nothing);
        }
        for (index, (_, weight)) in items.iter().enumerate() {
            if !weight.is_finite() || *weight < 0.0 {
                return Err(WeightError::NoWeight { number: index + 1, weight: *weight });
            }
        }
        // Weights are relative: divided by the largest, their sum is finite.
        let largest = items.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
        if largest == 0.0 {
            return Err(WeightError::AllZero { count: items.len() });
        }
        let items: Vec<(T, f64)> =
            items.into_iter().map(|(item, weight)| (item, weight / largest)).collect();
        let total = items.iter().map(|(_, weight)| weight).sum();
        Ok(Self { items, total })
    }

    /// One of them.
    pub fn draw(&self, rng: &mut impl Rng) -> &T {
        let mut left = rng.random::<f64>() * self.total;
        let mut drawn = &self.items[0].0;
        for (item, weight) in self.items.iter().filter(|(_, weight)| *weight > 0.0) {
            // Rounding may leave a little at the end, which is the last one's.
            drawn = item;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        drawn
    }
}

/// What is known of one model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Arm {
    /// How often it was asked, calls that are still under way included.
    pub plays: u64,
    /// The sum of what its ideas gained over the reference, each at least 0.
    pub gain: f64,
    /// What it cost; `None` where a call has no known price.
    pub dollars: Option<f64>,
    /// The tokens it took in and gave.
    pub tokens: u64,
}

impl Arm {
    /// A model that was never asked and whose price is known.
    pub fn priced() -> Self {
        Self { dollars: Some(0.0), ..Self::default() }
    }

    /// Counts one call. An idea that failed, or that gained nothing, counts as no gain.
    pub fn record(&mut self, gain: Option<f64>, dollars: Option<f64>, tokens: u64) {
        self.plays += 1;
        self.gain += gain.filter(|gain| gain.is_finite()).unwrap_or(0.0).max(0.0);
        self.dollars = match (self.dollars, dollars) {
            (Some(sum), Some(cost)) => Some(sum + cost.max(0.0)),
            (_, _) => None,
        };
        self.tokens = self.tokens.saturating_add(tokens);
    }
}

/// How much is tried beside what is known to be good: the √2 of UCB1.
pub const EXPLORATION: f64 = std::f64::consts::SQRT_2;

/// A call without cost is taken as this part of the cheapest one with a cost, since the experiment
/// that follows is not free, and a small gain must not outweigh every other model for ever.
const FREE: f64 = 0.1;

/// The arm to play next; `None` if there is none.
///
/// UCB1 (Auer, Cesa-Bianchi and Fischer, 2002, "Finite-time Analysis of the Multiarmed Bandit
/// Problem") plays the arm with the largest `x̄ᵢ + c·√(ln N / nᵢ)`, where `x̄ᵢ` is the arm's mean
/// reward in `[0, 1]`, `nᵢ` its plays and `N` all plays. Here the reward is what ideas gained per
/// dollar, as ShinkaEvolve (arXiv 2509.19349) weighs models by improvement and cost:
/// `x̄ᵢ = (gainᵢ / costᵢ) / maxⱼ (gainⱼ / costⱼ)`. Gains below the reference count as 0 there and here.
///
/// Arms that were never played come first, in their order. Where the price of one is unknown, cost
/// is tokens for all of them. Of equal arms the first is played.
pub fn bandit(arms: &[Arm], exploration: f64) -> Option<usize> {
    if let Some(unplayed) = arms.iter().position(|arm| arm.plays == 0) {
        return Some(unplayed);
    }
    let scores = scores(arms, exploration);
    let best = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    scores.into_iter().enumerate().reduce(best).map(|(index, _)| index)
}

/// The score of each arm, all of them played.
fn scores(arms: &[Arm], exploration: f64) -> Vec<f64> {
    let costs = costs(arms);
    let rates: Vec<f64> = arms
        .iter()
        .zip(&costs)
        .map(|(arm, cost)| arm.gain / arm.plays as f64 / cost)
        .map(|rate| if rate.is_finite() { rate.max(0.0) } else { 0.0 })
        .collect();
    let best = rates.iter().copied().fold(0.0, f64::max);
    let plays: u64 = arms.iter().map(|arm| arm.plays).sum();
    let spread = (plays as f64).ln();
    arms.iter()
        .zip(rates)
        .map(|(arm, rate)| {
            let mean = if best > 0.0 { rate / best } else { 0.0 };
            mean + exploration * (spread / arm.plays as f64).sqrt()
        })
        .collect()
}

/// What one call of each arm costs, above 0, in dollars or else in tokens.
fn costs(arms: &[Arm]) -> Vec<f64> {
    let dollars: Option<Vec<f64>> = arms.iter().map(|arm| arm.dollars).collect();
    let sums = dollars.unwrap_or_else(|| arms.iter().map(|arm| arm.tokens as f64).collect());
    let costs: Vec<f64> = arms.iter().zip(sums).map(|(arm, sum)| sum / arm.plays as f64).collect();
    let paid = costs.iter().copied().filter(|cost| *cost > 0.0 && cost.is_finite());
    // Where nothing costs anything, gains alone decide.
    let floor = paid.reduce(f64::min).map_or(1.0, |cheapest| cheapest * FREE);
    costs.into_iter().map(|cost| cost.max(floor)).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Plays of each arm where a call gains `gain` with `chance` and costs `dollars`.
    fn play(models: &[(f64, f64, Option<f64>)], rounds: u64) -> Vec<u64> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut arms = vec![Arm::priced(); models.len()];
        for _ in 0..rounds {
            let chosen = bandit(&arms, EXPLORATION).unwrap();
            let (gain, chance, dollars) = models[chosen];
            let succeeded = rng.random_bool(chance);
            arms[chosen].record(succeeded.then_some(gain), dollars, 1_000);
        }
        arms.iter().map(|arm| arm.plays).collect()
    }

    #[test]
    fn the_model_that_gains_more_per_dollar_is_asked_most() {
        // The second gains twice as much for ten times the price.
        let plays = play(&[(0.01, 0.5, Some(0.01)), (0.02, 0.5, Some(0.1))], 400);
        assert!(plays[0] > 300, "{plays:?}");
        assert!(plays[1] > 5, "the other is never given up: {plays:?}");
        // Equal prices: the better one.
        let plays = play(&[(0.01, 0.3, Some(0.05)), (0.01, 0.9, Some(0.05))], 400);
        assert!(plays[1] > 300, "{plays:?}");
    }

    #[test]
    fn a_free_model_competes_without_crowding_out_one_that_gains_much_more() {
        let plays = play(&[(0.01, 0.5, Some(0.0)), (0.01, 0.5, Some(0.1))], 300);
        assert!(plays[0] > 220, "{plays:?}");
        let plays = play(&[(0.000_1, 0.5, Some(0.0)), (0.05, 0.5, Some(0.1))], 300);
        assert!(plays[1] > 220, "{plays:?}");
        let free = play(&[(0.01, 0.2, Some(0.0)), (0.01, 0.9, Some(0.0))], 300);
        assert!(free[1] > 220, "{free:?}");
    }

    #[test]
    fn tokens_stand_for_dollars_where_a_price_is_unknown() {
        let arm = |gain, tokens, dollars| Arm { plays: 50, gain, dollars, tokens };
        // In dollars the first would win, but the second's are unknown.
        let arms = [arm(1.0, 900_000, Some(0.01)), arm(1.0, 10_000, None)];
        assert_eq!(bandit(&arms, 0.1), Some(1));
        let play_of_unknown = play(&[(0.01, 0.5, None), (0.03, 0.5, Some(0.2))], 300);
        assert!(play_of_unknown[1] > 220, "{play_of_unknown:?}");
    }

    #[test]
    fn failures_and_losses_count_as_no_gain() {
        let mut arm = Arm::priced();
        for gain in [None, Some(-3.0), Some(f64::NAN), Some(f64::NEG_INFINITY), Some(0.5)] {
            arm.record(gain, Some(0.1), 10);
        }
        assert_eq!((arm.plays, arm.gain, arm.tokens), (5, 0.5, 50));
        // Without any gain, all are asked in turn.
        let plays = play(&[(0.0, 0.5, Some(0.1)), (0.0, 0.5, Some(0.2))], 100);
        assert_eq!(plays, [50, 50]);
    }

    #[test]
    fn models_never_asked_come_first_and_equal_ones_in_their_order() {
        assert_eq!(bandit(&[], 1.0), None);
        let played = Arm { plays: 3, gain: 9.0, dollars: Some(0.1), tokens: 9 };
        assert_eq!(bandit(&[played, Arm::priced(), Arm::priced()], 1.0), Some(1));
        assert_eq!(bandit(&[played, played], 1.0), Some(0));
    }

    #[test]
    fn weights_are_drawn_in_proportion() {
        let weighted = Weighted::new(vec![("a", 3.0), ("never", 0.0), ("b", 1.0)]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws: Vec<&str> = (0..4_000).map(|_| *weighted.draw(&mut rng)).collect();
        let share = |name| draws.iter().filter(|drawn| **drawn == name).count();
        assert!((2_850..3_150).contains(&share("a")), "{}", share("a"));
        assert_eq!(share("never"), 0);
        assert_eq!(share("a") + share("b"), 4_000);
        let again: Vec<&str> = {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            (0..4_000).map(|_| *weighted.draw(&mut rng)).collect()
        };
        assert_eq!(draws, again);
        let huge = Weighted::new(vec![("a", f64::MAX), ("b", f64::MAX)]).unwrap();
        let mut drawn: Vec<&str> = (0..100).map(|_| *huge.draw(&mut rng)).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, ["a", "b"]);
    }

    #[test]
    fn weights_that_cannot_be_drawn_by_are_refused() {
        let refused = |weights: &[f64]| {
            Weighted::new(weights.iter().map(|weight| ((), *weight)).collect()).unwrap_err()
        };
        assert_eq!(refused(&[]), WeightError::Nothing);
        assert_eq!(refused(&[1.0, -1.0]), WeightError::NoWeight { number: 2, weight: -1.0 });
        assert!(matches!(refused(&[f64::NAN]), WeightError::NoWeight { number: 1, .. }));
        assert_eq!(refused(&[0.0, 0.0]), WeightError::AllZero { count: 2 });
    }
}

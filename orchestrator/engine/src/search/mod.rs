//! Chooses what to ask for next. Never measures, never waits.

mod best_of_n;
mod evolutionary;
mod recorded;

use autores_domain::SearchStrategy;

pub use best_of_n::BestOfN;
pub use evolutionary::Evolutionary;
pub use recorded::Recorded;

/// The strategies by name.
pub const NAMES: [&str; 2] = ["evolutionary", "best-of-n"];

/// The strategy with this name; `None` if there is none.
pub fn by_name(name: &str) -> Option<Box<dyn SearchStrategy>> {
    match name {
        "evolutionary" => Some(Box::new(Evolutionary)),
        "best-of-n" => Some(Box::new(BestOfN)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use autores_domain::{Idea, Member, Operator, Outcome, Population, Room, SearchStrategy};
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn population(rewards: &[Option<f64>]) -> Population {
        let members = rewards.iter().enumerate().map(|(i, reward)| {
            let id = format!("r/i{}", i + 1).parse().unwrap();
            let outcome = match reward {
                Some(reward) => Outcome::Measured { reward: *reward },
                None => Outcome::Pending,
            };
            Member { idea: Idea::baseline(id), outcome, revision: None, evidence: None }
        });
        Population {
            baseline: vec![0.49, 0.50, 0.51],
            reference: Some(0.50),
            members: members.collect(),
            ..Population::default()
        }
    }

    fn room(epoch: u32, count: u32) -> Room {
        Room { first: 0, epoch, count }
    }

    proptest! {
        /// The contract of every strategy.
        #[test]
        fn a_strategy_gives_what_is_asked_and_repeats_itself(
            rewards in prop::collection::vec(prop::option::of(0.3f64..0.7), 0..40),
            epoch in 0u32..12, count in 1u32..10, seed: u64,
        ) {
            let population = population(&rewards);
            for name in NAMES {
                let strategy = by_name(name).unwrap();
                let room = Room { first: 0, epoch, count };
                let ask =
                    || strategy.propose(&population, room, &mut ChaCha8Rng::seed_from_u64(seed));
                let briefs = ask();
                prop_assert_eq!(&briefs, &ask());
                prop_assert_eq!(briefs.iter().map(|brief| brief.count).sum::<u32>(), count);
                for brief in &briefs {
                    prop_assert_eq!(brief.operator == Operator::Exploit, !brief.parents.is_empty());
                }
            }
        }
    }

    #[test]
    fn the_first_epoch_is_fresh() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let briefs = Evolutionary.propose(&population(&[Some(0.6)]), room(0, 20), &mut rng);
        assert!(briefs.iter().all(|brief| brief.operator == Operator::Fresh));
    }

    #[test]
    fn only_ideas_above_the_noise_are_exploited() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let population = population(&[Some(0.505), Some(0.60), None, Some(0.40), Some(0.55)]);
        let briefs = Evolutionary.propose(&population, room(3, 200), &mut rng);
        let exploits = briefs.iter().filter(|brief| brief.operator == Operator::Exploit);
        let mut parents: Vec<u32> =
            exploits.flat_map(|brief| &brief.parents).map(|idea| idea.number).collect();
        parents.sort_unstable();
        parents.dedup();
        assert_eq!(parents, [2, 5]);
    }

    #[test]
    fn without_a_better_idea_there_is_nothing_to_exploit() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let briefs = Evolutionary.propose(&population(&[Some(0.4), None]), room(9, 50), &mut rng);
        assert!(briefs.iter().all(|brief| brief.operator == Operator::Explore));
    }
}

//! Explore and exploit in a share that is annealed ("Towards Execution-Grounded Automated AI Research", 2601.14525).

use autores_domain::{Brief, IdeaId, Operator, Population, Room, SearchStrategy};
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};

use super::best_of_n::fresh;

/// How many earlier ideas an explore brief shows.
const SHOWN: usize = 24;

/// An idea is built upon if it beats the baseline's mean by more than this many of the baseline's standard deviations.
/// The paper takes any idea above the baseline; with one seed an idea, half of those that do nothing would be.
const MARGIN: f64 = 1.0;

/// The first epoch is fresh. In epoch `e` a share `min(0.5 + 0.1·⌊e/2⌋, 0.8)` of the briefs builds on ideas that beat
/// the baseline; the others show a random sample of everything tried, failures included, and ask for something else.
#[derive(Debug, Clone, Copy)]
pub struct Evolutionary;

impl SearchStrategy for Evolutionary {
    fn propose(&self, population: &Population, room: Room, rng: &mut dyn RngCore) -> Vec<Brief> {
        let Room { epoch, count, .. } = room;
        if epoch == 0 {
            return (0..count).map(|_| fresh(rng)).collect();
        }
        let better: Vec<IdeaId> = population
            .above_baseline(MARGIN)
            .into_iter()
            .map(|member| member.idea.id.clone())
            .collect();
        (0..count)
            .map(|_| {
                if rng.random_bool(exploit_share(epoch)) && !better.is_empty() {
                    exploit(&better, rng)
                } else {
                    explore(population, rng)
                }
            })
            .collect()
    }
}

fn exploit_share(epoch: u32) -> f64 {
    (0.5 + 0.1 * f64::from(epoch / 2)).min(0.8)
}

/// Two parents, the better ones more often: the rank `r` (from 1) is drawn with weight `1/r`.
fn exploit(better: &[IdeaId], rng: &mut dyn RngCore) -> Brief {
    let ranked: Vec<(usize, &IdeaId)> = better.iter().enumerate().collect();
    let mut drawn: Vec<(usize, &IdeaId)> = ranked
        .choose_multiple_weighted(rng, 2, |(rank, _)| 1.0 / (*rank as f64 + 1.0))
        .map(|choice| choice.copied().collect())
        .unwrap_or_default();
    drawn.sort_unstable_by_key(|(rank, _)| *rank);
    Brief {
        operator: Operator::Exploit,
        parents: drawn.into_iter().map(|(_, idea)| idea.clone()).collect(),
        shown: Vec::new(),
        count: 1,
        seed: rng.random(),
    }
}

fn explore(population: &Population, rng: &mut dyn RngCore) -> Brief {
    let shown = population.members.choose_multiple(rng, SHOWN);
    Brief {
        operator: Operator::Explore,
        parents: Vec::new(),
        shown: shown.map(|member| member.idea.id.clone()).collect(),
        count: 1,
        seed: rng.random(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exploitation_is_annealed_as_in_the_paper() {
        let shares: Vec<f64> = (1..10).map(exploit_share).collect();
        let expected = [0.5, 0.6, 0.6, 0.7, 0.7, 0.8, 0.8, 0.8, 0.8];
        for (share, expected) in shares.iter().zip(expected) {
            assert!((share - expected).abs() < 1e-12, "{shares:?}");
        }
    }
}

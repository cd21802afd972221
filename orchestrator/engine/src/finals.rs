//! Measures the best ideas again before anything is said of them.
//!
//! The reward that made an idea a finalist is the largest of many noisy ones, so it says too much; only fresh seeds count.

use autores_domain::{Comparison, IdeaId, Purpose, Run, Verdict};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The best screened ideas, best first. Whether they are better than the baseline is for the fresh seeds to say.
///
/// Of ideas with the very same reward only the first is taken: where work is counted, they did the same.
pub(crate) fn finalists(run: &Run) -> Vec<IdeaId> {
    let population = run.population();
    let mut ranked = population.ranked();
    ranked.dedup_by(|a, b| a.1 == b.1);
    ranked
        .into_iter()
        .take(run.config.finalists as usize)
        .map(|(member, _)| member.idea.id.clone())
        .collect()
}

/// Seeds that no experiment of the run has used, drawn once all its code is written.
pub(crate) fn fresh_seeds(run: &Run) -> Vec<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(run.config.seed ^ 0x0076_6572_6966_7900);
    let mut seeds: Vec<u64> = Vec::new();
    while seeds.len() < run.config.verify_seeds as usize {
        // 31 bits: a signed 32-bit integer holds them.
        let seed = u64::from(rng.random::<u32>() >> 1);
        let used = run.experiments.iter().any(|record| record.experiment.seed == seed);
        if !used && !seeds.contains(&seed) {
            seeds.push(seed);
        }
    }
    seeds
}

/// What the fresh seeds say. A finalist is compared only if all of its seeds were measured, and the baseline's too: an
/// idea that fails with one seed in three is not an improvement.
pub(crate) fn verdict(run: &Run) -> Verdict {
    let baseline = run.rewards(&run.baseline(), Purpose::Verify);
    let mut comparisons: Vec<Comparison> = Vec::new();
    for record in run.experiments_for(Purpose::Verify) {
        let idea = &record.experiment.idea;
        if idea.number == 0 || comparisons.iter().any(|known| known.idea == *idea) {
            continue;
        }
        let rewards = run.rewards(idea, Purpose::Verify);
        let all = run.config.verify_seeds as usize;
        if rewards.len() == all && baseline.len() == all {
            comparisons.extend(Comparison::of(idea.clone(), rewards, baseline.clone()));
        }
    }
    comparisons.sort_by(|a, b| b.candidate.mean.total_cmp(&a.candidate.mean));
    Verdict { comparisons }
}

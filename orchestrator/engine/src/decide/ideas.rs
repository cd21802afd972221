//! How many ideas are on the way, and when more are asked for.

use autores_domain::{BriefState, Event, ExperimentState, IdeaState, Room, Run, SearchStrategy};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::screens;

/// Ideas on the way for each slot, however slow models are.
const MOST_ON_THE_WAY: f64 = 8.0;

/// Keeps `look_ahead` ideas ready per slot; with a barrier, asks for a whole epoch once the last one has ended.
pub(super) fn ask(run: &Run, strategy: &dyn SearchStrategy, slots: usize) -> Vec<Event> {
    // A codebase that cannot be measured is not worth an idea.
    if run.baseline_cpu_s().is_none() {
        return Vec::new();
    }
    let config = &run.config;
    let asked: u32 = run.briefs.iter().map(|(brief, _)| brief.count).sum();
    let left_of_epoch = config.batch - asked % config.batch;
    let left = config.ideas().saturating_sub(asked).min(left_of_epoch);
    let recorded = config.llm.as_ref().and_then(|llm| llm.replay.as_ref());
    let wanted = if let Some(replay) = recorded.filter(|replay| asked < replay.briefs) {
        replay.briefs - asked
    } else if config.barrier {
        if pending(run, Running::Counts) == 0 { left } else { 0 }
    } else {
        // What a slot uses up while an idea is on its way is on its way too.
        let ahead = f64::from(config.look_ahead) + run.experiments_per_lead().min(MOST_ON_THE_WAY);
        let ready = (ahead * slots as f64).ceil() as u32;
        let waiting = pending(run, Running::IsLeftOut);
        ready.saturating_sub(waiting)
    };
    let count = wanted.min(left);
    if count == 0 {
        return Vec::new();
    }
    let population = run.population();
    let first = run.briefs.len() as u32;
    // Each brief has random numbers of its own, so that it does not matter how many are asked for at a time.
    let briefs = (first..first + count).flat_map(|stream| {
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(u64::from(stream) + 1);
        let room = Room { first: stream, epoch: asked / config.batch, count: 1 };
        strategy.propose(&population, room, &mut rng)
    });
    briefs.zip(first..).map(|(brief, number)| Event::BriefIssued { number, brief }).collect()
}

/// Whether an idea that is just being measured is still pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    Counts,
    IsLeftOut,
}

/// Ideas that were asked for and have no outcome yet.
pub(super) fn pending(run: &Run, running: Running) -> u32 {
    let open: u32 = run
        .briefs
        .iter()
        .filter(|(_, state)| *state == BriefState::Open)
        .map(|(brief, _)| brief.count)
        .sum();
    let on_the_way = run.ideas[1..].iter().filter(|record| match &record.state {
        IdeaState::Proposed | IdeaState::Patched { .. } | IdeaState::Broken { .. } => true,
        IdeaState::Rejected { .. } => false,
        IdeaState::Ready { .. } if record.reused.is_some() => false,
        IdeaState::Ready { .. } => screens::of_newest(run, record).all(|e| match e.state {
            ExperimentState::Queued { .. } => true,
            ExperimentState::Running { .. } => running == Running::Counts,
            ExperimentState::Measured { .. }
            | ExperimentState::Failed { .. }
            | ExperimentState::Cancelled { .. } => false,
        }),
    });
    open + on_the_way.count() as u32
}

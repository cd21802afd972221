//! What the run as a whole owes next: a pure function of its state, the slots and the seed.
//!
//! Never performs anything. What single ideas and experiments owe is said by their own states.

use autores_domain::{
    BriefState, Event, Experiment, ExperimentId, ExperimentState, ExperimentStep, IdeaId,
    IdeaState, Purpose, Run, SearchStrategy, Slot,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::finals;

/// What the process is willing to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whatever is owed.
    Working,
    /// Nothing new; what runs goes on.
    Holding,
}

/// The events that are due now. Once they are applied, it is asked again, until none is due.
pub(crate) fn decide(
    run: &Run,
    strategy: &dyn SearchStrategy,
    slots: &[Slot],
    mode: Mode,
) -> Vec<Event> {
    if run.status.is_terminal() || mode == Mode::Holding {
        return Vec::new();
    }
    if let Some(reason) = hopeless(run) {
        // What runs is ended first, so that no job outlives its run.
        return match run.running().next() {
            Some(_) => Vec::new(),
            None => vec![Event::RunFailed { reason }],
        };
    }
    if run.experiments.is_empty() {
        return queue_baseline(run);
    }
    let screens = queue_screens(run);
    if !screens.is_empty() {
        return screens;
    }
    let starts = start_attempts(run, slots);
    if !starts.is_empty() {
        return starts;
    }
    let briefs = ask_for_ideas(run, strategy, slots.len());
    if !briefs.is_empty() {
        return briefs;
    }
    if search_is_over(run) { finish(run) } else { Vec::new() }
}

/// Why the run cannot come to anything: without a baseline no reward means anything.
pub(crate) fn hopeless(run: &Run) -> Option<String> {
    run.experiments_for(Purpose::Baseline).find_map(|record| match &record.state {
        ExperimentState::Failed { fault, .. } => Some(format!(
            "the unchanged codebase cannot be measured ({} failed: {fault}); \
             `autores logs {}` shows its output",
            record.experiment.id, record.experiment.id
        )),
        ExperimentState::Queued { .. }
        | ExperimentState::Running { .. }
        | ExperimentState::Measured { .. }
        | ExperimentState::Cancelled { .. } => None,
    })
}

fn queue_baseline(run: &Run) -> Vec<Event> {
    let seeds = (0..run.config.baseline_seeds.max(1)).map(|i| run.config.seed + u64::from(i));
    queue(run, seeds.map(|seed| (run.baseline(), Purpose::Baseline, seed)))
}

/// Every idea with a commit is measured once, with the baseline's first seed.
fn queue_screens(run: &Run) -> Vec<Event> {
    let waiting = run.ideas[1..].iter().filter(|record| {
        matches!(record.state, IdeaState::Ready { .. })
            && run.experiments_of(&record.idea.id).next().is_none()
    });
    queue(run, waiting.map(|record| (record.idea.id.clone(), Purpose::Screen, run.config.seed)))
}

fn queue(run: &Run, wanted: impl Iterator<Item = (IdeaId, Purpose, u64)>) -> Vec<Event> {
    let next = run.experiments.len() as u32 + 1;
    wanted
        .zip(next..)
        .map(|((idea, purpose, seed), number)| Event::ExperimentQueued {
            experiment: Experiment {
                id: ExperimentId { run: run.id.clone(), number },
                idea,
                purpose,
                scale: run.config.scale.clone(),
                seed,
            },
        })
        .collect()
}

/// Free slots go to waiting experiments: the baseline first, because all else is judged by it.
fn start_attempts(run: &Run, slots: &[Slot]) -> Vec<Event> {
    let Some(scale) = run.scale() else { return Vec::new() };
    let baseline_cpu_s = run.baseline_cpu_s();
    let free = slots.iter().filter(|slot| run.running().all(|(_, held)| !overlap(slot, held)));
    let mut queued: Vec<_> = run
        .experiments
        .iter()
        .filter_map(|record| match record.state.step() {
            Some(ExperimentStep::Start { attempt }) => Some((&record.experiment, attempt)),
            Some(ExperimentStep::Watch { .. }) | None => None,
        })
        // An idea's compute is limited by the baseline's, so one baseline comes before the first idea.
        .filter(|(experiment, _)| {
            experiment.purpose == Purpose::Baseline || baseline_cpu_s.is_some()
        })
        .collect();
    queued.sort_by_key(|(experiment, _)| (priority(experiment.purpose), experiment.id.number));
    queued
        .into_iter()
        .zip(free)
        .map(|((experiment, attempt), slot)| {
            let baseline_cpu_s =
                if experiment.purpose == Purpose::Baseline { None } else { baseline_cpu_s };
            Event::AttemptStarted {
                attempt: autores_domain::AttemptId {
                    experiment: experiment.id.clone(),
                    number: attempt,
                },
                slot: slot.clone(),
                limits: scale.limits.relative_to(baseline_cpu_s),
            }
        })
        .collect()
}

/// The GPUs count too: on resume the same number may stand for others.
fn overlap(a: &Slot, b: &Slot) -> bool {
    a.index == b.index || a.gpus.iter().any(|gpu| b.gpus.contains(gpu))
}

fn priority(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Baseline => 0,
        Purpose::Verify | Purpose::Confirm => 1,
        Purpose::Screen => 2,
    }
}

/// Keeps `look_ahead` ideas ready per slot; with a barrier, asks for a whole epoch once the last one has ended.
fn ask_for_ideas(run: &Run, strategy: &dyn SearchStrategy, slots: usize) -> Vec<Event> {
    // A codebase that cannot be measured is not worth an idea.
    if run.baseline_cpu_s().is_none() {
        return Vec::new();
    }
    let config = &run.config;
    let asked: u32 = run.briefs.iter().map(|(brief, _)| brief.count).sum();
    let left_of_epoch = config.batch - asked % config.batch;
    let left = config.ideas().saturating_sub(asked).min(left_of_epoch);
    let wanted = if config.barrier {
        if pending(run, Running::Counts) == 0 { left } else { 0 }
    } else {
        let ready = config.look_ahead.saturating_mul(slots as u32);
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
        strategy.propose(&population, asked / config.batch, 1, &mut rng)
    });
    briefs.zip(first..).map(|(brief, number)| Event::BriefIssued { number, brief }).collect()
}

/// Whether an idea that is just being measured is still pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    Counts,
    IsLeftOut,
}

/// Ideas that were asked for and have no outcome yet.
fn pending(run: &Run, running: Running) -> u32 {
    let open: u32 = run
        .briefs
        .iter()
        .filter(|(_, state)| *state == BriefState::Open)
        .map(|(brief, _)| brief.count)
        .sum();
    let on_the_way = run.ideas[1..].iter().filter(|record| match &record.state {
        IdeaState::Proposed | IdeaState::Patched { .. } => true,
        IdeaState::Rejected { .. } => false,
        IdeaState::Ready { .. } => run.experiments_of(&record.idea.id).all(|e| match e.state {
            ExperimentState::Queued { .. } => true,
            ExperimentState::Running { .. } => running == Running::Counts,
            ExperimentState::Measured { .. }
            | ExperimentState::Failed { .. }
            | ExperimentState::Cancelled { .. } => false,
        }),
    });
    open + on_the_way.count() as u32
}

fn search_is_over(run: &Run) -> bool {
    let asked: u32 = run.briefs.iter().map(|(brief, _)| brief.count).sum();
    asked >= run.config.ideas()
        && pending(run, Running::Counts) == 0
        && run.experiments.iter().all(|record| record.state.is_terminal())
}

fn finish(run: &Run) -> Vec<Event> {
    if run.experiments_for(Purpose::Verify).next().is_some() {
        return vec![Event::RunFinished { verdict: finals::verdict(run) }];
    }
    let finalists = finals::finalists(run);
    if finalists.is_empty() || run.config.verify_seeds == 0 {
        return vec![Event::RunFinished { verdict: finals::verdict(run) }];
    }
    let seeds = finals::fresh_seeds(run);
    let contestants: Vec<IdeaId> = std::iter::once(run.baseline()).chain(finalists).collect();
    // Seed by seed, so that a run that is cut short has compared like with like.
    let wanted = seeds.iter().flat_map(|seed| {
        contestants.iter().map(move |idea| (idea.clone(), Purpose::Verify, *seed))
    });
    queue(run, wanted)
}

//! What the run as a whole owes next: a pure function of its state, the slots and the seed.
//!
//! Never performs anything. What single ideas and experiments owe is said by their own states.

mod ideas;
mod lessons;
mod screens;

use autores_domain::{
    Event, Experiment, ExperimentId, ExperimentState, ExperimentStep, IdeaId, LessonsState,
    Purpose, Run, SearchStrategy, Slot,
};

use self::ideas::{Running, pending};
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
    let screens = screens::next(run);
    if !screens.is_empty() {
        return screens;
    }
    let starts = start_attempts(run, slots);
    if !starts.is_empty() {
        return starts;
    }
    let briefs = ideas::ask(run, strategy, slots.len());
    if !briefs.is_empty() {
        return briefs;
    }
    let lessons = lessons::next(run);
    if !lessons.is_empty() {
        return lessons;
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

/// Why nothing more may be started, if accelerators were held for as long as the budget allows.
pub(crate) fn out_of_accelerator_hours(run: &Run) -> Option<String> {
    let cap = run.config.budget.accelerator_hours?;
    let held = run.accelerator_hours();
    (held >= cap).then(|| format!("accelerators were held for {held:.3} of {cap} hours"))
}

fn queue_baseline(run: &Run) -> Vec<Event> {
    let seeds = (0..run.config.baseline_seeds.max(1)).map(|i| run.config.seed + u64::from(i));
    queue(run, seeds.map(|seed| (run.baseline(), Purpose::Baseline, seed)))
}

fn queue(run: &Run, wanted: impl Iterator<Item = (IdeaId, Purpose, u64)>) -> Vec<Event> {
    let next = run.experiments.len() as u32 + 1;
    let newest = |idea: &IdeaId| {
        run.ideas.get(idea.number as usize).and_then(|record| record.revision_number())
    };
    wanted
        .zip(next..)
        .map(|((idea, purpose, seed), number)| Event::ExperimentQueued {
            experiment: Experiment {
                id: ExperimentId { run: run.id.clone(), number },
                revision: newest(&idea).unwrap_or(0),
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
    if out_of_accelerator_hours(run).is_some() {
        return Vec::new();
    }
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

fn is_all_asked(run: &Run) -> bool {
    run.briefs.iter().map(|(brief, _)| brief.count).sum::<u32>() >= run.config.ideas()
}

fn search_is_over(run: &Run) -> bool {
    is_all_asked(run)
        && pending(run, Running::Counts) == 0
        && run.experiments.iter().all(|record| record.state.is_terminal())
}

fn finish(run: &Run) -> Vec<Event> {
    let finalists = finals::finalists(run);
    let is_verified = run.experiments_for(Purpose::Verify).next().is_some();
    if is_verified || finalists.is_empty() || run.config.verify_seeds == 0 {
        // What was asked of a model is paid for.
        if run.distillations.contains(&LessonsState::Open) {
            return Vec::new();
        }
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

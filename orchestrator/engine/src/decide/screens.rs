//! What is owed to a revision: a measurement, the result of the very same code, or a repair.

use std::collections::BTreeSet;

use autores_domain::{
    Event, ExperimentRecord, ExperimentState, FaultClass, IdeaRecord, IdeaState, Purpose, Run,
};

/// The events that are due for ideas with a commit.
pub(super) fn next(run: &Run) -> Vec<Event> {
    let repairs: Vec<Event> = run.ideas[1..].iter().filter_map(|idea| repair(run, idea)).collect();
    if !repairs.is_empty() {
        return repairs;
    }
    let mut trees = BTreeSet::new();
    let mut wanted = Vec::new();
    for record in run.ideas[1..].iter().filter(|record| is_unmeasured(run, record)) {
        let IdeaState::Ready { revision } = &record.state else { continue };
        match twin(run, record) {
            Some(twin) if twin.state.is_terminal() => {
                return vec![Event::ResultReused {
                    idea: record.idea.id.clone(),
                    experiment: twin.experiment.id.clone(),
                }];
            }
            // It is just being measured.
            Some(_) => {}
            None if trees.insert(&revision.tree) => {
                wanted.push((record.idea.id.clone(), Purpose::Screen, run.config.seed));
            }
            // Another idea with the same code is about to be measured.
            None => {}
        }
    }
    super::queue(run, wanted.into_iter())
}

/// Screenings of the idea's newest revision.
pub(super) fn of_newest<'a>(
    run: &'a Run,
    record: &'a IdeaRecord,
) -> impl Iterator<Item = &'a ExperimentRecord> {
    run.experiments_of(&record.idea.id)
        .filter(|e| Some(e.experiment.revision) == record.revision_number())
}

fn is_unmeasured(run: &Run, record: &IdeaRecord) -> bool {
    record.reused.is_none() && of_newest(run, record).next().is_none()
}

/// An experiment with the very same code, seed and scale, whose end is the end of this one too.
fn twin<'a>(run: &'a Run, record: &IdeaRecord) -> Option<&'a ExperimentRecord> {
    let IdeaState::Ready { revision } = &record.state else { return None };
    let mut twins: Vec<&ExperimentRecord> = run
        .experiments
        .iter()
        .filter(|other| {
            other.experiment.seed == run.config.seed
                && other.experiment.scale == run.config.scale
                && run.revision_of(&other.experiment).is_some_and(|r| r.tree == revision.tree)
                && says_something(&other.state)
        })
        .collect();
    // A result beats one that is still to come, and that beats a failure.
    twins.sort_by_key(|other| match other.state {
        ExperimentState::Measured { .. } => 0,
        ExperimentState::Queued { .. } | ExperimentState::Running { .. } => 1,
        ExperimentState::Failed { .. } | ExperimentState::Cancelled { .. } => 2,
    });
    twins.first().copied()
}

/// Whether the end of an experiment is, or will be, the doing of its code.
fn says_something(state: &ExperimentState) -> bool {
    match state {
        ExperimentState::Queued { .. }
        | ExperimentState::Running { .. }
        | ExperimentState::Measured { .. } => true,
        ExperimentState::Failed { fault, .. } => fault.class != FaultClass::Infra,
        ExperimentState::Cancelled { .. } => false,
    }
}

/// A failure of the newest revision that other code may not have, as long as the idea has repairs left.
fn repair(run: &Run, record: &IdeaRecord) -> Option<Event> {
    let IdeaState::Ready { .. } = record.state else { return None };
    if record.repairs.len() as u32 >= run.config.repairs {
        return None;
    }
    let failed = of_newest(run, record).find(|e| match &e.state {
        ExperimentState::Failed { fault, .. } => {
            e.experiment.purpose == Purpose::Screen && fault.class.is_mended()
        }
        ExperimentState::Queued { .. }
        | ExperimentState::Running { .. }
        | ExperimentState::Measured { .. }
        | ExperimentState::Cancelled { .. } => false,
    })?;
    let experiment = failed.experiment.id.clone();
    let is_new = !record.repairs.contains(&experiment);
    is_new.then(|| Event::RepairIssued { idea: record.idea.id.clone(), experiment })
}

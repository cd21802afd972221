//! Whatever happens, in whatever order: what the states of a run, its ideas and its experiments promise.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod life;

use std::collections::{BTreeMap, BTreeSet};

use autores_domain::{
    AttemptId, Budget, Event, Experiment, ExperimentId, ExperimentState, FaultClass, IdeaId,
    IdeaState, Purpose, Recorded, Run, RunId, Slot, StopReason, Verdict,
};
use life::Choice;
use proptest::prelude::*;

fn run_id() -> RunId {
    "brisk-otter".parse().unwrap()
}

/// Any event at all, most of them out of place.
fn any_event((kind, which, detail): Choice) -> Event {
    let run = run_id();
    let idea = IdeaId { run: run.clone(), number: u32::from(which % 6) };
    let experiment = ExperimentId { run, number: u32::from(which % 6) };
    let attempt = AttemptId { experiment: experiment.clone(), number: u32::from(detail % 4) };
    match kind % 27 {
        0 => life::created(),
        1 => Event::RunOpened { pid: 1, host: "host".into(), accelerators: 1 },
        2 => Event::RunPaused,
        3 => Event::RunUnpaused,
        4 => Event::RunStopped { reason: StopReason::Signal, detail: None },
        5 => Event::RunFinished { verdict: Verdict { comparisons: Vec::new() } },
        6 => Event::RunFailed { reason: "disk gone".into() },
        7 => Event::BriefIssued { number: u32::from(which % 4), brief: life::brief(detail) },
        8 => {
            let number = u32::from(which % 4);
            let calls = life::calls(detail);
            Event::BriefAnswered { number, ideas: vec![life::idea(idea, detail)], calls }
        }
        9 => {
            let calls = life::calls(detail);
            Event::BriefFailed { number: u32::from(which % 4), reason: "tired".into(), calls }
        }
        10 => Event::IdeaPatched { idea, patch: life::patch(detail), calls: life::calls(detail) },
        11 => Event::IdeaCommitted { idea, revision: life::revision(detail) },
        12 => {
            let calls = life::calls(detail);
            Event::IdeaRejected { idea, fault: life::fault(FaultClass::Patch, detail), calls }
        }
        13 => Event::ExperimentQueued {
            experiment: Experiment {
                id: experiment,
                idea,
                purpose: Purpose::Screen,
                scale: "cpu".into(),
                seed: 1,
                revision: u32::from(detail % 2),
            },
        },
        14 => Event::ExperimentCancelled { experiment, reason: "enough".into() },
        15 => Event::AttemptStarted {
            attempt,
            slot: Slot { index: u32::from(detail) % life::SLOTS, gpus: Vec::new() },
            limits: life::limits(),
        },
        16 => Event::AttemptMeasured { attempt, measurement: life::measurement(detail) },
        17 => Event::AttemptFailed {
            attempt,
            fault: life::fault(FaultClass::Oom, detail),
            usage: Some(life::usage(detail)),
            curve: vec![1.0],
        },
        18 => Event::RepairIssued { idea, experiment },
        19 => {
            let calls = life::calls(detail);
            Event::RepairFailed { idea, fault: life::fault(FaultClass::Patch, detail), calls }
        }
        20 => Event::ResultReused { idea, experiment },
        21 => Event::LessonsIssued { number: u32::from(which % 4) },
        22 => Event::LessonsLearnt {
            number: u32::from(which % 4),
            lessons: life::lessons(detail),
            calls: life::calls(detail),
        },
        23 => {
            let calls = life::calls(detail);
            Event::LessonsFailed { number: u32::from(which % 4), reason: "none".into(), calls }
        }
        25 => Event::CallsMade { calls: life::calls(detail) },
        24 => Event::BudgetChanged { budget: Budget::default() },
        _ => Event::AttemptLost { attempt, fault: life::fault(FaultClass::Preempted, detail) },
    }
}

fn ends_the_run(event: &Event) -> bool {
    matches!(event, Event::RunFinished { .. } | Event::RunFailed { .. })
}

/// Every kind of report about an attempt.
fn reports(attempt: &AttemptId) -> [Event; 3] {
    [16, 17, 26].map(|kind| match any_event((kind, 0, 1)) {
        Event::AttemptMeasured { measurement, .. } => {
            Event::AttemptMeasured { attempt: attempt.clone(), measurement }
        }
        Event::AttemptFailed { fault, usage, curve, .. } => {
            Event::AttemptFailed { attempt: attempt.clone(), fault, usage, curve }
        }
        Event::AttemptLost { fault, .. } => Event::AttemptLost { attempt: attempt.clone(), fault },
        other => other,
    })
}

/// Half of the steps can happen, half are any event at all.
#[derive(Debug, Clone, Copy)]
enum Move {
    Possible(Choice),
    Any(Choice),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let a_move = prop_oneof![
        3 => any::<Choice>().prop_map(Move::Possible),
        1 => any::<Choice>().prop_map(Move::Any),
    ];
    prop::collection::vec(a_move, 0..200)
}

fn refused_and_unchanged(run: &Run, event: &Event) -> Result<(), TestCaseError> {
    let mut after = run.clone();
    let recorded = Recorded { sequence: run.sequence + 1, at_ms: 0, event: event.clone() };
    prop_assert!(after.apply(&recorded).is_err(), "{} was taken in", event.name());
    prop_assert_eq!(&after, run);
    Ok(())
}

fn slots_are_held_once(run: &Run) -> Result<(), TestCaseError> {
    let mut held: Vec<u32> = run.running().map(|(_, slot)| slot.index).collect();
    held.sort_unstable();
    let count = held.len();
    held.dedup();
    prop_assert_eq!(held.len(), count);
    Ok(())
}

fn ends_stay(before: &Run, after: &Run) -> Result<(), TestCaseError> {
    for (before, after) in before.experiments.iter().zip(&after.experiments) {
        if before.state.is_terminal() {
            prop_assert_eq!(&before.state, &after.state);
        }
    }
    for (before, after) in before.ideas.iter().zip(&after.ideas) {
        // A commit goes away only to be mended, and never is lost.
        if before.state.step().is_none() && !matches!(after.state, IdeaState::Broken { .. }) {
            prop_assert_eq!(&before.state, &after.state);
        }
        prop_assert!(after.revisions.starts_with(&before.revisions));
    }
    Ok(())
}

fn stale_reports_are_refused(run: &Run) -> Result<(), TestCaseError> {
    for (record, _) in run.running() {
        let ExperimentState::Running { attempt, .. } = &record.state else { continue };
        for number in [attempt.number - 1, attempt.number + 1] {
            for report in reports(&AttemptId { number, ..attempt.clone() }) {
                refused_and_unchanged(run, &report)?;
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_the_promises_hold_and_the_log_tells_it_again(moves in moves()) {
        let id = run_id();
        let (mut run, mut log) = life::live(&id, &[]);
        let mut attempts: BTreeMap<ExperimentId, u32> = BTreeMap::new();
        for next in moves {
            let event = match next {
                Move::Possible(choice) => life::possible(&run, choice),
                Move::Any(choice) => Some(any_event(choice)).filter(|event| !ends_the_run(event)),
            };
            let Some(event) = event else { continue };
            let before = run.clone();
            let sequence = run.sequence + 1;
            let recorded = Recorded { sequence, at_ms: sequence as i64, event };
            if run.apply(&recorded).is_err() {
                prop_assert!(matches!(next, Move::Any(_)), "{} was refused", recorded.event.name());
                prop_assert_eq!(&run, &before);
                continue;
            }
            if let Event::AttemptStarted { attempt, .. } = &recorded.event {
                let last = attempts.insert(attempt.experiment.clone(), attempt.number);
                prop_assert_eq!(attempt.number, last.unwrap_or(0) + 1);
            }
            slots_are_held_once(&run)?;
            ends_stay(&before, &run)?;
            stale_reports_are_refused(&run)?;
            log.push(recorded);
        }
        prop_assert_eq!(Run::replay(&id, &log).unwrap(), run);
    }

    #[test]
    fn a_run_that_ended_takes_nothing_in(
        choices in prop::collection::vec(any::<Choice>(), 0..60),
        end in 5u8..7,
        later in prop::collection::vec(any::<Choice>(), 1..30),
    ) {
        let id = run_id();
        let (mut run, _) = life::live(&id, &choices);
        let end = Recorded { sequence: run.sequence + 1, at_ms: 0, event: any_event((end, 0, 0)) };
        run.apply(&end).unwrap();
        prop_assert!(run.status.is_terminal());
        for choice in later {
            refused_and_unchanged(&run, &any_event(choice))?;
            if let Some(event) = life::possible(&run, choice) {
                refused_and_unchanged(&run, &event)?;
            }
        }
    }

    #[test]
    fn an_experiment_that_ended_takes_nothing_in(which in 0usize..3, event in any::<Choice>()) {
        let attempt: AttemptId = "brisk-otter/e1.a1".parse().unwrap();
        let state = [
            ExperimentState::Measured { attempt: attempt.clone(), measurement: life::measurement(1) },
            ExperimentState::Failed {
                attempt: attempt.clone(),
                fault: life::fault(FaultClass::Crash, 1),
                usage: Some(life::usage(1)),
                curve: Vec::new(),
            },
            ExperimentState::Cancelled { reason: "enough".into() },
        ][which].clone();
        prop_assert!(state.is_terminal());
        prop_assert!(state.next(&any_event(event)).is_err());
        for report in reports(&attempt) {
            prop_assert!(state.next(&report).is_err());
        }
    }

    #[test]
    fn an_idea_with_a_commit_or_a_fault_takes_nothing_in_but_a_repair(rejected: bool, event in any::<Choice>()) {
        let state = if rejected {
            IdeaState::Rejected { fault: life::fault(FaultClass::Patch, 1) }
        } else {
            IdeaState::Ready { revision: life::revision(1) }
        };
        prop_assert!(state.step().is_none());
        let event = any_event(event);
        let mends = !rejected && matches!(event, Event::RepairIssued { .. });
        prop_assert_eq!(state.next(&event).is_ok(), mends);
    }

    #[test]
    fn what_was_spent_is_the_sum_of_the_calls_each_counted_once(choices in prop::collection::vec(any::<Choice>(), 0..200)) {
        let (run, log) = life::live(&run_id(), &choices);
        let mut calls: Vec<_> = log.iter().flat_map(|recorded| recorded.event.calls()).collect();
        // Whoever tells of a call again has not paid again.
        let mut paid = BTreeSet::new();
        calls.retain(|call| paid.insert(&call.key));
        let spent = run.spent();
        prop_assert_eq!(spent.calls as usize, calls.len());
        prop_assert_eq!(spent.tokens.output, 10 * calls.len() as u64);
        let usd: f64 = calls.iter().filter_map(|call| call.usd).sum();
        prop_assert!((spent.usd - usd).abs() < 1e-9);
    }
}

#[test]
fn the_made_up_lives_pass_through_every_state() {
    // Promises about states that never occur would prove nothing.
    let choices: Vec<Choice> = (0..600u32)
        .map(|i| i.wrapping_mul(2_654_435_761))
        .map(|i| ((i >> 8) as u8, (i >> 16) as u8, (i >> 24) as u8))
        .collect();
    let (_, log) = life::live(&run_id(), &choices);
    let mut run = Run::created(&run_id(), &log[0]).unwrap();
    let mut seen = BTreeSet::new();
    let mut most_attempts = 0;
    for recorded in &log[1..] {
        run.apply(recorded).unwrap();
        seen.extend(run.experiments.iter().map(|record| record.state.name()));
        seen.extend(run.ideas.iter().map(|record| record.state.name()));
        if let Event::AttemptStarted { attempt, .. } = &recorded.event {
            most_attempts = most_attempts.max(attempt.number);
        }
    }
    let all =
        ["broken", "cancelled", "failed", "measured", "patched", "proposed", "queued", "ready"];
    assert_eq!(seen, all.into_iter().chain(["rejected", "running"]).collect());
    assert!(most_attempts > 1);
}

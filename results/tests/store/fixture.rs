//! Logs of every released version are read for ever: a file in `fixtures/` is added, never changed.

use std::collections::{BTreeMap, BTreeSet};

use autores_domain::{Event, Purpose, Recorded, Run, RunId};
use serde::Deserialize;

use crate::support::{open, run_id};

#[derive(Deserialize)]
struct Line {
    run: RunId,
    #[serde(flatten)]
    recorded: Recorded,
}

fn logs(text: &str) -> BTreeMap<RunId, Vec<Recorded>> {
    let mut logs: BTreeMap<RunId, Vec<Recorded>> = BTreeMap::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        logs.entry(line.run).or_default().push(line.recorded);
    }
    logs
}

fn logs_of_v1() -> BTreeMap<RunId, Vec<Recorded>> {
    logs(include_str!("../../fixtures/events-v1.jsonl"))
}

fn logs_of_v2() -> BTreeMap<RunId, Vec<Recorded>> {
    logs(include_str!("../../fixtures/events-v2.jsonl"))
}

/// The events of version 1. Does not compile with a new one until it is placed: in the fixture of the
/// version that brings it.
fn is_of_v1(event: &Event) -> bool {
    match event {
        Event::RunCreated { .. }
        | Event::RunOpened { .. }
        | Event::RunPaused
        | Event::RunUnpaused
        | Event::RunStopped { .. }
        | Event::RunFinished { .. }
        | Event::RunFailed { .. }
        | Event::BriefIssued { .. }
        | Event::BriefAnswered { .. }
        | Event::BriefFailed { .. }
        | Event::IdeaPatched { .. }
        | Event::IdeaCommitted { .. }
        | Event::IdeaRejected { .. }
        | Event::ExperimentQueued { .. }
        | Event::ExperimentCancelled { .. }
        | Event::AttemptStarted { .. }
        | Event::AttemptMeasured { .. }
        | Event::AttemptFailed { .. }
        | Event::AttemptLost { .. } => true,
        Event::BudgetChanged { .. }
        | Event::CallsMade { .. }
        | Event::RepairIssued { .. }
        | Event::RepairFailed { .. }
        | Event::ResultReused { .. }
        | Event::LessonsIssued { .. }
        | Event::LessonsLearnt { .. }
        | Event::LessonsFailed { .. } => false,
    }
}

#[test]
fn the_logs_of_version_1_have_every_event() {
    let logs = logs_of_v1();
    let events = logs.values().flatten().filter(|recorded| is_of_v1(&recorded.event));
    let names: BTreeSet<_> = events.map(|recorded| recorded.event.name()).collect();
    assert_eq!(names.len(), 19);
}

#[test]
fn the_logs_of_version_1_tell_the_same_runs() {
    let logs = logs_of_v1();
    let run = |name| Run::replay(&run_id(name), &logs[&run_id(name)]).unwrap();

    let otter = run("brisk-otter");
    assert_eq!(otter.status.name(), "finished");
    assert_eq!(otter.config.seed, u64::MAX);
    let ideas: Vec<_> =
        otter.ideas.iter().map(|r| (r.idea.title.as_str(), r.state.name())).collect();
    assert_eq!(
        ideas,
        [
            ("baseline", "ready"),
            ("Muon", "ready"),
            ("a longer warm-up", "rejected"),
            ("Muon, wider", "ready"),
        ]
    );
    let states: Vec<_> = otter.experiments.iter().map(|r| r.state.name()).collect();
    assert_eq!(states, ["measured", "measured", "failed", "measured", "cancelled"]);
    assert_eq!(otter.rewards(&otter.ideas[1].idea.id, Purpose::Screen), [0.4666666666666667]);

    let newt = run("sad-newt");
    assert_eq!((newt.status.name(), newt.config.slots), ("failed", None));
}

#[tokio::test]
async fn the_logs_of_version_1_can_be_written_and_read() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    for (run, log) in logs_of_v1() {
        let events: Vec<_> = log.iter().map(|recorded| recorded.event.clone()).collect();
        store.append(&run, 0, &events).await.unwrap();
        let read = store.reader().load(&run).await.unwrap();
        assert_eq!(read.into_iter().map(|recorded| recorded.event).collect::<Vec<_>>(), events);
    }
}

#[test]
fn the_logs_of_version_2_have_the_events_that_came_with_it() {
    let logs = logs_of_v2();
    let events = logs.values().flatten().filter(|recorded| !is_of_v1(&recorded.event));
    let names: BTreeSet<_> = events.map(|recorded| recorded.event.name()).collect();
    assert_eq!(names.len(), 8, "{names:?}");
}

#[test]
fn the_logs_of_version_2_tell_the_same_run() {
    let logs = logs_of_v2();
    let run = Run::replay(&run_id("calm-heron"), &logs[&run_id("calm-heron")]).unwrap();
    let spent = run.spent();
    assert_eq!((spent.calls, spent.tokens.output, spent.unpriced), (100, 1000, 31));
    assert_eq!((run.lessons.len(), run.lessons[0].topic.as_str()), (1, "topic 76"));
    assert_eq!(run.config.budget.usd, Some(108.0));
    assert!(run.ideas.iter().any(|record| record.revisions.len() > 1), "none was mended");
    assert!(run.ideas.iter().any(|record| record.reused.is_some()), "none was reused");
    assert!(run.accelerator_hours() > 0.0);
}

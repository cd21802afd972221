//! The event log: durable, in order, one writer a run.

use std::sync::Arc;

use crate::life;
use crate::support::{open, run_id, stranger};
use autores_domain::{AttemptId, Event, LogError, MetricPoint, Run};
use autores_results::{Reader, Request, Store, StoreError, store_path};

fn opened(pid: u32) -> Event {
    Event::RunOpened { pid, host: "host".into(), accelerators: 2 }
}

#[tokio::test]
async fn what_was_appended_is_there_in_order_after_the_store_is_opened_again() {
    let home = tempfile::tempdir().unwrap();
    let run = run_id("brisk-otter");
    let (live, told) = life::live(
        &run,
        &[(0, 0, 2), (1, 0, 2), (4, 0, 0), (5, 0, 0), (7, 1, 1), (10, 0, 0), (12, 0, 3)],
    );
    let store = open(home.path()).await.unwrap();
    let mut written = Vec::new();
    for recorded in &told {
        let after = recorded.sequence - 1;
        written.extend(
            store.append(&run, after, std::slice::from_ref(&recorded.event)).await.unwrap(),
        );
    }
    drop(store);

    let store = open(home.path()).await.unwrap();
    let loaded = store.reader().load(&run).await.unwrap();
    assert_eq!(loaded, written);
    let events =
        |log: &[autores_domain::Recorded]| log.iter().map(|r| r.event.clone()).collect::<Vec<_>>();
    assert_eq!(events(&loaded), events(&told));
    let replayed = Run::replay(&run, &loaded).unwrap();
    assert_eq!((replayed.ideas, replayed.experiments), (live.ideas, live.experiments));
    assert!(loaded.is_sorted_by_key(|recorded| recorded.at_ms));
}

#[tokio::test]
async fn a_writer_that_missed_events_is_refused_and_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let run = run_id("r");
    let (mine, yours) = (open(home.path()).await.unwrap(), open(home.path()).await.unwrap());
    mine.append(&run, 0, &[life::created(), opened(1)]).await.unwrap();
    let error = yours.append(&run, 0, &[life::created()]).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { expected: 0, found: 2, .. }), "{error}");
    assert!(error.to_string().starts_with("somebody else writes run r"), "{error}");
    // Having read what is there it may go on, and then the other is the one who missed something.
    yours.append(&run, 2, &[opened(2)]).await.unwrap();
    mine.append(&run, 2, &[opened(1)]).await.unwrap_err();
    mine.append(&run, 3, &[opened(3)]).await.unwrap();
    assert_eq!(mine.reader().load(&run).await.unwrap().len(), 4);
}

#[tokio::test]
async fn events_that_cannot_follow_are_refused_together_with_those_beside_them() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    let run = run_id("r");
    let nothing_measured = Event::AttemptMeasured {
        attempt: "r/e1.a1".parse().unwrap(),
        measurement: life::measurement(1),
    };
    store.append(&run, 0, &[life::created()]).await.unwrap();
    let error = store.append(&run, 1, &[opened(1), nothing_measured]).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert_eq!(store.reader().load(&run).await.unwrap().len(), 1);
    store.append(&run, 1, &[opened(2)]).await.unwrap();
}

#[tokio::test]
async fn a_number_that_is_not_finite_is_refused_before_it_makes_the_log_unreadable() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    let mut measurement = life::measurement(1);
    measurement.values.insert("loss".into(), f64::NAN);
    let event = Event::AttemptMeasured { attempt: "r/e1.a1".parse().unwrap(), measurement };
    let error = store.append(&run_id("r"), 0, &[event]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "run r cannot record attempt_measured: it does not read back as it was written"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_tasks_write_four_runs_at_the_same_time() {
    let home = tempfile::tempdir().unwrap();
    let store = Arc::new(open(home.path()).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["a", "b", "c", "d"] {
        let (store, run) = (Arc::clone(&store), run_id(name));
        tasks.spawn(async move {
            store.append(&run, 0, &[life::created()]).await.unwrap();
            for after in 1..=50 {
                store.append(&run, after, &[opened(after as u32)]).await.unwrap();
                // Refused, beside neighbours that are not.
                store.append(&run, after, &[opened(0)]).await.unwrap_err();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let runs = store.reader().runs().await.unwrap();
    assert_eq!(runs.iter().map(|run| run.sequence).collect::<Vec<_>>(), [51; 4]);
    for name in ["a", "b", "c", "d"] {
        let log = store.reader().load(&run_id(name)).await.unwrap();
        let opened = log.iter().filter_map(|r| match &r.event {
            Event::RunOpened { pid, .. } => Some(*pid),
            _ => None,
        });
        assert_eq!(opened.collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn appends_that_wait_together_each_get_their_own_answer() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    let ids: Vec<_> = (0..40).map(|n| run_id(&format!("r{n}"))).collect();
    let (created, unknown) = ([life::created()], [opened(1)]);
    let appends = ids
        .iter()
        .enumerate()
        .map(|(n, run)| store.append(run, 0, if n % 10 == 3 { &unknown } else { &created }));
    let answers = futures_util::future::join_all(appends).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_err(), n % 10 == 3, "run {n}: {answer:?}");
    }
    assert_eq!(store.reader().runs().await.unwrap().len(), 36);
}

#[tokio::test]
async fn readers_see_what_is_written_while_it_is_written() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    let run = run_id("r");
    store.append(&run, 0, &[life::created()]).await.unwrap();
    let reader = Reader::open(&store_path(home.path())).await.unwrap();
    for after in 1..10 {
        store.append(&run, after, &[opened(1)]).await.unwrap();
        assert_eq!(reader.load(&run).await.unwrap().len() as u64, after + 1);
    }
    assert_eq!(reader.run(&run).await.unwrap(), store.reader().run(&run).await.unwrap());
    assert_eq!(reader.run(&run_id("other")).await.unwrap(), None);
}

#[tokio::test]
async fn a_reader_finds_what_a_killed_writer_left_in_the_write_ahead_log() {
    let (home, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(home.path()).await.unwrap();
    store.append(&run_id("r"), 0, &[life::created()]).await.unwrap();
    // The files as they are while the writer has them open are what a kill leaves behind.
    for file in ["autores.db", "autores.db-wal"] {
        std::fs::copy(home.path().join(file), copy.path().join(file)).unwrap();
    }
    let reader = Reader::open(&store_path(copy.path())).await.unwrap();
    assert_eq!(reader.load(&run_id("r")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn metrics_are_replaced_as_a_whole_and_what_is_not_finite_is_absent() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    let attempt: AttemptId = "r/e1.a1".parse().unwrap();
    let point = |wall_s, loss| MetricPoint {
        wall_s,
        cpu_s: wall_s / 3.0,
        values: [("step".into(), 1.0), ("train_loss".into(), loss)].into(),
    };
    store
        .record_metrics(&attempt, &[point(1.0, 3.0), point(2.0, 2.9), point(3.0, 2.8)])
        .await
        .unwrap();
    store.record_metrics(&attempt, &[point(0.1, 1.0 / 3.0), point(0.2, f64::NAN)]).await.unwrap();
    let mut diverged = point(0.2, 0.0);
    diverged.values.remove("train_loss");
    assert_eq!(store.reader().metrics(&attempt).await.unwrap(), [point(0.1, 1.0 / 3.0), diverged]);
    // Seconds that cannot be stored fail the whole, and what was recorded before stays.
    store.record_metrics(&attempt, &[point(7.0, 1.0), point(f64::NAN, 1.0)]).await.unwrap_err();
    assert_eq!(store.reader().metrics(&attempt).await.unwrap().len(), 2);
    assert!(store.reader().metrics(&"r/e2.a1".parse().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn requests_of_another_process_wait_until_they_are_taken() {
    let home = tempfile::tempdir().unwrap();
    let (engine, command) = (open(home.path()).await.unwrap(), open(home.path()).await.unwrap());
    let (run, other) = (run_id("r"), run_id("other"));
    let first = command.request(&run, Request::Pause).await.unwrap();
    command.request(&other, Request::Unpause).await.unwrap();
    let last = command.request(&run, Request::Stop { now: true }).await.unwrap();
    let pending = engine.reader().pending_requests(&run).await.unwrap();
    let asked: Vec<_> = pending.iter().map(|pending| pending.request).collect();
    assert_eq!(asked, [Request::Pause, Request::Stop { now: true }]);

    engine.take_requests(&run, first).await.unwrap();
    assert!(command.reader().is_taken(first).await.unwrap());
    assert!(!command.reader().is_taken(last).await.unwrap());
    assert_eq!(engine.reader().pending_requests(&run).await.unwrap().len(), 1);
    engine.take_requests(&run, last).await.unwrap();
    assert!(engine.reader().pending_requests(&run).await.unwrap().is_empty());
    assert_eq!(engine.reader().pending_requests(&other).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_log_that_was_changed_by_hand_is_named_with_the_event() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    let run = run_id("r");
    store.append(&run, 0, &[life::created(), opened(1)]).await.unwrap();
    let change = "update event set body = '{\"event\":\"run_danced\"}' where sequence = 2";
    sqlx::query(change).execute(&mut stranger(home.path()).await).await.unwrap();
    let error = store.reader().load(&run).await.unwrap_err();
    let LogError::Unreadable(text) = error.into() else { panic!("it was read") };
    assert!(text.contains("event 2 of run r") && text.contains("run_danced"), "{text}");
}

#[tokio::test]
async fn a_store_that_was_closed_in_order_is_one_file() {
    let home = tempfile::tempdir().unwrap();
    let store: Store = open(home.path()).await.unwrap();
    store.append(&run_id("r"), 0, &[life::created()]).await.unwrap();
    store.close().await.unwrap();
    let files: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, ["autores.db"]);
}

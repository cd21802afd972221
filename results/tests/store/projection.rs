//! The rows beside the log say what the log says.

use std::path::Path;

use crate::life::{self, Choice};
use crate::support::{open, run_id, stranger};
use autores_domain::{Run, RunId};
use autores_results::{RunRow, Store};
use proptest::prelude::*;
use sqlx::{AnyConnection, Column as _, Row as _, ValueRef as _};

/// Every row of the projections, as text.
async fn rows(home: &Path) -> Vec<String> {
    let mut connection: AnyConnection = stranger(home).await;
    let mut lines = Vec::new();
    for select in [
        "select * from run order by id",
        "select * from idea order by id",
        "select * from experiment order by id",
        "select * from attempt order by id",
    ] {
        for row in sqlx::query(select).fetch_all(&mut connection).await.unwrap() {
            let cells = row.columns().iter().map(|column| {
                let i = column.ordinal();
                let value = if row.try_get_raw(i).unwrap().is_null() {
                    "null".to_owned()
                } else if let Ok(text) = row.try_get::<String, _>(i) {
                    text
                } else if let Ok(number) = row.try_get::<i64, _>(i) {
                    number.to_string()
                } else {
                    format!("{:?}", row.try_get::<f64, _>(i).unwrap())
                };
                format!("{}={value}", column.name())
            });
            lines.push(cells.collect::<Vec<_>>().join(" "));
        }
    }
    lines
}

/// Lives a run in a store, in appends of several sizes.
async fn live(store: &Store, id: &RunId, choices: &[Choice]) -> Run {
    let (_, told) = life::live(id, choices);
    let mut written = Vec::new();
    for (n, events) in told.chunks(3).enumerate() {
        let events: Vec<_> = events.iter().map(|recorded| recorded.event.clone()).collect();
        written.extend(store.append(id, n as u64 * 3, &events).await.unwrap());
    }
    Run::replay(id, &written).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_life_reads_back_as_it_was_lived(
        choices in prop::collection::vec(any::<Choice>(), 0..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = tempfile::tempdir().unwrap();
            let store = open(home.path()).await.unwrap();
            let id = run_id("brisk-otter");
            // Its rows are to stay as they are.
            live(&store, &run_id("neighbour"), &choices[..choices.len() / 2]).await;
            let lived = live(&store, &id, &choices).await;

            let replayed = Run::replay(&id, &store.reader().load(&id).await.unwrap()).unwrap();
            assert_eq!(replayed, lived);
            assert_eq!(store.reader().run(&id).await.unwrap(), Some(RunRow::of(&lived)));

            let before = rows(home.path()).await;
            store.rebuild(&id).await.unwrap();
            assert_eq!(rows(home.path()).await, before);
        });
    }
}

#[tokio::test]
async fn the_rows_of_a_small_run_read_as_what_happened() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    let choices = [
        (7, 0, 1),
        (10, 0, 0),
        (12, 0, 7), // the baseline, measured
        (0, 0, 1),
        (1, 0, 0),
        (4, 0, 9),
        (5, 0, 9), // one idea with its commit
        (7, 1, 2),
        (10, 0, 0),
        (13, 0, 0), // started and lost
        (10, 0, 0),
        (12, 0, 0), // started again and measured
    ];
    let run = live(&store, &run_id("r"), &choices).await;
    assert_eq!(run.experiments.len(), 2);
    let shown: Vec<String> = rows(home.path()).await.iter().map(|row| shorten(row)).collect();
    assert_eq!(
        shown,
        [
            "id=r status=running ideas=1 queued=0 running=0 measured=2 baseline_reward=0.3333333333333333 best_reward=0.5 best_idea=r/i1",
            "id=r/i0 state=ready fault_class=null reward=null",
            "id=r/i1 state=ready fault_class=null reward=0.5",
            "id=r/e1 state=measured attempt=r/e1.a1 reward=0.3333333333333333 fault_class=null",
            "id=r/e2 state=measured attempt=r/e2.a2 reward=0.5 fault_class=null",
            "id=r/e1.a1 state=measured fault_class=null",
            "id=r/e2.a1 state=lost fault_class=infra",
            "id=r/e2.a2 state=measured fault_class=null",
        ]
    );
}

/// The columns that tell what happened.
fn shorten(row: &str) -> String {
    let told = [
        "id",
        "status",
        "state",
        "ideas",
        "queued",
        "running",
        "measured",
        "attempt",
        "baseline_reward",
        "best_reward",
        "best_idea",
        "reward",
        "fault_class",
    ];
    let cells = row
        .split(' ')
        .filter(|cell| cell.split_once('=').is_some_and(|(name, _)| told.contains(&name)));
    cells.collect::<Vec<_>>().join(" ")
}

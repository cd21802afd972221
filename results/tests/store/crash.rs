//! What a process leaves that dies around a commit.

use std::process::Command;

use autores_domain::Event;

use crate::life;
use crate::support::{open, run_id};

const HOME: &str = "AUTORES_TEST_HOME";

/// The process that dies: it is started by the tests below, and does nothing without them.
#[tokio::test]
async fn child() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let _scenario = fail::FailScenario::setup();
    let store = open(home.as_ref()).await.unwrap();
    store.append(&run_id("r"), 0, &[life::created()]).await.unwrap();
    let _ = store.append(&run_id("r"), 1, &[Event::RunPaused, Event::RunUnpaused]).await;
    panic!("it did not die");
}

async fn events_left_by_a_death_at(point: &str) -> usize {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child"])
        .env(HOME, home.path())
        .env("FAILPOINTS", format!("{point}=1*off->return"))
        .output()
        .unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&output.status),
        Some(6),
        "{output:?}"
    );
    open(home.path()).await.unwrap().reader().load(&run_id("r")).await.unwrap().len()
}

#[tokio::test]
async fn events_that_were_not_committed_leave_nothing() {
    assert_eq!(events_left_by_a_death_at("results.before_commit").await, 1);
}

#[tokio::test]
async fn events_that_were_committed_are_there_though_nobody_was_told() {
    assert_eq!(events_left_by_a_death_at("results.after_commit").await, 3);
}

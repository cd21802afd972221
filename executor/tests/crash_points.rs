//! The orchestrator or the supervisor dies at every named point; what then follows is right.
//! Built with the feature `failpoints`, else empty.

#![cfg(feature = "failpoints")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bench;

use std::path::PathBuf;
use std::process::Command;

use autores_domain::{Backend, FaultClass, ReportError};
use autores_executor::backend::local::LocalBackend;
use bench::{Bench, attempt, bench};

const FOLDER: &str = "AUTORES_TEST_FOLDER";
const COMMIT: &str = "AUTORES_TEST_COMMIT";
const ONCE: &str = "echo x >> $1/ran; echo '{\"loss\": 1}' > $1/result.json\n";

fn tiny() -> Bench {
    bench().shell("train", ONCE)
}

/// Not a test by itself: the orchestrator of the tests below.
#[tokio::test]
async fn an_orchestrator() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let _scenario = fail::FailScenario::setup();
    let mut bench = tiny();
    let mut setup = bench.setup();
    setup.runs = folder.join("runs");
    setup.repository = folder.join("repository");
    setup.data = folder.join("data");
    let mut job = bench.job(1);
    job.commit = std::env::var(COMMIT).unwrap();
    let _ = LocalBackend::new(setup).ensure(&job).await;
}

async fn die_at(point: &str) -> (Bench, Result<(), ReportError>) {
    let mut bench = tiny();
    let commit = bench.commit();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["an_orchestrator", "--exact", "--test-threads", "1"])
        .env(FOLDER, bench.folder.path())
        .env(COMMIT, commit)
        .env("FAILPOINTS", format!("{point}=return"))
        .output()
        .unwrap()
        .status;
    assert_eq!(status.success(), !point.starts_with("backend."), "{point}");
    let (backend, job) = (bench.backend(), bench.job(1));
    backend.ensure(&job).await.unwrap();
    let report = backend.watch(&attempt(1)).await.map(|ended| {
        ended.outcome.unwrap();
    });
    (bench, report)
}

#[tokio::test]
async fn a_death_of_the_orchestrator_loses_nothing_and_repeats_nothing() {
    for point in [
        "backend.before_checkout",
        "backend.after_checkout",
        "backend.after_spec",
        "backend.before_spawn",
        "backend.after_spawn",
        "backend.after_ready",
    ] {
        let (bench, report) = die_at(point).await;
        report.unwrap();
        assert_eq!(bench.written("ran").await, "x\n", "{point}");
    }
}

#[tokio::test]
async fn a_supervisor_that_dies_before_its_start_record_is_replaced() {
    let (bench, report) = die_at("shim.after_lock").await;
    report.unwrap();
    assert_eq!(bench.written("ran").await, "x\n");
}

#[tokio::test]
async fn a_supervisor_that_dies_before_its_report_loses_the_attempt() {
    for point in ["shim.after_start_record", "shim.before_exit", "shim.before_exit_rename"] {
        let (_bench, report) = die_at(point).await;
        assert_eq!(report.unwrap_err().0.class, FaultClass::Infra, "{point}");
    }
}

#[tokio::test]
async fn a_supervisor_that_dies_after_its_report_has_reported() {
    let (bench, report) = die_at("shim.after_exit").await;
    report.unwrap();
    assert_eq!(bench.written("ran").await, "x\n");
}

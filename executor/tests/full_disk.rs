//! A disk that is full, really: a small one, in a mount namespace of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bench;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use autores_domain::{Backend, BackendError, FaultClass};
use autores_executor::backend::local::LocalBackend;
use bench::{attempt, bench};

const DISK: &str = "AUTORES_TEST_SMALL_DISK";
const KIB: usize = 1024;

/// The small disk, in the process that has one; else starts that process.
fn small_disk(test: &str) -> Option<PathBuf> {
    if let Some(disk) = std::env::var_os(DISK) {
        return Some(disk.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let mount =
        "mount -t tmpfs -o size=2m tmpfs \"$1\" || exit 77; exec \"$2\" \"$3\" --exact --nocapture";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", mount, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(DISK, folder.path())
        .output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) if output.status.code() == Some(101) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            panic!("{said}{}", String::from_utf8_lossy(&output.stderr));
        }
        other => {
            bench::did_not_run(&format!(
                "attempts on a full disk, since a small one cannot be made: {other:?}"
            ));
        }
    }
    None
}

#[tokio::test]
async fn a_full_disk_refuses_an_attempt_for_now() {
    let Some(disk) = small_disk("a_full_disk_refuses_an_attempt_for_now") else { return };
    let mut bench = bench().shell("train", "echo '{\"loss\": 1}' > $1/result.json");
    let mut setup = bench.setup();
    setup.runs = disk.clone();
    let (backend, job) = (LocalBackend::new(setup), bench.job(1));
    let filler = disk.join("filler");
    let _ = fs::write(&filler, vec![0; 4096 * KIB]);
    match backend.ensure(&job).await {
        Err(BackendError::Unavailable(fault)) => {
            assert_eq!(fault.class, FaultClass::Infra);
            assert!(fault.reason.contains("No space left"), "{fault}");
        }
        other => panic!("{other:?}"),
    }
    fs::remove_file(filler).unwrap();
    backend.ensure(&job).await.unwrap();
    backend.watch(&attempt(1)).await.unwrap().outcome.unwrap();
}

#[tokio::test]
async fn a_result_is_reported_although_the_disk_filled_up_meanwhile() {
    let test = "a_result_is_reported_although_the_disk_filled_up_meanwhile";
    let Some(disk) = small_disk(test) else { return };
    let script = "echo '{\"loss\": 1}' > $1/result.json; cat /dev/zero > $1/filler; true";
    let mut bench = bench().shell("train", script);
    let mut setup = bench.setup();
    setup.runs = disk;
    let (backend, job) = (LocalBackend::new(setup), bench.job(1));
    backend.ensure(&job).await.unwrap();
    // It printed that the disk is full, which may or may not still fit in the log.
    match backend.watch(&attempt(1)).await {
        Ok(ended) => assert_eq!(ended.outcome.unwrap()["loss"], 1.0),
        Err(lost) => {
            assert!(lost.0.reason.contains("cannot write output.log"), "{lost}");
        }
    }
}

#[tokio::test]
async fn a_stage_that_fails_for_want_of_space_is_the_machines_fault() {
    let test = "a_stage_that_fails_for_want_of_space_is_the_machines_fault";
    let Some(disk) = small_disk(test) else { return };
    let script = "cat /dev/zero > $1/filler || { rm $1/filler; exit 1; }";
    let mut bench = bench().shell("train", script);
    let mut setup = bench.setup();
    setup.runs = disk;
    let (backend, job) = (LocalBackend::new(setup), bench.job(1));
    backend.ensure(&job).await.unwrap();
    let lost = backend.watch(&attempt(1)).await.unwrap_err();
    assert_eq!(lost.0.class, FaultClass::Infra);
    let reason = &lost.0.reason;
    assert!(reason.contains("No space left") || reason.contains("output.log"), "{reason}");
}

//! What survives which death: supervisors outlive orchestrators, and nothing runs twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bench;

use std::fs;

use autores_domain::{Backend, BackendError, FaultClass};
use autores_executor::attempt::AttemptFolder;
use bench::{again_as_another_user, attempt, bench, eventually, lives};

/// Counts its runs in a file outside of the attempt's reach to reset: its own folder.
const ONCE: &str = "echo x >> $1/ran; echo '{\"loss\": 1}' > $1/result.json\n";
const UNTIL_GO: &str = "echo $$ > $1/pid; while ! [ -e $1/go ]; do sleep 0.02; done\n";

fn supervisor(folder: &AttemptFolder) -> String {
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.shim()).unwrap()).unwrap();
    record["pid"].to_string()
}

fn send(signal: &str, pid: &str) {
    let done = std::process::Command::new("/bin/kill").args([signal, pid]).status().unwrap();
    assert!(done.success());
}

#[tokio::test]
async fn asking_twice_runs_once() {
    let mut bench = bench().shell("train", ONCE);
    let (backend, job) = (bench.backend(), bench.job(1));
    let (first, second) = tokio::join!(backend.ensure(&job), backend.ensure(&job));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    backend.ensure(&job).await.unwrap();
    backend.watch(&attempt(1)).await.unwrap().outcome.unwrap();
    backend.ensure(&job).await.unwrap();
    backend.watch(&attempt(1)).await.unwrap().outcome.unwrap();
    assert_eq!(bench.written("ran").await, "x\n");
}

#[tokio::test]
async fn another_orchestrator_takes_over_what_runs() {
    let mut bench = bench().shell("train", &format!("{UNTIL_GO}{ONCE}"));
    let job = bench.job(1);
    drop(bench.start().await);
    let pid = bench.written("pid").await;
    let second = bench.backend();
    second.ensure(&job).await.unwrap();
    assert!(lives(&pid));
    fs::write(bench.attempt_folder(&attempt(1)).work().join("go"), "").unwrap();
    second.watch(&attempt(1)).await.unwrap().outcome.unwrap();
    assert_eq!(bench.written("ran").await, "x\n");
    assert_eq!(bench.written("pid").await, pid);
}

#[tokio::test]
async fn a_folder_that_was_half_made_is_made_again() {
    let mut bench = bench().shell("train", ONCE);
    let (backend, job) = (bench.backend(), bench.job(1));
    let folder = bench.attempt_folder(&attempt(1));
    fs::create_dir_all(folder.code().join("left/over")).unwrap();
    fs::write(folder.spec(), "{").unwrap();
    fs::write(folder.lock(), "").unwrap();
    backend.ensure(&job).await.unwrap();
    backend.watch(&attempt(1)).await.unwrap().outcome.unwrap();
    assert!(!folder.code().join("left").exists());
}

#[tokio::test]
async fn a_stopped_attempt_is_preempted_and_leaves_nothing() {
    let mut bench = bench().shell("train", &format!("trap '' TERM\n{UNTIL_GO}"));
    let backend = bench.start().await;
    let pid = bench.written("pid").await;
    backend.stop(&attempt(1)).await;
    backend.stop(&attempt(1)).await;
    let lost = backend.watch(&attempt(1)).await.unwrap_err();
    assert_eq!(lost.0.class, FaultClass::Preempted);
    assert!(!lives(&pid));
    backend.stop(&attempt(1)).await;
}

#[tokio::test]
async fn an_attempt_whose_supervisor_was_killed_is_lost_and_leaves_no_orphan() {
    let script = format!(
        "(env -i setsid sh -c 'echo $$ > '$1'/bare; sleep 600; true' &)
        (setsid sh -c 'echo $$ > '$1'/marked; cd /; sleep 600; true' &)
        {UNTIL_GO}"
    );
    let mut bench = bench().shell("train", &script);
    let backend = bench.start().await;
    let mut pids = Vec::new();
    for name in ["pid", "bare", "marked"] {
        pids.push(bench.written(name).await);
    }
    send("-KILL", &supervisor(&bench.attempt_folder(&attempt(1))));
    let lost = backend.watch(&attempt(1)).await.unwrap_err();
    assert_eq!(lost.0.class, FaultClass::Infra);
    assert!(lost.0.reason.contains("vanished"), "{lost}");
    for pid in pids {
        eventually(|| (!lives(&pid)).then_some(())).await;
    }
    // It was started once, so it is not started again: the next try has another number.
    backend.ensure(&bench.job(1)).await.unwrap();
    assert!(backend.watch(&attempt(1)).await.is_err());
}

#[tokio::test]
async fn a_sweep_ends_all_but_the_kept() {
    let mut bench = bench().shell("train", UNTIL_GO);
    let backend = bench.backend();
    for number in 1..=3 {
        backend.ensure(&bench.job(number)).await.unwrap();
    }
    let supervisors: Vec<String> =
        (1..=3).map(|number| supervisor(&bench.attempt_folder(&attempt(number)))).collect();
    backend.sweep(&"r".parse().unwrap(), &[attempt(2)]).await;
    let gone = |pid: &String| (!lives(pid)).then_some(());
    eventually(|| gone(&supervisors[0]).and(gone(&supervisors[2]))).await;
    assert!(lives(&supervisors[1]));
    backend.sweep(&"r".parse().unwrap(), &[]).await;
    eventually(|| gone(&supervisors[1])).await;
    backend.sweep(&"another".parse().unwrap(), &[]).await;
}

#[tokio::test]
async fn an_attempt_that_never_was_is_lost() {
    let lost = bench().backend().watch(&attempt(1)).await.unwrap_err();
    assert_eq!(lost.0.class, FaultClass::Infra);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_or_a_missing_program_may_be_tried_later() {
    let mut bench = bench().shell("train", ONCE);
    let job = bench.job(1);
    let mut setup = bench.setup();
    setup.runs = bench.write("not-a-folder", "");
    let error = autores_executor::backend::local::LocalBackend::new(setup).ensure(&job).await;
    assert!(
        matches!(&error, Err(BackendError::Unavailable(f)) if f.reason.contains("not-a-folder")),
        "{error:?}"
    );
    let mut setup = bench.setup();
    setup.shim = vec!["/no/such/program".into()];
    let error = autores_executor::backend::local::LocalBackend::new(setup).ensure(&job).await;
    assert!(
        matches!(&error, Err(BackendError::Unavailable(f)) if f.reason.contains("/no/such")),
        "{error:?}"
    );
    // Once the program is there again, the same attempt runs.
    bench.values().await;
}

#[test]
fn for_another_user_it_is_the_same() {
    again_as_another_user();
}

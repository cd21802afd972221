//! One orchestrator a run.

use std::process::{Command, Stdio};

use autores_results::lock::{LockError, Owner, acquire};

fn owner(pid: u32) -> Owner {
    Owner { pid, host: "attic".into() }
}

#[test]
fn the_second_is_refused_with_the_name_of_the_first_until_that_one_lets_go() {
    let home = tempfile::tempdir().unwrap();
    let (run, other) = ("r".parse().unwrap(), "other".parse().unwrap());
    let lock = acquire(home.path(), &run, &owner(4711)).unwrap();
    let error = acquire(home.path(), &run, &owner(2)).unwrap_err();
    assert!(
        error.to_string().starts_with("run r is in the hands of process 4711 on attic"),
        "{error}"
    );
    let LockError::Held { owner: named, .. } = error else { panic!("{error}") };
    assert_eq!(named, owner(4711));
    acquire(home.path(), &other, &owner(2)).unwrap();
    drop(lock);
    acquire(home.path(), &run, &owner(2)).unwrap();
}

#[test]
fn a_process_that_outlives_its_orchestrator_does_not_hold_the_lock() {
    let home = tempfile::tempdir().unwrap();
    let run = "r".parse().unwrap();
    let lock = acquire(home.path(), &run, &owner(1)).unwrap();
    let mut job = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    drop(lock);
    let again = acquire(home.path(), &run, &owner(2));
    job.kill().unwrap();
    job.wait().unwrap();
    again.unwrap();
}

#[test]
fn a_lock_left_by_a_killed_process_is_free() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("runs/r");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("lock"),
        r#"{"pid":4711,"host":"attic, and a name longer than the next"}"#,
    )
    .unwrap();
    let run = "r".parse().unwrap();
    let lock = acquire(home.path(), &run, &owner(2)).unwrap();
    let error = acquire(home.path(), &run, &owner(3)).unwrap_err();
    assert!(error.to_string().contains("process 2 on attic;"), "{error}");
    drop(lock);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = acquire(&file, &"r".parse().unwrap(), &owner(1)).unwrap_err();
    assert!(error.to_string().contains("file/runs/r/lock"), "{error}");
}

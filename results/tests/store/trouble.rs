//! What a user is told when the store cannot do its work, and what is kept.

use std::time::Duration;

use crate::life;
use crate::support::{open, open_with, run_id, stranger};
use autores_domain::Event;
use autores_results::{Options, Reader, StoreError, store_path};

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named_with_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    // Below a regular file not even root can make a folder.
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open(&file.join("home")).await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot use {}", file.join("home").display())), "{error}");
    assert!(error.ends_with("choose another folder with --dir"), "{error}");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named_with_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(store_path(home.path())).unwrap();
    let error = open(home.path()).await.err().unwrap();
    assert!(matches!(error, StoreError::NoAccess { .. }), "{error}");
    assert!(error.to_string().contains("autores.db"), "{error}");
}

#[tokio::test]
async fn reading_where_nothing_was_run_says_so_and_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = store_path(home.path());
    let error = Reader::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert!(!path.exists());
    // As a process leaves it that died before it made the tables.
    std::fs::write(&path, "").unwrap();
    let error = Reader::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
}

#[tokio::test]
async fn a_full_disk_keeps_what_was_recorded_and_the_run_goes_on_when_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let run = run_id("r");
    let options = Options { max_pages: Some(60), ..Options::default() };
    let store = open_with(home.path(), options).await.unwrap();
    store.append(&run, 0, &[life::created()]).await.unwrap();
    let opened = Event::RunOpened { pid: 1, host: "h".repeat(10_000), accelerators: 1 };
    let mut last = 1;
    let error = loop {
        // Two at once, to see that not one of them is kept alone.
        match store.append(&run, last, &[opened.clone(), opened.clone()]).await {
            Ok(_) => last += 2,
            Err(error) => break error,
        }
    };
    assert!(last > 3);
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    let error = store.append(&run, last, &[opened.clone(), opened.clone()]).await.unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert_eq!(store.reader().load(&run).await.unwrap().len() as u64, last);
    // A small event may still find room: the connection is as good as before.
    store.append(&run, last, &[Event::RunPaused]).await.unwrap();
    drop(store);

    let store = open(home.path()).await.unwrap();
    assert_eq!(store.reader().load(&run).await.unwrap().len() as u64, last + 1);
    store.append(&run, last + 1, &[opened]).await.unwrap();
}

#[tokio::test]
async fn a_file_locked_for_too_long_is_an_error_and_afterwards_all_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let run = run_id("r");
    let options = Options { busy_timeout: Duration::from_millis(50), ..Options::default() };
    let store = open_with(home.path(), options).await.unwrap();
    store.append(&run, 0, &[life::created()]).await.unwrap();
    let mut other = stranger(home.path()).await;
    sqlx::query("begin immediate").execute(&mut other).await.unwrap();
    let error = store.append(&run, 1, &[Event::RunPaused]).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(
        error.to_string().contains("locked by another process for more than 0.05 s"),
        "{error}"
    );
    let reader = Reader::open(&store_path(home.path())).await.unwrap();
    assert_eq!(reader.load(&run).await.unwrap().len(), 1);
    sqlx::query("rollback").execute(&mut other).await.unwrap();
    store.append(&run, 1, &[Event::RunPaused]).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let path = store_path(home.path());
    let text = "a letter to a friend, long enough to be more than a header ".repeat(20);
    std::fs::write(&path, &text).unwrap();
    for error in [open(home.path()).await.err().unwrap(), Reader::open(&path).await.unwrap_err()] {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let home = tempfile::tempdir().unwrap();
    let path = store_path(home.path());
    let store = open(home.path()).await.unwrap();
    let opened = Event::RunOpened { pid: 1, host: "h".repeat(1000), accelerators: 1 };
    store.append(&run_id("r"), 0, &[life::created()]).await.unwrap();
    for after in 1..40 {
        store.append(&run_id("r"), after, std::slice::from_ref(&opened)).await.unwrap();
    }
    store.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // All but the first pages, which hold the schema.
    bytes[4096 * 20..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let reader = Reader::open(&path).await.unwrap();
    let error = reader.load(&run_id("r")).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_store_of_a_later_program_is_refused_with_both_versions() {
    let home = tempfile::tempdir().unwrap();
    open(home.path()).await.unwrap().close().await.unwrap();
    let later = "insert into schema_version (major, minor, at_ms) values (2, 1, 0)";
    sqlx::query(later).execute(&mut stranger(home.path()).await).await.unwrap();
    let path = store_path(home.path());
    for error in [open(home.path()).await.err().unwrap(), Reader::open(&path).await.unwrap_err()] {
        assert!(matches!(error, StoreError::NewerSchema { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("schema 2.1") && text.contains("up to 1.1"), "{text}");
        assert!(text.contains("use the newer autores"), "{text}");
    }
}

#[tokio::test]
async fn additions_of_a_later_program_do_no_harm() {
    let home = tempfile::tempdir().unwrap();
    open(home.path()).await.unwrap().close().await.unwrap();
    let mut other = stranger(home.path()).await;
    for statement in [
        "alter table run add column colour text",
        "insert into schema_version (major, minor, at_ms) values (1, 2, 0)",
    ] {
        sqlx::query(statement).execute(&mut other).await.unwrap();
    }
    let store = open(home.path()).await.unwrap();
    store.append(&run_id("r"), 0, &[life::created()]).await.unwrap();
    assert_eq!(store.reader().runs().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_open_a_new_store_at_the_same_time_all_get_it() {
    let home = tempfile::tempdir().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let home = home.path().to_owned();
        tasks.spawn(async move {
            let store = open(&home).await.unwrap();
            store.append(&run_id(&format!("r{n}")), 0, &[life::created()]).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(open(home.path()).await.unwrap().reader().runs().await.unwrap().len(), 8);
}

#[tokio::test]
async fn odd_characters_in_the_folder_do_no_harm() {
    let home = tempfile::tempdir().unwrap();
    let odd = home.path().join("a ?mode=ro#b %41 'ü' \"c\"");
    let store = open(&odd.join("..").join(odd.file_name().unwrap())).await.unwrap();
    store.append(&run_id("r"), 0, &[life::created()]).await.unwrap();
    assert!(store_path(&odd).is_file());
}

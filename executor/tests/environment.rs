//! A real environment, made by a real `uv` with one small package from PyPI.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;

use autores_executor::environment::{self, EnvironmentError};

const SMALL: &str = "iniconfig==2.1.0 \\\n    --hash=sha256:9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760\n";

fn run(python: &Path, code: &str) -> String {
    let said = Command::new(python).args(["-I", "-c", code]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[test]
fn an_environment_is_made_once_and_used_again() {
    let home = tempfile::tempdir().unwrap();
    let ensure = |lines: &std::cell::RefCell<Vec<String>>| {
        environment::ensure(home.path(), Some(SMALL), &|line| lines.borrow_mut().push(line.into()))
    };
    let first = std::cell::RefCell::default();
    let made = ensure(&first).unwrap();
    assert!(first.borrow().iter().any(|line| line.contains("Python 3.")), "{first:?}");
    let origin = run(&made.python, "import iniconfig, sys; print(iniconfig.__file__, sys.prefix)");
    assert!(origin.starts_with(&made.reads[0].display().to_string()), "{origin}");
    // What the interpreter imports is among what it is allowed to read.
    let read = run(
        &made.python,
        "import ssl, json, os, sys; print(*{os.path.realpath(m.__file__) for m in list(sys.modules.values()) if getattr(m, '__file__', None)})",
    );
    for file in read.split_whitespace() {
        assert!(made.reads.iter().any(|folder| Path::new(file).starts_with(folder)), "{file}");
    }

    let second = std::cell::RefCell::default();
    assert_eq!(ensure(&second).unwrap(), made);
    assert_eq!(*second.borrow(), Vec::<String>::new());

    // Half-made, as after a crash: made again.
    let marker = made.reads[0].join("complete.json");
    std::fs::remove_file(&marker).unwrap();
    std::fs::remove_dir_all(made.reads[0].join("lib")).unwrap();
    assert_eq!(ensure(&second).unwrap(), made);
    assert_eq!(run(&made.python, "import iniconfig; print('there')"), "there");
}

#[test]
fn a_package_that_is_not_what_was_pinned_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let other = SMALL.replace("9deb", "0000");
    let error = environment::ensure(home.path(), Some(&other), &|_| ()).unwrap_err();
    assert!(matches!(error, EnvironmentError::Failed { .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains("hash"), "{error}");
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = environment::ensure(file.path(), None, &|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
}

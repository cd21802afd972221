//! What a user gets wrong is answered with the thing, the reason and the remedy, and with a code of its own.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{Bench, bench, commit, text};

/// The exit code, and that every one of these words was said.
#[track_caller]
fn check(output: &Output, code: i32, words: &[&str]) {
    let said = text(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} was not said:\n{said}");
    }
}

/// A copy of the toy problem that a test may spoil.
fn copy(bench: &Bench, name: &str) -> PathBuf {
    let folder = bench.problem.with_file_name(name);
    let _ = std::fs::remove_dir_all(&folder);
    bench.new_problem(&folder);
    folder
}

fn utf8(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let before = std::fs::read_to_string(&path).unwrap();
    assert!(before.contains(from), "{file} has no {from:?}:\n{before}");
    std::fs::write(path, before.replace(from, to)).unwrap();
}

#[test]
fn an_unknown_problem_names_the_known_ones() {
    let bench = bench();
    check(&bench.autores(&["run", "--problem", "pretrian"]), 2, &["pretrian", "pretrain"]);
}

#[test]
fn an_unknown_scale_strategy_backend_and_ideator_name_the_known_ones() {
    let bench = bench();
    let run = |more: &[&str]| {
        let mut arguments = vec!["run", "--problem", "pretrain"];
        arguments.extend(more);
        bench.autores(&arguments)
    };
    check(&run(&["--scale", "cup"]), 2, &["cup", "cpu", "h100x8"]);
    check(&run(&["--strategy", "greedy"]), 2, &["greedy", "evolutionary", "best-of-n"]);
    check(&run(&["--backend", "slurm"]), 2, &["slurm", "local"]);
    check(&run(&["--ideator", "oracle"]), 2, &["oracle", "catalogue"]);
    check(&run(&["--name", "../x"]), 2, &["../x", "lowercase"]);
    check(&run(&["--epochs", "0"]), 2, &["--epochs"]);
}

#[test]
fn an_unknown_run_or_idea_is_named() {
    let bench = bench();
    for arguments in [
        &["show", "nosuch"][..],
        &["resume", "nosuch"],
        &["stop", "nosuch"],
        &["diff", "nosuch/i1"],
        &["logs", "nosuch/e1"],
    ] {
        check(&bench.autores(arguments), 2, &["no run"]);
    }
    check(&bench.autores(&["show", "a b"]), 2, &["a b", "RUN/iNUMBER"]);
}

#[test]
fn a_broken_problem_file_is_shown_with_its_line_and_the_nearest_key() {
    let bench = bench();
    let folder = copy(bench, "broken");
    edit(&folder, "problem.yaml", "reward:", "rewrad:");
    check(
        &bench.autores(&["run", "--problem", utf8(&folder)]),
        2,
        &["problem.yaml", "rewrad", "reward"],
    );
}

#[test]
fn frozen_files_within_reach_of_an_idea_are_refused() {
    let bench = bench();
    let folder = copy(bench, "reachable");
    edit(&folder, "problem.yaml", "editable: [solve.py]", "editable: [\"*.py\"]");
    commit(&folder);
    for arguments in [["run", "--problem"], ["problem", "check"]] {
        let mut arguments = arguments.to_vec();
        arguments.push(utf8(&folder));
        check(&bench.autores(&arguments), 2, &["budget.py", "*.py", "frozen"]);
    }
}

#[test]
fn changes_that_are_not_committed_are_listed_with_the_remedy() {
    let bench = bench();
    let folder = copy(bench, "dirty");
    edit(&folder, "code/solve.py", "\n", "\n# changed\n");
    check(&bench.autores(&["run", "--problem", utf8(&folder)]), 2, &["solve.py", "git", "commit"]);
}

#[test]
fn a_folder_that_is_not_under_git_is_refused_with_the_remedy() {
    let bench = bench();
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("nogit");
    bench.new_problem(&folder);
    std::fs::remove_dir_all(folder.join(".git")).unwrap();
    check(&bench.autores(&["run", "--problem", utf8(&folder)]), 2, &["git init"]);
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let bench = bench();
    let file = bench.problem.with_file_name("a-file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("home");
    let below = below.to_str().unwrap();
    let problem = bench.problem.to_str().unwrap();
    check(&bench.autores(&["--dir", below, "run", "--problem", problem]), 4, &["a-file", "--dir"]);
    check(&bench.autores(&["--dir", below, "doctor"]), 4, &["MISSING", "a-file", "--dir"]);
}

#[test]
fn a_machine_without_python_is_told_what_to_install() {
    let bench = bench();
    let empty = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let output = bench
        .run("no-python", &[])
        .env("PATH", empty.path())
        .env("AUTORES_HOME", home.path())
        .output()
        .unwrap();
    check(&output, 4, &["Python 3.11"]);
}

#[test]
fn a_second_orchestrator_is_refused_with_the_pid_of_the_first() {
    let bench = bench();
    let mut first = bench.run("twice", &["--epochs", "40"]).spawn().unwrap();
    while bench.log("twice").len() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    check(&bench.autores(&["resume", "twice"]), 4, &[&first.id().to_string(), "twice"]);
    check(&bench.autores(&["stop", "twice", "--now"]), 0, &["twice"]);
    assert_eq!(first.wait().unwrap().code(), Some(3));
    check(&bench.autores(&["stop", "twice"]), 2, &["autores resume twice"]);
}

#[test]
fn a_metric_that_never_appears_or_is_not_finite_fails_the_run_with_its_name() {
    let bench = bench();
    let folder = copy(bench, "no-metric");
    edit(&folder, "problem.yaml", "name: loss", "name: accuracy");
    commit(&folder);
    check(&bench.autores(&["run", "--problem", utf8(&folder)]), 1, &["accuracy", "autores logs"]);
}

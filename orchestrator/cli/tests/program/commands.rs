//! What each command says of a run, to a person and as JSON.

use std::process::Stdio;
use std::time::{Duration, Instant};

use autores_domain::{Status, StopReason};
use serde_json::Value;

use crate::invariants::check_invariants;
use crate::support::{Bench, bench, git, text};

#[track_caller]
fn said(bench: &Bench, arguments: &[&str]) -> String {
    let output = bench.autores(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(bench: &Bench, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(bench, arguments)).unwrap()
}

/// Waits for something that a process brings about.
#[track_caller]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(120), "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn interrupt(process: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(process).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
}

#[test]
fn a_run_is_listed_shown_diffed_logged_and_checked_out() {
    let bench = bench();
    let output = bench.run("whole", &["--json"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    check_invariants(bench, "whole");

    // Every line is JSON; the last one is the report.
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let report = &lines.last().unwrap()["report"];
    assert_eq!(report["status"], "finished");
    assert_eq!(report["ideas"], 12);
    assert_eq!(lines[0]["event"], "run_created");

    assert!(said(bench, &["list"]).contains("whole"));
    let runs = json(bench, &["list", "--json"]);
    assert!(runs.as_array().unwrap().iter().any(|run| run["id"] == "whole"));

    assert!(said(bench, &["show", "whole"]).contains("Where to look next"));
    assert_eq!(json(bench, &["show", "whole", "--json"])["run"], "whole");
    assert!(said(bench, &["show", "whole/i1"]).contains("Hypothesis"));
    assert_eq!(json(bench, &["show", "whole/i1", "--json"])["idea"]["id"], "whole/i1");
    assert!(said(bench, &["show", "whole/e1"]).contains("loss"));
    assert_eq!(json(bench, &["show", "whole/e1", "--json"])["state"]["state"], "measured");

    let diff = said(bench, &["diff", "whole/i1"]);
    assert!(diff.contains("+++ b/code/solve.py"), "{diff}");
    assert_eq!(json(bench, &["diff", "whole/i1", "--json"])["diff"], diff.as_str());
    let log = git(&bench.problem, &["log", "--format=%B", "autores/whole/i1"]);
    assert!(log.contains("Autores-Idea: whole/i1"), "{log}");

    assert!(said(bench, &["logs", "whole/e1"]).contains("=== stage train"));
    for line in said(bench, &["logs", "whole/e1", "--json"]).lines() {
        let point: Value = serde_json::from_str(line).unwrap();
        assert!(point["cpu_s"].is_number() && point["values"].is_object(), "{line}");
    }

    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("code");
    said(bench, &["checkout", "whole/i1", into.to_str().unwrap()]);
    assert!(into.join("solve.py").is_file() && into.join("evaluate.py").is_file());
    let again = bench.autores(&["checkout", "whole/i1", into.to_str().unwrap()]);
    assert!(!again.status.success(), "a folder in use was written over");

    // A finished run is not run again.
    assert!(said(bench, &["resume", "whole"]).contains("whole finished"));
}

#[test]
fn the_same_seed_and_generations_find_the_same() {
    let bench = bench();
    let found = |name: &str| {
        let output = bench.run(name, &["--barrier", "--seed", "5"]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let run = bench.replay(name);
        let ideas: Vec<_> = run.ideas.iter().map(|record| record.idea.techniques.clone()).collect();
        let rewards: Vec<_> = run
            .ideas
            .iter()
            .map(|r| run.rewards(&r.idea.id, autores_domain::Purpose::Screen))
            .collect();
        (ideas, rewards)
    };
    assert_eq!(found("seed-a"), found("seed-b"));
}

#[test]
fn control_c_lets_running_jobs_end_and_prints_how_to_go_on() {
    let bench = bench();
    let child = bench
        .run("interrupted", &["--epochs", "20"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("a measurement", || bench.log("interrupted").len() > 15);
    interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("autores resume interrupted"), "{}", text(&output));
    let run = bench.replay("interrupted");
    assert_eq!(run.status, Status::Stopped(StopReason::Signal));
    assert_eq!(run.running().count(), 0);
    crate::invariants::check_no_orphans(bench, "interrupted");
}

#[test]
fn stop_now_queues_running_jobs_again_and_resume_finishes_them() {
    let bench = bench();
    let mut child = bench
        .run("stopped", &["--epochs", "4"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("a measurement", || bench.log("stopped").len() > 15);
    assert!(said(bench, &["stop", "stopped", "--now"]).contains("stopped"));
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(bench.replay("stopped").status, Status::Stopped(StopReason::Request));
    let resumed = bench.autores(&["resume", "stopped"]);
    assert!(resumed.status.success(), "{}", text(&resumed));
    check_invariants(bench, "stopped");
}

#[test]
fn a_paused_run_waits_until_it_is_told_to_go_on() {
    let bench = bench();
    let mut child = bench
        .run("paused", &["--epochs", "2"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("a measurement", || bench.log("paused").len() > 10);
    said(bench, &["pause", "paused"]);
    wait_for("the pause", || bench.replay("paused").status == Status::Paused);
    wait_for("the end of what runs", || bench.replay("paused").running().count() == 0);
    said(bench, &["unpause", "paused"]);
    assert!(child.wait().unwrap().success());
    check_invariants(bench, "paused");
}

#[test]
fn the_baseline_of_a_new_problem_reproduces() {
    let bench = bench();
    let checked = json(bench, &["problem", "check", bench.problem.to_str().unwrap(), "--json"]);
    assert_eq!(checked["reproduces"], true);
    assert_eq!(checked["values"][0], checked["values"][1]);
    assert_ne!(checked["values"][0], checked["values"][2]);
}

#[test]
fn doctor_and_the_list_of_problems_speak_json() {
    let bench = bench();
    assert_eq!(json(bench, &["doctor", "--json"])["usable"], true);
    let problems = json(bench, &["problem", "list", "--json"]);
    assert!(problems.as_array().unwrap().iter().any(|problem| problem["name"] == "pretrain"));
}

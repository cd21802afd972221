//! `autores patch check`: a script sees what a reply would do, or why it would do nothing.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{Bench, bench, text};

const GOOD: &str = "Longer warm-up:\n\n```diff\n--- a/config.py\n+++ b/config.py\n@@ -1,3 +1,3 @@\n     \
                    # Schedule, as shares of the budget and of the learning rate\n-    \
                    warmup: float = 0.05\n+    warmup: float = 0.1\n     final_rate: float = 0.1\n```\n";

fn reply(bench: &Bench, name: &str, reply: &str) -> PathBuf {
    let path = bench.problem.with_file_name(format!("reply-{name}.md"));
    std::fs::write(&path, reply).unwrap();
    path
}

fn check(name: &str, said: &str, more: &[&str]) -> Output {
    let bench = bench();
    let file = reply(bench, name, said);
    let mut arguments = vec!["patch", "check", "--problem", "pretrain", file.to_str().unwrap()];
    arguments.extend(more);
    bench.autores(&arguments)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)))
}

#[test]
fn a_good_reply_is_shown_as_a_diff_with_the_place_of_each_edit() {
    let output = check("good", GOOD, &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in ["config.py: edit 1 at line", "-    warmup: float = 0.05", "+++ b/config.py"] {
        assert!(said.contains(words), "{words:?} was not said:\n{said}");
    }
}

#[test]
fn a_good_reply_as_json_tells_files_placements_and_diff() {
    let output = check("good-json", GOOD, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let shown = json(&output);
    assert_eq!(shown["applied"], true);
    assert_eq!(
        shown["files"],
        serde_json::json!([{ "path": "config.py", "change": "modified", "added": 1, "removed": 1 }])
    );
    let placement = &shown["placements"][0];
    assert_eq!(
        (placement["path"].as_str(), placement["hunk"].as_u64()),
        (Some("config.py"), Some(1))
    );
    assert_eq!(placement["how"], "moved");
    let (line, by) = (placement["line"].as_i64().unwrap(), placement["moved_by"].as_i64().unwrap());
    assert_eq!(line - by, 1, "the reply stated line 1");
    assert!(shown["diff"].as_str().unwrap().contains("+    warmup: float = 0.1\n"), "{shown}");
}

#[test]
fn new_and_removed_files_are_told_apart() {
    let both = "*** Begin Patch\n*** Add File: modules/one.py\n+ONE = 1\n*** Delete File: schedule.py\n\
                *** End Patch\n";
    let shown = json(&check("both", both, &["--json"]));
    let changes: Vec<&str> = shown["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|file| file["change"].as_str())
        .collect();
    assert_eq!(changes, ["added", "deleted"], "{shown}");
}

#[test]
fn a_reply_that_does_not_fit_is_refused_with_a_typed_reason() {
    let lost = GOOD.replace("warmup: float = 0.05", "warmup_iters: int = 2_000");
    let output = check("lost", &lost, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let shown = json(&output);
    assert_eq!(shown["applied"], false);
    assert_eq!(shown["reason"]["kind"], "not_found", "{shown}");
    assert!(shown["reason"]["message"].as_str().unwrap().contains("config.py"), "{shown}");

    let output = check("words", "I would train longer.", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("the reply has no patch"), "{}", text(&output));
}

#[test]
fn a_reply_that_touches_a_frozen_file_is_refused_by_policy() {
    let frozen = "budget.py\n```python\nAMOUNT = 1e30\n```\n".to_owned();
    let output = check("frozen-part", &frozen, &["--json"]);
    assert_eq!(output.status.code(), Some(1));

    let frozen = "*** Begin Patch\n*** Delete File: budget.py\n*** End Patch\n";
    let output = check("frozen", frozen, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let shown = json(&output);
    assert_eq!(
        (shown["reason"]["kind"].as_str(), shown["reason"]["path"].as_str()),
        (Some("policy"), Some("budget.py")),
        "{shown}"
    );
    assert!(shown["reason"]["message"].as_str().unwrap().contains("frozen"), "{shown}");
}

#[test]
fn a_reply_comes_from_standard_input_and_a_problem_from_a_folder() {
    let bench = bench();
    let problem = bench.problem.to_str().unwrap();
    let mut child = bench
        .command(&["patch", "check", "--problem", problem, "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"no patch here").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(json(&output)["reason"]["kind"], "no_patch");
}

#[test]
fn an_unknown_problem_or_file_is_wrong_usage_with_a_remedy() {
    let bench = bench();
    let unknown = bench.autores(&["patch", "check", "--problem", "pretrian", "-"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown));
    assert!(text(&unknown).contains("pretrain"), "{}", text(&unknown));
    let missing = bench.autores(&["patch", "check", "--problem", "pretrain", "no-such-reply.md"]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing));
    assert!(text(&missing).contains("no-such-reply.md"), "{}", text(&missing));
    assert!(text(&missing).contains("standard input"), "{}", text(&missing));
}

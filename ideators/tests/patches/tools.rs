//! What `git apply` and `patch` make of the same replies, given the diffs that stand in them.

use std::path::Path;
use std::process::{Command, Stdio};

use autores_domain::Codebase;
use tempfile::TempDir;

use crate::base::base;
use crate::case::{Case, Files};

pub(crate) struct Tally {
    /// Of the replies that a careful person could apply: those that gave the text that was meant.
    pub(crate) applied: usize,
    /// Of all replies: those that gave another text.
    pub(crate) wrong: usize,
}

pub(crate) fn print(name: &str, tally: &Tally, applicable: usize) {
    let share = 100.0 * tally.applied as f64 / applicable as f64;
    println!("{name:<28} {:>8} {share:>6.1}% {:>6}", tally.applied, tally.wrong);
}

/// How each tool is called with a diff in `../change.diff`, one call after the other until one succeeds.
const TOOLS: [(&str, &[&[&str]]); 3] = [
    (
        "git apply",
        &[&["git", "apply", "../change.diff"], &["git", "apply", "-p0", "../change.diff"]],
    ),
    (
        "git apply --recount",
        &[
            &["git", "apply", "--recount", "../change.diff"],
            &["git", "apply", "--recount", "-p0", "../change.diff"],
        ],
    ),
    (
        "patch --fuzz=3",
        &[
            &[
                "patch",
                "-p1",
                "--fuzz=3",
                "--batch",
                "--no-backup-if-mismatch",
                "-i",
                "../change.diff",
            ],
            &[
                "patch",
                "-p0",
                "--fuzz=3",
                "--batch",
                "--no-backup-if-mismatch",
                "-i",
                "../change.diff",
            ],
        ],
    ),
];

/// Per tool its tally, or nothing where the tool is not there.
pub(crate) fn tallies(cases: &[&Case]) -> Vec<(&'static str, Option<Tally>)> {
    TOOLS
        .iter()
        .map(|(name, calls)| {
            let there = Command::new(calls[0][0]).arg("--version").stdout(Stdio::null()).status();
            (*name, there.is_ok_and(|status| status.success()).then(|| tally(cases, calls)))
        })
        .collect()
}

fn tally(cases: &[&Case], calls: &[&[&str]]) -> Tally {
    let mut tally = Tally { applied: 0, wrong: 0 };
    let folder = folder();
    for case in cases {
        let diff = diff(&case.reply);
        let applied = calls.iter().find_map(|call| apply(call, &diff, folder.path()));
        let Some(files) = applied else { continue };
        if files == case.files {
            tally.applied += usize::from(case.applicable);
        } else {
            tally.wrong += 1;
        }
    }
    tally
}

/// The reply without the lines around its blocks, as a person would copy it.
fn diff(reply: &str) -> String {
    let reply = reply.rsplit("</think>").next().unwrap_or(reply);
    let mut inside = None;
    let mut diff = String::new();
    for line in reply.lines() {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark));
        match (inside, mark) {
            (None, Some(mark)) => inside = Some(mark),
            (Some(open), Some(mark)) if open == mark && line.trim_end() == mark => inside = None,
            (Some(_), _) => diff.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    if diff.is_empty() { reply.replace("\r\n", "\n") } else { diff }
}

/// The files that differ afterwards; nothing if the tool refuses or changes nothing. The folder is as before
/// when this returns.
fn apply(call: &[&str], diff: &str, folder: &Path) -> Option<Files> {
    let code = folder.join("code");
    std::fs::write(folder.join("change.diff"), diff).unwrap();
    let status = Command::new(call[0])
        .args(&call[1..])
        .current_dir(&code)
        .env("GIT_CEILING_DIRECTORIES", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let changed = changed(&code, base());
    for path in changed.keys() {
        let file = code.join(path.as_str());
        match base().get(path) {
            Some(text) => {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
            None => std::fs::remove_file(file).unwrap(),
        }
    }
    (status.success() && !changed.is_empty()).then_some(changed)
}

/// A folder with the code in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in base() {
        let path = folder.path().join("code").join(path.as_str());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn changed(code: &Path, base: &Codebase) -> Files {
    let mut found = Codebase::new();
    read(code, code, &mut found);
    let mut files: Files =
        base.keys().filter(|path| !found.contains_key(*path)).map(|p| (p.clone(), None)).collect();
    found.retain(|path, text| base.get(path) != Some(text));
    files.extend(found.into_iter().map(|(path, text)| (path, Some(text))));
    files
}

fn read(root: &Path, folder: &Path, code: &mut Codebase) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, code);
        } else {
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            if let Ok(path) = relative.parse() {
                code.insert(path, text);
            }
        }
    }
}

//! `autores patch check`: what a reply would do to a problem's code. Nothing is written or run.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::Context;
use autores_domain::{CodePath, Codebase, Workspace};
use autores_executor::guard::{Broken, Rules};
use autores_executor::workspace::{self, GitWorkspace};
use autores_ideators::diff;
use autores_ideators::reply::patch::{self, How, Parsed, Placement, Refused};
use autores_templates::problems::{Code, ProblemSource};
use serde_json::{Value, json};

use crate::arguments::{PatchAction, PatchCheckOptions};
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::out::{out, outln};
use crate::wiring;

pub(crate) fn run(action: &PatchAction) -> Outcome {
    match action {
        PatchAction::Check(options) => check(options),
    }
}

fn check(options: &PatchCheckOptions) -> Outcome {
    let found = wiring::problem(&options.problem)?;
    let rules = Rules::new(&found.problem.editable, &found.problem.frozen).or_usage()?;
    let base = codebase(&found, &rules)?;
    let reply = read(&options.file)?;
    match judge(&reply, &base, &rules) {
        Ok(change) if options.json => {
            outln!("{}", serde_json::to_string_pretty(&change.json())?);
            Ok(Exit::Done)
        }
        Ok(change) => {
            for placement in &change.placements {
                outln!("{}", described(placement));
            }
            out!("{}", change.diff);
            Ok(Exit::Done)
        }
        Err(reason) => {
            if options.json {
                let shown = json!({ "applied": false, "reason": reason.json()? });
                outln!("{}", serde_json::to_string_pretty(&shown)?);
            } else {
                outln!("refused: {}", reason.message());
            }
            Ok(Exit::Failed)
        }
    }
}

fn codebase(found: &ProblemSource, rules: &Rules) -> Result<Codebase, Failure> {
    match &found.code {
        Code::Embedded(files) => Ok(files.clone()),
        Code::Folder(folder) => {
            let source = workspace::open_user(folder).or_usage()?;
            let workspace = GitWorkspace::open(source, rules.clone()).or_environment()?;
            Ok(workspace.codebase().clone())
        }
    }
}

fn read(file: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ()),
        path => std::fs::read(path).map(|read| bytes = read),
    };
    read.with_context(|| {
        format!("cannot read {file:?}; give a file that holds a reply, or - for standard input")
    })
    .or_usage()?;
    // What is no UTF-8 cannot be found in the code, and is refused for that.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Why a reply changes nothing: it is no patch, or one that the problem's rules forbid.
enum Reason {
    Refused(Refused),
    Policy(Broken, CodePath),
}

impl From<Refused> for Reason {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Reason {
    fn message(&self) -> String {
        match self {
            Self::Refused(refused) => refused.to_string(),
            Self::Policy(broken, _) => broken.to_string(),
        }
    }

    fn json(&self) -> serde_json::Result<Value> {
        let mut reason = match self {
            Self::Refused(refused) => serde_json::to_value(refused)?,
            Self::Policy(_, path) => json!({ "kind": "policy", "path": path }),
        };
        reason["message"] = json!(self.message());
        Ok(reason)
    }
}

/// What a reply would do.
struct Change {
    files: Vec<Value>,
    placements: Vec<Placement>,
    diff: String,
}

fn judge(reply: &str, base: &Codebase, rules: &Rules) -> Result<Change, Reason> {
    let Parsed { patch, placements } = patch::parse(reply, base)?;
    // An accepted patch applies; should it not, it changes nothing.
    let changed = patch.apply(base).map_err(|_| Refused::Nothing)?;
    for path in changed.keys() {
        rules.check(path).map_err(|broken| Reason::Policy(broken, path.clone()))?;
    }
    let (mut files, mut text) = (Vec::new(), String::new());
    for (path, after) in changed {
        let before = base.get(&path).map(|text| (path.clone(), text.clone()));
        let what = match (&before, &after) {
            (None, _) => "added",
            (Some(_), None) => "deleted",
            (Some(_), Some(_)) => "modified",
        };
        let before: Codebase = before.into_iter().collect();
        let after: Codebase = after.map(|text| (path.clone(), text)).into_iter().collect();
        let diff = diff::diff(&before, &after);
        let (added, removed) = counts(&diff);
        files.push(json!({ "path": path, "change": what, "added": added, "removed": removed }));
        text.push_str(&diff);
    }
    Ok(Change { files, placements, diff: text })
}

/// The lines that the diff of one file adds and removes; its first two are the headers.
fn counts(diff: &str) -> (usize, usize) {
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for first in diff.lines().skip(2).filter_map(|line| line.chars().next()) {
        *counts.entry(first).or_default() += 1;
    }
    let of = |mark| counts.get(&mark).copied().unwrap_or_default();
    (of('+'), of('-'))
}

impl Change {
    fn json(&self) -> Value {
        json!({
            "applied": true,
            "files": self.files,
            "placements": self.placements,
            "diff": self.diff,
        })
    }
}

fn described(placement: &Placement) -> String {
    let how = match placement.how {
        How::Exact => "exactly as given".to_owned(),
        How::Moved { by } => format!("as given, {by:+} lines from where it said"),
        How::Whitespace => "but for whitespace".to_owned(),
        How::Fuzzy { similarity } => format!("{:.0}% of its lines are there", 100.0 * similarity),
    };
    let Placement { path, hunk, line, .. } = placement;
    format!("{path}: edit {hunk} at line {line}, {how}")
}

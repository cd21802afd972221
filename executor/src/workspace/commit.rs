//! A patch becomes a commit in memory. The same idea and edits give the same commit, so repeating is harmless.

use std::collections::BTreeMap;
use std::path::Path;

use autores_domain::{
    CodePath, Codebase, Edit, Fault, FaultClass, Idea, Patch, PatchError, Revision,
};
use git2::build::TreeUpdateBuilder;
use git2::{Commit, FileMode, Oid, Repository, Signature, Time, Tree};

use super::repository::Source;
use super::{WorkspaceError, diff, tree};
use crate::crash::crash_point;
use crate::guard::{self, Checked, Rules};

pub(super) const NAME: &str = "autores";
pub(super) const EMAIL: &str = "autores@localhost";

/// What the edits change: the commit that becomes the parent, and its text files.
pub(super) struct Start<'a> {
    pub(super) commit: &'a str,
    pub(super) code: &'a Codebase,
}

/// Writes the commit that the edits make. No branch knows of it.
pub(super) fn draft(
    source: &Source,
    rules: &Rules,
    start: &Start<'_>,
    idea: &Idea,
    patch: &Patch,
) -> Result<Revision, Fault> {
    let changed = patch.apply(start.code).map_err(|error| conflict(&error, start.code, patch))?;
    for path in changed.keys() {
        rules.check(path).map_err(|broken| policy(broken.to_string()))?;
    }
    let repository = tree::open(&source.repository).map_err(infra)?;
    let base = tree::commit(&repository, &source.base.commit).map_err(infra)?;
    let base_folder = tree::below(&repository, &base, &source.prefix).map_err(infra)?;
    let root = base.tree().map_err(git)?;
    let parent = tree::commit(&repository, start.commit).map_err(infra)?;
    let folder = tree::below(&repository, &parent, &source.prefix).map_err(infra)?;
    refuse_clashes(&folder, &changed)?;

    let from = parent.tree().map_err(git)?;
    let tree = build(&repository, &from, &base_folder, &source.prefix, &changed)?;
    if tree.id() == root.id() {
        let reason = "the edits take back all that the idea changed, so the code is the base's";
        return Err(Fault::new(FaultClass::Patch, reason));
    }
    // What was asked for was checked above; what came out of it is checked here, and against the base,
    // since a parent may be any commit.
    guard::verify(&repository, &root, &tree, &source.prefix, rules).map_err(checked)?;

    crash_point!("workspace.before_commit");
    let commit = write(&repository, &parent, &tree, idea)?;
    let code = tree::below(&repository, &commit, &source.prefix).map_err(infra)?;
    Ok(Revision {
        commit: commit.id().to_string(),
        tree: code.id().to_string(),
        lines: diff::lines(&repository, &root, &tree).map_err(git)?,
    })
}

/// Moves the idea's branch to a commit.
pub(super) fn move_branch(source: &Source, idea: &Idea, revision: &Revision) -> Result<(), Fault> {
    let repository = tree::open(&source.repository).map_err(infra)?;
    let commit = tree::commit(&repository, &revision.commit).map_err(infra)?;
    crash_point!("workspace.before_ref");
    let branch = format!("refs/heads/{}", idea.id.branch());
    repository.reference(&branch, commit.id(), true, "autores: revision").map_err(git)?;
    crash_point!("workspace.after_ref");
    Ok(())
}

/// A tree entry is either a file or a folder; an edit cannot make it both.
fn refuse_clashes(
    folder: &Tree<'_>,
    changed: &BTreeMap<CodePath, Option<String>>,
) -> Result<(), Fault> {
    let patch = |reason| Err(Fault::new(FaultClass::Patch, reason));
    for path in changed.iter().filter(|(_, text)| text.is_some()).map(|(path, _)| path) {
        let entry = folder.get_path(Path::new(path.as_str())).ok();
        if entry.is_some_and(|entry| entry.kind() == Some(git2::ObjectType::Tree)) {
            return patch(format!("{path} is a folder, so it cannot be written as a file"));
        }
        for (end, _) in path.as_str().match_indices('/') {
            let above = &path.as_str()[..end];
            let in_base = folder
                .get_path(Path::new(above))
                .is_ok_and(|entry| entry.kind() != Some(git2::ObjectType::Tree));
            let in_patch = above
                .parse::<CodePath>()
                .is_ok_and(|above| changed.get(&above).is_some_and(Option::is_some));
            if in_base || in_patch {
                return patch(format!("{above} is a file, so {path} cannot be written"));
            }
        }
    }
    Ok(())
}

fn build<'r>(
    repository: &'r Repository,
    from: &Tree<'r>,
    base: &Tree<'r>,
    prefix: &str,
    changed: &BTreeMap<CodePath, Option<String>>,
) -> Result<Tree<'r>, Fault> {
    let mut update = TreeUpdateBuilder::new();
    for (path, text) in changed {
        let full = if prefix.is_empty() { path.to_string() } else { format!("{prefix}/{path}") };
        match text {
            Some(text) => {
                let blob = repository.blob(text.as_bytes()).map_err(git)?;
                update.upsert(full, blob, mode(base, path));
            }
            None => {
                update.remove(full);
            }
        }
    }
    update.create_updated(repository, from).and_then(|id| repository.find_tree(id)).map_err(git)
}

/// A changed file keeps its mode, also one that comes back after it was removed.
fn mode(base: &Tree<'_>, path: &CodePath) -> FileMode {
    let executable = base
        .get_path(Path::new(path.as_str()))
        .is_ok_and(|entry| entry.filemode_raw() == i32::from(FileMode::BlobExecutable));
    if executable { FileMode::BlobExecutable } else { FileMode::Blob }
}

fn write<'r>(
    repository: &'r Repository,
    parent: &Commit<'r>,
    tree: &Tree<'r>,
    idea: &Idea,
) -> Result<Commit<'r>, Fault> {
    // The parent's time: with the time of now, the same edits would give another commit.
    let time = Time::new(parent.time().seconds(), 0);
    let who = Signature::new(NAME, EMAIL, &time).map_err(git)?;
    repository
        .commit(None, &who, &who, &message(idea), tree, &[parent])
        .and_then(|id: Oid| repository.find_commit(id))
        .map_err(git)
}

fn message(idea: &Idea) -> String {
    let mut parts = vec![one_line(&idea.title), plain(&idea.hypothesis), plain(&idea.plan)];
    if !idea.sources.is_empty() {
        let sources = idea.sources.iter().map(|source| format!("- {}", one_line(source)));
        parts.push(format!("Sources:\n{}", sources.collect::<Vec<_>>().join("\n")));
    }
    if !idea.techniques.is_empty() {
        let techniques = idea.techniques.iter().map(|used| {
            let knobs = used.knobs.iter().map(|(knob, value)| format!(" {knob}={value}"));
            format!("- {}{}", used.technique, knobs.collect::<String>())
        });
        parts.push(format!("Techniques:\n{}", techniques.collect::<Vec<_>>().join("\n")));
    }
    let mut trailers =
        format!("Autores-Idea: {}\nAutores-Origin: {}", idea.id, one_line(&idea.origin));
    for parent in &idea.parents {
        trailers.push_str(&format!("\nAutores-Parent: {parent}"));
    }
    parts.push(trailers);
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Ideas may be written by a model: no control characters reach a terminal through `git log`.
fn plain(text: &str) -> String {
    let kept = text.chars().filter(|c| *c == '\n' || !c.is_control());
    kept.collect::<String>().trim().to_owned()
}

/// The reason of a patch that does not apply. A text that the base has, but the edits before removed, is a conflict.
fn conflict(error: &PatchError, codebase: &Codebase, patch: &Patch) -> Fault {
    // The error names the first line only.
    let in_base = |path: &CodePath, first: &str| {
        patch.edits.iter().any(|edit| match edit {
            Edit::Replace { path: at, find, .. } if at == path && find.contains(first) => {
                !find.is_empty() && codebase.get(at).is_some_and(|text| text.contains(find))
            }
            Edit::Replace { .. } | Edit::Write { .. } | Edit::Delete { .. } => false,
        })
    };
    let reason = match error {
        PatchError::NotFound { path, find } if in_base(path, find) => {
            format!("edits conflict: {error}, because an earlier edit changed it")
        }
        PatchError::NotFound { .. }
        | PatchError::NoFile { .. }
        | PatchError::Ambiguous { .. }
        | PatchError::Nothing => error.to_string(),
    };
    Fault::new(FaultClass::Patch, reason)
}

fn policy(reason: String) -> Fault {
    Fault::new(FaultClass::Policy, reason)
}

fn infra(error: WorkspaceError) -> Fault {
    Fault::new(FaultClass::Infra, error.to_string())
}

fn git(error: git2::Error) -> Fault {
    infra(WorkspaceError::Git { doing: "commit the idea", source: error })
}

fn checked(checked: Checked) -> Fault {
    match checked {
        Checked::Broken(broken) => policy(broken.to_string()),
        Checked::Git(error) => git(error),
    }
}

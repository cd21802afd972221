//! Reading commits and trees. Never writes.

use std::path::Path;

use autores_domain::CodePath;
use git2::{Commit, ObjectType, Oid, Repository, Tree, TreeWalkMode, TreeWalkResult};

use super::WorkspaceError;
use crate::guard;

/// A regular file in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: CodePath,
    pub(super) blob: Oid,
    pub(super) executable: bool,
}

/// Opens exactly this repository, bare or not; its parents are not searched.
pub(super) fn open(path: &Path) -> Result<Repository, WorkspaceError> {
    Repository::open(path).map_err(|source| WorkspaceError::Open { path: path.to_owned(), source })
}

pub(super) fn commit<'r>(
    repository: &'r Repository,
    hash: &str,
) -> Result<Commit<'r>, WorkspaceError> {
    Oid::from_str(hash).and_then(|id| repository.find_commit(id)).map_err(|_| {
        WorkspaceError::NoSuchCommit { commit: hash.to_owned(), path: repository.path().to_owned() }
    })
}

/// The tree of the folder `prefix` of a commit.
pub(super) fn below<'r>(
    repository: &'r Repository,
    commit: &Commit<'r>,
    prefix: &str,
) -> Result<Tree<'r>, WorkspaceError> {
    let root = commit.tree().map_err(WorkspaceError::git("read a tree"))?;
    if prefix.is_empty() {
        return Ok(root);
    }
    root.get_path(Path::new(prefix)).and_then(|entry| repository.find_tree(entry.id())).map_err(
        |_| WorkspaceError::NoSuchFolder {
            commit: commit.id().to_string(),
            prefix: prefix.to_owned(),
        },
    )
}

/// All files of a tree, or the first entry that is no regular file.
pub(super) fn files(tree: &Tree<'_>) -> Result<Vec<File>, WorkspaceError> {
    let mut files = Vec::new();
    let mut refused = None;
    let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(ObjectType::Tree) {
            return TreeWalkResult::Ok;
        }
        match file(folder, entry) {
            Ok(file) => {
                files.push(file);
                TreeWalkResult::Ok
            }
            Err(error) => {
                refused = Some(error);
                TreeWalkResult::Abort
            }
        }
    });
    match refused {
        Some(error) => Err(error),
        None => walked.map(|()| files).map_err(WorkspaceError::git("read a tree")),
    }
}

fn file(folder: &str, entry: &git2::TreeEntry<'_>) -> Result<File, WorkspaceError> {
    let shown = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
    let refuse = |kind| WorkspaceError::NotRegular { path: shown.clone(), kind };
    let executable = match guard::regular(entry.filemode_raw()) {
        Ok(executable) => executable,
        Err(kind) => return Err(refuse(kind)),
    };
    // A tree is data from outside: its names are parsed before one of them reaches the file system.
    let path = std::str::from_utf8(entry.name_bytes())
        .ok()
        .and_then(|name| format!("{folder}{name}").parse().ok())
        .ok_or_else(|| refuse("a file whose name is not a plain path"))?;
    Ok(File { path, blob: entry.id(), executable })
}

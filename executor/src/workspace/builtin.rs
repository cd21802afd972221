//! The code of a built-in problem, written as a commit on `main` of a bare repository of its own.

use std::path::Path;

use autores_domain::{Codebase, Revision};
use git2::{Commit, FileMode, Repository, RepositoryInitOptions, Signature, Time, Tree};

use super::commit::{EMAIL, NAME};
use super::repository::Source;
use super::{WorkspaceError, tree};

const MAIN: &str = "refs/heads/main";

/// The first commit's time, 2026-01-01: with the time of now, the same files would give another commit.
const FIRST_SECONDS: i64 = 1_767_225_600;

/// Makes sure that the files are the newest commit on `main` of the bare repository in `folder`.
/// A new version of the files is a new commit, so that older runs keep theirs.
///
/// # Errors
/// If the repository cannot be made, read or written.
pub fn materialise(files: &Codebase, folder: &Path) -> Result<Source, WorkspaceError> {
    let repository = open_or_create(folder)?;
    let write = || WorkspaceError::git("write the problem's code");
    let tree = build(&repository, files).map_err(write())?;
    let newest = repository.find_reference(MAIN).and_then(|main| main.peel_to_commit()).ok();
    let commit = match newest {
        Some(newest) if newest.tree_id() == tree.id() => newest,
        newest => commit(&repository, &tree, newest.as_ref()).map_err(write())?,
    };
    let base =
        Revision { commit: commit.id().to_string(), tree: tree.id().to_string(), lines: (0, 0) };
    Ok(Source { repository: folder.to_owned(), prefix: String::new(), base })
}

/// A new repository appears whole, by rename, so that a process that dies leaves none half made.
fn open_or_create(folder: &Path) -> Result<Repository, WorkspaceError> {
    if folder.exists() {
        return tree::open(folder);
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let partial = folder.with_file_name(format!(".{name}.{}", std::process::id()));
    let io = || WorkspaceError::io(&partial);
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(io())?;
    }
    std::fs::create_dir_all(&partial).map_err(io())?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).initial_head("main").external_template(false);
    Repository::init_opts(&partial, &options).map_err(WorkspaceError::git("make a repository"))?;
    if let Err(error) = std::fs::rename(&partial, folder) {
        std::fs::remove_dir_all(&partial).map_err(io())?;
        // Another process was first.
        if !folder.exists() {
            return Err(WorkspaceError::io(folder)(error));
        }
    }
    tree::open(folder)
}

fn build<'r>(repository: &'r Repository, files: &Codebase) -> Result<Tree<'r>, git2::Error> {
    let empty = repository.find_tree(repository.treebuilder(None)?.write()?)?;
    let mut update = git2::build::TreeUpdateBuilder::new();
    for (path, text) in files {
        update.upsert(path.as_str(), repository.blob(text.as_bytes())?, FileMode::Blob);
    }
    repository.find_tree(update.create_updated(repository, &empty)?)
}

fn commit<'r>(
    repository: &'r Repository,
    tree: &Tree<'r>,
    parent: Option<&Commit<'r>>,
) -> Result<Commit<'r>, git2::Error> {
    let seconds = parent.map_or(FIRST_SECONDS, |parent| parent.time().seconds() + 1);
    let who = Signature::new(NAME, EMAIL, &Time::new(seconds, 0))?;
    let parents: Vec<&Commit<'_>> = parent.into_iter().collect();
    let id = repository.commit(None, &who, &who, "The problem's code\n", tree, &parents)?;
    repository.reference(MAIN, id, true, "autores: problem")?;
    repository.find_commit(id)
}

//! The first commit of a new problem's folder.

use std::path::Path;

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};

use super::WorkspaceError;
use super::commit::{EMAIL, NAME};

/// Puts a new folder under git and commits all that is in it; returns the commit's hash. `None` if the
/// folder is already inside a repository, which is then left alone: what to commit there is its owner's choice.
///
/// # Errors
/// If the repository cannot be made or written.
pub fn init_commit(folder: &Path) -> Result<Option<String>, WorkspaceError> {
    if Repository::discover(folder).is_ok() {
        return Ok(None);
    }
    first_commit(folder).map(Some).map_err(WorkspaceError::git("make the first commit"))
}

fn first_commit(folder: &Path) -> Result<String, git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options.initial_head("main").external_template(false);
    let repository = Repository::init_opts(folder, &options)?;
    let mut index = repository.index()?;
    index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
    index.write()?;
    let tree = repository.find_tree(index.write_tree()?)?;
    // A user who has not told git a name yet still gets a commit.
    let who = repository.signature().or_else(|_| Signature::now(NAME, EMAIL))?;
    let commit = repository.commit(Some("HEAD"), &who, &who, "New problem\n", &tree, &[])?;
    Ok(commit.to_string())
}

//! A problem in a folder of the user's own repository. Reads only: nothing is staged, committed or checked out.

use std::path::{Path, PathBuf};

use autores_domain::Revision;
use git2::{Repository, Status, StatusOptions};

use super::repository::Source;
use super::{WorkspaceError, tree};

/// The folder of a problem that holds the code.
const CODE: &str = "code";

const SHOWN_CHANGES: usize = 5;

/// The repository that a problem's folder is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The git repository.
    pub repository: PathBuf,
    /// The code's folder inside it.
    pub prefix: String,
}

/// Finds the repository of a problem's folder, whatever state its files are in; enough to resume a run.
///
/// # Errors
/// If the folder is not inside the work tree of a git repository.
pub fn locate(folder: &Path) -> Result<Located, WorkspaceError> {
    let (repository, inside) = discover(folder)?;
    Ok(located(&repository, &inside))
}

/// The code of a problem in a user's folder, at the current commit.
///
/// # Errors
/// If the folder is not under git, has no commit, or has changes that are not committed.
pub fn open_user(folder: &Path) -> Result<Source, WorkspaceError> {
    let (repository, inside) = discover(folder)?;
    let head = repository.head().and_then(|head| head.peel_to_commit());
    let commit = head.map_err(|_| WorkspaceError::NoCommit { path: folder.to_owned() })?;
    refuse_changes(&repository, &inside, folder)?;
    let Located { repository: path, prefix } = located(&repository, &inside);
    let code = tree::below(&repository, &commit, &prefix)?;
    let base =
        Revision { commit: commit.id().to_string(), tree: code.id().to_string(), lines: (0, 0) };
    Ok(Source { repository: path, prefix, base })
}

/// The repository and the folder's path inside its work tree, `""` for the root.
fn discover(folder: &Path) -> Result<(Repository, String), WorkspaceError> {
    let not_under_git = || WorkspaceError::NotUnderGit { path: folder.to_owned() };
    let folder = folder
        .canonicalize()
        .map_err(|source| WorkspaceError::Io { path: folder.to_owned(), source })?;
    let repository = match Repository::discover(&folder) {
        Ok(repository) => repository,
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Err(not_under_git()),
        Err(source) => return Err(WorkspaceError::Open { path: folder, source }),
    };
    let root = repository.workdir().and_then(|root| root.canonicalize().ok());
    let inside = root
        .and_then(|root| folder.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned))
        .ok_or_else(not_under_git)?;
    Ok((repository, inside))
}

fn located(repository: &Repository, inside: &str) -> Located {
    let prefix = if inside.is_empty() { CODE.to_owned() } else { format!("{inside}/{CODE}") };
    // Of a linked worktree, the repository that holds the branches.
    Located { repository: repository.commondir().to_owned(), prefix }
}

fn refuse_changes(
    repository: &Repository,
    inside: &str,
    folder: &Path,
) -> Result<(), WorkspaceError> {
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).disable_pathspec_match(true);
    if !inside.is_empty() {
        options.pathspec(inside);
    }
    let statuses =
        repository.statuses(Some(&mut options)).map_err(WorkspaceError::git("look for changes"))?;
    let changes: Vec<String> = statuses
        .iter()
        .filter(|entry| !entry.status().intersects(Status::IGNORED))
        .map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned())
        .collect();
    match changes.len() {
        0 => Ok(()),
        count => Err(WorkspaceError::Uncommitted {
            path: folder.to_owned(),
            changes: changes.into_iter().take(SHOWN_CHANGES).collect(),
            count,
        }),
    }
}

//! Why the repository did not serve.

use std::path::PathBuf;

/// Why the codebase could not be read or written. Each text names the thing and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// There is no repository, or it cannot be opened.
    #[error("cannot open the git repository at {}: {}", path.display(), source.message())]
    Open {
        /// Where it was looked for.
        path: PathBuf,
        /// What libgit2 says.
        source: git2::Error,
    },
    /// The folder of a problem is not under git.
    #[error(
        "{} is not inside a git repository; every idea becomes a commit, so put it under git: \
         git init {0} && git -C {0} add . && git -C {0} commit -m \"start\"", path.display(),
    )]
    NotUnderGit {
        /// The folder.
        path: PathBuf,
    },
    /// The repository has no commit to start from.
    #[error(
        "the git repository of {} has no commit yet; ideas start from one: \
         git -C {0} add . && git -C {0} commit -m \"start\"", path.display(),
    )]
    NoCommit {
        /// The folder.
        path: PathBuf,
    },
    /// What would be measured is not what was committed.
    #[error(
        "{} has changes that are not committed ({}); ideas start from a commit, so commit them first: \
         git -C {0} add . && git -C {0} commit -m \"...\" (or add them to .gitignore)",
        path.display(), shown(changes, *count),
    )]
    Uncommitted {
        /// The folder.
        path: PathBuf,
        /// Up to five of the changed paths.
        changes: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// The commit is not in the repository.
    #[error("there is no commit {commit} in {}", path.display())]
    NoSuchCommit {
        /// The text that was to name a commit.
        commit: String,
        /// The repository.
        path: PathBuf,
    },
    /// The commit has no such folder.
    #[error("commit {commit} has no folder {prefix}")]
    NoSuchFolder {
        /// The commit.
        commit: String,
        /// The folder inside the repository.
        prefix: String,
    },
    /// The tree holds what cannot be carried safely into a job's folder.
    #[error("{path} is {kind}; the codebase may hold only regular files, so remove it and commit")]
    NotRegular {
        /// The path inside the codebase.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// The folder to write is in use.
    #[error("{} already exists and is not empty; name a new folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Anything else that libgit2 reports.
    #[error("cannot {doing} in the git repository: {}", source.message())]
    Git {
        /// What was tried.
        doing: &'static str,
        /// What libgit2 says.
        source: git2::Error,
    },
}

impl WorkspaceError {
    pub(super) fn git(doing: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Git { doing, source }
    }

    pub(super) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

fn shown(changes: &[String], count: usize) -> String {
    let more = count.saturating_sub(changes.len());
    let listed = changes.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

//! What an idea changes, as text and as numbers.

use std::path::Path;

use git2::{Diff, DiffFormat, DiffOptions, Repository, Tree};

use super::{WorkspaceError, tree};

/// The unified diff from one commit to another.
///
/// # Errors
/// If one of them is not there.
pub fn diff(repository: &Path, base: &str, commit: &str) -> Result<String, WorkspaceError> {
    let repository = tree::open(repository)?;
    let read = || WorkspaceError::git("read a diff");
    let base = tree::commit(&repository, base)?.tree().map_err(read())?;
    let commit = tree::commit(&repository, commit)?.tree().map_err(read())?;
    let mut text = Vec::new();
    between(&repository, &base, &commit)
        .and_then(|diff| {
            diff.print(DiffFormat::Patch, |_, _, line| {
                if let '+' | '-' | ' ' = line.origin() {
                    text.extend(line.origin().to_string().bytes());
                }
                text.extend(line.content());
                true
            })
        })
        .map_err(read())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Lines added and removed between two trees.
pub(super) fn lines(
    repository: &Repository,
    base: &Tree<'_>,
    new: &Tree<'_>,
) -> Result<(u32, u32), git2::Error> {
    let stats = between(repository, base, new)?.stats()?;
    let count = |lines: usize| u32::try_from(lines).unwrap_or(u32::MAX);
    Ok((count(stats.insertions()), count(stats.deletions())))
}

fn between<'r>(
    repository: &'r Repository,
    base: &Tree<'r>,
    new: &Tree<'r>,
) -> Result<Diff<'r>, git2::Error> {
    let mut options = DiffOptions::new();
    // Attributes of a user's repository may call source files binary, and then there would be no lines.
    options.force_text(true);
    repository.diff_tree_to_tree(Some(base), Some(new), Some(&mut options))
}

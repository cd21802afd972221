//! Writes the files of a commit into a new folder. Never makes a git worktree: the folder knows nothing of git.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use git2::Repository;

use super::WorkspaceError;
use super::tree;

/// Writes the tree below `prefix` (`""` for all) of the commit to a new folder.
///
/// # Errors
/// If the commit or the folder in it is not there, if the tree holds symbolic links or submodules, if the
/// destination exists and is not empty, or if it cannot be written.
pub fn export(
    repository: &Path,
    prefix: &str,
    commit: &str,
    destination: &Path,
) -> Result<(), WorkspaceError> {
    let repository = tree::open(repository)?;
    let commit = tree::commit(&repository, commit)?;
    let folder = tree::below(&repository, &commit, prefix)?;
    refuse_used(destination)?;
    // Everything is looked at before anything is written.
    let files = tree::files(&folder)?;
    fs::create_dir_all(destination).map_err(WorkspaceError::io(destination))?;
    for file in files {
        write(&repository, &file, &destination.join(file.path.as_str()))?;
    }
    Ok(())
}

fn refuse_used(destination: &Path) -> Result<(), WorkspaceError> {
    let used = match fs::read_dir(destination) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(WorkspaceError::io(destination)(error)),
    };
    if used { Err(WorkspaceError::NotEmpty { path: destination.to_owned() }) } else { Ok(()) }
}

fn write(
    repository: &Repository,
    file: &tree::File,
    destination: &Path,
) -> Result<(), WorkspaceError> {
    let blob = repository.find_blob(file.blob).map_err(WorkspaceError::git("read a file"))?;
    let io = || WorkspaceError::io(destination);
    if let Some(folder) = destination.parent() {
        fs::create_dir_all(folder).map_err(io())?;
    }
    let mode = if file.executable { 0o755 } else { 0o644 };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut opened = options.open(destination).map_err(io())?;
    std::io::Write::write_all(&mut opened, blob.content()).map_err(io())
}

//! Makes the folder of a task ready for its supervisor, once.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use autores_domain::{BackendError, Fault, FaultClass};

use super::specify::{self, specify};
use super::{LocalSetup, Task, rejected, unavailable};
use crate::attempt::{AttemptFolder, write_whole};
use crate::crash::crash_point;
use crate::workspace::{self, WorkspaceError};

/// What was found or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    /// The task was started before.
    Started,
    /// The supervisor can be started.
    Ready,
}

/// Prepares the folder unless the task was started. What is half made is made again.
pub(super) fn prepare(
    setup: &LocalSetup,
    folder: &AttemptFolder,
    task: &Task,
) -> Result<Prepared, BackendError> {
    let name = &task.name;
    let disk = |error: io::Error| {
        unavailable(format!("cannot prepare {} for {name}: {error}", folder.path().display()))
    };
    let token = specify::new_token(task).map_err(disk)?;
    let specified = specify(setup, folder, task, token).map_err(rejected)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.path()).map_err(disk)?;
    // While this is held, no supervisor of an earlier try can start.
    let Some(_lock) = folder.try_lock().map_err(disk)? else { return Ok(Prepared::Started) };
    if folder.exit().exists() || folder.shim().exists() {
        return Ok(Prepared::Started);
    }
    clear(folder).map_err(disk)?;
    crash_point!("backend.before_checkout");
    workspace::export(&setup.repository, &setup.prefix, &task.commit, &folder.code())
        .map_err(|error| checkout_failed(&error, task))?;
    crash_point!("backend.after_checkout");
    for out in [folder.work(), folder.trusted()] {
        fs::create_dir_all(specify::home(&out)).map_err(disk)?;
        fs::create_dir_all(specify::temporary(&out)).map_err(disk)?;
    }
    fs::create_dir_all(folder.scratch()).map_err(disk)?;
    fs::create_dir_all(folder.profiles()).map_err(disk)?;
    for (path, profile) in &specified.profiles {
        let bytes = serde_json::to_vec_pretty(profile).map_err(|error| disk(error.into()))?;
        fs::write(path, bytes).map_err(disk)?;
    }
    let spec = serde_json::to_vec_pretty(&specified.spec).map_err(|error| disk(error.into()))?;
    write_whole(&folder.spec(), &spec).map_err(disk)?;
    crash_point!("backend.after_spec");
    Ok(Prepared::Ready)
}

fn checkout_failed(error: &WorkspaceError, task: &Task) -> BackendError {
    let reason = format!("cannot check out {} for {}: {error}", task.commit, task.name);
    let is_lasting = match error {
        WorkspaceError::NotUnderGit { .. }
        | WorkspaceError::NoCommit { .. }
        | WorkspaceError::Uncommitted { .. }
        | WorkspaceError::NoSuchCommit { .. }
        | WorkspaceError::NoSuchFolder { .. }
        | WorkspaceError::NotRegular { .. } => true,
        WorkspaceError::Open { .. }
        | WorkspaceError::NotEmpty { .. }
        | WorkspaceError::Io { .. }
        | WorkspaceError::Git { .. } => false,
    };
    if is_lasting {
        BackendError::Rejected(Fault::new(FaultClass::Infra, reason))
    } else {
        unavailable(reason)
    }
}

/// Empties the folder except for the lock, whose file must stay the same for all who wait for it.
fn clear(folder: &AttemptFolder) -> io::Result<()> {
    for entry in fs::read_dir(folder.path())? {
        let path = entry?.path();
        if path == folder.lock() {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            remove_folder(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Removes a folder even if something in it was made read-only.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    if fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    open_up(path)?;
    fs::remove_dir_all(path)
}

fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

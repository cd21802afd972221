//! One orchestrator a run. The lock is the kernel's, so it ends with the process that holds it, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use autores_domain::RunId;
use serde::{Deserialize, Serialize};

/// For a moment the lock may outlive a process that died while it started another one, and an owner may
/// not have signed yet.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// The process that works on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// Its host.
    pub host: String,
}

/// Why a run could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on it.
    #[error(
        "run {run} is in the hands of process {} on {}; stop that one first (`autores stop {run}`)", owner.pid, owner.host
    )]
    Held {
        /// The run.
        run: RunId,
        /// The process.
        owner: Owner,
    },
    /// Another process works on it, and did not say which it is.
    #[error("run {run} is in the hands of another process, which has locked {}", path.display())]
    HeldByUnknown {
        /// The run.
        run: RunId,
        /// The lock.
        path: PathBuf,
    },
    /// The lock cannot be made.
    #[error("cannot lock {}: {source}; make it writable for this user, or choose another folder with --dir", path.display())]
    Unavailable {
        /// The lock.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The right to work on a run, until it is dropped or the process ends.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    fn sign(&self, owner: &Owner) -> io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).write_all(&serde_json::to_vec(owner)?)
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The next one who looks is not to be told of an owner who has gone.
        let _ = self.file.set_len(0);
        // Closing would not do while a process that is just being started has the file open too.
        let _ = self.file.unlock();
    }
}

/// Takes a run, or says who has it.
///
/// # Errors
/// If another process has it, or the lock cannot be made.
pub fn acquire(home: &Path, run: &RunId, owner: &Owner) -> Result<RunLock, LockError> {
    let folder = home.join("runs").join(run.as_str());
    let path = folder.join("lock");
    let unavailable = |source| LockError::Unavailable { path: path.clone(), source };
    std::fs::create_dir_all(&folder).map_err(unavailable)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(unavailable)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => {
                let lock = RunLock { file };
                lock.sign(owner).map_err(unavailable)?;
                return Ok(lock);
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unavailable)?;
    Err(match serde_json::from_str(&text) {
        Ok(owner) => LockError::Held { run: run.clone(), owner },
        Err(_) => LockError::HeldByUnknown { run: run.clone(), path },
    })
}

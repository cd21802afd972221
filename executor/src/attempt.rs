//! The folder of one attempt: the names of its files and what they hold.
//!
//! Never decides anything: the backend prepares the folder, the shim fills it, people read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use autores_domain::{AttemptId, RunId};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// The environment variable that marks every process of an attempt, so that none is lost sight of.
pub const TOKEN_VARIABLE: &str = "AUTORES_ATTEMPT";

/// The folder of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFolder(PathBuf);

impl AttemptFolder {
    /// The folder of an attempt below the folder of all runs.
    pub fn of(runs: &Path, attempt: &AttemptId) -> Self {
        Self(Self::all(runs, &attempt.experiment.run).join(attempt.local_name()))
    }

    /// The folder at a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder with the attempts of a run.
    pub fn all(runs: &Path, run: &RunId) -> PathBuf {
        runs.join(run.as_str()).join("attempts")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All that the shim needs to know.
    pub fn spec(&self) -> PathBuf {
        self.0.join("spec.json")
    }

    /// Locked by the shim for as long as it lives.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Which process supervises the attempt; it exists once the attempt was started.
    pub fn shim(&self) -> PathBuf {
        self.0.join("shim.json")
    }

    /// What the supervisor itself complained of.
    pub fn shim_errors(&self) -> PathBuf {
        self.0.join("shim.err")
    }

    /// The commit's files, which no stage may write.
    pub fn code(&self) -> PathBuf {
        self.0.join("code")
    }

    /// What the untrusted stages write.
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// What the trusted stages write.
    pub fn trusted(&self) -> PathBuf {
        self.0.join("trusted")
    }

    /// Short-lived folders, one for each process that a trusted stage starts through `AUTORES_UNTRUSTED`.
    pub fn scratch(&self) -> PathBuf {
        self.0.join("scratch")
    }

    /// What each stage may do.
    pub fn profiles(&self) -> PathBuf {
        self.0.join("profiles")
    }

    /// Standard output and error of all stages.
    pub fn output(&self) -> PathBuf {
        self.0.join("output.log")
    }

    /// What the stages reported, a JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// What the attempt used, about once a second.
    pub fn telemetry(&self) -> PathBuf {
        self.0.join("telemetry.jsonl")
    }

    /// How the attempt ended; written last.
    pub fn exit(&self) -> PathBuf {
        self.0.join("exit.json")
    }

    /// Takes the lock; `None` if somebody holds it.
    ///
    /// # Errors
    /// If the lock file cannot be opened.
    pub(crate) fn try_lock(&self) -> io::Result<Option<Flock<File>>> {
        let file = OpenOptions::new().create(true).append(true).open(self.lock())?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// Whether its supervisor lives.
    pub fn is_supervised(&self) -> bool {
        self.supervisor().as_ref().is_some_and(crate::processes::is_alive)
    }

    /// The supervisor, if the attempt was started.
    pub(crate) fn supervisor(&self) -> Option<Supervisor> {
        serde_json::from_slice(&fs::read(self.shim()).ok()?).ok()
    }
}

/// The process that supervises an attempt, so described that another with its number is not taken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Supervisor {
    pub(crate) pid: i32,
    /// Clock ticks after boot.
    pub(crate) started: u64,
    pub(crate) boot: String,
    pub(crate) token: String,
}

/// Writes a file so that a reader, also one after a power failure, finds all of it or nothing.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(path)
}

/// The name under which a file is written before it is renamed.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// Makes a rename in the file's folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

//! Experiments as processes of this machine, each under a supervisor that outlives the orchestrator.
//!
//! Never decides whether an attempt should run; repeating any request is harmless, because the
//! supervisor's lock and its start record decide who runs an attempt, and that it runs once.

mod command;
mod prepare;
mod specify;
mod start;
mod task;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{
    AttemptId, Backend, BackendError, Ended, Fault, FaultClass, Job, Problem, ReportError, RunId,
    Slot,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::attempt::AttemptFolder;
use crate::crash::crash_point;
use crate::processes;

pub(crate) use prepare::remove_folder;
pub(crate) use task::Task;
pub(crate) use watch::watch;

/// What the local backend has to know. All paths are absolute.
#[derive(Debug, Clone)]
pub struct LocalSetup {
    /// The folder that holds a folder for each run.
    pub runs: PathBuf,
    /// The program, and arguments after it, with which this program is the shim.
    pub shim: Vec<OsString>,
    /// The problem whose stages are run.
    pub problem: Problem,
    /// The git repository with the commits.
    pub repository: PathBuf,
    /// The codebase's folder within it; empty for all of it.
    pub prefix: String,
    /// The interpreter of the problem's environment.
    pub python: PathBuf,
    /// What has to be readable for the interpreter to work: the environment and the Python it is made from.
    pub environment: Vec<PathBuf>,
    /// The prepared data.
    pub data: PathBuf,
    /// Files and folders that no untrusted stage may read although they lie in a folder that it may.
    pub hidden: Vec<PathBuf>,
    /// The slots.
    pub slots: Vec<Slot>,
}

/// Runs experiments on this machine.
#[derive(Debug, Clone)]
pub struct LocalBackend {
    setup: Arc<LocalSetup>,
}

impl LocalBackend {
    /// A backend; another one on the same folders takes over what this one started.
    pub fn new(setup: LocalSetup) -> Self {
        Self { setup: Arc::new(setup) }
    }

    fn folder(&self, attempt: &AttemptId) -> AttemptFolder {
        AttemptFolder::of(&self.setup.runs, attempt)
    }
}

#[async_trait]
impl Backend for LocalBackend {
    fn slots(&self) -> Vec<Slot> {
        self.setup.slots.clone()
    }

    async fn ensure(&self, job: &Job) -> Result<(), BackendError> {
        let task = Task::of(job, &self.setup.problem);
        ensure(&self.setup, &self.folder(&job.attempt), task).await
    }

    async fn watch(&self, attempt: &AttemptId) -> Result<Ended, ReportError> {
        watch::watch(self.folder(attempt)).await
    }

    async fn stop(&self, attempt: &AttemptId) {
        ask_to_end(&self.folder(attempt));
    }

    async fn sweep(&self, run: &RunId, keep: &[AttemptId]) {
        let attempts = AttemptFolder::all(&self.setup.runs, run);
        let kept: Vec<AttemptFolder> = keep.iter().map(|attempt| self.folder(attempt)).collect();
        let mut ended = Vec::new();
        for entry in std::fs::read_dir(attempts).into_iter().flatten().flatten() {
            let folder = AttemptFolder::at(entry.path());
            if !kept.contains(&folder) && !folder.exit().exists() && folder.shim().exists() {
                ask_to_end(&folder);
                ended.push(folder);
            }
        }
        for folder in ended {
            // Whether it was stopped or is long gone: what matters is that nothing is left.
            let _ = watch::watch(folder).await;
        }
    }
}

/// Makes sure that the task was started exactly once in this folder.
pub(crate) async fn ensure(
    setup: &Arc<LocalSetup>,
    folder: &AttemptFolder,
    task: Task,
) -> Result<(), BackendError> {
    let prepared = tokio::task::spawn_blocking({
        let (setup, folder) = (Arc::clone(setup), folder.clone());
        move || prepare::prepare(&setup, &folder, &task)
    });
    match prepared.await.map_err(|error| unavailable(format!("preparing failed: {error}")))?? {
        prepare::Prepared::Started => Ok(()),
        prepare::Prepared::Ready => {
            crash_point!("backend.before_spawn");
            start::start(&setup.shim, folder).await?;
            crash_point!("backend.after_ready");
            Ok(())
        }
    }
}

/// Ends a task with grace; harmless if it has ended.
pub(crate) fn ask_to_end(folder: &AttemptFolder) {
    if let Some(supervisor) = folder.supervisor().filter(processes::is_alive) {
        let _ = kill(Pid::from_raw(supervisor.pid), Signal::SIGTERM);
    }
}

fn unavailable(reason: impl Into<String>) -> BackendError {
    BackendError::Unavailable(Fault::new(FaultClass::Infra, reason))
}

fn rejected(reason: impl Into<String>) -> BackendError {
    BackendError::Rejected(Fault::new(FaultClass::Policy, reason))
}

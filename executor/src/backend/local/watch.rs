//! Waits for the end of a task without polling: the supervisor's lock is free once it is gone.

use std::fs::{self, File};
use std::io;
use std::time::Duration;

use autores_domain::{Ended, Fault, FaultClass, MetricPoint, ReportError};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use tokio::sync::oneshot;

use crate::attempt::AttemptFolder;
use crate::processes;
use crate::shim::{Exit, Outcome};

/// How the task in the folder ended, once it has.
pub(crate) async fn watch(folder: AttemptFolder) -> Result<Ended, ReportError> {
    let (sender, receiver) = oneshot::channel();
    // Not a task of the runtime, which would not end before the experiment does.
    let waiting = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
        // Nobody listens any more if the orchestrator has stopped.
        let _ = sender.send(wait(&folder));
    });
    waiting.map_err(|error| lost(format!("cannot wait for the attempt: {error}")))?;
    receiver.await.unwrap_or_else(|_| Err(lost("waiting for the attempt failed")))
}

fn wait(folder: &AttemptFolder) -> Result<Ended, ReportError> {
    wait_for_lock(folder);
    let shown = folder.path().display();
    match Exit::read(folder) {
        Ok(Some(exit)) => ended(folder, exit),
        Ok(None) => {
            if let Some(supervisor) = folder.supervisor() {
                processes::end_all(&supervisor.token, folder.path(), Duration::ZERO, false);
            }
            let complaint = fs::read_to_string(folder.shim_errors()).unwrap_or_default();
            let complaint = complaint.lines().last().map_or_else(String::new, |l| format!(": {l}"));
            Err(lost(format!(
                "the supervisor of {shown} vanished before it wrote a report{complaint}"
            )))
        }
        Err(error) => Err(lost(format!("the report in {shown} cannot be read: {error}"))),
    }
}

fn wait_for_lock(folder: &AttemptFolder) {
    // Without a lock file there was no supervisor.
    let Ok(mut file) = File::open(folder.lock()) else { return };
    loop {
        match Flock::lock(file, FlockArg::LockShared) {
            Err((again, Errno::EINTR)) => file = again,
            Ok(_) | Err(_) => return,
        }
    }
}

fn ended(folder: &AttemptFolder, exit: Exit) -> Result<Ended, ReportError> {
    let outcome = match exit.outcome {
        Outcome::Values(values) => Ok(values),
        Outcome::Fault(fault) if fault.class.is_retried() => return Err(ReportError(fault)),
        Outcome::Fault(fault) => Err(fault),
    };
    let metrics = read_metrics(folder)
        .map_err(|error| lost(format!("the attempt's metrics.jsonl cannot be read: {error}")))?;
    Ok(Ended { outcome, usage: exit.usage, metrics })
}

fn read_metrics(folder: &AttemptFolder) -> io::Result<Vec<MetricPoint>> {
    let text = fs::read_to_string(folder.metrics())?;
    // A last line that was cut short by a crash says nothing.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn lost(reason: impl Into<String>) -> ReportError {
    ReportError(Fault::new(FaultClass::Infra, reason))
}

//! The life of an attempt, from the lock to the report.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use autores_domain::{Fault, FaultClass, StageReport, Usage};
use nix::fcntl::Flock;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::WaitStatus;

use super::disk::DiskWatch;
use super::exit::{self, Exit, Outcome};
use super::meter::Meter;
use super::output::{self, Output};
use super::stage::{self, Ending, Run};
use super::telemetry::Telemetry;
use super::{OWN_PREFIX, Spec, classify};
use crate::attempt::{AttemptFolder, write_whole};
use crate::crash::crash_point;
use crate::lease;
use crate::processes;
use crate::shim::stage::result;

/// Somebody who only looks whether the lock is free holds it for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// What can happen while a stage runs.
#[derive(Debug)]
pub(super) enum Happening {
    /// The stage's own process ended.
    Exited(WaitStatus),
    /// The owner wants the attempt to end.
    Stop,
    /// What was printed, or that it could not be written, ends the attempt.
    Broken(Fault),
}

/// Why an attempt was not supervised to its end: it was not started or, in the one case that says so, its end
/// could not be written down.
#[derive(Debug, thiserror::Error)]
pub(super) enum SuperviseError {
    #[error("cannot use {what} in the attempt's folder: {source}")]
    Folder { what: &'static str, source: io::Error },
    #[error("cannot write down in exit.json how the attempt ended: {0}")]
    Report(io::Error),
    #[error("cannot adopt the attempt's processes: {0}")]
    Subreaper(nix::errno::Errno),
    #[error("cannot wait for signals: {0}")]
    Signals(nix::errno::Errno),
    #[error("cannot find this process in /proc; is it mounted?")]
    NoProc,
}

/// Runs the attempt in the folder unless that was done, or is being done, by another.
pub(super) fn supervise(folder: AttemptFolder) -> Result<(), SuperviseError> {
    // Fails only for a process that leads a session already.
    let _ = nix::unistd::setsid();
    prctl::set_child_subreaper(true).map_err(SuperviseError::Subreaper)?;
    let of = |what| move |source| SuperviseError::Folder { what, source };
    let Some(_lock) = lock(&folder).map_err(of("lock"))? else { return Ok(()) };
    if folder.exit().exists() || folder.shim().exists() {
        return Ok(());
    }
    crash_point!("shim.after_lock");
    let spec = fs::read(folder.spec()).map_err(of("spec.json"))?;
    let spec: Spec =
        serde_json::from_slice(&spec).map_err(|error| of("spec.json")(error.into()))?;
    let signals = block_signals().map_err(SuperviseError::Signals)?;
    exit::reserve(&folder.exit()).map_err(of("exit.json"))?;
    let files = output::Files::create(&folder).map_err(of("output.log"))?;
    let telemetry =
        Telemetry::create(&folder.telemetry(), &spec.gpus).map_err(of("telemetry.jsonl"))?;
    let (sender, happenings) = channel();
    let this = processes::this_supervisor(&spec.token).ok_or(SuperviseError::NoProc)?;
    let this = serde_json::to_vec(&this).map_err(|error| of("shim.json")(error.into()))?;
    write_whole(&folder.shim(), &this).map_err(of("shim.json"))?;
    crash_point!("shim.after_start_record");
    forward_signals(signals, sender.clone());
    say_ready();

    let may_wait = || !matches!(happenings.try_recv(), Ok(Happening::Stop));
    let held = match lease::hold(&spec.leases, &spec.gpus, may_wait) {
        Ok(lease) => lease.ok_or_else(stage::stopped),
        Err(error) => {
            let reason = format!("cannot hold a GPU in {}: {error}", spec.leases.display());
            Err(Fault::new(FaultClass::Infra, reason))
        }
    };
    let _lease = match held {
        Ok(lease) => lease,
        Err(fault) => {
            let exit = ended_before_start(spec.name, fault);
            return exit::write(&folder.exit(), &exit).map_err(SuperviseError::Report);
        }
    };
    // Waiting for a GPU is not the idea's doing, so the clock starts here.
    let meter = Arc::new(Meter::start());
    let output = Output::new(files, spec.limits.output_mb, Arc::clone(&meter), sender.clone());
    let disk = DiskWatch::start(&folder);
    let mut run = Run {
        spec,
        folder,
        meter,
        output: Arc::new(output),
        sender,
        happenings,
        telemetry,
        disk,
        is_stopped: false,
    };
    let exit = stages(&mut run);
    if let Err(error) = run.output.finish() {
        eprintln!("{OWN_PREFIX}cannot finish output.log: {error}");
    }
    crash_point!("shim.before_exit");
    exit::write(&run.folder.exit(), &exit).map_err(SuperviseError::Report)?;
    crash_point!("shim.after_exit");
    Ok(())
}

fn ended_before_start(name: String, fault: Fault) -> Exit {
    let outcome = Outcome::Fault(fault);
    Exit { name, outcome, usage: Usage::default(), stages: Vec::new() }
}

fn stages(run: &mut Run) -> Exit {
    let mut stages: Vec<StageReport> = Vec::new();
    let mut outcome = None;
    for index in 0..run.spec.stages.len() {
        if run.is_stopped {
            outcome = Some(Outcome::Fault(stage::stopped()));
            break;
        }
        let (ending, usage) = stage::run(run, index);
        let spec = &run.spec.stages[index];
        stages.push(StageReport { name: spec.name.clone(), usage: usage.clone() });
        let fault = match ending {
            Ending::Broken(fault) => Some(fault.with_tail(run.output.tail().lines)),
            Ending::Exited { status, memory_kills, refusal } => {
                let facts = classify::Facts {
                    memory_share: usage.peak_memory_mb / run.spec.limits.memory_mb as f64,
                    memory_kills,
                    file_mb: run.spec.limits.file_mb,
                    disk_is_full: run.disk.is_full(),
                    refusal,
                };
                classify::fault(spec, status, &run.output.tail(), &facts)
            }
        };
        if let Some(fault) = fault {
            outcome = Some(Outcome::Fault(fault));
            break;
        }
        if let Some(metric) = run.spec.metric.as_ref().filter(|_| spec.result.is_some()) {
            let tail = || run.output.tail().lines;
            outcome = Some(match result::read(spec, metric) {
                Ok(values) => Outcome::Values(values),
                Err(fault) => Outcome::Fault(fault.with_tail(tail())),
            });
        }
    }
    let outcome = outcome.unwrap_or_else(|| match run.spec.metric {
        Some(_) => Outcome::Fault(Fault::new(FaultClass::Crash, "no stage writes a result file")),
        None => Outcome::Values(BTreeMap::new()),
    });
    let usage = Usage {
        wall_s: run.meter.wall_s(),
        cpu_s: run.meter.measure().cpu_s,
        peak_memory_mb: stages.iter().map(|s| s.usage.peak_memory_mb).fold(0.0, f64::max),
        peak_gpu_memory_mb: stages
            .iter()
            .filter_map(|s| s.usage.peak_gpu_memory_mb)
            .reduce(f64::max),
    };
    Exit { name: run.spec.name.clone(), outcome, usage, stages }
}

fn lock(folder: &AttemptFolder) -> io::Result<Option<Flock<File>>> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        let lock = folder.try_lock()?;
        if lock.is_some() || Instant::now() > deadline || folder.shim().exists() {
            return Ok(lock);
        }
        thread::sleep(BETWEEN_TRIES);
    }
}

fn block_signals() -> nix::Result<SigSet> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    Ok(signals)
}

fn forward_signals(signals: SigSet, sender: Sender<Happening>) {
    thread::spawn(move || while signals.wait().is_ok() && sender.send(Happening::Stop).is_ok() {});
}

/// Tells the starter, and then lets go of it, so that it need not stay.
fn say_ready() {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(b"ready\n").and_then(|()| stdout.flush());
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
    }
}

/// The receiver of what happens in the run, kept here so that its type is named once.
pub(super) type Happenings = Receiver<Happening>;

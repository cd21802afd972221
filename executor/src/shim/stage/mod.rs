//! One stage: from the start of its process until none of its processes is left.

pub(super) mod result;

use std::io::{self, PipeWriter};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use autores_domain::{Fault, FaultClass, Usage};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};

use super::disk::DiskWatch;
use super::limits::{Moment, Watchdog};
use super::meter::Meter;
use super::output::{Output, Stream};
use super::refusal::{self, Refusal};
use super::supervise::{Happening, Happenings};
use super::telemetry::Telemetry;
use super::{Spec, StageSpec};
use crate::attempt::AttemptFolder;
use crate::processes;

const TICK: Duration = Duration::from_millis(100);
/// How long processes that are born as fast as they are ended may keep the attempt from going on.
const PATIENCE: Duration = Duration::from_secs(30);

/// An attempt under way.
pub(super) struct Run {
    pub(super) spec: Spec,
    pub(super) folder: AttemptFolder,
    pub(super) meter: Arc<Meter>,
    pub(super) output: Arc<Output>,
    pub(super) sender: Sender<Happening>,
    pub(super) happenings: Happenings,
    pub(super) telemetry: Telemetry,
    pub(super) disk: DiskWatch,
    /// The owner wants the attempt to end.
    pub(super) is_stopped: bool,
}

/// How a stage ended.
pub(super) enum Ending {
    /// By itself.
    Exited {
        status: WaitStatus,
        /// Whether the kernel ended processes for want of memory meanwhile.
        memory_kills: bool,
        /// Why its program was not started, if it was not.
        refusal: Option<Refusal>,
    },
    /// It was ended.
    Broken(Fault),
}

/// Runs a stage to its end, and says what it used.
pub(super) fn run(run: &mut Run, index: usize) -> (Ending, Usage) {
    let stage = run.spec.stages[index].clone();
    let (wall_s, cpu_s) = (run.meter.wall_s(), run.meter.measure().cpu_s);
    let mut peak_memory_mb = 0.0;
    run.telemetry.begin_stage();
    let ending = execute(run, &stage, &mut peak_memory_mb).unwrap_or_else(|error| {
        let reason = format!("cannot start stage {}: {error}", stage.name);
        Ending::Broken(Fault::new(FaultClass::Infra, reason))
    });
    let usage = Usage {
        wall_s: run.meter.wall_s() - wall_s,
        cpu_s: run.meter.measure().cpu_s - cpu_s,
        peak_memory_mb,
        peak_gpu_memory_mb: run.telemetry.gpu_memory_mb(),
    };
    (ending, usage)
}

fn execute(run: &mut Run, stage: &StageSpec, peak_memory_mb: &mut f64) -> io::Result<Ending> {
    run.output.begin_stage(&stage.name)?;
    let memory_kills = processes::memory_kills();
    let (refused, refusing) = io::pipe()?;
    let mut child = start(&run.spec, stage, refusing)?;
    let refused = thread::spawn(move || refusal::hear(refused));
    let readers = read(&run.output, &mut child);
    let reaper = reap(&child, run.sender.clone());

    let ending = watch(run, stage, peak_memory_mb);
    let grace = match &ending {
        Err(_) => Duration::from_secs(run.spec.limits.grace_s),
        // Whatever the stage left behind has had its chance.
        Ok(_) => Duration::ZERO,
    };
    if !end(run, grace, &reaper) {
        // The threads wait for the processes that are left, so nobody waits for the threads.
        let reason = format!("stage {} left processes that cannot be ended", stage.name);
        return Ok(Ending::Broken(Fault::new(FaultClass::Policy, reason)));
    }
    for reader in readers {
        let _ = reader.join();
    }
    let refusal = refused.join().ok().flatten();
    Ok(match ending {
        Ok(status) => {
            let broken = late_news(run);
            let memory_kills = processes::memory_kills() > memory_kills;
            let exited = Ending::Exited { status, memory_kills, refusal };
            broken.map_or(exited, Ending::Broken)
        }
        Err(fault) => {
            // The end of the process that we ended is no news for the next stage.
            let _ = run.happenings.try_iter().count();
            Ending::Broken(fault)
        }
    })
}

/// Ends all processes of the stage; whether none is left.
///
/// The list of processes may miss those that are born and end while it is made. What the kernel says to the one
/// who waits for them does not.
fn end(run: &Run, mut grace: Duration, reaper: &JoinHandle<()>) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        processes::end_all(&run.spec.token, run.folder.path(), grace, true);
        grace = Duration::ZERO;
        processes::kill_children_until(|| reaper.is_finished());
        if reaper.is_finished() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
    }
}

/// What was printed last may break a rule and was read only now, and a request to stop must not be lost.
fn late_news(run: &mut Run) -> Option<Fault> {
    let mut broken = None;
    for happening in run.happenings.try_iter() {
        match happening {
            Happening::Broken(fault) => broken = Some(fault),
            Happening::Stop => run.is_stopped = true,
            Happening::Exited(_) => {}
        }
    }
    broken
}

/// The fault of an attempt that was stopped.
pub(super) fn stopped() -> Fault {
    Fault::new(FaultClass::Preempted, "stopped by its owner")
}

fn start(spec: &Spec, stage: &StageSpec, refusing: PipeWriter) -> io::Result<Child> {
    // Names this very program, even if its file was replaced meanwhile.
    Command::new("/proc/self/exe")
        .args(&spec.shim_arguments)
        .arg("begin")
        .arg(&stage.profile)
        .arg("--")
        .args(&stage.command)
        .env_clear()
        .envs(&stage.env)
        .stdin(refusing)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn read(output: &Arc<Output>, child: &mut Child) -> Vec<JoinHandle<()>> {
    let mut readers = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        let output = Arc::clone(output);
        readers.push(thread::spawn(move || output.drain(Stream::Output, pipe)));
    }
    if let Some(pipe) = child.stderr.take() {
        let output = Arc::clone(output);
        readers.push(thread::spawn(move || output.drain(Stream::Error, pipe)));
    }
    readers
}

/// Waits for all descendants, adopted ones too, until there is none.
fn reap(child: &Child, sender: Sender<Happening>) -> JoinHandle<()> {
    let main = child.id();
    thread::spawn(move || {
        loop {
            match waitpid(None, None) {
                Ok(status) => {
                    if status.pid().is_some_and(|pid| pid.as_raw().unsigned_abs() == main) {
                        let _ = sender.send(Happening::Exited(status));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    })
}

/// Waits until the stage ends by itself, or has to be ended.
fn watch(run: &mut Run, stage: &StageSpec, peak_memory_mb: &mut f64) -> Result<WaitStatus, Fault> {
    let limits = run.spec.limits.clone();
    let mut watchdog = Watchdog::start(run.meter.wall_s(), run.meter.recent().cpu_s);
    loop {
        let sample = run.meter.measure();
        let wall_s = run.meter.wall_s();
        *peak_memory_mb = peak_memory_mb.max(sample.memory_mb);
        run.telemetry.record(wall_s, sample);
        let mut memory_mb = sample.memory_mb;
        if memory_mb > limits.memory_mb as f64 {
            memory_mb = processes::shared_once_mb().unwrap_or(memory_mb);
        }
        let printed_at_s = wall_s - run.output.last_at().elapsed().as_secs_f64();
        let now = Moment { wall_s, cpu_s: sample.cpu_s, memory_mb, printed_at_s };
        if let Some(fault) = watchdog.check(&limits, &stage.name, now) {
            return Err(fault);
        }
        if let Some(fault) = run.disk.check(limits.disk_mb, &stage.name) {
            return Err(fault);
        }
        match run.happenings.recv_timeout(TICK) {
            Ok(Happening::Exited(status)) => return Ok(status),
            Ok(Happening::Broken(fault)) => return Err(fault),
            Ok(Happening::Stop) => return Err(stopped()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

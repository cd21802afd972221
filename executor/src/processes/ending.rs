//! Ends the processes of an attempt. Never ends one that is neither below this process nor marked.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc::pid_t;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stat::stat;
use super::tree::{children, descendants, marked};

/// A process that outlives the kill for so long hangs in the kernel, where nothing reaches it.
const KILL_PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_KILLS: Duration = Duration::from_millis(5);
/// How long a chain of short-lived processes is chased before a thorough look.
const CHASE: Duration = Duration::from_millis(200);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Kills the children of this process, without a pause, until it is `done` or a moment has passed.
///
/// A process that does nothing but start its successor ends too fast to be found in a list of all descendants,
/// but the oldest one of such a chain is always a child of its supervisor.
pub(crate) fn kill_children_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + CHASE;
    while !done() && Instant::now() < deadline {
        for pid in children(Pid::this().as_raw()) {
            signal(pid, Signal::SIGKILL);
        }
    }
}

/// Ends every process of the attempt: a request, some grace, then the kill until none is left.
/// `is_below` says whether they hang below this process, which then must wait for them elsewhere.
pub(crate) fn end_all(token: &str, folder: &Path, grace: Duration, is_below: bool) -> bool {
    let deadline = Instant::now() + grace;
    if !grace.is_zero() {
        for pid in targets(token, folder, is_below) {
            signal(pid, Signal::SIGTERM);
            // A stopped process would not see the request.
            signal(pid, Signal::SIGCONT);
        }
        while Instant::now() < deadline && !targets(token, folder, is_below).is_empty() {
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
    let deadline = Instant::now() + KILL_PATIENCE;
    loop {
        let left = targets(token, folder, is_below);
        if left.is_empty() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        for pid in left {
            signal(pid, Signal::SIGKILL);
        }
        std::thread::sleep(BETWEEN_KILLS);
    }
}

fn targets(token: &str, folder: &Path, is_below: bool) -> Vec<pid_t> {
    let mut targets: Vec<pid_t> = if is_below {
        let below = descendants(Pid::this().as_raw());
        below.iter().filter(|process| !process.is_dead).map(|process| process.pid).collect()
    } else {
        Vec::new()
    };
    for pid in marked(token, folder) {
        let lives = stat(pid).is_some_and(|process| !process.is_dead);
        if lives && !targets.contains(&pid) {
            targets.push(pid);
        }
    }
    targets
}

fn signal(pid: pid_t, signal: Signal) {
    // It may have ended by itself meanwhile.
    let _ = kill(Pid::from_raw(pid), signal);
}
